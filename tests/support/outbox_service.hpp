#pragma once

#include "quiet.hpp"
#include "run.hpp"

#include <cobus/bus.hpp>
#include <cobus/outbox/outbox.hpp>
#include <cobus/testing/faulty.hpp>
#include <cobus/transport/memory.hpp>

#include <asio/thread_pool.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A service whose events go through an outbox.

namespace outbox_service {

struct placed {
    std::string key;
    std::string text;
};

/// "key|text".
struct bar_codec {
    static constexpr std::string_view content_type = "text/plain";
    static auto encode(const placed& from, std::string& to) -> cobus::codec_result {
        if (from.text == "cannot be encoded") {
            return cobus::codec_result("no");
        }
        to += from.key + "|" + from.text;
        return cobus::codec_result();
    }
    static auto decode(std::string_view from, placed& to) -> cobus::codec_result {
        to.key = from.substr(0, from.find('|'));
        to.text = from.substr(from.find('|') + 1);
        return cobus::codec_result();
    }
};

/// Not of the outbox.
struct asked {
    std::string text;
};

} // namespace outbox_service

template <> struct cobus::contract<outbox_service::placed> {
    static constexpr std::string_view type = "placed", topic = "orders";
    static constexpr auto key = &outbox_service::placed::key;
    static constexpr bool outbox = true;
    using codec = outbox_service::bar_codec;
};
template <> struct cobus::contract<outbox_service::asked> {
    static constexpr std::string_view type = "asked", topic = "questions";
};

namespace outbox_service {

namespace net = cobus::net;
using texts = std::vector<std::string>;

struct heard {
    std::string text;
    std::string id;
};
using heard_list = std::vector<heard>;

inline auto texts_of(const heard_list& all) -> texts {
    texts made;
    for (const heard& each : all) {
        made.push_back(each.text);
    }
    return made;
}

/// Runs `body(bus, outbox)` with a bus on memory behind `faults`, and what its handler hears.
using service_body = std::function<net::awaitable<void>(cobus::bus&, cobus::outbox&, heard_list&)>;

struct service_parts {
    cobus::settings how = cobus::test::quiet();
    cobus::testing::fault_script faults;
};

inline void serve_from(std::unique_ptr<cobus::outbox_store> store, const service_body& body,
                       service_parts with = {},
                       cobus::outbox_options relaying = cobus::outbox_options()) {
    heard_list all;
    asio::thread_pool blocking(1);
    cobus::net::io_context context;
    cobus::test::run(context, [&]() -> net::awaitable<void> {
        const auto broker = std::make_shared<cobus::memory_broker>();
        cobus::bus bus(context.get_executor(), with.how,
                       cobus::over(cobus::testing::faulty(cobus::memory(broker), with.faults)));
        auto listener = bus.on<placed>("listener", [&](const placed& event, cobus::context& about) {
            all.push_back({event.text, about.content().id().str()});
        });
        co_await bus.start();
        {
            cobus::outbox outbox(bus, std::move(store), blocking.get_executor(), relaying);
            outbox.start();
            co_await body(bus, outbox, all);
            co_await outbox.stop();
        }
        co_await bus.stop();
    });
}

} // namespace outbox_service
