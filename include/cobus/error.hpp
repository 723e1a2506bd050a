#pragma once

#include "detail/immortal.hpp"

#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace cobus {

/// What can go wrong, as values of `cobus::category()`. Each message says how to mend it.
enum class errc {
    closed = 1,      ///< the bus is stopped, or was never started
    queue_full,      ///< `try_publish` found no room
    unavailable,     ///< Kafka is away and the policy is `fail`
    timed_out,       ///< the deadline passed; the event was certainly not sent
    maybe_sent,      ///< cancelled or timed out while under way; the event may have been sent
    too_large,       ///< the message exceeds what the transport or the topic takes
    not_encodable,   ///< the codec refused the event
    not_decodable,   ///< the codec refused the bytes
    no_codec,        ///< the contract names no codec, and the transport needs bytes
    no_topic,        ///< the contract's topic is empty, unknown or may not be created
    not_authorized,  ///< the cluster refused the credentials or the operation
    not_in_process,  ///< `call` on a transport that does not deliver in process
    handler_failed,  ///< a called handler did not end in `done`
    bad_settings,    ///< settings that cannot work
    kafka_required,  ///< `REQUIRE_KAFKA=true` and Kafka does not answer
    no_transport,    ///< Kafka is enabled, but no Kafka transport was handed to the bus
    already_started, ///< `start` was called before
    behind_failed,   ///< not tried, because an earlier event of the same key failed
    fatal,           ///< the client is beyond repair; the cause is logged
    no_partition,    ///< the topic has no partition of that number
    not_assigned,    ///< the partition went to another member meanwhile; nothing was committed
    store_failed,    ///< a file that cobus keeps things in cannot be used
};

/// Conditions to ask for instead of listing codes: `if (ec == condition::retryable)`.
enum class condition {
    retryable = 1, ///< the same call may succeed later
    permanent,     ///< the same call fails again until somebody changes something
    fatal,         ///< this bus is beyond repair
};

[[nodiscard]] auto category() noexcept -> const std::error_category&;
[[nodiscard]] auto condition_category() noexcept -> const std::error_category&;

[[nodiscard]] inline auto make_error_code(errc value) noexcept -> std::error_code {
    return {static_cast<int>(value), category()};
}
[[nodiscard]] inline auto make_error_condition(condition value) noexcept -> std::error_condition {
    return {static_cast<int>(value), condition_category()};
}

/// An error with a sentence of its own: `code()` says which, `what()` says where and how to mend
/// it.
class error : public std::system_error {
public:
    error(std::error_code code, const std::string& where) : std::system_error(code, where) {}
};

namespace detail {

class error_category final : public std::error_category {
public:
    [[nodiscard]] auto name() const noexcept -> const char* override { return "cobus"; }
    [[nodiscard]] auto message(int value) const -> std::string override {
        return std::string(text(static_cast<errc>(value)));
    }
    [[nodiscard]] auto equivalent(int value, const std::error_condition& wanted) const noexcept
        -> bool override {
        if (wanted.category() != condition_category()) {
            return std::error_category::equivalent(value, wanted);
        }
        return classify(static_cast<errc>(value)) == static_cast<condition>(wanted.value());
    }

private:
    [[nodiscard]] static auto classify(errc value) noexcept -> condition {
        switch (value) {
        case errc::queue_full:
        case errc::unavailable:
        case errc::timed_out:
        case errc::maybe_sent:
        case errc::behind_failed:
        case errc::kafka_required:
        case errc::store_failed:
            return condition::retryable;
        case errc::fatal:
            return condition::fatal;
        default:
            return condition::permanent;
        }
    }

    [[nodiscard]] static auto text(errc value) noexcept -> std::string_view {
        switch (value) {
        case errc::closed:
            return "the bus is not running: call start() first, publish before stop()";
        case errc::queue_full:
            return "the queue is full: await publish() instead, or try later";
        case errc::unavailable:
            return "Kafka does not answer and the policy is to fail: try later";
        case errc::timed_out:
            return "the deadline passed before the event was sent";
        case errc::maybe_sent:
            return "ended while under way: the event may have been sent";
        case errc::too_large:
            return "the message is too large: shrink it, or raise message.max.bytes";
        case errc::not_encodable:
            return "the event cannot be encoded";
        case errc::not_decodable:
            return "the payload cannot be decoded";
        case errc::no_codec:
            return "the contract names no codec: add `using codec = cobus::json_codec;`";
        case errc::no_topic:
            return "no such topic: create it, or allow its creation";
        case errc::not_authorized:
            return "Kafka refused: check credentials, certificates and access rights";
        case errc::not_in_process:
            return "call() needs the memory transport: use publish()";
        case errc::handler_failed:
            return "a handler did not finish the event";
        case errc::bad_settings:
            return "the settings cannot work";
        case errc::kafka_required:
            return "REQUIRE_KAFKA is true and Kafka does not answer";
        case errc::no_transport:
            return "KAFKA_ENABLED is true: include <cobus/kafka.hpp> and hand cobus::kafka() to "
                   "the bus";
        case errc::already_started:
            return "the bus was started before";
        case errc::behind_failed:
            return "not tried: an earlier event of the same key failed";
        case errc::fatal:
            return "the client cannot go on: make a new bus";
        case errc::no_partition:
            return "the topic has no such partition: name a lower one, or let the key decide";
        case errc::not_assigned:
            return "the partition went to another member: its new owner handles it again";
        case errc::store_failed:
            return "a file that cobus keeps things in cannot be used";
        }
        return "unknown error of cobus";
    }
};

class error_condition_category final : public std::error_category {
public:
    [[nodiscard]] auto name() const noexcept -> const char* override { return "cobus.condition"; }
    [[nodiscard]] auto message(int value) const -> std::string override {
        switch (static_cast<condition>(value)) {
        case condition::retryable:
            return "retryable";
        case condition::permanent:
            return "permanent";
        case condition::fatal:
            return "fatal";
        }
        return "unknown condition";
    }
};

} // namespace detail

inline auto category() noexcept -> const std::error_category& {
    return detail::immortal<detail::error_category>();
}
inline auto condition_category() noexcept -> const std::error_category& {
    return detail::immortal<detail::error_condition_category>();
}

} // namespace cobus

template <>
struct std::is_error_code_enum<cobus::errc> : std::true_type {};
template <>
struct std::is_error_condition_enum<cobus::condition> : std::true_type {};
