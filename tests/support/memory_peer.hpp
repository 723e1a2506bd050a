#pragma once

#include <cobus/transport/memory.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// Counts its wakes.
class counting_waker final : public cobus::waker {
public:
    void wake() noexcept override { wakes.fetch_add(1); }
    std::atomic<int> wakes{0};
};

/// An operation that remembers its end.
struct noted_operation : cobus::operation {
    noted_operation() {
        completed = [](operation& self) noexcept { ++static_cast<noted_operation&>(self).ends; };
    }
    std::atomic<int> ends{0};
};

/// A publish that remembers its end.
struct noted_publish : cobus::publish_node {
    noted_publish() {
        completed = [](publish_node& self) noexcept { ++static_cast<noted_publish&>(self).ends; };
    }
    std::atomic<int> ends{0};
};

[[nodiscard]] inline auto a_message(std::string_view topic, std::string payload,
                                    std::optional<std::string_view> key = std::nullopt)
    -> cobus::message_ptr {
    cobus::message_ptr made = cobus::make_message();
    made->topic(topic);
    made->type("test");
    made->payload(std::move(payload));
    if (key) {
        made->key(*key);
    }
    return made;
}

/// Options of a small broker.
[[nodiscard]] inline auto small_options(std::size_t partitions = 1) -> cobus::transport_options {
    cobus::transport_options options;
    options.partitions = partitions;
    return options;
}

/// Publishes at once; fails the way the transport says.
inline auto publish(cobus::transport& to, cobus::message_ptr content, std::int32_t partition = -1)
    -> cobus::publish_node {
    cobus::publish_node node;
    node.content = std::move(content);
    node.partition = partition;
    if (to.publish(node, false) == cobus::taken::full) {
        node.ec = cobus::errc::queue_full;
    }
    return node;
}
inline auto publish(cobus::transport& to, std::string_view topic, std::string payload,
                    std::optional<std::string_view> key = std::nullopt) -> cobus::publish_node {
    return publish(to, a_message(topic, std::move(payload), key));
}

/// A group's member that settles assignments by itself and keeps what it was given.
class memory_peer {
public:
    memory_peer(cobus::transport& from, std::string group, std::vector<std::string> topics)
        : stream_(from.subscribe(interest_of(std::move(group), topics), ready)) {}

    [[nodiscard]] static auto interest_of(std::string group, const std::vector<std::string>& topics)
        -> cobus::interest {
        cobus::interest wanted;
        wanted.group = std::move(group);
        for (const std::string& each : topics) {
            wanted.topics.push_back(cobus::detail::intern(each));
        }
        return wanted;
    }

    [[nodiscard]] auto stream() noexcept -> cobus::stream& { return *stream_; }
    void crash() { stream_.reset(); }

    /// One poll; messages go to `got`, assignments are settled, others are told.
    auto step(std::size_t room = 16) -> cobus::signal {
        std::vector<cobus::delivery> space(room);
        const cobus::polled told = stream_->poll(space);
        if (told.what != cobus::signal::none && told.what != cobus::signal::messages) {
            epoch = told.epoch;
            partitions.assign(told.partitions.begin(), told.partitions.end());
        }
        if (told.what == cobus::signal::messages) {
            got.insert(got.end(), space.begin(),
                       space.begin() + static_cast<std::ptrdiff_t>(told.count));
        } else if (told.what == cobus::signal::assigned) {
            for (const cobus::topic_partition& each : partitions) {
                owned.emplace_back(each, told.epoch);
            }
            stream_->settled(told.epoch);
        }
        return told.what;
    }
    /// Polls until there is nothing, giving up what is revoked.
    void run() {
        for (;;) {
            switch (step()) {
            case cobus::signal::none:
            case cobus::signal::closed:
            case cobus::signal::failed:
                return;
            case cobus::signal::revoked:
                give_up();
                break;
            default:
                break;
            }
        }
    }
    /// The answer to the last `revoked`.
    void give_up() {
        std::erase_if(owned, [this](const auto& each) {
            return std::find(partitions.begin(), partitions.end(), each.first) != partitions.end();
        });
        stream_->settled(epoch);
    }
    /// The payloads that came, in order; gives them back.
    auto take() -> std::vector<std::string> {
        std::vector<std::string> texts;
        for (const cobus::delivery& each : got) {
            texts.emplace_back(each.content->payload());
        }
        give_back();
        return texts;
    }
    void give_back() {
        stream_->give_back(got);
        got.clear();
    }
    auto commit(std::string_view topic, std::int32_t partition, std::int64_t offset,
                std::uint32_t as_of, std::string metadata = {}) -> std::error_code {
        const std::vector<cobus::position> positions{
            {{cobus::detail::intern(topic), partition}, offset, std::move(metadata)}};
        noted_operation done;
        stream_->commit(positions, as_of, done);
        return done.ec;
    }
    /// Commits with the epoch of the partition's assignment.
    auto commit(std::string_view topic, std::int32_t partition, std::int64_t offset)
        -> std::error_code {
        const cobus::topic_partition where{cobus::detail::intern(topic), partition};
        for (const auto& each : owned) {
            if (each.first == where) {
                return commit(topic, partition, offset, each.second);
            }
        }
        return cobus::errc::not_assigned;
    }

    counting_waker ready;
    std::vector<cobus::delivery> got;
    std::vector<std::pair<cobus::topic_partition, std::uint32_t>> owned;
    std::vector<cobus::topic_partition> partitions; ///< of the last signal
    std::uint32_t epoch = 0;                        ///< of the last signal

private:
    std::unique_ptr<cobus::stream> stream_;
};
