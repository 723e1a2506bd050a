#pragma once

#include "../../dispatch/job.hpp"
#include "../../dispatch/registration.hpp"
#include "../../dispatch/run_observer.hpp"
#include "../../log.hpp"
#include "../../time_source.hpp"
#include "../../transport/transport.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

namespace cobus::testing {

/// One try of a handler.
struct handler_run {
    enum class end : unsigned char { done, skip, retry, dead_letter, cancelled };

    end how = end::done;
    unsigned attempt = 1;
    std::string reason; ///< of what it threw or said
    time_point at;      ///< when it ended
};

/// Where a handler stands with an event.
enum class handling_state : unsigned char {
    waiting,   ///< it failed, and will be tried again
    done,      ///< it returned
    skipped,   ///< it said that the event is not for it
    dead,      ///< it gave up: there is a dead letter
    cancelled, ///< it was cut short, or the event was taken from it; nothing is committed
};

[[nodiscard]] constexpr auto to_string(handling_state value) noexcept -> std::string_view {
    constexpr std::string_view names[] = {"waiting", "done", "skipped", "dead", "cancelled"};
    return names[static_cast<std::size_t>(value)];
}

namespace detail {

struct published_record {
    enum class state : unsigned char { under_way, sent, failed, withdrawn };

    message_ptr content; ///< the original; the transport got a second reading of it
    receipt where;
    std::error_code ec;
    state now = state::under_way;
    time_point at;
    std::uint64_t order = 0; ///< among all that is in the log
};

struct handling_record {
    message_id id;
    message* content = nullptr; ///< the log's own, or null when nothing could be kept
    std::string what;           ///< its type and place, in words
    std::string handler;
    std::vector<handler_run> runs;
    std::vector<std::uint64_t> orders; ///< of the runs
    handling_state now = handling_state::waiting;
};

/// What is read and not yet given back.
struct arrival {
    std::string what;
    time_point at;
};

/// Everything that happened to the buses of one test. Told by the tap and by the buses' homes.
/// Thread safety: what it is told, from any thread; what it gives out is for when nothing runs.
class kit_log final : public cobus::detail::run_observer {
public:
    /// On that clock, or on the real one.
    explicit kit_log(std::shared_ptr<time_source> clock)
        : clock_(std::move(clock)), start_(wall()) {}

    // What happens.

    /// Takes the message; the index of its record. The transport gets `reading`.
    [[nodiscard]] auto publishing(message_ptr content, message_ptr& reading) -> std::size_t {
        const std::lock_guard lock(guard_);
        reading = cobus::make_message();
        reading->borrow(*content, content->published());
        auto& made = published_.emplace_back();
        made.content = std::move(content);
        made.at = wall();
        made.order = ++order_;
        index_.try_emplace(name_of(*made.content), made.content.get());
        ++under_way_;
        return published_.size() - 1;
    }
    void published(std::size_t which, const receipt& where, std::error_code ec) {
        const std::lock_guard lock(guard_);
        published_record& item = published_[which];
        item.where = where;
        item.ec = ec;
        item.now = ec ? published_record::state::failed : published_record::state::sent;
        item.at = wall();
        --under_way_;
    }
    void withdrawn(std::size_t which) {
        const std::lock_guard lock(guard_);
        published_[which].now = published_record::state::withdrawn;
        --under_way_;
    }
    /// It was not taken after all.
    [[nodiscard]] auto give_back(std::size_t which) -> message_ptr {
        withdrawn(which);
        const std::lock_guard lock(guard_);
        index_.erase(name_of(*published_[which].content));
        return std::move(published_[which].content);
    }
    void arrived(const delivery& what) {
        const std::lock_guard lock(guard_);
        arrivals_[key_of(what)] = arrival{place_of(what), wall()};
    }
    void given_back(const delivery& what) {
        const std::lock_guard lock(guard_);
        arrivals_.erase(key_of(what));
    }
    void ran(const cobus::detail::job& run) noexcept override {
        const std::lock_guard lock(guard_);
        handling_record& item = handlings_[record_of(run)];
        item.runs.push_back({static_cast<handler_run::end>(run.ended.what()),
                             run.tried + run.attempt, std::string(run.ended.reason()), wall()});
        item.orders.push_back(++order_);
    }
    void over(const cobus::detail::job& run) noexcept override {
        const std::lock_guard lock(guard_);
        const auto found = open_.find(&run);
        if (found == open_.end() && !run.lettered) {
            return; // it was taken away before it ran
        }
        handlings_[record_of(run)].now = state_of(run);
        open_.erase(&run);
    }
    [[nodiscard]] auto logger() -> cobus::logger {
        return [this](log_level level, std::string_view text) {
            const std::lock_guard lock(guard_);
            lines_.push_back(std::string(to_string(level)).append(": ").append(text));
        };
    }

    // What happened.

