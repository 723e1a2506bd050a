#pragma once

#include "../contract.hpp"
#include "../detail/contract_info.hpp"
#include "../detail/wire_form.hpp"
#include "../error.hpp"
#include "../headers.hpp"
#include "../message.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cobus::degrade {

// What of a message a file keeps in a form of its own.

inline constexpr std::uint32_t null_value = 0xFFFFFFFFU;

inline void pack_text(std::string_view text, std::string& to) {
    const auto size = static_cast<std::uint32_t>(text.size());
    for (unsigned shift = 0; shift < 32; shift += 8) {
        to.push_back(static_cast<char>(size >> shift & 0xFFU));
    }
    to.append(text);
}

/// Headers as bytes: for each its name and its value, each behind its length in four bytes, the
/// lowest first; a length of 2^32 − 1 is no value.
inline void pack_header(std::string_view name, std::optional<std::string_view> value,
                        std::string& to) {
    pack_text(name, to);
    if (value) {
        pack_text(*value, to);
    } else {
        to.append(4, '\xFF');
    }
}

inline void pack_headers(const headers& from, std::string& to) {
    for (const header& each : from) {
        pack_header(each.name, each.value, to);
    }
}

/// Reads the next text; false at a length that cannot be.
[[nodiscard]] inline auto unpack_text(std::string_view& from, std::optional<std::string_view>& text)
    -> bool {
    if (from.size() < 4) {
        return false;
    }
    std::uint32_t size = 0;
    for (unsigned i = 0; i < 4; ++i) {
        size |= std::uint32_t{static_cast<unsigned char>(from[i])} << (8 * i);
    }
    from.remove_prefix(4);
    if (size == null_value) {
        text = std::nullopt;
        return true;
    }
    if (size > from.size()) {
        return false;
    }
    text = from.substr(0, size);
    from.remove_prefix(size);
    return true;
}

/// False when the bytes are none of `pack_headers`.
[[nodiscard]] inline auto unpack_headers(std::string_view from, headers& to) -> bool {
    while (!from.empty()) {
        std::optional<std::string_view> name;
        std::optional<std::string_view> value;
        if (!unpack_text(from, name) || !name || !unpack_text(from, value)) {
            return false;
        }
        if (value) {
            to.add(*name, *value);
        } else {
            to.add_null(*name);
        }
    }
    return true;
}

/// What goes out when the contract is not there any more to say it.
struct outgoing {
    wire::mode form = wire::mode::plain;
    std::string headers; ///< packed
    std::string envelope;
    bool in_envelope = false; ///< the payload is the envelope

    /// Errors: throws `errc::not_encodable` when there is no envelope to be had.
    void take(const message& from, const wire& otherwise) {
        headers.clear();
        envelope.clear();
        form = detail::wire_form(from, otherwise);
        in_envelope = form == wire::mode::structured;
        const detail::contract_info* info = from.written_as();
        if (in_envelope) {
            if (const codec_result made = info->wrap(from, envelope); !made.ok()) {
                throw error(errc::not_encodable, made.problem());
            }
            form = wire::mode::plain;
            pack_header("content-type", detail::structured_type, headers);
        } else if (form == wire::mode::binary && info != nullptr && !info->content_type.empty() &&
                   !from.headers().get("content-type")) {
            pack_header("content-type", info->content_type, headers);
        }
        pack_headers(from.headers(), headers);
    }
};

} // namespace cobus::degrade
