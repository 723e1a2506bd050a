#include "box.hpp"
#include "commands.hpp"
#include "environment.hpp"
#include "parked.hpp"
#include "replay.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <asio/io_context.hpp>

#include <cstdio>
#include <exception>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

namespace dead_letters {
namespace {

namespace net = cobus::net;

/// A started bus on Kafka alone, used from synchronous code.
class sender {
public:
    explicit sender(const cobus::settings& how)
        : bus_(context_.get_executor(), how, cobus::over(cobus::kafka())) {
        wait(bus_.start());
    }
    ~sender() {
        try {
            wait(bus_.stop());
        } catch (const std::exception& failed) {
            std::fprintf(stderr, "dead_letters: stopping: %s\n", failed.what());
        }
    }
    sender(const sender&) = delete;
    auto operator=(const sender&) -> sender& = delete;

    /// Returns when Kafka has it; throws when it does not take it.
    void send(cobus::message content) { wait(bus_.publish(std::move(content))); }

private:
    template <class T> void wait(net::awaitable<T> what) {
        std::exception_ptr failed;
        bool over = false;
        net::co_spawn(context_, std::move(what), [&](std::exception_ptr error, auto&&...) {
            failed = std::move(error);
            over = true;
        });
        while (!over) { // the bus itself keeps the context busy
            context_.run_one();
        }
        if (failed) {
            std::rethrow_exception(failed);
        }
    }

    net::io_context context_{1};
    cobus::bus bus_;
};

/// False: Kafka will never take it.
[[nodiscard]] auto replay_one(sender& to, const letter& from, cobus::message content) -> bool {
    try {
        to.send(std::move(content));
    } catch (const std::system_error& refused) {
        if (refused.code() != cobus::condition::permanent) {
            throw;
        }
        std::printf("%s stays: %s\n", from.where.text().c_str(), refused.what());
        return false;
    }
    to.send(make_marker(from, "replayed")); // a crash before it: replayed twice
    return true;
}

} // namespace

auto replay_all(const request& wanted, replay_options how) -> int {
    const cobus::settings settings = settings_from_environment();
    reader from(settings);
    std::optional<sender> to;
    if (!how.dry_run) {
        to.emplace(settings);
    }
    std::size_t sent = 0;
    std::size_t left = 0;
    for (const std::string& topic : topics_of(wanted, from)) {
        for (const letter& each : open_letters(from, topic, wanted.which, true)) {
            std::optional<letter> original;
            if (const auto origin = each.origin(); origin && each.is_pointer()) {
                original = from.read_one(*origin);
            }
            replay made = make_replay(each, original ? &*original : nullptr, how.everyone);
            if (const auto* const problem = std::get_if<std::string>(&made)) {
                std::printf("%s stays: %s\n", each.where.text().c_str(), problem->c_str());
                ++left;
                continue;
            }
            auto& content = std::get<cobus::message>(made);
            std::printf("%s %s %s\n", each.where.text().c_str(), to ? "to" : "would go to",
                        std::string(content.topic()).c_str());
            if (to && !replay_one(*to, each, std::move(content))) {
                ++left;
                continue;
            }
            ++sent;
        }
    }
    std::printf("%zu %s, %zu stay\n", sent, to ? "replayed" : "would be replayed", left);
    return left == 0 ? 0 : 1;
}

auto discard(const request& wanted, bool dry_run) -> int {
    const cobus::settings settings = settings_from_environment();
    reader from(settings);
    std::optional<sender> to;
    if (!dry_run) {
        to.emplace(settings);
    }
    std::size_t settled = 0;
    for (const std::string& topic : topics_of(wanted, from)) {
        for (const letter& each : open_letters(from, topic, wanted.which, false)) {
            if (to) {
                to->send(make_marker(each, "discarded"));
            }
            ++settled;
        }
    }
    std::printf("%zu %s\n", settled, to ? "discarded" : "would be discarded");
    return 0;
}

auto unpark(const std::string& file, bool dry_run) -> int {
    const cobus::settings settings = settings_from_environment();
    const parked_file all = read_parked(file);
    reader from(settings);
    std::set<std::string> topics;
    for (const letter& each : all.letters) {
        topics.insert(each.where.topic);
    }
    std::set<std::string> there;
    for (const std::string& topic : topics) {
        from.read(topic, [&](const letter& each) { there.insert(identity(each)); });
    }
    std::optional<sender> to;
    if (!dry_run) {
        to.emplace(settings);
    }
    std::size_t sent = 0;
    for (const letter& each : all.letters) {
        if (there.insert(identity(each)).second) {
            if (to) {
                to->send(make_letter(each));
            }
            ++sent;
        }
    }
    for (const std::size_t line : all.broken) {
        std::printf("%s:%zu stays: it is no letter\n", file.c_str(), line);
    }
    std::printf("%zu %s, %zu were there, %zu stay\n", sent, to ? "sent" : "would be sent",
                all.letters.size() - sent, all.broken.size());
    return all.broken.empty() ? 0 : 1;
}

} // namespace dead_letters
