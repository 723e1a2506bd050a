#pragma once

#include "../dispatch/dispatcher.hpp"
#include "../settings.hpp"
#include "alarm.hpp"
#include "handler_list.hpp"
#include "home.hpp"
#include "home_parts.hpp"
#include "publisher.hpp"
#include "routes.hpp"
#include "service.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// What is behind a `bus`: owns the transport, the dispatcher and all pending operations, and runs
/// them on its home, one thread at a time.
class bus_core final : public std::enable_shared_from_this<bus_core>,
                       public dispatch_host,
                       public owned_by_context {
public:
    using clock = std::chrono::steady_clock;
    using status_waiter = completion<std::error_code>;

    bus_core(net::any_io_executor executor, settings how, transport_factory make)
        : executor_(std::move(executor)),
          settings_(std::move(how)),
          make_(std::move(make)),
          options_(settings_.transport_options(executor_)),
          source_(intern(options_.client_id)),
          routes_(settings_),
          publisher_(&wake_thunk, this),
          dispatcher_(*this, options_.group_id, limits(settings_)),
          alarm_(std::in_place, executor_),
          stream_ready_(*this),
          state_changed_(*this),
          starting_(*this),
          stopping_(*this) {}
    ~bus_core() { end_everything(); }

    /// Second step of construction, once a shared pointer holds this.
    void open() {
        auto& context = net::query(executor_, net::execution::context);
        net::use_service<bus_service>(context).add(shared_from_this());
    }

    [[nodiscard]] auto configuration() const noexcept -> const settings& { return settings_; }
    [[nodiscard]] auto options() const noexcept -> const transport_options& { return options_; }
    [[nodiscard]] auto source() const noexcept -> const std::string& { return *source_; }
    [[nodiscard]] auto routes() noexcept -> route_table& { return routes_; }
    [[nodiscard]] auto publishes() noexcept -> publisher& { return publisher_; }
    [[nodiscard]] auto problem() const -> std::string {
        const std::lock_guard lock(guard_);
        return problem_;
    }

    // dispatch_host
    [[nodiscard]] auto executor() const noexcept -> const net::any_io_executor& override {
        return executor_;
    }
    void wake() noexcept override {
        if (home_.wake()) {
            post_run();
        }
    }
    void ready(worker& free) noexcept override {
        if (running_here() == this) {
            dispatcher_.worker_ready_inline(free);
        } else {
            workers_.push(free);
            wake();
        }
    }
    void request_stop() noexcept override {
        stop_requested_.store(true, std::memory_order_release);
        wake();
    }
    void send(message_ptr content, policy when_away, internal_send& who) override {
        publish_op* op = publisher_.make();
        op->content = std::move(content);
        op->when_away = when_away;
        auto* waiting = pool_new<internal_waiter>(who);
        (void)publisher_.attach(*op, *waiting); // nothing can have ended yet
        if (publisher_.submit(*op, true) == taken::done) {
            publisher_.tell_later(*op);
        }
    }
    /// For a publish under way that nobody awaits.
    void tell_when_sent(publish_op& op, internal_send& who) {
        auto* waiting = pool_new<internal_waiter>(who);
        if (!publisher_.attach(op, *waiting)) {
            const std::error_code ec = op.ec;
            publisher_.release(op);
            waiting->complete(executor_, false, ec, receipt());
        }
    }
    void log(log_level level, std::string_view text) noexcept override {
        write_log(options_.log, level, text);
    }
    [[nodiscard]] auto keep() -> std::shared_ptr<void> override { return shared_from_this(); }

    // Operations, from any thread.

    void start(status_waiter& who) {
        {
            const std::lock_guard lock(guard_);
            start_waiters_.push(who);
        }
        wake();
    }
    void stop(std::chrono::milliseconds limit, status_waiter& who) {
        {
            const std::lock_guard lock(guard_);
            stop_waiters_.push(who);
            ask_to_stop(clock::now() + limit);
        }
        wake();
    }
    void add(std::shared_ptr<registration> handler) {
        handlers_.add(std::move(handler));
        wake();
    }
    /// The subscription is gone; `who`, if any, hears when its last run has ended.
    void remove(registration& handler, status_waiter* who) {
        handlers_.close(handler, who);
        wake();
    }
    void remove_and_tell(registration& handler, status_waiter& who) { remove(handler, &who); }
    void when_ready(registration& handler, status_waiter& who) {
        handlers_.when_ready(handler, who);
        wake();
    }
    /// The bus object is gone: whoever waits hears `errc::closed`, handlers are asked to end.
    void abandon() noexcept {
        abandoned_.store(true, std::memory_order_release);
        wake();
    }
    [[nodiscard]] auto in_process() const -> bool {
        const std::lock_guard lock(guard_);
        return transport_ == nullptr || transport_->in_process();
    }
    [[nodiscard]] auto health() const -> cobus::health {
        const std::lock_guard lock(guard_);
        return transport_ != nullptr ? transport_->health() : cobus::health();
    }

    // owned_by_context
    void context_gone() noexcept override {
        gone_.store(true, std::memory_order_release);
        for (const auto& each : handlers_.everybody()) {
            each->context_gone();
        }
        end_everything();
    }

private:
    enum class phase : unsigned char { idle, starting, running, draining, flushing, over };

    [[nodiscard]] static auto limits(const settings& how) -> dispatch_limits {
        dispatch_limits made;
        made.handlers = how.concurrency();
        return made;
    }
    [[nodiscard]] static auto running_here() noexcept -> bus_core*& {
        static thread_local bus_core* current = nullptr;
        return current;
    }
    static void wake_thunk(void* self) noexcept { static_cast<bus_core*>(self)->wake(); }

    // --- the home

    void post_run() noexcept {
        if (gone_.load(std::memory_order_acquire)) {
            return;
        }
        try {
            net::post(executor_, [self = shared_from_this()] { self->run(); });
        } catch (...) { // no memory, or the last owner is just going: the next wake tries again
            home_.not_posted();
        }
    }

    void run() {
        home_.begin();
        bus_core* const outer = std::exchange(running_here(), this);
        bool more = false;
        try {
            more = step_all();
        } catch (const std::exception& e) { // out of memory; what is queued stays queued
            log(log_level::error, std::string("the bus's home was interrupted: ") + e.what());
            more = true;
        }
        running_here() = outer;
        if (home_.end(more)) {
            post_run();
        }
    }

    auto step_all() -> bool {
        const auto now = clock::now();
        for (worker* each = workers_.take(); each != nullptr;) {
            worker* next = each->inbox_next;
            dispatcher_.worker_ready(*each);
            each = next;
        }
        publisher_.deliver([this](publish_op::waiter& who, std::error_code ec, receipt where) {
            who.complete(executor_, true, ec, std::move(where));
        });
        publisher_.expire(now, [this](publish_op::waiter& who, std::error_code ec) {
            who.complete(executor_, true, ec, receipt());
        });
        if (abandoned_.load(std::memory_order_acquire) && !abandon_seen_) {
            abandon_seen_ = true;
            abandon_here();
        }
        start_step();
        handlers_step(false);
        const bool more =
            phase_ != phase::over || dispatcher_.unfinished() > 0 ? dispatcher_.run(now) : false;
        stop_step(now);
        handlers_done_step();
        set_alarm(now);
        return more;
    }

    void set_alarm(clock::time_point now) {
        if (!alarm_) {
            return;
        }
        alarm_->rang(now);
        auto due = (std::min)(dispatcher_.due(), publisher_.next_deadline());
        if (phase_ == phase::flushing) {
            due = (std::min)(due, flush_limit_);
        }
        alarm_->set(due, [self = weak_from_this()] {
            if (const auto core = self.lock()) {
                core->wake();
            }
        });
    }

    // --- starting

    void start_step() {
        status_queue waiting = take(start_waiters_);
        if (phase_ != phase::idle && phase_ != phase::starting) {
            complete_all(waiting, phase_ == phase::running ? errc::already_started : errc::closed);
            return;
        }
        if (phase_ == phase::idle && !waiting.empty()) {
            phase_ = phase::starting;
            starting_waiters_.push(*waiting.pop());
            work_.emplace(executor_);
            begin_start();
        }
        complete_all(waiting, errc::already_started);
        if (phase_ == phase::starting && starting_.take()) {
            if (starting_.ec) {
                start_failed(starting_.ec, transport_->state().detail);
                return;
            }
            phase_ = phase::running;
            handlers_step(true); // subscribed before anybody can publish
            complete_all(starting_waiters_, std::error_code());
        }
    }
    void begin_start() {
        try {
            auto made = make_(options_);
            const std::lock_guard lock(guard_);
            transport_ = std::move(made);
        } catch (const error& e) {
            start_failed(e.code(), e.what());
            return;
        } catch (const std::exception& e) {
            start_failed(errc::bad_settings, e.what());
            return;
        }
        publisher_.connect(transport_.get());
        starting_.ec.clear();
        transport_->start(state_changed_, starting_);
    }
    void start_failed(std::error_code ec, std::string text) {
        {
            const std::lock_guard lock(guard_);
            problem_ = std::move(text);
        }
        log(log_level::error,
            "the bus cannot start: " + (problem_.empty() ? ec.message() : problem_));
        finish_stop();
        complete_all(starting_waiters_, ec);
    }

    // --- handlers

    void handlers_step(bool announce_now) {
        if (handlers_.update()) {
            for (const auto& each : handlers_.known()) {
                if (each->close_requested.load(std::memory_order_acquire) && !each->closing) {
                    each->closing = true;
                    dispatcher_.drop_handler(*each);
                    each->cancel([](const job& /*work*/) { return true; });
                    each->dismiss();
                }
            }
            dispatcher_.handlers(handlers_.known());
            announce_now = true;
        }
        if (announce_now && phase_ == phase::running) {
            announce();
        }
    }

    /// Tells the transport which topics are wanted now.
    void announce() {
        interest wanted{options_.group_id, handlers_.topics()};
        if (wanted.topics == announced_) {
            return;
        }
        announced_ = wanted.topics;
        if (dispatcher_.is_open()) {
            dispatcher_.announce(wanted);
        } else {
            dispatcher_.open(transport_->subscribe(wanted, stream_ready_));
        }
        wake();
    }

    /// Tells those who wait for a handler to be ready, or over.
    void handlers_done_step() {
        if (!handlers_.busy()) {
            return;
        }
        for (const auto& each : handlers_.known()) {
            const bool over = each->closing || phase_ == phase::over;
            if (over || dispatcher_.assigned()) {
                status_queue waiting = handlers_.take(each->ready_waiters);
                complete_all(waiting, over ? make_error_code(errc::closed) : std::error_code());
            }
            if (each->closing && each->running == 0) {
                status_queue waiting = handlers_.take(each->close_waiters);
                complete_all(waiting, std::error_code());
            }
        }
        if (handlers_.sweep()) {
            dispatcher_.handlers(handlers_.known());
        }
    }

    // --- stopping

    /// Under the guard.
    void ask_to_stop(clock::time_point deadline) {
        stop_deadline_ = stop_deadline_ ? (std::min)(*stop_deadline_, deadline) : deadline;
    }

    void stop_step(clock::time_point now) {
        std::optional<clock::time_point> deadline;
        {
            const std::lock_guard lock(guard_);
            if (stop_requested_.load(std::memory_order_acquire) && !stop_deadline_) {
                stop_deadline_ = now + options_.stop_timeout;
            }
            deadline = stop_deadline_;
        }
        if (!deadline) {
            return;
        }
        if (phase_ == phase::idle || phase_ == phase::starting) {
            complete_all(starting_waiters_, errc::closed);
            finish_stop();
        }
        if (phase_ == phase::running) {
            phase_ = phase::draining;
            // Handlers get most of the time; what is left is for commits, flushing and closing.
            drain_limit_ = now + (*deadline - now) * 7 / 10;
            dispatcher_.close(drain_limit_);
            wake();
        }
        if (phase_ == phase::draining && (dispatcher_.closed() || now >= *deadline)) {
            phase_ = phase::flushing;
            flush_limit_ = *deadline + std::chrono::milliseconds(250);
            transport_->stop(*deadline, stopping_);
        }
        if (phase_ == phase::flushing && (stopping_.take() || now >= flush_limit_)) {
            finish_stop();
        }
        if (phase_ == phase::over) {
            status_queue waiting = take(stop_waiters_);
            complete_all(waiting, std::error_code());
        }
    }

    /// Nothing is under way any more, or may be.
    void finish_stop() {
        phase_ = phase::over;
        publisher_.connect(nullptr);
        publisher_.deliver([this](publish_op::waiter& who, std::error_code ec, receipt where) {
            who.complete(executor_, true, ec, std::move(where));
        });
        publisher_.take_waiters([this](publish_op::waiter& who) {
            who.complete(executor_, true, make_error_code(errc::closed), receipt());
        });
        dispatcher_.abandon();
        for (const auto& each : handlers_.known()) {
            each->dismiss();
        }
        work_.reset();
        status_queue waiting = take(stop_waiters_);
        complete_all(waiting, std::error_code());
        wake();
    }
    void abandon_here() {
        if (phase_ != phase::over) {
            complete_all(starting_waiters_, errc::closed);
            finish_stop();
        }
    }

    // --- the end

    void end_everything() noexcept {
        publisher_.connect(nullptr);
        for (status_queue* each : {&start_waiters_, &stop_waiters_, &starting_waiters_}) {
            drop_all(*each);
        }
        for (const auto& each : handlers_.everybody()) {
            drop_all(each->close_waiters);
            drop_all(each->ready_waiters);
        }
        dispatcher_.shut(); // dead letters under way are told below, and must not begin anything
        publisher_.take_waiters([](publish_op::waiter& who) { who.destroy(); });
        dispatcher_.context_gone();
        transport_.reset(); // its own pending nodes end here, unheard
        alarm_.reset();
        work_.reset();
        executor_ = net::any_io_executor();
        options_.executor = net::any_io_executor();
    }
    [[nodiscard]] auto take(status_queue& from) -> status_queue {
        const std::lock_guard lock(guard_);
        return std::exchange(from, status_queue());
    }
    void complete_all(status_queue& waiting, std::error_code ec) {
        while (status_waiter* each = waiting.pop()) {
            each->complete(executor_, true, ec);
        }
    }
    static void drop_all(status_queue& waiting) noexcept {
        while (status_waiter* each = waiting.pop()) {
            each->destroy();
        }
    }

    net::any_io_executor executor_;
    settings settings_;
    transport_factory make_;
    transport_options options_;
    const std::string* source_;
    home_word home_;
    std::atomic<bool> gone_{false};
    std::atomic<bool> abandoned_{false};
    std::atomic<bool> stop_requested_{false};

    mutable std::mutex guard_; // of what follows, until the home's own
    status_queue start_waiters_;
    status_queue stop_waiters_;
    std::optional<clock::time_point> stop_deadline_;
    std::string problem_;
    std::unique_ptr<transport> transport_; // set once, by the home

    handler_list handlers_;
    route_table routes_;
    inbox<worker> workers_;
    publisher publisher_;
    dispatcher dispatcher_;
    std::optional<alarm> alarm_;
    std::optional<net::executor_work_guard<net::any_io_executor>> work_;
    home_waker stream_ready_;
    home_waker state_changed_;
    home_operation starting_;
    home_operation stopping_;
    status_queue starting_waiters_;
    std::vector<const std::string*> announced_;
    phase phase_ = phase::idle;
    bool abandon_seen_ = false;
    clock::time_point drain_limit_{};
    clock::time_point flush_limit_{};
};

} // namespace cobus::detail
