#pragma once

#include "../degrade/spool_file.hpp"
#include "../transport/options.hpp"
#include "environment.hpp"
#include "intern.hpp"
#include "kafka_properties.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cobus::detail {

class run_observer;

/// What `settings` holds.
struct settings_data {
    transport_options options;
    std::string group_id;
    std::shared_ptr<run_observer> observer;
    spool_maker make_spool;
    spool_place spool;
    std::string park_dead_letters;
    std::vector<std::chrono::milliseconds> retry_delays{
        std::chrono::minutes(1), std::chrono::minutes(10), std::chrono::hours(1)};
    bool retry_delays_asked = false;                        ///< somebody named them
    std::map<std::string, std::string, std::less<>> topics; ///< this bus's names by the contracts'
    problem_list problems;
    std::optional<bool> ssl;
    std::size_t concurrency = 64;
    std::chrono::milliseconds drain_limit = std::chrono::seconds(10);
    bool enabled = false;
    bool required = false;
    bool brokers_refused = false;

    [[nodiscard]] auto group() const noexcept -> const std::string& {
        return group_id.empty() ? options.client_id : group_id;
    }
    void brokers(std::string_view name, std::string_view list) {
        const std::size_t before = problems.lines().size();
        options.brokers = to_brokers(name, list, problems);
        brokers_refused = problems.lines().size() != before;
    }
    /// Some properties have a setting of their own, because the bus reads it too.
    void property(std::string_view name, std::string_view value) {
        if (name == "bootstrap.servers" || name == "metadata.broker.list") {
            brokers(name, value);
        } else if (name == "client.id") {
            options.client_id = value;
        } else if (name == "group.id") {
            group_id = value;
        } else if (name == "auto.offset.reset") {
            start(name, value);
        } else if (name == "message.timeout.ms" || name == "delivery.timeout.ms") {
            delivery_timeout(name, value);
        } else {
            options.properties.insert_or_assign(std::string(name), std::string(value));
        }
    }

    void start(std::string_view name, std::string_view value) {
        const std::string word = lower(value);
        if (word == "earliest" || word == "smallest" || word == "beginning") {
            options.from = start_at::earliest;
        } else if (word == "latest" || word == "largest" || word == "end") {
            options.from = start_at::latest;
        } else {
            problems.add(name, value, "is no start; set earliest or latest");
        }
    }
    void delivery_timeout(std::string_view name, std::string_view value) {
        const std::optional<long long> limit = to_number(value);
        if (limit && *limit > 0) {
            options.delivery_timeout = std::chrono::milliseconds(*limit);
        } else {
            problems.add(name, value, "is no number of milliseconds above zero; set one");
        }
    }
};

/// Fills settings from variables. Those that are wrong become problems and change nothing.
class settings_reader {
public:
    settings_reader(const environment& variables, settings_data& data)
        : variables_(variables), data_(data), reader_(variables, data.problems) {}

    void read_all() {
        hide_secrets();
        read_kafka();
        read_security();
        read_own();
        read_spool();
        read_properties();
    }

private:
    static constexpr long long day = 24LL * 60 * 60 * 1000;

    void hide_secrets() {
        for (const auto& [name, value] : variables_) {
            const bool ours = name.starts_with("KAFKA_") || name.starts_with("COBUS_");
            if (ours && names_a_secret(name)) {
                data_.problems.hide(trimmed(value));
            }
        }
    }

    void set_property(std::string_view variable, std::string_view name) {
        if (const auto found = reader_.text({variable, variable_of_property(name)})) {
            data_.property(name, found->value);
        }
    }

    void read_kafka() {
        data_.enabled = reader_.boolean({"KAFKA_ENABLED"}).value_or(false);
        data_.required = reader_.boolean({"REQUIRE_KAFKA"}).value_or(false);
        if (const auto list =
                reader_.text({"KAFKA_BROKERS", "KAFKA_BROKER", "KAFKA_CONFIG_BOOTSTRAP_SERVERS"})) {
            data_.brokers(list->name, list->value);
        }
        if (const auto name = reader_.text({"KAFKA_CLIENT_ID", "KAFKA_CONFIG_CLIENT_ID"})) {
            data_.options.client_id = name->value;
        }
        set_property("KAFKA_TRANSACTIONAL_ID", "transactional.id");
        if (const auto name = reader_.text({"KAFKA_GROUP_ID", "KAFKA_CONSUMER_GROUP",
                                            "KAFKA_CONSUMER_GROUP_ID", "KAFKA_CONFIG_GROUP_ID"})) {
            data_.group_id = name->value;
        }
        if (const auto limit =
                reader_.number({"KAFKA_SESSION_TIMEOUT", "KAFKA_CONFIG_SESSION_TIMEOUT_MS"}, 1,
                               3600000, "number of milliseconds")) {
            data_.property("session.timeout.ms", std::to_string(*limit));
        }
    }

