#include <cobus/detail/intern.hpp>
#include <cobus/dispatch/partitions.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

using cobus::topic_partition;
using cobus::detail::intern;
using cobus::detail::partition_state;
using cobus::detail::partitions;

namespace {

auto some(std::int32_t first, std::int32_t count) -> std::vector<topic_partition> {
    std::vector<topic_partition> made;
    for (std::int32_t i = first; i < first + count; ++i) {
        made.push_back({intern("orders"), i});
        made.push_back({intern("payments"), i});
    }
    return made;
}
auto finds_all(partitions& in, const std::vector<topic_partition>& which, std::uint32_t epoch)
    -> bool {
    for (const topic_partition& each : which) {
        const partition_state* found = in.find(each, epoch);
        if (found == nullptr || found->where != each || found->epoch != epoch) {
            return false;
        }
    }
    return true;
}

} // namespace

TEST_CASE("each of a thousand partitions is found, and no other") {
    partitions all;
    CHECK(all.find({intern("orders"), 0}, 1) == nullptr);
    const auto first = some(0, 400), second = some(400, 100);
    all.assign(first, 1);
    all.assign(second, 2);
    CHECK(finds_all(all, first, 1));
    CHECK(finds_all(all, second, 2));
    CHECK(all.find({intern("orders"), 500}, 1) == nullptr);
    CHECK(all.find({intern("orders"), -1}, 1) == nullptr);
    CHECK(all.find({intern("refunds"), 7}, 1) == nullptr);
    CHECK(all.find({intern("orders"), 7}, 2) == nullptr);
}

TEST_CASE("a partition that went is not found, and its next assignment is") {
    partitions all;
    const auto both = some(0, 1);
    all.assign(both, 1);
    all.find(both.front(), 1)->in_flight = 1; // so that its state stays
    all.drop_if([&](const partition_state& each) { return each.where == both.front(); });
    CHECK(all.find(both.front(), 1) == nullptr);
    CHECK(all.find(both.back(), 1) != nullptr);
    all.assign(std::vector<topic_partition>{both.front()}, 2);
    CHECK(all.find(both.front(), 1) == nullptr);
    REQUIRE(all.find(both.front(), 2) != nullptr);

    all.all([](partition_state& each) { each.in_flight = 0; });
    all.sweep();
    std::size_t left = 0;
    all.all([&](const partition_state& /*each*/) { ++left; });
    CHECK(left == 2);
    CHECK(finds_all(all, {both.front()}, 2));
    CHECK(finds_all(all, {both.back()}, 1));
}

TEST_CASE("a partition is visited from its touch until it has nothing to commit") {
    partitions all;
    const auto both = some(0, 1);
    all.assign(both, 1);
    const auto visited = [&all] {
        std::size_t count = 0;
        all.each_touched([&](partition_state& /*each*/) { ++count; });
        return count;
    };
    CHECK(visited() == 0);
    partition_state& first = *all.find(both.front(), 1);
    first.mark.finish(first.mark.begin(7));
    all.touch(first);
    all.touch(first);
    all.forget_committed();
    CHECK(visited() == 1);
    first.committed = first.mark.committable();
    all.forget_committed();
    CHECK(visited() == 0);

    all.touch(first);
    all.touch(*all.find(both.back(), 1));
    all.drop_if([&](const partition_state& each) { return each.where == both.front(); });
    CHECK(visited() == 1);
}
