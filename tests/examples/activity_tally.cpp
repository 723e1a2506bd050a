#include <activity/progress.hpp>
#include <activity/tally.hpp>
#include <doctest/doctest.h>

#include <chrono>

using activity::counter;
using activity::progress;
using std::chrono::seconds;

TEST_CASE("names are counted and listed, the most frequent first") {
    counter counts;
    for (const auto* name : {"b", "a", "c", "b", "c", "b"}) {
        counts.add(name);
    }
    CHECK(counts.of("b") == 3);
    CHECK(counts.of("nobody") == 0);
    CHECK(counts.all() == std::vector<counter::entry>{{"b", 3}, {"c", 2}, {"a", 1}});
    CHECK(counts.top(1) == std::vector<counter::entry>{{"b", 3}});
    CHECK(activity::to_text(counts, 9) == "b 3, c 2, a 1");
    CHECK(activity::to_text(counts, 2) == "b 3, c 2, … (3 in all)");
    CHECK(activity::to_text(counter(), 2) == "");
}

TEST_CASE("equal counts are listed by name") {
    counter counts;
    counts.add("z");
    counts.add("a");
    CHECK(activity::to_text(counts, 9) == "a 1, z 1");
}

TEST_CASE("an event is counted by type, user and device") {
    activity::tally counts;
    activity_event event;
    event.event_type = "user_login";
    event.user_id = "u-1";
    event.props.device = "Mobile";
    counts.add(event);
    event.user_id = "u-2";
    counts.add(event);
    CHECK(counts.total == 2);
    CHECK(counts.by_type.of("user_login") == 2);
    CHECK(counts.by_user.names() == 2);
    CHECK(counts.by_device.of("Mobile") == 2);
}

TEST_CASE("progress says how far, how fast and how long yet") {
    CHECK(progress::text({0.5, 1000}, seconds(2), true) ==
          "[###############...............] 50 %  1000 events  500 events/s  2 s left");
    CHECK(progress::text({0.01, 10}, seconds(1), false) ==
          "1 %  10 events  10 events/s  1 min 39 s left");
    CHECK(progress::text({0.001, 10}, seconds(10), false).ends_with("  2 h 46 min left"));
    CHECK(progress::text({1, 10}, seconds(1), false) == "100 %  10 events  10 events/s");
    CHECK(progress::text({0, 0}, seconds(0), false) == "0 %  0 events");
    CHECK(progress::text({7, 1}, seconds(1), true)
              .starts_with("[" + std::string(30, '#') + "] 100 %"));
}
