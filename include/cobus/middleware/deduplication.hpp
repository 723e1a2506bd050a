#pragma once

#include "../detail/far_future.hpp"
#include "../message_id.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace cobus {

/// One event for one handler: what "handled before" is asked about. CloudEvents defines an event's
/// identity as its source and id.
struct event_identity {
    std::string_view handler; ///< "group/handler"
    std::string_view source;
    std::string_view id;
};

/// Remembers which events a handler is through with, so that a second copy is not handled again.
/// An event is claimed before the handler runs and confirmed when it succeeded. A failure gives the
/// claim back, so the event is tried again; a crash leaves it, and it holds until its lease ends.
///
/// `<cobus/sqlite.hpp>` has one that survives the process. To write one: the calls come from the
/// homes of all buses that share it, so from several threads, and each blocks its bus meanwhile.
/// When one throws, the handler pauses for a second and it is called again.
class deduplication_store {
public:
    enum class answer : unsigned char {
        run,  ///< claimed: nobody has handled it, nobody is at it
        done, ///< handled before
        busy, ///< claimed by another copy, at `until` the latest
    };
    struct claimed {
        answer what = answer::run;
        time_point until{}; ///< of `busy`: when that claim ends unless it is confirmed
    };

    deduplication_store() = default;
    deduplication_store(const deduplication_store&) = delete;
    auto operator=(const deduplication_store&) -> deduplication_store& = delete;
    virtual ~deduplication_store() = default;

    /// `owner` tells claims apart: another owner's claim is `busy` until its lease ends; the own
    /// one is taken anew.
    [[nodiscard]] virtual auto claim(const event_identity& which, std::uint64_t owner,
                                     time_point now) -> claimed = 0;
    /// It is handled, even if the claim is no longer the owner's.
    virtual void confirm(const event_identity& which, time_point now) = 0;
    /// It is not handled: whoever comes next may claim it. Only the owner's own claim.
    virtual void release(const event_identity& which, std::uint64_t owner) = 0;
};

/// How much a `deduplication_store` remembers. What it has forgotten is handled again.
class deduplication_limits {
public:
    deduplication_limits() {} // not an aggregate, for GCC 12

    /// Handled events that are remembered, at least 1. Default 100,000.
    auto events(std::size_t most) && -> deduplication_limits&& {
        events_ = (std::max)(most, std::size_t{1});
        return std::move(*this);
    }
    /// How long each is remembered. Default one hour.
    auto age(std::chrono::milliseconds longest) && -> deduplication_limits&& {
        age_ = detail::addable((std::max)(longest, std::chrono::milliseconds(1)));
        return std::move(*this);
    }
    /// How long a claim holds that nobody confirms or gives back, as after a crash. Longer than any
    /// run of the handler, or two copies may run at once. Default one minute.
    auto lease(std::chrono::milliseconds longest) && -> deduplication_limits&& {
        lease_ = detail::addable((std::max)(longest, std::chrono::milliseconds(1)));
        return std::move(*this);
    }

    [[nodiscard]] auto events() const noexcept -> std::size_t { return events_; }
    [[nodiscard]] auto age() const noexcept -> std::chrono::milliseconds { return age_; }
    [[nodiscard]] auto lease() const noexcept -> std::chrono::milliseconds { return lease_; }

private:
    std::size_t events_ = 100'000;
    std::chrono::milliseconds age_ = std::chrono::hours(1);
    std::chrono::milliseconds lease_ = std::chrono::minutes(1);
};

namespace detail {

/// The decisions of `memory_deduplication`: claims with leases, and a bounded window of what was
/// handled. Pure.
class deduplication_window {
public:
    using store = deduplication_store;

    explicit deduplication_window(const deduplication_limits& limits) noexcept : limits_(limits) {}

    [[nodiscard]] auto claim(std::string key, std::uint64_t owner, time_point now)
        -> store::claimed {
        forget(now);
        const auto found = known_.find(key);
        if (found == known_.end()) {
            add(claims_, std::move(key), owner, now + limits_.lease());
            return {};
        }
        entry& known = *found->second;
        if (known.done) {
            return {store::answer::done, {}};
        }
        if (known.owner != owner) {
            return {store::answer::busy, known.until};
        }
        known.until = now + limits_.lease();
        claims_.splice(claims_.end(), claims_, found->second);
        return {};
    }
    void confirm(std::string key, time_point now) {
        forget(now);
        const auto found = known_.find(key);
        if (found == known_.end()) {
            add(handled_, std::move(key), 0, now + limits_.age())->done = true;
        } else if (!found->second->done) {
            found->second->done = true;
            found->second->until = now + limits_.age();
            handled_.splice(handled_.end(), claims_, found->second);
        }
        while (handled_.size() > limits_.events()) {
            drop_first(handled_);
        }
    }
    void release(const std::string& key, std::uint64_t owner) {
        const auto found = known_.find(key);
        if (found != known_.end() && !found->second->done && found->second->owner == owner) {
            claims_.erase(found->second);
            known_.erase(found);
        }
    }
    [[nodiscard]] auto size() const noexcept -> std::size_t { return known_.size(); }

private:
    struct entry {
        std::uint64_t owner = 0;
        time_point until{};
        bool done = false;
        const std::string* key = nullptr; ///< in the table
    };
    using entries = std::list<entry>; // each by `until`, soonest first

    auto add(entries& to, std::string key, std::uint64_t owner, time_point until)
        -> entries::iterator {
        const auto made = to.insert(to.end(), entry{owner, until, false, nullptr});
        made->key = &known_.emplace(std::move(key), made).first->first;
        return made;
    }
    void drop_first(entries& from) {
        known_.erase(known_.find(*from.front().key));
        from.pop_front();
    }
    void forget(time_point now) {
        for (entries* each : {&claims_, &handled_}) {
            while (!each->empty() && each->front().until <= now) {
                drop_first(*each);
            }
        }
    }

    deduplication_limits limits_;
    std::unordered_map<std::string, entries::iterator> known_;
    entries claims_;
    entries handled_;
};

} // namespace detail

/// Remembers in this process: what is handled twice by a restart is not noticed. About 200 bytes
/// for each event remembered.
class memory_deduplication final : public deduplication_store {
public:
    memory_deduplication() : window_(deduplication_limits()) {}
    explicit memory_deduplication(const deduplication_limits& limits) : window_(limits) {}

    [[nodiscard]] auto claim(const event_identity& which, std::uint64_t owner, time_point now)
        -> claimed override {
        const std::lock_guard lock(guard_);
        return window_.claim(key_of(which), owner, now);
    }
    void confirm(const event_identity& which, time_point now) override {
        const std::lock_guard lock(guard_);
        window_.confirm(key_of(which), now);
    }
    void release(const event_identity& which, std::uint64_t owner) override {
        const std::lock_guard lock(guard_);
        window_.release(key_of(which), owner);
    }
    /// Events remembered and claimed.
    [[nodiscard]] auto size() const -> std::size_t {
        const std::lock_guard lock(guard_);
        return window_.size();
    }

private:
    /// Lengths first, so that no two identities have one key.
    [[nodiscard]] static auto key_of(const event_identity& which) -> std::string {
        std::string key =
            std::to_string(which.handler.size()) + ":" + std::to_string(which.source.size()) + ":";
        return key.append(which.handler).append(which.source).append(which.id);
    }

    mutable std::mutex guard_;
    detail::deduplication_window window_;
};

} // namespace cobus
