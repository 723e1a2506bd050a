#pragma once

#include "../bus.hpp"
#include "../dispatch/retry.hpp"
#include "inbox_tables.hpp"
#include "tables.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace cobus {

/// How long an inbox remembers, and what it has to outlast.
class inbox_options {
public:
    inbox_options() {} // not an aggregate, for GCC 12

    /// How long a handled event is remembered. Unless set, seven days.
    auto window(std::chrono::milliseconds length) && -> inbox_options&& {
        window_ = (std::max)(length, std::chrono::milliseconds(1));
        return std::move(*this);
    }
    /// The longest time that Kafka, the producers or this service may be away. Unless set, one day.
    auto longest_outage(std::chrono::milliseconds length) && -> inbox_options&& {
        outage_ = (std::max)(length, std::chrono::milliseconds(0));
        return std::move(*this);
    }
    /// The policy of the handlers that use it.
    auto retries(retry_policy of_handlers) && -> inbox_options&& {
        retries_ = std::move(of_handlers);
        return std::move(*this);
    }
    /// How long a claim holds that nobody confirms or gives back; longer than the handlers' time
    /// limit. Unless set, one minute.
    auto lease(std::chrono::milliseconds length) && -> inbox_options&& {
        lease_ = (std::max)(length, std::chrono::milliseconds(1));
        return std::move(*this);
    }
    /// The handlers' time limit. Unless set, 30 s.
    auto handler_limit(std::chrono::milliseconds length) && -> inbox_options&& {
        handler_limit_ = length;
        return std::move(*this);
    }

    [[nodiscard]] auto window() const noexcept -> std::chrono::milliseconds { return window_; }
    [[nodiscard]] auto lease() const noexcept -> std::chrono::milliseconds { return lease_; }
    [[nodiscard]] auto handler_limit() const noexcept -> std::chrono::milliseconds {
        return handler_limit_;
    }
    /// The longest time between two copies of an event: an outage, then all tries of a handler.
    [[nodiscard]] auto longest_gap() const noexcept -> std::chrono::milliseconds {
        std::chrono::milliseconds gap = outage_;
        const unsigned most = (std::min)(retries_.attempts(), 10'000U); // beyond, years
        for (unsigned tries = 1; tries < most; ++tries) {
            gap += retries_.longest_wait(tries);
        }
        return gap + handler_limit_ * retries_.attempts();
    }

private:
    std::chrono::milliseconds window_ = std::chrono::hours(7 * 24);
    std::chrono::milliseconds outage_ = std::chrono::hours(24);
    std::chrono::milliseconds lease_ = std::chrono::minutes(1);
    std::chrono::milliseconds handler_limit_ = std::chrono::seconds(30);
    retry_policy retries_;
};

/// Somebody's right to handle an event now.
struct inbox_claim {
    enum class answer : unsigned char {
        run,  ///< claimed: nobody has handled it, nobody is at it
        done, ///< handled before
        busy, ///< claimed by another copy
    };
    answer what = answer::run;
    std::int64_t fence = 0;            ///< of `run`: larger than that of any earlier claim
    std::chrono::milliseconds left{0}; ///< of `busy`: until that claim ends unless it is confirmed
};

/// Which events a handler is through with, in a table of the user's own database, so that a copy is
/// not handled again: told by group, handler, source and id.
///
/// - `confirm(connection, context)` **in the transaction of the handler's effects** makes them
///   once-only: effects and confirmation are committed together or not at all.
/// - `claim`, then the effects, then `confirm(connection, context, claim)` in transactions of their
///   own is at least once: a crash between effects and confirmation repeats the effects. The lease
///   keeps copies from running at the same time, the fencing number tells a holder whose lease has
///   passed that it no longer holds it.
///
/// All calls block as the database does: on a bus that must not wait, hop to another executor.
/// Errors: throw `errc::unavailable`. Thread safety: as the connection.
class inbox {
public:
    explicit inbox(bus& of) : inbox(of, inbox_options()) {}
    /// Logs a warning when the window does not outlast an outage and the tries after it: copies
    /// that come later are handled again. Errors: throws `errc::bad_settings` when the lease does
    /// not outlast the handler's limit.
    inbox(bus& of, inbox_options how) : how_(std::move(how)) {
        if (how_.lease() <= how_.handler_limit()) {
            throw error(errc::bad_settings,
                        "an inbox's lease must be longer than its handlers' time limit");
        }
        if (how_.window() <= how_.longest_gap()) {
            of.core_->log(log_level::warning,
                          "the inbox remembers for " + seconds(how_.window()) +
                              ", but a copy may come " + seconds(how_.longest_gap()) +
                              " later, after an outage and retries, and is handled again then: "
                              "make its window longer");
        }
    }

