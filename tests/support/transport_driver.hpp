#pragma once

#include <cobus/net.hpp>
#include <cobus/transport/transport.hpp>

#include <asio/io_context.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace cobus::test {

/// Runs an io_context on a thread of its own.
class running_context {
public:
    running_context() : thread_([this] { context_.run(); }) {}
    running_context(const running_context&) = delete;
    auto operator=(const running_context&) -> running_context& = delete;
    ~running_context() { end(); }

    [[nodiscard]] auto executor() -> net::any_io_executor { return context_.get_executor(); }
    /// Nothing runs after it; what is posted stays in the context.
    void end() {
        context_.stop();
        if (thread_.joinable()) {
            thread_.join();
        }
    }

private:
    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
    std::thread thread_;
};

/// Something that happens on other threads and can be waited for.
class event_count {
public:
    void happened() {
        const std::lock_guard lock(guard_);
        ++count_;
        changed_.notify_all();
    }
    [[nodiscard]] auto count() const -> std::size_t {
        const std::lock_guard lock(guard_);
        return count_;
    }
    [[nodiscard]] auto reaches(std::size_t wanted,
                               std::chrono::milliseconds limit = std::chrono::seconds(30)) const
        -> bool {
        std::unique_lock lock(guard_);
        return changed_.wait_for(lock, limit, [&] { return count_ >= wanted; });
    }

private:
    mutable std::mutex guard_;
    mutable std::condition_variable changed_;
    std::size_t count_ = 0;
};

class counting_waker final : public waker {
public:
    void wake() noexcept override {
        wakes.happened();
        if (counting_waker* const other = also.load()) {
            other->wakes.happened();
        }
    }
    event_count wakes;
    std::atomic<counting_waker*> also = nullptr; ///< who waits for this one too
};

/// An operation that can be waited for.
struct awaited_operation : operation {
    awaited_operation() {
        completed = [](operation& self) noexcept {
            static_cast<awaited_operation&>(self).ended.happened();
        };
    }
    event_count ended;
};

/// A publish of plain bytes.
struct test_publish : publish_node {
    test_publish(std::string_view topic, std::string_view key, std::string payload) {
        content = make_message();
        content->topic(topic);
        content->type("test.event");
        content->id(message_id::make(detail::coarse_now()));
        content->time(detail::coarse_now());
        content->key(key);
        content->payload(std::move(payload));
        completed = [](publish_node& self) noexcept {
            static_cast<test_publish&>(self).ended.happened();
        };
    }
    event_count ended;
};

/// The same as a bus makes it: it hears an answer while the transport still has the node, which it
/// must outlive.
struct answered_publish final : test_publish {
    answered_publish(std::string_view topic, std::string_view key, std::string payload)
        : test_publish(topic, key, std::move(payload)) {
        completed = [](publish_node& node) noexcept {
            auto& self = static_cast<answered_publish&>(node);
            if (!self.parted_) {
                self.hear({std::move(self.where), self.ec});
            }
        };
        answered = [](publish_node& node, early_answer&& what) noexcept {
            auto& self = static_cast<answered_publish&>(node);
            self.parted_ = true; // under the lock that its `completed` comes by
            self.hear(std::move(what));
            return true;
        };
    }
    /// Once `ended` happened.
    early_answer heard;

private:
    void hear(early_answer&& what) noexcept {
        heard = std::move(what);
        ended.happened();
    }

    bool parted_ = false;
};

/// What a bus is to a transport: starts it, publishes, stops it.
class transport_driver {
public:
    transport_driver(const transport_factory& make, transport_options options)
        : options_(std::move(options)) {
        options_.executor = context.executor();
        transport_ = make(options_);
    }
    ~transport_driver() { transport_.reset(); }

    auto start() -> std::error_code {
        transport_->start(state_changed, started_);
        if (!started_.ended.reaches(1)) {
            throw std::runtime_error("start did not complete");
        }
        return started_.ec;
    }
    /// Publishes and waits for the end.
    auto publish(test_publish& node) -> std::error_code {
        if (transport_->publish(node, true) == taken::pending && !node.ended.reaches(1)) {
            throw std::runtime_error("the publish did not complete");
        }
        return node.ec;
    }
    auto stop(std::chrono::milliseconds limit = std::chrono::seconds(10)) -> std::error_code {
        transport_->stop(std::chrono::steady_clock::now() + limit, stopped_);
        if (!stopped_.ended.reaches(1)) {
            throw std::runtime_error("stop did not complete");
        }
        return stopped_.ec;
    }
    /// Waits until the state is that.
    [[nodiscard]] auto becomes(link wanted,
                               std::chrono::milliseconds limit = std::chrono::seconds(20)) -> bool {
        const auto until = std::chrono::steady_clock::now() + limit;
        for (;;) {
            const std::size_t seen = state_changed.wakes.count();
            if (transport_->state().what == wanted) {
                return true;
            }
            const auto left = until - std::chrono::steady_clock::now();
            if (left.count() <= 0 ||
                !state_changed.wakes.reaches(
                    seen + 1, std::chrono::duration_cast<std::chrono::milliseconds>(left))) {
                return transport_->state().what == wanted;
            }
        }
    }
    [[nodiscard]] auto get() -> transport& { return *transport_; }
    void destroy() { transport_.reset(); }

