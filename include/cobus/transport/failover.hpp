#pragma once

#include "../degrade/announce.hpp"
#include "../degrade/decision.hpp"
#include "../error.hpp"
#include "../log.hpp"
#include "failover/merged_stream.hpp"
#include "failover/route_keeper.hpp"
#include "failover/runtime.hpp"
#include "failover/spool_opening.hpp"
#include "failover/spooled_traffic.hpp"
#include "failover/traffic.hpp"
#include "transport.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

namespace cobus {

/// Kafka, with this process to fall back on while it is away. docs/degradation.md says what holds.
///
/// It asks `degrade::decision` whether Kafka is there and tells `failover_traffic`, which carries
/// the publishes; that, starting and stopping happen in `run`, one run at a time.
class failover final : public transport, private detail::failover_runtime::home {
public:
    using clock = std::chrono::steady_clock;

    failover(const transport_options& options, std::unique_ptr<transport> kafka,
             std::unique_ptr<transport> memory, bool required,
             std::unique_ptr<detail::failover_runtime> runtime)
        : options_(options),
          decision_({options.decision_time, damping, required}),
          runtime_(std::move(runtime)),
          memory_(std::move(memory)),
          kafka_(std::move(kafka)),
          traffic_(options, *runtime_, *kafka_, *memory_),
          spooled_(options_, *runtime_, *kafka_, *memory_) {
        for (step* each : {&kafka_started_, &memory_started_, &kafka_stopped_, &memory_stopped_}) {
            each->whole = this;
        }
        runtime_->open(*this);
    }
    failover(const transport_options& options, std::unique_ptr<transport> kafka,
             std::unique_ptr<transport> memory, bool required)
        : failover(options, std::move(kafka), std::move(memory), required,
                   std::make_unique<detail::executor_runtime>(options.executor, options.time)) {}
    ~failover() override {
        runtime_->close();
        kafka_.reset(); // while the rest still stands: it may complete what it has
        memory_.reset();
    }

    [[nodiscard]] auto name() const noexcept -> std::string_view override { return "failover"; }
    [[nodiscard]] auto wants_bytes() const noexcept -> bool override {
        return kafka_->wants_bytes();
    }
    [[nodiscard]] auto answers_later() const noexcept -> bool override {
        return all_to_kafka_.load(std::memory_order_relaxed) && kafka_->answers_later();
    }

