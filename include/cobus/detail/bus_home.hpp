#pragma once

#include "../dispatch/admit.hpp"
#include "../dispatch/dispatcher.hpp"
#include "../dispatch/gates.hpp"
#include "../error.hpp"
#include "../settings.hpp"
#include "alarm.hpp"
#include "bus_core.hpp"
#include "home.hpp"
#include "home_parts.hpp"
#include "kafka_properties.hpp"
#include "known_executor.hpp"
#include "lifecycle.hpp"
#include "publisher.hpp"
#include "service.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace cobus::detail {

/// What runs a bus: owns the transport, the dispatcher and all pending operations, and runs them on
/// its home, one thread at a time.
class bus_home final : public bus_core, public owned_by_context {
public:
    bus_home(net::any_io_executor executor, settings how, transport_factory make)
        : bus_core(std::move(executor), std::move(how), &publish_ended),
          dispatcher_(*this, options_.group_id, limits(settings_)),
          life_(*this, options_, std::move(make), publisher_, dispatcher_),
          alarm_(std::in_place, executor_, options_.time) {}
    bus_home(const bus_home&) = delete;
    auto operator=(const bus_home&) -> bus_home& = delete;
    ~bus_home() { end_everything(); }

    /// Second step of construction, once a shared pointer holds this.
    void open() {
        auto& context = net::query(executor_, net::execution::context);
        net::use_service<bus_service>(context).add(shared_self());
    }

    // dispatch_host
    void wake() noexcept override {
        if (running_here() == this) {
            again_here_ = true;
        } else if (home_.wake()) {
            post_run();
        }
    }
    void ready(worker& free) noexcept override {
        if (running_here() == this) {
            dispatcher_.runs().worker_ready_inline(free);
        } else {
            workers_.push(free);
            wake();
        }
    }
    auto next_job(worker& free) noexcept -> job* override {
        return running_here() == this ? dispatcher_.runs().next_job(free) : nullptr;
    }
    void request_stop() noexcept override {
        life_.ask_to_stop();
        wake();
    }

    // bus_core

    void start(status_waiter& who) override {
        life_.ask_to_start(who);
        wake();
    }
    void stop(std::chrono::milliseconds limit, stop_waiter& who) override {
        life_.ask_to_stop(limit, who);
        wake();
    }
    void until(state wanted, status_waiter& who) override {
        life_.ask_until(wanted, who);
        wake();
    }
    void add(std::shared_ptr<registration> handler) override {
        if (handler->options().retry_topics() && settings_.kafka_enabled() &&
            !has_companions(options().properties)) {
            throw error(errc::bad_settings, "handler '" + handler->name() + "': retry_topics " +
                                                std::string(no_companions));
        }
        give_gate(*handler, options_.group_id);
        life_.handlers().add(std::move(handler));
        wake();
    }
    void remove(registration& handler, status_waiter* who) override {
        if (life_.handlers().close(handler, who)) {
            wake();
        } else if (who != nullptr) {
            tell_now(*who, std::error_code());
        }
    }
    void when_ready(registration& handler, status_waiter& who) override {
        if (life_.handlers().when_ready(handler, who)) {
            wake();
        } else {
            tell_now(who, errc::closed);
        }
    }
    void abandon() noexcept override {
        life_.ask_to_give_up();
        wake();
    }
    auto run_on(const net::any_io_executor& executor) -> bool override {
        if (!begin_here(executor)) {
            return false;
        }
        return run_now();
    }
    auto submit_and_run(const net::any_io_executor& executor, publish_op& op) -> taken override {
        if (!begin_here(executor)) {
            return publisher_.submit(op, true);
        }
        bus_home* const outer = std::exchange(running_here(), this);
        const taken how = publisher_.submit(op, true); // its wakes are for the run below
        running_here() = outer;
        run_now(pace::brief);
        return how;
    }
    [[nodiscard]] auto health() const -> cobus::health override { return life_.health(); }
    [[nodiscard]] auto left() const -> spooled override { return life_.left(); }
    [[nodiscard]] auto problem() const -> std::string override { return life_.problem(); }

