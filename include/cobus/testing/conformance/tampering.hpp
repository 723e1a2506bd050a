#pragma once

#include "../../error.hpp"
#include "../../transport/transport.hpp"
#include "../kit/forwarding_stream.hpp"
#include "pulse.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace cobus::testing {

/// Stands between a bus and its transport, refuses what a case says, and watches whether commits
/// belong to what is assigned. Lives as long as the case. Any thread.
class tampering {
public:
    explicit tampering(pulse& changed) noexcept : changed_(&changed) {}

    /// The same transports, with this before them.
    [[nodiscard]] auto with(transport_factory make) -> transport_factory;

    /// Publishes to this topic are refused, until `accept`.
    void refuse(std::string topic) {
        const std::lock_guard lock(guard_);
        refused_topic_ = std::move(topic);
    }
    void accept() { refuse(std::string()); }
    [[nodiscard]] auto refused() const -> std::size_t { return get(refused_); }

    /// The next commits fail and are not passed on.
    void refuse_commits(std::size_t count) {
        const std::lock_guard lock(guard_);
        commits_to_refuse_ = count;
    }
    [[nodiscard]] auto refused_commits() const -> std::size_t { return get(refused_commits_); }

    /// The next partitions that are to go are told to be gone already.
    void lose_next() {
        const std::lock_guard lock(guard_);
        losing_ = true;
    }

    [[nodiscard]] auto assigned() const -> std::size_t { return get(assigned_); }
    [[nodiscard]] auto revoked() const -> std::size_t { return get(revoked_); }
    [[nodiscard]] auto lost() const -> std::size_t { return get(lost_); }
    /// Positions that were committed for partitions, or by assignments, that were over by then.
    [[nodiscard]] auto stray_commits() const -> std::size_t { return get(stray_); }

private:
    friend class tampered_stream;
    friend class tampered_transport;
    using key = std::pair<const stream*, topic_partition>;

    [[nodiscard]] auto get(const std::size_t& count) const -> std::size_t {
        const std::lock_guard lock(guard_);
        return count;
    }
    [[nodiscard]] auto refuses(std::string_view topic) -> bool {
        {
            const std::lock_guard lock(guard_);
            if (refused_topic_.empty() || topic != refused_topic_) {
                return false;
            }
            ++refused_;
        }
        changed_->set();
        return true;
    }
    void told(const stream* by, polled& what) {
        {
            const std::lock_guard lock(guard_);
            if (what.what == signal::assigned) {
                ++assigned_;
                for (const topic_partition& each : what.partitions) {
                    epochs_[key(by, each)] = what.epoch;
                }
            } else if (what.what == signal::revoked && std::exchange(losing_, false)) {
                what.what = signal::lost;
            }
            revoked_ += what.what == signal::revoked ? 1U : 0U;
            if (what.what == signal::lost) {
                ++lost_;
                for (const topic_partition& each : what.partitions) {
                    epochs_.erase(key(by, each));
                }
            }
        }
        changed_->set();
    }
    /// True: the commit is refused.
    [[nodiscard]] auto committing(const stream* by, std::span<const position> positions,
                                  std::uint32_t epoch) -> bool {
        {
            const std::lock_guard lock(guard_);
            for (const position& each : positions) {
                const auto found = epochs_.find(key(by, each.where));
                stray_ += found == epochs_.end() || found->second != epoch ? 1U : 0U;
            }
            if (commits_to_refuse_ == 0) {
                return false;
            }
            --commits_to_refuse_;
            ++refused_commits_;
        }
        changed_->set();
        return true;
    }

    pulse* changed_;
    mutable std::mutex guard_;
    std::string refused_topic_;
    std::map<key, std::uint32_t> epochs_;
    std::size_t refused_ = 0;
    std::size_t commits_to_refuse_ = 0;
    std::size_t refused_commits_ = 0;
    std::size_t assigned_ = 0;
    std::size_t revoked_ = 0;
    std::size_t lost_ = 0;
    std::size_t stray_ = 0;
    bool losing_ = false;
};

class tampered_stream final : public detail::forwarding_stream {
public:
    tampered_stream(std::unique_ptr<stream> inner, tampering& by) noexcept
        : forwarding_stream(std::move(inner)), by_(&by) {}

    auto poll(std::span<delivery> room) noexcept -> polled override {
        polled got = inner().poll(room);
        if (got.what != signal::none && got.what != signal::messages) {
            by_->told(this, got);
        }
        return got;
    }
    void commit(std::span<const position> positions, std::uint32_t epoch,
                operation& done) noexcept override {
        if (by_->committing(this, positions, epoch)) {
            done.ec = make_error_code(errc::unavailable);
            done.completed(done);
            return;
        }
        inner().commit(positions, epoch, done);
    }

private:
    tampering* by_;
};

class tampered_transport final : public transport {
public:
    tampered_transport(std::unique_ptr<transport> inner, tampering& by) noexcept
        : inner_(std::move(inner)), by_(&by) {}

    [[nodiscard]] auto name() const noexcept -> std::string_view override { return inner_->name(); }
    [[nodiscard]] auto wants_bytes() const noexcept -> bool override {
        return inner_->wants_bytes();
    }
    [[nodiscard]] auto in_process() const noexcept -> bool override { return inner_->in_process(); }
    void start(waker& state_changed, operation& done) noexcept override {
        inner_->start(state_changed, done);
    }
    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken override {
        if (by_->refuses(node.content->topic())) {
            node.ec = make_error_code(errc::not_authorized);
            return taken::done;
        }
        return inner_->publish(node, may_wait);
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool override {
        return inner_->withdraw(node);
    }
    [[nodiscard]] auto subscribe(const interest& wanted, waker& ready)
        -> std::unique_ptr<stream> override {
        return std::make_unique<tampered_stream>(inner_->subscribe(wanted, ready), *by_);
    }
    [[nodiscard]] auto state() const -> link_state override { return inner_->state(); }
    [[nodiscard]] auto health() const -> cobus::health override { return inner_->health(); }
    void stop(std::chrono::steady_clock::time_point deadline, operation& done) noexcept override {
        inner_->stop(deadline, done);
    }

private:
    std::unique_ptr<transport> inner_;
    tampering* by_;
};

inline auto tampering::with(transport_factory make) -> transport_factory {
    return [this, make = std::move(make)](const transport_options& options) {
        return std::unique_ptr<transport>(
            std::make_unique<tampered_transport>(make(options), *this));
    };
}

} // namespace cobus::testing