    /// Makes the table if it is not there.
    template <class Connection> static void create_tables(Connection* connection) {
        session_of<Connection> on(connection);
        table_of<Connection>::create(on);
    }

    /// Notes the event as handled by this handler, in the connection's transaction. True: it is the
    /// first time. False: do nothing, and end the transaction; a copy was committed before. A copy
    /// that is in another transaction at the same time is waited for.
    template <class Connection>
    [[nodiscard]] auto confirm(Connection* connection, const context& about) const -> bool {
        session_of<Connection> on(connection);
        tidy<Connection>(on);
        const std::string id = about.identity();
        return table_of<Connection>::confirm(on, key_of(about, id), how_.window().count());
    }

    /// Claims the event for this run of the handler.
    template <class Connection>
    [[nodiscard]] auto claim(Connection* connection, const context& about) const -> inbox_claim {
        session_of<Connection> on(connection);
        const std::string id = about.identity();
        const detail::inbox_key key = key_of(about, id);
        inbox_claim made;
        if (const auto fence = table_of<Connection>::claim(on, key, how_.lease().count())) {
            made.fence = *fence;
            return made;
        }
        const auto found = table_of<Connection>::look(on, key);
        made.what = found.done ? inbox_claim::answer::done : inbox_claim::answer::busy;
        made.left = std::chrono::milliseconds((std::max)(found.left, std::int64_t{1}));
        return made;
    }
    /// Notes it as handled. False: the lease has passed and somebody else has claimed it, so it may
    /// have been handled twice; roll back what can be.
    template <class Connection>
    [[nodiscard]] auto confirm(Connection* connection, const context& about,
                               const inbox_claim& by) const -> bool {
        session_of<Connection> on(connection);
        tidy<Connection>(on);
        const std::string id = about.identity();
        return table_of<Connection>::confirm_claim(on, key_of(about, id), by.fence,
                                                   how_.window().count());
    }
    /// It failed: whoever comes next may claim it.
    template <class Connection>
    void release(Connection* connection, const context& about, const inbox_claim& by) const {
        session_of<Connection> on(connection);
        const std::string id = about.identity();
        table_of<Connection>::release(on, key_of(about, id), by.fence);
    }
    /// Deletes up to `most` of what is past its time; confirmations do it now and then by
    /// themselves.
    template <class Connection>
    static auto forget(Connection* connection, std::size_t most) -> std::size_t {
        session_of<Connection> on(connection);
        return table_of<Connection>::forget(on, static_cast<std::int64_t>(most));
    }

private:
    template <class Connection>
    using session_of = typename detail::sql::session_of<Connection>::type;
    template <class Connection>
    using table_of = detail::inbox_table<session_of<Connection>>;

    [[nodiscard]] static auto key_of(const context& about, const std::string& id)
        -> detail::inbox_key {
        return {about.group(), about.handler(), about.content().source(), id};
    }
    template <class Connection> void tidy(session_of<Connection>& on) const {
        constexpr unsigned each = 256;
        constexpr std::int64_t most = 512;
        if (++confirmed_ % each == 0) {
            (void)table_of<Connection>::forget(on, most);
        }
    }
    [[nodiscard]] static auto seconds(std::chrono::milliseconds length) -> std::string {
        return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(length).count()) +
               " s";
    }

    inbox_options how_;
    mutable std::atomic<unsigned> confirmed_{0};
};

} // namespace cobus
