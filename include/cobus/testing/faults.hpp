#pragma once

#include "which.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::testing {

namespace detail {

/// What a script has for one publish.
struct publish_fault {
    std::error_code fail;
    std::chrono::steady_clock::duration delay{};
    bool lose_answer = false;
    bool duplicate = false;
    bool overtake = false; ///< not kept behind others of its key

    [[nodiscard]] auto none() const noexcept -> bool {
        return !fail && delay.count() == 0 && !lose_answer && !duplicate && !overtake;
    }
};

/// Told when the connection goes or comes.
class connection_listener {
public:
    connection_listener(const connection_listener&) = delete;
    auto operator=(const connection_listener&) -> connection_listener& = delete;
    virtual void connection_changed() noexcept = 0;

protected:
    connection_listener() = default;
    ~connection_listener() = default;
};

} // namespace detail

/// What goes wrong between a bus and its transport, said in advance: give it to `faulty`, or use
/// that of a `bus_fixture`. Each fault counts the messages that it may strike from when it is set;
/// several may strike one. Copies share one script. The same seed gives the same faults.
///
/// Thread safety: any thread may call anything.
class fault_script {
public:
    using duration = std::chrono::steady_clock::duration;
    /// Whether `reorder` may put messages of one key out of order, which no real broker does.
    enum class keys : unsigned char { in_order, any_order };

    fault_script() : fault_script(1) {}
    explicit fault_script(std::uint64_t seed) : shared_(std::make_shared<state>(seed)) {}

    /// Begins the random numbers of `chance` and `reorder` anew.
    auto seed(std::uint64_t value) -> fault_script& {
        const std::lock_guard lock(shared_->guard);
        shared_->random.seed(value);
        return *this;
    }

    // Publishing.

    /// The publish fails with that code, and nothing was sent.
    auto fail(which these, std::error_code code) -> fault_script& {
        return add(rule::kind::fail, std::move(these), code, {});
    }
    /// It is sent, and the publisher hears `errc::maybe_sent`.
    auto lose_answer(which these) -> fault_script& {
        return add(rule::kind::lose_answer, std::move(these), {}, {});
    }
    /// It is sent that much later, and those of its key behind it.
    auto delay(which these, duration by) -> fault_script& {
        return add(rule::kind::delay, std::move(these), {}, by);
    }
    /// It arrives twice, with one id, as after a producer's retry.
    auto duplicate(which these) -> fault_script& {
        return add(rule::kind::duplicate, std::move(these), {}, {});
    }
    /// It is sent up to that much later, by chance, so that keys overtake one another.
    auto reorder(which these, duration within, keys how = keys::in_order) -> fault_script& {
        return add(how == keys::in_order ? rule::kind::reorder : rule::kind::shuffle,
                   std::move(these), {}, within);
    }
    /// The connection goes just before such a publish.
    auto disconnect_at(which these) -> fault_script& {
        return add(rule::kind::disconnect, std::move(these), {}, {});
    }

    // Handling.

    /// It reaches the handlers that much later, and those behind it in its partition.
    auto delay_delivery(which these, duration by) -> fault_script& {
        return add(rule::kind::delivery, std::move(these), {}, by);
    }
    /// A commit is refused; messages do not matter to such a `which`.
    auto fail_commit(which these, std::error_code code) -> fault_script& {
        return add(rule::kind::commit, std::move(these), code, {});
    }

    // The group.

    /// Each bus loses its partitions, as one that its group threw out: handlers are cancelled, and
    /// nothing is committed. It joins again at once, and what was not committed comes again.
    void lose_partitions() { rebalance(true); }
    /// Each bus has to give its partitions up in order, and joins again: handlers end, or are
    /// cancelled after `settings::drain_limit`, and what is done is committed.
    void rebalance() { rebalance(false); }

    // The connection.

    /// Nothing is sent or arrives until `connect`.
    void disconnect() { connected(false); }
    void connect() { connected(true); }
    [[nodiscard]] auto connected() const -> bool {
        const std::lock_guard lock(shared_->guard);
        return shared_->connected;
    }

    /// Nothing more goes wrong, but for what is under way already.
    void clear() {
        const std::lock_guard lock(shared_->guard);
        shared_->rules.clear();
    }
    /// How many faults have struck.
    [[nodiscard]] auto struck() const -> std::size_t {
        const std::lock_guard lock(shared_->guard);
        return shared_->struck;
    }
    /// How many messages are kept back now.
    [[nodiscard]] auto holding() const -> std::size_t {
        const std::lock_guard lock(shared_->guard);
        return shared_->holding;
    }
    /// In words, a line each; nothing when all is well.
    [[nodiscard]] auto describe() const -> std::string {
        const std::lock_guard lock(shared_->guard);
        std::string text = shared_->connected ? "" : "  the connection is down\n";
        if (shared_->holding > 0) {
            text += "  " + std::to_string(shared_->holding) + " messages are kept back by faults\n";
        }
        return text;
    }

    // For `faulty`.

