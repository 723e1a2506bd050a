#include "failover_bench.hpp"

#include <cobus/degrade/spool_file.hpp>
#include <cobus/detail/helper.hpp>
#include <cobus/testing/virtual_clock.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using cobus::errc;
using cobus::path;
using cobus::policy;
using cobus::state;
using cobus::taken;
using cobus::testing::failover_bench;
using cobus::testing::sent;
namespace degrade = cobus::degrade;

namespace spool_in_file_tests {

using names = std::vector<std::string>;

/// A disk that outlives processes.
struct disk {
    struct row {
        std::string topic, key, payload, id;
        std::vector<degrade::executor_name> settled;
    };
    std::map<std::uint64_t, row> rows;
    std::vector<std::string> refused;
    std::uint64_t next = 1;
    std::string unfit; ///< a payload that it cannot store
    bool full = false;
    bool read_only = false;
    bool locked = false;
    int tries = 0; ///< to write
    int written = 0;
    std::function<void()> on_write = nullptr;
};

class disk_file final : public degrade::spool_file {
public:
    explicit disk_file(std::shared_ptr<disk> on) : on_(std::move(on)) {}

    [[nodiscard]] auto open() -> degrade::spool_contents override {
        if (on_->locked) {
            throw cobus::error(errc::store_failed, "another process has the spool");
        }
        degrade::spool_contents found;
        found.rows = on_->rows.size();
        found.next_sequence = on_->next;
        return found;
    }
    void apply(std::span<const degrade::row_change> changes) override {
        const bool puts = std::ranges::any_of(changes, [](const auto& each) {
            return std::holds_alternative<degrade::row_put>(each);
        });
        ++on_->tries;
        if (on_->on_write) {
            on_->on_write();
        }
        if (on_->read_only) {
            throw cobus::error(errc::store_failed, "the disk is read-only");
        }
        if (on_->full && puts) {
            throw cobus::error(errc::queue_full, "the disk is full");
        }
        const bool unfit = std::ranges::any_of(changes, [this](const auto& each) {
            const auto* const put = std::get_if<degrade::row_put>(&each);
            return put != nullptr && put->row->content.payload() == on_->unfit;
        });
        if (unfit) {
            throw cobus::error(errc::not_encodable, "it has no envelope");
        }
        for (const auto& each : changes) {
            std::visit([this](const auto& what) { change(what); }, each);
        }
        ++on_->written;
    }
    [[nodiscard]] auto read(std::uint64_t from, std::size_t rows, std::size_t /*bytes*/)
        -> std::vector<degrade::spool_row> override {
        std::vector<degrade::spool_row> some;
        for (auto each = on_->rows.lower_bound(from); each != on_->rows.end() && some.size() < rows;
             ++each) {
            degrade::spool_row& row = some.emplace_back();
            row.sequence = each->first;
            row.content.topic(each->second.topic);
            row.content.key(each->second.key);
            row.content.payload(each->second.payload);
            row.content.id(cobus::message_id::from_text(each->second.id));
            row.settled = each->second.settled;
        }
        return some;
    }

private:
    void change(const degrade::row_put& put) {
        const cobus::message& content = put.row->content;
        on_->rows[put.row->sequence] = {std::string(content.topic()), std::string(*content.key()),
                                        std::string(content.payload()), content.id().str(),
                                        put.row->settled};
        on_->next = std::max(on_->next, put.row->sequence + 1);
    }
    void change(const degrade::row_moved& /*moved*/) {}
    void change(const degrade::row_settled& settled) {
        if (const auto found = on_->rows.find(settled.sequence); found != on_->rows.end()) {
            found->second.settled.push_back(settled.by);
        }
    }
    void change(const degrade::row_gone& gone) { on_->rows.erase(gone.sequence); }
    void change(const degrade::row_refused& refused) {
        on_->rows.erase(refused.sequence);
        on_->refused.push_back(refused.cause);
    }

    std::shared_ptr<disk> on_;
};

auto kept_on(const std::shared_ptr<disk>& on) -> cobus::transport_options {
    cobus::transport_options options;
    options.group_id = "g";
    options.spool.file = [on] { return std::make_unique<disk_file>(on); };
    return options;
}

struct file_bench : failover_bench {
    using failover_bench::failover_bench;

