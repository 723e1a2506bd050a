#pragma once

#include "../net.hpp"

#include <typeinfo>

namespace cobus::detail {

/// The executor inside, if it is of that type; else null. `any_io_executor::target` of Asio 1.22
/// casts without a look at the type.
template <class Executor>
[[nodiscard]] auto known_executor(const net::any_io_executor& executor) noexcept
    -> const Executor* {
    return executor.target_type() == typeid(Executor) ? executor.target<Executor>() : nullptr;
}

/// Whether this thread runs that executor's work just now. A coroutine may be bound to an executor
/// and go on elsewhere, after a `post(bind_executor(pool, use_awaitable))`. False where the
/// executor is of a type that is not known here.
[[nodiscard]] inline auto runs_here(const net::any_io_executor& executor) noexcept -> bool {
    const auto inside = [](const auto* known) {
        return known != nullptr && known->running_in_this_thread();
    };
    using io = net::io_context::executor_type;
    return inside(known_executor<io>(executor)) ||
           inside(known_executor<net::strand<io>>(executor)) ||
           inside(known_executor<net::strand<net::any_io_executor>>(executor)) ||
           inside(known_executor<net::thread_pool::executor_type>(executor));
}

} // namespace cobus::detail
