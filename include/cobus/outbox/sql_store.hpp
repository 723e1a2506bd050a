#pragma once

#include "../error.hpp"
#include "../message_id.hpp"
#include "store.hpp"
#include "tables.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::detail {

/// What a relay does with an outbox's tables, on a connection of its own.
template <class Session> class sql_outbox_store : public outbox_store {
public:
    using tables = outbox_tables<Session>;

    explicit sql_outbox_store(std::function<Session()> open)
        : open_(std::move(open)), owner_(message_id::make(coarse_now()).str()) {}

    auto lease(std::chrono::milliseconds length, std::size_t most) -> std::size_t override {
        held_ = tables::lease(on(), owner_, length.count(), static_cast<std::int64_t>(most));
        return held_.size();
    }
    [[nodiscard]] auto read(std::size_t most) -> std::vector<outbox_row> override {
        if (held_.empty()) {
            return {};
        }
        return tables::read(on(), held_, static_cast<std::int64_t>(most));
    }
    void remove(std::span<const outbox_row> rows) override {
        within_transaction([&] {
            for (const auto& each : held_) {
                std::vector<std::int64_t> sequences;
                for (const outbox_row& row : rows) {
                    if (row.shard == each.shard) {
                        sequences.push_back(row.sequence);
                    }
                }
                if (!sequences.empty()) {
                    tables::remove(on(), owner_, each, sequences);
                }
            }
        });
    }
    void refuse(const outbox_row& row, std::string_view cause) override {
        within_transaction([&] {
            if (const auto* by = holding(row)) {
                tables::refuse(on(), owner_, *by, row.sequence, cause);
            }
        });
    }
    void release() override {
        held_.clear();
        tables::release(on(), owner_);
    }
    void reset() noexcept override { session_.reset(); }

protected:
    [[nodiscard]] auto current() const noexcept -> const std::optional<Session>& {
        return session_;
    }
    [[nodiscard]] auto on() -> Session& {
        if (!session_) {
            session_.emplace(open_());
        }
        return *session_;
    }

private:
    [[nodiscard]] auto holding(const outbox_row& row) const noexcept -> const
        typename tables::held* {
        const auto found = std::find_if(held_.begin(), held_.end(), [&row](const auto& each) {
            return each.shard == row.shard;
        });
        return found != held_.end() ? &*found : nullptr;
    }
    template <class Work> void within_transaction(Work work) {
        on().run(Session::begin);
        try {
            work();
            on().run("COMMIT");
        } catch (...) {
            reset(); // which rolls it back
            throw;
        }
    }

    std::function<Session()> open_;
    std::string owner_;
    std::optional<Session> session_;
    std::vector<typename tables::held> held_;
};

} // namespace cobus::detail