    /// Until the file knows everything.
    void written() {
        for (int i = 0; i < 5; ++i) {
            REQUIRE(cobus::detail::helper::drained(cobus::detail::helps::file, 30s));
            time.settle();
        }
    }
    void begin() {
        start();
        written();
        kafka->is(cobus::link::up);
        time.settle();
    }
    /// Lines of the log that say so.
    [[nodiscard]] auto with(std::string_view part) const -> std::ptrdiff_t {
        return std::ranges::count_if(lines, [part](const std::string& each) {
            return each.find(part) != std::string::npos;
        });
    }
    auto keep(std::string text, std::string_view key = "k", policy how = policy::deliver_and_spool)
        -> sent& {
        return publish(std::move(text), how, true, "t", key);
    }
};

TEST_CASE("an event is answered and handled in process only once the file has it") {
    const auto on = std::make_shared<disk>();
    file_bench bench(kept_on(on));
    bench.begin();
    REQUIRE(bench.started.times == 1);
    bench.away();
    sent& one = bench.keep("1");
    CHECK(bench.last == taken::pending);
    bench.written();
    CHECK(on->rows.size() == 1);
    CHECK(one.completions == 1);
    CHECK(one.where.spooled());
    CHECK(one.where.durable());
    CHECK(bench.to_memory == names{"1"});
    CHECK(bench.whole->health().kept.durable);
    bench.back();
    bench.answer_kafka();
    bench.written();
    CHECK(on->rows.empty());
    CHECK(bench.whole->health().what == state::connected);
}

TEST_CASE(
    "what Kafka's client has when the gate closes is stored before its publisher hears of it") {
    const auto on = std::make_shared<disk>();
    file_bench bench(kept_on(on));
    bench.begin();
    sent& one = bench.keep("1");
    sent& two = bench.keep("2");
    bench.away();
    bench.written();
    CHECK(on->rows.size() == 2);
    CHECK(one.where.durable());
    CHECK(two.where.spooled());
    bench.answer_kafka(); // its report ends the row
    bench.written();
    CHECK(on->rows.empty());
    CHECK(one.completions == 1);
}

TEST_CASE("the file waits for nothing that Kafka is asked meanwhile") {
    const auto on = std::make_shared<disk>();
    file_bench bench(kept_on(on));
    bench.begin();
    bench.away();
    std::promise<void> answer;
    REQUIRE(cobus::detail::helper::run(
        cobus::detail::helps::work,
        [told = answer.get_future().share()] { (void)told.wait_for(60s); }));
    const sent& one = bench.keep("1");
    bench.written();
    CHECK(one.completions == 1);
    CHECK(one.where.durable());
    answer.set_value();
    REQUIRE(cobus::detail::helper::drained(cobus::detail::helps::work, 30s));
}

TEST_CASE("what is being written is read no more when a bus is gone, and what waits is not put") {
    const auto on = std::make_shared<disk>();
    file_bench bench(kept_on(on));
    bench.begin();
    bench.away();
    std::promise<void> begun;
    on->on_write = [&] {
        on->on_write = nullptr;
        begun.set_value();
        std::this_thread::sleep_for(100ms); // longer than the end of a bus that does not wait
    };
    bench.keep("1");
    begun.get_future().wait();
    bench.keep("2");
    bench.whole.reset();
    CHECK(on->written == on->tries);
    CHECK(on->rows.size() == 1);
    REQUIRE(cobus::detail::helper::drained(cobus::detail::helps::file, 30s));
    CHECK(on->rows.size() == 1);
}

TEST_CASE(
    "a bus that goes waits half a second for a disk that hangs, and leaves it what it reads") {
    const auto on = std::make_shared<disk>();
    file_bench bench(kept_on(on));
    bench.begin();
    std::promise<void> begun;
    std::promise<void> goes_on;
    bool first_write = true;
    on->on_write = [&, told = goes_on.get_future().share()] {
        if (std::exchange(first_write, false)) {
            begun.set_value();
            (void)told.wait_for(60s);
        }
    };
    const std::string first(100'000, '1');
    const std::string second(100'000, '2');
    const auto begin_writing = [&](bool passes) {
        if (passes) {
            bench.keep(first, "k"); // its publisher's own node is with Kafka's client
            bench.away();
        } else {
            bench.away();
            bench.keep(first, "k");
        }
        begun.get_future().wait();
        return &bench.keep(second, "l");
    };
    const sent* later = nullptr;
    SUBCASE("and all is here") { later = begin_writing(false); }
    SUBCASE("and Kafka's client has what is being written") { later = begin_writing(true); }
    SUBCASE("and Kafka has what is being written") {
        later = begin_writing(false);
        bench.back();
        bench.answer_kafka();
    }
    const auto before = std::chrono::steady_clock::now();
    bench.whole.reset();
    for (sent& each : bench.all) { // as its bus does
        each.content.reset();
    }
    CHECK(std::chrono::steady_clock::now() - before < 20s); // on a busy machine, too
    CHECK(on->written == 0);
    CHECK_FALSE(later->where.durable()); // nobody was told that it is kept
    goes_on.set_value();
    REQUIRE(cobus::detail::helper::drained(cobus::detail::helps::file, 30s));
    REQUIRE(on->rows.size() == 1);
    CHECK(on->rows.begin()->second.payload == first);
    CHECK(on.use_count() == 1); // the file is closed
}

TEST_CASE(
    "a publisher that the file could not reach hears when Kafka's client gives its node back") {
    const auto on = std::make_shared<disk>();
    file_bench bench(kept_on(on));
    bench.begin();
    sent& one = bench.keep("1");
    one.answered = nullptr;
    bench.away();
    bench.written();
    CHECK(on->rows.size() == 1);
    CHECK(one.completions == 0);
    bench.answer_kafka(errc::timed_out); // it goes again when Kafka is back
    CHECK(one.completions == 1);
    CHECK(one.where.durable());
    CHECK(bench.whole->health().kept.messages == 1);
    bench.back();
    bench.answer_kafka();
    bench.written();
    CHECK(on->rows.empty());
    CHECK(one.completions == 1);
}

TEST_CASE("what the file refuses of what Kafka's client has may be sent, and is told so") {
    const auto on = std::make_shared<disk>();
    file_bench bench(kept_on(on));
    bench.begin();
    sent& one = bench.keep("1");
    on->full = true;
    bench.away();
    bench.written();
    CHECK(one.completions == 1);
    CHECK(one.ec == errc::maybe_sent);
    bench.answer_kafka();
    CHECK(one.completions == 1);
    CHECK_FALSE(one.parted);
    CHECK(bench.whole->health().kept.messages == 0);
}

TEST_CASE("a full disk is the publisher's to know, and what is over still goes") {
    const auto on = std::make_shared<disk>();
    file_bench bench(kept_on(on));
    bench.begin();
    bench.away();
    bench.keep("1");
    bench.written();
    on->full = true;
    sent& refused = bench.keep("2");
    bench.written();
    CHECK(refused.ec == errc::queue_full);
    CHECK(refused.completions == 1);
    CHECK(bench.whole->health().kept.messages == 1);
    on->full = false;
    bench.time.pass(2s);
    sent& third = bench.keep("3");
    bench.written();
    CHECK_FALSE(third.ec);
    bench.back();
    CHECK(bench.to_kafka == names{"1", "3"});
    bench.answer_kafka();
    bench.written();
    CHECK(on->rows.empty());
}

TEST_CASE("a file that fails for long is tried ever less often, and a line tells of each change") {
    const auto on = std::make_shared<disk>();
    file_bench bench(kept_on(on));
    bench.begin();
    bench.away();
    bench.keep("1");
    bench.written();
    CHECK(bench.whole->health().kept.why.empty());
    bench.lines.clear();
    on->read_only = true;
    on->tries = 0;
    bench.back();
    bench.answer_kafka(); // the file cannot be told
    const auto minutes = [&bench](int count) {
        for (int i = 0; i < count * 60; ++i) {
            bench.time.pass(1s);
            REQUIRE(cobus::detail::helper::drained(cobus::detail::helps::file, 30s));
            bench.time.settle();
        }
    };
    minutes(10);
    CHECK(on->tries >= 10);
    CHECK(on->tries <= 20);
    CHECK(bench.whole->health().kept.why ==
          "the disk is read-only: a file that cobus keeps things in cannot be used");
    CHECK_FALSE(bench.whole->health().kept.durable);
    CHECK(bench.with("takes nothing") == 1);
    bench.away();
    sent& refused = bench.keep("2"); // does not wait for the next try of a minute
    bench.time.pass(1s);
    bench.written();
    CHECK(refused.completions == 1);
    CHECK(refused.ec == errc::store_failed);
    on->read_only = false;
    minutes(1);
    CHECK(on->rows.empty());
    CHECK(bench.whole->health().kept.why.empty());
    CHECK(bench.with("takes nothing") == 1);
    CHECK(bench.with("info: the spool's file takes events again") == 1);
}

TEST_CASE("a spool in memory is written when the bus stops, and the next process sends it") {
    const auto on = std::make_shared<disk>();
    cobus::transport_options how = kept_on(on);
    how.spool.at_stop = true;
    {
        file_bench bench(how);
        bench.begin();
        bench.away();
        for (int i = 0; i < 5000; ++i) { // more than one batch
            const sent& one = bench.keep(std::to_string(i), i == 0 ? "first" : "k");
            REQUIRE(one.completions == 1);
            REQUIRE(one.where.spooled());
            REQUIRE_FALSE(one.where.durable());
        }
        bench.written();
        CHECK(on->rows.empty());
        CHECK_FALSE(bench.whole->health().kept.durable);
        bench.stop();
        bench.written();
        CHECK(bench.stopped.times == 1);
        CHECK(on->rows.size() == 5000);
        CHECK(bench.whole->health().kept.durable);
        CHECK(bench.with("stopped before Kafka had 5000 events: kept in the spool's file") == 1);
    }
    file_bench next(how);
    next.begin();
    for (int i = 0; i < 5000 && on->rows.size() + next.to_kafka.size() > 0; ++i) {
        next.answer_kafka();
        if (next.to_kafka.size() == 5000) {
            break;
        }
    }
    REQUIRE(next.to_kafka.size() == 5000);
    for (int i = 0; i < 5000; ++i) {
        REQUIRE(next.to_kafka[static_cast<std::size_t>(i)] == std::to_string(i));
    }
    next.answer_kafka();
    next.written();
    CHECK(on->rows.empty());
    CHECK(next.whole->health().what == state::connected);
}

TEST_CASE("a stop says when the file could not take all of a spool in memory") {
    const auto on = std::make_shared<disk>();
    cobus::transport_options how = kept_on(on);
    how.spool.at_stop = true;
    file_bench bench(how);
    bench.begin();
    bench.away();
    bench.keep("1");
    on->full = true;
    bench.stop();
    bench.written();
    bench.time.pass(6s);
    bench.written();
    CHECK(bench.stopped.times == 1);
    CHECK(bench.whole->health().kept.messages == 1);
    CHECK_FALSE(bench.whole->health().kept.durable);
    CHECK(bench.with("1 event: the spool's file does not have all of them") == 1);
}

TEST_CASE("an event that the file cannot store fails alone, and not those written with it") {
    const auto on = std::make_shared<disk>();
    on->unfit = "2";
    file_bench bench(kept_on(on));
    bench.begin();
    sent& one = bench.keep("1");
    sent& two = bench.keep("2", "other");
    sent& three = bench.keep("3");
    bench.away(); // all three in one batch
    bench.written();
    CHECK(one.where.durable());
    CHECK(two.ec == errc::maybe_sent); // Kafka's client has it
    CHECK(three.where.durable());
    on->unfit = "5"; // nothing is being written
    sent& four = bench.keep("4");
    sent& five = bench.keep("5", "other");
    bench.written();
    CHECK(four.where.durable());
    CHECK(five.ec == errc::not_encodable);
    CHECK(on->rows.size() == 3);
}

TEST_CASE("an event is kept as long as may be, whatever time it tells of itself") {
    const auto on = std::make_shared<disk>();
    cobus::transport_options options = kept_on(on);
    options.spool.max_age = 10s;
    const auto clock = cobus::testing::virtual_clock::make();
    const cobus::time_point begun(std::chrono::hours(500'000));
    clock->set_wall(begun);
    options.time = clock;
    file_bench bench(options);
    bench.begin();
    bench.away();
    bench.keep("1"); // its own time is the epoch
    bench.written();
    clock->set_wall(begun + 9s);
    bench.time.pass(2s);
    CHECK(bench.whole->health().kept.messages == 1);
    CHECK(bench.whole->health().kept.oldest == begun);
    clock->set_wall(begun + 11s);
    bench.time.pass(2s);
    bench.written();
    CHECK(bench.whole->health().kept.messages == 0);
    CHECK(bench.whole->health().kept.dropped == 1);
    CHECK(on->rows.empty());
}

TEST_CASE("the next process sends what a dead one left, before anything newer of its key") {
    const auto on = std::make_shared<disk>();
    {
        file_bench dead(kept_on(on));
        dead.begin();
        dead.keep("0"); // with Kafka's client
        dead.away();
        dead.keep("1");
        dead.keep("2", "other");
        dead.written();
    }
    REQUIRE(on->rows.size() == 3);
    on->rows.rbegin()->second.settled.push_back({"g", "mail"});
    on->rows.rbegin()->second.settled.push_back({"another group", "mail"});
    file_bench next(kept_on(on));
    next.start();
    sent& early = next.keep("3");
    next.written();
    CHECK(next.whole->health().kept.messages == 4);
    CHECK(next.started.times == 0);
    std::vector<std::string> marks;
    next.kafka->on_publish = [&](cobus::publish_node& node) {
        next.to_kafka.push_back(failover_bench::payload(node));
        marks.emplace_back(node.content->headers().get("cobus-done").value_or(""));
    };
    next.kafka->is(cobus::link::up);
    next.time.settle();
    CHECK(next.whole->health().what == state::recovering);
    CHECK(next.to_kafka == names{"0", "1", "2", "3"});
    CHECK(marks[0].empty());
    CHECK(marks[1].empty());
    CHECK(marks[2].ends_with(";g/mail"));
    CHECK(marks[3].empty());
    CHECK_FALSE(early.over());
    next.answer_kafka();
    next.written();
    CHECK(early.completions == 1);
    CHECK(on->rows.empty());
    CHECK(next.to_memory.empty());
}

TEST_CASE("a spool that another process has fails the start, and says so") {
    const auto on = std::make_shared<disk>();
    on->locked = true;
    file_bench bench(kept_on(on));
    bench.start();
    bench.written();
    CHECK(bench.started.times == 1);
    CHECK(bench.started.ec == errc::store_failed);
    CHECK(bench.whole->health().what == state::failed);
    CHECK(bench.whole->health().why.find("another process") != std::string::npos);
}

TEST_CASE("what Kafka refuses for good is kept apart in the file") {
    const auto on = std::make_shared<disk>();
    cobus::transport_options how = kept_on(on);
    names heard;
    how.on_refused = [&heard](const cobus::message& what, std::error_code why) {
        CHECK(why == errc::too_large);
        heard.emplace_back(what.payload());
    };
    file_bench bench(how);
    bench.begin();
    bench.away();
    bench.keep("1");
    bench.written();
    bench.back();
    bench.answer_kafka(errc::too_large);
    bench.written();
    CHECK(on->rows.empty());
    REQUIRE(on->refused.size() == 1);
    CHECK(heard == names{"1"});
    CHECK(bench.whole->health().kept.refused == 1);
}

TEST_CASE("stopping does not wait for Kafka when the file has everything") {
    const auto on = std::make_shared<disk>();
    file_bench bench(kept_on(on));
    bench.begin();
    bench.away();
    bench.keep("1");
    bench.written();
    bench.stop();
    bench.written();
    CHECK(bench.stopped.times == 1);
    CHECK(on->rows.size() == 1);
}

} // namespace spool_in_file_tests
