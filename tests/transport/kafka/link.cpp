#include <cobus/transport/kafka/link.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <string>

using namespace cobus;
using namespace cobus::detail::kafka;
using namespace std::chrono_literals;

namespace {

using clock_type = link_tracker::clock;

const int producer = 0;
const int consumer = 0;

auto at(std::chrono::milliseconds since) -> clock_type::time_point {
    return clock_type::time_point(1h) + since;
}
auto to(const char* name, std::int32_t id = -1, const void* client = &producer) -> connection {
    return {client, id, name};
}
const std::error_code refused = code_of(RD_KAFKA_RESP_ERR__TRANSPORT);

/// A tracker of one broker that finished its handshake at 0 ms.
auto connected() -> link_tracker {
    link_tracker link(1, 3s);
    link.started(at(0ms));
    link.broker(to("a"), "CONNECT", at(0ms));
    link.broker(to("a"), "UP", at(0ms));
    return link;
}

} // namespace

TEST_CASE("a finished handshake is an answer") {
    link_tracker link(1, 3s);
    link.started(at(0ms));
    CHECK(link.state().what == link::connecting);
    CHECK(link.due({}) == at(3s));
    link.broker(to("a"), "CONNECT", at(1ms));
    link.broker(to("a"), "APIVERSION_QUERY", at(1ms));
    CHECK(link.state().what == link::connecting);
    link.broker(to("a"), "UP", at(2ms));
    CHECK(link.state().what == link::up);
    CHECK(link.due({}) == clock_type::time_point::max());
}

TEST_CASE("the only broker's refusal decides at once, with its cause") {
    link_tracker link(1, 3s);
    link.started(at(0ms));
    link.broker(to("a"), "CONNECT", at(1ms));
    link.broker(to("a"), "DOWN", at(2ms));
    CHECK(link.state().what == link::connecting); // the cause follows
    link.error(refused, "a: Connection refused");
    CHECK(link.state().what == link::down);
    CHECK(link.state().cause == refused);
    CHECK(link.state().detail == "a: Connection refused");
}

TEST_CASE("a refusal whose cause is suppressed decides a little later") {
    link_tracker link(1, 3s);
    link.started(at(0ms));
    link.broker(to("a"), "CONNECT", at(1ms));
    link.broker(to("a"), "DOWN", at(2ms));
    CHECK(link.due({}) == at(252ms));
    link.tick({}, at(251ms));
    CHECK(link.state().what == link::connecting);
    link.tick({}, at(252ms));
    CHECK(link.state().what == link::down);
    CHECK(link.state().cause);
}

TEST_CASE("one broker's refusal decides nothing while another was not tried") {
    link_tracker link(2, 3s);
    link.started(at(0ms));
    link.broker(to("a"), "CONNECT", at(1ms));
    link.broker(to("a"), "DOWN", at(2ms));
    link.error(refused, "a: Connection refused");
    CHECK(link.state().what == link::connecting);
    link.broker(to("b"), "CONNECT", at(3ms));
    link.broker(to("b"), "DOWN", at(4ms));
    link.error(refused, "b: Connection refused");
    CHECK(link.state().what == link::down);
}

TEST_CASE("silence decides after the decision time") {
    link_tracker link(1, 3s);
    link.started(at(0ms));
    link.broker(to("a"), "CONNECT", at(1ms));
    link.tick({}, at(2999ms));
    CHECK(link.state().what == link::connecting);
    link.tick({}, at(3s));
    CHECK(link.state().what == link::down);
    CHECK(link.state().detail.find("3000 ms") != std::string::npos);
}

TEST_CASE("a closed connection is not a refusal") {
    link_tracker link = connected();
    link.broker(to("a"), "DOWN", at(10min)); // as a broker closes idle ones
    link.all_down();
    CHECK(link.state().what == link::up);
    link.broker(to("a"), "CONNECT", at(10min));
    link.broker(to("a"), "UP", at(10min));
    CHECK(link.state().what == link::up);
}

TEST_CASE("a lost broker that refuses is noticed, and its return too") {
    link_tracker link = connected();
    link.broker(to("a"), "DOWN", at(5s));
    link.broker(to("a"), "CONNECT", at(5s));
    link.broker(to("a"), "DOWN", at(5s));
    link.all_down();
    CHECK(link.state().what == link::down);
    link.broker(to("a"), "CONNECT", at(9s));
    link.broker(to("a"), "UP", at(9s));
    CHECK(link.state().what == link::up);
    CHECK(link.state().detail.empty());
}

TEST_CASE("an answer is due while something is under way, and only then") {
    link_tracker link = connected();
    link.tick({}, at(10min));
    CHECK(link.state().what == link::up);
    CHECK(link.due(at(10min)) == at(10min + 3s));
    link.answered(at(10min + 2s));
    link.tick(at(10min), at(10min + 4s));
    CHECK(link.state().what == link::up); // slow is not silent
    link.tick(at(10min), at(10min + 5s));
    CHECK(link.state().what == link::down);
    link.answered(at(10min + 6s));
    CHECK(link.state().what == link::up);
}

