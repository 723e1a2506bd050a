#pragma once

#include "sender.hpp"
#include "serial_post.hpp"
#include "silence.hpp"
#include "stop_request.hpp"
#include "under_way.hpp"
#include "waiting_line.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace cobus::detail::kafka {

/// The producing half of the transport: publishes, delivery reports, suspended publishers, and the
/// end of them all. Also carries out what the watch decides, because it lives on the executor.
class producer final : public serial_post {
public:
    using clock = std::chrono::steady_clock;

    producer(const transport_options& options, std::shared_ptr<cluster_watch> watch, conf_ptr conf)
        : serial_post(options.executor),
          most_(options.queue_messages),
          watch_(std::move(watch)),
          lingering_(property(conf.get(), "linger.ms") != "0"),
          sender_(options, watch_, std::move(conf), under_way_, *this),
          alarm_(std::make_shared<alarm>(options.executor, *this)),
          silence_(*watch_) {}

    /// From now on events are served, and `done` is told when the state is decided.
    void open(waker& state_changed, operation& done) {
        state_changed_ = &state_changed;
        started_ = &done;
        watch_->start(*this);
        sender_.open();
        wake();
    }

    /// Nothing of the outside is reached after this.
    void silence() noexcept {
        close(); // first, because a run may put another session in the place of this one
        sender_.silence();
        alarm_.silence();
    }

    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken {
        const under_way::entry how = under_way_.enter();
        if (how == under_way::entry::refused) {
            node.ec = errc::closed;
            leave(false);
            return taken::done;
        }
        if (how == under_way::entry::first) {
            silence_.begins();
        }
        taken what = line_.empty() && !sender_.busy() ? sender_.send(node) : taken::full;
        if (what == taken::full && (may_wait || waits_for_transaction())) {
            line_.push(node);
            what = taken::pending;
            wake(); // room may have come before the node was in line
        }
        leave(what == taken::pending);
        if (what == taken::pending && (silence_.needs_look() || sender_.transactional())) {
            wake();
        }
        return what;
    }

    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool {
        if (!line_.remove(node)) {
            return false;
        }
        left(1);
        return true;
    }

    void stop(clock::time_point deadline, operation& done) noexcept {
        stop_.ask(deadline, done);
        under_way_.close();
        wake();
    }

    /// Makes the topic if it is missing and that is wanted.
    void create(const std::string* topic) { sender_.create(topic); }

    /// For how long the cluster has not answered what a transaction asks of it.
    [[nodiscard]] auto transaction_waits(clock::time_point now) const noexcept -> clock::duration {
        return sender_.transaction_waits(now);
    }

private:
    /// Between two transactions a client takes nothing, which is no want of room.
    [[nodiscard]] auto waits_for_transaction() const noexcept -> bool {
        return sender_.transactional() && under_way_.nodes() <= most_;
    }

    auto drain() noexcept -> bool override {
        const bool more = sender_.serve_events();
        const clock::time_point settled = sender_.settle();
        if (!sender_.busy()) {
            line_.serve([this](publish_node& node) { return sender_.send(node); },
                        [this](publish_node& node) { sender_.ended(node); });
        }
        if (silence_.look(under_way_, clock::now(), alarm_)) {
            wake();
        }
        alarm_.at(settled);
        alarm_.at(sender_.commit());
        sender_.ask();
        tell_state();
        finish_stop();
        alarm_.set();
        return more;
    }

    /// Tells who waits for the start, and who follows the state.
    void tell_state() noexcept {
        const link_state now = watch_->state();
        if ((now.what == told_.what && now.cause == told_.cause) || state_changed_ == nullptr) {
            return;
        }
        told_ = now;
        if (now.what == link::up) {
            sender_.connected();
        }
        state_changed_->wake();
        if (operation* done = std::exchange(started_, nullptr)) {
            done->completed(*done);
        }
    }

    /// Nodes ended; the last one ends the stop.
    void left(std::uint64_t count) noexcept {
        if (under_way_.drop(count)) {
            wake();
        }
    }
    void leave(bool node_stays) noexcept {
        if (under_way_.leave(node_stays)) {
            wake();
        }
    }
    void finish_stop() noexcept {
        const auto deadline = stop_.deadline();
        if (!deadline) {
            return;
        }
        const auto now = clock::now();
        if (under_way_.over()) {
            alarm_.silence();
            operation* const done = stop_.take();
            if (operation* start = std::exchange(started_, nullptr)) {
                start->ec = errc::closed;
                start->completed(*start);
            }
            done->completed(*done);
        } else if (now >= *deadline) {
            give_up();
        } else {
            alarm_.at((std::min)(*deadline, lingering_.send(sender_.client_of(), now)));
        }
    }
    /// Everything that is left fails now; the reports tell what may have been sent.
    void give_up() noexcept {
        line_.serve(
            [](publish_node& node) {
                node.ec = errc::timed_out;
                return taken::done;
            },
            [this](publish_node& node) { sender_.ended(node); });
        sender_.give_up();
        alarm_.at(clock::now() + std::chrono::milliseconds(100));
    }

    std::size_t most_; ///< publishes under way
    std::shared_ptr<cluster_watch> watch_;
    lingering lingering_;
    under_way under_way_;
    sender sender_;
    waiting_line line_;
    due_alarm alarm_;
    silence_watch silence_;
    waker* state_changed_ = nullptr;
    operation* started_ = nullptr;
    link_state told_;
    stop_request stop_;
};

} // namespace cobus::detail::kafka
