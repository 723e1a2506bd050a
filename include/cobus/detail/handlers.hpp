#pragma once

#include "../error.hpp"
#include "event_argument.hpp"
#include "submit.hpp"
#include "without_result.hpp"

#include <concepts>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace cobus {
namespace detail {

template <class T>
inline constexpr bool is_in_place = false;
template <class E>
inline constexpr bool is_in_place<std::in_place_type_t<E>> = true;

/// The topics that a handler of `E` reads.
template <class E> [[nodiscard]] auto topics_of(route_table& routes)
    -> std::vector<const std::string*> {
    std::vector<const std::string*> all;
    if constexpr (topic_is_text<E>) {
        all.push_back(routes.topic(contract<E>::topic));
    } else {
        static_assert(
            requires { contract<E>::topics; }, "cobus: the topic comes from the event: list what "
                                               "it can be in contract<E>::topics to handle it");
        for (const auto& each : contract<E>::topics) {
            all.push_back(routes.topic(each));
        }
    }
    return all;
}

class initiate_call {
public:
    explicit initiate_call(prepared what) noexcept : what_(std::move(what)) {}

    template <class Handler> void operator()(Handler&& handler) {
        const net::any_io_executor fallback = what_.core().executor();
        publish_op& op = what_.take();
        if (what_.core().publishes().in_process()) {
            op.until_handled = true;
        } else {
            op.ec = errc::not_in_process; // refused before it is submitted
        }
        initiate_publish go(std::move(what_));
        go(without_result<std::decay_t<Handler>>(std::forward<Handler>(handler), fallback), op);
    }

private:
    prepared what_;
};

/// The way of `use_awaitable`: where the home can run at once and no handler suspends, this does
/// not either.
template <class Executor = net::any_io_executor>
auto call_awaitable(prepared what) -> net::awaitable<void, Executor> {
    static constexpr net::use_awaitable_t<Executor> token;
    publisher& all = what.core().publishes();
    if (!all.in_process()) {
        throw_error(errc::not_in_process, std::string());
    }
    const Executor here = co_await net::this_coro::executor;
    publish_op& op = what.take();
    op.until_handled = true;
    const taken how = what.core().submit_and_run(here, op);
    if (how == taken::done || all.has_ended(op)) {
        receipt where;
        settle(all, op, where);
        if (next_pause() == pause::everybody) {
            co_await net::post(here, token);
        }
        co_return;
    }
    initiate_wait wait(what.shared_core(), op);
    co_await net::async_initiate<const net::use_awaitable_t<Executor>,
                                 void(std::error_code, receipt)>(std::move(wait), token);
}

/// For `try_publish`: logs what fails later.
class log_failure final : public internal_send {
public:
    explicit log_failure(bus_core& core) noexcept : core_(&core) {}
    void sent(std::error_code ec) noexcept override {
        bus_core& core = *core_;
        pool_delete(this);
        if (ec && ec != errc::closed) {
            core.log(log_level::warning,
                     "an event of try_publish was not published: " + ec.message());
        }
    }

private:
    bus_core* core_;
};

[[nodiscard]] inline auto submit_without_waiting(prepared what) -> std::error_code {
    bus_core& core = what.core();
    publisher& all = core.publishes();
    receipt where;
    if (what.submit_now(where)) {
        return std::error_code();
    }
    publish_op& op = what.take();
    const taken how = all.submit(op, false);
    if (how == taken::pending) {
        core.tell_when_sent(op, *pool_new<log_failure>(core));
        return std::error_code();
    }
    const std::error_code ec = how == taken::full ? make_error_code(errc::queue_full) : op.ec;
    all.release(op);
    return ec;
}

} // namespace detail

} // namespace cobus
