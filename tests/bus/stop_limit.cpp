#include "broken_transport.hpp"
#include "events.hpp"
#include "quiet.hpp"

#include <cobus/cobus.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

// A stop has one limit for all that it waits for, and nobody else needs to wake the bus at it: what
// these transports never finish would otherwise be waited for until the next message.

namespace stop_limit_test {

namespace net = cobus::net;
using cobus::test::tick;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

/// Memory, which never says that it has stopped.
class never_stops final : public cobus::transport {
public:
    explicit never_stops(std::unique_ptr<cobus::transport> inner) : inner_(std::move(inner)) {}
    [[nodiscard]] auto name() const noexcept -> std::string_view override { return "stuck"; }
    [[nodiscard]] auto wants_bytes() const noexcept -> bool override {
        return inner_->wants_bytes();
    }
    void start(cobus::waker& changed, cobus::operation& done) noexcept override {
        inner_->start(changed, done);
    }
    [[nodiscard]] auto publish(cobus::publish_node& node, bool may_wait) noexcept
        -> cobus::taken override {
        return inner_->publish(node, may_wait);
    }
    [[nodiscard]] auto withdraw(cobus::publish_node& node) noexcept -> bool override {
        return inner_->withdraw(node);
    }
    [[nodiscard]] auto subscribe(const cobus::interest& wanted, cobus::waker& ready)
        -> std::unique_ptr<cobus::stream> override {
        return inner_->subscribe(wanted, ready);
    }
    [[nodiscard]] auto state() const -> cobus::link_state override { return inner_->state(); }
    void stop(steady::time_point /*deadline*/, cobus::operation& /*done*/) noexcept override {}

private:
    std::unique_ptr<cobus::transport> inner_;
};

using wrapper = std::function<std::unique_ptr<cobus::transport>(std::unique_ptr<cobus::transport>)>;

/// How long a stop with that limit takes over memory in that wrapping.
auto time_of_stop(const wrapper& wrap, std::chrono::milliseconds limit) -> steady::duration {
    net::io_context context{1};
    cobus::bus bus(context.get_executor(), cobus::test::quiet(),
                   cobus::over([&wrap](const cobus::transport_options& how) {
                       return wrap(cobus::memory()(how));
                   }));
    int handled = 0;
    auto reader = bus.on<tick>("reader", [&handled](const tick&) { ++handled; });
    std::optional<steady::duration> took;
    bus.start([](std::error_code ec) { REQUIRE(!ec); });
    bus.publish(tick{"k", 1}, [](std::error_code ec, const cobus::receipt&) { REQUIRE(!ec); });
    while (handled == 0) {
        REQUIRE(context.run_one_for(10s) != 0);
    }
    const auto begin = steady::now();
    bus.stop(limit, [&](std::error_code) { took = steady::now() - begin; });
    while (!took && steady::now() < begin + limit + 10s) {
        context.run_one_until(begin + limit + 10s);
    }
    REQUIRE(took);
    return *took;
}

} // namespace stop_limit_test

TEST_CASE("a stop ends within its limit when a stream never says that it is closed") {
    const auto took = stop_limit_test::time_of_stop(
        [](std::unique_ptr<cobus::transport> inner) -> std::unique_ptr<cobus::transport> {
            return std::make_unique<cobus::test::broken_transport>(
                std::move(inner), cobus::test::fault::never_closes);
        },
        std::chrono::milliseconds(200));
    CHECK(took >= std::chrono::milliseconds(200));
    CHECK(took < std::chrono::seconds(2)); // else it is never
}

TEST_CASE("a stop ends within its limit when the transport never says that it has stopped") {
    const auto took = stop_limit_test::time_of_stop(
        [](std::unique_ptr<cobus::transport> inner) -> std::unique_ptr<cobus::transport> {
            return std::make_unique<stop_limit_test::never_stops>(std::move(inner));
        },
        std::chrono::milliseconds(200));
    CHECK(took >= std::chrono::milliseconds(200));
    CHECK(took < std::chrono::seconds(2)); // else it is never
}
