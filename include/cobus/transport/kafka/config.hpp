#pragma once

#include "../../detail/environment.hpp"
#include "../../error.hpp"
#include "../../log.hpp"
#include "../options.hpp"
#include "handle.hpp"
#include "property_roles.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// Values of these never appear in a message of ours.
[[nodiscard]] inline auto is_secret(std::string_view property) noexcept -> bool {
    constexpr std::array<std::string_view, 6> words{"password", "secret", "pem",
                                                    "key",      "jaas",   "token"};
    return std::ranges::any_of(words,
                               [property](std::string_view word) {
                                   return property.find(word) != std::string_view::npos;
                               }) ||
           property == "sasl.oauthbearer.config" || property == "sasl.username";
}

/// Properties that newer versions of librdkafka have; older ones do well without.
[[nodiscard]] inline auto is_newer_property(std::string_view property) noexcept -> bool {
    constexpr std::array<std::string_view, 13> names{"client.dns.lookup",
                                                     "enable.metrics.push",
                                                     "fetch.queue.backoff.ms",
                                                     "group.protocol",
                                                     "group.remote.assignor",
                                                     "https.ca.location",
                                                     "https.ca.pem",
                                                     "metadata.recovery.rebootstrap.trigger.ms",
                                                     "metadata.recovery.strategy",
                                                     "retry.backoff.max.ms",
                                                     "ssl.providers",
                                                     "ssl.engine.location",
                                                     "ssl.engine.id"};
    return std::ranges::find(names, property) != names.end() ||
           property.starts_with("sasl.oauthbearer.");
}

[[nodiscard]] inline auto joined(const std::vector<std::string>& brokers) -> std::string {
    std::string list;
    for (const std::string& each : brokers) {
        list.append(list.empty() ? "" : ",").append(each);
    }
    return list;
}

/// A property's value; empty when this librdkafka does not know it.
[[nodiscard]] inline auto property(const rd_kafka_conf_t* conf, const char* name) -> std::string {
    std::array<char, 512> value{};
    std::size_t size = value.size();
    return rd_kafka_conf_get(conf, name, value.data(), &size) == RD_KAFKA_CONF_OK ? value.data()
                                                                                  : std::string();
}

/// How long a transaction of this client may take; for ever: it makes none.
[[nodiscard]] inline auto longest_transaction(const rd_kafka_conf_t* conf)
    -> std::chrono::milliseconds {
    return property(conf, "transactional.id").empty()
               ? (std::chrono::milliseconds::max)()
               : std::chrono::milliseconds(
                     to_number(property(conf, "transaction.timeout.ms")).value_or(0));
}

using properties = std::map<std::string, std::string>;

/// What cobus needs of any client. Every value may be overridden by the user's properties.
[[nodiscard]] inline auto common_defaults(const transport_options& options) -> properties {
    return {
        {"bootstrap.servers", joined(options.brokers)},
        {"client.id", options.client_id},
        {"socket.nagle.disable", "true"}, // the default since 2.10 only
        {"socket.keepalive.enable", "true"},
        {"socket.timeout.ms", "10000"}, // a frozen broker keeps requests as long as this
        {"socket.connection.setup.timeout.ms", "5000"},
        {"reconnect.backoff.ms", "100"},
        {"reconnect.backoff.max.ms", "1000"}, // back within a second of the broker
        {"retry.backoff.ms", "100"},
        {"topic.metadata.refresh.interval.ms", "10000"}, // new partitions are found by then
        {"log.connection.close", "false"},
        {"enable.metrics.push", "false"}, // 2.5.0 to 2.5.2 may abort on it
    };
}

/// How long a transaction may take: no message may be tried for longer. Brokers allow a quarter of
/// an hour unless told otherwise (`transaction.max.timeout.ms`).
[[nodiscard]] inline auto transaction_limit(const transport_options& options)
    -> std::chrono::milliseconds {
    constexpr std::chrono::minutes least(1);
    constexpr std::chrono::minutes most(15);
    const std::chrono::milliseconds asked =
        std::clamp<std::chrono::milliseconds>(options.wait_limit, least, most);
    return (std::max)(asked, options.delivery_timeout);
}

