#include <cobus/transport/kafka/waiting_line.hpp>

#include <doctest/doctest.h>

#include <array>
#include <vector>

using namespace cobus;
using namespace cobus::detail::kafka;

namespace {

struct line_of_five {
    line_of_five() {
        for (publish_node& each : nodes) {
            line.push(each);
        }
    }
    /// Serves until `most` were taken; returns the indices in order.
    auto serve(std::size_t most) -> std::vector<std::size_t> {
        std::vector<std::size_t> order;
        line.serve(
            [&](publish_node& node) {
                if (order.size() == most) {
                    return taken::full;
                }
                order.push_back(static_cast<std::size_t>(&node - nodes.data()));
                return taken::pending;
            },
            [](publish_node&) {});
        return order;
    }

    std::array<publish_node, 5> nodes;
    waiting_line line;
};

} // namespace

TEST_CASE("first come, first served") {
    line_of_five here;
    CHECK_FALSE(here.line.empty());
    CHECK(here.serve(2) == std::vector<std::size_t>{0, 1});
    CHECK(here.serve(9) == std::vector<std::size_t>{2, 3, 4});
    CHECK(here.line.empty());
}

TEST_CASE("anyone in line may leave, once") {
    line_of_five here;
    CHECK(here.line.remove(here.nodes[0]));
    CHECK(here.line.remove(here.nodes[2]));
    CHECK(here.line.remove(here.nodes[4]));
    CHECK_FALSE(here.line.remove(here.nodes[2]));
    CHECK(here.serve(9) == std::vector<std::size_t>{1, 3});
    CHECK_FALSE(here.line.remove(here.nodes[1])); // served
    here.line.push(here.nodes[2]);
    CHECK(here.serve(9) == std::vector<std::size_t>{2});
}

TEST_CASE("the one that found no room stays first") {
    line_of_five here;
    CHECK(here.serve(0).empty());
    CHECK(here.line.remove(here.nodes[0]));
    CHECK(here.serve(1) == std::vector<std::size_t>{1});
}

TEST_CASE("one that ends at once is told, and the next is served") {
    line_of_five here;
    std::size_t told = 0;
    here.line.serve([](publish_node&) { return taken::done; }, [&](publish_node&) { ++told; });
    CHECK(told == 5);
    CHECK(here.line.empty());
}
