#include <cobus/kafka.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace cobus;
using namespace cobus::detail::kafka;

namespace {

auto options_with(const std::string& name, const std::string& value) -> transport_options {
    transport_options options;
    options.brokers = {"a:1", "b:2"};
    options.properties[name] = value;
    return options;
}

/// What the factory says of a property.
auto problem(const std::string& name, const std::string& value) -> std::string {
    try {
        const auto made = cobus::kafka()(options_with(name, value));
        return {};
    } catch (const error& refused) {
        CHECK(refused.code() == errc::bad_settings);
        return refused.what();
    }
}

} // namespace

TEST_CASE("the defaults lose nothing and wait for nothing") {
    const conf_ptr out = make_conf(options_with("client.id", "me"), role::producer);
    CHECK(property(out.get(), "bootstrap.servers") == "a:1,b:2");
    CHECK(property(out.get(), "enable.idempotence") == "true");
    CHECK(property(out.get(), "acks") == "-1"); // all
    CHECK(property(out.get(), "socket.nagle.disable") == "true");
    CHECK(property(out.get(), "message.timeout.ms") == "10000");
    CHECK(property(out.get(), "reconnect.backoff.max.ms") == "1000");
    CHECK(property(out.get(), "partitioner") == "murmur2_random");
    CHECK(property(out.get(), "queue.buffering.max.messages") == "100000");
    const conf_ptr in = make_conf(options_with("linger.ms", "0"), role::consumer);
    CHECK(property(in.get(), "enable.auto.commit") == "false");
    CHECK(property(in.get(), "enable.auto.offset.store") == "false");
    CHECK(property(in.get(), "isolation.level") == "read_committed");
    CHECK(property(in.get(), "topic.metadata.refresh.interval.ms") == "10000");
    CHECK(property(in.get(), "auto.offset.reset") == "smallest"); // librdkafka's word for earliest
    CHECK(property(in.get(), "partition.assignment.strategy") == "cooperative-sticky");
    CHECK(property(in.get(), "group.id") == "cobus");
}

TEST_CASE("a property of the user's wins over a default") {
    const conf_ptr out = make_conf(options_with("linger.ms", "7"), role::producer);
    CHECK(property(out.get(), "linger.ms") == "7");
    const conf_ptr in =
        make_conf(options_with("isolation.level", "read_uncommitted"), role::consumer);
    CHECK(property(in.get(), "isolation.level") == "read_uncommitted");
}

TEST_CASE("what cobus commits is not left to librdkafka") {
    const conf_ptr in = make_conf(options_with("enable.auto.commit", "true"), role::consumer);
    CHECK(property(in.get(), "enable.auto.commit") == "false");
}

TEST_CASE("an unknown property is refused by its name") {
    CHECK(problem("no.such.thing", "1").find("no.such.thing") != std::string::npos);
    CHECK(problem("no.such.thing", "1").find("correct the name or remove it") != std::string::npos);
}

TEST_CASE("a wrong value is refused with name, value and reason") {
    const std::string said = problem("linger.ms", "soon");
    CHECK(said.find("linger.ms=soon") != std::string::npos);
}

TEST_CASE("settings that contradict each other are refused in librdkafka's words") {
    CHECK(problem("message.timeout.ms", "1").empty());
    CHECK(problem("linger.ms", "60000").find("message.timeout.ms") != std::string::npos);
}

TEST_CASE("secrets are never said") {
    CHECK(is_secret("sasl.password"));
    CHECK(is_secret("ssl.key.pem"));
    CHECK(is_secret("ssl.key.password"));
    CHECK(is_secret("sasl.oauthbearer.client.secret"));
    CHECK_FALSE(is_secret("linger.ms"));
    const std::string said = problem("ssl.key.pem", "-----BEGIN top-secret");
    CHECK(said.find("top-secret") == std::string::npos);
}

TEST_CASE("a property of newer versions is passed over with one line") {
    std::vector<std::string> lines;
    transport_options options = options_with("metadata.recovery.strategy", "none");
    options.log = [&lines](log_level level, std::string_view text) {
        if (level != log_level::debug) {
            lines.emplace_back(text);
        }
    };
    const auto made = cobus::kafka()(options);
    const conf_ptr known(rd_kafka_conf_new());
    if (property(known.get(), "metadata.recovery.strategy").empty()) {
        REQUIRE(lines.size() == 1);
        CHECK(lines.front().find("metadata.recovery.strategy") != std::string::npos);
    } else {
        CHECK(lines.empty());
    }
}

TEST_CASE("no brokers is a setting that cannot work") {
    transport_options options;
    CHECK_THROWS_WITH_AS((void)cobus::kafka()(options), doctest::Contains("KAFKA_BROKERS"), error);
}

TEST_CASE("a property goes only to the kind of client that has a use for it") {
    transport_options options = options_with("queued.min.messages", "4321");
    options.properties["linger.ms"] = "77";
    options.properties["client.rack"] = "here";
    const conf_ptr producing = make_conf(options, role::producer);
    const conf_ptr consuming = make_conf(options, role::consumer);
    CHECK(property(producing.get(), "linger.ms") == "77");
    CHECK(property(consuming.get(), "linger.ms") != "77");
    CHECK(property(producing.get(), "queued.min.messages") != "4321");
    CHECK(property(consuming.get(), "queued.min.messages") == "4321");
    CHECK(property(producing.get(), "client.rack") == "here");
    CHECK(property(consuming.get(), "client.rack") == "here");
}
TEST_CASE("a property that has no value yet is known nevertheless") {
    transport_options given;
    given.brokers = {"a:1"};
    given.properties = {{"group.instance.id", "one"}};
    CHECK(property(make_conf(given, role::consumer).get(), "group.instance.id") == "one");
}
