#pragma once

#include "../message.hpp"
#include "../receipt.hpp"
#include "../transport/transport.hpp"
#include "completion.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <system_error>

namespace cobus::detail {

class publisher;
// It is final, which is not seen here. NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor)
struct publish_op;

using deadline_map = std::multimap<std::chrono::steady_clock::time_point, publish_op*>;

/// A publish from the call until its completion was handed on. Pooled by the publisher, so that a
/// frame may die while the transport still has the node.
struct publish_op final : publish_node, handled_observer {
    using waiter = completion<std::error_code, receipt>;

    /// `handled` is told by the dispatcher, for `call`. Inline here already: else each file that
    /// includes this would have the class's code.
    inline void handled(std::uint64_t number, bool all_done) noexcept override;

    publisher* owner = nullptr;
    publish_op* inbox_next = nullptr;
    publish_op* free_next = nullptr;
    publish_op* queue_next = nullptr;
    std::uint64_t generation =
        0; ///< counts reuses, so that a late cancellation misses; under the guard
    waiter* waiting = nullptr;   ///< who is told; under the guard
    publish_op* early = nullptr; ///< what is to be told before this ends; under the guard
    bool finished = false;       ///< the outcome is known; under the guard
    bool cancelling = false;     ///< being withdrawn; under the guard
    bool abandoned = false;      ///< nobody will ask for it any more; under the guard
    bool until_handled = false;  ///< `call`: the transport's answer is not the end
    std::uint64_t call = 0;      ///< its number, until its handlers are through; under the guard
    std::optional<deadline_map::iterator> watched; ///< of `publish_deadlines`; under the guard
    std::atomic<int> parts{
        1}; ///< answers to come: two for a call, the transport's and the handlers'
};

} // namespace cobus::detail
