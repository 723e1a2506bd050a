#include <cobus/degrade/spool_file.hpp>
#include <cobus/settings.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using cobus::settings;
using environment = settings::environment;

namespace {

struct wrong {
    const char* what;
    environment variables;
    std::vector<std::string> lines; // parts that the problem lines must have, in order
};

auto with_kafka(environment more) -> environment {
    more.emplace("KAFKA_ENABLED", "true");
    more.emplace("KAFKA_BROKERS", "localhost:9092");
    return more;
}

auto options_of(const environment& variables) -> cobus::transport_options {
    return settings::from_environment(variables).transport_options(cobus::net::any_io_executor());
}

auto property(const environment& variables, const std::string& name) -> std::string {
    const cobus::transport_options options = options_of(with_kafka(variables));
    const auto found = options.properties.find(name);
    return found != options.properties.end() ? found->second : "(none)";
}

void check_lines(const std::vector<std::string>& got, const std::vector<std::string>& parts) {
    REQUIRE_MESSAGE(got.size() == parts.size(), "problems: ", got.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
        INFO(got[i]);
        CHECK(got[i].find(parts[i]) != std::string::npos);
        CHECK(got[i].find('\n') == std::string::npos);
    }
}

} // namespace

TEST_CASE("an empty environment means a bus in memory, with nothing to complain of") {
    const settings read = settings::from_environment(environment());
    CHECK_FALSE(read.kafka_enabled());
    CHECK_FALSE(read.kafka_required());
    CHECK(read.problems().empty());
    const auto options = read.transport_options(cobus::net::any_io_executor());
    CHECK(options.decision_time == std::chrono::seconds(3));
    CHECK(options.when_away == cobus::policy::deliver_and_spool);
    CHECK(options.properties.empty());
    CHECK(options.log != nullptr);
}

