#pragma once

#include "publishing_tools.hpp"
#include "runner.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// Part A of the conformance suite: what goes in comes out.
namespace cobus::testing::detail {

/// A bus with one handler that writes down every message of its topics.
class reading_bus {
public:
    reading_bus(world& w, const std::vector<std::string>& topics, std::string_view group = "one")
        : seen_(&w.new_journal<seen_message>()), bus_(w.make_bus(group)) {
        reader_ = bus_->on_any(handler("reader"), topics,
                               [seen = seen_](const message& content, context& where) {
                                   seen->add(seen_message::of(content, where));
                               });
    }
    [[nodiscard]] auto operator->() const noexcept -> bus* { return bus_.get(); }
    [[nodiscard]] auto seen() const noexcept -> journal<seen_message>& { return *seen_; }
    [[nodiscard]] auto one(const std::string& id) const -> seen_message {
        for (seen_message& each : seen_->all()) {
            if (each.id == id) {
                return std::move(each);
            }
        }
        throw conformance_failure("message " + id + " did not arrive");
    }

private:
    journal<seen_message>* seen_;
    std::unique_ptr<bus> bus_;
    subscription reader_;
};

[[nodiscard]] inline auto make_message(const std::string& topic, std::string_view id) -> message {
    message made;
    made.topic(topic);
    made.type("cobus.testing.data");
    made.source("conformance");
    made.id(message_id::from_text(id));
    return made;
}
[[nodiscard]] inline auto all_bytes() -> std::string {
    std::string all;
    for (int byte = 0; byte < 256; ++byte) {
        all.push_back(static_cast<char>(byte));
    }
    return all;
}

inline auto c01_round_trip(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(100, 20);
    const std::string topic = w.topic("data");
    const reading_bus bus(w, std::vector<std::string>(1, topic));
    co_await bus->start();
    const time_point begin{std::chrono::milliseconds(1'700'000'000'123)};
    std::vector<receipt> receipts;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string number = std::to_string(i);
        message content = make_message(topic, "id-" + number);
        content.key("key-" + number);
        content.payload("value-" + number);
        content.time(begin + std::chrono::milliseconds(i));
        content.headers().add("number", number);
        content.headers().add("empty", "");
        receipts.push_back(co_await bus->publish(std::move(content)));
    }
    co_await w.eventually([&] { return bus.seen().size() >= count; }, "all messages");
    for (std::size_t i = 0; i < count; ++i) {
        const std::string number = std::to_string(i);
        const seen_message got = bus.one("id-" + number);
        expect_equal(got.topic, topic, "topic");
        expect_equal(got.type, "cobus.testing.data", "type");
        expect_equal(got.source, "conformance", "source");
        expect_equal(got.key.value_or("none"), "key-" + number, "key");
        expect_equal(got.payload.value_or("none"), "value-" + number, "value");
        expect(got.time == begin + std::chrono::milliseconds(i), "the time is what it was");
        headers wanted;
        wanted.add("number", number);
        wanted.add("empty", "");
        expect(got.headers == wanted, "the headers are what they were, and no others");
        expect_equal(receipts[i].id().str(), got.id, "the receipt's id");
        expect_equal(receipts[i].topic(), topic, "the receipt's topic");
        expect_equal(receipts[i].partition(), got.partition, "the receipt's partition");
        expect_equal(receipts[i].offset(), got.offset, "the receipt's offset");
    }
    co_await bus->stop();
    expect_equal(bus.seen().size(), count, "messages");
}

