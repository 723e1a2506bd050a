#pragma once

#include "../bus.hpp"
#include "../detail/open_bus.hpp"
#include "../dispatch/retry_message.hpp"
#include "../net.hpp"
#include "../settings.hpp"
#include "../transport/factory.hpp"
#include "../transport/memory.hpp"
#include "failure.hpp"
#include "faults.hpp"
#include "faulty.hpp"
#include "happened.hpp"
#include "kit/ending.hpp"
#include "kit/log.hpp"
#include "kit/pump.hpp"
#include "kit/story.hpp"
#include "kit/tap.hpp"
#include "virtual_clock.hpp"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace cobus::testing {

/// A bus on memory with a clock of its own, for tests of what a service publishes and handles.
///
///     cobus::testing::bus_fixture t;
///     auto mail = t.bus.on<user_registered>("welcome-mail", send_welcome);
///     t.publish(user_registered{"u-1", "ada@example.org"});
///     t.until_idle();                       // retries of hours included, in no time
///     REQUIRE(t.handled<user_registered>().size() == 1);
///
/// It knows no test framework: what goes wrong is thrown as `failure`, in words. Everything runs on
/// the thread that calls it, and only within these calls. docs/testing_kit.md is a course.
class bus_fixture {
public:
    bus_fixture() : bus_fixture(cobus::settings()) {}
    /// With settings of the service's: those of its handlers' limits, its topics' other names and
    /// the like; `over` in place of memory. Log lines go to `log_lines`.
    explicit bus_fixture(cobus::settings how, transport_factory over = transport_factory())
        : how_(std::move(how)),
          broker_(std::make_shared<memory_broker>()),
          over_(over ? std::move(over) : memory(broker_)),
          log_(std::make_shared<detail::kit_log>(clock_)),
          bus(context_.get_executor(), this->settings(), this->transport()) {}
    bus_fixture(const bus_fixture&) = delete;
    auto operator=(const bus_fixture&) -> bus_fixture& = delete;

    // For services that make their own buses, and for tests with several.

    [[nodiscard]] auto executor() noexcept -> net::io_context::executor_type {
        return context_.get_executor();
    }
    /// `cobus::bus other(t.executor(), t.settings().group_id("mail"), t.transport())`.
    [[nodiscard]] auto settings() const -> cobus::settings {
        cobus::settings made = how_;
        made.time(clock_).observer(log_).logger(log_->logger());
        return made;
    }
    /// What carries the messages of all buses of this test.
    [[nodiscard]] auto transport() const -> only_transport {
        transport_factory whole =
            how_.kafka_enabled()
                ? cobus::detail::choose_transport(how_, playing_kafka(over_, faults))
                : faulty(over_, faults);
        return cobus::over([whole = std::move(whole), log = log_](const transport_options& how) {
            return std::make_unique<detail::tap>(whole(how), log);
        });
    }

    [[nodiscard]] auto clock() const noexcept -> virtual_clock& { return *clock_; }
    /// The log of all that the buses publish: its groups' commits, its partitions' ends.
    [[nodiscard]] auto broker() const noexcept -> const memory_broker& { return *broker_; }
    /// Leaves starting `bus` to the code under test.
    void start_by_hand() noexcept { started_ = true; }
    /// How long, in real time, something is waited for that the clock does not bring: 5 s.
    void patience(std::chrono::milliseconds real) noexcept { pump_.patience(real); }

    // What happens.

    /// Runs a coroutine, or a function that returns one, to its end; time passes as it needs.
    /// Errors: what it throws; `failure` when it waits for something that does not come.
    template <class T> auto run(net::awaitable<T> what) -> T {
        start();
        return await<T>(std::move(what));
    }
    template <class F>
        requires std::invocable<F>
    auto run(F what) -> typename std::invoke_result_t<F>::value_type {
        start();
        return await<typename std::invoke_result_t<F>::value_type>(std::move(what));
    }
    /// Publishes, and does not wait for handlers. Errors: as `bus.publish`.
    template <class E> auto publish(const E& event) -> receipt { return run(bus.publish(event)); }
    auto publish(message content) -> receipt { return run(bus.publish(std::move(content))); }
    /// Does what can be done without time passing.
    void settle() {
        start();
        pump_.settle();
    }
    /// Lets time pass.
    void advance(virtual_clock::clock::duration by) {
        start();
        pump_.advance(by);
    }
    /// Until everything that was published has been handled by all its handlers, or is dead:
    /// retries, dead letters and what handlers publish included. Time passes as they need.
    /// Errors: `failure` when that does not come within `limit`, saying what is left.
    void until_idle(virtual_clock::clock::duration limit = std::chrono::hours(24 * 365)) {
        start();
        if (!pump_.until(limit, [this] { return !log_->busy() && faults.holding() == 0; })) {
            throw failure("the bus does not become idle; what is left:\n" +
                          detail::unfinished(*log_) + faults.describe() + what_happened());
        }
    }
    /// Until `condition()` holds; time passes as needed. Errors: `failure`.
    template <class Condition>
    void until(Condition condition,
               virtual_clock::clock::duration limit = std::chrono::hours(24 * 365)) {
        start();
        if (!pump_.until(limit, std::move(condition))) {
            throw failure("what was waited for does not come\n" + detail::unfinished(*log_) +
                          what_happened());
        }
    }
    /// Stops `bus`; running handlers have until `limit`, which passes in no time. Says what is
    /// left.
    auto stop(std::chrono::milliseconds limit = std::chrono::seconds(10)) -> stop_result {
        start();
        return await<stop_result>(bus.stop(limit));
    }

    // What happened.

