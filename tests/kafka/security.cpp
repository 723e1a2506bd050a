#include "log_book.hpp"
#include "plain_acl.hpp"
#include "run.hpp"
#include "secured_kafka.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/kafka.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

// TLS, SASL and access rights on a real Kafka. Every text that comes of it is searched for secrets.

namespace secured {

struct order {
    std::string id;
    int number = 0;
};

} // namespace secured

template <> struct cobus::contract<secured::order> {
    static constexpr std::string_view type = "order", topic = "orders";
    static constexpr auto key = &secured::order::id;
    static constexpr auto fields =
        cobus::fields(field("id", &secured::order::id), field("number", &secured::order::number));
    using codec = cobus::json_codec;
};

namespace secured {
namespace {

using namespace std::chrono_literals;
using namespace cobus::test;
using environment = cobus::settings::environment;
using steady = std::chrono::steady_clock;
namespace net = cobus::net;

auto server() -> secured_kafka& { return secured_kafka::shared(); }

// What a service is told in each way to connect; docs/kafka.md has the same.

auto over_tls() -> environment {
    const certificate_authority& ca = server().trusted();
    return {{"KAFKA_BROKERS", server().at("SSL")},
            {"KAFKA_SECURITY_PROTOCOL", "SSL"},
            {"KAFKA_SSL_CA", ca.file("ca.pem")},
            {"KAFKA_SSL_CERT", ca.file("client.pem")},
            {"KAFKA_SSL_KEY", ca.file("client.key")},
            {"KAFKA_SSL_KEY_PASSWORD", server().key_password}};
}
auto password_over_tls() -> environment {
    return {{"KAFKA_BROKERS", server().at("SASL_SSL")},
            {"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"},
            {"KAFKA_SASL_MECHANISM", "plain"},
            {"KAFKA_SASL_USERNAME", server().user},
            {"KAFKA_SASL_PASSWORD", server().password},
            {"KAFKA_SSL_CA", server().trusted().file("ca.pem")}};
}
auto password(const std::string& user = secured_kafka::user,
              const std::string& word = secured_kafka::password) -> environment {
    return {{"KAFKA_BROKERS", server().at("SASL_PLAINTEXT")},
            {"KAFKA_SASL_USERNAME", user},
            {"KAFKA_SASL_PASSWORD", word}};
}
auto scram() -> environment {
    environment how = password(server().scram_user, server().scram_password);
    how["KAFKA_SASL_MECHANISM"] = "scram-sha-512";
    return how;
}
auto token() -> environment {
    return {{"KAFKA_BROKERS", server().at("SASL_PLAINTEXT")},
            {"KAFKA_SASL_MECHANISM", "oauthbearer"},
            {"KAFKA_CONFIG_ENABLE_SASL_OAUTHBEARER_UNSECURE_JWT", "true"},
            {"KAFKA_CONFIG_SASL_OAUTHBEARER_CONFIG", "principal=tom"}};
}
auto with(environment how, const std::string& name, const std::string& value) -> environment {
    how[name] = value;
    return how;
}

/// A bus that was told so, and all that it says.
class service {
public:
    explicit service(environment how, const std::string& topic = "orders") {
        how["KAFKA_ENABLED"] = "true";
        how["KAFKA_CLIENT_ID"] = topic;
        how["KAFKA_CONFIG_FETCH_WAIT_MAX_MS"] = "10";
        settings_ = cobus::settings::from_environment(how);
        settings_.topic("orders", topic).logger(log.logger());
    }
    service(const service&) = delete;
    auto operator=(const service&) -> service& = delete;
    ~service() {
        said += log.text() + why;
        for (const std::string& secret : secured_kafka::secrets()) {
            CHECK(said.find(secret) == said.npos);
        }
    }

    /// Starts the bus; if it starts, does this with it and stops it.
    void lives(const std::function<net::awaitable<void>(cobus::bus&)>& life) {
        net::io_context context;
        run(context, [&]() -> net::awaitable<void> {
            cobus::bus bus(context.get_executor(), settings_, cobus::kafka());
            auto reader = bus.on<order>(cobus::handler("reader").retry_topics(retries_for_long),
                                        [this](const order&, const cobus::context& where) {
                                            ++(where.in_process() ? in_process : handled);
                                        });
            const auto begin = steady::now();
            try {
                co_await bus.start();
            } catch (const std::system_error& failed) {
                refused = failed.code();
                said += failed.what();
            }
            took = steady::now() - begin;
            if (!refused) {
                co_await life(bus);
            }
            what = bus.health().what;
            why = bus.health().why;
            co_await bus.stop(3s);
        });
    }
    /// What publishing one says, and how long it takes.
    auto publishes(cobus::bus& bus) -> net::awaitable<std::error_code> {
        const order event{"a", 1};
        const auto begin = steady::now();
        std::error_code ec;
        try {
            const cobus::receipt where = co_await bus.publish(event);
            CHECK(where.way() == cobus::path::kafka);
        } catch (const std::system_error& failed) {
            ec = failed.code();
            said += failed.what();
        }
        CHECK(steady::now() - begin < 4500ms); // the decision time, and a slow machine
        co_return ec;
    }

