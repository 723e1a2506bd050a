#pragma once

#include "assignment.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>

namespace cobus::detail::kafka {

/// How far a consumer is with joining its group, as its requests and their answers show. Any
/// thread; librdkafka's tell.
class membership {
public:
    membership() = default;
    membership(const membership&) = delete;
    auto operator=(const membership&) -> membership& = delete;

    /// `gate` is woken when a join ends, until `silence`.
    void follow(stream_gate& gate) {
        const std::lock_guard lock(guard_);
        gate_ = &gate;
    }
    void silence() noexcept {
        const std::lock_guard lock(guard_);
        gate_ = nullptr;
    }

    void sent(std::int16_t request) noexcept {
        if (request == join_group) {
            now_.store(phase::joining);
        }
    }
    void answered(std::int16_t request) noexcept {
        phase joining = phase::joining;
        if (request == sync_group && now_.compare_exchange_strong(joining, phase::synchronized)) {
            const std::lock_guard lock(guard_);
            if (gate_ != nullptr) {
                gate_->wake();
            }
        }
    }
    /// The join's outcome is here: what is assigned, or what is to be given up for it.
    void rebalanced() noexcept { now_.store(phase::settled); }

    /// The broker answers nothing else on the coordinator's connection before the others have
    /// joined, and then refuses what was sent with the generation before.
    [[nodiscard]] auto joining() const noexcept -> bool { return now_.load() == phase::joining; }
    /// It joins or is about to, and nobody knows the outcome yet.
    [[nodiscard]] auto settled() const noexcept -> bool { return now_.load() == phase::settled; }

private:
    static constexpr std::int16_t join_group = 11; // as Kafka numbers its requests
    static constexpr std::int16_t sync_group = 14;
    enum class phase : unsigned char { settled, joining, synchronized };

    std::atomic<phase> now_{phase::settled};
    std::mutex guard_;
    stream_gate* gate_ = nullptr;
};

} // namespace cobus::detail::kafka
