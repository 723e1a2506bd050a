#include "failover_bench.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace cobus::testing;
using cobus::errc;
using cobus::policy;
using cobus::taken;

namespace {

enum class side : unsigned char { here, kafka, memory, over };

/// A bus that publishes at random while Kafka comes and goes, and checks at each step that no
/// event passes an older one of its topic and policy on the other way.
class walk {
public:
    walk(unsigned seed, bool fifo) : random_(seed), fifo_(fifo), bench_(limits(seed)) {
        bench_.kafka->on_publish = [this](cobus::publish_node& node) {
            arrives(node, side::kafka);
        };
        bench_.memory->on_publish = [this](cobus::publish_node& node) {
            arrives(node, side::memory);
        };
        bench_.kafka->on_answer = [this](cobus::publish_node& node, std::error_code ec) {
            answered(node, ec);
        };
        bench_.memory->on_answer = bench_.kafka->on_answer;
        bench_.kafka->on_withdraw = [this](cobus::publish_node& node) {
            record& mine = of(node);
            mine.where = side::here;
            --mine.times_to_kafka; // it never began, so it may come again
            long& last = last_in_kafka_[mine.line];
            last = std::min(last, static_cast<long>(&mine - all_.data()) - 1);
            count(mine.how, "taken back");
        };
        bench_.kafka->room = dice(2) == 0 ? 3 : 1000;
    }

    void run(int steps) {
        bench_.start();
        for (int i = 0; i < steps; ++i) {
            act();
            check_completions();
        }
        bench_.stop();
        bench_.memory->answer_all();
        bench_.kafka->answer_all(errc::timed_out);
        bench_.time.pass(5s);
        check_end();
    }

    [[nodiscard]] auto coverage() const -> const std::map<std::string, int>& { return coverage_; }
    /// How many publishers heard of no end although the client did.
    [[nodiscard]] auto untold() const -> int { return untold_; }

private:
    static auto limits(unsigned seed) -> cobus::transport_options {
        cobus::transport_options options;
        options.wait_limit = 20s;
        options.queue_messages = seed % 3 == 0 ? 5 : 1000;
        return options;
    }
    auto dice(unsigned sides) -> unsigned { return static_cast<unsigned>(random_() % sides); }

    void act() {
        const unsigned what = dice(100);
        if (what < 50) {
            publish();
        } else if (what < 62) {
            answer_kafka();
        } else if (what < 72) {
            static constexpr std::array<cobus::link, 4> links{
                cobus::link::up, cobus::link::down, cobus::link::up, cobus::link::connecting};
            bench_.kafka->is(links.at(dice(4)));
        } else if (what < 82) {
            bench_.time.pass(std::chrono::milliseconds(dice(4000)));
        } else if (what < 90) {
            withdraw();
        } else if (what < 94) {
            bench_.memory->answer_at_once.reset();
        } else if (what < 98) {
            bench_.memory->answer_at_once = std::error_code();
            bench_.memory->answer_all();
        } else {
            bench_.memory->answer_all(make_error_code(errc::too_large));
        }
        if (dice(3) != 0) {
            bench_.time.settle();
        }
    }

    void publish() {
        static constexpr std::array<policy, 3> policies{policy::deliver, policy::wait,
                                                        policy::fail};
        const std::size_t line = dice(4); // two topics deliver, one waits, one fails
        const policy how = policies.at(line < 2 ? 0 : line - 1);
        const std::string topic = "t" + std::to_string(line);
        const std::string name = std::to_string(all_.size());
        sent& node = nodes_.emplace_back(topic, "k", name, how);
        all_.push_back({&node, line, how});
        const taken taken_how = bench_.whole->publish(node, dice(5) != 0);
        record& mine = all_[static_cast<std::size_t>(std::stoul(name))];
        count(how, taken_how == taken::done   ? "done"
                   : taken_how == taken::full ? "full"
                                              : "pending");
        if (taken_how == taken::done) {
            node.completed(node);
        } else if (taken_how == taken::full) {
            mine.refused = true;
            mine.where = side::over;
            REQUIRE(node.content->payload() == name);
        }
    }

    void answer_kafka() {
        const std::size_t begun = bench_.kafka->begun();
        if (begun == 0) {
            return;
        }
        const std::size_t index = fifo_ ? 0 : dice(static_cast<unsigned>(begun));
        const unsigned how = dice(10);
        bench_.kafka->answer_at(index, how < 5   ? std::error_code()
                                       : how < 9 ? make_error_code(errc::timed_out)
                                                 : make_error_code(errc::maybe_sent));
    }

    void withdraw() {
        if (all_.empty()) {
            return;
        }
        record& mine = all_[all_.size() - 1 -
                            dice(static_cast<unsigned>(std::min<std::size_t>(all_.size(), 8)))];
        const bool was_over = mine.node->completions > 0 || mine.withdrawn || mine.refused;
        if (bench_.whole->withdraw(*mine.node)) {
            REQUIRE_FALSE(was_over);
            mine.withdrawn = true;
            mine.where = side::over;
            count(mine.how, "withdrawn");
            REQUIRE(mine.node->content != nullptr);
        }
    }

