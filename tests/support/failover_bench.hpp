#pragma once

#include "manual_runtime.hpp"

#include <cobus/testing/scripted_transport.hpp>
#include <cobus/transport/failover.hpp>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::testing {

/// A publish as a bus makes it, and what became of it.
struct sent final : publish_node {
    std::string name;
    int completions = 0; ///< times that its publisher was told
    bool parted = false; ///< told while a transport still had it
    early_answer heard;  ///< then

    sent(std::string_view topic, std::string_view key, std::string text, policy how)
        : name(std::move(text)) {
        content = make_message();
        content->topic(topic);
        content->key(key);
        content->payload(name);
        when_away = how;
        completed = [](publish_node& node) noexcept {
            auto& self = static_cast<sent&>(node);
            if (!std::exchange(self.parted, false)) {
                ++self.completions;
                return;
            }
            self.ec = self.heard.ec; // not what became of the event later
            self.where = self.heard.where;
        };
        answered = [](publish_node& node, early_answer&& what) noexcept {
            auto& self = static_cast<sent&>(node);
            self.parted = true;
            ++self.completions;
            self.heard = std::move(what);
            self.ec = self.heard.ec;
            self.where = self.heard.where;
            return true;
        };
    }
    /// Taken with `done`, or completed.
    [[nodiscard]] auto over() const noexcept -> bool { return completions > 0; }
};

struct quiet_waker final : waker {
    void wake() noexcept override { ++wakes; }
    int wakes = 0;
};

struct told final : operation {
    told() {
        completed = [](operation& self) noexcept { ++static_cast<told&>(self).times; };
    }
    int times = 0;
};

/// A failover over two scripted transports, in a time of its own.
class failover_bench {
public:
    explicit failover_bench(transport_options with = {}, bool required = false) {
        with.brokers = {"kafka:9092"};
        with.log = [this](log_level level, std::string_view text) {
            lines.emplace_back(std::string(to_string(level)).append(": ").append(text));
        };
        auto first = std::make_unique<scripted_transport>();
        auto second = std::make_unique<scripted_transport>();
        kafka = first.get();
        memory = second.get();
        kafka->on_publish = [this](publish_node& node) { to_kafka.push_back(payload(node)); };
        memory->on_publish = [this](publish_node& node) { to_memory.push_back(payload(node)); };
        memory->answer_at_once = std::error_code();
        whole = std::make_unique<failover>(with, std::move(first), std::move(second), required,
                                           time.make());
    }

    static auto payload(const publish_node& node) -> std::string {
        return std::string(node.content->payload());
    }

    void start() {
        whole->start(changes, started);
        time.settle();
    }
    void connected() {
        start();
        kafka->is(link::up);
        time.settle();
    }
    void away(std::string why = "refused") {
        kafka->is(link::down, std::move(why));
        time.settle();
    }
    /// Back, and past the damping.
    void back() {
        kafka->is(link::up);
        time.pass(std::chrono::seconds(1));
    }

    /// Begins to stop, with five seconds for it.
    void stop() {
        whole->stop(time.now() + std::chrono::seconds(5), stopped);
        time.settle();
    }

    auto publish(std::string text, policy how = policy::deliver, bool may_wait = true,
                 std::string_view topic = "t", std::string_view key = "k") -> sent& {
        sent& node = all.emplace_back(topic, key, std::move(text), how);
        last = whole->publish(node, may_wait);
        if (last == taken::done) {
            node.completed(node);
        }
        time.settle();
        return node;
    }
    void answer_kafka(std::error_code ec = {}) {
        kafka->answer_all(ec);
        time.settle();
    }

    std::vector<std::string> lines; ///< of the log
    std::vector<std::string> to_kafka;
    std::vector<std::string> to_memory;
    manual_time time;
    scripted_transport* kafka = nullptr;
    scripted_transport* memory = nullptr;
    quiet_waker changes;
    told started;
    told stopped;
    taken last = taken::done;
    std::deque<sent> all;
    std::unique_ptr<failover> whole;
};

} // namespace cobus::testing
