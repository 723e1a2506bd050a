#pragma once

#include "sender.hpp"
#include "stream.hpp"

#include <chrono>
#include <memory>
#include <string_view>
#include <utility>

namespace cobus::detail {

/// Makes a transport of a simple one.
class simple_adapter final : public transport {
public:
    simple_adapter(std::shared_ptr<simple_transport> what, const transport_options& options)
        : what_(std::move(what)),
          strand_(net::make_strand(options.executor)),
          sender_(std::make_shared<simple_sender>(what_, strand_, options)) {}
    ~simple_adapter() override { sender_->abandon(); }

    [[nodiscard]] auto name() const noexcept -> std::string_view override { return "simple"; }
    [[nodiscard]] auto wants_bytes() const noexcept -> bool override { return true; }

    void start(waker& /*state_changed*/, operation& done) noexcept override {
        done.ec.clear();
        done.completed(done);
    }
    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken override {
        return sender_->publish(node, may_wait);
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool override {
        return sender_->withdraw(node);
    }
    [[nodiscard]] auto subscribe(const interest& wanted, waker& ready)
        -> std::unique_ptr<stream> override {
        return std::make_unique<simple_stream>(what_, strand_, wanted, ready);
    }
    [[nodiscard]] auto state() const -> link_state override {
        link_state now;
        now.what = link::up;
        return now;
    }
    void stop(std::chrono::steady_clock::time_point deadline, operation& done) noexcept override {
        sender_->stop(deadline, done);
    }

private:
    std::shared_ptr<simple_transport> what_;
    net::any_io_executor strand_;
    std::shared_ptr<simple_sender> sender_;
};

} // namespace cobus::detail
