#include <cobus/degrade/line.hpp>

#include <doctest/doctest.h>

#include <array>
#include <deque>
#include <string>

using cobus::policy;
using cobus::state;
using cobus::degrade::carried;
using cobus::degrade::carried_list;
using cobus::degrade::line;
using cobus::degrade::place;
using cobus::degrade::step;

namespace {

/// A line with items that it owns.
struct lined {
    explicit lined(policy how) : of(how) {}

    auto enter(place where) -> carried& {
        carried& item = items.emplace_back();
        item.sequence = items.size() - 1;
        of.enter(item, where);
        return item;
    }
    auto oldest(state at, bool stopping = false) const -> step {
        return of.way_of_oldest(at, stopping);
    }

    line of;
    std::deque<carried> items;
};

auto order(const carried_list& list) -> std::string {
    std::string text;
    for (const carried* each = list.front(); each != nullptr; each = each->behind) {
        text += std::to_string(each->sequence);
    }
    std::string back;
    for (const carried* each = list.back(); each != nullptr; each = each->before) {
        back.insert(0, std::to_string(each->sequence));
    }
    CHECK(text == back);
    return text;
}

} // namespace

TEST_CASE("a new event on a free line goes the way of the state and its policy") {
    struct row {
        state at;
        std::array<step, 3> ways; // deliver, wait, fail
    };
    const std::array<row, 4> table{{
        {state::connecting, {step::hold, step::hold, step::hold}},
        {state::connected, {step::to_kafka, step::to_kafka, step::to_kafka}},
        {state::degraded, {step::to_memory, step::hold, step::refuse}},
        {state::failed, {step::refuse, step::refuse, step::refuse}},
    }};
    for (const row& each : table) {
        CAPTURE(to_string(each.at));
        CHECK(line(policy::deliver).way_of_new(each.at) == each.ways[0]);
        CHECK(line(policy::wait).way_of_new(each.at) == each.ways[1]);
        CHECK(line(policy::fail).way_of_new(each.at) == each.ways[2]);
    }
}

TEST_CASE("nothing goes to memory while Kafka's client holds something of the line") {
    lined it(policy::deliver);
    carried& old = it.enter(place::in_client);
    CHECK(it.of.way_of_new(state::degraded) == step::hold);
    it.enter(place::held);
    CHECK(it.oldest(state::degraded) == step::hold);
    CHECK(it.oldest(state::connected) == step::to_kafka);
    it.of.leave(old);
    CHECK(it.oldest(state::degraded) == step::to_memory);
}

TEST_CASE("nothing goes to Kafka while memory has not taken something of the line") {
    lined it(policy::deliver);
    carried& old = it.enter(place::in_memory);
    CHECK(it.of.way_of_new(state::connected) == step::hold);
    CHECK(it.of.way_of_new(state::degraded) == step::to_memory);
    it.of.leave(old);
    CHECK(it.of.way_of_new(state::connected) == step::to_kafka);
}

TEST_CASE("nothing passes what waits, or is just being sent on") {
    lined it(policy::deliver);
    carried& first = it.enter(place::held);
    CHECK(it.of.way_of_new(state::connected) == step::hold);
    it.of.sending(true);
    it.of.move(first, place::in_client);
    CHECK(it.of.way_of_new(state::connected) == step::hold);
    it.of.sending(false);
    CHECK(it.of.way_of_new(state::connected) == step::to_kafka);
}

TEST_CASE("what the client gave up waits for older ones only, and goes to memory in every state") {
    lined it(policy::deliver);
    carried& first = it.enter(place::in_client);
    carried& second = it.enter(place::in_client);
    it.enter(place::in_client);
    it.of.move(second, place::returned);
    for (const state at : {state::degraded, state::connected}) {
        CHECK(it.oldest(at) == step::hold);
    }
    it.of.leave(first);
    for (const state at : {state::degraded, state::connected}) {
        CHECK(it.oldest(at) == step::to_memory);
    }
}

TEST_CASE("what waits for Kafka goes back to Kafka when the client gave it up") {
    lined it(policy::wait);
    carried& first = it.enter(place::in_client);
    it.enter(place::in_client);
    it.of.move(first, place::returned);
    CHECK(it.oldest(state::degraded) == step::hold);
    CHECK(it.oldest(state::connected) == step::to_kafka);
}

TEST_CASE("when the bus stops, only Kafka is left") {
    lined it(policy::deliver);
    carried& first = it.enter(place::in_client);
    it.of.move(first, place::returned);
    CHECK(it.oldest(state::degraded, true) == step::hold);
    CHECK(it.oldest(state::connected, true) == step::to_kafka);
    CHECK(it.oldest(state::failed, true) == step::refuse);
}

TEST_CASE("events keep the order of publishing wherever they go and come back from") {
    lined it(policy::deliver);
    for (int i = 0; i < 5; ++i) {
        it.enter(place::in_client);
    }
    it.enter(place::held);
    for (const std::size_t i : {3U, 1U, 4U, 0U}) {
        it.of.move(it.items[i], place::returned);
    }
    CHECK(order(it.of.waiting()) == "01345");
    CHECK(order(it.of.in_client()) == "2");
    it.of.move(it.items[1], place::in_client);
    it.of.move(it.items[3], place::in_client);
    CHECK(order(it.of.in_client()) == "123");
    CHECK(order(it.of.waiting()) == "045");
    it.of.leave(it.items[4]);
    it.of.leave(it.items[5]);
    it.of.leave(it.items[0]);
    CHECK(it.of.waiting().empty());
    CHECK(it.of.waiting().back() == nullptr);
}

TEST_CASE("events of a partition leave for a line of its own, and come back in order") {
    lined it(policy::wait);
    for (int i = 0; i < 6; ++i) {
        it.enter(i < 4 ? place::in_client : place::held);
    }
    line own(policy::wait, {nullptr, 1});
    CHECK(own.flows());
    for (const std::size_t i : {1U, 3U, 5U}) {
        own.take_over(it.items[i], it.of);
        CHECK(it.items[i].of == &own);
    }
    CHECK(order(it.of.in_client()) == "02");
    CHECK(order(own.in_client()) == "13");
    CHECK(order(own.waiting()) == "5");
    CHECK_FALSE(own.flows());
    own.move(it.items[5], place::in_client);
    CHECK(own.flows());
    it.of.join(own);
    CHECK(own.in_client().empty());
    CHECK(order(it.of.in_client()) == "01235");
    CHECK(it.items[3].of == &it.of);
}

TEST_CASE("what Kafka's client has after its publisher was answered holds nobody up") {
    lined it(policy::deliver);
    carried& old = it.enter(place::in_client);
    CHECK(it.of.way_of_new(state::degraded) == step::hold);
    it.of.move(old, place::parted);
    CHECK(it.of.way_of_new(state::degraded) == step::to_memory);
    CHECK(it.of.flows());
    it.of.leave(old);
    CHECK(it.of.flows());
}
