#include "spool_rows.hpp"
#include "temporary_folder.hpp"

#include <cobus/sqlite.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sqlite_spool_model {
namespace {

namespace rows = cobus::test::spool_rows;
namespace degrade = cobus::degrade;

constexpr std::size_t everything = 1'000'000'000;

/// What a spool must be like, obviously.
struct model {
    struct kept {
        std::string told;
        std::size_t bytes = 0;
        degrade::row_state state{};
        std::set<std::pair<std::string, std::string>> settled;
        std::string cause;
    };
    std::map<std::uint64_t, kept> rows;
    std::map<std::uint64_t, kept> refused;
    std::uint64_t next = 1;

    void change(const degrade::row_put& what) {
        kept& made = rows[what.row->sequence];
        made.told = rows::told(*what.row);
        made.bytes = degrade::bytes_of(what.row->content);
        made.state = what.row->state;
        for (const auto& each : what.row->settled) {
            made.settled.emplace(each.group, each.handler);
        }
        next = std::max(next, what.row->sequence + 1);
    }
    void change(const degrade::row_moved& what) {
        if (const auto found = rows.find(what.sequence); found != rows.end()) {
            found->second.state = what.to;
        }
    }
    void change(const degrade::row_settled& what) {
        if (const auto found = rows.find(what.sequence); found != rows.end()) {
            found->second.settled.emplace(what.by.group, what.by.handler);
        }
    }
    void change(const degrade::row_gone& what) { rows.erase(what.sequence); }
    void change(const degrade::row_refused& what) {
        if (auto found = rows.extract(what.sequence)) {
            found.mapped().cause = what.cause;
            refused.insert(std::move(found));
        }
    }
    void died() {
        for (auto& [sequence, each] : rows) {
            each.state = degrade::row_state::pending;
        }
    }
};

auto same(const degrade::spool_row& found, const model::kept& expected) -> bool {
    std::set<std::pair<std::string, std::string>> settled;
    for (const auto& each : found.settled) {
        settled.emplace(each.group, each.handler);
    }
    return rows::told(found) == expected.told && settled == expected.settled &&
           settled.size() == found.settled.size();
}

class walk {
public:
    void run(int steps) {
        REQUIRE(file_->open().next_sequence == 1);
        for (done_ = 0; done_ < steps;) {
            batch();
            if (random_() % 4 == 0) {
                compare_a_part();
            }
            if (random_() % 100 == 0) {
                reopen();
            }
            if (random_() % 100 == 0) {
                settle_refused();
            }
        }
        reopen();
    }

private:
    void batch() {
        std::vector<degrade::spool_row> put(1 + random_() % 20);
        std::vector<degrade::row_change> changes;
        being_put_.clear();
        for (degrade::spool_row& each : put) {
            make(each);
            being_put_.insert(each.sequence);
            changes.emplace_back(degrade::row_put{&each});
        }
        for (std::size_t more = random_() % 40; more > 0; --more) {
            changes.push_back(some_change());
        }
        std::shuffle(changes.begin(), changes.end(), random_);
        done_ += static_cast<int>(changes.size());
        file_->apply(changes);
        for (const degrade::row_change& each : changes) {
            std::visit([this](const auto& what) { expected_.change(what); }, each);
        }
    }
    void make(degrade::spool_row& row) {
        // Mostly a new one, at times one that is there or was there. Never one that was refused:
        // such a sequence is not given again.
        const std::uint64_t sequence = random_() % 8 != 0 ? ++newest_ : some_sequence();
        const std::uint64_t free = expected_.refused.contains(sequence) ? ++newest_ : sequence;
        row = rows::make(free, "k" + std::to_string(random_() % 9),
                         std::string(random_() % 200, 'p'));
        row.content.form(static_cast<cobus::wire::mode>(random_() % 3));
        if (row.content.form() == cobus::wire::mode::structured) {
            row.content.form(cobus::wire::mode::plain); // those become envelopes
        }
        row.state =
            random_() % 2 != 0 ? degrade::row_state::pending : degrade::row_state::in_client;
        if (random_() % 8 == 0) {
            row.settled.push_back(some_executor());
        }
    }
    auto some_change() -> degrade::row_change {
        const std::uint64_t which = some_sequence();
        switch (random_() % 8) {
        case 0:
            return degrade::row_moved{which, degrade::row_state::in_client};
        case 1:
            return degrade::row_moved{which, degrade::row_state::pending};
        case 2:
        case 3:
            return degrade::row_settled{which, some_executor()};
        case 4:
            if (!being_put_.contains(which)) { // what is refused is not put again
                return degrade::row_refused{which, "cause " + std::to_string(which), {}};
            }
            return degrade::row_gone{which};
        default:
            return degrade::row_gone{which};
        }
    }
    auto some_sequence() -> std::uint64_t {
        return newest_ - std::min<std::uint64_t>(newest_, random_() % 120);
    }
    auto some_executor() -> degrade::executor_name {
        return {"group", "handler" + std::to_string(random_() % 3)};
    }

