#pragma once

#include "catalogue.hpp"
#include "detail/batch.hpp"
#include "detail/bus_core.hpp"
#include "detail/gcc12.hpp"
#include "detail/handlers.hpp"
#include "detail/open_bus.hpp"
#include "detail/publish_call.hpp"
#include "detail/stop_call.hpp"
#include "dispatch/batch_handler.hpp"
#include "dispatch/handler_of.hpp"
#include "publish_options.hpp"
#include "settings.hpp"
#include "subscription.hpp"
#include "transport/factory.hpp"

#include <chrono>
#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace cobus {

class inbox;
class outbox;

/// Carries typed events: over Apache Kafka, in process, or over both while Kafka is away, as the
/// settings say. One bus is one consumer group.
///
/// Every operation takes an Asio completion token, `use_awaitable` when none is given: with it
/// errors are thrown as `std::system_error` (`cobus::error` where there is more to say), with other
/// tokens they are `std::error_code`s.
///
/// Thread safety: any thread may call anything; handlers and completions run on the bus's executor,
/// or on the completion handler's own. The bus may be destroyed at any time, also within a handler:
/// whoever waits hears `errc::closed`, running handlers are asked to end by their cancellation
/// slots.
class bus {
    // Before their use: their types are deduced.
    class start_call {
    public:
        start_call() {} // not an aggregate, for GCC 12
        void operator()(detail::bus_core& core, detail::bus_core::status_waiter& who) const {
            core.start(who);
        }
    };
    class until_call {
    public:
        explicit until_call(state wanted) : wanted_(wanted) {}
        void operator()(detail::bus_core& core, detail::bus_core::status_waiter& who) const {
            core.until(wanted_, who);
        }

    private:
        state wanted_;
    };
    template <class Call, class Token> auto status(Call call, Token&& token) {
        detail::initiate_status<Call> initiation(core_, std::move(call));
        return net::async_initiate<Token, void(std::error_code)>(std::move(initiation), token);
    }
    template <class Executor = net::any_io_executor>
    static auto start_awaitable(std::shared_ptr<detail::bus_core> core)
        -> net::awaitable<void, Executor> {
        std::error_code ec;
        detail::initiate_status<start_call> initiation(core, start_call());
        auto token = net::redirect_error(net::use_awaitable_t<Executor>(), ec);
        co_await net::async_initiate<decltype(token), void(std::error_code)>(std::move(initiation),
                                                                             token);
        if (ec) {
            detail::throw_error(ec, core->problem());
        }
    }

public:
    /// In memory. With `KAFKA_ENABLED=true`, `start` fails and says which transport is missing.
    /// Errors: throws `cobus::error` with `errc::bad_settings` and all problems of the settings.
    template <class Executor>
    bus(const Executor& executor, const settings& how)
        : bus(any(executor), how, transport_factory(), 0) {}
    /// Over `kafka` when the settings enable it, with memory to fall back on; else in memory.
    template <class Executor>
    bus(const Executor& executor, const settings& how, transport_factory kafka)
        : bus(any(executor), how, std::move(kafka), 0) {}
    /// Over that transport alone.
    template <class Executor>
    bus(const Executor& executor, settings how, const only_transport& only)
        : core_(detail::open_bus(any(executor), std::move(how), only.make())) {}
    bus(const bus&) = delete;
    auto operator=(const bus&) -> bus& = delete;
    ~bus() { core_->abandon(); }

    // --- life

    /// Connects, and subscribes what the handlers need. Events may be published from its call on;
    /// they go out, in their order, when it completes.
    /// Completes when it is decided how events travel, within the decision time (3 s unless set).
    /// Errors: `errc::kafka_required`, `errc::no_transport`, `errc::bad_settings`,
    /// `errc::already_started`. Cancellation: none; use `stop`.
    template <class Token> auto start(Token&& token) {
        return status(start_call(), std::forward<Token>(token));
    }
    template <class Executor = net::any_io_executor>
    auto start() -> net::awaitable<void, Executor> {
        return start_awaitable<Executor>(core_);
    }