    log_book log;
    std::string said;
    bool retries_for_long = false;
    std::error_code refused;
    steady::duration took{};
    cobus::state what = cobus::state::connecting;
    std::string why;
    int handled = 0;
    int in_process = 0;

private:
    cobus::settings settings_;
};

void goes_through(const environment& how) {
    service one(how);
    one.lives([&one](cobus::bus& bus) -> net::awaitable<void> {
        const std::error_code ec = co_await one.publishes(bus);
        CHECK_FALSE(ec);
        co_await until([&one] { return one.handled > 0; });
    });
    CAPTURE(one.log.text());
    CHECK_FALSE(one.refused);
    CHECK(one.in_process == 0);
    CHECK(one.log.of(cobus::log_level::warning).empty());
    CHECK(one.log.of(cobus::log_level::error).empty());
}

/// Starting fails for good, and says where, what, and how to mend it.
void is_refused(const environment& how, const std::string& cause, const std::string& cure) {
    service one(how);
    one.lives([](cobus::bus&) -> net::awaitable<void> { co_return; });
    CAPTURE(one.said);
    CHECK(one.refused == cobus::errc::not_authorized);
    CHECK(one.refused == cobus::condition::permanent);
    CHECK(one.took < 3500ms);
    CHECK(one.said.find(how.at("KAFKA_BROKERS")) != std::string::npos);
    CHECK(one.said.find(cause) != std::string::npos);
    CHECK(one.said.find(cure) != std::string::npos);
    CHECK(one.what == cobus::state::failed);
    CHECK(one.why.find(cause) != std::string::npos);
    CHECK(one.in_process == 0);
}

/// Settings that librdkafka cannot work with.
void cannot_work(const environment& how, const std::string& property) {
    service one(how);
    one.lives([](cobus::bus&) -> net::awaitable<void> { co_return; });
    CAPTURE(one.said);
    CHECK(one.refused == cobus::errc::bad_settings);
    CHECK(one.said.find(property) != std::string::npos);
}

auto one_line(const std::string& pem) -> std::string {
    std::string line;
    for (const char each : pem) {
        line += each == '\n' ? std::string("\\n") : std::string(1, each);
    }
    return line;
}

void grant(const std::string& who, rd_kafka_AclOperation_t what, rd_kafka_ResourceType_t on,
           const std::string& name) {
    const std::vector<plain_right> rights{{who, what, on, name}};
    plain_grant(server().open(), rights);
}
auto limited(const std::string& user) -> environment {
    return password(user, secured_kafka::limited_password);
}

/// Another client, which may do anything.
void somebody_publishes(const std::string& topic) {
    plain_message event;
    event.payload = R"({"id":"a","number":1})";
    event.headers = {{"ce_type", "order"}};
    plain_produce(server().open(), topic, {event});
}

constexpr auto may_write = RD_KAFKA_ACL_OPERATION_WRITE;
constexpr auto may_read = RD_KAFKA_ACL_OPERATION_READ;
constexpr auto a_topic = RD_KAFKA_RESOURCE_TOPIC;
constexpr auto a_group = RD_KAFKA_RESOURCE_GROUP;

} // namespace

TEST_CASE("with the right certificates, passwords or tokens a bus publishes and consumes") {
    const certificate_authority& ca = server().trusted();
    goes_through(over_tls());
    environment texts = with(over_tls(), "KAFKA_SSL_CA", ca.text("ca.pem"));
    texts["KAFKA_SSL_CERT"] = one_line(ca.text("client.pem"));
    texts["KAFKA_SSL_KEY"] = ca.text("client.key");
    goes_through(texts);
    goes_through(password_over_tls());
    goes_through(password());
    goes_through(token());
    environment any = with(password_over_tls(), "KAFKA_SSL_REJECT_UNAUTHORIZED", "false");
    any.erase("KAFKA_SSL_CA");
    goes_through(any);
}

TEST_CASE("SCRAM works, or an old librdkafka says which one it takes") {
    if (rd_kafka_version() >= 0x020601ff) {
        goes_through(scram());
        is_refused(with(scram(), "KAFKA_SASL_PASSWORD", server().limited_password),
                   "Authentication failed", "user and password");
    } else {
        is_refused(scram(), "Authentication failed", "needs librdkafka 2.6.1 or newer");
    }
    is_refused(with(scram(), "KAFKA_SASL_MECHANISM", "SCRAM-SHA-256"), "Unsupported SASL mechanism",
               "sasl.mechanism");
}

TEST_CASE("a wrong password is refused for good, and no outage") {
    const std::string wrong = server().limited_password;
    is_refused(with(password(), "KAFKA_SASL_PASSWORD", wrong), "Authentication failed",
               "user and password");
    is_refused(with(password_over_tls(), "KAFKA_SASL_PASSWORD", wrong), "Authentication failed",
               "user and password");
    is_refused(with(password(), "KAFKA_BROKERS", server().open()), "mechanism handshake failed",
               "security.protocol");
}

TEST_CASE("certificates that one side does not trust are refused for good") {
    const certificate_authority& other = server().strange();
    is_refused(with(password_over_tls(), "KAFKA_SSL_CA", other.file("ca.pem")),
               "certificate verify failed", "ssl.ca.location");
    const std::string port = server().at("SASL_SSL").substr(9);
    is_refused(with(password_over_tls(), "KAFKA_BROKERS", "localhost" + port),
               "certificate verify failed", "certificates");
    environment nothing = over_tls();
    nothing.erase("KAFKA_SSL_CERT");
    nothing.erase("KAFKA_SSL_KEY");
    nothing.erase("KAFKA_SSL_KEY_PASSWORD");
    is_refused(nothing, "alert", "ssl.certificate.location");
    environment strange = with(nothing, "KAFKA_SSL_CERT", other.file("client.pem"));
    strange["KAFKA_SSL_KEY"] = other.file("client.key");
    is_refused(strange, "alert", "ssl.certificate.location");
}

TEST_CASE("files and passwords of certificates that cannot be read are settings that cannot work") {
    cannot_work(with(over_tls(), "KAFKA_SSL_KEY_PASSWORD", server().limited_password), "ssl.key");
    cannot_work(with(over_tls(), "KAFKA_SSL_CA", "/missing/ca.pem"), "ssl.ca.location");
}

TEST_CASE("a broker that wants credentials and gets none is told from one that is away") {
    service one({{"KAFKA_BROKERS", server().at("SASL_PLAINTEXT")}});
    one.lives([&one](cobus::bus& bus) -> net::awaitable<void> {
        co_await until([&bus] { return bus.health().what == cobus::state::failed; });
        const std::error_code ec = co_await one.publishes(bus);
        CHECK(ec == cobus::errc::not_authorized);
    });
    CHECK(one.why.find("security.protocol") != std::string::npos);
    CHECK(one.in_process == 0);
}

TEST_CASE("TLS where none is spoken looks like an outage, and says what to check") {
    service one(with(password_over_tls(), "KAFKA_BROKERS", server().at("SASL_PLAINTEXT")));
    one.lives([](cobus::bus&) -> net::awaitable<void> { co_return; });
    CAPTURE(one.why);
    CHECK_FALSE(one.refused);
    CHECK(one.what == cobus::state::degraded);
    CHECK(one.why.find("check security.protocol") != std::string::npos);
}

TEST_CASE("a topic that may not be written refuses its own publishes alone") {
    plain_create_topic(server().open(), "closed", 1);
    plain_create_topic(server().open(), "allowed", 1);
    const std::string user = secured_kafka::writer;
    grant(user, may_write, a_topic, "allowed");
    service closed(limited(user), "closed");
    closed.lives([&closed](cobus::bus& bus) -> net::awaitable<void> {
        for (int i = 0; i < 3; ++i) {
            const std::error_code ec = co_await closed.publishes(bus);
            CHECK(ec == cobus::errc::not_authorized);
            CHECK(ec == cobus::condition::permanent);
        }
    });
    CHECK(closed.in_process == 0);
    CHECK(closed.what == cobus::state::connected);
    CHECK(closed.log.with("publishing to topic closed is refused").size() == 1);
    CHECK(closed.log.with("WRITE to publish").size() == 1);
    service allowed(limited(user), "allowed");
    allowed.lives([&allowed](cobus::bus& bus) -> net::awaitable<void> {
        const std::error_code ec = co_await allowed.publishes(bus);
        CHECK_FALSE(ec);
    });
}

TEST_CASE("who may write nothing at all still consumes, and its publishes are refused") {
    plain_create_topic(server().open(), "read-only", 1);
    const std::string user = secured_kafka::reader;
    grant(user, may_read, a_topic, "read-only");
    grant(user, may_read, a_group, "read-only");
    service one(limited(user), "read-only");
    one.lives([&one](cobus::bus& bus) -> net::awaitable<void> {
        for (int i = 0; i < 3; ++i) {
            const std::error_code ec = co_await one.publishes(bus);
            CHECK(ec == cobus::errc::not_authorized);
        }
        somebody_publishes("read-only");
        co_await until([&one] { return one.handled > 0; });
    });
    CAPTURE(one.log.text());
    CHECK(one.in_process == 0);
    CHECK(one.log.with("WRITE").size() >= 1);
}

TEST_CASE("what may not be read is said with what is missing, and comes once it is granted") {
    plain_create_topic(server().open(), "hidden", 1);
    const std::string user = secured_kafka::writer;
    grant(user, may_write, a_topic, "hidden");
    service one(limited(user), "hidden");
    one.lives([&one, &user](cobus::bus& bus) -> net::awaitable<void> {
        const std::error_code ec = co_await one.publishes(bus);
        CHECK_FALSE(ec);
        co_await until([&one] { return !one.log.with("READ on the consumer group").empty(); });
        grant(user, may_read, a_group, "hidden");
        co_await until([&one] { return !one.log.with("topic hidden: ").empty(); });
        grant(user, may_read, a_topic, "hidden");
        co_await until([&one] { return one.handled > 0; });
    });
    CAPTURE(one.log.text());
    CHECK(one.handled > 0);
    CHECK(one.log.with("READ to consume").size() == 1);
    CHECK(one.in_process == 0);
}

TEST_CASE("retry topics that may not be made hold up no assignment, and say what is missing") {
    plain_create_topic(server().open(), "no-retries", 1);
    const std::string user = secured_kafka::writer;
    grant(user, may_read, a_topic, "no-retries");
    grant(user, may_write, a_topic, "no-retries");
    grant(user, may_read, a_group, "no-retries");
    service one(limited(user), "no-retries");
    one.retries_for_long = true;
    const auto begin = steady::now();
    one.lives([&one](cobus::bus& bus) -> net::awaitable<void> {
        (void)co_await one.publishes(bus);
        co_await until([&one] { return one.handled > 0; });
    });
    CAPTURE(one.log.text());
    CHECK(steady::now() - begin < 9s); // a topic that is being made is given 10 s
    CHECK(one.log.with("CREATE to make it): until the next assignment, long retries").size() == 3);
}

TEST_CASE("who may not use a transactional id is told the right, and goes on consuming") {
    plain_create_topic(server().open(), "fenced", 1);
    const std::string user = secured_kafka::writer;
    grant(user, may_write, a_topic, "fenced");
    grant(user, may_read, a_topic, "fenced");
    grant(user, may_read, a_group, "fenced");
    environment variables = limited(user);
    variables["KAFKA_TRANSACTIONAL_ID"] = "not-mine";
    service one(variables, "fenced");
    one.lives([&one](cobus::bus& bus) -> net::awaitable<void> {
        const std::error_code ec = co_await one.publishes(bus);
        CHECK(ec == cobus::errc::not_authorized);
        somebody_publishes("fenced");
        co_await until([&one] { return one.handled > 0; });
    });
    CAPTURE(one.log.text());
    CHECK(one.in_process == 0);
    CHECK(one.log.with("WRITE and DESCRIBE on the transactional id").size() == 1);
}

TEST_CASE("a missing topic that may not be made fails its publishes within the decision time") {
    const std::string user = secured_kafka::writer;
    grant(user, may_write, a_topic, "missing");
    service one(limited(user), "missing");
    one.lives([&one](cobus::bus& bus) -> net::awaitable<void> {
        const std::error_code ec = co_await one.publishes(bus);
        CHECK(ec == cobus::errc::no_topic);
        CHECK(ec == cobus::condition::permanent);
    });
    CHECK(one.in_process == 0);
    CHECK(one.log.with("publishing to topic missing is refused").size() == 1);
}

} // namespace secured
