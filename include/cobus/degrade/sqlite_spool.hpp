#pragma once

#include "../detail/file_lock.hpp"
#include "../detail/sqlite.hpp"
#include "../transport/options.hpp"
#include "spool_file.hpp"
#include "sqlite_spool_tables.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace cobus::degrade {

/// A row that Kafka will never take, and why.
struct refused_row {
    spool_row row;
    std::string cause;
    time_point at{};
};

/// A spool's file in SQLite: one writer, which has the file to itself from `open` to its end, a
/// write-ahead log, and one transaction for each `apply`. Only its owner may read it.
///
/// docs/spool.md has what it survives, what it costs, and its tables.
class sqlite_spool final : public spool_file {
public:
    explicit sqlite_spool(spool_place where) : where_(std::move(where)) {}

    [[nodiscard]] auto open() -> spool_contents override {
        in_.reset();
        lock_.reset();
        if (where_.path.empty()) {
            throw error(errc::bad_settings, "a spool's file needs a path: set COBUS_SPOOL_FILE");
        }
        lock_.emplace(where_.path);
        try {
            in_ = std::make_unique<spool_tables>(where_);
            return in_->take_over();
        } catch (...) {
            in_.reset();
            lock_.reset();
            throw;
        }
    }

    void apply(std::span<const row_change> changes) override {
        spool_tables& in = opened();
        in.all_or_nothing([&] {
            for (const row_change& each : changes) {
                std::visit([&in](const auto& change) { in.change(change); }, each);
            }
        });
        const auto removes = [](const row_change& each) {
            return std::holds_alternative<row_gone>(each);
        };
        if (std::ranges::any_of(changes, removes)) {
            in.give_back();
        }
    }

    /// A row that is put again takes the place of the one that was there.
    [[nodiscard]] auto read(std::uint64_t from, std::size_t rows, std::size_t bytes)
        -> std::vector<spool_row> override {
        return opened().read(from, rows, bytes);
    }

    // For tools.

    /// The refused rows from that sequence on, as `read`.
    [[nodiscard]] auto read_refused(std::uint64_t from, std::size_t rows, std::size_t bytes)
        -> std::vector<refused_row> {
        std::vector<refused_row> found;
        opened().read_refused(from, rows, bytes,
                              [&found](spool_row row, std::string cause, time_point at) {
                                  found.push_back({std::move(row), std::move(cause), at});
                              });
        return found;
    }
    /// Puts refused rows back in their places, to be tried again. Says how many there were.
    auto restore(std::span<const std::uint64_t> sequences, time_point now) -> std::size_t {
        std::size_t done = 0;
        opened().all_or_nothing([&] {
            for (const std::uint64_t each : sequences) {
                done += std::size_t{opened().restore(each, now)};
            }
        });
        return done;
    }
    /// Forgets refused rows. Says how many there were.
    auto discard(std::span<const std::uint64_t> sequences) -> std::size_t {
        std::size_t done = 0;
        opened().all_or_nothing([&] {
            for (const std::uint64_t each : sequences) {
                done += std::size_t{opened().discard(each)};
            }
        });
        return done;
    }

private:
    [[nodiscard]] auto opened() const -> spool_tables& {
        if (!in_) {
            throw error(errc::store_failed, where_.path + ": was not opened");
        }
        return *in_;
    }

    spool_place where_;
    std::optional<detail::file_lock> lock_;
    std::unique_ptr<spool_tables> in_; // goes before the lock
};

} // namespace cobus::degrade

namespace cobus {

/// Keeps the spool in an SQLite file: that path's, or the one that the settings name
/// (COBUS_SPOOL_FILE); in memory if neither does.
///
///     settings.spool(cobus::sqlite_spool());
[[nodiscard]] inline auto sqlite_spool() -> spool_maker {
    return [](const spool_place& where) -> std::unique_ptr<degrade::spool_file> {
        return std::make_unique<degrade::sqlite_spool>(where);
    };
}

} // namespace cobus
