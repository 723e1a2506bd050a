#pragma once

#include "../detail/helper.hpp"
#include "../error.hpp"
#include "kept.hpp"
#include "spool_file.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::degrade {

/// Tells a spool's file what happens, a batch at a time, on the thread for what blocks. While one
/// batch is written the next one gathers. Whoever uses it locks, but for `wake`, which comes from
/// that thread.
class spool_writer {
public:
    using clock = std::chrono::steady_clock;
    /// A row that was put, as long as it is that event's.
    struct entry {
        kept* item;
        std::uint64_t sequence;
        std::error_code ec{}; ///< why the file does not have it
        std::string problem{};
    };
    struct result {
        std::vector<entry> put;
        std::vector<remains> dead; ///< read by nobody any more
        std::error_code ec;
        std::string problem;
    };

    spool_writer() = default;
    spool_writer(const spool_writer&) = delete;
    auto operator=(const spool_writer&) -> spool_writer& = delete;
    /// What is being written is waited for half a second, so that the file is closed then. A disk
    /// that takes longer gets what it reads for its own.
    ~spool_writer() {
        if (shared_ == nullptr) {
            return;
        }
        const auto until = clock::now() + patience;
        if (!shared_->abandon(until) && !give_all()) {
            (void)shared_->abandon((clock::time_point::max)());
        }
        close(until);
    }

    /// `wake` is called when something ended; not after this is destroyed.
    void use(std::unique_ptr<spool_file> file, std::function<void()> wake) {
        shared_ = std::make_shared<shared>();
        shared_->file = std::move(file);
        shared_->wake = std::move(wake);
    }
    [[nodiscard]] auto active() const noexcept -> bool { return shared_ != nullptr; }

    // What happens. May throw `std::bad_alloc`.

    void put(kept& item, std::vector<executor_name> settled) {
        spool_row& row = next().rows.emplace_back();
        row.settled = std::move(settled);
        row.sequence = item.sequence;
        row.state = item.given ? row_state::in_client : row_state::pending;
        row.when_away = item.when_away;
        row.partition = item.partition;
        row.since = item.since;
        const message& event = item.event();
        row.content.borrow(event, event.published());
        row.content.payload_view(event.payload());
        if (event.is_null()) {
            row.content.no_payload();
        }
        next_->puts.push_back(entry{&item, item.sequence, {}, {}});
        next_->changes.emplace_back(row_put{&row});
    }
    void gone(std::uint64_t sequence) { next().changes.emplace_back(row_gone{sequence}); }
    void settled(std::uint64_t sequence, std::string_view group, std::string_view handler) {
        next().changes.emplace_back(
            row_settled{sequence, executor_name{std::string(group), std::string(handler)}});
    }
    void refused(std::uint64_t sequence, std::string cause,
                 std::chrono::system_clock::time_point at) {
        next().changes.emplace_back(row_refused{sequence, std::move(cause), at});
    }
    /// Rows that are being written may read it, so it goes later.
    void bury(remains rest) { next().dead.push_back(std::move(rest)); }

    // The home's.

    /// Begins to write what gathered, unless something is being written.
    void kick(clock::time_point now) {
        if (writing_ != nullptr || next_ == nullptr || now < ready_at()) {
            return;
        }
        writing_ = std::move(next_);
        const bool handed = detail::helper::run(
            detail::helps::file, [with = shared_, what = writing_] { with->apply(*what); });
        if (!handed) {
            next_ = std::move(writing_);
        }
    }
    /// What was written, or could not be; then the rest is tried again, but nothing is put: after a
    /// second, and ever less often up to once a minute while it fails.
    [[nodiscard]] auto collect(clock::time_point now) -> std::optional<result> {
        if (writing_ == nullptr || !writing_->over.load(std::memory_order_acquire)) {
            return std::nullopt;
        }
        const std::shared_ptr<batch> done = std::move(writing_);
        result told{std::move(done->puts), std::move(done->dead), done->ec,
                    std::move(done->problem)};
        if (told.ec) {
            pause_ = (std::clamp)(pause_ * 2, shortest, longest);
            tried_ = now;
            try_again(*done);
        } else {
            pause_ = clock::duration();
        }
        return told;
    }
    [[nodiscard]] auto idle() const noexcept -> bool {
        return writing_ == nullptr && next_ == nullptr;
    }
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        return writing_ == nullptr && next_ != nullptr ? ready_at() : (clock::time_point::max)();
    }
    /// Puts that are not being written yet.
    [[nodiscard]] auto gathered() const noexcept -> std::size_t {
        return next_ != nullptr ? next_->puts.size() : 0;
    }
    /// All rows below are safe in the file, or nobody's any more.
    [[nodiscard]] auto safe_below() const noexcept -> std::uint64_t {
        std::uint64_t low = (std::numeric_limits<std::uint64_t>::max)();
        for (const batch* each : {writing_.get(), next_.get()}) {
            for (std::size_t i = 0; each != nullptr && i < each->puts.size(); ++i) {
                low = (std::min)(low, each->puts[i].sequence);
            }
        }
        return low;
    }

