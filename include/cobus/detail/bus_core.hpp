#pragma once

#include "../dispatch/registration.hpp"
#include "../message.hpp"
#include "../net.hpp"
#include "../settings.hpp"
#include "../state.hpp"
#include "../transport/transport.hpp"
#include "completion.hpp"
#include "home_parts.hpp"
#include "intern.hpp"
#include "publisher.hpp"
#include "routes.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cobus::detail {

/// What is behind a `bus`, as the front door sees it: what a publish needs at hand, and what the
/// home can be asked for (`bus_home`, which no user's file has to compile). Begins a cache line, so
/// that publishers who count a reference do not take from the home what it reads.
class alignas(64) bus_core : public std::enable_shared_from_this<bus_core>, public dispatch_host {
public:
    using clock = std::chrono::steady_clock;
    using status_waiter = completion<std::error_code>;
    using stop_waiter = completion<std::error_code, stop_result>;

    bus_core(const bus_core&) = delete;
    auto operator=(const bus_core&) -> bus_core& = delete;

    [[nodiscard]] auto configuration() const noexcept -> const settings& { return settings_; }
    [[nodiscard]] auto options() const noexcept -> const transport_options& { return options_; }
    [[nodiscard]] auto source() const noexcept -> const std::string& { return *source_; }
    [[nodiscard]] auto routes() noexcept -> route_table& { return routes_; }
    [[nodiscard]] auto publishes() noexcept -> publisher& { return publisher_; }

    // dispatch_host
    [[nodiscard]] auto executor() const noexcept -> const net::any_io_executor& override {
        return executor_;
    }
    [[nodiscard]] auto now() const noexcept -> clock::time_point override { return options_.now(); }
    [[nodiscard]] auto wall() const noexcept -> time_point override { return options_.wall(); }
    void send(message_ptr content, policy when_away, internal_send& who,
              std::int32_t partition) override {
        publish_op* op = publisher_.make();
        op->content = std::move(content);
        op->when_away = when_away;
        op->partition = partition;
        auto* waiting = pool_new<internal_waiter>(who);
        (void)publisher_.attach(*op, *waiting); // nothing can have ended yet
        if (publisher_.submit(*op, true) == taken::done) {
            publisher_.tell_later(*op);
        }
    }
    /// For a publish under way that nobody awaits.
    void tell_when_sent(publish_op& op, internal_send& who) {
        auto* waiting = pool_new<internal_waiter>(who);
        if (!publisher_.attach(op, *waiting)) {
            receipt where;
            const std::error_code ec = publisher_.collect(op, where);
            waiting->complete(executor_, false, ec, std::move(where));
        }
    }
    void log(log_level level, std::string_view text) noexcept override {
        write_log(options_.log, level, text);
    }
    [[nodiscard]] auto has_called(std::uint64_t call) const noexcept -> bool override {
        return publisher_.has_made(call);
    }
    [[nodiscard]] auto keep() -> std::shared_ptr<void> override { return shared_from_this(); }

    // Operations, from any thread.

    virtual void start(status_waiter& who) = 0;
    virtual void stop(std::chrono::milliseconds limit, stop_waiter& who) = 0;
    virtual void until(state wanted, status_waiter& who) = 0;
    /// Errors: throws `cobus::error` when the settings do not allow what the handler asks for.
    virtual void add(std::shared_ptr<registration> handler) = 0;
    /// The subscription is gone; `who`, if any, hears when its last run has ended.
    virtual void remove(registration& handler, status_waiter* who) = 0;
    void remove_and_tell(registration& handler, status_waiter& who) { remove(handler, &who); }
    virtual void when_ready(registration& handler, status_waiter& who) = 0;
    /// The bus object is gone: whoever waits hears of it, handlers are asked to end.
    virtual void abandon() noexcept = 0;
    /// Runs the home at once for a caller that is on that executor, if it is the bus's own and the
    /// home is not running. True: more is under way than fits the cache, so the caller should let
    /// others run.
    virtual auto run_on(const net::any_io_executor& executor) -> bool = 0;
    /// Submits a node, and runs the home at once where `run_on` does: then it may have ended.
    virtual auto submit_and_run(const net::any_io_executor& executor, publish_op& op) -> taken = 0;

    [[nodiscard]] virtual auto health() const -> cobus::health = 0;
    /// What a spool holds.
    [[nodiscard]] virtual auto left() const -> spooled = 0;
    /// Why the bus failed.
    [[nodiscard]] virtual auto problem() const -> std::string = 0;

protected:
    bus_core(net::any_io_executor executor, settings how, void (*publish_ended)(void*) noexcept)
        : executor_(std::move(executor)),
          settings_(std::move(how)),
          options_(settings_.transport_options(executor_)),
          source_(intern(options_.client_id)),
          routes_(settings_),
          publisher_(publish_ended, static_cast<dispatch_host*>(this)) {}
    ~bus_core() = default;

    net::any_io_executor executor_;
    settings settings_;
    transport_options options_;
    const std::string* source_;
    route_table routes_;
    publisher publisher_;
};

} // namespace cobus::detail