    struct record {
        sent* node = nullptr;
        std::size_t line = 0;
        policy how = policy::deliver;
        side where = side::here;
        int times_to_kafka = 0;
        bool acknowledged = false;
        bool delivered = false;
        bool withdrawn = false;
        bool refused = false;
    };

    auto of(const cobus::publish_node& node) -> record& {
        return all_[static_cast<std::size_t>(std::stoul(std::string(node.content->payload())))];
    }

    /// Called in the midst of the transport's own code, which throws nothing.
    void must(bool holds, int line) {
        if (!holds && broken_ == 0) {
            broken_ = line;
        }
    }
    void arrives(cobus::publish_node& node, side where) {
        record& mine = of(node);
        const auto index = static_cast<std::size_t>(&mine - all_.data());
        must(mine.where == side::here, __LINE__);
        must(!mine.withdrawn, __LINE__);
        must(mine.node->completions == 0, __LINE__);
        if (where == side::memory) {
            must(mine.how == policy::deliver, __LINE__);
            must((last_in_memory_[mine.line] < static_cast<long>(index)), __LINE__);
            last_in_memory_[mine.line] = static_cast<long>(index);
        } else if (mine.times_to_kafka++ == 0) {
            must((last_in_kafka_[mine.line] < static_cast<long>(index)), __LINE__);
            last_in_kafka_[mine.line] = static_cast<long>(index);
        } else {
            must(mine.how == policy::wait, __LINE__); // only those may be sent again
        }
        const side other = where == side::memory ? side::kafka : side::memory;
        for (std::size_t i = 0; i < index; ++i) {
            if (all_[i].line == mine.line) {
                must((all_[i].where != other || all_[i].node->completions > 0), __LINE__);
                must((all_[i].where != side::here || all_[i].node->completions > 0 ||
                      all_[i].node == mine.node),
                     __LINE__);
            }
        }
        mine.where = where;
        if (where == side::memory && bench_.memory->answer_at_once) {
            mine.delivered = true;
            mine.where = side::over;
        }
        count(mine.how, where == side::memory ? "in process" : "to Kafka");
    }

    void answered(cobus::publish_node& node, std::error_code ec) {
        record& mine = of(node);
        must((mine.where == side::kafka || mine.where == side::memory), __LINE__);
        (mine.where == side::kafka ? mine.acknowledged : mine.delivered) = !ec;
        const bool goes_on = mine.where == side::kafka && ec == errc::timed_out;
        mine.where = goes_on ? side::here : side::over;
        if (goes_on) {
            count(mine.how, "given up by the client");
        }
    }

    void check_completions() {
        REQUIRE_MESSAGE(broken_ == 0, "the rule of line ", broken_);
        for (const record& each : all_) {
            REQUIRE(each.node->completions <= 1);
            REQUIRE((each.node->completions == 0 || !each.withdrawn));
        }
    }
    void check_end() {
        REQUIRE(bench_.stopped.times == 1);
        REQUIRE(bench_.started.times == 1);
        for (const record& each : all_) {
            CAPTURE(each.node->name);
            REQUIRE(each.node->completions == (each.withdrawn || each.refused ? 0 : 1));
            if (each.node->completions == 1 && each.node->content == nullptr) {
                // The client had it still when its publisher was told that nobody knows.
                REQUIRE(each.node->ec == errc::maybe_sent);
                REQUIRE(each.how != policy::wait);
                ++untold_;
            } else if (each.node->completions == 1) {
                REQUIRE((each.acknowledged || each.delivered) == !each.node->ec);
                REQUIRE(each.node->where.degraded() == each.delivered);
                REQUIRE(each.node->content->payload() == each.node->name);
            }
        }
    }
    void count(policy how, const std::string& what) {
        static const std::array<std::string, 3> words{"deliver", "wait", "fail"};
        ++coverage_[words.at(static_cast<std::size_t>(how)) + ": " + what];
    }

    std::mt19937 random_;
    bool fifo_;
    int broken_ = 0;
    int untold_ = 0;
    failover_bench bench_;
    std::deque<sent> nodes_;
    std::vector<record> all_;
    std::map<std::size_t, long> last_in_memory_{{0, -1}, {1, -1}, {2, -1}, {3, -1}};
    std::map<std::size_t, long> last_in_kafka_{{0, -1}, {1, -1}, {2, -1}, {3, -1}};
    std::map<std::string, int> coverage_;
};

} // namespace

TEST_CASE("nothing is lost, answered twice or overtaken, whatever happens in whatever order") {
    std::map<std::string, int> coverage;
    int untold = 0;
    for (unsigned seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        walk it(seed, seed % 2 == 0);
        it.run(300);
        untold += it.untold();
        for (const auto& [what, times] : it.coverage()) {
            coverage[what] += times;
        }
    }
    for (const auto& [what, times] : coverage) {
        MESSAGE(what << ": " << times);
        CHECK(times >= 20);
    }
    CHECK(coverage.size() == 21);
    CHECK(untold >= 20);
}
