#include <cobus/dispatch/delays.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <vector>

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

TEST_CASE("what is due comes out soonest first, and nothing early") {
    cobus::detail::delays<int> later;
    const clock_type::time_point start{};
    int slow = 3;
    int fast = 1;
    int middle = 2;
    later.add(start + 30ms, slow);
    later.add(start + 10ms, fast);
    later.add(start + 20ms, middle);
    CHECK(later.next() == start + 10ms);
    CHECK(later.pop(start + 9ms) == nullptr);
    CHECK(later.pop(start + 25ms) == &fast);
    CHECK(later.pop(start + 25ms) == &middle);
    CHECK(later.pop(start + 25ms) == nullptr);
    CHECK(later.next() == start + 30ms);
}

TEST_CASE("what was taken out never becomes due") {
    cobus::detail::delays<int> later;
    const clock_type::time_point start{};
    std::vector<int> values{0, 1, 2, 3, 4, 5, 6, 7};
    for (int& each : values) {
        later.add(start + std::chrono::milliseconds(10 * (8 - each)), each);
    }
    std::vector<int> gone;
    later.remove_if([](int each) { return each % 2 == 0; },
                    [&](int& each) { gone.push_back(each); });
    CHECK(gone.size() == 4);
    std::vector<int> left;
    while (int* each = later.pop(start + 1h)) {
        left.push_back(*each);
    }
    CHECK(left == std::vector<int>{7, 5, 3, 1});
    CHECK(later.next() == clock_type::time_point::max());
}
