#pragma once

#include "../detail/encode_node.hpp"
#include "memory/line_end.hpp"
#include "memory/stream.hpp"

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cobus {

namespace detail {

/// Delivers in process, with Kafka's semantics: topics made at first use, partitions by key,
/// groups, offsets, commits, redelivery.
class memory_transport final : public transport {
public:
    memory_transport(std::shared_ptr<memory_broker> broker, transport_options options)
        : broker_(std::move(broker)),
          options_(std::move(options)),
          account_(std::make_shared<memory_account>()) {}
    ~memory_transport() override {
        if (ending_) {
            ending_->cancel();
        }
    }

    [[nodiscard]] auto name() const noexcept -> std::string_view override { return "memory"; }
    [[nodiscard]] auto wants_bytes() const noexcept -> bool override { return options_.serialise; }
    [[nodiscard]] auto in_process() const noexcept -> bool override { return true; }

    void start(waker& /*state_changed*/, operation& done) noexcept override {
        done.ec.clear();
        done.completed(done);
    }
    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken override {
        node.ec.clear();
        node.scratch = 0;
        memory_partition* partition = route(node);
        return partition != nullptr ? partition->publish(node, may_wait, account_) : taken::done;
    }
    [[nodiscard]] auto publish_now(message_ptr& content, std::int32_t partition,
                                   receipt& where) noexcept -> bool override {
        if (options_.serialise || account_->is_shut()) {
            return false;
        }
        memory_topic* topic = broker_->topics_.find(content->interned_topic());
        if (topic == nullptr) {
            return false; // to be made
        }
        memory_partition* const chosen = topic->choose(*content, partition);
        return chosen != nullptr && chosen->publish_now(content, where);
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool override {
        memory_partition* partition = memory_partition::of(node);
        return partition != nullptr && partition->withdraw(node);
    }
    [[nodiscard]] auto subscribe(const interest& wanted, waker& ready)
        -> std::unique_ptr<stream> override {
        return std::make_unique<memory_stream>(broker_, options_, wanted, ready);
    }
    [[nodiscard]] auto state() const -> link_state override {
        link_state now;
        now.what = account_->is_shut() ? link::failed : link::up;
        now.cause = account_->is_shut() ? make_error_code(errc::closed) : std::error_code();
        return now;
    }
    void stop(std::chrono::steady_clock::time_point deadline, operation& done) noexcept override {
        account_->shut();
        done.ec.clear();
        if (!account_->idle()) {
            try {
                ending_ = std::make_shared<memory_line_end>(broker_, account_, options_);
                ending_->begin(deadline);
            } catch (const std::exception&) { // no timer: then there is no waiting either
                memory_line_end::fail(*broker_, *account_);
            }
        }
        account_->close(done);
    }

private:
    /// Where the node goes; null with its `ec` set when it goes nowhere.
    [[nodiscard]] auto route(publish_node& node) noexcept -> memory_partition* {
        message& content = *node.content;
        if (account_->is_shut()) {
            node.ec = errc::closed;
            return nullptr;
        }
        if (content.interned_topic() == nullptr) {
            node.ec = errc::no_topic;
            return nullptr;
        }
        try {
            if (options_.serialise && !serialise(node)) {
                return nullptr;
            }
            memory_topic* topic = broker_->topics_.find(content.interned_topic());
            if (topic == nullptr) {
                topic = &broker_->topic(content.interned_topic(), options_);
            }
            memory_partition* const chosen = topic->choose(content, node.partition);
            if (chosen == nullptr) {
                node.ec = errc::no_partition;
            }
            return chosen;
        } catch (const std::exception&) {
            node.ec = std::make_error_code(std::errc::not_enough_memory);
            return nullptr;
        }
    }
    /// Leaves nothing but bytes, and texts of the message's own.
    [[nodiscard]] static auto serialise(publish_node& node) -> bool {
        message& content = *node.content;
        const contract_info* contract = content.contract();
        if (!encode_node(node)) {
            return false;
        }
        if (contract != nullptr) {
            if (const auto key = content.key()) {
                content.key(*key);
            }
            content.type(std::string(content.type()));
            content.payload(std::string(content.payload()));
        }
        return true;
    }

    std::shared_ptr<memory_broker> broker_;
    transport_options options_;
    std::shared_ptr<memory_account> account_;
    std::shared_ptr<memory_line_end> ending_;
};

} // namespace detail

/// Carries events between the handlers of this process, through a broker that others may share.
[[nodiscard]] inline auto memory(std::shared_ptr<memory_broker> broker) -> transport_factory {
    return [broker = std::move(broker)](const transport_options& options) {
        return std::make_unique<detail::memory_transport>(broker, options);
    };
}

/// The same through a broker of the bus's own.
[[nodiscard]] inline auto memory() -> transport_factory {
    return [](const transport_options& options) {
        return std::make_unique<detail::memory_transport>(
            std::make_shared<memory_broker>(memory_broker::history::drop), options);
    };
}

} // namespace cobus
