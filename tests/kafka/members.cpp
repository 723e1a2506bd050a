#include "kafka_server.hpp"
#include "plain_client.hpp"
#include "quiet.hpp"
#include "run.hpp"
#include "temporary_folder.hpp"

#include <cobus/cobus.hpp>
#include <cobus/kafka.hpp>

#include <asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

// Members that join and leave a group all the time, under load, on a real Kafka. What handlers did
// is in a file that they append to, what there was is what another client reads.
//
// COBUS_TEST_LONG=1: a minute of it instead of some seconds.

namespace members_test {

using namespace std::chrono_literals;
using cobus::test::kafka_brokers;
using cobus::test::until;
using steady = std::chrono::steady_clock;
namespace net = cobus::net;

constexpr std::size_t partitions = 6;

auto now_in_microseconds() -> std::int64_t {
    return std::chrono::duration_cast<std::chrono::microseconds>(steady::now().time_since_epoch())
        .count();
}
auto number_in(std::string_view text) -> std::int64_t {
    std::int64_t number = -1;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

auto settings_of(const std::string& group) -> cobus::settings {
    cobus::settings how = cobus::test::quiet();
    how.kafka(true)
        .brokers(kafka_brokers())
        .group_id(group)
        .property("heartbeat.interval.ms", "200");
    return how;
}

/// One run of a handler, as it lies in the file.
struct run_note {
    std::int64_t member = 0; ///< a new number each time that one joins
    std::int64_t partition = 0;
    std::int64_t offset = 0;
    std::int64_t published = 0; ///< microseconds, as the payload says
    std::int64_t handled = 0;
};

/// A file of notes, each written whole.
class run_file {
public:
    run_file()
        : name_(folder_.path() / "runs"),
          file_(::open(name_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) {
        REQUIRE(file_ >= 0);
    }
    run_file(const run_file&) = delete;
    auto operator=(const run_file&) -> run_file& = delete;
    ~run_file() { ::close(file_); }

    void add(const run_note& what) const {
        REQUIRE(::write(file_, &what, sizeof what) == static_cast<ssize_t>(sizeof what));
    }
    /// By partition, in the order of the file.
    [[nodiscard]] auto read() const -> std::array<std::vector<run_note>, partitions> {
        REQUIRE(::fsync(file_) == 0);
        std::array<std::vector<run_note>, partitions> all;
        std::ifstream in(name_, std::ios::binary);
        for (run_note each; in.read(reinterpret_cast<char*>(&each), sizeof each);) {
            all.at(static_cast<std::size_t>(each.partition)).push_back(each);
        }
        return all;
    }

private:
    cobus::test::temporary_folder folder_;
    std::filesystem::path name_;
    int file_;
};

/// What the file says about one topic that another client has read.
class verdict {
public:
    verdict(const run_file& file, const std::vector<cobus::test::plain_message>& topic)
        : runs_(file.read()) {
        for (const auto& each : topic) {
            there_.at(static_cast<std::size_t>(each.partition)).push_back(each.offset);
        }
    }

    /// Events that no handler had.
    [[nodiscard]] auto lost() const -> std::size_t {
        std::size_t count = 0;
        for (std::size_t i = 0; i < partitions; ++i) {
            std::vector<std::int64_t> had;
            for (const run_note& each : runs_.at(i)) {
                had.push_back(each.offset);
            }
            std::ranges::sort(had);
            count += static_cast<std::size_t>(std::ranges::count_if(there_.at(i), [&](auto offset) {
                return !std::ranges::binary_search(had, offset);
            }));
        }
        return count;
    }
    [[nodiscard]] auto repeats() const -> std::size_t {
        std::size_t runs = 0;
        std::size_t events = 0;
        for (std::size_t i = 0; i < partitions; ++i) {
            runs += runs_.at(i).size();
            events += there_.at(i).size();
        }
        return runs - (std::min)(events, runs);
    }
    /// First runs that come after one of a later event of their partition.
    [[nodiscard]] auto displaced() const -> std::size_t {
        std::size_t count = 0;
        for (const auto& each : runs_) {
            std::int64_t highest = -1;
            std::vector<bool> had(each.size());
            for (const run_note& one : each) {
                const auto at = static_cast<std::size_t>(one.offset);
                const bool first = at >= had.size() || !had[at];
                had.resize((std::max)(had.size(), at + 1));
                had[at] = true;
                count += first && one.offset < highest ? 1U : 0U;
                highest = (std::max)(highest, one.offset);
            }
        }
        return count;
    }
    /// Of an event that was there, while its partition stayed with a member.
    [[nodiscard]] auto longest_wait() const -> std::chrono::milliseconds {
        std::int64_t longest = 0;
        for (const auto& each : runs_) {
            for (std::size_t i = 1; i < each.size(); ++i) {
                if (each[i].member == each[i - 1].member) {
                    const auto since = (std::max)(each[i].published, each[i - 1].handled);
                    longest = (std::max)(longest, each[i].handled - since);
                }
            }
        }
        return std::chrono::milliseconds(longest / 1000);
    }

private:
    std::array<std::vector<run_note>, partitions> runs_;
    std::array<std::vector<std::int64_t>, partitions> there_;
};

/// Three members of one group, of which one at a time leaves and comes back, and a publisher that
/// writes to every partition all the time.
class restless_group {
public:
    restless_group(net::io_context& context, std::string topic, std::string strategy)
        : context_(&context),
          topic_(std::move(topic)),
          strategy_(std::move(strategy)),
          publisher_(context.get_executor(), settings(), cobus::over(cobus::kafka())) {}

    [[nodiscard]] auto run(std::chrono::seconds time) -> net::awaitable<void> {
        co_await publisher_.start();
        for (member& each : members_) {
            co_await join(each);
        }
        bool over = false;
        bool ended = false;
        net::co_spawn(*context_, publish(over), [&](std::exception_ptr thrown) {
            ended = true;
            CHECK(thrown == nullptr);
        });
        const auto end = steady::now() + time;
        net::steady_timer pause(*context_);
        for (std::size_t turn = 0; steady::now() < end; ++turn) {
            pause.expires_after(2s);
            co_await pause.async_wait(net::use_awaitable);
            member& leaving = members_.at(turn % members_.size());
            co_await leaving.bus->stop();
            leaving.reader = cobus::subscription();
            leaving.bus.reset();
            co_await join(leaving);
        }
        over = true;
        co_await until([&] { return ended; });
        const auto since = steady::now();
        while (handled_ < published_ && steady::now() - since < 60s) {
            pause.expires_after(10ms);
            co_await pause.async_wait(net::use_awaitable);
        }
        settled_in = std::chrono::duration_cast<std::chrono::milliseconds>(steady::now() - since);
        for (member& each : members_) {
            co_await each.bus->stop();
        }
        co_await publisher_.stop();
    }

    [[nodiscard]] auto members_ever() const -> std::int64_t { return next_member_; }

    run_file file;
    std::chrono::milliseconds settled_in{};

private:
    struct member {
        std::unique_ptr<cobus::bus> bus;
        cobus::subscription reader;
    };

    [[nodiscard]] auto settings() const -> cobus::settings {
        return settings_of(topic_).property("partition.assignment.strategy", strategy_);
    }
    [[nodiscard]] auto join(member& which) -> net::awaitable<void> {
        which.bus = std::make_unique<cobus::bus>(context_->get_executor(), settings(),
                                                 cobus::over(cobus::kafka()));
        const std::int64_t number = next_member_++;
        which.reader =
            which.bus->on_any(cobus::handler("count").ordered(cobus::order::by_partition), {topic_},
                              [this, number](const cobus::message& what, cobus::context& where) {
                                  run_note note{number, where.partition(), where.offset(),
                                                number_in(what.payload()), now_in_microseconds()};
                                  file.add(note);
                                  seen(note);
                              });
        co_await which.bus->start();
    }
    void seen(const run_note& what) {
        auto& had = had_.at(static_cast<std::size_t>(what.partition));
        const auto at = static_cast<std::size_t>(what.offset);
        had.resize((std::max)(had.size(), at + 1));
        handled_ += had[at] ? 0U : 1U;
        had[at] = true;
    }
    [[nodiscard]] auto publish(const bool& over) -> net::awaitable<void> {
        net::steady_timer pause(*context_);
        while (!over) {
            for (std::size_t i = 0; i < partitions; ++i) {
                cobus::message event(topic_, "beat", std::to_string(now_in_microseconds()));
                const auto where = cobus::with().partition(static_cast<std::int32_t>(i));
                co_await publisher_.publish(std::move(event), where);
                ++published_;
            }
            pause.expires_after(10ms);
            co_await pause.async_wait(net::use_awaitable);
        }
    }

    net::io_context* context_;
    std::string topic_, strategy_;
    cobus::bus publisher_;
    std::array<member, 3> members_;
    std::array<std::vector<bool>, partitions> had_;
    std::size_t handled_ = 0;
    std::size_t published_ = 0;
    std::int64_t next_member_ = 0;
};

/// A group of which one member is stopped while they join.
class forming_group {
public:
    forming_group(net::io_context& context, std::string topic)
        : context_(&context), topic_(std::move(topic)) {}

    /// How long that stop took.
    [[nodiscard]] auto run(std::chrono::milliseconds before) -> net::awaitable<steady::duration> {
        for (std::size_t i = 0; i < buses_.size(); ++i) {
            buses_.at(i) = std::make_unique<cobus::bus>(
                context_->get_executor(), settings_of(topic_), cobus::over(cobus::kafka()));
            readers_.at(i) = buses_.at(i)->on_any(cobus::handler("count"), {topic_},
                                                  [this](const cobus::message&) { ++handled_; });
            co_await buses_.at(i)->start();
        }
        net::steady_timer pause(*context_, before);
        co_await pause.async_wait(net::use_awaitable);
        const auto since = steady::now();
        co_await buses_.front()->stop();
        const steady::duration took = steady::now() - since;
        for (std::size_t i = 0; i < partitions; ++i) {
            cobus::message event(topic_, "beat", "0");
            const auto where = cobus::with().partition(static_cast<std::int32_t>(i));
            co_await buses_.back()->publish(std::move(event), where);
        }
        co_await until([this] { return handled_ >= partitions; }); // by the others
        for (const auto& each : buses_) {
            co_await each->stop();
        }
        co_return took;
    }

private:
    net::io_context* context_;
    std::string topic_;
    std::array<std::unique_ptr<cobus::bus>, 3> buses_;
    std::array<cobus::subscription, 3> readers_;
    std::size_t handled_ = 0;
};

void judge(const std::string& strategy, std::chrono::milliseconds most) {
    const std::string topic = "members-" + strategy + "-" + std::to_string(::getpid());
    cobus::test::plain_create_topic(kafka_brokers(), topic, static_cast<int>(partitions));
    const bool longer = std::getenv("COBUS_TEST_LONG") != nullptr;
    net::io_context context;
    restless_group group(context, topic, strategy);
    cobus::test::run(context, [&] { return group.run(longer ? 60s : 10s); }, 300s);
    const std::size_t count = cobus::test::plain_count(kafka_brokers(), topic);
    const auto there = cobus::test::plain_consume(kafka_brokers(), topic, count);
    REQUIRE(there.size() == count);
    const verdict found(group.file, there);
    MESSAGE(strategy << ": " << count << " events, " << group.members_ever() << " members, "
                     << found.repeats() << " handled again, longest wait of what stayed "
                     << found.longest_wait().count() << " ms, all handled "
                     << group.settled_in.count() << " ms after the last");
    CHECK(found.lost() == 0);
    CHECK(found.displaced() == 0);
    CHECK(found.longest_wait() < most);
    CHECK(group.settled_in < 20s);
}

} // namespace members_test

TEST_CASE("members that join and leave a cooperative group all the time lose nothing, and what "
          "stays with one goes on") {
    members_test::judge("cooperative-sticky", std::chrono::milliseconds(1000));
}

TEST_CASE("members that join and leave an eager group all the time lose nothing") {
    members_test::judge("range", std::chrono::milliseconds(30'000));
}

// A close waits up to four seconds for a join, and up to five in all.
TEST_CASE("members that are stopped while their groups form are soon gone, and the others go on") {
    using namespace members_test;
    constexpr std::size_t count = 6;
    std::vector<steady::duration> took;
    net::io_context context;
    std::vector<std::unique_ptr<forming_group>> groups;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string topic =
            "members-forming-" + std::to_string(::getpid()) + "-" + std::to_string(i);
        cobus::test::plain_create_topic(kafka_brokers(), topic, static_cast<int>(partitions));
        groups.push_back(std::make_unique<forming_group>(context, topic));
    }
    cobus::test::run(
        context,
        [&]() -> net::awaitable<void> {
            for (std::size_t i = 0; i < count; ++i) {
                net::co_spawn(context, groups.at(i)->run(std::chrono::milliseconds(200 * i)),
                              [&](std::exception_ptr thrown, steady::duration time) {
                                  CHECK(thrown == nullptr);
                                  took.push_back(time);
                              });
            }
            co_await until([&] { return took.size() == count; });
        },
        120s);
    const auto soon = std::ranges::count_if(took, [](auto time) { return time < 4500ms; });
    CHECK(soon >= 4);
}
