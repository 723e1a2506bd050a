#pragma once

#include "../error.hpp"
#include "../transport/transport.hpp"

#include <exception>
#include <system_error>

namespace cobus::detail {

/// Makes the bytes of a node's message. False: its `ec` and `problem` say why not.
[[nodiscard]] inline auto encode_node(publish_node& node) noexcept -> bool {
    try {
        const contract_info* contract = node.content->contract();
        const codec_result made = node.content->ensure_bytes();
        if (!made.ok()) {
            node.ec =
                contract != nullptr && !contract->has_codec ? errc::no_codec : errc::not_encodable;
            node.problem = made.problem();
        }
        return made.ok();
    } catch (const std::exception&) {
        node.ec = std::make_error_code(std::errc::not_enough_memory);
        return false;
    }
}

} // namespace cobus::detail