    /// The events of a type that were published, by whichever bus, in their order.
    template <class E> [[nodiscard]] auto published() const -> std::vector<published_event<E>> {
        return select<E>(detail::published_record::state::sent);
    }
    /// Those that were refused, withdrawn, or may have been sent: `error()` says.
    template <class E> [[nodiscard]] auto not_published() const -> std::vector<published_event<E>> {
        return select<E>(detail::published_record::state::failed);
    }
    /// What became of the events of a type, at that handler or at each, in the order of their first
    /// tries.
    template <class E>
    [[nodiscard]] auto handlings(std::string_view handler = {}) const -> std::vector<handling<E>> {
        std::vector<handling<E>> found;
        for (const detail::handling_record& each : log_->handlings()) {
            if ((handler.empty() || each.handler == handler) && each.content != nullptr &&
                detail::carries<E>(*each.content)) {
                found.emplace_back(each);
            }
        }
        return found;
    }
    template <class E>
    [[nodiscard]] auto handlings(std::string_view handler, handling_state state) const
        -> std::vector<handling<E>> {
        auto found = handlings<E>(handler);
        std::erase_if(found, [state](const auto& each) { return each.state() != state; });
        return found;
    }
    /// Those that the handler returned from.
    template <class E> [[nodiscard]] auto handled(std::string_view handler = {}) const {
        return handlings<E>(handler, handling_state::done);
    }
    /// Those that were taken from the handler before it was through.
    template <class E> [[nodiscard]] auto cancelled(std::string_view handler = {}) const {
        return handlings<E>(handler, handling_state::cancelled);
    }
    /// How often the handlers of that name were run with events of that type.
    template <class E> [[nodiscard]] auto attempts(std::string_view handler = {}) const
        -> std::size_t {
        std::size_t sum = 0;
        for (const auto& each : handlings<E>(handler)) {
            sum += each.attempts();
        }
        return sum;
    }
    [[nodiscard]] auto dead_letters() const -> std::vector<dead_letter> {
        std::vector<dead_letter> found;
        for (const detail::published_record& each : log_->published()) {
            if (each.now == detail::published_record::state::sent &&
                cobus::detail::is_dead_letter_topic(each.content->topic())) {
                const auto from = each.content->headers().get("cobus-dlq-topic");
                found.emplace_back(*each.content,
                                   log_->original(each.content->id(), from.value_or("")));
            }
        }
        return found;
    }

    /// The only one of its type. Errors: `failure` when there is none, or more than one.
    template <class E> [[nodiscard]] auto one_published() const -> published_event<E> {
        return only(published<E>(), "published " + name_of<E>());
    }
    template <class E> [[nodiscard]] auto one_handled(std::string_view handler = {}) const
        -> handling<E> {
        return only(handled<E>(handler), "handled " + name_of<E>());
    }
    [[nodiscard]] auto one_dead_letter() const -> dead_letter {
        return only(dead_letters(), "dead letter");
    }

    /// What the buses logged: "warning: handler 'mail' gave up …".
    [[nodiscard]] auto log_lines() const -> std::vector<std::string> { return log_->lines(); }
    /// Everything that was published and every run of a handler, a line each, in order: for the
    /// message of a check that fails.
    [[nodiscard]] auto what_happened() const -> std::string { return detail::story(*log_); }

private:
    template <class E> [[nodiscard]] static auto name_of() -> std::string {
        const auto type = cobus::detail::info_of<E>().type;
        return type.empty() ? std::string("event") : std::string(type);
    }
    template <class T> [[nodiscard]] auto only(std::vector<T> found, const std::string& what) const
        -> T {
        if (found.size() != 1) {
            throw failure("expected one " + what + ", got " + std::to_string(found.size()) + "\n" +
                          what_happened());
        }
        return std::move(found.front());
    }
    template <class E> [[nodiscard]] auto select(detail::published_record::state which) const
        -> std::vector<published_event<E>> {
        using state = detail::published_record::state;
        std::vector<published_event<E>> found;
        for (const detail::published_record& each : log_->published()) {
            const bool right =
                each.now == which || (each.now == state::withdrawn && which == state::failed);
            // Dead letters and what waits in retry topics are no events, though of the event's
            // type.
            if (right && each.content != nullptr && detail::carries<E>(*each.content) &&
                cobus::detail::may_have_retry_topic(each.content->topic())) {
                found.emplace_back(each);
            }
        }
        return found;
    }

    void start() {
        if (!std::exchange(started_, true)) {
            await<void>(bus.start());
        }
    }
    template <class T, class What> auto await(What what) -> T {
        const auto end =
            std::make_shared<detail::ending<T>>(); // the coroutine may outlive a failure
        net::co_spawn(context_, std::move(what), detail::note_ending<T>(end));
        if (!pump_.until(std::chrono::hours(24 * 365), [&end] { return end->over; })) {
            throw failure("the coroutine waits for something that does not come\n" +
                          detail::unfinished(*log_) + faults.describe() + what_happened());
        }
        return end->take();
    }

    net::io_context context_; ///< destroyed last: what still waits is destroyed with it
    std::shared_ptr<virtual_clock> clock_ = virtual_clock::make();
    detail::pump pump_{context_, clock_};
    cobus::settings how_;
    std::shared_ptr<memory_broker> broker_;
    transport_factory over_;
    std::shared_ptr<detail::kit_log> log_;
    bool started_ = false;

public:
    /// What goes wrong on the way: fails, delays, duplicates, reorders, disconnects.
    fault_script faults;
    /// Starts at the first `run`, `publish`, `settle`, `until_idle`, `until` or `advance`.
    cobus::bus bus;
};

} // namespace cobus::testing
