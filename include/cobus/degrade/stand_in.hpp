#pragma once

#include "../transport/transport.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace cobus::degrade {

/// What an event takes of a bound in bytes: its payload and its key.
[[nodiscard]] inline auto size_of(const message& content) noexcept -> std::size_t {
    return content.payload().size() + content.key().value_or(std::string_view()).size();
}

/// A node that another transport gets in place of a publisher's, so that what becomes of the event
/// is known here before the publisher hears of it. The publisher's node says meanwhile who that is.
/// Whoever has several threads locks.
struct stand_in : publish_node {
    publish_node* outer = nullptr; ///< the publisher's own node, until it is answered
    unsigned pins = 0;             ///< somebody still looks at it: not to be used anew
    bool passes = false; ///< the node may itself be on its way meanwhile: its `passed` says who

    /// Takes the message, and how it is to be sent.
    void stand_for(publish_node& node) noexcept {
        beside = &node;
        content = std::move(node.content);
        speak_for(node);
    }
    /// Who stands in for a node; only to be compared with under the lock, and then only trusted if
    /// its `outer` is that node.
    [[nodiscard]] static auto of(publish_node& node) noexcept -> stand_in* {
        return reinterpret_cast<stand_in*>(
            std::atomic_ref(node.scratch).load(std::memory_order_acquire));
    }
    /// The publisher's node, which nobody stands in for from now on.
    [[nodiscard]] auto let_go() noexcept -> publish_node& {
        publish_node& node = *std::exchange(outer, nullptr);
        point(node, nullptr);
        return node;
    }
    /// The same with the message, and with all that is known.
    [[nodiscard]] auto hand_back() noexcept -> publish_node& {
        publish_node& node = *outer;
        node.content = std::move(content);
        node.where = std::move(where);
        node.problem = std::move(problem);
        node.ec = ec;
        return let_go();
    }

    /// To be sent once more.
    void again() noexcept {
        ec.clear();
        scratch = 0;
        next = nullptr;
    }
    /// To stand in for another one.
    void forget() noexcept {
        where = receipt();
        problem.clear();
        moved = false;
        again();
    }

protected:
    /// The same without the message.
    void speak_for(publish_node& node) noexcept {
        outer = &node;
        partition = node.partition;
        when_away = node.when_away;
        deadline = node.deadline;
        point(node, this);
    }
    void point(publish_node& node, stand_in* at) const noexcept {
        std::atomic_ref(passes ? node.passed.stand_in : node.scratch)
            .store(reinterpret_cast<std::uintptr_t>(at), std::memory_order_release);
    }
};

} // namespace cobus::degrade
