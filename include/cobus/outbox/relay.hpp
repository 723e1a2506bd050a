#pragma once

#include "../detail/batch.hpp"
#include "../detail/completion.hpp"
#include "../log.hpp"
#include "../net.hpp"
#include "options.hpp"
#include "plan.hpp"
#include "store.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Publishes the rows of an outbox. All of it, the store's blocking calls too, runs on a strand of
/// the executor that the user gave for that, and never on the bus's.
class outbox_relay final : public std::enable_shared_from_this<outbox_relay> {
public:
    using clock = std::chrono::steady_clock;
    using waiter = completion<std::error_code>;

    outbox_relay(const std::shared_ptr<bus_core>& core, std::unique_ptr<outbox_store> store,
                 const net::any_io_executor& blocking, const outbox_options& how)
        : core_(core),
          log_(core->options().log),
          store_(std::move(store)),
          how_(how),
          plan_(std::chrono::seconds(1), std::chrono::seconds(30)),
          strand_(net::make_strand(blocking)),
          timer_(strand_) {}
    outbox_relay(const outbox_relay&) = delete;
    auto operator=(const outbox_relay&) -> outbox_relay& = delete;
    ~outbox_relay() {
        for (waiter* each : waiters_) {
            each->destroy();
        }
    }

    // Any thread.

    void start() {
        if (!started_.exchange(true)) {
            net::co_spawn(strand_, run(shared_from_this()), net::detached);
        }
    }
    /// Rows were committed.
    void wake() {
        if (!woken_.exchange(true)) {
            net::post(strand_, [self = shared_from_this()] { self->timer_.cancel(); });
        }
    }
    /// Ends the relay; `who` is told when it has, and may be null.
    void stop(waiter* who) {
        stopping_.store(true);
        woken_.store(true);
        net::post(strand_, [self = shared_from_this(), who] { self->stop_here(who); });
    }
    [[nodiscard]] auto executor() const noexcept -> net::any_io_executor { return strand_; }
    [[nodiscard]] auto status() const -> outbox_status {
        const std::lock_guard lock(guard_);
        return status_;
    }

private:
    using rows = std::vector<outbox_row>;

    void stop_here(waiter* who) {
        if (who != nullptr) {
            waiters_.push_back(who);
        }
        if (over_ || !started_.load()) {
            tell_stopped();
            return;
        }
        timer_.cancel();
        publishing_.emit(net::cancellation_type::all);
    }
    void tell_stopped() {
        for (waiter* each : std::exchange(waiters_, {})) {
            each->complete(strand_, false, std::error_code());
        }
    }

    static auto run(std::shared_ptr<outbox_relay> self) -> net::awaitable<void> {
        while (!self->stopping_.load() && !self->core_.expired()) {
            self->woken_.store(false);
            std::size_t published = 0;
            rows now;
            if (self->attempt([&] { now = self->next_rows(); }) && !now.empty()) {
                try {
                    published = co_await self->publish(std::move(now));
                } catch (const std::exception& e) { // no memory
                    self->say(e.what());
                }
            }
            if (published == 0) { // else there may be more
                co_await self->pause();
            }
        }
        self->attempt([&] { self->store_->release(); });
        self->over_ = true;
        self->tell_stopped();
    }

    /// Blocking work on the store. False: it failed, and will begin anew.
    template <class Work> auto attempt(Work work) -> bool {
        try {
            work();
            say(std::string());
            return true;
        } catch (const std::exception& e) {
            store_->reset();
            lease_ends_ = clock::time_point();
            say(e.what());
            return false;
        }
    }
    /// Logs what is wrong once, and that it is over.
    void say(const std::string& problem) {
        const std::lock_guard lock(guard_);
        if (problem.empty() != status_.problem.empty()) {
            write_log(log_, problem.empty() ? log_level::info : log_level::warning,
                      problem.empty() ? "the outbox can be read again"
                                      : "the outbox waits for its database: " + problem);
        }
        status_.problem = problem;
    }

    [[nodiscard]] auto next_rows() -> rows {
        constexpr std::size_t most_passed_by = 4096;
        const auto now = clock::now();
        if (now >= lease_ends_) {
            const std::size_t held = store_->lease(how_.lease(), how_.shards());
            lease_ends_ = now + how_.lease() / 3;
            const std::lock_guard lock(guard_);
            status_.shards = held;
        }
        (void)store_->take_notifications(); // of rows that are read now
        if (!published_.empty()) {          // whose removal failed
            store_->remove(published_);
            published_.clear();
        }
        rows some = plan_.choose(
            store_->read(how_.batch() + (std::min)(plan_.waiting() * 16, most_passed_by)), now);
        some.resize((std::min)(some.size(), how_.batch()));
        return some;
    }

