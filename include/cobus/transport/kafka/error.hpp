#pragma once

#include "../../error.hpp"

#include <librdkafka/rdkafka.h>

#include <string>
#include <string_view>
#include <system_error>

namespace cobus::detail::kafka {

/// Whether what librdkafka reports may pass by itself, asks for somebody's help, or ends the
/// client.
[[nodiscard]] inline auto classify(rd_kafka_resp_err_t code) noexcept -> condition {
    switch (code) {
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
        return condition::fatal;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_GROUP:
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
        return condition::permanent;
    default: // newer versions know more
        return condition::retryable;
    }
}

/// Whether asking the cluster again helps. Not what is unknown here: it might be repeated for ever.
[[nodiscard]] inline auto passes(rd_kafka_resp_err_t code) noexcept -> bool {
    switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
        return true;
    default:
        return false;
    }
}

class error_category final : public std::error_category {
public:
    [[nodiscard]] auto name() const noexcept -> const char* override { return "librdkafka"; }
    [[nodiscard]] auto message(int value) const -> std::string override {
        return rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(value));
    }
    [[nodiscard]] auto equivalent(int value, const std::error_condition& wanted) const noexcept
        -> bool override {
        if (wanted.category() != condition_category()) {
            return std::error_category::equivalent(value, wanted);
        }
        return classify(static_cast<rd_kafka_resp_err_t>(value)) ==
               static_cast<condition>(wanted.value());
    }
};

[[nodiscard]] inline auto category() noexcept -> const std::error_category& {
    return immortal<error_category>();
}

/// librdkafka's code with its value kept; no error for none.
[[nodiscard]] inline auto code_of(rd_kafka_resp_err_t value) noexcept -> std::error_code {
    return {static_cast<int>(value), category()};
}

/// What a publisher gets to see: cobus's own word where there is one, else librdkafka's code.
[[nodiscard]] inline auto publish_error(rd_kafka_resp_err_t value) noexcept -> std::error_code {
    switch (value) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return {};
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return errc::too_large;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return errc::no_topic;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        return errc::not_authorized;
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        return errc::timed_out;
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
        return errc::maybe_sent;
    case RD_KAFKA_RESP_ERR__FATAL:
        return errc::fatal;
    default:
        return code_of(value);
    }
}

/// Whether a producer ended because it may write nothing. Who only consumes does not need that, so
/// the bus goes on.
[[nodiscard]] constexpr auto forbids_publishing(rd_kafka_resp_err_t cause) noexcept -> bool {
    return cause == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
           cause == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}

/// Of what a client is beyond repair, for the code that says no more than that.
[[nodiscard]] inline auto cause_of(rd_kafka_t* client, rd_kafka_resp_err_t code) noexcept
    -> rd_kafka_resp_err_t {
    // Others of the causes say less than that the client is.
    const bool ended = code == RD_KAFKA_RESP_ERR__FATAL || code == RD_KAFKA_RESP_ERR__PURGE_QUEUE;
    if (!ended) {
        return code;
    }
    const rd_kafka_resp_err_t cause = rd_kafka_fatal_error(client, nullptr, 0);
    return forbids_publishing(cause) || cause == RD_KAFKA_RESP_ERR__FENCED ? cause : code;
}

/// What a delivery report says. The status counts, not the code alone: what timed out may be in the
/// log nevertheless.
[[nodiscard]] inline auto report_error(const rd_kafka_message_t& report) noexcept
    -> std::error_code {
    if (report.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return {};
    }
    const std::error_code ec = publish_error(report.err);
    const bool maybe = rd_kafka_message_status(&report) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED;
    return maybe && (ec == condition::retryable || ec == errc::fatal) ? errc::maybe_sent : ec;
}

/// What a failed connection means. Only what the other side refuses for good is more than an
/// outage: a handshake that ends without a word may be a broker's that is just stopping.
[[nodiscard]] inline auto meaning_of(rd_kafka_resp_err_t code, std::string_view reason) noexcept
    -> rd_kafka_resp_err_t {
    const auto says = [reason](std::string_view part) {
        return reason.find(part) != std::string_view::npos;
    };
    if (code == RD_KAFKA_RESP_ERR__SSL && (says("Disconnected") || says("unexpected eof"))) {
        return RD_KAFKA_RESP_ERR__TRANSPORT;
    }
    // TLS 1.3 refuses a client's certificate after the handshake.
    const bool alert = says("SSL routines") && says("alert");
    return code == RD_KAFKA_RESP_ERR__TRANSPORT && alert ? RD_KAFKA_RESP_ERR__SSL : code;
}

/// The code whose cure helps. Of a TLS handshake that ends without a word newer librdkafkas say
/// only that the connection was lost.
[[nodiscard]] inline auto to_be_cured(rd_kafka_resp_err_t code, std::string_view reason) noexcept
    -> rd_kafka_resp_err_t {
    const bool handshake = code == RD_KAFKA_RESP_ERR__SSL ||
                           reason.find("SSL handshake failed") != std::string_view::npos;
    return handshake ? RD_KAFKA_RESP_ERR__SSL : meaning_of(code, reason);
}

/// What to do about the reason that a cluster is away; empty when nothing can be advised.
[[nodiscard]] inline auto cure_of(rd_kafka_resp_err_t code, std::string_view mechanism, int version)
    -> std::string {
    switch (code) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        if (mechanism.starts_with("SCRAM") && version < 0x020601ff) {
            return "SCRAM with current brokers needs librdkafka 2.6.1 or newer; this is " +
                   std::string(rd_kafka_version_str());
        }
        return "check security.protocol, sasl.mechanism, user and password";
    case RD_KAFKA_RESP_ERR__SSL:
        return "check security.protocol, the port and the certificates (ssl.ca.location, "
               "ssl.certificate.location, ssl.key.location)";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return "grant this client's user its right on the topic: WRITE to publish, READ to "
               "consume, CREATE to make it";
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return "raise the topic's max.message.bytes, which also holds for whole batches, or lower "
               "batch.size below it";
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        return "create it, or grant this client's user CREATE on it and allow create_topics";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return "grant this client's user READ on the consumer group, or set another group.id";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return "grant this client's user WRITE on a topic (before Kafka 2.8: IDEMPOTENT_WRITE on "
               "the cluster) and make a new bus";
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return "grant this client's user WRITE and DESCRIBE on the transactional id and make a new "
               "bus";
    case RD_KAFKA_RESP_ERR__FENCED:
        return "another client has this one's transactional.id now: give each instance one of its "
               "own, and make a new bus where this one is still wanted";
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
        return "lower transaction.timeout.ms to the brokers' transaction.max.timeout.ms";
    case RD_KAFKA_RESP_ERR__RESOLVE:
        return "check the names of the brokers";
    case RD_KAFKA_RESP_ERR__BAD_MSG:
        return "something else than Kafka answers there: check the port";
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        return "check that Kafka runs there and can be reached";
    default:
        return {};
    }
}

/// What went wrong, and what to do about it if anything can be advised.
[[nodiscard]] inline auto with_cure(std::string what, rd_kafka_resp_err_t code,
                                    std::string_view mechanism = {}, int version = 0)
    -> std::string {
    if (const std::string cure = cure_of(code, mechanism, version); !cure.empty()) {
        what.append("; ").append(cure);
    }
    return what;
}

} // namespace cobus::detail::kafka
