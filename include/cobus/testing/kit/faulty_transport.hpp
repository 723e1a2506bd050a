#pragma once

#include "../../detail/alarm.hpp"
#include "../../error.hpp"
#include "../../transport/transport.hpp"
#include "../faults.hpp"
#include "faulty_stream.hpp"
#include "lossy_stream.hpp"
#include "relay.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::testing::detail {

/// The way to a transport on which a script's faults lie in wait. What is kept back stands in one
/// line; of one key nothing overtakes, unless the script says so. Every call from any thread.
class faulty_way final : public connection_listener,
                         public std::enable_shared_from_this<faulty_way> {
public:
    using clock = std::chrono::steady_clock;

    faulty_way(std::unique_ptr<transport> inner, fault_script script, transport_options how,
               bool remote)
        : script_(std::move(script)),
          how_(std::move(how)),
          remote_(remote),
          relays_([this](publish_node& outer, std::size_t fault) { answered(outer, fault); }),
          alarm_(how_.executor, how_.time),
          inner_(std::move(inner)) {}

    [[nodiscard]] auto inner() const noexcept -> transport& { return *inner_; }
    [[nodiscard]] auto script() const noexcept -> const fault_script& { return script_; }

    void start(waker& state_changed, operation& done) {
        script_.listen(shared_from_this());
        {
            const std::lock_guard lock(guard_);
            changed_ = &state_changed;
        }
        inner_->start(state_changed, done);
    }
    [[nodiscard]] auto publish(publish_node& node, bool may_wait) -> taken {
        const publish_fault fault = script_.for_publish(*node.content);
        if (fault.fail) {
            node.ec = fault.fail;
            return taken::done;
        }
        if (keep_back(node, fault)) {
            release();
            return taken::pending;
        }
        return relays_.send(*inner_, node, may_wait, fault.lose_answer ? lost : none);
    }
    [[nodiscard]] auto withdraw(publish_node& node) -> bool {
        {
            const std::lock_guard lock(guard_);
            const auto found = find(node);
            if (found != line_.end() && !found->sending) {
                const auto copy = std::next(found);
                const bool twice = copy != line_.end() && copy->copy_of == &node;
                script_.keep(twice ? -2 : -1);
                line_.erase(found, twice ? std::next(copy) : copy);
                return true;
            }
        }
        return relays_.withdraw(*inner_, node).has_value();
    }
    [[nodiscard]] auto subscribe(const interest& wanted, waker& ready) -> std::unique_ptr<stream> {
        auto members = std::make_unique<lossy_stream>(
            [inner = inner_.get(), &ready](const interest& what) {
                return inner->subscribe(what, ready);
            },
            wanted, script_);
        return std::make_unique<faulty_stream>(std::move(members), script_, how_, remote_, ready);
    }
    [[nodiscard]] auto state() const -> link_state {
        if (script_.connected()) {
            return inner_->state();
        }
        return {link::down, make_error_code(errc::unavailable), "a test dropped the connection"};
    }
    /// What is kept back goes at once, if the connection is there by the deadline.
    void stop(clock::time_point deadline, operation& done) {
        {
            const std::lock_guard lock(guard_);
            stopping_ = &done;
            deadline_ = deadline;
            for (held& each : line_) {
                each.due = (std::min)(each.due, how_.now());
            }
        }
        release();
    }
    /// Nobody is woken, and nothing sent, any more.
    void close() {
        const std::lock_guard lock(guard_);
        changed_ = nullptr;
        closed_ = true;
        alarm_.cancel();
        script_.keep(-static_cast<std::ptrdiff_t>(line_.size()));
        line_.clear();
    }

    void connection_changed() noexcept override {
        {
            const std::lock_guard lock(guard_);
            if (changed_ != nullptr) {
                changed_->wake();
            }
        }
        release();
    }

private:
    static constexpr std::size_t none = 0;
    static constexpr std::size_t lost = 1; ///< the answer, of a relay with this tag

    struct held {
        publish_node* node;
        publish_node* copy_of; ///< null for a publisher's own
        clock::time_point due;
        std::string lane; ///< empty: no order
        bool overtake;
        bool lose_answer;
        bool sending = false; ///< still in the line, so that nothing overtakes it meanwhile
    };
    using line = std::list<held>;

    [[nodiscard]] static auto lane_of(const message& content) -> std::string {
        const auto key = content.key();
        return key ? std::string(content.topic()).append("/").append(*key) : std::string();
    }
    [[nodiscard]] auto find(const publish_node& node) -> line::iterator {
        return std::find_if(line_.begin(), line_.end(),
                            [&node](const held& each) { return each.node == &node; });
    }
    /// Whether something of that lane stands before `end`.
    [[nodiscard]] auto blocked(const std::string& lane, line::iterator end) -> bool {
        return !lane.empty() && std::any_of(line_.begin(), end, [&lane](const held& each) {
            return each.lane == lane;
        });
    }
    /// Puts it into the line if it cannot go now.
    [[nodiscard]] auto keep_back(publish_node& node, const publish_fault& fault) -> bool {
        const std::lock_guard lock(guard_);
        const std::string lane = lane_of(*node.content);
        const bool behind = !fault.overtake && blocked(lane, line_.end());
        if (!behind && fault.delay.count() == 0 && !fault.duplicate && script_.connected()) {
            return false;
        }
        const auto due = how_.now() + fault.delay;
        line_.push_back({&node, nullptr, due, lane, fault.overtake, fault.lose_answer});
        script_.keep(1);
        if (fault.duplicate) {
            line_.push_back({&copy(node), &node, due, lane, fault.overtake, false});
            script_.keep(1);
        }
        return true;
    }
    /// A second publish of the same message. Both read an original that is kept.
    [[nodiscard]] auto copy(publish_node& node) -> publish_node& {
        originals_.push_back(std::move(node.content));
        const auto read_again = [this] {
            message_ptr made = cobus::make_message();
            made->borrow(*originals_.back(), originals_.back()->published());
            return made;
        };
        node.content = read_again();
        publish_node& second = copies_.emplace_back();
        second.content = read_again();
        second.content->observe(nullptr, 0);
        second.partition = node.partition;
        second.when_away = node.when_away;
        second.completed = [](publish_node& /*nobody waits*/) noexcept {};
        return second;
    }
    void answered(publish_node& outer, std::size_t fault) const {
        if (outer.ec) {
            return;
        }
        if (fault == lost) {
            outer.ec = errc::maybe_sent;
        } else if (remote_) {
            outer.where.way(path::kafka, true);
        }
    }

    /// The next that may go now; else the alarm is set for the one after.
    [[nodiscard]] auto next(clock::time_point now) -> held* {
        auto soonest = (clock::time_point::max)();
        for (auto each = line_.begin(); each != line_.end(); ++each) {
            if (each->sending || (!each->overtake && blocked(each->lane, each))) {
                continue;
            }
            if (each->due <= now) {
                each->sending = true;
                return &*each;
            }
            soonest = (std::min)(soonest, each->due);
        }
        ring_at(soonest);
        return nullptr;
    }
    void ring_at(clock::time_point when) {
        alarm_.rang(how_.now());
        alarm_.set(when, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->release();
            }
        });
    }
    /// Sends what may go. Not under the lock.
    // Without memory a test may end. NOLINTNEXTLINE(bugprone-exception-escape)
    void release() noexcept {
        for (;;) {
            publish_node* node = nullptr;
            std::size_t fault = none;
            {
                const std::lock_guard lock(guard_);
                if (closed_) {
                    return;
                }
                held* found = script_.connected() ? next(how_.now()) : nullptr;
                if (found == nullptr) {
                    break;
                }
                node = found->node;
                fault = found->lose_answer ? lost : none;
            }
            const taken how = relays_.send(*inner_, *node, true, fault);
            {
                const std::lock_guard lock(guard_);
                line_.erase(find(*node));
                script_.keep(-1);
            }
            if (how == taken::done) {
                node->completed(*node);
            }
        }
        end_step();
    }
    /// Goes on with stopping when the line is empty, or its time is over.
    void end_step() {
        operation* done = nullptr;
        std::vector<publish_node*> late;
        {
            const std::lock_guard lock(guard_);
            if (stopping_ == nullptr) {
                return;
            }
            if (!line_.empty() && how_.now() < deadline_) {
                ring_at(deadline_);
                return;
            }
            for (const held& each : line_) {
                late.push_back(each.node);
            }
            script_.keep(-static_cast<std::ptrdiff_t>(line_.size()));
            line_.clear();
            done = std::exchange(stopping_, nullptr);
        }
        for (publish_node* each : late) {
            each->ec = errc::timed_out;
            each->completed(*each);
        }
        inner_->stop(deadline_, *done);
    }

    fault_script script_;
    transport_options how_;
    bool remote_;
    std::mutex guard_;
    waker* changed_ = nullptr;
    operation* stopping_ = nullptr;
    clock::time_point deadline_{};
    bool closed_ = false;
    line line_;
    std::list<publish_node> copies_;
    std::vector<message_ptr> originals_;
    relays relays_;
    cobus::detail::alarm alarm_;
    std::unique_ptr<transport> inner_; ///< goes first
};