    /// Stops fetching, lets running handlers end, commits, sends what is under way, and leaves the
    /// group. Completes within `limit` and a quarter of a second, whatever the broker does; what
    /// could not be sent by then fails with `errc::timed_out`, `errc::maybe_sent` or
    /// `errc::closed`. The result says how much was kept for Kafka and did not get there, and
    /// whether that survives this process: `(error_code, stop_result)`, or the code alone for
    /// callbacks that take no more. Calling it again, also at the same time, waits for the same
    /// end. From a handler use `context::request_stop`: this would wait for the handler itself.
    /// Errors: none. Cancellation: none.
    template <class Token> auto stop(std::chrono::milliseconds limit, Token&& token) {
        return detail::stop_as<Token>(core_, limit, token);
    }
    template <class Executor = net::any_io_executor>
    auto stop(std::chrono::milliseconds limit) -> net::awaitable<stop_result, Executor> {
        return stop(limit, net::use_awaitable_t<Executor>());
    }
    template <class Token>
        requires(!std::convertible_to<Token, std::chrono::milliseconds>)
    auto stop(Token&& token) {
        return stop(core_->options().stop_timeout, std::forward<Token>(token));
    }
    template <class Executor = net::any_io_executor>
    auto stop() -> net::awaitable<stop_result, Executor> {
        return stop(net::use_awaitable_t<Executor>());
    }

    /// Begins `stop` without waiting for it; for handlers and signal sets.
    void request_stop() noexcept { core_->request_stop(); }

    /// The bus's state, since when, and why.
    [[nodiscard]] auto health() const -> cobus::health { return core_->health(); }
    /// Waits for a state.
    /// Completes when the bus is in it, at once if it is already.
    /// Errors: `errc::closed` when the bus stops or never gets there because it stopped.
    /// Cancellation: none; it ends with the bus.
    template <class Token> auto until(state wanted, Token&& token) {
        return status(until_call(wanted), std::forward<Token>(token));
    }
    template <class Executor = net::any_io_executor>
    auto until(state wanted) -> net::awaitable<void, Executor> {
        return until(wanted, net::use_awaitable_t<Executor>());
    }
    /// After `stop`: what was kept for Kafka and did not get there. If it is not `durable`, it is
    /// lost with this process.
    [[nodiscard]] auto left() const -> spooled { return core_->left(); }

    // --- publishing

    /// Publishes one event. It is read, so copied or moved, before this returns, and submitted when
    /// awaited. Completes when the transport has it for good: acknowledged by Kafka, or in the
    /// memory log. Errors: `errc::closed`, `errc::not_encodable`, `errc::too_large`,
    /// `errc::timed_out`, `errc::maybe_sent`, `errc::unavailable` and what Kafka says. A full queue
    /// suspends, first come first served. Cancellation: any type. `operation_aborted` means never
    /// sent, `errc::maybe_sent` that it may have been.
    ///
    /// The event gets a new id unless its contract or the options name one. So an event that a
    /// handler publishes this way has another id when the handler runs again; `context.publish`
    /// gives it the same.
    template <class E>
        requires event_argument<E>
    auto publish(E&& event) -> net::awaitable<receipt> {
        static_assert(detail::safe_to_await<E>());
        return detail::await_publish(read(nullptr, std::forward<E>(event)));
    }
    template <class E>
        requires event_argument<E>
    auto publish(E&& event, const publish_options& said) -> net::awaitable<receipt> {
        static_assert(detail::safe_to_await<E>());
        return detail::await_publish(read(&said, std::forward<E>(event)));
    }
    template <class E, class Token>
        requires event_argument<E> && (!std::same_as<std::remove_cvref_t<Token>, publish_options>)
    auto publish(E&& event, Token&& token) {
        return detail::submit_as<E, Token>(read(nullptr, std::forward<E>(event)), token);
    }
    template <class E, class Token>
        requires event_argument<E>
    auto publish(E&& event, const publish_options& said, Token&& token) {
        return detail::submit_as<E, Token>(read(&said, std::forward<E>(event)), token);
    }
    /// Builds the event in place, for tokens other than `use_awaitable`.
    template <class E, class Token, class... Args>
    auto publish(std::in_place_type_t<E> /*which*/, Token&& token, Args&&... args) {
        return detail::submit_as<int&, Token>(
            detail::prepare<E>(core_, nullptr, std::forward<Args>(args)...), token);
    }
    /// Builds the event in place: `co_await bus.emit<user_registered>("u-1", "ada@example.org")`.
    template <class E, class... Args> auto emit(Args&&... args) -> net::awaitable<receipt> {
        static_assert(detail::safe_to_await<Args...>());
        return detail::await_publish(
            detail::prepare<E>(core_, nullptr, std::forward<Args>(args)...));
    }