TEST_CASE("each wrong value is one line with the variable, the value and the cure") {
    const std::vector<wrong> table{
        {"a boolean", {{"KAFKA_ENABLED", "maybe"}}, {"KAFKA_ENABLED=\"maybe\": is neither"}},
        {"required without Kafka", {{"REQUIRE_KAFKA", "true"}}, {"set KAFKA_ENABLED=true"}},
        {"no brokers", {{"KAFKA_ENABLED", "true"}}, {"KAFKA_BROKERS: names no broker"}},
        {"only commas",
         {{"KAFKA_ENABLED", "true"}, {"KAFKA_BROKERS", " , "}},
         {"KAFKA_BROKERS: names no broker"}},
        {"a port too high",
         {{"KAFKA_ENABLED", "true"}, {"KAFKA_BROKERS", "a:1,b:65536"}},
         {"KAFKA_BROKERS=\"b:65536\": is no broker; write host:port"}},
        {"port zero", with_kafka({{"KAFKA_BROKERS", "a:0"}}), {"is no broker"}},
        {"no host", with_kafka({{"KAFKA_BROKERS", ":9092"}}), {"is no broker"}},
        {"two words", with_kafka({{"KAFKA_BROKERS", "a b:9092"}}), {"is no broker"}},
        {"aliases that differ",
         with_kafka({{"KAFKA_BROKER", "other:9092"}}),
         {"KAFKA_BROKER=\"other:9092\": contradicts KAFKA_BROKERS=\"localhost:9092\""}},
        {"three names of a group",
         {{"KAFKA_GROUP_ID", "a"}, {"KAFKA_CONSUMER_GROUP", "b"}, {"KAFKA_CONSUMER_GROUP_ID", "c"}},
         {"KAFKA_CONSUMER_GROUP=\"b\": contradicts", "KAFKA_CONSUMER_GROUP_ID=\"c\": contradicts"}},
        {"a property and its variable",
         with_kafka(
             {{"KAFKA_SESSION_TIMEOUT", "6000"}, {"KAFKA_CONFIG_SESSION_TIMEOUT_MS", "7000"}}),
         {"KAFKA_CONFIG_SESSION_TIMEOUT_MS=\"7000\": contradicts KAFKA_SESSION_TIMEOUT"}},
        {"no number", {{"KAFKA_SESSION_TIMEOUT", "6s"}}, {"set a whole number from 1 to 3600000"}},
        {"a range", {{"KAFKA_SESSION_TIMEOUT", "3600001"}}, {"\"3600001\": is no number of milli"}},
        {"a policy",
         {{"COBUS_WHEN_AWAY", "spin"}},
         {"set deliver_and_spool, spool, deliver, wait or fail"}},
        {"a wire form", {{"COBUS_WIRE", "xml"}}, {"set binary, structured, plain"}},
        {"a start", {{"COBUS_START_AT", "now"}}, {"set earliest or latest"}},
        {"a way to be safe",
         {{"COBUS_SPOOL_SYNCHRONOUS", "maybe"}},
         {"set off, normal, full or at_stop"}},
        {"a full spool", {{"COBUS_SPOOL_WHEN_FULL", "burst"}}, {"set refuse or drop_oldest"}},
        {"no room", {{"COBUS_SPOOL_MAX_MESSAGES", "0"}}, {"is no number of messages"}},
        {"a file that nobody makes",
         with_kafka({{"COBUS_SPOOL_FILE", "spool.db"}}),
         {"COBUS_SPOOL_FILE=\"spool.db\": needs what makes the file; include <cobus/sqlite.hpp>"}},
        {"no time", {{"COBUS_DECISION_TIME_MS", "0"}}, {"COBUS_DECISION_TIME_MS=\"0\": is no"}},
        {"a protocol",
         with_kafka({{"KAFKA_SECURITY_PROTOCOL", "tls"}}),
         {"KAFKA_SECURITY_PROTOCOL=\"tls\": is no protocol"}},
        {"a mechanism",
         with_kafka({{"KAFKA_SASL_MECHANISM", "aws_msk_iam"}, {"KAFKA_SASL_USERNAME", "u"}}),
         {"KAFKA_SASL_MECHANISM=\"aws_msk_iam\": is no mechanism of this version"}},
        {"TLS and none",
         with_kafka({{"KAFKA_SSL_ENABLED", "true"}, {"KAFKA_SECURITY_PROTOCOL", "PLAINTEXT"}}),
         {"KAFKA_SSL_ENABLED=\"true\": contradicts KAFKA_SECURITY_PROTOCOL=PLAINTEXT"}},
        {"credentials that nobody sends",
         with_kafka({{"KAFKA_SASL_USERNAME", "u"},
                     {"KAFKA_SASL_PASSWORD", "hunter22"},
                     {"KAFKA_SECURITY_PROTOCOL", "SSL"}}),
         {"sends no credentials"}},
        {"no credentials",
         with_kafka({{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"}}),
         {"KAFKA_SASL_USERNAME: is not set", "KAFKA_SASL_PASSWORD: is not set"}},
        {"a session and the new protocol",
         with_kafka(
             {{"KAFKA_SESSION_TIMEOUT", "6000"}, {"KAFKA_CONFIG_GROUP_PROTOCOL", "consumer"}}),
         {"group.protocol=consumer"}},
        {"polling seldom",
         with_kafka(
             {{"KAFKA_SESSION_TIMEOUT", "6000"}, {"KAFKA_CONFIG_MAX_POLL_INTERVAL_MS", "5000"}}),
         {"shorter than the session timeout of 6000 ms"}},
        {"commits by librdkafka",
         with_kafka({{"KAFKA_CONFIG_ENABLE_AUTO_OFFSET_STORE", "true"}}),
         {"enable.auto.offset.store=\"true\": is cobus's to set"}},
        {"a delivery timeout",
         with_kafka({{"KAFKA_CONFIG_MESSAGE_TIMEOUT_MS", "soon"}}),
         {"KAFKA_CONFIG_MESSAGE_TIMEOUT_MS=\"soon\": is no number"}},
    };
    for (const wrong& row : table) {
        CAPTURE(row.what);
        check_lines(settings::from_environment(row.variables).problems(), row.lines);
    }
}

TEST_CASE("what a spool keeps, and where, is told by the environment or by code") {
    cobus::spool_place asked;
    const auto maker = [&asked](const cobus::spool_place& where) {
        asked = where;
        return std::unique_ptr<cobus::degrade::spool_file>();
    };
    settings read = settings::from_environment(with_kafka({{"COBUS_SPOOL_FILE", "/var/spool.db"},
                                                           {"COBUS_SPOOL_SYNCHRONOUS", "Full"},
                                                           {"COBUS_SPOOL_MAX_MESSAGES", "7"},
                                                           {"COBUS_SPOOL_MAX_BYTES", "4096"},
                                                           {"COBUS_SPOOL_WHEN_FULL", "drop_oldest"},
                                                           {"COBUS_SPOOL_MAX_AGE_MS", "60000"},
                                                           {"COBUS_HONOUR_MARKS", "no"},
                                                           {"COBUS_MARK_HOURS", "3"},
                                                           {"COBUS_WIRE", "plain:type"}}));
    read.spool(maker);
    auto spool = read.transport_options(cobus::net::any_io_executor()).spool;
    CHECK(spool.messages == 7);
    CHECK(spool.bytes == 4096);
    CHECK(spool.when_full == cobus::spool_full::drop_oldest);
    CHECK(spool.max_age == std::chrono::minutes(1));
    CHECK_FALSE(spool.honour_marks);
    CHECK(spool.mark_life == std::chrono::hours(3));
    REQUIRE(spool.file);
    CHECK(spool.file() == nullptr);
    CHECK(asked.path == "/var/spool.db");
    CHECK(asked.synchronous == cobus::spool_synchronous::full);
    CHECK(asked.how == cobus::wire::plain("type"));

    settings said;
    said.kafka(true).brokers("localhost:9092").spool(maker);
    CHECK_FALSE(said.transport_options(cobus::net::any_io_executor()).spool.file); // in memory
    said.spool_file("other.db").spool_synchronous(cobus::spool_synchronous::off);
    said.spool_limit(5, 6).spool_when_full(cobus::spool_full::drop_oldest).honour_marks(false);
    spool = said.transport_options(cobus::net::any_io_executor()).spool;
    REQUIRE(spool.file);
    CHECK(spool.file() == nullptr);
    CHECK(asked.path == "other.db");
    CHECK(asked.synchronous == cobus::spool_synchronous::off);
    CHECK_FALSE(spool.at_stop);
    CHECK(settings::from_environment(with_kafka({{"COBUS_SPOOL_FILE", "/var/spool.db"},
                                                 {"COBUS_SPOOL_SYNCHRONOUS", "at_stop"}}))
              .spool(maker)
              .transport_options(cobus::net::any_io_executor())
              .spool.at_stop);
    CHECK(spool.messages == 5);
    CHECK(spool.bytes == 6);
    said.spool_limit(0, 1).mark_life(std::chrono::hours(0));
    check_lines(said.problems(), {"spool messages: must be", "mark_life: must be"});
}

TEST_CASE("retry topics cannot be where the broker alone says who gets which partition") {
    settings said =
        settings::from_environment(with_kafka({{"KAFKA_CONFIG_GROUP_PROTOCOL", "consumer"}}));
    CHECK(said.problems().empty()); // nobody asked for any
    said.retry_topics({std::chrono::minutes(1)});
    check_lines(said.problems(), {"retry_topics: cannot be with group.protocol=consumer"});
    said.property("group.protocol", "classic");
    CHECK(said.problems().empty());
    said.property("group.protocol", "consumer").kafka(false);
    CHECK(said.problems().empty()); // in memory there is no such protocol
}

TEST_CASE("all problems are thrown at once") {
    const settings read = settings::from_environment(
        {{"KAFKA_ENABLED", "ja"}, {"REQUIRE_KAFKA", "nein"}, {"KAFKA_SESSION_TIMEOUT", "-1"}});
    try {
        read.check();
        FAIL("did not throw");
    } catch (const cobus::error& caught) {
        const std::string text = caught.what();
        CHECK(caught.code() == cobus::errc::bad_settings);
        CHECK(text.find("KAFKA_ENABLED=\"ja\"") != std::string::npos);
        CHECK(text.find("REQUIRE_KAFKA=\"nein\"") != std::string::npos);
        CHECK(text.find("KAFKA_SESSION_TIMEOUT=\"-1\"") != std::string::npos);
        CHECK(text.find("\n3 problems: the settings cannot work") != std::string::npos);
    }
    CHECK_THROWS_AS((void)read.transport_options(cobus::net::any_io_executor()), cobus::error);
}

TEST_CASE("no problem shows a secret, whatever variable it was put into") {
    const std::string secret = "hunter22-correct";
    const std::vector<environment> table{
        with_kafka({{"KAFKA_SASL_PASSWORD", secret}, {"KAFKA_CONFIG_SASL_PASSWORD", "x" + secret}}),
        with_kafka({{"KAFKA_SASL_PASSWORD", secret}, {"KAFKA_SASL_MECHANISM", secret}}),
        with_kafka({{"KAFKA_SASL_PASSWORD", secret}, {"KAFKA_SESSION_TIMEOUT", secret}}),
        {{"KAFKA_ENABLED", "true"}, {"KAFKA_BROKERS", "ada:" + secret}},
        {{"KAFKA_ENABLED", "true"}, {"KAFKA_BROKERS", "SASL_SSL://ada:" + secret + "@host:0"}},
        {{"KAFKA_SESSION_TIMEOUT", "Endpoint=sb://x;SharedAccessKey=" + secret}},
        {{"KAFKA_ENABLED", "password=" + secret}},
        {{"KAFKA_ENABLED", "token:" + secret}},
        {{"KAFKA_ENABLED", "Bearer " + secret}},
        {{"KAFKA_ENABLED", "-----BEGIN PRIVATE KEY----- " + secret}},
        {{"COBUS_WIRE", "AKIA" + secret}},
        {{"COBUS_WHEN_AWAY", "eyJhbGciOi." + secret}},
        {{"COBUS_WHEN_AWAY", "q9Zt4Lk0Pz8Rw2Xc7Vb1" + secret}},
    };
    for (const environment& variables : table) {
        const std::vector<std::string> lines = settings::from_environment(variables).problems();
        CHECK_FALSE(lines.empty());
        for (const std::string& line : lines) {
            CAPTURE(line);
            CHECK(line.find(secret) == std::string::npos);
            CHECK(line.find("hunter") == std::string::npos);
        }
    }
}

TEST_CASE("control characters of a value do not break its line") {
    const auto lines = settings::from_environment({{"KAFKA_ENABLED", "a\nb\x1b[31m"}}).problems();
    check_lines(lines, {"KAFKA_ENABLED=\"a?b?[31m\""});
}

TEST_CASE("booleans are read in all the usual spellings") {
    for (const char* text : {"true", "TRUE", "1", "yes", "on", " true "}) {
        CHECK(settings::from_environment({{"KAFKA_ENABLED", text}}).kafka_enabled());
    }
    for (const char* text : {"false", "False", "0", "no", "off", "", "  "}) {
        const settings read = settings::from_environment({{"KAFKA_ENABLED", text}});
        CHECK_FALSE(read.kafka_enabled());
        CHECK(read.problems().empty());
    }
}

TEST_CASE("every name of a setting is understood, and equal values do not contradict each other") {
    for (const char* name : {"KAFKA_BROKERS", "KAFKA_BROKER", "KAFKA_CONFIG_BOOTSTRAP_SERVERS"}) {
        const auto options = options_of({{"KAFKA_ENABLED", "1"}, {name, "a, [::1]:9093 ,b:1"}});
        CHECK(options.brokers == std::vector<std::string>{"a:9092", "[::1]:9093", "b:1"});
    }
    for (const char* name : {"KAFKA_GROUP_ID", "KAFKA_CONSUMER_GROUP", "KAFKA_CONSUMER_GROUP_ID",
                             "KAFKA_CONFIG_GROUP_ID"}) {
        CHECK(options_of({{name, "g"}}).group_id == "g");
    }
    CHECK(options_of({{"KAFKA_GROUP_ID", "g"}, {"KAFKA_CONSUMER_GROUP", "g "}}).group_id == "g");
    for (const char* name : {"KAFKA_TRANSACTIONAL_ID", "KAFKA_CONFIG_TRANSACTIONAL_ID"}) {
        CHECK(property({{name, "pod-0"}}, "transactional.id") == "pod-0");
    }
}

TEST_CASE("a bus without a group is in the group of its client's name") {
    CHECK(options_of({{"KAFKA_CLIENT_ID", "mailer"}}).group_id == "mailer");
    CHECK(settings().client_id("mailer").group_id() == "mailer");
    CHECK(settings().client_id("mailer").group_id("g").group_id() == "g");
}

TEST_CASE("security is mapped to properties") {
    const environment confluent{{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"},
                                {"KAFKA_SASL_MECHANISM", "plain"},
                                {"KAFKA_SASL_USERNAME", "$ConnectionString"},
                                {"KAFKA_SASL_PASSWORD", "p=a;b"}};
    CHECK(property(confluent, "security.protocol") == "sasl_ssl");
    CHECK(property(confluent, "sasl.mechanism") == "PLAIN");
    CHECK(property(confluent, "sasl.username") == "$ConnectionString");
    CHECK(property(confluent, "sasl.password") == "p=a;b");

    const environment derived{
        {"KAFKA_SSL_ENABLED", "true"}, {"KAFKA_SASL_USERNAME", "u"}, {"KAFKA_SASL_PASSWORD", "p"}};
    CHECK(property(derived, "security.protocol") == "sasl_ssl");
    CHECK(property(derived, "sasl.mechanism") == "PLAIN");
    CHECK(property({{"KAFKA_SSL_ENABLED", "true"}}, "security.protocol") == "ssl");
    CHECK(property({{"KAFKA_SSL_ENABLED", "false"}}, "security.protocol") == "(none)");
    CHECK(property({{"KAFKA_SASL_USERNAME", "u"}, {"KAFKA_SASL_PASSWORD", "p"}},
                   "security.protocol") == "sasl_plaintext");

    const environment trusting{{"KAFKA_SSL_REJECT_UNAUTHORIZED", "false"}};
    CHECK(property(trusting, "enable.ssl.certificate.verification") == "false");
    CHECK(property(trusting, "ssl.endpoint.identification.algorithm") == "none");
    CHECK(property({{"KAFKA_SSL_CA", "/etc/ca.pem"}}, "ssl.ca.location") == "/etc/ca.pem");
    CHECK(property({{"KAFKA_SSL_CA", "-----BEGIN C-----\\nAA\\n-----END C-----"}}, "ssl.ca.pem") ==
          "-----BEGIN C-----\nAA\n-----END C-----");

    for (const auto& [text, mechanism] :
         {std::pair("scram-sha-512", "SCRAM-SHA-512"), std::pair("SCRAM_SHA_256", "SCRAM-SHA-256"),
          std::pair("oauthbearer", "OAUTHBEARER")}) {
        environment more = confluent;
        more["KAFKA_SASL_MECHANISM"] = text;
        CHECK(property(more, "sasl.mechanism") == mechanism);
    }
}

TEST_CASE("the heartbeat stays at a third of the session, and polls no shorter than it") {
    const auto heartbeat = [](const environment& more) {
        return property(more, "heartbeat.interval.ms");
    };
    CHECK(heartbeat({{"KAFKA_SESSION_TIMEOUT", "45000"}}) == "(none)");
    CHECK(heartbeat({{"KAFKA_SESSION_TIMEOUT", "9000"}}) == "(none)");
    CHECK(heartbeat({{"KAFKA_SESSION_TIMEOUT", "6000"}}) == "2000");
    CHECK(heartbeat({{"KAFKA_SESSION_TIMEOUT", "1"}}) == "1");
    CHECK(heartbeat({{"KAFKA_SESSION_TIMEOUT", "6000"},
                     {"KAFKA_CONFIG_HEARTBEAT_INTERVAL_MS", "500"}}) == "500");
    CHECK(heartbeat({{"KAFKA_SESSION_TIMEOUT", "6000"},
                     {"KAFKA_CONFIG_HEARTBEAT_INTERVAL_MS", "5000"}}) == "2000");
    CHECK(property({{"KAFKA_SESSION_TIMEOUT", "600000"}}, "max.poll.interval.ms") == "600000");
}

TEST_CASE("any property of librdkafka is set by its name in capitals behind a prefix") {
    CHECK(property({{"KAFKA_CONFIG_LINGER_MS", " 5 "}}, "linger.ms") == "5");
    CHECK(property({{"KAFKA_CONFIG_COMPRESSION_TYPE", "zstd"}}, "compression.type") == "zstd");
    CHECK(property({{"KAFKA_CONFIG_LINGER_MS", ""}}, "linger.ms") == "(none)");
    const auto options = options_of(with_kafka({{"KAFKA_CONFIG_MESSAGE_TIMEOUT_MS", "2500"},
                                                {"KAFKA_CONFIG_AUTO_OFFSET_RESET", "latest"}}));
    CHECK(options.delivery_timeout == std::chrono::milliseconds(2500));
    CHECK(options.from == cobus::start_at::latest);
    CHECK(options.properties.empty());
}

TEST_CASE("cobus's own variables are read") {
    const auto options = options_of({{"COBUS_WHEN_AWAY", "wait"},
                                     {"COBUS_WIRE", "plain:event_type"},
                                     {"COBUS_DECISION_TIME_MS", "1500"},
                                     {"COBUS_WAIT_LIMIT_MS", "60000"},
                                     {"COBUS_DELIVERY_TIMEOUT_MS", "7000"},
                                     {"COBUS_START_AT", "latest"}});
    CHECK(options.when_away == cobus::policy::wait);
    CHECK(options.how == cobus::wire::plain("event_type"));
    CHECK(options.decision_time == std::chrono::milliseconds(1500));
    CHECK(options.wait_limit == std::chrono::milliseconds(60000));
    CHECK(options.delivery_timeout == std::chrono::milliseconds(7000));
    CHECK(options.from == cobus::start_at::latest);
    CHECK(options_of({{"COBUS_WIRE", "Structured"}}).how == cobus::wire::structured());
    CHECK(options_of({{"COBUS_WIRE", "plain"}}).how == cobus::wire::plain());
    CHECK(options_of({{"COBUS_WHEN_AWAY", "Fail"}}).when_away == cobus::policy::fail);
    CHECK(settings::from_environment({{"COBUS_CONCURRENCY", "8"}}).concurrency() == 8);
}

TEST_CASE("code has the last word, and is checked like the environment") {
    settings both = settings::from_environment({{"KAFKA_ENABLED", "true"}});
    CHECK(both.problems().size() == 1);
    both.brokers("b:1").property("group.id", "g").property("linger.ms", "5");
    CHECK(both.problems().empty());
    CHECK(both.group_id() == "g");

    const auto options = settings()
                             .kafka(true)
                             .brokers("a:1,b:2")
                             .client_id("c")
                             .wire(cobus::wire::plain())
                             .serialise(true)
                             .retention(10)
                             .partitions(3)
                             .queue(100, 1000)
                             .wait_limit(std::chrono::seconds(1))
                             .transport_options(cobus::net::any_io_executor());
    CHECK(options.brokers.size() == 2);
    CHECK(options.serialise);
    CHECK(options.retention_messages == 10);
    CHECK(options.partitions == 3);
    CHECK(options.queue_messages == 100);
    CHECK(options.queue_bytes == 1000);

    CHECK(settings().brokers("a: 9092").problems().size() == 1); // librdkafka would not find it
    check_lines(settings()
                    .brokers("nothing:")
                    .partitions(0)
                    .decision_time(std::chrono::milliseconds(-1))
                    .topic("event", "no topic")
                    .property("auto.offset.reset", "middle")
                    .problems(),
                {"brokers=\"nothing:…\"", "partitions: must be more", "decision_time: must be more",
                 "topic event=\"no topic\": is no topic name", "auto.offset.reset=\"middle\""});
}

TEST_CASE("a contract's topic can have another name on this bus") {
    const settings renamed = settings().topic("event", "my.topic");
    CHECK(renamed.topic("event") == "my.topic");
    CHECK(renamed.topic("other") == "other");
    CHECK(renamed.topics().size() == 1);
}

TEST_CASE("the process's environment is read") {
    const environment all = cobus::detail::process_environment();
    CHECK(all.contains("PATH"));
}