    running_context context;
    counting_waker state_changed;

private:
    transport_options options_;
    awaited_operation started_;
    awaited_operation stopped_;
    std::unique_ptr<transport> transport_;
};

/// A message as it was seen, copied.
struct seen_message {
    std::string key;
    std::string payload;
    std::int32_t partition = -1;
    std::int64_t offset = -1;
};

/// What a dispatcher is to a stream, on the thread of the test: polls when woken, settles
/// rebalances, commits what it saw.
class stream_driver {
public:
    explicit stream_driver(transport& from, std::vector<std::string> topics,
                           std::string group = "group", std::vector<companion> companions = {}) {
        interest wanted;
        wanted.group = std::move(group);
        wanted.companions = std::move(companions);
        for (const std::string& topic : topics) {
            wanted.topics.push_back(detail::intern(topic));
        }
        stream_ = from.subscribe(wanted, ready);
    }

    /// Called for each message; it is given back afterwards, unless that says false.
    std::function<bool(delivery&)> on_message;
    /// Called before a rebalance is settled; false leaves it open.
    std::function<bool(const polled&)> on_rebalance;

    /// Runs until the condition holds. False: it did not within the limit.
    template <class Condition>
    auto until(Condition holds, std::chrono::milliseconds limit = std::chrono::seconds(30))
        -> bool {
        const auto end = std::chrono::steady_clock::now() + limit;
        for (;;) {
            const std::size_t woken = ready.wakes.count(); // before anything is looked at
            if (holds()) {
                return true;
            }
            if (step()) {
                continue;
            }
            const auto left = end - std::chrono::steady_clock::now();
            if (left.count() <= 0) {
                return false;
            }
            (void)ready.wakes.reaches(woken + 1,
                                      std::chrono::duration_cast<std::chrono::milliseconds>(left));
        }
    }
    /// The same while another runs too, which must not outlive this one.
    template <class Condition>
    auto until_with(stream_driver& other, Condition holds,
                    std::chrono::milliseconds limit = std::chrono::seconds(30)) -> bool {
        other.ready.also = &ready;
        const bool held = until(
            [&] {
                while (other.step()) {
                }
                return holds();
            },
            limit);
        other.ready.also = nullptr;
        return held;
    }
    /// One poll. True: it found something.
    auto step() -> bool {
        std::array<delivery, 64> room;
        const polled got = stream_->poll(std::span(room).first(reading ? room.size() : 0));
        switch (got.what) {
        case signal::none:
            return false;
        case signal::messages:
            take(std::span(room).first(got.count));
            return true;
        case signal::closed:
            closed = true;
            return true;
        case signal::failed:
            failure = got.ec;
            return true;
        default:
            rebalance(got);
            return true;
        }
    }
    auto commit(std::vector<position> positions) -> std::error_code {
        awaited_operation done;
        stream_->commit(positions, epoch, done);
        if (!until([&] { return done.ended.count() > 0; })) {
            throw std::runtime_error("the commit did not complete");
        }
        return done.ec;
    }
    auto close() -> bool {
        awaited_operation done;
        stream_->close(done);
        return until([&] { return closed && done.ended.count() > 0; });
    }
    void crash() { stream_.reset(); }
    [[nodiscard]] auto get() -> stream& { return *stream_; }

    counting_waker ready;
    std::vector<seen_message> seen;
    std::vector<topic_partition> assigned;
    std::vector<signal> signals;
    std::uint32_t epoch = 0;
    std::error_code failure;
    bool reading = true;
    bool closed = false;

private:
    void take(std::span<delivery> all) {
        for (delivery& each : all) {
            seen.push_back(seen_message{std::string(each.content->key().value_or("")),
                                        std::string(each.content->payload()), each.where.partition,
                                        each.offset});
            if (!on_message || on_message(each)) {
                stream_->give_back(std::span(&each, 1));
            }
        }
    }
    void rebalance(const polled& got) {
        signals.push_back(got.what);
        if (got.what == signal::assigned) {
            epoch = got.epoch;
            assigned.insert(assigned.end(), got.partitions.begin(), got.partitions.end());
        } else {
            for (const topic_partition& each : got.partitions) {
                std::erase(assigned, each);
            }
        }
        if (!on_rebalance || on_rebalance(got)) {
            stream_->settled(got.epoch);
        }
    }

    std::unique_ptr<stream> stream_;
};

} // namespace cobus::test
