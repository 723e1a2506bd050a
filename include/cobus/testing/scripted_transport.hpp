#pragma once

#include "../detail/murmur2.hpp"
#include "../error.hpp"
#include "../transport/transport.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::testing {

/// A stream that says what a test told it to say.
class scripted_stream final : public stream {
public:
    explicit scripted_stream(waker& ready) : ready_(&ready) {}

    auto poll(std::span<delivery> room) noexcept -> polled override {
        rooms.push_back(room.size());
        if (!answers.empty()) {
            partitions = answers.front().partitions;
            polled next;
            next.what = answers.front().what;
            next.epoch = answers.front().epoch;
            next.partitions = partitions;
            answers.pop_front();
            return next;
        }
        polled got;
        while (got.count < room.size() && !deliveries.empty()) {
            room[got.count++] = deliveries.front();
            deliveries.pop_front();
        }
        got.what = got.count > 0 ? signal::messages : signal::none;
        return got;
    }
    void give_back(std::span<delivery> finished) noexcept override {
        given_back.insert(given_back.end(), finished.begin(), finished.end());
    }
    void hold(const topic_partition& where, bool held) noexcept override {
        holds.emplace_back(where, held);
    }
    void commit(std::span<const position> positions, std::uint32_t epoch,
                operation& done) noexcept override {
        committed.insert(committed.end(), positions.begin(), positions.end());
        epochs.push_back(epoch);
        done.completed(done);
    }
    void settled(std::uint32_t epoch) noexcept override { epochs.push_back(epoch); }
    void update(const interest& wanted) noexcept override { topics = wanted.topics; }
    [[nodiscard]] auto receives() const noexcept -> bool override { return ready_for_news; }
    void drain() noexcept override { draining = true; }
    void close(operation& done) noexcept override {
        answers.push_back({signal::closed, 0, {}});
        done.completed(done);
        ready_->wake();
    }
    [[nodiscard]] auto traits() const noexcept -> stream_traits override { return as; }

    struct answer {
        signal what = signal::none;
        std::uint32_t epoch = 0;
        std::vector<topic_partition> partitions;
    };
    void say(answer next) {
        answers.push_back(std::move(next));
        ready_->wake();
    }
    void bring(delivery next) {
        deliveries.push_back(next);
        ready_->wake();
    }

    std::deque<answer> answers;
    std::deque<delivery> deliveries;
    std::vector<std::size_t> rooms; ///< of each poll
    std::vector<delivery> given_back;
    std::vector<std::pair<topic_partition, bool>> holds;
    std::vector<position> committed;
    std::vector<std::uint32_t> epochs; ///< of commits and settlements
    std::vector<const std::string*> topics;
    std::vector<topic_partition> partitions;
    stream_traits as;
    bool draining = false;
    bool ready_for_news = true;

private:
    waker* ready_;
};

/// A transport that takes publishes and answers them when the test says so. Safe for several
/// threads.
class scripted_transport final : public transport {
public:
    [[nodiscard]] auto name() const noexcept -> std::string_view override { return "scripted"; }
    [[nodiscard]] auto wants_bytes() const noexcept -> bool override { return bytes; }
    [[nodiscard]] auto answers_later() const noexcept -> bool override { return outside; }