/// A name, what the message has, and what must come out.
inline auto c02_oddities(world& w) -> net::awaitable<void> {
    const std::string topic = w.topic("odd");
    const reading_bus bus(w, std::vector<std::string>(1, topic));
    co_await bus->start();
    std::vector<message> odd;
    const auto add = [&](std::string_view id) -> message& {
        odd.push_back(make_message(topic, id));
        odd.back().key("key");
        odd.back().payload("value");
        return odd.back();
    };
    add("no-key").no_key();
    add("empty-key").key("");
    add("binary-key").key(all_bytes());
    add("null-value").no_payload();
    add("empty-value").payload("");
    add("binary-value").payload(all_bytes());
    headers& twice = add("twice").headers();
    twice.add("name", "first");
    twice.add("other", "between");
    twice.add("name", "second");
    headers& null = add("null-header").headers();
    null.add_null("null");
    null.add("empty", "");
    null.add("bytes", all_bytes());
    headers& many = add("many-headers").headers();
    for (int i = 0; i < 64; ++i) {
        many.add("header-" + std::to_string(i), std::to_string(i));
    }
    std::map<std::string, headers> said;
    for (message& each : odd) {
        said.emplace(each.id().str(), each.headers());
        co_await bus->publish(std::move(each));
    }
    co_await w.eventually([&] { return bus.seen().size() >= odd.size(); }, "all messages");
    expect(!bus.one("no-key").key, "no key stays no key");
    expect_equal(bus.one("empty-key").key.value_or("none"), "", "an empty key");
    expect_equal(bus.one("binary-key").key.value_or("none"), all_bytes(), "a key of all bytes");
    expect(!bus.one("null-value").payload, "a tombstone stays one");
    expect_equal(bus.one("empty-value").payload.value_or("none"), "", "an empty value");
    expect_equal(bus.one("binary-value").payload.value_or("none"), all_bytes(), "all bytes");
    for (const auto& [id, wanted] : said) {
        expect(bus.one(id).headers == wanted, "the headers of " + id + " are what they were");
    }
    co_await bus->stop();
}

/// All of one shape, so that the largest that passes and the smallest that does not differ by a
/// byte.
[[nodiscard]] inline auto sized_message(const std::string& topic, std::string_view id,
                                        std::size_t size) -> message {
    message made = make_message(topic, id);
    made.key("key");
    made.payload(std::string(size, 'x'));
    return made;
}

inline auto c03_sizes(world& w) -> net::awaitable<void> {
    const std::string topic = w.topic("sizes");
    const reading_bus bus(w, std::vector<std::string>(1, topic));
    co_await bus->start();
    std::vector<std::size_t> sizes{0, 1, std::size_t{64} << 10U, w.traits().max_payload};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        message content = sized_message(topic, "size-" + std::to_string(i), sizes[i]);
        co_await bus->publish(std::move(content));
    }
    co_await w.eventually([&] { return bus.seen().size() >= sizes.size(); }, "all sizes");
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const seen_message got = bus.one("size-" + std::to_string(i));
        expect_equal(got.payload.value_or("none").size(), sizes[i], "bytes");
    }
    co_await bus->stop();
}

inline auto c03_too_large(world& w) -> net::awaitable<void> {
    const std::string topic = w.topic("large");
    const reading_bus bus(w, std::vector<std::string>(1, topic));
    co_await bus->start();
    message large = sized_message(topic, "size-n", w.traits().too_large);
    std::error_code ec;
    co_await bus->publish(std::move(large), net::redirect_error(net::use_awaitable, ec));
    expect_equal(ec, make_error_code(errc::too_large), "the error of a message that is too large");
    message small = make_message(topic, "small");
    small.payload("x");
    co_await bus->publish(std::move(small));
    co_await w.eventually([&] { return bus.seen().size() >= 1; }, "the one behind it");
    expect_equal(bus.seen().all().front().id, "small", "what arrived");
    co_await bus->stop();
}