[[nodiscard]] inline auto producer_defaults(const transport_options& options) -> properties {
    properties all = common_defaults(options);
    // Alone a message leaves at once; under load the five requests in flight make batches.
    all["allow.auto.create.topics"] =
        "false"; // the admin makes them, with the partitions asked for
    all["linger.ms"] = "0";
    all["enable.idempotence"] = "true";
    all["acks"] = "all";
    all["partitioner"] = "murmur2_random"; // as Kafka's Java clients, and as in memory
    // A topic that is missing and cannot be made is said so by then.
    all["topic.metadata.propagation.max.ms"] = std::to_string(options.decision_time.count());
    all["message.timeout.ms"] = std::to_string(options.delivery_timeout.count());
    all["queue.buffering.max.messages"] = std::to_string(options.queue_messages);
    // Never less than one message of the largest size: it would wait for ever.
    all["queue.buffering.max.kbytes"] =
        std::to_string(std::max<std::size_t>(options.queue_bytes / 1024, 1024));
    if (options.properties.contains("transactional.id")) {
        all["transaction.timeout.ms"] = std::to_string(transaction_limit(options).count());
    }
    return all;
}

[[nodiscard]] inline auto consumer_defaults(const transport_options& options) -> properties {
    properties all = common_defaults(options);
    all["group.id"] = options.group_id;
    all["auto.offset.reset"] = options.from == start_at::earliest ? "earliest" : "latest";
    all["isolation.level"] = "read_committed";
    all["partition.assignment.strategy"] = "cooperative-sticky";
    all["enable.partition.eof"] = "true"; // for `progress`
    // Per partition, because each has its own queue.
    all["queued.max.messages.kbytes"] = "16384";
    return all;
}

/// Not the user's to set: the dispatcher commits what is handled.
[[nodiscard]] inline auto reserved(role as) -> properties {
    if (as == role::producer) {
        return {};
    }
    return {{"enable.auto.commit", "false"}, {"enable.auto.offset.store", "false"}};
}

/// Collects properties into a librdkafka configuration.
class config_builder {
public:
    explicit config_builder(const logger& log) : log_(&log), conf_(rd_kafka_conf_new()) {}

    /// Throws `errc::bad_settings` with a sentence that names the property.
    void set(const std::string& name, const std::string& value) {
        std::array<char, 512> reason{};
        const rd_kafka_conf_res_t result = rd_kafka_conf_set(
            conf_.get(), name.c_str(), value.c_str(), reason.data(), reason.size());
        if (result == RD_KAFKA_CONF_OK) {
            return;
        }
        if (result == RD_KAFKA_CONF_UNKNOWN && is_newer_property(name)) {
            return;
        }
        throw error(errc::bad_settings, explain(name, value, result, reason.data()));
    }
    /// As `set`, for what the user chose: says so when this version does not know it.
    void set_given(const std::string& name, const std::string& value) {
        // Asking for its value would not tell: one without a value seems unknown.
        if (is_newer_property(name) && !known(name, value)) {
            write_log(*log_, log_level::warning,
                      "librdkafka " + std::string(rd_kafka_version_str()) +
                          " does not know the property " + name + "; it is ignored");
            return;
        }
        set(name, value);
    }
    [[nodiscard]] auto get() const noexcept -> rd_kafka_conf_t* { return conf_.get(); }
    [[nodiscard]] auto take() noexcept -> conf_ptr { return std::move(conf_); }

private:
    [[nodiscard]] auto known(const std::string& name, const std::string& value) const -> bool {
        return rd_kafka_conf_set(conf_.get(), name.c_str(), value.c_str(), nullptr, 0) !=
               RD_KAFKA_CONF_UNKNOWN;
    }
    static auto explain(const std::string& name, const std::string& value,
                        rd_kafka_conf_res_t result, std::string_view reason) -> std::string {
        if (result == RD_KAFKA_CONF_UNKNOWN) {
            return "librdkafka knows no property " + name + ": correct the name or remove it";
        }
        if (is_secret(name)) {
            return "librdkafka refuses the value of " + name;
        }
        return "librdkafka refuses " + name + "=" + value + ": " + std::string(reason);
    }

    const logger* log_;
    conf_ptr conf_;
};

/// The whole configuration of a client, without what ties it to an object.
[[nodiscard]] inline auto make_conf(const transport_options& options, role as) -> conf_ptr {
    config_builder made(options.log);
    for (const auto& [name, value] :
         as == role::producer ? producer_defaults(options) : consumer_defaults(options)) {
        if (!options.properties.contains(name)) {
            made.set(name, value);
        }
    }
    for (const auto& [name, value] : options.properties) {
        if (property_roles::suits(name, as)) { // what is the other's is no mistake
            made.set_given(name, value);
        }
    }
    for (const auto& [name, value] : reserved(as)) {
        made.set(name, value);
    }
    return made.take();
}

} // namespace cobus::detail::kafka
