#include "quiet.hpp"

#include <cobus/cobus.hpp>
#include <cobus/testing/scripted_transport.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

// Handlers whose partition goes are asked to end; those of other partitions are left alone.

namespace handler_cancellation {

using namespace std::chrono_literals;
using cobus::signal;
using cobus::testing::scripted_stream;
using cobus::testing::scripted_transport;
namespace net = cobus::net;

/// A bus on a scripted transport, with one handler that waits at each message until the test lets
/// it go, and the partitions 0 and 1 of one topic.
struct scene {
    explicit scene(std::chrono::milliseconds drain = 1h) {
        auto made = std::make_unique<scripted_transport>();
        link = made.get();
        link->is(cobus::link::up);
        link->answer_at_once = std::error_code();
        cobus::settings how = cobus::test::quiet();
        how.drain_limit(drain);
        bus.emplace(context.get_executor(), how,
                    cobus::over([given = std::make_shared<std::unique_ptr<cobus::transport>>(
                                     std::move(made))](const cobus::transport_options&) {
                        return std::move(*given);
                    }));
        handler = bus->on_any(
            cobus::handler("waits"), {"t"},
            [this](const cobus::message&, cobus::context& where) { return wait(where); });
        bus->start([](std::error_code ec) { CHECK_FALSE(ec); });
        turn();
        stream().say({signal::assigned, 1, {at(0), at(1)}});
        turn();
        bring(0);
        bring(1);
        REQUIRE(runs.size() == 2);
    }
    ~scene() {
        handler = cobus::subscription();
        bus.reset();
        turn();
    }

    struct run {
        explicit run(net::io_context& on) : open(on) {}
        net::steady_timer open; ///< until the test cancels it
        cobus::context* where = nullptr;
        std::optional<std::error_code> ended;
        bool cancelled = false; ///< what the context said at the end
    };

    auto wait(cobus::context& where) -> net::awaitable<void> {
        run& mine = *(runs[where.partition()] = std::make_unique<run>(context));
        mine.where = &where;
        mine.open.expires_after(1h);
        std::error_code ec;
        co_await mine.open.async_wait(net::redirect_error(net::use_awaitable, ec));
        const net::cancellation_state state = co_await net::this_coro::cancellation_state;
        const bool asked = state.cancelled() != net::cancellation_type::none;
        mine.cancelled = where.cancelled();
        CHECK(mine.cancelled == asked);
        mine.ended = ec;
        mine.where = nullptr;
        if (asked) {
            throw std::system_error(ec);
        }
    }

    [[nodiscard]] auto stream() -> scripted_stream& { return *link->last_stream; }
    [[nodiscard]] static auto at(std::int32_t partition) -> cobus::topic_partition {
        return {cobus::detail::intern("t"), partition};
    }
    void bring(std::int32_t partition) {
        messages.push_back(std::make_unique<cobus::message>("t", "type", "text"));
        stream().bring({messages.back().get(), at(partition), 7, 1, 0, false});
        turn();
    }
    void let_go(std::int32_t partition) {
        runs[partition]->open.cancel();
        turn();
    }
    /// Runs what can run now.
    void turn() {
        context.restart();
        while (context.poll() > 0) {
        }
    }
    template <class Condition> void until(Condition holds) {
        const auto limit = std::chrono::steady_clock::now() + 10s;
        while (!holds() && std::chrono::steady_clock::now() < limit) {
            context.restart();
            context.run_one_for(10ms);
        }
        CHECK(holds());
    }
    [[nodiscard]] auto committed(std::int32_t partition) const -> std::int64_t {
        std::int64_t last = -1;
        for (const cobus::position& each : link->last_stream->committed) {
            last = each.where.partition == partition ? each.offset : last;
        }
        return last;
    }

