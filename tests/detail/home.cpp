#include <cobus/detail/home.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

using cobus::detail::home_word;

TEST_CASE("the first wake posts, further ones do not") {
    home_word home;
    CHECK(home.wake());
    CHECK_FALSE(home.wake());
    home.begin();
    CHECK_FALSE(home.end(false));
    CHECK(home.wake());
}

TEST_CASE("a wake during a run makes it run once more") {
    home_word home;
    REQUIRE(home.wake());
    home.begin();
    CHECK_FALSE(home.wake());
    CHECK_FALSE(home.wake());
    CHECK(home.end(false));
    home.begin();
    CHECK_FALSE(home.end(false));
}

TEST_CASE("a run that is not through posts itself again") {
    home_word home;
    REQUIRE(home.wake());
    home.begin();
    CHECK(home.end(true));
    CHECK_FALSE(home.wake());
}

TEST_CASE("no wake of many threads is lost and no two runs overlap") {
    home_word home;
    std::atomic<int> work{0};
    std::atomic<int> runners{0};
    int done = 0; // unguarded on purpose: the thread sanitizer sees two runs at once
    const auto run = [&] {
        bool again = true;
        while (again) {
            home.begin();
            CHECK(runners.fetch_add(1) == 0);
            done += work.exchange(0);
            runners.fetch_sub(1);
            again = home.end(false);
        }
    };
    constexpr int each = 20000;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int n = 0; n < each; ++n) {
                work.fetch_add(1);
                if (home.wake()) {
                    run();
                }
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(done == 4 * each);
}