inline auto c04_no_cross_talk(world& w) -> net::awaitable<void> {
    const std::size_t topics = w.choose(20, 5);
    const std::size_t count = w.choose(100, 20);
    const auto bus = w.make_bus();
    auto& seen = w.make<std::vector<std::unique_ptr<journal<seen_message>>>>();
    std::vector<std::string> names;
    std::vector<subscription> handlers;
    for (std::size_t i = 0; i < topics; ++i) {
        names.push_back(w.topic("many-" + std::to_string(i)));
        seen.push_back(std::make_unique<journal<seen_message>>(w.changed()));
        handlers.push_back(bus->on_any(
            handler("reader-" + std::to_string(i)), std::vector<std::string>(1, names[i]),
            [into = seen.back().get()](const message& content, context& where) {
                into->add(seen_message::of(content, where));
            }));
    }
    co_await bus->start();
    std::vector<message> all;
    for (std::size_t i = 0; i < count; ++i) {
        for (const std::string& topic : names) {
            message content = make_message(topic, topic + "/" + std::to_string(i));
            content.key(std::to_string(i));
            content.payload(topic);
            all.push_back(std::move(content));
        }
    }
    for (message& each : all) {
        bus->publish(std::move(each), net::detached);
    }
    const auto complete = [&] {
        for (const auto& each : seen) {
            if (each->size() < count) {
                return false;
            }
        }
        return true;
    };
    co_await w.eventually(complete, "all messages of all topics");
    co_await bus->stop();
    for (std::size_t i = 0; i < topics; ++i) {
        expect_equal(seen[i]->size(), count, "messages of a topic");
        for (const seen_message& each : seen[i]->all()) {
            expect_equal(each.topic, names[i], "the topic of a handler");
            expect_equal(each.payload.value_or("none"), names[i], "the value on this topic");
        }
    }
}

inline auto c05_undecodable(world& w) -> net::awaitable<void> {
    const std::size_t count = w.choose(100, 20);
    const std::string topic = w.notes(1);
    w.fixture().create_topic(world::dead_letters_of(topic), 1);
    const reading_bus bus(w, std::vector<std::string>(1, world::dead_letters_of(topic)));
    auto& good = w.new_journal<seen_note>();
    auto typed = bus->on<note>(handler("typed"), [&good](const note& event, context& where) {
        good.add(seen_note::of(event, where));
    });
    co_await bus->start();
    std::mt19937 random(5); // NOLINT(*-msc51-cpp,*-msc32-c): the same bytes each time
    std::map<std::string, std::string> bytes;
    for (std::size_t i = 0; i < count; ++i) {
        std::string value;
        for (std::size_t left = random() % 64; left > 0; --left) {
            value.push_back(static_cast<char>(random() % 256));
        }
        message content = make_message(topic, "bad-" + std::to_string(i));
        content.type(contract<note>::type);
        content.key("k");
        content.payload(value);
        bytes.emplace(content.id().str(), std::move(value));
        co_await bus->publish(std::move(content));
        co_await publish_notes(*bus.operator->(), "k", i, 1);
    }
    co_await w.eventually([&] { return good.size() >= count && bus.seen().size() >= count; },
                          "the good ones handled and the bad ones dead-lettered");
    for (const auto& [id, value] : bytes) {
        const seen_message letter = bus.one(id);
        expect_equal(letter.payload.value_or("none"), value, "the raw bytes in the dead letter");
        expect_equal(letter.key.value_or("none"), "k", "the key of the dead letter");
        expect(letter.headers.get("cobus-dlq-reason").has_value(), "a dead letter says why");
    }
    co_await bus->stop();
    expect(in_order(good.all()), "the good ones stay in order");
}

[[nodiscard]] inline auto data_cases() -> std::vector<case_definition> {
    return {
        {"C01", "id, type, source, key, value, headers and time come back", c01_round_trip, {}},
        {"C02",
         "null and empty, binary keys and repeated headers stay what they are",
         c02_oddities,
         {}},
        {"C03", "values of no bytes, one, 64 KiB and the largest size arrive", c03_sizes, {}},
        {"C03.too_large",
         "a value that is too large fails by a code, and the next one arrives",
         c03_too_large,
         {&transport_traits::size_limit}},
        {"C04", "messages of many topics reach the handlers of theirs", c04_no_cross_talk, {}},
        {"C05",
         "undecodable values go to the dead letter topic and the partition goes on",
         c05_undecodable,
         {}},
    };
}

} // namespace cobus::testing::detail
