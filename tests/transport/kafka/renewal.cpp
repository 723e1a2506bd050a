#include <cobus/transport/kafka/renewal.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <vector>

namespace {

using namespace std::chrono_literals;
using cobus::publish_node;
using cobus::detail::kafka::renewal_limit;
using cobus::detail::kafka::unsent;

[[nodiscard]] auto turns_of(unsent& all) -> std::vector<std::uint64_t> {
    std::vector<std::uint64_t> turns;
    all.drain([&turns](publish_node& node) { turns.push_back(node.turn); });
    return turns;
}

void push_turns(unsent& all, std::deque<publish_node>& nodes,
                const std::vector<std::uint64_t>& turns) {
    for (const std::uint64_t turn : turns) {
        nodes.emplace_back().turn = turn;
        all.push(nodes.back());
    }
}

} // namespace

TEST_CASE("what a failed client gives back goes to the next one in the order of publishing") {
    std::deque<publish_node> nodes;
    unsent waited;
    push_turns(waited, nodes, {7, 8, 9, 10, 4, 5, 6, 2, 3, 1});
    waited.sort();
    unsent later;
    push_turns(later, nodes, {11, 12});
    later.put_before(waited);
    push_turns(later, nodes, {13}); // its end is still known
    CHECK(turns_of(later) == std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13});
    unsent none;
    none.sort();
    CHECK(none.empty());
}

TEST_CASE("a client that fails is replaced as long as clients get something done in between") {
    const renewal_limit::clock::time_point start{1h};
    renewal_limit idle;
    CHECK(idle.may_renew(start));
    CHECK(idle.may_renew(start + 1s));
    CHECK(idle.may_renew(start + 2s));
    CHECK_FALSE(idle.may_renew(start + 3s));
    renewal_limit busy;
    for (int i = 0; i < 20; ++i) {
        CHECK(busy.may_renew(start + i * 1s));
        busy.worked();
    }
}
