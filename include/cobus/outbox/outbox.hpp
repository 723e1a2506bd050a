#pragma once

#include "../bus.hpp"
#include "../detail/wire_form.hpp"
#include "options.hpp"
#include "relay.hpp"
#include "store.hpp"
#include "tables.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cobus {

/// Events that are committed with other data, or not at all: `add` writes them into a table of the
/// user's own database, on the user's connection, inside the user's transaction; a relay publishes
/// what was committed and deletes a row when Kafka has acknowledged it. So each event is published
/// at least once, and a duplicate carries the same id.
///
/// Contracts say `static constexpr bool outbox = true;` and then have no direct way any more: one
/// that went past the table would overtake those in it.
///
/// Order holds per key, in the order of the rows. SQLite has one writer, so that is the order of
/// commits. PostgreSQL's sequences are given before the commit: there it holds only if writers of
/// one key wait for each other, by a lock that they take before `add` and keep until the commit,
/// such as `SELECT … FOR UPDATE` on what the key names.
///
/// Thread safety: any thread may call anything; `add` as the connection allows.
class outbox {
public:
    /// `store` is where the relay finds the rows: `sqlite_outbox(path)`, `postgres_outbox(…)`. Its
    /// calls block, so they run on `blocking`, such as a `thread_pool` of one thread, which must
    /// outlive this.
    template <class Executor>
    outbox(bus& of, std::unique_ptr<outbox_store> store, const Executor& blocking)
        : outbox(of, std::move(store), blocking, outbox_options()) {}
    template <class Executor>
    outbox(bus& of, std::unique_ptr<outbox_store> store, const Executor& blocking,
           const outbox_options& how)
        : core_(of.core_),
          relay_(
              std::make_shared<detail::outbox_relay>(of.core_, std::move(store), blocking, how)) {}
    outbox(const outbox&) = delete;
    auto operator=(const outbox&) -> outbox& = delete;
    /// As `stop`, without waiting for it.
    ~outbox() { relay_->stop(nullptr); }

    // --- tables, on a connection of the user's: `sqlite3*` or `PGconn*`

    /// Makes the tables that are not there. Errors: throws `errc::unavailable`.
    template <class Connection> static void create_tables(Connection* connection) {
        session_of<Connection> on(connection);
        tables_of<Connection>::create(on);
    }
    struct counts {
        std::size_t waiting = 0;
        std::size_t refused = 0;
    };
    template <class Connection> [[nodiscard]] static auto count(Connection* connection) -> counts {
        session_of<Connection> on(connection);
        const auto found = tables_of<Connection>::count(on);
        return {static_cast<std::size_t>(found.waiting), static_cast<std::size_t>(found.refused)};
    }
    /// Puts what Kafka refused for good back behind what waits, once its cause was mended. Returns
    /// how many rows.
    template <class Connection> static auto restore_refused(Connection* connection) -> std::size_t {
        session_of<Connection> on(connection);
        return tables_of<Connection>::restore(on);
    }

    // --- writing

    /// Writes the event on the connection, in whatever transaction that is. Blocks as the database
    /// does. Returns the event's id. Errors: throws `errc::not_encodable`, `errc::unavailable`.
    template <class Connection, class E>
    auto add(Connection* connection, const E& event) const -> message_id {
        return write(connection, nullptr, nullptr, event);
    }
    template <class Connection, class E>
    auto add(Connection* connection, const E& event, const publish_options& said) const
        -> message_id {
        return write(connection, nullptr, &said, event);
    }
    /// The same in a handler: with an id derived from the handled event's, as `context.publish`.
    template <class Connection, class E>
    auto add(Connection* connection, const context& because, const E& event) const -> message_id {
        return write(connection, &because, nullptr, event);
    }
    template <class Connection, class E>
    auto add(Connection* connection, const context& because, const E& event,
             const publish_options& said) const -> message_id {
        return write(connection, &because, &said, event);
    }
    /// Has the relay look at once. Without it rows wait for its next look (`outbox_options::poll`),
    /// except that PostgreSQL tells relays of all processes by itself.
    void committed() const { relay_->wake(); }

    // --- the relay

    /// Starts the relay of this process.
    void start() const { relay_->start(); }
    /// Ends it: what is under way may be published once more later. Completes within the time that
    /// one call of the database takes. Errors: none. Cancellation: none.
    template <class Token> auto stop(Token&& token) {
        return net::async_initiate<Token, void(std::error_code)>(stopping(relay_), token);
    }
    template <class Executor = net::any_io_executor> auto stop() -> net::awaitable<void, Executor> {
        return stop(net::use_awaitable_t<Executor>());
    }
    [[nodiscard]] auto status() const -> outbox_status { return relay_->status(); }

private:
    template <class Connection>
    using session_of = typename detail::sql::session_of<Connection>::type;
    template <class Connection>
    using tables_of = detail::outbox_tables<session_of<Connection>>;

    class stopping {
    public:
        explicit stopping(std::shared_ptr<detail::outbox_relay> relay) noexcept
            : relay_(std::move(relay)) {}
        template <class Handler> void operator()(Handler&& handler) const {
            relay_->stop(detail::erase_handler<std::error_code>(std::forward<Handler>(handler),
                                                                relay_->executor()));
        }

    private:
        std::shared_ptr<detail::outbox_relay> relay_;
    };

    template <class Connection, class E>
    auto write(Connection* connection, const context* because, const publish_options* said,
               const E& event) const -> message_id {
        static_assert(detail::through_outbox<E>,
                      "cobus: an event of an outbox has `static constexpr bool outbox = true;` in "
                      "its contract, so that nothing publishes it past the table");
        static_assert(
            detail::has_codec<E>,
            "cobus: an event of an outbox is stored as bytes: its contract needs a codec");
        detail::prepared made = detail::prepare_event<E>(core_, said, event);
        message& content = *made.content;
        if (because != nullptr) {
            detail::inherit(*because, content);
        }
        detail::complete(content, core_->options());
        if (const codec_result encoded = content.ensure_bytes(); !encoded.ok()) {
            throw error(errc::not_encodable, encoded.problem());
        }
        session_of<Connection> on(connection);
        tables_of<Connection>::insert(on, row_of(content, made.partition, detail::info_of<E>()));
        return content.id();
    }
    /// With what only the contract knows, which is not at hand when the row is published.
    [[nodiscard]] auto row_of(message& content, std::int32_t partition,
                              const detail::contract_info& info) const -> outbox_row {
        wire::mode how = core_->routes().find(info).how.how();
        std::string envelope;
        const bool wrapped = how == wire::mode::structured && info.wrap != nullptr &&
                             core_->configuration().kafka_enabled();
        if (wrapped) {
            if (const codec_result made = info.wrap(content, envelope); !made.ok()) {
                throw error(errc::not_encodable, made.problem());
            }
            content.headers().set("content-type", detail::structured_type);
        } else if (how != wire::mode::plain) {
            how = wire::mode::binary;
            if (!info.content_type.empty() && !content.headers().get("content-type")) {
                content.headers().set("content-type", info.content_type);
            }
        }
        outbox_row row = detail::to_row(content, partition, wrapped ? wire::mode::plain : how);
        if (wrapped) {
            row.payload = std::move(envelope);
        }
        return row;
    }

    std::shared_ptr<detail::bus_core> core_;
    std::shared_ptr<detail::outbox_relay> relay_;
};

} // namespace cobus
