// Shared by two files that differ in what else they include.
#pragma once

#include <cobus/cobus.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <exception>
#include <string>
#include <system_error>

/// Has fields but names no codec: it cannot leave the process, whoever includes <cobus/json.hpp>.
struct note {
    std::string text;
};

template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
    static constexpr auto fields = cobus::fields(cobus::field("text", &note::text));
};

template <class E> asio::awaitable<void> send(const E& event, std::string& heard) {
    cobus::settings settings;
    settings.serialise().logger({});
    cobus::bus bus(co_await asio::this_coro::executor, settings);
    auto listener = bus.on<E>("listener", [&heard](const E& each) { heard = each.text; });
    co_await bus.start();
    std::error_code refused;
    co_await bus.call(event, cobus::net::redirect_error(cobus::net::use_awaitable, refused));
    if (refused) {
        heard = refused.message();
    }
    co_await bus.stop();
}

/// What a handler heard of the event after encoding and decoding, or why not.
template <class E> std::string round_trip(const E& event) {
    std::string heard;
    asio::io_context context;
    asio::co_spawn(context, send(event, heard), [](std::exception_ptr problem) {
        if (problem) {
            std::rethrow_exception(problem);
        }
    });
    context.run();
    return heard;
}

std::string note_without_json();
std::string note_with_json();
std::string letter_with_json();
