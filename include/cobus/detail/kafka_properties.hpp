#pragma once

#include "environment.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::detail {

/// librdkafka's properties by name. The rules here look at several of them at once; whether a
/// single name and value exist is for librdkafka itself to say.
using property_map = std::map<std::string, std::string>;

[[nodiscard]] inline auto find_property(const property_map& all, const std::string& name)
    -> std::string_view {
    const auto found = all.find(name);
    return found != all.end() ? std::string_view(found->second) : std::string_view();
}

/// "linger.ms" for "KAFKA_CONFIG_LINGER_MS".
[[nodiscard]] inline auto property_of_variable(std::string_view name) -> std::string {
    constexpr std::string_view prefix = "KAFKA_CONFIG_";
    if (!name.starts_with(prefix)) {
        return {};
    }
    std::string property = lower(name.substr(prefix.size()));
    std::ranges::replace(property, '_', '.');
    return property;
}

/// The other way.
[[nodiscard]] inline auto variable_of_property(std::string_view name) -> std::string {
    std::string variable = upper(name);
    std::ranges::replace(variable, '.', '_');
    return "KAFKA_CONFIG_" + variable;
}

/// True for properties that a setting of its own stands for: read there, under all their names.
[[nodiscard]] inline auto has_setting(std::string_view property) -> bool {
    static constexpr std::array<std::string_view, 9> names{
        "bootstrap.servers",  "client.id",          "group.id",
        "session.timeout.ms", "sasl.mechanism",     "sasl.mechanisms",
        "auto.offset.reset",  "message.timeout.ms", "delivery.timeout.ms"};
    return std::ranges::find(names, property) != names.end();
}

/// PEM text with line ends, which variables often spell "\\n".
[[nodiscard]] inline auto with_line_ends(std::string_view text) -> std::string {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const bool escaped = text.substr(at).starts_with("\\n");
        out.push_back(escaped ? '\n' : text[at]);
        at += escaped ? 1 : 0;
    }
    return out;
}

[[nodiscard]] inline auto is_port(std::string_view text) -> bool {
    const std::optional<long long> port = to_number(text);
    return port && *port >= 1 && *port <= 65535 && trimmed(text) == text;
}

/// One broker as "host:port"; the port is Kafka's 9092 when none is given. Nothing if it is none.
[[nodiscard]] inline auto to_broker(std::string_view text) -> std::optional<std::string> {
    std::string_view address = text;
    if (const auto scheme = address.find("://"); scheme != std::string_view::npos) {
        address.remove_prefix(scheme + 3);
    }
    const auto bracket = address.rfind(']'); // of an IPv6 address
    const auto colon = address.find(':', bracket != std::string_view::npos ? bracket : 0);
    const std::string_view host = address.substr(0, colon);
    if (host.empty() || host.find_first_of(" \t/@,") != std::string_view::npos) {
        return std::nullopt;
    }
    if (colon == std::string_view::npos) {
        return std::string(text) + ":9092";
    }
    return is_port(address.substr(colon + 1)) ? std::optional<std::string>(text) : std::nullopt;
}

/// "user:…" for what may be a user and a password where host and port were wanted.
[[nodiscard]] inline auto without_password(std::string_view text) -> std::string {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || to_number(text.substr(colon + 1))) {
        return std::string(text);
    }
    return std::string(text.substr(0, colon + 1)) + "…";
}

/// A list of brokers, separated by commas.
[[nodiscard]] inline auto to_brokers(std::string_view name, std::string_view list,
                                     problem_list& problems) -> std::vector<std::string> {
    std::vector<std::string> brokers;
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = (std::min)(list.find(',', begin), list.size());
        const std::string_view text = trimmed(list.substr(begin, end - begin));
        begin = end + 1;
        if (text.empty()) {
            continue;
        }
        if (std::optional<std::string> broker = to_broker(text)) {
            brokers.push_back(std::move(*broker));
        } else {
            problems.add(name, without_password(text),
                         "is no broker; write host:port, with a port from 1 to 65535, such as "
                         "localhost:9092, and commas between several");
        }
    }
    return brokers;
}

/// librdkafka's spelling of a SASL mechanism; empty for an unknown one.
[[nodiscard]] inline auto to_mechanism(std::string_view text) -> std::string {
    std::string name = upper(text);
    std::ranges::replace(name, '_', '-');
    static constexpr std::array<std::string_view, 5> known{
        "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"};
    return std::ranges::find(known, name) != known.end() ? name : std::string();
}

