#pragma once

#include "../transport.hpp"
#include "cluster_watch.hpp"
#include "config.hpp"
#include "consumer.hpp"
#include "producer.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <utility>

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
    void stop(std::chrono::steady_clock::time_point deadline, operation& done) noexcept override {
        producer_->stop(deadline, done);
    }

private:
    [[nodiscard]] static auto mechanism(const transport_options& options) -> std::string {
        for (const char* name : {"sasl.mechanism", "sasl.mechanisms"}) {
            if (const auto found = options.properties.find(name);
                found != options.properties.end()) {
                return found->second;
            }
        }
        return {};
    }

    transport_options options_;
    std::shared_ptr<cluster_watch> watch_;
    std::shared_ptr<producer> producer_;
};

} // namespace cobus::detail::kafka