private:
    static constexpr std::chrono::milliseconds patience{500};
    static constexpr clock::duration shortest = std::chrono::seconds(1);
    static constexpr clock::duration longest = std::chrono::minutes(1);

    /// A file that fails is tried less and less often, but soon when a publisher waits for it.
    [[nodiscard]] auto ready_at() const noexcept -> clock::time_point {
        return tried_ + (gathered() > 0 ? (std::min)(pause_, shortest) : pause_);
    }

    [[nodiscard]] static auto is_put(const row_change& each) noexcept -> bool {
        return std::holds_alternative<row_put>(each);
    }

    struct batch {
        std::vector<remains> owned; ///< what `rows` are made of, once nobody else has that
        std::vector<row_change> changes;
        std::deque<spool_row> rows; ///< of the changes, which point to them
        std::vector<entry> puts;
        std::vector<remains> dead; ///< read until this was written
        std::error_code ec;
        std::string problem;
        std::atomic<bool> over{false};
    };
    struct shared {
        std::mutex guard;
        std::function<void()> wake; ///< null when nobody waits any more
        std::unique_ptr<spool_file> file;
        std::condition_variable ended;
        bool writing = false;
        bool abandoned = false; ///< what rows to put are made of is gone

        /// Nobody is to be told from now on, and nothing to be put. False: something is being
        /// written still.
        auto abandon(clock::time_point until) -> bool {
            std::unique_lock lock(guard);
            wake = nullptr;
            abandoned = true;
            const auto over = [this] { return !writing; };
            if (until == (clock::time_point::max)()) {
                ended.wait(lock, over);
                return true;
            }
            return ended.wait_until(lock, until, over);
        }
        [[nodiscard]] auto begin(batch& what) -> bool {
            const std::lock_guard lock(guard);
            if (abandoned) { // nobody was told that these are kept
                std::erase_if(what.changes, is_put);
            }
            writing = !what.changes.empty() || !abandoned;
            return writing;
        }
        void apply(batch& what) noexcept {
            if (!begin(what)) {
                return;
            }
            try_to(what.ec, what.problem, [&] { file->apply(what.changes); });
            if (of_one_row(what.ec)) {
                what.ec.clear();
                apply_singly(what);
            } else if (what.ec) {
                fail(what, what.puts.begin());
            }
            what.over.store(true, std::memory_order_release);
            const std::lock_guard lock(guard);
            writing = false;
            ended.notify_all();
            if (wake) {
                wake();
            }
        }
        /// One of the rows cannot be stored: the others are not to suffer for it. Ends early when
        /// the file fails.
        void apply_singly(batch& what) const noexcept {
            auto put = what.puts.begin();
            for (std::size_t i = 0; i < what.changes.size() && !what.ec; ++i) {
                std::error_code ec;
                std::string problem;
                try_to(ec, problem, [&] { file->apply(std::span(what.changes).subspan(i, 1)); });
                const bool puts = is_put(what.changes[i]);
                if (puts && of_one_row(ec)) {
                    put->ec = ec;
                    put->problem = std::move(problem);
                } else if (ec) {
                    what.ec = ec;
                    what.problem = std::move(problem);
                }
                put += puts && !what.ec ? 1 : 0;
            }
            if (what.ec) {
                fail(what, put);
            }
        }
        static void fail(batch& what, std::vector<entry>::iterator from) noexcept {
            for (; from != what.puts.end(); ++from) {
                from->ec = what.ec;
                from->problem = what.problem;
            }
        }
    };

    [[nodiscard]] static auto of_one_row(std::error_code ec) noexcept -> bool {
        return ec == errc::too_large || ec == errc::not_encodable;
    }
    template <class F>
    static void try_to(std::error_code& ec, std::string& problem, F what) noexcept {
        try {
            what();
        } catch (const std::system_error& e) {
            ec = e.code();
            problem = e.what();
        } catch (const std::exception& e) {
            ec = errc::store_failed;
            problem = e.what();
        }
    }

    /// What is being written gets what it is made of. False: there is no memory for it.
    [[nodiscard]] auto give_all() noexcept -> bool {
        if (writing_ == nullptr) {
            return false; // it was over just before
        }
        try {
            writing_->owned.reserve(writing_->puts.size() +
                                    (next_ != nullptr ? next_->dead.size() : 0));
        } catch (...) {
            return false;
        }
        for (const entry& each : writing_->puts) {
            if (each.item->sequence == each.sequence) {
                writing_->owned.push_back(each.item->take_all());
            }
        }
        for (std::size_t i = 0; next_ != nullptr && i < next_->dead.size(); ++i) {
            writing_->owned.push_back(std::move(next_->dead[i]));
        }
        return true;
    }
    /// Where it blocks nobody, and waits for that until then.
    void close(clock::time_point until) noexcept try {
        const auto closed = std::make_shared<std::promise<void>>();
        const std::future<void> over = closed->get_future();
        const bool handed = detail::helper::run(
            detail::helps::file, [with = std::exchange(shared_, nullptr), closed]() mutable {
                with = nullptr;
                closed->set_value();
            });
        writing_ = nullptr;
        if (handed) {
            (void)over.wait_until(until);
        }
    } catch (...) { // no memory: here
    }

    [[nodiscard]] auto next() -> batch& {
        if (next_ == nullptr) {
            next_ = std::make_shared<batch>();
        }
        return *next_;
    }
    void try_again(batch& failed) {
        batch& now = next();
        std::erase_if(failed.changes, is_put);
        now.changes.insert(now.changes.begin(), std::make_move_iterator(failed.changes.begin()),
                           std::make_move_iterator(failed.changes.end()));
        if (now.changes.empty() && now.puts.empty() && now.dead.empty()) {
            next_ = nullptr;
        }
    }

    std::shared_ptr<shared> shared_;
    std::shared_ptr<batch> writing_;
    std::shared_ptr<batch> next_;
    clock::time_point tried_{}; ///< and failed
    clock::duration pause_{};   ///< after that
};

} // namespace cobus::degrade
