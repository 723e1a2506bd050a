#include "chaos_event.hpp"
#include "journal.hpp"
#include "peer_options.hpp"
#include "publisher.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>
#include <cobus/sqlite.hpp>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

// A process of the chaos run: handles as a member of a group, and publishes if it is told to. All
// that the judge needs it writes to files itself; cobus's own counters are not asked.

namespace {

using namespace std::chrono_literals;
using cobus::chaos::journal;
using cobus::chaos::now_us;
using cobus::chaos::peer_options;
namespace net = cobus::net;

/// By its name; a template, so that it also compiles where a policy is not there.
template <class Policy> auto policy_of(std::string_view name) -> Policy {
    if constexpr (requires { Policy::deliver_and_spool; }) {
        if (name == "deliver_and_spool") {
            return Policy::deliver_and_spool;
        }
    }
    if constexpr (requires { Policy::spool; }) {
        if (name == "spool") {
            return Policy::spool;
        }
    }
    if (name == "deliver") {
        return Policy::deliver;
    }
    if (name == "wait") {
        return Policy::wait;
    }
    throw std::invalid_argument("no policy " + std::string(name));
}

class peer {
public:
    peer(net::io_context& context, const peer_options& how)
        : how_(how),
          context_(&context),
          timer_(context),
          asked_(context, SIGTERM),
          book_(how.folder + "/" + how.name + ".log"),
          handled_(how.folder + "/handled.log"),
          bus_(context.get_executor(), settings(), cobus::kafka()) {}

    void run() {
        std::vector<cobus::subscription> kept;
        for (const char* const name : {"first", "second"}) {
            kept.push_back(subscribe(name));
        }
        asked_.async_wait([this](std::error_code ec, int) {
            if (!ec) {
                stop();
            }
        });
        bus_.start([this](std::error_code ec) {
            book_.write("started", now_us(), ec ? ec.message() : "well");
        });
        if (how_.events > 0) {
            publishes_.emplace(bus_, book_, how_, how_.folder + "/" + how_.name + ".log");
        }
        later();
        context_->run();
    }

private:
    auto settings() -> cobus::settings {
        cobus::settings made;
        made.kafka(true)
            .brokers(how_.brokers)
            .client_id(how_.name)
            .group_id(how_.group)
            .start_from(cobus::start_at::earliest)
            .when_away(policy_of<cobus::policy>(how_.policy_name()))
            .wait_limit(15min)
            .property("session.timeout.ms", "6000")
            .property("debug", "msg") // says which requests failed and why
            .logger([this](cobus::log_level level, std::string_view text) { log(level, text); });
        if (how_.fenced()) { // shorter than some faults, so that the cluster ends transactions
            made.transactional_id(how_.name).property("transaction.timeout.ms", "15000");
        }
        if (how_.with_file()) {
            made.spool(cobus::sqlite_spool()).spool_file(how_.folder + "/" + how_.name + ".spool");
        }
        return made;
    }

    /// Keeps what tells of a failed request, and what cobus itself says.
    void log(cobus::log_level level, std::string_view text) {
        if (level != cobus::log_level::debug) {
            book_.write("l", now_us(), cobus::to_string(level), text);
            return;
        }
        static constexpr std::string_view tells[] = {
            "failed", "Failed",       "timed out",  "imed out",
            "error",  "Disconnected", "Not leader", "Connection refused"};
        for (const std::string_view part : tells) {
            if (text.find(part) != std::string_view::npos) {
                book_.write("x", now_us(), text.substr(0, 160));
                return;
            }
        }
    }

    auto subscribe(const char* name) -> cobus::subscription {
        return bus_.on<chaos_event>(
            cobus::handler(name).concurrency(64),
            [this, name](const chaos_event& event,
                         const cobus::context& where) -> net::awaitable<void> {
                run_of one(this, name, &event, &where);
                write("b", name, event, where);
                // Other keys go on meanwhile, so that not only the last event is unfinished.
                for (std::uint64_t turns = event.sequence % 5; turns > 0; --turns) {
                    co_await net::post(net::use_awaitable);
                }
                one.what = "e";
            });
    }
    /// Writes how a handler's run ended: "e" well, "c" cancelled.
    struct run_of {
        peer* of;
        const char* handler;
        const chaos_event* event;
        const cobus::context* where;
        const char* what = "c";

        run_of(peer* of_, const char* handler_, const chaos_event* event_,
               const cobus::context* where_)
            : of(of_), handler(handler_), event(event_), where(where_) {}
        run_of(const run_of&) = delete;
        auto operator=(const run_of&) -> run_of& = delete;
        ~run_of() { of->write(what, handler, *event, *where); }
    };
    void write(const char* what, const char* handler, const chaos_event& event,
               const cobus::context& where) {
        handled_.write(what, how_.group, handler, event.publisher, event.sequence, event.user_id,
                       where.content().id().str(), where.in_process() ? 1 : 0, how_.name, now_us());
    }

    void tick() {
        const cobus::health now = bus_.health();
        if (now.what != seen_) {
            seen_ = now.what;
            book_.write("s", now_us(), cobus::to_string(now.what), now.why);
        }
        if (stopping_) {
            return;
        }
        if (publishes_) {
            publishes_->tick();
        }
        later();
    }
    void later() {
        timer_.expires_after(10ms);
        timer_.async_wait([this](std::error_code ec) {
            if (!ec) {
                tick();
            }
        });
    }

    void stop() {
        stopping_ = true;
        timer_.cancel();
        const std::int64_t begin = now_us();
        bus_.stop(5s, [this, begin](std::error_code) {
            book_.write("stopped", now_us(), now_us() - begin);
            context_->stop();
        });
    }

    peer_options how_;
    net::io_context* context_;
    net::steady_timer timer_;
    asio::signal_set asked_;
    journal book_, handled_;
    std::optional<cobus::state> seen_;
    bool stopping_ = false;
    cobus::bus bus_;
    std::optional<cobus::chaos::publisher> publishes_;
};

} // namespace

auto main(int count, char** words) -> int {
    try {
        net::io_context context(1);
        peer one(context, peer_options::read(count, words));
        one.run();
    } catch (const std::exception& failed) {
        std::fprintf(stderr, "%s\n", failed.what());
        return 1;
    }
    return 0;
}