    void start(waker& state_changed, operation& done) noexcept override {
        decision_.start(runtime_->now());
        shown_ = decision_.current();
        state_changed_ = &state_changed;
        start_done_ = &done;
        routes_ = kafka_->has_routes();
        traffic_.open();
        spooled_.open();
        memory_->start(inner_changed_, memory_started_);
        kafka_->start(inner_changed_, kafka_started_);
        if (options_.spool.file) {
            opening_.begin(options_.spool.file, [time = runtime_.get()] { time->wake(); });
        }
        started_.store(true, std::memory_order_release);
        runtime_->wake();
    }

    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken override {
        try {
            const taken how = spools(node.when_away) ? spooled_.publish(node, may_wait)
                                                     : traffic_.publish(node, may_wait);
            if (how == taken::pending && routes_ && keeper_.begins()) {
                runtime_->wake();
            }
            return how;
        } catch (const std::bad_alloc&) {
            node.ec = std::make_error_code(std::errc::not_enough_memory);
            return taken::done;
        }
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool override {
        return spools(node.when_away) ? spooled_.withdraw(node) : traffic_.withdraw(node);
    }

    [[nodiscard]] auto subscribe(const interest& wanted, waker& ready)
        -> std::unique_ptr<stream> override {
        auto both = std::make_unique<detail::merged_stream>(ready, traffic_.at(), &spooled_);
        auto kafka = kafka_->subscribe(wanted, both->kafka_ready());
        auto memory =
            memory_->subscribe(detail::merged_stream::in_process(wanted), both->memory_ready());
        both->open(std::move(kafka), std::move(memory));
        return both;
    }

    [[nodiscard]] auto state() const -> link_state override {
        const cobus::health now = health();
        switch (now.what) {
        case cobus::state::memory:
        case cobus::state::connected:
        case cobus::state::recovering:
            return {link::up, {}, {}};
        case cobus::state::connecting:
            return {link::connecting, {}, {}};
        case cobus::state::degraded:
            return {link::down, now.cause, now.why};
        case cobus::state::failed:
            break;
        }
        return {link::failed, now.cause, now.why};
    }
    [[nodiscard]] auto health() const -> cobus::health override {
        cobus::health now;
        {
            const std::lock_guard lock(shown_guard_);
            now = shown_;
        }
        now.kept = spooled_.summary();
        now.resets = kafka_->health().resets;
        return now;
    }

    /// What is held may still go to Kafka until `deadline`, if Kafka comes back; it is not
    /// delivered in process any more, because the streams are closed.
    void stop(clock::time_point deadline, operation& done) noexcept override {
        if (!started_.load(std::memory_order_acquire)) {
            done.completed(done);
            return;
        }
        traffic_.stop(deadline);
        spooled_.stop(deadline);
        {
            const std::lock_guard lock(stop_guard_);
            stop_deadline_ = deadline;
            stop_done_ = &done;
        }
        runtime_->wake();
    }

private:
    static constexpr std::chrono::seconds damping{1};
    static constexpr std::chrono::milliseconds writing_time{200};

    class inner_waker final : public waker {
    public:
        explicit inner_waker(failover& whole) noexcept : whole_(&whole) {}
        void wake() noexcept override { whole_->runtime_->wake(); }

    private:
        failover* whole_;
    };

    /// An operation of an inner transport's, whose end wakes the home.
    struct step final : operation {
        failover* whole = nullptr;
        std::atomic<bool> over{false};

        step() {
            completed = [](operation& self) noexcept {
                auto& me = static_cast<step&>(self);
                me.over.store(true, std::memory_order_release);
                me.whole->runtime_->wake();
            };
        }
        [[nodiscard]] auto is_over() const noexcept -> bool {
            return over.load(std::memory_order_acquire);
        }
    };

    // --- the home

    auto run(clock::time_point now) noexcept -> bool override {
        if (!started_.load(std::memory_order_acquire)) {
            return false;
        }
        if (!file_is_read()) {
            stop_step(now);
            return false;
        }
        bool more = false;
        try {
            observe(now);
        } catch (const std::bad_alloc&) { // for the words of it: look again
            more = true;
        }
        traffic_.expire(now);
        more = traffic_.flush() || more;
        more = spooled_.run(now) || more;
        try {
            show(now);
        } catch (const std::bad_alloc&) { // for the words of it: look again
            more = true;
        }
        stop_step(now);
        runtime_->ring_at(stop_begun_ ? written_by()
                                      : (std::min)({decision_.due(), traffic_.due(), spooled_.due(),
                                                    keeper_.due()}));
        return more;
    }

    /// Whether what an earlier process left is here, if it is to be kept in a file. Without the
    /// file the bus does not start.
    [[nodiscard]] auto file_is_read() noexcept -> bool try {
        if (!opening_.begun()) {
            return !file_failed_;
        }
        const auto all = opening_.take();
        if (all == nullptr) {
            return false;
        }
        if (!all->ec) {
            spooled_.restore(std::move(all->file), all->next, std::move(all->rows));
            return true;
        }
        file_failed_ = true;
        {
            const std::lock_guard lock(shown_guard_);
            shown_.what = cobus::state::failed;
            shown_.since = runtime_->now();
            shown_.cause = all->ec;
            shown_.why = all->problem;
        }
        end(start_done_, all->ec);
        return false;
    } catch (...) { // no memory
        return false;
    }

    void observe(clock::time_point now) {
        link_state seen = kafka_->state();
        if (kafka_started_.is_over() && kafka_started_.ec && seen.what != link::up) {
            seen.what = link::failed;
            seen.cause = kafka_started_.ec;
        }
        const bool changed = decision_.update(seen, now);
        const cobus::health& after = decision_.current();
        changed_routes_ =
            keeper_.run(now, after.what == cobus::state::connected) || changed_routes_;
        if (changed) {
            stayed_ += traffic_.gate(after);
            spooled_.gate(after);
            show(now);
        }
        all_to_kafka_.store(after.what == cobus::state::connected && !keeper_.any(),
                            std::memory_order_relaxed);
        if (start_done_ != nullptr && after.what != cobus::state::connecting &&
            memory_started_.is_over()) {
            end(start_done_, after.what == cobus::state::failed ? after.cause : memory_started_.ec);
        }
    }

    /// Tells of the state if it is another one, or has other routes: while Kafka gets what was kept
    /// for it, the bus is not yet as it was.
    void show(clock::time_point now) {
        cobus::health next = decision_.current();
        if (next.what == cobus::state::connected && keeper_.any()) {
            keeper_.worst(next);
        } else if (next.what == cobus::state::connected && spooled_.recovering()) {
            next.what = cobus::state::recovering;
        }
        const cobus::health before = shown();
        if (next.what == before.what && !changed_routes_) {
            return;
        }
        changed_routes_ = false;
        if (next.what == before.what && next.routes.empty() == before.routes.empty()) {
            const std::lock_guard lock(shown_guard_);
            shown_.routes = std::move(next.routes); // some more, or some less
            return;
        }
        if (next.what != cobus::state::degraded &&
            (before.what == cobus::state::recovering || !before.routes.empty())) {
            next.since = now;
        }
        next.kept = spooled_.summary();
        stayed_ += traffic_.take_stayed();
        const degrade::announcement line =
            degrade::announce(before, next, options_, std::exchange(stayed_, 0));
        {
            const std::lock_guard lock(shown_guard_);
            shown_ = std::move(next);
        }
        detail::write_log(options_.log, line.level, line.text);
        state_changed_->wake();
    }
    [[nodiscard]] auto shown() const -> cobus::health {
        const std::lock_guard lock(shown_guard_);
        return shown_;
    }

    /// When stopping waits no longer for the spool's file.
    [[nodiscard]] auto written_by() -> clock::time_point {
        const std::lock_guard lock(stop_guard_);
        return stop_done_ != nullptr && !spooled_.written() ? stop_deadline_ + writing_time
                                                            : (clock::time_point::max)();
    }
    void stop_step(clock::time_point now) noexcept {
        clock::time_point deadline;
        {
            const std::lock_guard lock(stop_guard_);
            if (stop_done_ == nullptr) {
                return;
            }
            deadline = stop_deadline_;
        }
        if (!stop_begun_ &&
            (deadline <= now || (traffic_.nothing_waits() && spooled_.nothing_waits()))) {
            stop_begun_ = true;
            kafka_->stop(deadline, kafka_stopped_);
            memory_->stop(deadline, memory_stopped_);
        }
        const bool written = spooled_.written() || now >= deadline + writing_time;
        if (stop_begun_ && kafka_stopped_.is_over() && memory_stopped_.is_over() && written) {
            end(start_done_, errc::closed);
            tell_left();
            end(stop_done_, kafka_stopped_.ec ? kafka_stopped_.ec : memory_stopped_.ec);
        }
    }

    /// One line, if Kafka did not get everything.
    void tell_left() noexcept try {
        const spooled left = spooled_.summary();
        if (left.messages > 0) {
            detail::write_log(options_.log, log_level::warning,
                              "stopped before Kafka had " + degrade::events(left.messages) +
                                  (left.durable ? ": kept in the spool's file"
                                   : options_.spool.file
                                       ? ": the spool's file does not have all of them"
                                       : ": lost, because they were kept in memory"));
        }
    } catch (...) { // no memory for a line
    }
    static void end(operation*& which, std::error_code ec) noexcept {
        if (operation* const done = std::exchange(which, nullptr)) {
            done->ec = ec;
            done->completed(*done);
        }
    }

    const transport_options options_;
    degrade::decision decision_; // of the home, as what has no guard
    waker* state_changed_ = nullptr;
    operation* start_done_ = nullptr;
    std::atomic<bool> started_{false};
    bool stop_begun_ = false;
    bool file_failed_ = false;

    std::mutex stop_guard_;
    clock::time_point stop_deadline_;
    operation* stop_done_ = nullptr;

    std::unique_ptr<detail::failover_runtime> runtime_;
    inner_waker inner_changed_{*this};
    step kafka_started_, memory_started_, kafka_stopped_, memory_stopped_;
    std::unique_ptr<transport> memory_;
    std::unique_ptr<transport> kafka_;
    detail::failover_traffic traffic_;
    mutable detail::spooled_traffic spooled_;
    detail::spool_opening opening_;
    detail::route_keeper keeper_{*kafka_, spooled_.routes(), traffic_.routes(), damping};
    bool routes_ = false;
    bool changed_routes_ = false;
    std::atomic<bool> all_to_kafka_{false}; ///< else some are answered, or refused, in process
    std::uint64_t stayed_ = 0;              ///< in process, in the state that is shown

    mutable std::mutex shown_guard_;
    cobus::health shown_;
};

/// A transport that goes over what `kafka` makes, and falls back on what `memory` makes.
[[nodiscard]] inline auto with_fallback(transport_factory kafka, transport_factory memory,
                                        bool required) -> transport_factory {
    return [kafka = std::move(kafka), memory = std::move(memory),
            required](const transport_options& options) -> std::unique_ptr<transport> {
        transport_options behind = options;
        behind.spool_behind = true;
        return std::make_unique<failover>(options, kafka(behind), memory(options), required);
    };
}

} // namespace cobus
