// A transport of one's own: events go through files of a folder, and survive the program. Run it
// twice with a folder that stays: `file_transport FOLDER`.
#include "file_transport.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>

struct note {
    std::string text;
    int number = 0;
};
template <> struct cobus::contract<note> {
    static constexpr std::string_view type = "note", topic = "notes";
    static constexpr auto fields =
        cobus::fields(cobus::field("text", &note::text), cobus::field("number", &note::number));
    using codec = cobus::json_codec;
};

cobus::net::awaitable<void> serve(std::filesystem::path folder) {
    const auto executor = co_await cobus::net::this_coro::executor;
    cobus::bus bus(executor, cobus::settings(),
                   cobus::over(cobus::simple<file_transport>(std::move(folder))));
    cobus::net::steady_timer all_here(executor);
    all_here.expires_at((std::chrono::steady_clock::time_point::max)());
    int handled = 0;
    auto reader = bus.on<note>("reader", [&](const note& each) {
        std::cout << each.number << ": " << each.text << "\n";
        if (++handled == 3) {
            all_here.cancel();
        }
    });
    co_await bus.start();
    for (int i = 1; i <= 3; ++i) {
        note one{"written to a file", i};
        const cobus::receipt where = co_await bus.publish(one);
        std::cout << "stored at " << where.offset() << "\n";
    }
    std::error_code woken;
    co_await all_here.async_wait(cobus::net::redirect_error(cobus::net::use_awaitable, woken));
    co_await bus.stop();
}

int main(int argc, char** argv) {
    const std::filesystem::path folder =
        argc > 1 ? std::filesystem::path(argv[1])
                 : std::filesystem::temp_directory_path() / "cobus-file-transport";
    cobus::net::io_context context;
    cobus::net::co_spawn(context, serve(folder), [](const std::exception_ptr& failed) {
        if (failed) {
            std::rethrow_exception(failed);
        }
    });
    context.run();
}