    void start(waker& changed, operation& done) noexcept override {
        const std::lock_guard lock(guard_);
        changed_ = &changed;
        if (starts_at_once) {
            done.ec = start_error;
            done.completed(done);
        }
    }
    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken override {
        if (on_publish) {
            on_publish(node);
        }
        const std::lock_guard lock(guard_);
        ++published;
        if (answer_at_once) {
            node.ec = *answer_at_once;
            return taken::done;
        }
        if (begun_.size() >= room) {
            if (!may_wait) {
                return taken::full;
            }
            in_line_.push_back(&node);
            return taken::pending;
        }
        begun_.push_back(&node);
        return taken::pending;
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool override {
        {
            const std::lock_guard lock(guard_);
            if (std::erase(in_line_, &node) == 0) {
                return false;
            }
        }
        if (on_withdraw) {
            on_withdraw(node);
        }
        return true;
    }
    [[nodiscard]] auto subscribe(const interest& wanted, waker& ready)
        -> std::unique_ptr<stream> override {
        auto made = std::make_unique<scripted_stream>(ready);
        made->topics = wanted.topics;
        made->as = stream_as;
        last_stream = made.get();
        return made;
    }
    [[nodiscard]] auto state() const -> link_state override {
        const std::lock_guard lock(guard_);
        return state_;
    }
    [[nodiscard]] auto has_routes() const noexcept -> bool override { return partitions > 0; }
    [[nodiscard]] auto partition_for(const message& content, std::int32_t asked) const noexcept
        -> std::int32_t override {
        if (asked >= 0 || partitions == 0 || !content.key()) {
            return asked;
        }
        return static_cast<std::int32_t>(
            cobus::detail::partition_of(*content.key(), static_cast<std::uint32_t>(partitions)));
    }
    [[nodiscard]] auto partitions_of(const std::string* /*topic*/) const noexcept
        -> std::size_t override {
        return partitions;
    }
    /// Those of `partitions_away`, of whatever topic.
    [[nodiscard]] auto routes_away(std::span<const waiting_route> waiting)
        -> std::vector<route_trouble> override {
        std::vector<route_trouble> found;
        for (const waiting_route& each : waiting) {
            for (const std::int32_t partition : partitions_away) {
                if (each.waits >= decision &&
                    (each.where.partition == partition || each.where.partition < 0)) {
                    found.push_back({{each.where.topic, partition},
                                     make_error_code(errc::unavailable),
                                     "mute"});
                }
            }
        }
        return found;
    }
    [[nodiscard]] auto probe(const topic_partition& where) noexcept -> probed override {
        ++probes;
        return partitions_away.contains(where.partition) ? probed::unanswered : probed::answered;
    }
    void stop(std::chrono::steady_clock::time_point deadline, operation& done) noexcept override {
        stopped_at = deadline;
        while (answer_next(make_error_code(errc::timed_out))) {
        }
        done.completed(done);
    }

    // What the test says.

    void is(link what, std::string detail = {}, std::error_code cause = {}) {
        waker* told = nullptr;
        {
            const std::lock_guard lock(guard_);
            state_ = {what, cause, std::move(detail)};
            told = changed_;
        }
        if (told != nullptr) {
            told->wake();
        }
    }
    /// Ends the oldest that was begun; those in line move up. False: there is none.
    auto answer_next(std::error_code ec = {}) -> bool { return answer_at(0, ec); }
    auto answer_at(std::size_t index, std::error_code ec = {}) -> bool {
        publish_node* node = nullptr;
        {
            const std::lock_guard lock(guard_);
            if (index >= begun_.size()) {
                return false;
            }
            node = begun_[index];
            begun_.erase(begun_.begin() + static_cast<std::ptrdiff_t>(index));
            if (!in_line_.empty()) {
                begun_.push_back(in_line_.front());
                in_line_.erase(in_line_.begin());
            }
        }
        if (on_answer) {
            on_answer(*node, ec);
        }
        node->ec = ec;
        node->completed(*node);
        return true;
    }
    void answer_all(std::error_code ec = {}) {
        while (answer_next(ec)) {
        }
    }
    [[nodiscard]] auto under_way() const -> std::size_t {
        const std::lock_guard lock(guard_);
        return begun_.size() + in_line_.size();
    }
    [[nodiscard]] auto begun() const -> std::size_t {
        const std::lock_guard lock(guard_);
        return begun_.size();
    }

    std::function<void(publish_node&)> on_publish;
    std::function<void(publish_node&, std::error_code)> on_answer;
    std::function<void(publish_node&)> on_withdraw;
    std::optional<std::error_code> answer_at_once; ///< `done` with this
    std::size_t room = 1000000;                    ///< begun at once; the rest stands in line
    std::size_t published = 0;
    bool bytes = false;
    bool outside = false;                   ///< as Kafka: publishes get no event, only bytes
    std::size_t partitions = 0;             ///< of each topic; 0: it has no routes
    std::set<std::int32_t> partitions_away; ///< do not answer
    std::chrono::milliseconds decision{3000};
    int probes = 0;
    bool starts_at_once = true;
    std::error_code start_error;
    stream_traits stream_as;
    scripted_stream* last_stream = nullptr;
    std::chrono::steady_clock::time_point stopped_at;

private:
    mutable std::mutex guard_;
    waker* changed_ = nullptr;
    link_state state_;
    std::vector<publish_node*> begun_;
    std::vector<publish_node*> in_line_;
};

} // namespace cobus::testing
