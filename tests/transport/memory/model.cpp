#include "memory_peer.hpp"

#include <cobus/transport/memory.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace cobus;

namespace {

constexpr std::int32_t partitions = 3;
constexpr std::size_t most_members = 4;

/// What must be true of a topic and one group, kept the slow and obvious way.
struct model {
    std::vector<std::string> log[partitions];
    std::int64_t committed[partitions] = {0, 0, 0};
};

/// A member with what it may do next in each of its partitions.
struct member {
    member(transport& bus) : peer(bus, "g", {"t"}) {}

    memory_peer peer;
    std::map<std::int32_t, std::int64_t> next; ///< by partition, while it is owned
    bool must_give_up = false;
};

/// Plays random scripts against the transport and the model at once.
class script {
public:
    explicit script(std::uint32_t seed)
        : random_(seed),
          broker_(std::make_shared<memory_broker>(seed % 2 == 0 ? memory_broker::history::drop
                                                                : memory_broker::history::keep)),
          bus_(memory(broker_)(small_options(partitions))) {}

    void run(int steps) {
        join();
        for (int i = 0; i < steps; ++i) {
            switch (random_() % 16) {
            case 0:
                join();
                break;
            case 1:
                crash();
                break;
            case 2:
                leave();
                break;
            case 3:
            case 4:
            case 5:
                commit();
                break;
            case 6:
            case 7:
                settle();
                break;
            case 8:
            case 9:
            case 10:
                publish_one();
                break;
            default:
                poll();
            }
        }
        finish();
    }
    int crashes = 0;
    int moves = 0;
    int repeats = 0;

private:
    auto any() -> member* {
        return members_.empty() ? nullptr : members_[random_() % members_.size()].get();
    }
    void join() {
        if (members_.size() < most_members) {
            members_.push_back(std::make_unique<member>(*bus_));
        }
    }
    void crash() {
        if (!members_.empty()) {
            ++crashes;
            members_.erase(members_.begin() +
                           static_cast<std::ptrdiff_t>(random_() % members_.size()));
        }
    }
    void leave() {
        member* who = any();
        if (who == nullptr) {
            return;
        }
        noted_operation done;
        who->peer.stream().close(done);
        while (done.ends == 0) {
            poll(*who);
            give_up(*who);
        }
        std::erase_if(members_, [who](const auto& each) { return each.get() == who; });
    }
    void publish_one() {
        const auto where = static_cast<std::int32_t>(random_() % partitions);
        const std::string text = std::to_string(random_());
        const publish_node sent = publish(*bus_, a_message("t", text), where);
        REQUIRE_FALSE(sent.ec);
        REQUIRE(sent.where.offset() == static_cast<std::int64_t>(model_.log[where].size()));
        model_.log[where].push_back(text);
    }
    void poll() {
        if (member* who = any()) {
            poll(*who);
        }
    }
    void poll(member& who) {
        const std::size_t owned = who.peer.owned.size();
        switch (who.peer.step(1 + random_() % 4)) {
        case signal::assigned:
            for (std::size_t i = owned; i < who.peer.owned.size(); ++i) {
                assigned(who, who.peer.owned[i].first.partition);
            }
            break;
        case signal::revoked:
            REQUIRE_FALSE(who.must_give_up);
            who.must_give_up = true;
            ++moves;
            break;
        case signal::messages:
            delivered(who);
            break;
        default:
            break;
        }
    }
    void assigned(member& who, std::int32_t partition) {
        for (const auto& each : members_) {
            REQUIRE_MESSAGE(!each->next.contains(partition), "nobody else has it");
        }
        who.next[partition] = model_.committed[partition];
    }
    void delivered(member& who) {
        for (const delivery& each : who.peer.got) {
            const std::int32_t partition = each.where.partition;
            REQUIRE(who.next.contains(partition));
            REQUIRE(each.offset == who.next[partition]++);
            REQUIRE(each.content->payload() ==
                    model_.log[partition][static_cast<std::size_t>(each.offset)]);
            const std::int64_t before = seen_[partition];
            repeats += each.offset < before ? 1 : 0;
            seen_[partition] = (std::max)(before, each.offset + 1);
        }
        std::shuffle(who.peer.got.begin(), who.peer.got.end(), random_);
        who.peer.give_back();
    }
    void commit() {
        member* who = any();
        if (who == nullptr || who->peer.owned.empty()) {
            return;
        }
        const auto [where, epoch] = who->peer.owned[random_() % who->peer.owned.size()];
        const std::int64_t low = model_.committed[where.partition];
        const std::int64_t high = who->next.at(where.partition);
        if (high > low) {
            const auto span = static_cast<std::uint64_t>(high - low + 1);
            const std::int64_t to = low + static_cast<std::int64_t>(random_() % span);
            REQUIRE_FALSE(who->peer.commit("t", where.partition, to, epoch));
            model_.committed[where.partition] = to;
        }
        REQUIRE(who->peer.commit("t", where.partition, high, epoch + 1) == errc::not_assigned);
    }
    void settle() {
        if (member* who = any()) {
            give_up(*who);
        }
    }
    void give_up(member& who) {
        if (!who.must_give_up) {
            return;
        }
        who.must_give_up = false;
        for (const topic_partition& each : who.peer.partitions) {
            who.next.erase(each.partition);
        }
        who.peer.give_up();
    }
    /// Whatever happened, one member alone gets everything that was not committed.
    void finish() {
        members_.clear();
        member last(*bus_);
        while (last.peer.step() != signal::none) {
            if (!last.peer.got.empty()) {
                for (const delivery& each : last.peer.got) {
                    auto [at, first] = last.next.try_emplace(
                        each.where.partition, model_.committed[each.where.partition]);
                    REQUIRE(each.offset == at->second++);
                }
                last.peer.give_back();
            }
        }
        for (std::int32_t i = 0; i < partitions; ++i) {
            const auto end = static_cast<std::int64_t>(model_.log[i].size());
            const auto at = last.next.find(i);
            REQUIRE((at == last.next.end() ? model_.committed[i] : at->second) == end);
            REQUIRE(broker_->committed("g", "t", i).offset == model_.committed[i]);
        }
    }

    std::mt19937 random_;
    std::shared_ptr<memory_broker> broker_;
    std::unique_ptr<transport> bus_;
    model model_;
    std::map<std::int32_t, std::int64_t> seen_;
    std::vector<std::unique_ptr<member>> members_;
};

} // namespace

TEST_CASE("Random scripts of publishing, polling, committing, crashing, joining and leaving do as "
          "the model says") {
    int crashes = 0;
    int moves = 0;
    int repeats = 0;
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
        CAPTURE(seed);
        script one(seed);
        one.run(400);
        crashes += one.crashes;
        moves += one.moves;
        repeats += one.repeats;
    }
    MESSAGE(crashes, " crashes, ", moves, " revocations, ", repeats, " redeliveries");
    CHECK(crashes >= 20);
    CHECK(moves >= 20);
    CHECK(repeats >= 20);
}
