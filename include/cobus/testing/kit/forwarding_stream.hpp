#pragma once

#include "../../transport/transport.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace cobus::testing::detail {

/// Passes every call on to another stream, for those that change or watch some of them: so that
/// none is forgotten.
class forwarding_stream : public stream {
public:
    [[nodiscard]] auto traits() const noexcept -> stream_traits override {
        return inner_->traits();
    }
    auto poll(std::span<delivery> room) noexcept -> polled override { return inner_->poll(room); }
    void give_back(std::span<delivery> finished) noexcept override { inner_->give_back(finished); }
    void hold(const topic_partition& where, bool held) noexcept override {
        inner_->hold(where, held);
    }
    void commit(std::span<const position> positions, std::uint32_t epoch,
                operation& done) noexcept override {
        inner_->commit(positions, epoch, done);
    }
    void handled(const topic_partition& where, std::int64_t below) noexcept override {
        inner_->handled(where, below);
    }
    void settled(std::uint32_t epoch) noexcept override { inner_->settled(epoch); }
    void update(const interest& wanted) noexcept override { inner_->update(wanted); }
    void drain() noexcept override { inner_->drain(); }
    [[nodiscard]] auto receives() const noexcept -> bool override { return inner_->receives(); }
    void close(operation& done) noexcept override { inner_->close(done); }
    void abandon() noexcept override { inner_->abandon(); }

protected:
    explicit forwarding_stream(std::unique_ptr<stream> inner) noexcept : inner_(std::move(inner)) {}

    [[nodiscard]] auto inner() const noexcept -> stream& { return *inner_; }

private:
    std::unique_ptr<stream> inner_;
};

} // namespace cobus::testing::detail
