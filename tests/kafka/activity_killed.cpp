#include "child_process.hpp"
#include "kafka_server.hpp"
#include "plain_client.hpp"
#include "temporary_folder.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

// A consumer that is killed over and over. Its handlers write to a file outside of cobus, and
// another client reads the committed offsets: what is judged is not counted by what is judged.
//
// COBUS_TEST_LONG=1: 104,604 events and 20 kills instead of 34,868 and 6.

namespace {

using namespace std::chrono_literals;
using cobus::test::child_process;
using cobus::test::kafka_brokers;
namespace net = cobus::net;

constexpr const char* group = "activity-killed";

[[nodiscard]] auto variable(const char* name) -> std::string {
    const char* const value = std::getenv(name);
    return value != nullptr ? value : "";
}

[[nodiscard]] auto now_us() -> std::int64_t { // one clock for all processes
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

/// A file that several processes append lines to. What was written survives a killed process; only
/// a crash of the machine would need more.
class append_file {
public:
    explicit append_file(const std::string& name)
        : file_(::open(name.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) {
        REQUIRE(file_ >= 0);
    }
    append_file(const append_file&) = delete;
    auto operator=(const append_file&) -> append_file& = delete;
    ~append_file() { ::close(file_); }

    void write(char what, std::int32_t partition, std::int64_t offset, std::string_view key) {
        std::string line(1, what);
        line.append(" ").append(std::to_string(partition));
        line.append(" ").append(std::to_string(offset));
        line.append(" ").append(std::to_string(now_us()));
        line.append(" ").append(key).append("\n");
        REQUIRE(::write(file_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
    }

private:
    int file_;
};

/// Consumes until it is killed or told to stop by SIGTERM.
void consume_for_ever(const std::string& topic, const std::string& file) {
    net::io_context context(1);
    append_file out(file);
    cobus::settings how;
    how.kafka(true).brokers(kafka_brokers()).group_id(group).logger(cobus::logger());
    how.property("session.timeout.ms", "6000");
    cobus::bus bus(context.get_executor(), how, cobus::over(cobus::kafka()));
    auto reader = bus.on_any(
        cobus::handler("journal").concurrency(64), {topic},
        [&out](const cobus::message& content, cobus::context& where) -> net::awaitable<void> {
            const std::string_view key = content.key().value_or("");
            out.write('b', where.partition(), where.offset(), key);
            // Other keys go on meanwhile: what is unfinished at a kill is not the last of each.
            for (std::int64_t turns = where.offset() % 7; turns > 0; --turns) {
                co_await net::post(net::use_awaitable);
            }
            out.write('e', where.partition(), where.offset(), key);
        });
    asio::signal_set asked(context, SIGTERM);
    asked.async_wait(
        [&](std::error_code, int) { bus.stop([&](std::error_code) { context.stop(); }); });
    out.write('s', -1, 0, "started");
    bus.start([](std::error_code ec) { REQUIRE_FALSE(ec); });
    context.run();
}

struct place {
    std::int32_t partition = 0;
    std::int64_t offset = 0;
    friend auto operator<=>(const place&, const place&) = default;
};

/// What the handlers wrote.
struct journal {
    struct line {
        char what = 0;
        place where;
        std::int64_t time = 0;
        std::string key;
    };
    std::vector<line> lines;

    explicit journal(const std::string& file) {
        std::ifstream in(file);
        for (std::string text; std::getline(in, text);) {
            std::istringstream words(text);
            line next;
            words >> next.what >> next.where.partition >> next.where.offset >> next.time >>
                next.key;
            if (words) {
                lines.push_back(std::move(next));
            }
        }
    }
    [[nodiscard]] auto ended() const -> std::set<place> {
        std::set<place> all;
        for (const line& each : lines) {
            if (each.what == 'e') {
                all.insert(each.where);
            }
        }
        return all;
    }
};

/// Of the group, as Kafka has them; another client asks.
[[nodiscard]] auto committed(const std::string& topic, int partitions)
    -> std::map<int, std::int64_t> {
    const cobus::test::plain_client client(RD_KAFKA_CONSUMER, kafka_brokers(),
                                           {{"group.id", group}});
    rd_kafka_topic_partition_list_t* const list = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; ++i) {
        rd_kafka_topic_partition_list_add(list, topic.c_str(), i);
    }
    const auto failed = rd_kafka_committed(client.native(), list, 30'000);
    std::map<int, std::int64_t> found;
    for (int i = 0; i < partitions; ++i) {
        found[i] = (std::max<std::int64_t>)(list->elems[i].offset, 0);
    }
    rd_kafka_topic_partition_list_destroy(list);
    cobus::test::plain_check(failed, "committed");
    return found;
}

[[nodiscard]] auto sum(const std::map<int, std::int64_t>& offsets) -> std::size_t {
    std::int64_t all = 0;
    for (const auto& [partition, offset] : offsets) {
        all += offset;
    }
    return static_cast<std::size_t>(all);
}

struct death {
    std::size_t lines = 0;                 ///< that the journal had then
    std::int64_t time = 0;                 ///< when
    std::map<int, std::int64_t> committed; ///< afterwards
};

/// The events that were begun again and had no reason to: reasons are that they had ended shortly
/// before a kill, and that none of the commits since had them.
[[nodiscard]] auto unfounded(const journal& all, const std::vector<death>& kills) -> std::size_t {
    constexpr std::int64_t commit_pause = 3'000'000; // each second; one may be under way
    struct end {
        std::int64_t time;
        std::size_t next_kill;
    };
    std::map<place, end> ended;
    std::size_t bad = 0;
    std::size_t next_kill = 0;
    for (std::size_t i = 0; i < all.lines.size(); ++i) {
        while (next_kill < kills.size() && i >= kills[next_kill].lines) {
            ++next_kill;
        }
        const journal::line& each = all.lines[i];
        const auto before = ended.find(each.where);
        if (each.what == 'e') {
            ended[each.where] = {each.time, next_kill};
        } else if (before != ended.end()) { // again
            const auto& [time, killed_by] = before->second;
            const bool founded =
                killed_by < next_kill && kills[killed_by].time - time < commit_pause &&
                each.where.offset >= kills[next_kill - 1].committed.at(each.where.partition);
            bad += founded ? 0U : 1U;
        }
    }
    return bad;
}

/// Keys whose events were begun for the first time in another order than that of the topic.
[[nodiscard]] auto out_of_order(const journal& all) -> std::size_t {
    std::set<place> begun;
    std::map<std::string, place> last;
    std::size_t bad = 0;
    for (const journal::line& each : all.lines) {
        if (each.what == 'b' && begun.insert(each.where).second) {
            const auto [at, first] = last.try_emplace(each.key, each.where);
            bad += !first && each.where < at->second ? 1U : 0U;
            at->second = each.where;
        }
    }
    return bad;
}

} // namespace

TEST_CASE("the consumer" * doctest::skip()) { // run as a process of its own
    consume_for_ever(variable("COBUS_TEST_TOPIC"), variable("COBUS_TEST_JOURNAL"));
}

TEST_CASE(
    "a consumer that is killed again and again loses nothing, keeps each key's order, and repeats "
    "only what it must") {
    const bool longer = !variable("COBUS_TEST_LONG").empty();
    const std::size_t copies = longer ? 3 : 1;
    const std::size_t total = copies * 34'868;
    const std::size_t wanted_kills = longer ? 20 : 6;
    constexpr int partitions = 4;
    const std::string topic = "activity.consumer-killed";
    cobus::test::plain_create_topic(kafka_brokers(), topic, partitions);
    std::vector<std::string> produce{"env",
                                     "KAFKA_ENABLED=true",
                                     "KAFKA_BROKERS=" + kafka_brokers(),
                                     "KAFKA_ACTIVITY_TOPIC=" + topic,
                                     ACTIVITY_PROGRAM,
                                     "produce"};
    produce.insert(produce.end(), copies, ACTIVITY_FILE);
    child_process producer(produce);

    const cobus::test::temporary_folder folder;
    const std::string file = (folder.path() / "journal").string();
    const std::vector<std::string> consume{"env",
                                           "COBUS_TEST_KAFKA=" + kafka_brokers(),
                                           "COBUS_TEST_TOPIC=" + topic,
                                           "COBUS_TEST_JOURNAL=" + file,
                                           "/proc/" + std::to_string(::getpid()) + "/exe",
                                           "-tc=the consumer",
                                           "-ns"};
    std::vector<death> kills;
    const auto deadline = std::chrono::steady_clock::now() + (longer ? 1200s : 200s);
    while (kills.size() < wanted_kills) {
        child_process consumer(consume);
        const std::size_t until = total * (kills.size() + 1) / (wanted_kills + 1);
        while (journal(file).ended().size() < until) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            REQUIRE_FALSE(consumer.wait(50ms));
        }
        death now;
        now.time = now_us();
        consumer.signal(SIGKILL);
        REQUIRE(consumer.wait(10s));
        now.lines = journal(file).lines.size();
        now.committed = committed(topic, partitions);
        kills.push_back(std::move(now));
    }
    {
        child_process consumer(consume);
        const auto starts = [&file] {
            return std::ranges::count(journal(file).lines, 's', &journal::line::what);
        };
        while (std::cmp_less_equal(starts(), kills.size()) ||
               sum(committed(topic, partitions)) < total) { // repeats may be the last to end
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            REQUIRE_FALSE(consumer.wait(100ms));
        }
        consumer.signal(SIGTERM);
        REQUIRE(consumer.wait(20s));
        CHECK(WIFEXITED(consumer.status()));
    }
    REQUIRE(producer.wait(60s));
    const journal all(file);
    const std::set<place> ended = all.ended();
    CHECK(ended.size() == total);
    CHECK(cobus::test::plain_count(kafka_brokers(), topic) == total);
    CHECK(out_of_order(all) == 0);
    CHECK(unfounded(all, kills) == 0);
    const auto begun = std::ranges::count(all.lines, 'b', &journal::line::what);
    MESSAGE(total << " events, " << kills.size() << " kills, "
                  << static_cast<std::size_t>(begun) - total << " begun again");
}
