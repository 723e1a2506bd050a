#pragma once

#include "../detail/guarded_executor.hpp"
#include "../detail/queue.hpp"
#include "context.hpp"
#include "registration.hpp"
#include "volley.hpp"
#include "worker.hpp"

#include <algorithm>
#include <concepts>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace cobus::detail {

template <class T> inline constexpr bool is_awaitable = false;
template <class T, class Executor> inline constexpr bool is_awaitable<net::awaitable<T, Executor>> =
    true;

/// How a handler is called: with the event, or the message, and perhaps the context.
template <class F, class Argument>
[[nodiscard]] auto call_handler(F& handler, const Argument& what, context& where)
    -> decltype(auto) {
    if constexpr (std::invocable<F&, const Argument&, context&>) {
        return handler(what, where);
    } else {
        return handler(what);
    }
}

template <class F, class Argument>
concept handles =
    std::invocable<F&, const Argument&> || std::invocable<F&, const Argument&, context&>;

template <class F, class Argument>
using handler_result_t = decltype(call_handler(std::declval<F&>(), std::declval<const Argument&>(),
                                               std::declval<context&>()));

template <class R>
concept handler_result =
    std::same_as<R, void> || std::same_as<R, outcome> || std::same_as<R, net::awaitable<void>> ||
    std::same_as<R, net::awaitable<outcome>>;

