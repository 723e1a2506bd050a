#pragma once

#include "../log.hpp"
#include "../middleware/deduplication.hpp"
#include "handler_options.hpp"
#include "job.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Deduplication for one handler: asks its store before a run, tells it after, and holds the copies
/// of events that somebody is just working on. Home only.
class claims {
public:
    using clock = std::chrono::steady_clock;
    using say = std::function<void(log_level, const std::string&)>;
    enum class verdict : unsigned char {
        run,
        done,    ///< handled before
        busy,    ///< another copy is at work: `hold` it
        unknown, ///< the store fails: nobody runs before `opens`
    };
    /// When a decision is made.
    struct moment {
        clock::time_point now;
        time_point wall;
    };

    claims(const handler_options& how, std::string_view group, say log)
        : name_(how.name()),
          scope_(std::string(group) + "/" + how.name()),
          say_(std::move(log)),
          store_(how.deduplication()),
          identity_(how.identity()) {}

    [[nodiscard]] auto wanted() const noexcept -> bool { return store_ != nullptr; }
    [[nodiscard]] auto opens() const noexcept -> clock::time_point { return opens_; }

    [[nodiscard]] auto claim(const job& work, moment at) -> verdict {
        if (store_ == nullptr) {
            return verdict::run;
        }
        deduplication_store::claimed said;
        try {
            const std::string id = id_of(work);
            if (!id.empty()) {
                said = store_->claim(identity(work, id), owner_of(work), at.wall);
            }
            tell(nullptr);
        } catch (const std::exception& e) {
            return fails(e.what(), at);
        } catch (...) {
            return fails("an exception that is no std::exception", at);
        }
        busy_for_ = (std::max)(said.until - at.wall, std::chrono::milliseconds(1));
        return said.what == deduplication_store::answer::run    ? verdict::run
               : said.what == deduplication_store::answer::done ? verdict::done
                                                                : verdict::busy;
    }
    /// The run ended, or will not begin.
    void ended(const job& work, bool handled, moment at) {
        if (store_ == nullptr) {
            return;
        }
        try {
            const std::string id = id_of(work);
            if (id.empty()) {
                return;
            }
            if (handled) {
                store_->confirm(identity(work, id), at.wall);
            } else {
                store_->release(identity(work, id), owner_of(work));
            }
            for (held_copy& each : held_) {
                if (id_of(*each.work) == id) {
                    each.until = (clock::time_point::min)();
                }
            }
            tell(nullptr);
        } catch (const std::exception& e) { // at worst the event is handled once more
            tell(e.what());
        } catch (...) {
            tell("an exception that is no std::exception");
        }
    }

    /// Keeps a copy that was `busy`: until one of this handler's runs of that event ends, and as
    /// the other may be in another bus or process, it is asked about now and then: soon at first,
    /// then each second.
    void hold(job& work, clock::time_point now) {
        const auto pause = std::chrono::milliseconds(20) * (1U << work.asked);
        work.asked = (std::min)(static_cast<std::uint8_t>(work.asked + 1), std::uint8_t{6});
        const auto most = (std::min)(busy_for_, std::chrono::milliseconds(1000));
        held_.push_back({&work, now + (std::min<std::chrono::milliseconds>)(pause, most)});
    }
    /// Gives to `sink` those that are to be asked about again.
    template <class Sink> void revive(clock::time_point now, Sink sink) {
        if (!held_.empty()) {
            take_out([now](const held_copy& each) { return each.until <= now; }, sink);
        }
    }
    template <class Predicate, class Sink> void remove_if(Predicate unwanted, Sink sink) {
        take_out([&](const held_copy& each) { return unwanted(*each.work); }, sink);
    }
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        auto when = (clock::time_point::max)();
        for (const held_copy& each : held_) {
            when = (std::min)(when, each.until);
        }
        return when;
    }

private:
    struct held_copy {
        job* work;
        clock::time_point until;
    };

    [[nodiscard]] auto id_of(const job& work) const -> std::string {
        const message& content = *work.of->from.content;
        if (identity_) {
            return identity_(content);
        }
        return content.id().empty() ? std::string() : content.id().str();
    }
    [[nodiscard]] auto identity(const job& work, const std::string& id) const -> event_identity {
        return {scope_, work.of->from.content->source(), id};
    }
    [[nodiscard]] auto owner_of(const job& work) const noexcept -> std::uint64_t {
        return here_ ^ reinterpret_cast<std::uintptr_t>(&work); // NOLINT: only to tell apart
    }
    template <class Predicate, class Sink> void take_out(Predicate wanted, Sink sink) {
        std::vector<job*> out;
        std::erase_if(held_, [&](const held_copy& each) {
            const bool goes = wanted(each);
            if (goes) {
                out.push_back(each.work);
            }
            return goes;
        });
        for (job* each : out) {
            sink(*each);
        }
    }
    [[nodiscard]] auto fails(const char* problem, moment at) -> verdict {
        opens_ = at.now + std::chrono::seconds(1);
        tell(problem);
        return verdict::unknown;
    }
    /// Says once that the store fails, and once that it works.
    void tell(const char* problem) {
        if (std::exchange(failing_, problem != nullptr) == failing_) {
            return;
        }
        const std::string whose = "the deduplication store of handler '" + name_ + "' ";
        if (problem != nullptr) {
            say_(log_level::error, whose + "fails, and the handler waits for it: " + problem);
        } else {
            say_(log_level::info, whose + "works again");
        }
    }

    std::string name_;
    std::string scope_;
    say say_;
    std::shared_ptr<deduplication_store> store_;
    std::function<std::string(const message&)> identity_;
    std::uint64_t here_ = fast_random::local()();
    std::vector<held_copy> held_;
    std::chrono::milliseconds busy_for_{1};
    clock::time_point opens_ = (clock::time_point::min)();
    bool failing_ = false;
};

} // namespace cobus::detail
