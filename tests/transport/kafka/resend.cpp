#include <cobus/transport/kafka/resend.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace resend_test {

using cobus::publish_node;
using cobus::detail::kafka::resend;

constexpr auto unsent = RD_KAFKA_MSG_STATUS_NOT_PERSISTED;

/// A client that takes everything, and refuses each batch that has one of the bad.
struct client {
    resend all;
    std::deque<publish_node> nodes;
    std::vector<const publish_node*> bad;
    std::vector<publish_node*> held;
    std::vector<std::size_t> batches;
    std::vector<publish_node*> sent, refused;
    std::uint64_t turns = 0;

    void publish(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            take(nodes.emplace_back());
        }
    }
    void take(publish_node& node) {
        node.turn = turns++;
        held.push_back(&node);
    }
    [[nodiscard]] auto is_bad(const publish_node* node) const -> bool {
        return std::find(bad.begin(), bad.end(), node) != bad.end();
    }
    /// All that it holds is one batch.
    void answer() {
        std::vector<publish_node*> batch;
        batch.swap(held);
        batches.push_back(batch.size());
        const bool well = std::none_of(batch.begin(), batch.end(),
                                       [this](const publish_node* each) { return is_bad(each); });
        for (publish_node* each : batch) {
            if (well) {
                (void)all.keeps(RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_MSG_STATUS_PERSISTED, *each,
                                false);
                sent.push_back(each);
            } else if (!all.keeps(RD_KAFKA_RESP_ERR_INVALID_RECORD, unsent, *each, false)) {
                refused.push_back(each);
            }
        }
    }
    void send_again() {
        if (all.recalls()) {
            all.recalled();
        }
        while (publish_node* const node = all.next(held.empty())) {
            publish_node* const after = node->next;
            take(*node);
            all.went(node, after, true);
        }
    }
    void settle() {
        while (!held.empty() || all.active()) {
            answer();
            send_again();
        }
    }
};

} // namespace resend_test

TEST_CASE("of a batch that was refused only the message that is refused alone fails") {
    resend_test::client kafka;
    kafka.publish(100);
    kafka.bad = {&kafka.nodes[37], &kafka.nodes[38], &kafka.nodes[99]};
    kafka.settle();
    CHECK(kafka.refused == std::vector{&kafka.nodes[37], &kafka.nodes[38], &kafka.nodes[99]});
    std::vector<cobus::publish_node*> good;
    for (auto& each : kafka.nodes) {
        if (!kafka.is_bad(&each)) {
            good.push_back(&each);
        }
    }
    CHECK(kafka.sent == good); // in their order
    CHECK_FALSE(kafka.all.active());
}