    /// Publishes them, those of one key one after another, and removes what is published. Returns
    /// how many were.
    auto publish(rows some) -> net::awaitable<std::size_t> {
        const auto core = core_.lock();
        if (core == nullptr) {
            co_return 0;
        }
        auto all = std::make_shared<batch>(core);
        fill(some, *all, core);
        if (some.empty()) {
            co_return 1; // refused, so there may be more
        }
        initiate_batch initiation(std::move(all));
        auto token = net::bind_cancellation_slot(publishing_.slot(), net::use_awaitable);
        const std::vector<publish_result> ended =
            co_await net::async_initiate<decltype(token), void(std::vector<publish_result>)>(
                std::move(initiation), token);
        co_return settle(some, ended, *core);
    }
    /// Makes messages of rows; those that cannot be read are refused.
    void fill(rows& some, batch& all, const std::shared_ptr<bus_core>& core) {
        std::erase_if(some, [&](const outbox_row& each) {
            try {
                prepared made(core, make_message());
                *made.content = to_message(each);
                made.when_away = policy::fail; // never in process: the row stays until Kafka has it
                made.partition = static_cast<std::int32_t>(each.partition);
                all.add(std::move(made));
                return false;
            } catch (const error& e) {
                refuse(each, e.what());
                return true;
            }
        });
    }
    [[nodiscard]] auto settle(const rows& some, const std::vector<publish_result>& ended,
                              const bus_core& core) -> std::size_t {
        const auto now = clock::now();
        const bool standing = core.health().what != state::failed;
        std::size_t progress = 0;
        for (std::size_t i = 0; i < some.size(); ++i) {
            std::error_code ec = ended[i].ec;
            if (!ec && (ended[i].where.degraded() || ended[i].where.spooled())) {
                ec = errc::unavailable; // not with Kafka
            }
            switch (plan_.ended(some[i], ec, standing, now)) {
            case outbox_plan::verdict::remove:
                published_.push_back(some[i]);
                ++progress;
                break;
            case outbox_plan::verdict::refuse:
                refuse(some[i], ec.message());
                ++progress;
                break;
            case outbox_plan::verdict::keep:
                break;
            }
        }
        remove_published();
        return progress;
    }
    void remove_published() {
        const std::size_t count = published_.size();
        if (count > 0 && attempt([&] { store_->remove(published_); })) {
            published_.clear();
            const std::lock_guard lock(guard_);
            status_.published += count;
        }
    }
    void refuse(const outbox_row& row, const std::string& cause) {
        if (attempt([&] { store_->refuse(row, cause); })) {
            write_log(log_, log_level::error,
                      "the outbox's event " + row.id + " for " + row.topic +
                          " is refused: " + cause);
            const std::lock_guard lock(guard_);
            ++status_.refused;
        }
    }

    /// Until something was committed, a key is due, the lease is to be renewed, or the poll.
    auto pause() -> net::awaitable<void> {
        if (woken_.load() || heard()) {
            co_return;
        }
        const auto now = clock::now();
        const auto soonest = (std::min)(plan_.due(), (std::max)(lease_ends_, now));
        const auto until = (std::max)(now + std::chrono::seconds(1), soonest);
        timer_.expires_at((std::min)(until, now + how_.poll()));
        if (const int descriptor = store_->descriptor(); descriptor >= 0) {
            watch(descriptor);
        }
        std::error_code ec; // cancelled is woken
        co_await timer_.async_wait(net::redirect_error(net::use_awaitable, ec));
        listening_.reset();
    }
    /// Whether news of a commit came beside the answer to a query: no socket will say so.
    [[nodiscard]] auto heard() -> bool {
        bool some = false;
        if (store_->descriptor() >= 0) {
            attempt([&] { some = store_->take_notifications(); });
        }
        return some;
    }
    /// Wakes when the descriptor is readable. It stays its owner's, so a copy is closed.
    void watch(int descriptor) {
        const int copy = ::dup(descriptor);
        if (copy < 0) {
            return;
        }
        listening_ = std::make_unique<net::posix::stream_descriptor>(strand_, copy);
        listening_->async_wait(net::posix::stream_descriptor::wait_read,
                               [self = weak_from_this()](const std::error_code& ec) {
                                   const auto relay = self.lock();
                                   if (!ec && relay != nullptr) {
                                       relay->timer_.cancel();
                                   }
                               });
    }

    std::weak_ptr<bus_core> core_;
    logger log_;
    std::unique_ptr<outbox_store> store_;
    outbox_options how_;
    outbox_plan plan_;
    net::any_io_executor strand_;
    net::steady_timer timer_;
    std::unique_ptr<net::posix::stream_descriptor> listening_;
    net::cancellation_signal publishing_;
    std::atomic<bool> started_{false};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> woken_{false};
    clock::time_point lease_ends_;
    rows published_; ///< and not yet removed
    bool over_ = false;
    std::vector<waiter*> waiters_;
    mutable std::mutex guard_;
    outbox_status status_;
};

} // namespace cobus::detail
