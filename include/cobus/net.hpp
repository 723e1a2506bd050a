#pragma once

/// The only header that includes Asio: it bridges 1.22.1 to the newest and names it `cobus::net`.

#include <asio/version.hpp>

#if ASIO_VERSION < 102201
#error "cobus needs standalone Asio 1.22.1 or newer (Debian: libasio-dev)"
#endif

#include <asio/any_io_executor.hpp>
#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/execution_context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#if !defined(ASIO_HAS_CO_AWAIT)
#error                                                                                             \
    "this compiler needs -DASIO_HAS_CO_AWAIT=1 -DASIO_HAS_STD_COROUTINE=1 with this Asio; the CMake target cobus::cobus and pkg-config's cobus set them"
#endif

namespace cobus {

/// Asio under the name that all of cobus uses.
namespace net = asio;

namespace detail {

/// Has a known executor run a function, which old versions of Asio did through a function object.
template <class Executor, class Function>
void execute_on(const Executor& executor, Function&& function) {
#if ASIO_VERSION < 102400
    net::execution::execute(executor, static_cast<Function&&>(function));
#else
    executor.execute(static_cast<Function&&>(function));
#endif
}

} // namespace detail

} // namespace cobus