    [[nodiscard]] auto for_publish(const message& content) -> detail::publish_fault;
    [[nodiscard]] auto for_delivery(const message& content) -> duration;
    [[nodiscard]] auto for_commit() -> std::error_code;
    [[nodiscard]] auto rebalances() const -> std::size_t {
        const std::lock_guard lock(shared_->guard);
        return shared_->rebalances;
    }
    [[nodiscard]] auto last_was_loss() const -> bool {
        const std::lock_guard lock(shared_->guard);
        return shared_->loss;
    }
    void keep(std::ptrdiff_t more) {
        const std::lock_guard lock(shared_->guard);
        shared_->holding =
            static_cast<std::size_t>(static_cast<std::ptrdiff_t>(shared_->holding) + more);
    }
    void listen(const std::shared_ptr<detail::connection_listener>& who) {
        const std::lock_guard lock(shared_->guard);
        std::erase_if(shared_->listeners, [](const auto& each) { return each.expired(); });
        shared_->listeners.push_back(who);
    }

private:
    struct rule {
        enum class kind : unsigned char {
            fail,
            lose_answer,
            delay,
            duplicate,
            reorder,
            shuffle,
            disconnect,
            delivery,
            commit
        };
        kind what;
        which these;
        std::error_code code;
        duration time;
    };
    struct state {
        explicit state(std::uint64_t seed) : random(seed) {}

        /// From 0 to below 1; the same everywhere, which the standard's distributions are not.
        [[nodiscard]] auto number() -> double {
            return static_cast<double>(random() >> 11U) * 0x1.0p-53;
        }

        std::mutex guard;
        std::vector<rule> rules;
        std::vector<std::weak_ptr<detail::connection_listener>> listeners;
        std::mt19937_64 random;
        std::size_t struck = 0;
        std::size_t holding = 0;
        std::size_t rebalances = 0;
        bool loss = false; ///< the last of them
        bool connected = true;
    };

    auto add(rule::kind what, which these, std::error_code code, duration time) -> fault_script& {
        const std::lock_guard lock(shared_->guard);
        shared_->rules.push_back({what, std::move(these), code, time});
        return *this;
    }
    void connected(bool now) {
        std::vector<std::weak_ptr<detail::connection_listener>> told;
        {
            const std::lock_guard lock(shared_->guard);
            if (shared_->connected == now) {
                return;
            }
            shared_->connected = now;
            told = shared_->listeners;
        }
        tell(told);
    }
    void rebalance(bool loss) {
        std::vector<std::weak_ptr<detail::connection_listener>> told;
        {
            const std::lock_guard lock(shared_->guard);
            ++shared_->struck;
            ++shared_->rebalances;
            shared_->loss = loss;
            told = shared_->listeners;
        }
        tell(told);
    }
    static void tell(const std::vector<std::weak_ptr<detail::connection_listener>>& whom) {
        for (const auto& each : whom) {
            if (const auto alive = each.lock()) {
                alive->connection_changed();
            }
        }
    }
    static void apply(const rule& by, double random, detail::publish_fault& into) {
        const auto part = std::chrono::duration_cast<duration>(by.time * random);
        switch (by.what) {
        case rule::kind::fail:
            into.fail = by.code;
            break;
        case rule::kind::lose_answer:
            into.lose_answer = true;
            break;
        case rule::kind::delay:
            into.delay = (std::max)(into.delay, by.time);
            break;
        case rule::kind::duplicate:
            into.duplicate = true;
            break;
        case rule::kind::shuffle:
            into.overtake = true;
            [[fallthrough]];
        case rule::kind::reorder:
            into.delay = (std::max)(into.delay, part);
            break;
        default:
            break;
        }
    }

    std::shared_ptr<state> shared_;
};

inline auto fault_script::for_publish(const message& content) -> detail::publish_fault {
    detail::publish_fault found;
    bool cut = false;
    {
        const std::lock_guard lock(shared_->guard);
        const auto random = [this] { return shared_->number(); };
        for (rule& each : shared_->rules) {
            if (each.what == rule::kind::delivery || each.what == rule::kind::commit ||
                !each.these.strikes(content, random)) {
                continue;
            }
            ++shared_->struck;
            cut = cut || each.what == rule::kind::disconnect;
            const bool by_chance =
                each.what == rule::kind::reorder || each.what == rule::kind::shuffle;
            apply(each, by_chance ? random() : 0, found);
        }
    }
    if (cut) {
        disconnect();
    }
    return found;
}

inline auto fault_script::for_delivery(const message& content) -> duration {
    const std::lock_guard lock(shared_->guard);
    duration longest{};
    for (rule& each : shared_->rules) {
        if (each.what == rule::kind::delivery &&
            each.these.strikes(content, [this] { return shared_->number(); })) {
            ++shared_->struck;
            longest = (std::max)(longest, each.time);
        }
    }
    return longest;
}

inline auto fault_script::for_commit() -> std::error_code {
    const std::lock_guard lock(shared_->guard);
    for (rule& each : shared_->rules) {
        if (each.what == rule::kind::commit &&
            each.these.strikes([this] { return shared_->number(); })) {
            ++shared_->struck;
            return each.code;
        }
    }
    return {};
}

} // namespace cobus::testing