    [[nodiscard]] auto published() const noexcept -> const std::deque<published_record>& {
        return published_;
    }
    [[nodiscard]] auto handlings() const noexcept -> const std::deque<handling_record>& {
        return handlings_;
    }
    [[nodiscard]] auto lines() const -> std::vector<std::string> {
        const std::lock_guard lock(guard_);
        return lines_;
    }
    [[nodiscard]] auto busy() const -> bool {
        const std::lock_guard lock(guard_);
        return under_way_ > 0 || !arrivals_.empty();
    }
    [[nodiscard]] auto under_way() const -> std::size_t {
        const std::lock_guard lock(guard_);
        return under_way_;
    }
    [[nodiscard]] auto arrivals() const -> std::vector<arrival> {
        const std::lock_guard lock(guard_);
        std::vector<arrival> all;
        all.reserve(arrivals_.size());
        for (const auto& [key, each] : arrivals_) {
            all.push_back(each);
        }
        return all;
    }
    /// The message that was published under that id to that topic, or null.
    [[nodiscard]] auto original(const message_id& id, std::string_view topic) const -> message* {
        const std::lock_guard lock(guard_);
        const auto found = index_.find(id.str().append(" ").append(topic));
        return found != index_.end() ? found->second : nullptr;
    }
    [[nodiscard]] auto since_start(time_point when) const noexcept -> std::chrono::milliseconds {
        return when - start_;
    }

private:
    [[nodiscard]] auto wall() const noexcept -> time_point {
        return clock_ == nullptr ? cobus::detail::coarse_now() : clock_->wall();
    }
    /// One reading: a lost one is given back when the next is there already.
    using arrival_key = std::tuple<const message*, std::int64_t, std::uint32_t>;

    [[nodiscard]] static auto key_of(const delivery& what) noexcept -> arrival_key {
        return {what.content, what.offset, what.epoch};
    }
    [[nodiscard]] static auto name_of(const message& content) -> std::string {
        return content.id().str().append(" ").append(content.topic());
    }
    [[nodiscard]] static auto place_of(const delivery& what) -> std::string {
        return std::string(what.content->type()) + " at " + *what.where.topic + "/" +
               std::to_string(what.where.partition) + "/" + std::to_string(what.offset);
    }
    [[nodiscard]] static auto state_of(const cobus::detail::job& run) noexcept -> handling_state {
        using kind = cobus::detail::result::kind;
        if (run.of->abandoned || run.ended.what() == kind::cancelled) {
            return handling_state::cancelled;
        }
        if (run.diverting) {
            return handling_state::waiting;
        }
        if (run.lettered) {
            return handling_state::dead;
        }
        if (run.ended.what() == kind::retry) { // its handler went before its next try
            return handling_state::cancelled;
        }
        return run.ended.what() == kind::skip ? handling_state::skipped : handling_state::done;
    }
    [[nodiscard]] auto record_of(const cobus::detail::job& run) -> std::size_t {
        const auto found = open_.find(&run);
        return found != open_.end() ? found->second : open_[&run] = open(run);
    }
    /// Makes its record; or finds that of its tries before it waited in a retry topic.
    [[nodiscard]] auto open(const cobus::detail::job& run) -> std::size_t {
        const delivery& from = run.of->from;
        for (std::size_t i = run.tried > 0 ? handlings_.size() : 0; i-- > 0;) {
            const handling_record& each = handlings_[i];
            if (each.now == handling_state::waiting && each.handler == run.handler->name() &&
                each.id == from.content->id() && each.what == place_of(from) &&
                !each.runs.empty() && each.runs.back().attempt == run.tried) {
                return i;
            }
        }
        handling_record& made = handlings_.emplace_back();
        made.id = from.content->id();
        made.what = place_of(from);
        made.handler = run.handler->name();
        made.content = keep(*from.content);
        return handlings_.size() - 1;
    }
    /// The log's own of that message; a copy of its bytes, when it was published elsewhere.
    [[nodiscard]] auto keep(const message& content) -> message* {
        const auto found = index_.find(name_of(content));
        if (found != index_.end()) {
            return found->second;
        }
        if (content.payload().empty()) {
            return nullptr;
        }
        message_ptr copy = cobus::make_message();
        copy->id(content.id());
        copy->topic(content.interned_topic());
        copy->type(content.type());
        copy->time(content.time());
        if (content.key()) {
            copy->key(*content.key());
        }
        copy->headers() = content.headers();
        copy->payload(std::string(content.payload()));
        index_[name_of(*copy)] = copy.get();
        copies_.push_back(std::move(copy));
        return copies_.back().get();
    }

    std::shared_ptr<time_source> clock_;
    time_point start_;
    mutable std::mutex guard_;
    std::deque<published_record> published_;
    std::deque<handling_record> handlings_;
    std::vector<message_ptr> copies_;
    std::map<std::string, message*> index_; ///< by id and topic
    std::map<const cobus::detail::job*, std::size_t> open_;
    std::map<arrival_key, arrival> arrivals_;
    std::vector<std::string> lines_;
    std::uint64_t order_ = 0;
    std::size_t under_way_ = 0;
};

} // namespace detail
} // namespace cobus::testing