/// Chooses protocol and mechanism from what was said, and finds what contradicts or is missing.
inline void complete_security(property_map& all, std::optional<bool> ssl, problem_list& problems) {
    const bool sasl = all.contains("sasl.mechanism") || all.contains("sasl.mechanisms") ||
                      all.contains("sasl.username") || all.contains("sasl.password");
    std::string& protocol = all["security.protocol"];
    if (protocol.empty()) {
        protocol =
            std::string(sasl ? "sasl_" : "").append(ssl.value_or(false) ? "ssl" : "plaintext");
    }
    protocol = lower(protocol);
    static constexpr std::array<std::string_view, 4> known{"plaintext", "ssl", "sasl_plaintext",
                                                           "sasl_ssl"};
    if (std::ranges::find(known, protocol) == known.end()) {
        problems.add("KAFKA_SECURITY_PROTOCOL", protocol,
                     "is no protocol; set PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL");
        return;
    }
    if (ssl && *ssl != protocol.ends_with("ssl")) {
        problems.add("KAFKA_SSL_ENABLED", *ssl ? "true" : "false",
                     "contradicts KAFKA_SECURITY_PROTOCOL=" + upper(protocol) +
                         "; remove one of them");
    }
    if (!protocol.starts_with("sasl_")) {
        if (sasl) {
            problems.add("KAFKA_SECURITY_PROTOCOL", protocol,
                         "sends no credentials, but a SASL user, password or mechanism is set; set "
                         "SASL_SSL or SASL_PLAINTEXT, or remove them");
        }
        if (protocol == "plaintext") {
            all.erase("security.protocol"); // librdkafka's default
        }
        return;
    }
    if (!all.contains("sasl.mechanism") && !all.contains("sasl.mechanisms")) {
        all["sasl.mechanism"] = "PLAIN";
    }
    const std::string_view mechanism = find_property(all, "sasl.mechanism");
    if (mechanism != "PLAIN" && !mechanism.starts_with("SCRAM")) {
        return;
    }
    for (const auto& [property, name] : {std::pair("sasl.username", "KAFKA_SASL_USERNAME"),
                                         std::pair("sasl.password", "KAFKA_SASL_PASSWORD")}) {
        if (find_property(all, property).empty()) {
            problems.add(name, "is not set, but " + upper(protocol) + " with " +
                                   std::string(mechanism) + " needs it; set it");
        }
    }
}

/// Whether retry topics can be assigned with their topics, which groups of the newer protocol leave
/// to the broker.
[[nodiscard]] inline auto has_companions(const property_map& all) -> bool {
    return find_property(all, "group.protocol") != "consumer";
}
inline constexpr std::string_view no_companions =
    "cannot be with group.protocol=consumer, where the broker alone says who gets which partition, "
    "so that retry topics would go to other members than their topics; remove one of them";

/// Keeps the heartbeat at a third of the session at most, and the poll interval no shorter than it.
inline void complete_session(property_map& all, problem_list& problems) {
    const std::optional<long long> session = to_number(find_property(all, "session.timeout.ms"));
    if (!session) {
        return;
    }
    if (find_property(all, "group.protocol") == "consumer") {
        problems.add("KAFKA_SESSION_TIMEOUT", std::to_string(*session),
                     "is the broker's to say with group.protocol=consumer; remove one of them");
        return;
    }
    const long long beat = to_number(find_property(all, "heartbeat.interval.ms")).value_or(3000);
    if (beat > *session / 3) {
        all["heartbeat.interval.ms"] = std::to_string((std::max)(1LL, *session / 3));
    }
    const std::optional<long long> poll = to_number(find_property(all, "max.poll.interval.ms"));
    if (poll && *poll < *session) {
        problems.add("KAFKA_CONFIG_MAX_POLL_INTERVAL_MS", std::to_string(*poll),
                     "is shorter than the session timeout of " + std::to_string(*session) +
                         " ms; raise it");
    } else if (!poll && *session > 300000) {
        all["max.poll.interval.ms"] = std::to_string(*session);
    }
}

/// Properties that cobus's guarantees rest on.
inline void refuse_reserved(const property_map& all, problem_list& problems) {
    static constexpr std::string_view commits =
        "is cobus's to set, because it commits what is handled; remove it";
    for (const char* name : {"enable.auto.commit", "enable.auto.offset.store"}) {
        if (const auto found = all.find(name); found != all.end()) {
            problems.add(name, found->second, commits);
        }
    }
}

} // namespace cobus::detail
