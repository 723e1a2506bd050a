#pragma once

#include "../contract.hpp"
#include "pool.hpp"

#include <atomic>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace cobus {
class message;
} // namespace cobus

namespace cobus::detail {

struct contract_info;

/// An event behind a pointer, from the pool. A message may own several: one for each C++ type its
/// payload was asked for.
struct box {
    const contract_info* info;
    void (*destroy)(box*) noexcept;
    box* next = nullptr;
};

/// A contract without its C++ type: one object for each event type and process.
struct contract_info {
    std::string_view type;  // empty when the event says it
    std::string_view topic; // empty when the event says it
    std::string_view version;
    std::string_view description;
    std::string_view content_type;
    std::optional<policy> when_away;
    std::optional<wire> how;
    bool has_codec = false;
    std::size_t index = 0; // dense: for tables by type

    codec_result (*encode)(const box& from, std::string& out) = nullptr;
    box* (*decode)(std::string_view bytes, codec_result& result) = nullptr;
    std::optional<std::string> (*peek_type)(std::string_view bytes,
                                            std::string_view field) = nullptr;
    codec_result (*wrap)(const message& from,
                         std::string& out) = nullptr; // CloudEvents structured mode
    codec_result (*unwrap)(message& into) = nullptr;
    std::string (*id_of)(const box& from) = nullptr; // what the event says of itself
};

template <class E>
[[nodiscard]] auto info_of() -> const contract_info&;

template <class E>
struct typed_box final : box {
    template <class... Args>
    explicit typed_box(std::in_place_t /*unused*/, Args&&... args)
        : box{&info_of<E>(), &drop}, value(std::forward<Args>(args)...) {}

    static void drop(box* self) noexcept { pool_delete(static_cast<typed_box*>(self)); }

    E value;
};

/// Builds an event in the pool; aggregates take their members in order.
template <class E, class... Args>
[[nodiscard]] auto make_box(Args&&... args) -> typed_box<E>* {
    if constexpr (std::is_constructible_v<E, Args...>) {
        return pool_new<typed_box<E>>(std::in_place, std::forward<Args>(args)...);
    } else {
        return pool_new<typed_box<E>>(std::in_place, E{std::forward<Args>(args)...});
    }
}

[[nodiscard]] inline auto next_contract_index() noexcept -> std::size_t {
    static std::atomic<std::size_t> next{0};
    return next.fetch_add(1, std::memory_order_relaxed);
}

/// Where something was caught that a codec threw: a failure as one that it returns.
[[nodiscard]] inline auto thrown_by_codec() -> codec_result {
    try {
        throw;
    } catch (const std::exception& thrown) {
        const std::string_view text = thrown.what();
        return codec_result(
            std::string(text.empty() ? "the codec threw an exception without a text" : text));
    } catch (...) {
        return codec_result("the codec threw something that is no std::exception");
    }
}

/// What a codec may know of besides payloads.
template <class Codec>
void add_envelope(contract_info& info) {
    if constexpr (requires(const message& from, message& into, std::string& out) {
                      Codec::wrap(from, out);
                      Codec::unwrap(into);
                  }) {
        info.wrap = [](const message& from, std::string& out) -> codec_result {
            try {
                return Codec::wrap(from, out);
            } catch (...) {
                return thrown_by_codec();
            }
        };
        info.unwrap = [](message& into) -> codec_result {
            try {
                return Codec::unwrap(into);
            } catch (...) {
                return thrown_by_codec();
            }
        };
    }
    if constexpr (requires(std::string_view text) { Codec::peek_type(text, text); }) {
        info.peek_type = [](std::string_view bytes,
                            std::string_view field) -> std::optional<std::string> {
            try {
                return Codec::peek_type(bytes, field);
            } catch (...) {
                return std::nullopt;
            }
        };
    }
}

template <class E>
void add_codec(contract_info& info) {
    using codec = typename contract<E>::codec;
    info.has_codec = true;
    info.content_type = codec::content_type;
    info.encode = [](const box& from, std::string& out) -> codec_result {
        try {
            return codec::encode(static_cast<const typed_box<E>&>(from).value, out);
        } catch (...) {
            return thrown_by_codec();
        }
    };
    if constexpr (std::is_default_constructible_v<E>) {
        info.decode = [](std::string_view bytes, codec_result& result) -> box* {
            typed_box<E>* made = nullptr;
            try {
                made = make_box<E>();
                result = codec::decode(bytes, made->value);
            } catch (...) {
                result = thrown_by_codec();
            }
            if (!result.ok() && made != nullptr) {
                typed_box<E>::drop(std::exchange(made, nullptr));
            }
            return made;
        };
    }
    add_envelope<codec>(info);
}

template <class E>
[[nodiscard]] auto id_text(const box& from) -> std::string {
    const E& event = static_cast<const typed_box<E>&>(from).value;
    const auto& said = rule_of(contract<E>::id, event);
    std::string scratch;
    if constexpr (is_optional<std::remove_cvref_t<decltype(said)>>) {
        return said ? std::string(view_of(*said, scratch)) : std::string();
    } else {
        return std::string(view_of(said, scratch));
    }
}

template <class E>
[[nodiscard]] auto make_info() -> contract_info {
    using rules = contract<E>;
    contract_info info;
    info.index = next_contract_index();
    if constexpr (type_is_text<E>) {
        info.type = rules::type;
    }
    if constexpr (topic_is_text<E>) {
        info.topic = rules::topic;
    }
    if constexpr (requires { rules::version; }) {
        info.version = rules::version;
    }
    if constexpr (requires { rules::description; }) {
        info.description = rules::description;
    }
    if constexpr (requires { rules::policy; }) {
        info.when_away = rules::policy;
    }
    if constexpr (requires { rules::wire; }) {
        info.how = rules::wire;
    }
    if constexpr (requires { rules::id; }) {
        info.id_of = &id_text<E>;
    }
    if constexpr (has_codec<E>) {
        add_codec<E>(info);
    }
    return info;
}

template <class E>
auto info_of() -> const contract_info& {
    static_assert(check_contract<E>());
    static const contract_info instance = make_info<E>();
    return instance;
}

} // namespace cobus::detail
