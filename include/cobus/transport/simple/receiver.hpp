#pragma once

#include "../../detail/wake_gate.hpp"
#include "../../error.hpp"
#include "hooks.hpp"
#include "run.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// What a simple transport receives: at most one batch ahead of the handlers.
class simple_receiver : public std::enable_shared_from_this<simple_receiver> {
public:
    simple_receiver(std::shared_ptr<simple_transport> from, const net::any_io_executor& strand,
                    waker& ready)
        : from_(std::move(from)), strand_(strand), gate_(std::make_unique<wake_gate>(ready)) {}
    simple_receiver(const simple_receiver&) = delete;
    auto operator=(const simple_receiver&) -> simple_receiver& = delete;
    ~simple_receiver() { drop(); }

    // --- the stream's side

    /// Takes what came, but for partitions that are held or not assigned.
    template <class Admit>
    [[nodiscard]] auto take(std::span<delivery> room, Admit admit) -> std::size_t {
        const std::lock_guard lock(guard_);
        std::size_t count = 0;
        for (auto each = there_.begin(); each != there_.end() && count < room.size();) {
            switch (admit(*each)) {
            case verdict::take:
                room[count++] = *each;
                each = there_.erase(each);
                break;
            case verdict::drop:
                pool_delete(each->content);
                each = there_.erase(each);
                break;
            case verdict::keep:
                ++each;
                break;
            }
        }
        if (count == 0 && gate_) {
            gate_->arm();
        }
        return count;
    }
    enum class verdict : unsigned char { take, drop, keep };

    /// Goes on receiving, unless enough is waiting already.
    void go_on() {
        {
            const std::lock_guard lock(guard_);
            if (running_ || over_ || there_.size() >= enough) {
                return;
            }
            running_ = true;
        }
        net::post(strand_,
                  [self = shared_from_this()] { self->run_.spawn(self->strand_, run(self)); });
    }
    /// The topics changed: what `receive` waits for may not be wanted any more.
    void turn_to(const interest& wanted) {
        net::post(strand_, [self = shared_from_this(), wanted] {
            self->from_->topics(wanted);
            self->run_.cancel();
        });
    }
    void commit(std::vector<position> positions, operation& done) {
        net::co_spawn(strand_, commit(shared_from_this(), std::move(positions), done),
                      net::detached);
    }
    [[nodiscard]] auto error() const -> std::error_code {
        const std::lock_guard lock(guard_);
        return error_;
    }
    /// No wake follows.
    void end() noexcept {
        std::unique_ptr<wake_gate> last;
        {
            const std::lock_guard lock(guard_);
            over_ = true;
            last = std::move(gate_);
        }
        last.reset(); // waits for a wake that is on its way
        drop();
        try {
            net::post(strand_, [self = shared_from_this()] { self->run_.cancel(); });
        } catch (const std::exception&) { // what it receives is dropped
        }
    }
    void wake() noexcept {
        wake_gate* gate = nullptr;
        {
            const std::lock_guard lock(guard_);
            gate = gate_ && gate_->claim() ? gate_.get() : nullptr;
        }
        if (gate != nullptr) {
            gate->fire();
        }
    }

private:
    static constexpr std::size_t batch = 64;
    static constexpr std::size_t enough = 1024; ///< of what is held

    static auto run(std::shared_ptr<simple_receiver> self) -> net::awaitable<void> {
        std::vector<delivery> room(batch);
        std::error_code ec;
        std::size_t count = 0;
        try {
            count = co_await self->from_->receive(room);
            ec = count == 0 ? make_error_code(errc::closed) : ec;
        } catch (const std::system_error& e) {
            ec = e.code();
        } catch (const std::exception&) {
            ec = errc::fatal;
        }
        self->received(std::span(room).first(count), ec);
    }
    void received(std::span<const delivery> what, std::error_code ec) {
        {
            const std::lock_guard lock(guard_);
            running_ = false;
            if (ec == errc::closed) {
                over_ = true; // there will never be more
            } else if (ec && ec != net::error::operation_aborted) {
                error_ = ec;
                over_ = true;
            }
            there_.insert(there_.end(), what.begin(), what.end());
        }
        if (gate_gone()) {
            drop();
        }
        wake(); // the stream's next poll goes on
    }
    [[nodiscard]] auto gate_gone() const -> bool {
        const std::lock_guard lock(guard_);
        return gate_ == nullptr;
    }
    static auto commit(std::shared_ptr<simple_receiver> self, std::vector<position> positions,
                       operation& done) -> net::awaitable<void> {
        std::error_code ec;
        try {
            co_await self->from_->commit(positions);
        } catch (const std::system_error& e) {
            ec = e.code();
        } catch (const std::exception&) {
            ec = errc::fatal;
        }
        done.ec = ec;
        done.completed(done);
    }
    void drop() noexcept {
        std::deque<delivery> all;
        {
            const std::lock_guard lock(guard_);
            all.swap(there_);
        }
        for (const delivery& each : all) {
            pool_delete(each.content);
        }
    }

    std::shared_ptr<simple_transport> from_;
    net::any_io_executor strand_;
    cancellable_run run_; ///< on the strand
    mutable std::mutex guard_;
    std::unique_ptr<wake_gate> gate_; ///< none: the stream is gone
    std::deque<delivery> there_;
    std::error_code error_;
    bool running_ = false;
    bool over_ = false;
};

} // namespace cobus::detail
