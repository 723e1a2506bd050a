#include <cobus/detail/helper.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <future>
#include <iterator>
#include <memory>
#include <thread>
#include <vector>

namespace helper_tests {

using cobus::detail::helper;
using cobus::detail::helps;
using namespace std::chrono_literals;

constexpr auto limit = 30s; // of what ends at once

auto thread_of_next(helps purpose) -> std::future<std::thread::id> {
    auto seen = std::make_shared<std::promise<std::thread::id>>();
    REQUIRE(helper::run(purpose, [seen] { seen->set_value(std::this_thread::get_id()); }));
    return seen->get_future();
}

auto threads() -> std::ptrdiff_t {
    const std::filesystem::directory_iterator all("/proc/self/task");
    return std::distance(begin(all), end(all));
}

/// A call that blocks until the end of this.
class blocked {
public:
    explicit blocked(helps purpose) : purpose_(purpose) {
        auto began = std::make_shared<std::promise<std::thread::id>>();
        thread_ = began->get_future();
        REQUIRE(helper::run(purpose, [began, wait = gate_.get_future().share()] {
            began->set_value(std::this_thread::get_id());
            wait.wait();
        }));
    }
    ~blocked() {
        gate_.set_value();
        CHECK(helper::drained(purpose_, limit));
    }
    blocked(const blocked&) = delete;
    auto operator=(const blocked&) -> blocked& = delete;

    /// Waits until it runs.
    auto thread() -> std::thread::id { return thread_.get(); }

private:
    helps purpose_;
    std::promise<void> gate_;
    std::future<std::thread::id> thread_;
};

TEST_CASE("calls of one purpose run in order, one at a time") {
    std::vector<int> order;
    int running = 0;
    bool alone = true;
    for (int i = 0; i < 1000; ++i) {
        REQUIRE(helper::run(helps::work, [&order, &running, &alone, i] {
            alone = ++running == 1 && alone;
            order.push_back(i);
            --running;
        }));
    }
    REQUIRE(helper::drained(helps::work, limit));
    CHECK(alone);
    REQUIRE(order.size() == 1000);
    for (int i = 0; i < 1000; ++i) {
        CHECK(order[static_cast<std::size_t>(i)] == i);
    }
}

TEST_CASE("a call that blocks delays those of its own purpose only") {
    std::future<std::thread::id> behind;
    {
        blocked file(helps::file);
        blocked ask(helps::ask);
        CHECK(file.thread() != ask.thread());
        behind = thread_of_next(helps::file);
        CHECK(thread_of_next(helps::work).wait_for(limit) == std::future_status::ready);
        CHECK(behind.wait_for(0s) == std::future_status::timeout);
        CHECK_FALSE(helper::drained(helps::file, 0ms));
        CHECK(helper::drained(helps::work, limit));
    }
    CHECK(behind.wait_for(limit) == std::future_status::ready);
}

TEST_CASE("calls that do not overlap share a thread, whatever they are for") {
    {
        const blocked warm(helps::work);
    }
    const std::ptrdiff_t before = threads();
    for (const helps each : {helps::work, helps::file, helps::ask, helps::leave, helps::end}) {
        blocked only(each);
        (void)only.thread();
        CHECK(threads() <= before);
    }
}

} // namespace helper_tests