    void read_security() {
        set_property("KAFKA_SECURITY_PROTOCOL", "security.protocol");
        set_property("KAFKA_SASL_USERNAME", "sasl.username");
        set_property("KAFKA_SASL_PASSWORD", "sasl.password");
        data_.ssl = reader_.boolean({"KAFKA_SSL_ENABLED"});
        if (const auto name = reader_.text({"KAFKA_SASL_MECHANISM", "KAFKA_CONFIG_SASL_MECHANISM",
                                            "KAFKA_CONFIG_SASL_MECHANISMS"})) {
            read_mechanism(*name);
        }
        if (!reader_.boolean({"KAFKA_SSL_REJECT_UNAUTHORIZED"}).value_or(true)) {
            data_.property("enable.ssl.certificate.verification", "false");
            data_.property("ssl.endpoint.identification.algorithm", "none");
        }
        read_certificate("KAFKA_SSL_CA", "ssl.ca.location", "ssl.ca.pem");
        read_certificate("KAFKA_SSL_CERT", "ssl.certificate.location", "ssl.certificate.pem");
        read_certificate("KAFKA_SSL_KEY", "ssl.key.location", "ssl.key.pem");
        set_property("KAFKA_SSL_KEY_PASSWORD", "ssl.key.password");
    }

    void read_mechanism(const variable& from) {
        if (const std::string name = to_mechanism(from.value); !name.empty()) {
            data_.property("sasl.mechanism", name);
            return;
        }
        data_.problems.add(
            from.name, from.value,
            "is no mechanism of this version; set PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, "
            "OAUTHBEARER or GSSAPI");
        data_.property("sasl.mechanism",
                       "GSSAPI"); // so that nothing is found missing because of it
    }

    void read_certificate(std::string_view name, std::string_view file, std::string_view text) {
        const auto found = reader_.text({name});
        if (!found) {
            return;
        }
        const bool pem = found->value.starts_with("-----BEGIN");
        data_.property(pem ? text : file, pem ? with_line_ends(found->value) : found->value);
    }

    void read_own() {
        using std::chrono::milliseconds;
        if (const auto what = reader_.text({"COBUS_WHEN_AWAY"})) {
            read_policy(*what);
        }
        if (const auto how = reader_.text({"COBUS_WIRE"})) {
            read_wire(*how);
        }
        if (const auto where = reader_.text({"COBUS_START_AT", "KAFKA_CONFIG_AUTO_OFFSET_RESET"})) {
            data_.start(where->name, where->value);
        }
        constexpr std::string_view unit = "number of milliseconds";
        if (const auto limit = reader_.number({"COBUS_DECISION_TIME_MS"}, 1, 600000, unit)) {
            data_.options.decision_time = milliseconds(*limit);
        }
        if (const auto limit = reader_.number({"COBUS_WAIT_LIMIT_MS"}, 1, day, unit)) {
            data_.options.wait_limit = milliseconds(*limit);
        }
        if (const auto limit =
                reader_.number({"COBUS_DELIVERY_TIMEOUT_MS", "KAFKA_CONFIG_MESSAGE_TIMEOUT_MS",
                                "KAFKA_CONFIG_DELIVERY_TIMEOUT_MS"},
                               1, day, unit)) {
            data_.options.delivery_timeout = milliseconds(*limit);
        }
        if (const auto limit =
                reader_.number({"COBUS_CONCURRENCY"}, 1, 1000000, "number of events")) {
            data_.concurrency = static_cast<std::size_t>(*limit);
        }
    }

    void read_spool() {
        using std::chrono::milliseconds;
        spool_options& spool = data_.options.spool;
        if (const auto path = reader_.text({"COBUS_SPOOL_FILE"})) {
            data_.spool.path = path->value;
        }
        if (const auto how = reader_.text({"COBUS_SPOOL_SYNCHRONOUS"})) {
            read_synchronous(*how);
        }
        constexpr long long most = 1LL << 50;
        if (const auto limit =
                reader_.number({"COBUS_SPOOL_MAX_MESSAGES"}, 1, most, "number of messages")) {
            spool.messages = static_cast<std::size_t>(*limit);
        }
        if (const auto limit =
                reader_.number({"COBUS_SPOOL_MAX_BYTES"}, 1, most, "number of bytes")) {
            spool.bytes = static_cast<std::size_t>(*limit);
        }
        if (const auto what = reader_.text({"COBUS_SPOOL_WHEN_FULL"})) {
            read_when_full(*what);
        }
        if (const auto limit = reader_.number({"COBUS_SPOOL_MAX_AGE_MS"}, 0, 3660 * day,
                                              "number of milliseconds")) {
            spool.max_age = milliseconds(*limit);
        }
        spool.honour_marks = reader_.boolean({"COBUS_HONOUR_MARKS"}).value_or(spool.honour_marks);
        if (const auto life =
                reader_.number({"COBUS_MARK_HOURS"}, 1, 24 * 366, "number of hours")) {
            spool.mark_life = std::chrono::hours(*life);
        }
    }

