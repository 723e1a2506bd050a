#include "activity_event.hpp"
#include "array_splitter.hpp"
#include "commands.hpp"
#include "environment.hpp"
#include "input_file.hpp"
#include "interrupt.hpp"
#include "listener.hpp"
#include "progress.hpp"
#include "tally.hpp"
#include "window.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace activity {
namespace {

namespace net = cobus::net;
using clock = progress::clock;

/// Sends files through the bus and keeps the books.
class producer {
public:
    producer(const net::any_io_executor& executor, produce_options how, cobus::settings settings)
        : how_(std::move(how)),
          where_(destination(settings)),
          kafka_(settings.kafka_enabled()),
          under_way_(executor),
          listener_(executor),

          interrupted_(executor,
                       [this] {
                           stopping_ = true;
                           bus_.request_stop();
                       }),
          bus_(executor, with_policy(std::move(settings), how_), cobus::kafka()) {}

    [[nodiscard]] auto run() -> command {
        const bool handles = how_.handle || !kafka_;
        if (handles) {
            listener_.subscribe(bus_);
        }
        co_await bus_.start();
        if (handles) {
            co_await listener_.ready();
        }
        begun_ = clock::now();
        std::printf("sending to %s\n", where_.c_str());
        bool whole = true;
        for (const std::string& path : how_.files) {
            whole = !stopping_ && co_await send(path) && whole;
        }
        co_await under_way_.at_most(0);
        if (handles) {
            co_await wait_for_handlers();
        }
        interrupted_.let_go();
        co_await bus_.stop();
        summarise(handles);
        const bool complete = whole && failed_ == 0 && !stopping_ && listener_.missing() == 0;
        co_return complete ? 0 : 1;
    }

private:
    static constexpr std::size_t most_under_way = 10'000;
    static constexpr std::uint64_t most_reported = 20;

    /// Kafka away: wait for it, and lose nothing.
    static auto with_policy(cobus::settings settings, const produce_options& how)
        -> cobus::settings {
        settings.when_away(cobus::policy::wait).wait_limit(how.wait_limit);
        if (how.handle && settings.kafka_enabled()) {
            settings.start_from(cobus::start_at::earliest);
        }
        return settings;
    }

    /// False when the file could not be read to its end or a bad event stopped the run.
    [[nodiscard]] auto send(const std::string& path) -> net::awaitable<bool> {
        std::optional<input_file> file;
        array_splitter splitter;
        progress bar(stderr, clock::now());
        std::string problem;
        try {
            file.emplace(path);
            for (std::string_view piece = file->read(); !piece.empty(); piece = file->read()) {
                splitter.feed(piece);
                while (const auto element = splitter.next()) {
                    co_await under_way_.at_most(most_under_way);
                    const bool good = send_one(*element, path, splitter.count() - 1);
                    if (stopping_ || (!good && how_.stop_on_error)) {
                        co_return false;
                    }
                }
                bar.show(reading(*file), clock::now());
            }
            static_cast<void>(splitter.finish());
            problem = splitter.problem().empty() ? "" : path + ": " + splitter.problem();
            co_await under_way_.at_most(0);
            bar.finish(reading(*file), clock::now());
        } catch (const std::system_error& failed) {
            problem = failed.what();
        }
        if (!problem.empty()) {
            std::fprintf(stderr, "%s\n", problem.c_str());
        }
        co_return problem.empty();
    }

    /// Publishes one element of the array without waiting for it; false when it is no event.
    auto send_one(std::string_view element, const std::string& path, std::uint64_t index) -> bool {
        activity_event event;
        const cobus::codec_result read = cobus::json_codec::decode(element, event);
        if (!read.ok()) {
            if (++bad_ <= most_reported) {
                std::fprintf(stderr, "%s: event %llu: %s\n", path.c_str(),
                             static_cast<unsigned long long>(index), read.problem().c_str());
            }
            return false;
        }
        under_way_.enter();
        bus_.publish(cobus::take(event), [this, index, type = event.event_type](
                                             std::error_code ec, const cobus::receipt& receipt) {
            ec ? report(ec, index, type) : count(receipt, type);
            under_way_.leave();
        });
        return true;
    }
    void count(const cobus::receipt& receipt, const std::string& type) {
        ++sent_;
        ways_.add(to_string(receipt.way()));
        sent_types_.add(type);
        if (receipt.offset() >= 0 && (how_.handle || !kafka_)) {
            listener_.sent(receipt);
        }
    }
    void report(std::error_code ec, std::uint64_t index, const std::string& type) {
        failed_types_.add(type);
        if (++failed_ <= most_reported) {
            std::fprintf(stderr, "event %llu, %s: not sent: %s\n",
                         static_cast<unsigned long long>(index), type.c_str(),
                         ec.message().c_str());
        }
    }
    [[nodiscard]] auto reading(const input_file& file) const -> progress::reading {
        const auto size = static_cast<double>(file.size());
        return {size > 0 ? static_cast<double>(file.position()) / size : 1, sent_};
    }

    [[nodiscard]] auto wait_for_handlers() -> net::awaitable<void> {
        co_await listener_.all_handled(std::chrono::minutes(1));
        if (listener_.missing() > 0) {
            std::fprintf(stderr, "%zu events were not handled within a minute\n",
                         listener_.missing());
        }
    }

    void summarise(bool handles) const {
        const std::chrono::duration<double> passed = clock::now() - begun_;
        std::printf("%llu sent (%s), %llu failed, %llu bad, in %.1f s\n",
                    static_cast<unsigned long long>(sent_), to_text(ways_, 4).c_str(),
                    static_cast<unsigned long long>(failed_), static_cast<unsigned long long>(bad_),
                    passed.count());
        std::printf("%-24s %9s %9s%s\n", "type", "sent", "failed", handles ? "   handled" : "");
        for (const auto& [type, count] : types().all()) {
            std::printf("%-24s %9llu %9llu", type.c_str(),
                        static_cast<unsigned long long>(sent_types_.of(type)),
                        static_cast<unsigned long long>(failed_types_.of(type)));
            if (handles) {
                const auto handled = listener_.counts().by_type.of(type);
                std::printf(" %9llu", static_cast<unsigned long long>(handled));
            }
            std::printf("\n");
        }
        if (handles) {
            const tally& counts = listener_.counts();
            std::printf("handled %llu events of %zu users; the busiest: %s; devices: %s\n",
                        static_cast<unsigned long long>(counts.total), counts.by_user.names(),
                        to_text(counts.by_user, 3).c_str(), to_text(counts.by_device, 5).c_str());
            std::printf("events handled out of their user's order: %llu\n",
                        static_cast<unsigned long long>(listener_.out_of_order()));
        }
    }
    /// All types, the most frequent first.
    [[nodiscard]] auto types() const -> counter {
        counter all = sent_types_;
        for (const auto& [type, count] : failed_types_.all()) {
            if (all.of(type) == 0) {
                all.add(type);
            }
        }
        return all;
    }

    produce_options how_;
    std::string where_;
    bool kafka_;
    bool stopping_ = false;
    std::uint64_t sent_ = 0, failed_ = 0, bad_ = 0;
    counter ways_, sent_types_, failed_types_;
    clock::time_point begun_ = clock::now();
    window under_way_;
    listener listener_;
    interrupt interrupted_;
    cobus::bus bus_;
};

} // namespace

auto produce(produce_options how) -> command {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    producer sender(executor, std::move(how), settings_from_environment());
    co_return co_await sender.run();
}

} // namespace activity
