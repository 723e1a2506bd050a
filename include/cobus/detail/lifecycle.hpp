#pragma once

#include "../dispatch/dispatcher.hpp"
#include "../error.hpp"
#include "../log.hpp"
#include "far_future.hpp"
#include "handler_list.hpp"
#include "home_parts.hpp"
#include "publisher.hpp"
#include "state_watch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// The life of a bus: starting, subscribing, stopping, and being given up. What is asked for comes
/// from any thread; `step` does it on the home.
class lifecycle {
public:
    using clock = std::chrono::steady_clock;
    using waiter = completion<std::error_code>;
    using stop_waiter = completion<std::error_code, stop_result>;

    lifecycle(dispatch_host& host, transport_options& options, transport_factory make,
              publisher& publishes, dispatcher& dispatch)
        : host_(&host),
          options_(&options),
          make_(std::move(make)),
          publisher_(&publishes),
          dispatcher_(&dispatch),
          stream_ready_(host),
          states_(host, options.on_state),
          starting_(host),
          stopping_(host) {}
    lifecycle(const lifecycle&) = delete;
    auto operator=(const lifecycle&) -> lifecycle& = delete;

    // From any thread; the caller wakes the home.

    void ask_to_start(waiter& who) {
        const std::lock_guard lock(guard_);
        start_waiters_.push(who);
        publisher_->expect_transport(options_->queue_messages);
        start_asked_.store(true, std::memory_order_release);
    }
    void ask_to_stop(std::chrono::milliseconds limit, stop_waiter& who) {
        const std::lock_guard lock(guard_);
        stop_waiters_.push(who);
        const auto deadline = options_->now() + addable(limit);
        stop_deadline_ = stop_deadline_ ? (std::min)(*stop_deadline_, deadline) : deadline;
        stop_asked_.store(true, std::memory_order_release);
    }
    void ask_to_stop() noexcept {
        stop_requested_.store(true, std::memory_order_release);
        stop_asked_.store(true, std::memory_order_release);
    }
    /// The bus object is gone.
    void ask_to_give_up() noexcept { given_up_.store(true, std::memory_order_release); }

    void ask_until(state wanted, waiter& who) { states_.ask(wanted, who); }
    /// What was kept for Kafka and did not get there before the end.
    [[nodiscard]] auto left() const -> spooled {
        const std::lock_guard lock(guard_);
        return left_;
    }

    [[nodiscard]] auto handlers() noexcept -> handler_list& { return handlers_; }
    [[nodiscard]] auto health() const -> cobus::health {
        cobus::health now;
        {
            const std::lock_guard lock(guard_);
            now = transport_ != nullptr ? transport_->health() : cobus::health();
        }
        now.dead_letters = dispatcher_->runs().dead_letters();
        now.retries = dispatcher_->runs().retry_health();
        now.unknown_types = dispatcher_->unknown_types();
        return now;
    }
    /// Why starting failed, in words.
    [[nodiscard]] auto problem() const -> std::string {
        const std::lock_guard lock(guard_);
        return problem_;
    }

    // Home only.

    /// Before the dispatcher's run.
    void step_before() {
        if (given_up_.load(std::memory_order_acquire) && phase_ != phase::over) {
            complete_all(starting_waiters_, errc::closed);
            finish();
        }
        if (phase_ == phase::starting || start_asked_.exchange(false, std::memory_order_acq_rel)) {
            start_step();
        }
        states_step();
        handlers_step(false);
    }
    /// After it.
    void step_after(clock::time_point now) {
        if (stop_asked_.load(std::memory_order_acquire)) {
            stop_step(now);
        }
        handlers_done_step();
    }
    [[nodiscard]] auto over() const noexcept -> bool { return phase_ == phase::over; }
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        return phase_ == phase::draining || phase_ == phase::flushing ? due_
                                                                      : (clock::time_point::max)();
    }

    /// The context is gone, or the last owner: whoever waits is destroyed unheard.
    void drop_waiters() noexcept {
        drop_all(start_waiters_);
        drop_all(starting_waiters_);
        drop_all(stop_waiters_);
        states_.end([](status_queue& each) { drop_all(each); });
        for (const auto& each : handlers_.everybody()) {
            drop_all(each->close_waiters);
            drop_all(each->ready_waiters);
        }
    }
    void drop_transport() noexcept {
        transport_.reset(); // its own pending nodes end here, unheard
        work_.reset();
    }