    void read_synchronous(const variable& from) {
        const std::string word = lower(from.value);
        const std::map<std::string_view, spool_synchronous> known{
            {"off", spool_synchronous::off},
            {"normal", spool_synchronous::normal},
            {"full", spool_synchronous::full},
            {"at_stop", spool_synchronous::at_stop},
        };
        if (const auto found = known.find(word); found != known.end()) {
            data_.spool.synchronous = found->second;
        } else {
            data_.problems.add(from.name, from.value,
                               "is no way to be safe; set off, normal, full or at_stop");
        }
    }

    void read_when_full(const variable& from) {
        const std::string word = lower(from.value);
        if (word == "refuse" || word == "drop_oldest") {
            data_.options.spool.when_full =
                word == "refuse" ? spool_full::refuse : spool_full::drop_oldest;
        } else {
            data_.problems.add(from.name, from.value, "is no choice; set refuse or drop_oldest");
        }
    }

    void read_policy(const variable& from) {
        const std::string word = lower(from.value);
        const std::map<std::string_view, policy> known{
            {"deliver", policy::deliver}, {"wait", policy::wait},
            {"fail", policy::fail},       {"deliver_and_spool", policy::deliver_and_spool},
            {"spool", policy::spool},
        };
        if (const auto found = known.find(word); found != known.end()) {
            data_.options.when_away = found->second;
        } else {
            data_.problems.add(from.name, from.value,
                               "is no policy; set deliver_and_spool, spool, deliver, wait or fail");
        }
    }

    void read_wire(const variable& from) {
        const std::size_t colon = (std::min)(from.value.find(':'), from.value.size());
        const std::string word = lower(from.value.substr(0, colon));
        if (word == "plain") {
            const std::string_view field = std::string_view(from.value).substr(colon);
            data_.options.how = wire::plain(*intern(field.empty() ? "" : field.substr(1)));
        } else if (word == "structured" || word == "binary") {
            data_.options.how = word == "binary" ? wire::binary() : wire::structured();
        } else {
            data_.problems.add(from.name, from.value,
                               "is no form; set binary, structured, plain, or plain:FIELD with the "
                               "member of the body that says the type");
        }
    }

    void read_properties() {
        for (const auto& [name, value] : variables_) {
            const std::string property_name = property_of_variable(name);
            if (property_name.empty() || trimmed(value).empty() || has_setting(property_name)) {
                continue;
            }
            data_.property(property_name, trimmed(value));
        }
    }

    const environment& variables_;
    settings_data& data_;
    environment_reader reader_;
};

/// Binds the spool's file to its place.
inline void complete_spool(const settings_data& data, transport_options& out,
                           problem_list& problems) {
    if (data.spool.path.empty()) {
        return;
    }
    if (!data.make_spool) {
        problems.add("COBUS_SPOOL_FILE", data.spool.path,
                     "needs what makes the file; include <cobus/sqlite.hpp> and say "
                     "settings.spool(cobus::sqlite_spool())");
        return;
    }
    spool_place place = data.spool;
    place.how = out.how;
    out.spool.at_stop = place.synchronous == spool_synchronous::at_stop;
    out.spool.file = [make = data.make_spool, place] { return make(place); };
}

/// Derives what follows from several settings, and finds what they contradict in.
inline void complete(const settings_data& data, transport_options& out, problem_list& problems) {
    out.group_id = data.group();
    out.drain_limit = data.drain_limit;
    if (data.required && !data.enabled) {
        problems.add("REQUIRE_KAFKA", "true",
                     "needs Kafka, but Kafka is not enabled; set KAFKA_ENABLED=true");
    }
    if (!data.enabled) {
        return;
    }
    complete_spool(data, out, problems);
    if (out.brokers.empty() && !data.brokers_refused) {
        problems.add("KAFKA_BROKERS",
                     "names no broker, but KAFKA_ENABLED is true; set host:port, such as "
                     "localhost:9092");
    }
    complete_security(out.properties, data.ssl, problems);
    complete_session(out.properties, problems);
    if (data.retry_delays_asked && !has_companions(out.properties)) {
        problems.add("retry_topics", no_companions);
    }
    refuse_reserved(out.properties, problems);
}

} // namespace cobus::detail
