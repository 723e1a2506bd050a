#pragma once

#include "../detail/sqlite_session.hpp"
#include "sql_store.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace cobus {

/// An outbox's rows in an SQLite database, by its path. SQLite has one writer at a time: the relay
/// deletes a batch in one short transaction, and waits up to `patience` for others that write.
[[nodiscard]] inline auto sqlite_outbox(const std::string& path, std::chrono::milliseconds patience)
    -> std::unique_ptr<outbox_store> {
    return std::make_unique<detail::sql_outbox_store<detail::sqlite::session>>(
        [path, patience] { return detail::sqlite::session(path, patience); });
}
[[nodiscard]] inline auto sqlite_outbox(const std::string& path) -> std::unique_ptr<outbox_store> {
    return sqlite_outbox(path, std::chrono::seconds(5));
}

} // namespace cobus
