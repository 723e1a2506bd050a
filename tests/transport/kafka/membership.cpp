#include <cobus/transport/kafka/membership.hpp>

#include <doctest/doctest.h>

namespace membership_test {

constexpr std::int16_t fetch = 1;
constexpr std::int16_t join_group = 11;
constexpr std::int16_t sync_group = 14;

struct counter final : cobus::waker {
    void wake() noexcept override { ++count; }
    int count = 0;
};

} // namespace membership_test

using cobus::detail::kafka::membership;
using cobus::detail::kafka::stream_gate;

TEST_CASE("a consumer joins from its request to the answer that says what it gets") {
    membership member;
    CHECK(member.settled());
    CHECK_FALSE(member.joining());

    member.sent(membership_test::fetch);
    CHECK(member.settled());

    member.sent(membership_test::join_group);
    CHECK(member.joining());
    member.answered(membership_test::join_group); // it may have to ask again, with an id
    member.sent(membership_test::join_group);
    CHECK(member.joining());
    CHECK_FALSE(member.settled());

    member.answered(membership_test::sync_group);
    CHECK_FALSE(member.joining());
    CHECK_FALSE(member.settled()); // librdkafka has the answer, its owner has not
    member.rebalanced();
    CHECK(member.settled());
}

TEST_CASE("who waits for a consumer to have joined is woken once, until it is silenced") {
    membership_test::counter woken;
    stream_gate gate(woken);
    membership member;
    member.follow(gate);

    member.answered(membership_test::sync_group); // of no join
    CHECK(woken.count == 0);
    member.sent(membership_test::join_group);
    member.answered(membership_test::sync_group);
    CHECK(woken.count == 1);

    gate.look();
    member.sent(membership_test::join_group);
    member.silence();
    member.answered(membership_test::sync_group);
    CHECK(woken.count == 1);
    CHECK_FALSE(member.joining());
}
