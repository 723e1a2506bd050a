#include <cobus/outbox/plan.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace outbox_plan_test {

using cobus::detail::outbox_plan;
using verdict = outbox_plan::verdict;
using std::chrono::seconds;

auto row(std::int64_t sequence, std::optional<std::string> key) -> cobus::outbox_row {
    cobus::outbox_row made;
    made.sequence = sequence;
    made.topic = "orders";
    made.key = std::move(key);
    return made;
}
auto chosen(outbox_plan& plan, const std::vector<cobus::outbox_row>& from,
            outbox_plan::clock::time_point now) -> std::vector<std::int64_t> {
    std::vector<std::int64_t> all;
    for (const auto& each : plan.choose(from, now)) {
        all.push_back(each.sequence);
    }
    return all;
}
const outbox_plan::clock::time_point start{std::chrono::hours(1)};

} // namespace outbox_plan_test

TEST_CASE("a key whose row failed waits with all that is behind it, longer each time") {
    using namespace outbox_plan_test;
    outbox_plan plan(seconds(1), seconds(30));
    const std::vector<cobus::outbox_row> rows{row(1, "a"), row(2, "b"), row(3, "a"),
                                              row(4, std::nullopt)};
    CHECK(chosen(plan, rows, start) == std::vector<std::int64_t>{1, 2, 3, 4});
    CHECK(plan.ended(rows[0], cobus::errc::timed_out, true, start) == verdict::keep);
    CHECK(plan.ended(rows[2], cobus::errc::behind_failed, true, start) == verdict::keep);
    CHECK(plan.ended(rows[1], std::error_code(), true, start) == verdict::remove);
    CHECK(plan.due() == start + seconds(1));
    CHECK(chosen(plan, rows, start) == std::vector<std::int64_t>{2, 4});
    CHECK(chosen(plan, rows, start + seconds(1)) == std::vector<std::int64_t>{1, 2, 3, 4});
    auto now = start + seconds(1);
    for (const int expected : {2, 4, 8, 16, 30, 30}) {
        CHECK(plan.ended(rows[0], cobus::errc::maybe_sent, true, now) == verdict::keep);
        CHECK(plan.due() == now + seconds(expected));
        now = plan.due();
    }
    CHECK(plan.ended(rows[0], std::error_code(), true, now) == verdict::remove);
    CHECK(plan.waiting() == 0);
}

TEST_CASE("what Kafka refuses for good is put apart and its key goes on") {
    using namespace outbox_plan_test;
    outbox_plan plan(seconds(1), seconds(30));
    for (const auto code : {cobus::errc::too_large, cobus::errc::no_topic,
                            cobus::errc::not_authorized, cobus::errc::no_partition}) {
        CHECK(plan.ended(row(1, "a"), code, true, start) == verdict::refuse);
    }
    CHECK(chosen(plan, {row(2, "a")}, start) == std::vector<std::int64_t>{2});
}

TEST_CASE("no row is refused for what is wrong with the bus") {
    using namespace outbox_plan_test;
    outbox_plan plan(seconds(1), seconds(30));
    CHECK(plan.ended(row(1, "a"), cobus::errc::not_authorized, false, start) == verdict::keep);
    for (const auto code : {cobus::errc::closed, cobus::errc::fatal, cobus::errc::bad_settings,
                            cobus::errc::unavailable, cobus::errc::no_transport}) {
        CHECK(plan.ended(row(1, "a"), code, true, start) == verdict::keep);
    }
    CHECK(plan.ended(row(1, "a"), std::make_error_code(std::errc::operation_canceled), true,
                     start) == verdict::keep);
}

TEST_CASE("rows without a key wait alone, and keys whose rows are gone are forgotten") {
    using namespace outbox_plan_test;
    outbox_plan plan(seconds(1), seconds(30));
    CHECK(plan.ended(row(1, std::nullopt), cobus::errc::timed_out, true, start) == verdict::keep);
    CHECK(chosen(plan, {row(1, std::nullopt), row(2, std::nullopt)}, start) ==
          std::vector<std::int64_t>{2});
    CHECK(plan.waiting() == 1);
    CHECK(chosen(plan, {}, start + seconds(40)).empty());
    CHECK(plan.waiting() == 0);
}
