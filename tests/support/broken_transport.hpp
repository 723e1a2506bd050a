#pragma once

#include <cobus/testing/kit/forwarding_stream.hpp>
#include <cobus/transport/memory.hpp>
#include <cobus/transport/transport.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::test {

/// What a broken transport does wrong.
enum class fault : unsigned char {
    none,
    loses,             ///< acknowledges every seventh message and drops it
    reorders,          ///< every tenth message goes behind the next one
    sends_cancelled,   ///< takes a publish back, and sends it
    duplicates,        ///< sends every message twice
    commits_too_far,   ///< commits all that it has delivered
    commits_unasked,   ///< commits what it delivers at once
    forgets_commits,   ///< acknowledges commits and keeps none
    drops_headers,     ///< carries key and payload alone
    mixes_keys,        ///< gives every message the same key
    never_closes,      ///< says nothing about the end of a stream
    refuses_when_full, ///< fails publishes that should wait
};

/// A publish of the broken transport's own; deletes itself.
struct own_publish : publish_node {
    explicit own_publish(message& original) {
        (void)original.ensure_bytes();
        content = make_message();
        content->topic(original.interned_topic());
        content->id(original.id());
        content->time(original.time());
        content->type(original.type());
        content->source(original.source());
        if (const auto key = original.key()) {
            content->key(*key);
        }
        content->headers() = original.headers();
        content->payload(std::string(original.payload()));
        completed = [](publish_node& self) noexcept { delete &static_cast<own_publish&>(self); };
    }
    /// Sends it, and waits where it has to.
    static void send(std::unique_ptr<own_publish> node, transport& to) {
        if (node && to.publish(*node, true) == taken::pending) {
            (void)node.release(); // NOLINT(bugprone-unused-return-value): its end deletes it
        }
    }
};

/// A stream over memory's, with a fault.
class broken_stream final : public testing::detail::forwarding_stream {
public:
    broken_stream(std::unique_ptr<stream> inner, fault what)
        : forwarding_stream(std::move(inner)), what_(what) {}

    auto poll(std::span<delivery> room) noexcept -> polled override {
        const polled got = inner().poll(room);
        for (std::size_t i = 0; i < got.count; ++i) {
            delivered_[room[i].where] = room[i].offset + 1;
        }
        if (what_ == fault::commits_unasked && got.count > 0) {
            operation done;
            done.completed = [](operation&) noexcept {};
            inner().commit(everything(), room[0].epoch, done);
        }
        return got;
    }
    void commit(std::span<const position> positions, std::uint32_t epoch,
                operation& done) noexcept override {
        if (what_ == fault::forgets_commits) {
            done.completed(done);
        } else {
            inner().commit(what_ == fault::commits_too_far ? everything() : positions, epoch, done);
        }
    }
    void close(operation& done) noexcept override {
        if (what_ != fault::never_closes) {
            inner().close(done);
        }
    }

private:
    /// All that was delivered, as positions.
    auto everything() -> std::span<const position> {
        positions_.clear();
        for (const auto& [where, offset] : delivered_) {
            positions_.push_back({where, offset, {}});
        }
        return positions_;
    }

    fault what_;
    std::map<topic_partition, std::int64_t> delivered_;
    std::vector<position> positions_;
};

/// Memory, which always serialises, with a fault.
class broken_transport final : public transport {
public:
    broken_transport(std::unique_ptr<transport> inner, fault what)
        : inner_(std::move(inner)), what_(what) {}

    [[nodiscard]] auto name() const noexcept -> std::string_view override { return "broken"; }
    [[nodiscard]] auto wants_bytes() const noexcept -> bool override { return true; }
    void start(waker& state_changed, operation& done) noexcept override {
        inner_->start(state_changed, done);
    }
    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken override {
        const std::lock_guard lock(guard_);
        const std::size_t number = ++published_;
        switch (what_) {
        case fault::loses:
            if (number % 7 == 0) {
                return taken::done;
            }
            break;
        case fault::reorders:
            return reordered(node, number, may_wait);
        case fault::duplicates:
            own_publish::send(std::make_unique<own_publish>(*node.content), *inner_);
            break;
        case fault::drops_headers:
            node.content->headers() = headers();
            break;
        case fault::mixes_keys:
            node.content->key("same");
            break;
        case fault::refuses_when_full:
            return refused(node);
        default:
            break;
        }
        return inner_->publish(node, may_wait);
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool override {
        const std::lock_guard lock(guard_);
        if (what_ != fault::sends_cancelled) {
            return inner_->withdraw(node);
        }
        auto copy = std::make_unique<own_publish>(*node.content);
        if (!inner_->withdraw(node)) {
            return false;
        }
        own_publish::send(std::move(copy), *inner_);
        return true;
    }
    [[nodiscard]] auto subscribe(const interest& wanted, waker& ready)
        -> std::unique_ptr<stream> override {
        return std::make_unique<broken_stream>(inner_->subscribe(wanted, ready), what_);
    }
    [[nodiscard]] auto state() const -> link_state override { return inner_->state(); }
    void stop(std::chrono::steady_clock::time_point deadline, operation& done) noexcept override {
        inner_->stop(deadline, done);
    }

private:
    auto reordered(publish_node& node, std::size_t number, bool may_wait) -> taken {
        if (number % 10 == 5) {
            own_publish::send(std::move(held_), *inner_);
            held_ = std::make_unique<own_publish>(*node.content);
            return taken::done;
        }
        const taken result = inner_->publish(node, may_wait);
        own_publish::send(std::move(held_), *inner_);
        return result;
    }
    auto refused(publish_node& node) -> taken {
        const taken result = inner_->publish(node, false);
        if (result == taken::full) {
            node.ec = make_error_code(errc::queue_full);
            return taken::done;
        }
        return result;
    }

    std::unique_ptr<transport> inner_;
    fault what_;
    std::mutex guard_;
    std::size_t published_ = 0;
    std::unique_ptr<own_publish> held_;
};

} // namespace cobus::test