TEST_CASE("one among many is found in few batches") {
    resend_test::client kafka;
    kafka.publish(10'000);
    kafka.bad = {&kafka.nodes[5'000]};
    kafka.settle();
    CHECK(kafka.refused.size() == 1);
    CHECK(kafka.sent.size() == 9'999);
    CHECK(kafka.batches.size() < 60);
}

TEST_CASE("a message that is refused alone the first time is tried once more") {
    resend_test::client kafka;
    kafka.publish(1);
    kafka.bad = {&kafka.nodes[0]};
    kafka.settle();
    CHECK(kafka.refused.size() == 1);
    CHECK(kafka.batches == std::vector<std::size_t>{1, 1});
}

TEST_CASE("what librdkafka gave back unsent goes again behind what was refused before it") {
    resend_test::client kafka;
    kafka.publish(4);
    const std::array four{kafka.held[0], kafka.held[1], kafka.held[2], kafka.held[3]};
    const auto& [first, second, third, fourth] = four;
    using resend_test::unsent;
    cobus::detail::kafka::resend all;
    CHECK(all.keeps(RD_KAFKA_RESP_ERR_INVALID_RECORD, unsent, *third, false));
    CHECK(all.recalls());
    CHECK_FALSE(all.client_is_lost());
    CHECK(all.keeps(RD_KAFKA_RESP_ERR__PURGE_QUEUE, unsent, *fourth, false));
    CHECK(all.keeps(RD_KAFKA_RESP_ERR_INVALID_RECORD, unsent, *first, false));
    CHECK_FALSE(all.keeps(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, unsent, *second, false));
    all.recalled();
    std::vector<cobus::publish_node*> order;
    all.drain([&order](cobus::publish_node& each) { order.push_back(&each); });
    CHECK(order == std::vector{first, third, fourth});
}

TEST_CASE("a client is replaced before its epochs are used up") {
    cobus::detail::kafka::resend all;
    std::size_t failed = 0;
    for (; !all.replaces() && failed < 32'767; ++failed) {
        all.batch_failed();
    }
    CHECK(failed < 32'000);
    CHECK(all.active());
    CHECK_FALSE(all.client_is_lost()); // nothing on its way is given up for it
    all.recalled();
    CHECK(all.next(true) == nullptr);
    CHECK_FALSE(all.active());
    all.batch_failed();
    CHECK_FALSE(all.replaces());
}

namespace resend_test {

/// A client in transactions, of which the cluster refuses each that has one of the bad, and does
/// not say which it was.
struct transactional_client {
    resend all;
    std::deque<publish_node> nodes;
    std::vector<const publish_node*> bad;
    std::vector<publish_node*> held, sent, refused;
    std::size_t aborted = 0;

    void publish(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            publish_node& node = nodes.emplace_back();
            node.turn = i;
            held.push_back(&node);
        }
    }
    void end_transaction() {
        std::vector<publish_node*> those;
        those.swap(held);
        const bool well = std::ranges::none_of(those, [this](const publish_node* each) {
            return std::ranges::find(bad, each) != bad.end();
        });
        if (well) {
            sent.insert(sent.end(), those.begin(), those.end());
            return;
        }
        ++aborted;
        for (publish_node* each : those) {
            all.transaction_failed(false);
            CHECK(all.keeps(RD_KAFKA_RESP_ERR__PURGE_QUEUE, unsent, *each, false));
        }
        all.transaction_refused();
        if (publish_node* const meant = all.culprit()) {
            refused.push_back(meant);
        }
        all.recalled();
    }
    void settle() {
        while (!held.empty() || all.active()) {
            end_transaction();
            while (publish_node* const node = all.next(held.empty())) {
                publish_node* const after = node->next;
                held.push_back(node);
                all.went(node, after, true);
            }
        }
    }
};

} // namespace resend_test

TEST_CASE("who is refused for good is found in transactions, and the others are sent in order") {
    resend_test::transactional_client kafka;
    kafka.publish(1000);
    kafka.bad = {&kafka.nodes[500], &kafka.nodes[501]};
    kafka.settle();
    CHECK(kafka.refused == std::vector{&kafka.nodes[500], &kafka.nodes[501]});
    CHECK(kafka.sent.size() == 998);
    CHECK(std::ranges::is_sorted(kafka.sent, {}, &cobus::publish_node::turn));
    CHECK(kafka.aborted < 30);
}

TEST_CASE("nobody else is meant when a message of the transaction was refused itself") {
    cobus::detail::kafka::resend all;
    cobus::publish_node own;
    cobus::publish_node other;
    using resend_test::unsent;
    all.transaction_failed(true);
    CHECK_FALSE(all.keeps(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, unsent, own, false));
    CHECK(all.keeps(RD_KAFKA_RESP_ERR__PURGE_QUEUE, unsent, other, false));
    all.transaction_refused();
    CHECK(all.culprit() == nullptr);
    all.recalled();
    CHECK(all.next(true) == &other);
}

TEST_CASE("all of a transaction that is given up goes again, since readers saw nothing of it") {
    cobus::detail::kafka::resend all;
    cobus::publish_node on_its_way;
    cobus::publish_node acknowledged;
    on_its_way.when_away = cobus::policy::fail;
    on_its_way.turn = 2;
    acknowledged.turn = 1;
    all.transaction_failed(false);
    CHECK(all.keeps(RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED,
                    on_its_way, false));
    all.returns_kept(acknowledged);
    all.recalled();
    std::vector<cobus::publish_node*> order;
    all.drain([&order](cobus::publish_node& each) { order.push_back(&each); });
    CHECK(order == std::vector{&acknowledged, &on_its_way});
}