private:
    enum class phase : unsigned char { idle, starting, running, draining, flushing, over };
    static constexpr std::chrono::milliseconds flush_time{250}; ///< after the limit

    // Starting.

    void start_step() {
        status_queue waiting = take(start_waiters_);
        if (phase_ != phase::idle && phase_ != phase::starting) {
            complete_all(waiting, phase_ == phase::running ? errc::already_started : errc::closed);
            return;
        }
        if (phase_ == phase::idle && !waiting.empty()) {
            phase_ = phase::starting;
            starting_waiters_.push(*waiting.pop());
            work_.emplace(host_->executor());
            begin_start();
        }
        complete_all(waiting, errc::already_started);
        if (phase_ == phase::starting && starting_.take()) {
            if (starting_.ec) {
                start_failed(starting_.ec, reason());
                return;
            }
            phase_ = phase::running;
            handlers_step(true); // subscribed before anybody can publish
            publisher_->connect(transport_.get());
            complete_all(starting_waiters_, std::error_code());
        }
    }
    void begin_start() {
        try {
            auto made = make_(*options_);
            const std::lock_guard lock(guard_);
            transport_ = std::move(made);
        } catch (const error& e) {
            start_failed(e.code(), where_of(e));
            return;
        } catch (const std::exception& e) {
            start_failed(errc::bad_settings, e.what());
            return;
        }
        starting_.ec.clear();
        states_.wake();
        transport_->start(states_, starting_);
    }
    /// Without the code's own words, which whoever throws it again adds.
    [[nodiscard]] static auto where_of(const error& e) -> std::string {
        std::string text = e.what();
        const std::string own = ": " + e.code().message();
        if (text.ends_with(own)) {
            text.resize(text.size() - own.size());
        }
        return text;
    }
    /// Why the transport did not start, and which brokers it was told of.
    [[nodiscard]] auto reason() const -> std::string {
        std::string text;
        for (const std::string& broker : options_->brokers) {
            text.append(text.empty() ? "Kafka at " : ",").append(broker);
        }
        const std::string detail = transport_->state().detail;
        return text.empty() || detail.empty() ? text + detail : text + ": " + detail;
    }
    void start_failed(std::error_code ec, std::string text) {
        host_->log(log_level::error,
                   "the bus cannot start: " + (text.empty() ? ec.message() : text));
        {
            const std::lock_guard lock(guard_);
            problem_ = std::move(text);
        }
        publisher_->refuse_early(ec);
        finish();
        complete_all(starting_waiters_, ec);
    }

    /// Tells those who follow the state.
    void states_step() {
        if (phase_ == phase::over) {
            states_.end([this](status_queue& each) { complete_all(each, errc::closed); });
        } else if (phase_ != phase::idle && states_.has_news()) {
            status_queue waiting = states_.take(health());
            complete_all(waiting, std::error_code());
        }
    }

    // Handlers.

    void handlers_step(bool announce_now) {
        if (handlers_.update()) {
            std::vector<registration*> going;
            for (const auto& each : handlers_.known()) {
                if (each->close_requested.load(std::memory_order_acquire) && !each->closing) {
                    each->closing = true;
                    going.push_back(each.get());
                }
            }
            dispatcher_->handlers(handlers_.known()); // before it judges what those leave behind
            for (registration* each : going) {
                dispatcher_->drop_handler(*each);
                each->cancel([](const job& /*work*/) { return true; });
                each->dismiss();
            }
            announce_now = true;
        }
        if (announce_now && phase_ == phase::running) {
            announce();
        }
    }

    /// Tells the transport which topics are wanted now.
    void announce() {
        interest wanted{options_->group_id, handlers_.topics(), handlers_.unwrap(),
                        handlers_.companions(options_->group_id, dispatcher_->retry_tiers())};
        if (wanted.topics == announced_.topics && wanted.unwrap == announced_.unwrap &&
            wanted.companions == announced_.companions) {
            return;
        }
        announced_ = wanted;
        if (dispatcher_->is_open()) {
            dispatcher_->announce(wanted);
        } else {
            dispatcher_->open(transport_->subscribe(wanted, stream_ready_));
        }
        host_->wake();
    }

    /// Tells those who wait for a handler to be ready, or over.
    void handlers_done_step() {
        if (!handlers_.busy()) {
            return;
        }
        for (const auto& each : handlers_.known()) {
            const bool over = each->closing || phase_ == phase::over;
            if (over || dispatcher_->assigned()) {
                status_queue waiting = handlers_.take(each->ready_waiters);
                complete_all(waiting, over ? make_error_code(errc::closed) : std::error_code());
            }
            if (each->closing && each->running == 0) {
                status_queue waiting = handlers_.take(each->close_waiters);
                complete_all(waiting, std::error_code());
            }
        }
        if (handlers_.sweep()) {
            dispatcher_->handlers(handlers_.known());
        }
    }

    // Stopping.

    [[nodiscard]] auto stop_deadline(clock::time_point now) -> std::optional<clock::time_point> {
        const std::lock_guard lock(guard_);
        if (stop_requested_.load(std::memory_order_acquire) && !stop_deadline_) {
            stop_deadline_ = now + options_->stop_timeout;
        }
        return stop_deadline_;
    }

    void stop_step(clock::time_point now) {
        const auto deadline = stop_deadline(now);
        if (!deadline) {
            return;
        }
        if (phase_ == phase::idle || phase_ == phase::starting) {
            complete_all(starting_waiters_, errc::closed);
            finish();
        }
        if (phase_ == phase::running) {
            phase_ = phase::draining;
            // Handlers get most of the time; what is left is for commits, flushing and closing.
            dispatcher_->close(now + (*deadline - now) * 7 / 10);
            host_->wake();
        }
        if (phase_ == phase::draining && (dispatcher_->closed() || now >= *deadline)) {
            phase_ = phase::flushing;
            transport_->stop(*deadline, stopping_);
        }
        due_ = phase_ == phase::draining ? *deadline : *deadline + flush_time;
        if (phase_ == phase::flushing && (stopping_.take() || now >= due_)) {
            finish();
        }
        if (phase_ == phase::over) {
            tell_stopped();
        }
    }

    /// Nothing is under way any more, or may be.
    void finish() {
        phase_ = phase::over;
        if (transport_ != nullptr) {
            const spooled kept = transport_->health().kept;
            const std::lock_guard lock(guard_);
            left_ = kept;
        }
        states_step();
        publisher_->end([this](publish_op::waiter& who, std::error_code ec, receipt where) {
            who.complete(host_->executor(), true, ec, std::move(where));
        });
        dispatcher_->abandon();
        for (const auto& each : handlers_.known()) {
            each->dismiss();
        }
        work_.reset();
        tell_stopped();
        host_->wake();
    }
    void tell_stopped() {
        auto waiting = take(stop_waiters_);
        const spooled kept = left();
        complete_all(waiting, std::error_code(),
                     stop_result{kept.messages, kept.messages == 0 || kept.durable});
    }

    template <class Queue> [[nodiscard]] auto take(Queue& from) -> Queue {
        const std::lock_guard lock(guard_);
        return std::exchange(from, Queue());
    }
    template <class Queue, class... Result>
    void complete_all(Queue& waiting, std::error_code ec, Result... what) {
        while (auto* each = waiting.pop()) {
            each->complete(host_->executor(), true, ec, what...);
        }
    }
    template <class Queue> static void drop_all(Queue& waiting) noexcept {
        while (auto* each = waiting.pop()) {
            each->destroy();
        }
    }

    dispatch_host* host_;
    transport_options* options_;
    transport_factory make_;
    publisher* publisher_;
    dispatcher* dispatcher_;
    handler_list handlers_;
    std::atomic<bool> start_asked_{false};
    std::atomic<bool> stop_requested_{false};
    std::atomic<bool> stop_asked_{false}; ///< in one way or the other
    std::atomic<bool> given_up_{false};

    mutable std::mutex guard_; // of these
    status_queue start_waiters_;
    queue<stop_waiter> stop_waiters_;
    std::optional<clock::time_point> stop_deadline_;
    std::string problem_;
    spooled left_;
    std::unique_ptr<transport> transport_; // set once, by the home

    home_waker stream_ready_;
    state_watch states_;
    home_operation starting_;
    home_operation stopping_;
    status_queue starting_waiters_;
    interest announced_;
    std::optional<net::executor_work_guard<net::any_io_executor>> work_;
    phase phase_ = phase::idle;
    clock::time_point due_{}; ///< when this phase of a stop ends at the latest
};

} // namespace cobus::detail