    /// Says what is missing where the argument is no event.
    template <class E, class... Rest>
        requires(!event_argument<E> && !detail::is_in_place<std::remove_cvref_t<E>>)
    auto publish(E&& /*event*/, Rest&&... /*rest*/) -> net::awaitable<receipt> {
        static_assert(detail::check_contract<std::remove_cvref_t<E>>());
        return net::awaitable<receipt>();
    }

    /// Publishes if there is room now. Nobody waits for the acknowledgement; a later failure is
    /// logged. Errors: returned; `errc::queue_full`, and as `publish`.
    template <class E>
        requires event_argument<E>
    [[nodiscard]] auto try_publish(E&& event) -> std::error_code {
        detail::prepared what = read(nullptr, std::forward<E>(event));
        return detail::submit_without_waiting(std::move(what));
    }

    /// Publishes many events and waits for all of them.
    /// Completes with a result for each, in their order. A failure fails those behind it of the
    /// same key with `errc::behind_failed`, so that none overtakes; others go on. Errors: in the
    /// results. Cancellation: as `publish`, for those not yet sent.
    template <event_range Range, class Token>
    auto publish_all(Range&& events, Token&& token) {
        auto all = std::make_shared<detail::batch>(core_);
        for (auto&& each : events) {
            all->add(read(nullptr, std::forward<decltype(each)>(each)));
        }
        detail::initiate_batch initiation(std::move(all));
        using returned = decltype(net::async_initiate<Token, void(std::vector<publish_result>)>(
            std::move(initiation), token));
        static_assert(detail::safe_where_awaited<returned, Range>());
        return net::async_initiate<Token, void(std::vector<publish_result>)>(std::move(initiation),
                                                                             token);
    }
    template <event_range Range>
    auto publish_all(Range&& events) -> net::awaitable<std::vector<publish_result>> {
        return publish_all(std::forward<Range>(events), net::use_awaitable);
    }

    /// Publishes in process and waits for the handlers.
    /// Completes when every handler of this bus is done with it, retries included.
    /// Errors: `errc::handler_failed` when one ended otherwise; `errc::not_in_process` at once when
    /// the transport is not memory. Cancellation: the wait ends with `errc::maybe_sent`; handlers
    /// go on.
    template <class E, class Token>
        requires event_argument<E>
    auto call(E&& event, Token&& token) {
        using returned = decltype(net::async_initiate<Token, void(std::error_code)>(
            std::declval<detail::initiate_call>(), token));
        static_assert(detail::safe_where_awaited<returned, E>());
        detail::prepared what = read(nullptr, std::forward<E>(event));
        return net::async_initiate<Token, void(std::error_code)>(
            detail::initiate_call(std::move(what)), token);
    }
    template <class E>
        requires event_argument<E>
    auto call(E&& event) -> net::awaitable<void> {
        static_assert(detail::safe_to_await<E>());
        return detail::call_awaitable(read(nullptr, std::forward<E>(event)));
    }

    // --- handling

    /// Handles events of type `E`. The handler is a coroutine or a plain function of `(const E&)`
    /// or
    /// `(const E&, cobus::context&)`; it returns nothing, or an `outcome`. It is copied or moved
    /// in. The event lives until the handler's coroutine ends. Throwing means: try again, by the
    /// options' retry policy, then the dead letter topic. May be called before `start`, or at any
    /// time after.
    template <class E, class F> [[nodiscard]] auto on(handler_options options, F&& handler)
        -> subscription {
        static_assert(detail::check_contract<E>());
        static_assert(detail::handles<std::decay_t<F>, E>,
                      "cobus: a handler takes (const E&) or (const E&, cobus::context&)");
        if constexpr (detail::handles<std::decay_t<F>, E>) {
            static_assert(
                detail::handler_result<detail::handler_result_t<std::decay_t<F>, E>>,
                "cobus: a handler returns void, cobus::outcome, or an awaitable of one of them");
            detail::check_options(
                options, detail::is_awaitable<detail::handler_result_t<std::decay_t<F>, E>>, false);
        }
        const detail::contract_info& info = detail::info_of<E>();
        return add<E>(std::move(options), &info, core_->routes().find(info).how,
                      detail::topics_of<E>(core_->routes()), std::forward<F>(handler));
    }

