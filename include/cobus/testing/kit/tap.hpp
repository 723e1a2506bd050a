#pragma once

#include "../../transport/transport.hpp"
#include "forwarding_stream.hpp"
#include "log.hpp"
#include "relay.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

namespace cobus::testing::detail {

/// Passes everything on, and tells the log what is read and given back.
class tapped_stream final : public forwarding_stream {
public:
    tapped_stream(std::unique_ptr<stream> inner, std::shared_ptr<kit_log> log)
        : forwarding_stream(std::move(inner)), log_(std::move(log)) {}
    ~tapped_stream() override {
        for (const auto& [content, each] : out_) { // a crash: they will never be given back
            log_->given_back(each);
        }
    }

    auto poll(std::span<delivery> room) noexcept -> polled override {
        const polled got = inner().poll(room);
        if (got.what == signal::messages) {
            for (const delivery& each : room.first(got.count)) {
                log_->arrived(each);
                out_[{each.content, each.offset, each.epoch}] = each;
            }
        }
        return got;
    }
    void give_back(std::span<delivery> finished) noexcept override {
        for (const delivery& each : finished) {
            log_->given_back(each);
            out_.erase({each.content, each.offset, each.epoch});
        }
        inner().give_back(finished);
    }

private:
    std::shared_ptr<kit_log> log_;
    std::map<std::tuple<const message*, std::int64_t, std::uint32_t>, delivery> out_;
};

/// Passes everything on, and tells the log what is published and how that ended.
class tap final : public transport {
public:
    tap(std::unique_ptr<transport> inner, std::shared_ptr<kit_log> log)
        : log_(std::move(log)),
          relays_([log = log_.get()](publish_node& outer, std::size_t which) {
              log->published(which, outer.where, outer.ec);
          }),
          inner_(std::move(inner)) {}

    [[nodiscard]] auto name() const noexcept -> std::string_view override { return inner_->name(); }
    [[nodiscard]] auto wants_bytes() const noexcept -> bool override {
        return inner_->wants_bytes();
    }
    [[nodiscard]] auto in_process() const noexcept -> bool override { return inner_->in_process(); }
    void start(waker& state_changed, operation& done) noexcept override {
        inner_->start(state_changed, done);
    }
    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken override {
        const std::size_t which = log_->publishing(std::move(node.content), node.content);
        const taken how = relays_.send(*inner_, node, may_wait, which);
        if (how == taken::full) {
            node.content = log_->give_back(which);
        }
        return how;
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool override {
        const std::optional<std::size_t> which = relays_.withdraw(*inner_, node);
        if (which) {
            log_->withdrawn(*which);
        }
        return which.has_value();
    }
    [[nodiscard]] auto subscribe(const interest& wanted, waker& ready)
        -> std::unique_ptr<stream> override {
        return std::make_unique<tapped_stream>(inner_->subscribe(wanted, ready), log_);
    }
    [[nodiscard]] auto state() const -> link_state override { return inner_->state(); }
    [[nodiscard]] auto health() const -> cobus::health override { return inner_->health(); }
    void stop(std::chrono::steady_clock::time_point deadline, operation& done) noexcept override {
        inner_->stop(deadline, done);
    }

private:
    std::shared_ptr<kit_log> log_;
    relays relays_;
    std::unique_ptr<transport> inner_; ///< goes first
};

} // namespace cobus::testing::detail
