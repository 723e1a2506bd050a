#include <cobus/transport/kafka/transaction_turn.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace {

using namespace std::chrono_literals;
using cobus::detail::kafka::transaction_call;
using cobus::detail::kafka::transaction_end;
using cobus::detail::kafka::transaction_turn;

/// A turn at a time that the test moves.
struct turn_scene {
    transaction_turn turn;
    transaction_turn::clock::time_point now{1h};

    auto next(bool anything = false) -> transaction_call { return turn.next(anything, now); }
    void end(transaction_end how) { turn.ended(how, now); }
    /// As far as an open transaction.
    void open() {
        REQUIRE(next() == transaction_call::init);
        end(transaction_end::done);
        turn.began();
    }
};

} // namespace

TEST_CASE("nothing goes in before the cluster knows the transactional id") {
    turn_scene here;
    CHECK_FALSE(here.turn.open());
    CHECK(here.next(true) == transaction_call::init);
    CHECK(here.next(true) == transaction_call::none); // it is being asked
    here.end(transaction_end::done);
    CHECK(here.turn.ready());
    CHECK_FALSE(here.turn.open());
    here.turn.began();
    CHECK(here.turn.open());
}

TEST_CASE("a transaction is committed as soon as it has a message, and another may begin") {
    turn_scene here;
    here.open();
    CHECK(here.next(false) == transaction_call::none);
    CHECK(here.turn.open());
    CHECK(here.next(true) == transaction_call::commit);
    CHECK_FALSE(here.turn.open());
    CHECK(here.turn.unclear());
    here.end(transaction_end::done);
    CHECK(here.turn.ready());
    CHECK(here.turn.quiet());
    CHECK_FALSE(here.turn.unclear());
}

TEST_CASE("a call that is not through is repeated, not at once, and no other is made") {
    turn_scene here;
    here.open();
    REQUIRE(here.next(true) == transaction_call::commit);
    here.end(transaction_end::again);
    CHECK(here.next(true) == transaction_call::none);
    CHECK(here.turn.due() > here.now);
    here.now = here.turn.due();
    CHECK(here.next(true) == transaction_call::commit);
    CHECK(here.turn.unclear());
    CHECK(here.turn.asks());
    here.end(transaction_end::done);
    CHECK_FALSE(here.turn.asks());
}

TEST_CASE("a transaction of which a message failed is aborted, and takes none meanwhile") {
    turn_scene here;
    here.open();
    here.turn.failed();
    CHECK_FALSE(here.turn.open());
    CHECK(here.next(true) == transaction_call::abort);
    CHECK_FALSE(here.turn.unclear());
    here.end(transaction_end::done);
    here.turn.began();
    CHECK(here.turn.open());
    CHECK(here.next(false) == transaction_call::none); // that was the other one's failure
}

TEST_CASE("a commit that fails leads to an abort") {
    turn_scene here;
    here.open();
    REQUIRE(here.next(true) == transaction_call::commit);
    here.end(transaction_end::abort);
    CHECK_FALSE(here.turn.unclear()); // for certain it did not happen
    CHECK_FALSE(here.turn.quiet());
    CHECK(here.next(true) == transaction_call::abort);
    here.end(transaction_end::done);
    CHECK(here.turn.ready());
}

TEST_CASE("a client that is lost asks for nothing more, and what it committed last is unclear") {
    turn_scene here;
    here.open();
    REQUIRE(here.next(true) == transaction_call::commit);
    SUBCASE("as a call finds") { here.end(transaction_end::lost); }
    SUBCASE("while a call is under way") {
        here.turn.lose();
        CHECK_FALSE(here.turn.quiet()); // that one still uses the client
        here.end(transaction_end::again);
    }
    CHECK(here.turn.lost());
    CHECK(here.turn.quiet());
    CHECK(here.turn.unclear());
    CHECK(here.next(true) == transaction_call::none);
}

TEST_CASE("a client that is lost between calls has committed nothing of what is open") {
    turn_scene here;
    here.open();
    here.turn.lose();
    CHECK(here.turn.lost());
    CHECK_FALSE(here.turn.unclear());
    CHECK_FALSE(here.turn.open());
}