    void compare_a_part() {
        const std::uint64_t from = some_sequence();
        const std::size_t limit = random_() % 30;
        const std::size_t bytes = random_() % 2 != 0 ? everything : random_() % 2000;
        const auto found = file_->read(from, limit, bytes);
        std::size_t count = 0;
        std::size_t size = 0;
        for (auto each = expected_.rows.lower_bound(from);
             each != expected_.rows.end() && count < limit && (count == 0 || size < bytes);
             ++each, ++count) {
            REQUIRE(count < found.size());
            REQUIRE(found[count].sequence == each->first);
            REQUIRE(found[count].state == each->second.state);
            REQUIRE(same(found[count], each->second));
            size += each->second.bytes;
        }
        REQUIRE(found.size() == count);
    }
    void settle_refused() {
        std::vector<std::uint64_t> some;
        for (const auto& [sequence, each] : expected_.refused) {
            if (random_() % 3 == 0) {
                some.push_back(sequence);
            }
        }
        REQUIRE(file_->discard(some) == some.size());
        for (const std::uint64_t each : some) {
            expected_.refused.erase(each);
        }
    }
    /// As after a crash.
    void reopen() {
        file_.emplace(where_);
        const auto contents = file_->open();
        expected_.died();
        std::size_t bytes = 0;
        for (const auto& [sequence, each] : expected_.rows) {
            bytes += each.bytes;
        }
        REQUIRE(contents.rows == expected_.rows.size());
        REQUIRE(contents.bytes == bytes);
        REQUIRE(contents.refused == expected_.refused.size());
        REQUIRE(contents.next_sequence == expected_.next);
        const auto refused = file_->read_refused(0, everything, everything);
        REQUIRE(refused.size() == expected_.refused.size());
        auto expected = expected_.refused.begin();
        for (std::size_t i = 0; i < refused.size(); ++i, ++expected) {
            REQUIRE(refused[i].row.sequence == expected->first);
            REQUIRE(refused[i].cause == expected->second.cause);
            REQUIRE(same(refused[i].row, expected->second));
        }
    }

    [[nodiscard]] auto place() const -> cobus::spool_place {
        cobus::spool_place where;
        where.path = (folder_.path() / "spool.db").string();
        where.synchronous =
            cobus::spool_synchronous::off; // only in time does that make a difference
        return where;
    }

    cobus::test::temporary_folder folder_;
    cobus::spool_place where_ = place();
    std::optional<degrade::sqlite_spool> file_{std::in_place, where_};
    model expected_;
    std::mt19937_64 random_{5};
    std::set<std::uint64_t> being_put_;
    std::uint64_t newest_ = 0;
    int done_ = 0;
};

} // namespace

TEST_CASE("a spool's file does what an obvious model does, through 100,000 random changes") {
    walk().run(100'000);
}

} // namespace sqlite_spool_model