TEST_CASE("a broker that gets its number and another name is not counted twice") {
    link_tracker link = connected();
    link.broker(to("host", 1), "UPDATE", at(1s));
    link.broker(to("host", 1), "UP", at(1s));
    link.broker(to("host", 1), "DOWN", at(2s));
    link.broker(to("host", 1), "CONNECT", at(2s));
    link.broker(to("host", 1), "DOWN", at(2s));
    link.error(refused, "host: Connection refused");
    CHECK(link.state().what == link::down);
}

TEST_CASE("another client's standing connection keeps the link up") {
    link_tracker link = connected();
    link.broker(to("a", 1, &consumer), "CONNECT", at(1s));
    link.broker(to("a", 1, &consumer), "DOWN", at(1s));
    link.error(refused, "a: Connection refused");
    link.all_down();
    CHECK(link.state().what == link::up);
}

TEST_CASE("the end of a client is for good") {
    link_tracker link = connected();
    link.fatal(code_of(RD_KAFKA_RESP_ERR__FATAL), "fenced");
    link.answered(at(1s));
    link.broker(to("a"), "UP", at(1s));
    CHECK(link.state().what == link::failed);
    CHECK(link.state().detail == "fenced");
}

TEST_CASE("a client that is gone counts no more") {
    link_tracker link = connected();
    link.broker(to("a", 1, &consumer), "UP", at(1s));
    link.gone(&consumer);
    link.broker(to("a"), "DOWN", at(2s));
    link.broker(to("a"), "CONNECT", at(2s));
    link.broker(to("a"), "DOWN", at(2s));
    link.error(refused, "a: Connection refused");
    CHECK(link.state().what == link::down);
}

TEST_CASE("a client that tries its brokers one by one is given the decision time") {
    link_tracker link = connected();
    link.broker(to("b", 2), "INIT", at(0ms));
    link.broker(to("a"), "DOWN", at(10s));
    link.broker(to("a"), "CONNECT", at(10s));
    link.broker(to("a"), "DOWN", at(10s));
    link.error(refused, "a: Connection refused");
    CHECK(link.state().what == link::up); // the other one was not tried
    CHECK(link.due({}) == at(13s));
    link.tick({}, at(13s));
    CHECK(link.state().what == link::down);
    CHECK(link.state().detail == "a: Connection refused");
}

TEST_CASE("a broker that hangs up at the first request, time after time, refuses for good") {
    link_tracker link = connected();
    const auto before = at(-1ms); // no request was ever answered
    link.broker(to("a"), "DOWN", at(1ms), before);
    link.error(refused, "Disconnected");
    CHECK(link.state().what == cobus::link::down);
    CHECK(link.state().cause == condition::retryable); // once, as one that is stopping
    link.broker(to("a"), "UP", at(100ms), before);
    CHECK(link.state().what == cobus::link::down);
    link.broker(to("a"), "DOWN", at(101ms), before);
    CHECK(link.state().cause == condition::permanent);
    CHECK(link.state().detail.find("security.protocol") != std::string::npos);
    link.broker(to("a"), "UP", at(200ms), before);
    link.answered(at(201ms));
    CHECK(link.state().what == cobus::link::up);
}
TEST_CASE(
    "brokers that are killed at once hang up on each connection, which is no refusal for good") {
    link_tracker link(3, 3000ms);
    link.started(at(0ms));
    for (const char* const name : {"a", "b", "c"}) {
        link.broker(to(name), "UP", at(0ms));
    }
    const auto before = at(-1ms); // on connections that stood by nothing was asked
    for (const char* const name : {"a", "b", "c"}) {
        link.broker(to(name), "DOWN", at(1ms), before);
        link.error(refused, "Disconnected");
    }
    CHECK(link.state().what == cobus::link::down);
    CHECK(link.state().cause == condition::retryable);
    link.broker(to("a"), "DOWN", at(100ms), before); // refused to connect
    link.broker(to("a"), "UP", at(200ms), before);
    link.broker(to("a"), "DOWN", at(201ms), before); // killed again on its way up
    CHECK(link.state().cause == condition::retryable);
}
TEST_CASE("a refusal for good is told although the link was down before") {
    link_tracker link = connected();
    link.broker(to("a"), "DOWN", at(1ms));
    link.broker(to("a"), "DOWN", at(2ms));
    link.error(refused, "connection refused");
    CHECK(link.state().detail == "connection refused");
    link.broker(to("a"), "DOWN", at(900ms));
    link.error(errc::not_authorized, "wrong password");
    CHECK(link.state().cause == errc::not_authorized);
    CHECK(link.state().detail == "wrong password");
}