    net::io_context context;
    scripted_transport* link = nullptr;
    std::vector<std::unique_ptr<cobus::message>> messages;
    std::map<std::int32_t, std::unique_ptr<run>> runs;
    std::optional<cobus::bus> bus;
    cobus::subscription handler;
};

TEST_CASE("what a handler awaits is cancelled when its partition is lost, and others go on") {
    scene here;
    here.stream().say({signal::lost, 2, {scene::at(0)}});
    here.turn();
    REQUIRE(here.runs[0]->ended);
    CHECK(*here.runs[0]->ended == net::error::operation_aborted);
    CHECK(here.runs[0]->cancelled);

    REQUIRE_FALSE(here.runs[1]->ended);
    CHECK_FALSE(here.runs[1]->where->ending());
    CHECK_FALSE(here.runs[1]->where->cancelled());
    here.let_go(1);
    CHECK_FALSE(here.runs[1]->cancelled);
    here.until([&] { return here.committed(1) == 8; });
    CHECK(here.committed(0) == -1);
}

TEST_CASE("a handler sees that its partition is going, and may still end well") {
    scene here;
    here.stream().say({signal::revoked, 2, {scene::at(0)}});
    here.turn();
    REQUIRE_FALSE(here.runs[0]->ended);
    CHECK(here.runs[0]->where->ending());
    CHECK_FALSE(here.runs[0]->where->cancelled());
    CHECK_FALSE(here.runs[1]->where->ending());
    here.let_go(0);
    CHECK_FALSE(here.runs[0]->cancelled);
    CHECK(here.committed(0) == 8);
    CHECK_FALSE(here.runs[1]->ended);
}

TEST_CASE("what takes longer than the drain limit is cancelled and not committed") {
    scene here(20ms);
    here.stream().say({signal::revoked, 2, {scene::at(0)}});
    here.until([&] { return here.runs[0]->ended.has_value(); });
    CHECK(*here.runs[0]->ended == net::error::operation_aborted);
    CHECK(here.runs[0]->cancelled);
    CHECK(here.committed(0) == -1);
    CHECK_FALSE(here.runs[1]->ended);
    CHECK_FALSE(here.runs[1]->where->cancelled());
}

TEST_CASE("an operation that the handler does not await is cancelled through the context's slot") {
    scene here;
    net::steady_timer beside(here.context, 1h);
    std::optional<std::error_code> told;
    beside.async_wait(net::bind_cancellation_slot(here.runs[0]->where->cancellation_slot(),
                                                  [&](std::error_code ec) { told = ec; }));
    here.stream().say({signal::lost, 2, {scene::at(1)}});
    here.turn();
    CHECK_FALSE(told);
    here.stream().say({signal::lost, 3, {scene::at(0)}});
    here.turn();
    REQUIRE(told);
    CHECK(*told == net::error::operation_aborted);
}

TEST_CASE("what is left in the context's slot is not the next event's") {
    bool told = false; // outlives the timer, whose end is told as the scene goes
    scene here;
    net::steady_timer beside(here.context, 1h);
    beside.async_wait(net::bind_cancellation_slot(here.runs[0]->where->cancellation_slot(),
                                                  [&](std::error_code /*ec*/) { told = true; }));
    here.let_go(0);
    here.bring(0);
    here.stream().say({signal::lost, 2, {scene::at(0)}});
    here.turn();
    CHECK(here.runs[0]->cancelled);
    CHECK_FALSE(told);
}

TEST_CASE("a plain function sees that the bus stops, and has no slot") {
    scene here;
    std::vector<bool> seen;
    auto plain = here.bus->on_any(cobus::handler("plain"), {"t"},
                                  [&](const cobus::message&, cobus::context& where) {
                                      seen.push_back(where.ending());
                                      CHECK_FALSE(where.cancelled());
                                      CHECK_FALSE(where.cancellation_slot().is_connected());
                                  });
    here.turn();
    here.bring(1);
    CHECK(seen == std::vector<bool>{false});
    here.bus->stop(1h, [](std::error_code /*ec*/) {});
    here.turn();
    CHECK(here.runs[0]->where->ending());
    CHECK(here.runs[1]->where->ending());
}

} // namespace handler_cancellation
