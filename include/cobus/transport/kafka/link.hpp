#pragma once

#include "../transport.hpp"
#include "error.hpp"

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cobus::detail::kafka {

/// One of librdkafka's connections: a client's to a broker, whose number is −1 until it is learned.
struct connection {
    const void* client = nullptr;
    std::int32_t id = -1;
    std::string name;

    friend auto operator<=>(const connection&, const connection&) = default;
};

/// Decides from what librdkafka tells whether the cluster answers. Pure: is handed facts and `now`.
///
/// Up: a broker finished its handshake, or something was answered. Down: every known broker
/// refused, or an answer is due and nothing came for the decision time. A connection that was
/// closed, as an idle one is, says nothing: the attempt to open it again does.
class link_tracker {
public:
    using clock = std::chrono::steady_clock;

    link_tracker(std::size_t brokers, std::chrono::milliseconds decision) noexcept
        : configured_(brokers), decision_(decision) {}

    [[nodiscard]] auto state() const noexcept -> const link_state& { return state_; }

    void started(clock::time_point now) noexcept { decide_by_ = now + decision_; }

    /// A connection reached a phase, by librdkafka's name for it. `replied`: when a request was
    /// answered last.
    void broker(const connection& which, std::string_view told, clock::time_point now,
                clock::time_point replied = (clock::time_point::max)()) {
        if (told == "UPDATE") {
            learned(which);
            phases_[which] = phase::up;
            answered(now);
        } else if (told == "UP") {
            phases_[which] = phase::up;
            up_since_[which] = now;
            if (hung_up_.empty()) {
                answered(now);
            }
        } else if (told == "DOWN") {
            phase& last = phases_[which];
            const bool was_up = last == phase::up;
            last = was_up && replied >= up_since_[which] ? phase::closed : phase::refused;
            if (was_up && last == phase::refused) {
                hung_up(which);
            } else if (!was_up) {
                hung_up_.erase(which); // there is nobody that could want anything
            }
            refused(now);
        } else {
            phases_.try_emplace(which, phase::closed);
        }
    }

    /// An error event: the cause, should it come to that. `detail` says it in words.
    void error(std::error_code cause, std::string detail) {
        fresh_cause_ = true;
        if (!unwanted_) {
            cause_ = cause;
            detail_ = std::move(detail);
        }
        if (all_refused()) {
            down();
        }
    }

    /// librdkafka says that no broker is left. Some builds never say it; old ones also when an idle
    /// connection was closed.
    void all_down() {
        if (!any(phase::up) && any(phase::refused)) {
            down();
        }
    }

    /// A request was answered.
    void answered(clock::time_point now) {
        last_answer_ = now;
        fresh_cause_ = false;
        hung_up_.clear();
        unwanted_ = false;
        decide_soon_.reset();
        lost_by_.reset();
        for (auto& [which, last] : phases_) {
            last = last == phase::refused ? phase::closed : last;
        }
        if (state_.what != link::failed) {
            state_ = link_state{link::up, {}, {}};
        }
    }

    /// A client is being destroyed: its connections say nothing more.
    void gone(const void* client) {
        const auto its = [client](const auto& each) { return each.first.client == client; };
        std::erase_if(phases_, its);
        std::erase_if(up_since_, its);
        std::erase_if(hung_up_, its);
    }

    /// The client is beyond repair.
    void fatal(std::error_code cause, std::string detail) {
        state_ = link_state{link::failed, cause, std::move(detail)};
    }

    /// Time passed. `waiting` says since when answers are due.
    void tick(std::optional<clock::time_point> waiting, clock::time_point now) {
        if (now < due(waiting)) {
            return;
        }
        if (!decide_soon_ && !lost_by_ && !fresh_cause_) {
            cause_ = code_of(RD_KAFKA_RESP_ERR__TIMED_OUT);
            detail_ = with_cure("no answer within " + std::to_string(decision_.count()) + " ms",
                                RD_KAFKA_RESP_ERR__TIMED_OUT);
        }
        down();
    }
    /// When `tick` decides if nothing happens before; far away when there is nothing to decide.
    [[nodiscard]] auto due(std::optional<clock::time_point> waiting) const noexcept
        -> clock::time_point {
        if (state_.what != link::up && state_.what != link::connecting) {
            return (clock::time_point::max)();
        }
        clock::time_point next = decide_soon_.value_or((clock::time_point::max)());
        if (lost_by_) {
            next = (std::min)(next, *lost_by_);
        }
        if (state_.what == link::connecting) {
            next = (std::min)(next, decide_by_);
        } else if (waiting) {
            next = (std::min)(next, (std::max)(*waiting, last_answer_) + decision_);
        }
        return next;
    }

private:
    enum class phase : unsigned char { closed, up, refused };
    static constexpr std::chrono::milliseconds cause_follows{250};

    static constexpr unsigned for_good = 2;

    /// A broker shook hands and closed the connection at the first request, as one does that wants
    /// credentials and gets none. One that is stopping does so once, and then refuses to connect.
    void hung_up(const connection& which) {
        if (++hung_up_[which] >= for_good) {
            unwanted_ = true;
            fresh_cause_ = true;
            cause_ = errc::not_authorized;
            detail_ = "the broker answers no request and closes the connection; check "
                      "security.protocol: it may want SASL";
        }
    }
    [[nodiscard]] auto any(phase wanted) const noexcept -> bool {
        return std::ranges::any_of(phases_,
                                   [wanted](const auto& each) { return each.second == wanted; });
    }
    /// No connection stands, and one client was refused by every broker that it knows.
    [[nodiscard]] auto all_refused() const noexcept -> bool {
        if (phases_.empty() || any(phase::up)) {
            return false;
        }
        for (auto each = phases_.begin(); each != phases_.end();) {
            const void* client = each->first.client;
            std::size_t known = 0;
            std::size_t refused = 0;
            for (; each != phases_.end() && each->first.client == client; ++each) {
                ++known;
                refused += static_cast<std::size_t>(each->second == phase::refused);
            }
            if (refused == known && known >= configured_) {
                return true;
            }
        }
        return false;
    }
    /// The cause comes as an event of its own, a little later; a repeated one is suppressed. A
    /// client with nothing to send tries its brokers one by one, each second another: then time
    /// decides.
    void refused(clock::time_point now) {
        if (!lost_by_ && !any(phase::up)) {
            lost_by_ = now + decision_;
        }
        if (!all_refused()) {
            return;
        }
        if (fresh_cause_) {
            down();
        } else if (!decide_soon_) {
            decide_soon_ = now + cause_follows;
        }
    }
    /// A broker of the bootstrap list got its number, and perhaps another name.
    void learned(const connection& which) {
        auto former = phases_.find(connection{which.client, -1, which.name});
        if (former == phases_.end()) {
            former = std::ranges::find_if(phases_, [&which](const auto& each) {
                return each.first.client == which.client && each.first.id == -1 &&
                       each.second == phase::up;
            });
        }
        if (former != phases_.end()) {
            phases_.erase(former);
            configured_ = 0; // from here on what librdkafka knows counts
        }
    }
    void down() {
        decide_soon_.reset();
        lost_by_.reset();
        // Back, but refusing: no outage any more.
        const bool refused = cause_ == condition::permanent && state_.cause != cause_;
        if (state_.what != link::failed && (state_.what != link::down || refused)) {
            state_ = link_state{link::down, cause_, detail_};
        }
    }

    std::size_t configured_;
    std::chrono::milliseconds decision_;
    link_state state_;
    clock::time_point decide_by_ = (clock::time_point::max)();
    clock::time_point last_answer_ = (clock::time_point::min)();
    std::optional<clock::time_point> decide_soon_;
    std::optional<clock::time_point> lost_by_; ///< refused by some, and by then nothing answered
    std::map<connection, phase> phases_;       ///< by client, then broker
    bool fresh_cause_ = false;                 ///< an error was told since the last answer
    std::error_code cause_ = code_of(RD_KAFKA_RESP_ERR__TRANSPORT);
    std::string detail_ = "no broker answers; check that Kafka runs there and can be reached, and "
                          "security.protocol";
    std::map<connection, clock::time_point> up_since_;
    std::map<connection, unsigned> hung_up_; ///< times in a row
    bool unwanted_ = false;                  ///< by all that is known, for good
};

} // namespace cobus::detail::kafka
