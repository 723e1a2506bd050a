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
    CHECK(home.begin());
    CHECK_FALSE(home.end(false));
    CHECK(home.wake());
}

TEST_CASE("a wake during a run makes it run once more") {
    home_word home;
    REQUIRE(home.wake());
    CHECK(home.begin());
    CHECK_FALSE(home.wake());
    CHECK_FALSE(home.wake());
    CHECK(home.end(false));
    CHECK(home.begin());
    CHECK_FALSE(home.end(false));
}

TEST_CASE("a run that is not through posts itself again") {
    home_word home;
    REQUIRE(home.wake());
    CHECK(home.begin());
    CHECK(home.end(true));
    CHECK_FALSE(home.wake());
}

TEST_CASE("who is on the executor runs it at once, and the posted run finds it idle") {
    home_word home;
    REQUIRE(home.wake());
    CHECK(home.begin_here());
    CHECK_FALSE(home.begin_here());
    CHECK_FALSE(home.end(false));
    CHECK_FALSE(home.wake()); // a run is posted still
    CHECK(home.begin());
    CHECK_FALSE(home.end(false));
    CHECK(home.wake());
}

TEST_CASE("a run that begins at once and is woken or not through posts one, unless one is posted") {
    home_word home;
    REQUIRE(home.begin_here());
    CHECK_FALSE(home.wake());
    CHECK(home.end(false));
    REQUIRE(home.begin_here());
    CHECK_FALSE(home.end(true)); // the one from above
    CHECK(home.begin());
    CHECK_FALSE(home.end(false));
}

TEST_CASE("a posted run that meets another leaves its work to that") {
    home_word home;
    REQUIRE(home.wake());
    REQUIRE(home.begin_here());
    CHECK_FALSE(home.begin());
    CHECK(home.end(false));
    CHECK(home.begin());
    CHECK_FALSE(home.end(false));
}

TEST_CASE("no wake of many threads is lost and no two runs overlap") {
    home_word home;
    std::atomic<int> work{0};
    std::atomic<int> runners{0};
    int done = 0; // unguarded on purpose: the thread sanitizer sees two runs at once
    const auto one_run = [&] {
        CHECK(runners.fetch_add(1) == 0);
        done += work.exchange(0);
        runners.fetch_sub(1);
        return home.end(false);
    };
    const auto run = [&] {
        bool again = true;
        while (again && home.begin()) {
            again = one_run();
        }
    };
    const auto run_here = [&] {
        if (home.begin_here() && one_run()) {
            run();
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
                } else if (n % 16 == 0) {
                    run_here();
                }
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(done == 4 * each);
}
