#pragma once

#include "../../log.hpp"
#include "../transport.hpp"
#include "broker_clocks.hpp"
#include "inquiry.hpp"
#include "link.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cobus::detail::kafka {

/// Where all clients of one transport report what they see of the cluster, from any of librdkafka's
/// threads. Outlives them; after `silence` nothing of the user's is reached from here.
class cluster_watch {
public:
    using clock = std::chrono::steady_clock;

    cluster_watch(logger log, std::size_t brokers, std::chrono::milliseconds decision,
                  std::string mechanism)
        : log_(std::move(log)), tracker_(brokers, decision), mechanism_(std::move(mechanism)) {}
    cluster_watch(const cluster_watch&) = delete;
    auto operator=(const cluster_watch&) -> cluster_watch& = delete;

    /// `changed` is woken at each change of the state, until `silence`.
    void start(waker& changed) {
        const std::lock_guard lock(guard_);
        changed_ = &changed;
        tracker_.started(clock::now());
    }
    void silence() noexcept {
        {
            const std::lock_guard lock(guard_);
            changed_ = nullptr;
        }
        const std::lock_guard lock(log_guard_);
        log_ = nullptr;
    }

    [[nodiscard]] auto state() const -> link_state {
        const std::lock_guard lock(guard_);
        return tracker_.state();
    }
    void log(log_level level, std::string_view text) noexcept {
        const std::lock_guard lock(log_guard_); // of its own: a logger may ask for the state
        write_log(log_, level, text);
    }

    /// A consumer's position was not there any more: there is no event for that but a line in
    /// librdkafka's log.
    void reset(std::string_view text) noexcept {
        resets_.fetch_add(1, std::memory_order_relaxed);
        try {
            log(log_level::warning,
                "consuming: a position that is not there any more, as after the topic's retention "
                "time: " +
                    std::string(text));
        } catch (...) { // no memory for a line
        }
    }
    [[nodiscard]] auto resets() const noexcept -> std::uint64_t {
        return resets_.load(std::memory_order_relaxed);
    }

    // Facts. Those of a client count from `made` to `gone`, although its threads run on for a
    // while.

    void made(const void* client) noexcept {
        change([&] { clients_.insert(client); });
    }
    void gone(const void* client) noexcept {
        change([&] {
            clients_.erase(client);
            tracker_.gone(client);
        });
    }

    void broker(const void* client, std::int32_t id, const char* name, int port,
                std::string_view phase) noexcept {
        change([&] {
            if (!clients_.contains(client)) {
                return;
            }
            const connection which{client, id, std::string(name) + ":" + std::to_string(port)};
            tracker_.broker(
                which, phase, clock::now(),
                clock::time_point(clock::duration(last_answer_.load(std::memory_order_relaxed))));
        });
    }
    void error(rd_kafka_resp_err_t code, std::string_view reason) noexcept {
        change([&] {
            if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
                tracker_.all_down();
                return;
            }
            const bool unsupported = reason.find("Unsupported SASL") != reason.npos;
            tracker_.error(
                publish_error(meaning_of(code, reason)),
                with_cure(std::string(reason.empty() ? rd_kafka_err2str(code) : reason),
                          to_be_cured(code, reason),
                          unsupported ? std::string_view() : std::string_view(mechanism_),
                          rd_kafka_version()));
        });
    }
    void fatal(rd_kafka_resp_err_t code, std::string_view reason) noexcept {
        change([&] { tracker_.fatal(code_of(code), std::string(reason)); });
    }
    [[nodiscard]] auto up() const noexcept -> bool { return up_.load(std::memory_order_relaxed); }
    /// Of single brokers.
    [[nodiscard]] auto brokers() noexcept -> broker_clocks& { return brokers_; }
    /// What was asked because a part of the cluster seems to be away.
    [[nodiscard]] auto questions() noexcept -> inquiry& { return *questions_; }
    /// Anybody answered anything within that time.
    [[nodiscard]] auto answers(clock::duration within, clock::time_point now) const noexcept
        -> bool {
        return now - clock::time_point(
                         clock::duration(last_answer_.load(std::memory_order_relaxed))) <
               within;
    }
    /// Called for each response: cheap while the link is up.
    void answered() noexcept {
        const auto now = clock::now();
        last_answer_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
        if (!up_.load(std::memory_order_relaxed)) {
            change([&] { tracker_.answered(now); });
        }
    }
    /// Looks what the time says; `waiting` is since when answers are due. Returns when to look
    /// again.
    auto tick(std::optional<clock::time_point> waiting) noexcept -> clock::time_point {
        const clock::time_point answer{
            clock::duration(last_answer_.load(std::memory_order_relaxed))};
        if (waiting) {
            waiting = (std::max)(*waiting, answer);
        }
        change([&] { tracker_.tick(waiting, clock::now()); });
        const std::lock_guard lock(guard_);
        return tracker_.due(waiting);
    }

private:
    template <class Fact>
    void change(Fact fact) noexcept {
        try {
            const std::lock_guard lock(guard_);
            const link before = tracker_.state().what;
            const std::error_code cause = tracker_.state().cause;
            fact();
            const link after = tracker_.state().what;
            up_.store(after == link::up, std::memory_order_relaxed);
            const bool news = before != after || cause != tracker_.state().cause;
            if (news && changed_ != nullptr) {
                changed_->wake(); // under the guard, so that `silence` waits for it
            }
        } catch (...) { // no memory for a text: the next fact tells
        }
    }

    broker_clocks brokers_;
    std::shared_ptr<inquiry> questions_ = std::make_shared<inquiry>();
    std::mutex log_guard_;
    logger log_;
    mutable std::mutex guard_;
    waker* changed_ = nullptr;
    link_tracker tracker_;
    std::set<const void*> clients_;
    std::string mechanism_;
    std::atomic<std::uint64_t> resets_{0};
    std::atomic<bool> up_{false};
    std::atomic<std::int64_t> last_answer_{0};
};

} // namespace cobus::detail::kafka
