#pragma once

#include <cobus/outbox/inbox_tables.hpp>
#include <cobus/outbox/sql_store.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cobus::test {

/// What must hold of an outbox and an inbox on any database.
template <class Session> class outbox_cases {
public:
    using tables = detail::outbox_tables<Session>;
    using box = detail::inbox_table<Session>;
    using store = detail::sql_outbox_store<Session>;

    explicit outbox_cases(std::function<Session()> open) : open_(std::move(open)) {
        Session on = open_();
        tables::create(on);
        tables::create(on); // once more does no harm
        box::create(on);
        box::create(on);
    }

    [[nodiscard]] static auto row(const std::string& id, std::optional<std::string> key)
        -> outbox_row {
        outbox_row made;
        made.id = id;
        made.source = "shop";
        made.type = "order";
        made.topic = "orders";
        made.key = std::move(key);
        made.headers = "1:h=1:v";
        made.payload = std::string("a\0\xff", 3);
        made.wire = "binary";
        made.time = 1'234'567'890'123;
        made.shard = detail::outbox_shard(made);
        return made;
    }
    [[nodiscard]] static auto ids(const std::vector<outbox_row>& rows) -> std::vector<std::string> {
        std::vector<std::string> all;
        for (const outbox_row& each : rows) {
            all.push_back(each.id);
        }
        return all;
    }
    using texts = std::vector<std::string>;

    void rows_are_of_the_transaction() {
        Session on = open_();
        store relay(open_);
        CHECK(relay.lease(minute, 16) == 16);
        on.run("BEGIN");
        tables::insert(on, row("lost", "k"));
        on.run("ROLLBACK");
        CHECK(relay.read(10).empty());
        on.run("BEGIN");
        tables::insert(on, row("1", "k"));
        tables::insert(on, row("2", std::nullopt));
        CHECK(relay.read(10).empty());
        on.run("COMMIT");
        const auto found = relay.read(10);
        REQUIRE(ids(found) == texts{"1", "2"});
        CHECK(found[0].sequence < found[1].sequence);
        CHECK(found[0].source == "shop");
        CHECK(found[0].type == "order");
        CHECK(found[0].topic == "orders");
        CHECK(found[0].key == "k");
        CHECK(found[1].key == std::nullopt);
        CHECK(found[0].headers == "1:h=1:v");
        CHECK(found[0].payload == std::string("a\0\xff", 3));
        CHECK(found[0].wire == "binary");
        CHECK(found[0].time == 1'234'567'890'123);
        CHECK(found[0].partition == -1);
        relay.remove(std::span(found).first(1));
        CHECK(ids(relay.read(10)) == texts{"2"});
        CHECK(tables::count(on).waiting == 1);
    }

    void refused_rows_are_kept_apart_with_their_cause() {
        Session on = open_();
        store relay(open_);
        CHECK(relay.lease(minute, 16) == 16);
        tables::insert(on, row("1", "k"));
        tables::insert(on, row("2", "k"));
        relay.refuse(relay.read(1).at(0), "too large; it's 'quoted'");
        CHECK(ids(relay.read(10)) == texts{"2"});
        CHECK(tables::count(on).refused == 1);
        const auto why = on.query("SELECT cause, id FROM cobus_outbox_refused", {});
        CHECK(why.at(0)[0].text() == "too large; it's 'quoted'");
        CHECK(why.at(0)[1].text() == "1");
        CHECK(tables::restore(on) == 1);
        CHECK(ids(relay.read(10)) == texts{"2", "1"});
        CHECK(tables::count(on).refused == 0);
    }

    /// Whoever takes one row at a time, passing by those that others have locked, publishes the
    /// second row of a key while the first is still on its way.
    void a_shard_has_one_relay_at_a_time() {
        Session on = open_();
        for (int i = 0; i < 100; ++i) {
            tables::insert(on, row(std::to_string(i), "key " + std::to_string(i % 20)));
        }
        store one(open_);
        store other(open_);
        CHECK(one.lease(minute, 10) == 10);
        CHECK(other.lease(minute, 16) == 6);
        CHECK(one.lease(minute, 16) == 10); // renewed; the others are taken
        const auto first = one.read(1000);
        const auto second = other.read(1000);
        CHECK(first.size() + second.size() == 100);
        for (const auto& mine : first) {
            for (const auto& others : second) {
                REQUIRE(mine.key != others.key);
            }
        }
        one.release();
        CHECK(other.lease(minute, 16) == 16);
        CHECK(other.read(1000).size() == 100);
    }

    void who_lost_its_lease_deletes_and_refuses_nothing() {
        Session on = open_();
        tables::insert(on, row("1", "k"));
        store late(open_);
        store next(open_);
        CHECK(late.lease(minute, 16) == 16);
        const auto rows = late.read(10);
        on.run("UPDATE cobus_outbox_lease SET until = 0"); // its time is over
        CHECK(next.lease(minute, 16) == 16);
        late.remove(rows);
        late.refuse(rows.at(0), "late");
        CHECK(ids(next.read(10)) == texts{"1"});
        CHECK(tables::count(on).refused == 0);
        CHECK(late.lease(minute, 16) == 0);
        CHECK(late.read(10).empty());
        const auto fences = on.query("SELECT DISTINCT fence FROM cobus_outbox_lease", {});
        REQUIRE(fences.size() == 1);
        CHECK(fences[0][0].number() == 2);
        next.remove(next.read(10));
        CHECK(tables::count(on).waiting == 0);
    }

    void a_relay_begins_anew_after_an_error() {
        Session on = open_();
        tables::insert(on, row("1", "k"));
        store relay(open_);
        CHECK(relay.lease(minute, 16) == 16);
        on.run("ALTER TABLE cobus_outbox RENAME TO away");
        CHECK_THROWS_AS((void)relay.read(10), error);
        relay.reset();
        on.run("ALTER TABLE away RENAME TO cobus_outbox");
        CHECK(relay.lease(minute, 16) == 16);
        CHECK(ids(relay.read(10)) == texts{"1"});
    }

    void a_confirmation_is_of_the_transaction() {
        Session on = open_();
        const detail::inbox_key key{"g", "h", "s", "1"};
        on.run("BEGIN");
        CHECK(box::confirm(on, key, week));
        CHECK_FALSE(box::confirm(on, key, week));
        on.run("ROLLBACK");
        on.run("BEGIN");
        CHECK(box::confirm(on, key, week));
        on.run("COMMIT");
        CHECK_FALSE(box::confirm(on, key, week));
        for (const auto& another :
             {detail::inbox_key{"g", "h", "s", "2"}, detail::inbox_key{"g", "h", "other", "1"},
              detail::inbox_key{"g", "other", "s", "1"},
              detail::inbox_key{"other", "h", "s", "1"}}) {
            CHECK(box::confirm(on, another, week));
        }
    }

    void a_claim_keeps_others_out_until_its_lease_ends() {
        Session on = open_();
        const detail::inbox_key key{"g", "h", "s", "claimed"};
        const auto first = box::claim(on, key, 60'000);
        REQUIRE(first);
        CHECK_FALSE(box::claim(on, key, 60'000));
        CHECK_FALSE(box::look(on, key).done);
        CHECK(box::look(on, key).left > 50'000);
        box::release(on, key, *first + 1); // somebody else's
        CHECK_FALSE(box::claim(on, key, 60'000));
        box::release(on, key, *first);
        const auto second = box::claim(on, key, 60'000);
        REQUIRE(second);
        CHECK(*second > *first);
        CHECK_FALSE(box::confirm_claim(on, key, *first, week)); // the late one
        CHECK(box::confirm_claim(on, key, *second, week));
        CHECK_FALSE(box::confirm_claim(on, key, *second, week));
        CHECK_FALSE(box::claim(on, key, 60'000));
        CHECK(box::look(on, key).done);
    }

    void what_is_past_its_time_is_forgotten() {
        Session on = open_();
        for (int i = 0; i < 5; ++i) {
            const std::string id = std::to_string(i);
            CHECK(box::confirm(on, detail::inbox_key{"g", "old", "s", id}, -1));
        }
        CHECK(box::confirm(on, detail::inbox_key{"g", "old", "s", "4"}, week)); // handled again
        CHECK(box::forget(on, 3) == 3);
        CHECK(box::forget(on, 3) == 1);
        CHECK(box::forget(on, 3) == 0);
        CHECK_FALSE(box::confirm(on, detail::inbox_key{"g", "old", "s", "4"}, week));
        const detail::inbox_key key{"g", "h", "s", "fence"};
        const auto before = box::claim(on, key, -1);
        REQUIRE(before);
        CHECK(box::forget(on, 10) == 1);
        const auto after = box::claim(on, key, 60'000);
        REQUIRE(after);
        CHECK(*after >= *before);
    }

private:
    static constexpr std::chrono::minutes minute{1};
    static constexpr std::int64_t week = std::int64_t{7} * 24 * 3600 * 1000;

    std::function<Session()> open_;
};

} // namespace cobus::test