/// A transport with a script of faults before it.
class faulty_transport final : public transport {
public:
    faulty_transport(std::unique_ptr<transport> inner, fault_script script,
                     const transport_options& how, bool remote)
        : way_(std::make_shared<faulty_way>(std::move(inner), std::move(script), how, remote)),
          remote_(remote) {}
    // As above. NOLINTNEXTLINE(bugprone-exception-escape)
    ~faulty_transport() override { way_->close(); }

    [[nodiscard]] auto name() const noexcept -> std::string_view override {
        return way_->inner().name();
    }
    [[nodiscard]] auto wants_bytes() const noexcept -> bool override {
        return remote_ || way_->inner().wants_bytes();
    }
    [[nodiscard]] auto in_process() const noexcept -> bool override {
        return !remote_ && way_->inner().in_process();
    }
    void start(waker& state_changed, operation& done) noexcept override {
        way_->start(state_changed, done);
    }
    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken override {
        return way_->publish(node, may_wait);
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool override {
        return way_->withdraw(node);
    }
    [[nodiscard]] auto subscribe(const interest& wanted, waker& ready)
        -> std::unique_ptr<stream> override {
        return way_->subscribe(wanted, ready);
    }
    [[nodiscard]] auto state() const -> link_state override { return way_->state(); }
    [[nodiscard]] auto health() const -> cobus::health override {
        return way_->script().connected() ? way_->inner().health() : transport::health();
    }
    void stop(std::chrono::steady_clock::time_point deadline, operation& done) noexcept override {
        way_->stop(deadline, done);
    }

private:
    std::shared_ptr<faulty_way> way_;
    bool remote_;
};

} // namespace cobus::testing::detail
