#include <cobus/outbox/row.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>

TEST_CASE("a row keeps all that a message says, bytes of every kind included") {
    cobus::message from("orders", "order.placed", std::string("a\0b", 3));
    from.id(cobus::message_id::from_text("not a uuid"));
    from.source("shop");
    from.key(std::string("k\0\xff", 3));
    from.time(cobus::time_point(std::chrono::milliseconds(1234567890123)));
    from.headers().add("h", "1");
    from.headers().add("", "");
    from.headers().add_null("h");
    from.headers().add("12:=!", "=3:x");
    const cobus::outbox_row row = cobus::detail::to_row(from, 3, cobus::wire::mode::plain);
    CHECK(row.partition == 3);
    const cobus::message back = cobus::detail::to_message(row);
    CHECK(back.topic() == "orders");
    CHECK(back.type() == "order.placed");
    CHECK(back.payload() == std::string("a\0b", 3));
    CHECK(back.id().str() == "not a uuid");
    CHECK(back.source() == "shop");
    CHECK(back.key() == std::string("k\0\xff", 3));
    CHECK(back.time() == from.time());
    CHECK(back.headers() == from.headers());
    CHECK(back.form() == cobus::wire::mode::plain);
}

TEST_CASE("no key, no payload and no wire mode stay none") {
    cobus::message from;
    from.topic("orders");
    from.id(cobus::message_id::make(cobus::time_point()));
    const cobus::message back =
        cobus::detail::to_message(cobus::detail::to_row(from, -1, std::nullopt));
    CHECK(back.key() == std::nullopt);
    CHECK(back.is_null());
    CHECK(back.form() == std::nullopt);
    CHECK(back.id() == from.id());
}

TEST_CASE("broken headers are an error, not a crash") {
    for (const char* broken :
         {"x", "3:ab", "1:a", "1:a?", "1:a=9:b", "1", "99999999999999999999:a"}) {
        CAPTURE(broken);
        cobus::headers to;
        CHECK_THROWS_AS(cobus::detail::headers_reader(broken).run(to), cobus::error);
    }
}

TEST_CASE("all rows of a key are in one shard") {
    cobus::outbox_row one;
    one.key = "k";
    one.id = "1";
    cobus::outbox_row other = one;
    other.id = "2";
    other.topic = "another";
    CHECK(cobus::detail::outbox_shard(one) == cobus::detail::outbox_shard(other));
    CHECK(cobus::detail::outbox_shard(one) < cobus::detail::outbox_shards);
}
