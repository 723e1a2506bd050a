#pragma once

#include "../transport.hpp"
#include "cluster_watch.hpp"
#include "config.hpp"
#include "consumer.hpp"
#include "producer.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// Kafka through librdkafka: one producer, one consumer for each subscription.
class kafka_transport final : public transport {
public:
    /// Throws `errc::bad_settings` when librdkafka refuses a property.
    explicit kafka_transport(transport_options options)
        : options_(std::move(options)),
          watch_(std::make_shared<cluster_watch>(options_.log, options_.brokers.size(),
                                                 options_.decision_time, mechanism(options_))) {
        if (options_.brokers.empty() && !options_.properties.contains("bootstrap.servers")) {
            throw error(errc::bad_settings, "no brokers: set KAFKA_BROKERS to host:port");
        }
        (void)make_conf(options_, role::consumer); // refused now rather than at the first handler
        options_.log = nullptr;                    // what it has to say of the properties is said
        producer_ =
            std::make_shared<producer>(options_, watch_, make_conf(options_, role::producer));
    }
    ~kafka_transport() override {
        watch_->silence();
        producer_->silence();
    }

    [[nodiscard]] auto name() const noexcept -> std::string_view override { return "kafka"; }
    [[nodiscard]] auto wants_bytes() const noexcept -> bool override { return true; }
    [[nodiscard]] auto answers_later() const noexcept -> bool override { return true; }

    void start(waker& state_changed, operation& done) noexcept override {
        try {
            producer_->open(state_changed, done);
        } catch (...) {
            done.ec = std::make_error_code(std::errc::not_enough_memory);
            done.completed(done);
        }
    }
    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken override {
        return producer_->publish(node, may_wait);
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool override {
        return producer_->withdraw(node);
    }
    [[nodiscard]] auto subscribe(const interest& wanted, waker& ready)
        -> std::unique_ptr<stream> override {
        transport_options options = options_;
        if (!wanted.group.empty()) {
            options.group_id = wanted.group;
        }
        for (const std::string* topic : wanted.topics) {
            producer_->create(topic);
        }
        return std::make_unique<consumer_stream>(options_.executor, watch_,
                                                 make_conf(options, role::consumer), wanted, ready,
                                                 options_.create_topics);
    }
    [[nodiscard]] auto state() const -> link_state override { return watch_->state(); }
    [[nodiscard]] auto health() const -> cobus::health override {
        cobus::health now = transport::health();
        now.resets = watch_->resets();
        return now;
    }
    [[nodiscard]] auto has_routes() const noexcept -> bool override { return true; }
    [[nodiscard]] auto partition_for(const message& content, std::int32_t asked) const noexcept
        -> std::int32_t override {
        const std::size_t count =
            asked < 0 && by_key_ && content.key() ? partitions_of(content.interned_topic()) : 0;
        return count == 0 ? asked
                          : static_cast<std::int32_t>(
                                partition_of(*content.key(), static_cast<std::uint32_t>(count)));
    }
    [[nodiscard]] auto partitions_of(const std::string* topic) const noexcept
        -> std::size_t override {
        return watch_->questions().known().partitions(topic);
    }
    [[nodiscard]] auto routes_away(std::span<const waiting_route> waiting)
        -> std::vector<route_trouble> override {
        if (watch_->questions().renew()) {
            producer_->wake();
        }
        std::vector<route_trouble> away;
        const auto now = std::chrono::steady_clock::now();
        if (coordinator_is_away(now)) {
            const std::string why = "the broker that coordinates transactions does not answer";
            for (const waiting_route& each : waiting) {
                away.push_back({each.where, code_of(RD_KAFKA_RESP_ERR__WAIT_COORD), why});
            }
        } else if (watch_->answers(options_.decision_time, now)) { // else it is all of Kafka
            const route_judge judge(watch_->brokers(), options_.decision_time);
            for (const waiting_route& each : waiting) {
                judge.judge(each, watch_->questions().known().of(each.where.topic), now, away);
            }
        }
        return away;
    }
    [[nodiscard]] auto probe(const topic_partition& where) noexcept -> probed override {
        if (coordinator_is_away(std::chrono::steady_clock::now())) {
            return probed::unanswered;
        }
        const probed how = watch_->questions().probe(where);
        if (how == probed::under_way) {
            producer_->wake();
        }
        return how;
    }
    void stop(std::chrono::steady_clock::time_point deadline, operation& done) noexcept override {
        producer_->stop(deadline, done);
    }

private:
    [[nodiscard]] auto coordinator_is_away(std::chrono::steady_clock::time_point now) const noexcept
        -> bool {
        return producer_->transaction_waits(now) >= options_.decision_time;
    }
    [[nodiscard]] static auto mechanism(const transport_options& options) -> std::string {
        for (const char* name : {"sasl.mechanism", "sasl.mechanisms"}) {
            if (const auto found = options.properties.find(name);
                found != options.properties.end()) {
                return found->second;
            }
        }
        return {};
    }

    /// Where a key goes is known beforehand.
    [[nodiscard]] static auto goes_by_key(const transport_options& options) -> bool {
        const auto found = options.properties.find("partitioner");
        return found == options.properties.end() || found->second.starts_with("murmur2");
    }

    transport_options options_;
    bool by_key_ = goes_by_key(options_);
    std::shared_ptr<cluster_watch> watch_;
    std::shared_ptr<producer> producer_;
};

} // namespace cobus::detail::kafka
