#pragma once

#include "../detail/postgres_session.hpp"
#include "sql_store.hpp"

#include <memory>
#include <string>

namespace cobus {

namespace detail {

class postgres_store final : public sql_outbox_store<postgres::session> {
public:
    explicit postgres_store(const std::string& where)
        : sql_outbox_store([where] {
              postgres::session made(where);
              made.run("LISTEN cobus_outbox");
              return made;
          }) {}

    [[nodiscard]] auto descriptor() const noexcept -> int override {
        return current() ? current()->descriptor() : -1;
    }
    auto take_notifications() -> bool override { return on().notified(); }
};

} // namespace detail

/// An outbox's rows in a PostgreSQL database, by a connection string of libpq's. The relay hears of
/// commits by `LISTEN`, from all processes.
[[nodiscard]] inline auto postgres_outbox(const std::string& where)
    -> std::unique_ptr<outbox_store> {
    return std::make_unique<detail::postgres_store>(where);
}

} // namespace cobus