    // owned_by_context
    void context_gone() noexcept override {
        gone_.store(true, std::memory_order_release);
        for (const auto& each : life_.handlers().everybody()) {
            each->context_gone();
        }
        end_everything();
    }

private:
    [[nodiscard]] auto shared_self() -> std::shared_ptr<bus_home> {
        return std::static_pointer_cast<bus_home>(shared_from_this());
    }
    /// For whom nothing is left to wait for.
    void tell_now(status_waiter& who, std::error_code ec) {
        if (gone_.load(std::memory_order_acquire)) {
            who.destroy();
        } else {
            who.complete(executor_, false, ec);
        }
    }
    [[nodiscard]] static auto limits(const settings& how) -> dispatch_limits {
        dispatch_limits made;
        made.handlers = how.concurrency();
        made.drain = how.drain_limit();
        made.observer = how.observer().get();
        made.honour_marks = how.honours_marks();
        made.retry_delays = how.retry_topics();
        made.park = how.park_dead_letters();
        return made;
    }
    [[nodiscard]] static auto running_here() noexcept -> bus_home*& {
        static thread_local bus_home* current = nullptr;
        return current;
    }
    static void publish_ended(void* self) noexcept {
        auto& me = static_cast<bus_home&>(*static_cast<dispatch_host*>(self));
        if (running_here() == &me) {
            me.ended_here_ = true;
        } else {
            me.wake();
        }
    }

    // --- the home

    /// Begins a run within what a coroutine of that executor does, unless another is under way.
    [[nodiscard]] auto begin_here(const net::any_io_executor& executor) noexcept -> bool {
        return executor == executor_ && runs_here(executor_) && home_.begin_here();
    }
    void post_run() noexcept {
        if (gone_.load(std::memory_order_acquire)) {
            return;
        }
        try {
            net::post(executor_, [self = shared_self()] { self->run(); });
        } catch (...) { // no memory, or the last owner is just going: the next wake tries again
            home_.not_posted();
        }
    }

    void run() {
        if (home_.begin()) {
            run_now();
        }
    }
    /// A brief run leaves commits to a run that is posted: one for many of them.
    enum class pace : unsigned char { whole, brief };

    /// True: much is under way.
    auto run_now(pace how = pace::whole) -> bool {
        constexpr std::size_t much = 64;
        bus_home* const outer = std::exchange(running_here(), this);
        bool more = false;
        again_here_ = false;
        try {
            more = step_all(how) || again_here_ || ended_here_;
        } catch (const std::exception& e) { // out of memory; what is queued stays queued
            log(log_level::error, std::string("the bus's home was interrupted: ") + e.what());
            more = true;
        } catch (...) { // the home must not stay marked as running
            log(log_level::error, "the bus's home was interrupted");
            more = true;
        }
        running_here() = outer;
        const bool busy = more || dispatcher_.unfinished() >= much;
        if (home_.end(more)) {
            post_run();
        }
        return busy;
    }

    auto step_all(pace how) -> bool {
        const auto now = options_.now();
        for (worker* each = workers_.take(); each != nullptr;) {
            worker* next = each->inbox_next;
            dispatcher_.runs().worker_ready(*each);
            each = next;
        }
        deliver();
        publisher_.expire(now, [this](publish_op::waiter& who, std::error_code ec, receipt where) {
            who.complete(executor_, true, ec, std::move(where));
        });
        life_.step_before();
        const bool lives = !life_.over() || dispatcher_.unfinished() > 0;
        const bool brief = how == pace::brief;
        const bool more = lives && dispatcher_.run(now, brief);
        life_.step_after(now);
        if (ended_here_) {
            deliver();
        }
        if (brief && dispatcher_.left_by_brief()) {
            return true; // the run that follows sets the alarm, too
        }
        set_alarm(now);
        return more;
    }
    /// Tells whose publishes ended.
    void deliver() {
        ended_here_ = false;
        publisher_.deliver([this](publish_op::waiter& who, std::error_code ec, receipt where) {
            who.complete(executor_, true, ec, std::move(where));
        });
    }

    void set_alarm(clock::time_point now) {
        if (!alarm_) {
            return;
        }
        alarm_->rang(now);
        const auto due = (std::min)({dispatcher_.due(), publisher_.next_deadline(), life_.due()});
        alarm_->set(due, [self = weak_from_this()] {
            if (const auto core = self.lock()) {
                core->wake();
            }
        });
    }

    // --- the end

    void end_everything() noexcept {
        publisher_.connect(nullptr);
        life_.drop_waiters();
        dispatcher_.shut(); // dead letters under way are told below, and must not begin anything
        publisher_.drop_waiters();
        dispatcher_.context_gone();
        life_.drop_transport();
        alarm_.reset();
        executor_ = net::any_io_executor();
        options_.executor = net::any_io_executor();
    }

    home_word home_;
    std::atomic<bool> gone_{false};
    inbox<worker> workers_;
    dispatcher dispatcher_;
    lifecycle life_;
    std::optional<alarm> alarm_;
    // The home's own wakes, which need no atomic word.
    bool again_here_ = false;
    bool ended_here_ = false; ///< some publish, so `deliver` has something to do
};

} // namespace cobus::detail
