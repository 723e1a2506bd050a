#include "quiet.hpp"

#include <cobus/cobus.hpp>
#include <cobus/testing/scripted_transport.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

// What is published to somebody outside of the process leaves as bytes, and no event is kept.

namespace outside_test {

namespace net = cobus::net;

struct parcel {
    std::string to, text;
};

/// A bus on a transport that looks at what it gets, and answers when it is told to.
struct post_office {
    struct sent {
        std::string key, type, bytes;
        bool has_event;
    };

    explicit post_office(bool outside = true) {
        auto made = std::make_unique<cobus::testing::scripted_transport>();
        link = made.get();
        link->is(cobus::link::up);
        link->outside = outside;
        link->on_publish = [this](cobus::publish_node& node) {
            const cobus::message& content = *node.content;
            all.push_back({std::string(content.key().value_or("none")), std::string(content.type()),
                           std::string(content.payload()), content.contract() != nullptr});
        };
        bus.emplace(context.get_executor(), cobus::test::quiet(),
                    cobus::over([given = std::make_shared<std::unique_ptr<cobus::transport>>(
                                     std::move(made))](const cobus::transport_options&) {
                        return std::move(*given);
                    }));
        bus->start([](std::error_code ec) { CHECK_FALSE(ec); });
        turn();
    }
    void turn() {
        context.restart();
        while (context.poll() > 0) {
        }
    }

    net::io_context context;
    cobus::testing::scripted_transport* link = nullptr;
    std::optional<cobus::bus> bus;
    std::vector<sent> all;
};

} // namespace outside_test

template <> struct cobus::contract<outside_test::parcel> {
    static constexpr std::string_view type = "letter", topic = "letters";
    static constexpr auto key = &outside_test::parcel::to;
    struct codec {
        static constexpr std::string_view content_type = "text/plain";
        static auto encode(const outside_test::parcel& from, std::string& out)
            -> cobus::codec_result {
            if (from.text.empty()) {
                return cobus::codec_result("text: is missing");
            }
            out.append(from.text);
            return cobus::codec_result();
        }
        static auto decode(std::string_view bytes, outside_test::parcel& into)
            -> cobus::codec_result {
            into.text = bytes;
            return cobus::codec_result();
        }
    };
};

namespace outside_test {

TEST_CASE("what goes outside is bytes before it is awaited, and the event may go") {
    post_office here;
    bool done = false;
    const auto body = [&]() -> net::awaitable<void> {
        auto event = std::make_unique<parcel>(parcel{"a key that needs a block", "the text"});
        auto publishing = here.bus->publish(*event);
        event.reset();
        co_await std::move(publishing);
        done = true;
    };
    net::co_spawn(here.context, body(), net::detached);
    here.turn();
    CHECK_FALSE(done);
    REQUIRE(here.all.size() == 1);
    CHECK(here.all[0].key == "a key that needs a block");
    CHECK(here.all[0].type == "letter");
    CHECK(here.all[0].bytes == "the text");
    CHECK_FALSE(here.all[0].has_event);
    here.link->answer_all();
    here.turn();
    CHECK(done);
}

TEST_CASE("options, callbacks, emit and many at once go outside as bytes, too") {
    post_office here;
    const parcel event{"k", "first"};
    int ended = 0;
    const auto count = [&](std::error_code ec, const cobus::receipt&) {
        CHECK_FALSE(ec);
        ++ended;
    };
    here.bus->publish(event, cobus::publish_options().key("another"), count);
    const auto body = [&]() -> net::awaitable<void> {
        co_await here.bus->emit<parcel>("k", "second");
        ++ended;
        const std::vector<parcel> more{{"k", "third"}, {"l", "fourth"}};
        for (const cobus::publish_result& each : co_await here.bus->publish_all(more)) {
            CHECK_FALSE(each.ec);
            ++ended;
        }
    };
    net::co_spawn(here.context, body(), net::detached);
    for (int i = 0; i < 3; ++i) {
        here.turn();
        here.link->answer_all();
    }
    here.turn();
    CHECK(ended == 4);
    REQUIRE(here.all.size() == 4);
    CHECK(here.all[0].key == "another");
    CHECK(here.all[0].bytes == "first");
    CHECK_FALSE(here.all[0].has_event);
    CHECK(here.all[1].bytes == "second");
    CHECK_FALSE(here.all[2].has_event);
    CHECK(here.all[3].key == "l");
}

TEST_CASE("what cannot be encoded goes the long way, whose end says why") {
    post_office here;
    here.link->answer_at_once = make_error_code(cobus::errc::not_encodable);
    here.link->on_publish = [&](cobus::publish_node& node) {
        CHECK(node.content->contract() != nullptr);
        node.problem = node.content->ensure_bytes().problem();
    };
    std::string said;
    const auto body = [&]() -> net::awaitable<void> {
        const parcel empty{"k", ""};
        try {
            co_await here.bus->publish(empty);
        } catch (const std::system_error& refused) {
            CHECK(refused.code() == cobus::errc::not_encodable);
            said = refused.what();
        }
    };
    net::co_spawn(here.context, body(), net::detached);
    here.turn();
    CHECK(said.find("text: is missing") != std::string::npos);
}

TEST_CASE("what stays in the process keeps its event") {
    post_office here(false);
    const parcel event{"k", "text"};
    here.bus->publish(event, [](std::error_code, const cobus::receipt&) {});
    here.turn();
    REQUIRE(here.all.size() == 1);
    CHECK(here.all[0].has_event);
    here.link->answer_all();
    here.turn();
}

} // namespace outside_test