    /// Handles events of type `E` several at a time: `(std::span<const E>)` or
    /// `(std::span<const E>, cobus::batch_context&)`, returning nothing or an awaitable of it. The
    /// options' `batch` says how many, and how long they wait for each other. Events of one key are
    /// in their order, within a batch and over batches, and in one batch at a time; the options'
    /// concurrency counts batches. The batch context says which events failed; an exception fails
    /// all of them, and then they are tried again one by one, so that one bad event takes no other
    /// to the dead letters. `E` is copied into the batch.
    template <class E, class F> [[nodiscard]] auto on_batch(handler_options options, F&& handler)
        -> subscription {
        static_assert(detail::check_contract<E>());
        static_assert(std::copy_constructible<E>, "cobus: a batch holds copies of its events");
        static_assert(detail::handles_batches<std::decay_t<F>, E>,
                      "cobus: a batch handler takes (std::span<const E>) or "
                      "(std::span<const E>, cobus::batch_context&)");
        static_assert(
            detail::batch_result<detail::batch_result_t<std::decay_t<F>, E>>,
            "cobus: a batch handler returns void or an awaitable of it; the batch context "
            "says which events failed");
        detail::check_options(
            options, detail::is_awaitable<detail::batch_result_t<std::decay_t<F>, E>>, true);
        const detail::contract_info& info = detail::info_of<E>();
        return add<E>(
            std::move(options), &info, core_->routes().find(info).how,
            detail::topics_of<E>(core_->routes()),
            detail::batch_handler<E, std::decay_t<F>>(std::in_place, std::forward<F>(handler)));
    }

    /// Handles every message of the topics that this bus's other handlers take. It cannot have
    /// retry topics.
    template <class F> [[nodiscard]] auto on_any(handler_options options, F&& handler)
        -> subscription {
        check_any<F>(options);
        detail::check_without_topics(options);
        return add<message>(std::move(options), nullptr, core_->configuration().wire(),
                            std::vector<const std::string*>(), std::forward<F>(handler));
    }
    /// Handles every message of these topics.
    template <class F>
    [[nodiscard]] auto on_any(handler_options options, const std::vector<std::string>& topics,
                              F&& handler) -> subscription {
        check_any<F>(options);
        std::vector<const std::string*> names;
        names.reserve(topics.size());
        for (const std::string& each : topics) {
            names.push_back(core_->routes().topic(each));
        }
        return add<message>(std::move(options), nullptr, core_->configuration().wire(),
                            std::move(names), std::forward<F>(handler));
    }

private:
    friend class outbox;
    friend class inbox;

    bus(net::any_io_executor executor, const settings& how, transport_factory kafka,
        int /*private*/)
        : core_(detail::open_bus(std::move(executor), how,
                                 detail::choose_transport(how, std::move(kafka)))) {}

    template <class Executor> [[nodiscard]] static auto any(const Executor& executor)
        -> net::any_io_executor {
        static_assert(
            std::convertible_to<const Executor&, net::any_io_executor>,
            "cobus: a bus takes an executor that converts to asio::any_io_executor, such as "
            "io_context::get_executor()");
        return executor;
    }

    template <class E> [[nodiscard]] auto read(const publish_options* said, E&& event)
        -> detail::prepared {
        static_assert(detail::check_direct<E>());
        detail::prepared made = detail::read_event(core_, said, std::forward<E>(event));
        detail::complete(*made.content, core_->options());
        return made;
    }

    template <class F> static void check_any(handler_options& options) {
        using returned = detail::handler_result_t<std::decay_t<F>, message>;
        detail::check_options(options, detail::is_awaitable<returned>, false);
    }
    template <class Argument, class F>
    auto add(handler_options options, const detail::contract_info* info, wire how,
             std::vector<const std::string*> topics, F&& handler) -> subscription {
        auto made = std::make_shared<detail::handler_of<Argument, std::decay_t<F>>>(
            *core_, std::move(options), info, how, std::move(topics), std::forward<F>(handler));
        core_->add(made);
        return subscription(core_, std::move(made));
    }

    std::shared_ptr<detail::bus_core> core_;
};

} // namespace cobus

#ifndef COBUS_SEPARATE_COMPILATION
#include "impl/open_bus.hpp"
#endif