/// A registration with its types: `Argument` is the event, or `message` for handlers of all.
template <class Argument, class F> class handler_of final : public registration {
public:
    using returned = handler_result_t<F, Argument>;
    static constexpr bool any = std::same_as<Argument, message>;

    template <class Handler>
    handler_of(dispatch_host& host, handler_options options, const contract_info* info, wire how,
               std::vector<const std::string*> topics, Handler&& handler)
        : registration(host, std::move(options), info, how, std::move(topics)),
          handler_(std::forward<Handler>(handler)) {}

    [[nodiscard]] auto wants(const message& content) const -> bool override {
        if (std::find(topics().begin(), topics().end(), content.interned_topic()) ==
            topics().end()) {
            return any && topics().empty();
        }
        if constexpr (any) {
            return true;
        } else {
            return takes_type(content);
        }
    }
    [[nodiscard]] auto prepare(message& content) const -> codec_result override {
        if (options().unknown() != unknown_type::skip && !wants(content)) {
            return codec_result("no handler of this group takes the type '" +
                                std::string(content.type()) + "'");
        }
        if constexpr (any) {
            return content.is_null() ? codec_result() : ready_bytes(content);
        } else if (content.type().empty() && (!content.envelope().empty() || type_is_inside())) {
            return codec_result(content.envelope().empty()
                                    ? "no type: no text in the body's member '" +
                                          std::string(how().type_field()) + "'"
                                    : "no type: the CloudEvent cannot be read");
        } else {
            return content.ensure_object(*info());
        }
    }

    [[nodiscard]] auto run(job& work) -> bool override {
        if constexpr (is_awaitable<returned>) {
            start(work);
            return false;
        } else {
            work.ended = call(work);
            return true;
        }
    }

    void take_back(worker& free) noexcept override {
        if (free.ended) {
            std::erase_if(workers_, [&free](const auto& each) { return each.get() == &free; });
        } else if (free.dismissed || free.cancelled.load(std::memory_order_relaxed) || closing) {
            end(free);
        } else {
            idle_.push(free);
        }
    }
    void cancel(bool (*wanted)(const job&)) noexcept override {
        for (const auto& each : workers_) {
            if (each->current != nullptr && !each->cancelled && wanted(*each->current)) {
                each->cancel();
            }
        }
    }
    void dismiss() noexcept override {
        closing = true;
        while (worker* each = idle_.pop()) {
            end(*each);
        }
    }
    [[nodiscard]] auto empty() const noexcept -> bool override { return workers_.empty(); }
    void context_gone() noexcept override {
        for (const auto& each : workers_) {
            each->resume.clear();
        }
    }

private:
    [[nodiscard]] static auto ready_bytes(message& content) -> codec_result {
        // A typed event without a codec has no bytes; the handler of all sees it without payload.
        if (const contract_info* typed = content.contract();
            typed != nullptr && !typed->has_codec) {
            return codec_result();
        }
        return content.ensure_bytes();
    }
    [[nodiscard]] auto takes_type(const message& content) const -> bool {
        if (content.contract() == info()) {
            return true;
        }
        if (content.type().empty()) {
            const bool of_one_type = how().how() == wire::mode::plain && how().type_field().empty();
            // Whose type should be inside and cannot be read: `prepare` says so.
            const bool broken =
                !content.envelope().empty() || (type_is_inside() && !content.is_null());
            return of_one_type || broken;
        }
        if constexpr (type_is_text<Argument>) {
            return content.type() == info()->type;
        } else if constexpr (requires { contract<Argument>::types; }) {
            const auto& known = contract<Argument>::types;
            return std::find(std::begin(known), std::end(known), content.type()) != std::end(known);
        } else {
            return true;
        }
    }
    /// Whether the type stands in the body.
    [[nodiscard]] auto type_is_inside() const noexcept -> bool {
        return how().how() == wire::mode::plain && !how().type_field().empty();
    }
    [[nodiscard]] static auto argument(const job& work) noexcept -> const Argument& {
        if constexpr (any) {
            return *work.of->from.content;
        } else {
            return *work.of->from.content->template object<Argument>(*work.handler->info());
        }
    }

    [[nodiscard]] auto call(job& work) -> result {
        context where(work);
        try {
            if constexpr (std::same_as<returned, outcome>) {
                return result(call_handler(handler_, argument(work), where));
            } else if constexpr (std::same_as<returned, void>) {
                call_handler(handler_, argument(work), where);
            }
            return result(result::kind::done);
        } catch (...) {
            return result::thrown(std::current_exception());
        }
    }

    void start(job& work) {
        if (worker* free = idle_.pop()) {
            free->current = &work;
            free->resume.invoke();
            return;
        }
        workers_.push_back(std::make_unique<worker>(*this));
        worker& made = *workers_.back();
        made.current = &work;
        const net::any_io_executor executor =
            guarded_executor::around(host().executor(), made.guard);
        net::co_spawn(executor, serve(*this, made),
                      net::bind_cancellation_slot(made.signal.slot(), worker_end(made)));
    }

    static auto serve(handler_of& self, worker& me) -> net::awaitable<void> {
        for (;;) {
            if (!me.own_filter) { // what a handler made of it is not for the next event
                watched_filter filter(me.own_filter);
                co_await net::this_coro::reset_cancellation_state(std::move(filter),
                                                                  net::enable_total_cancellation());
                me.own_filter = true;
            }
            job& work = *me.current;
            context where(work, &me);
            try {
                if constexpr (std::same_as<returned, net::awaitable<outcome>>) {
                    const outcome said =
                        co_await call_handler(self.handler_, argument(work), where);
                    work.ended = result(said);
                } else {
                    co_await call_handler(self.handler_, argument(work), where);
                    work.ended.set_done();
                }
            } catch (...) {
                work.ended = result::thrown(std::current_exception());
            }
            if (me.beside.slot().has_handler()) {
                me.beside.slot().clear(); // what is still connected is not the next event's
            }
            if (me.cancelled.load(std::memory_order_relaxed)) {
                co_await net::this_coro::throw_if_cancelled(false); // or waiting below would throw
                if (work.ended.what() == result::kind::retry) {
                    work.ended = result(result::kind::cancelled);
                }
            } else if (volley::running::next(me) || self.host().next_job(me) != nullptr) {
                continue;
            }
            co_await me.next();
            if (me.dismissed) {
                break;
            }
        }
    }

    static void end(worker& free) {
        free.dismissed = true;
        free.resume.invoke(); // runs to the end of its loop; `worker_end` tells when it is over
    }

    F handler_;
    std::vector<std::unique_ptr<worker>> workers_;
    queue<worker> idle_;
};

} // namespace cobus::detail
