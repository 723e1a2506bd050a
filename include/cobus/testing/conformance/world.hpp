#pragma once

#include "../../bus.hpp"
#include "environment.hpp"
#include "expect.hpp"
#include "journal.hpp"
#include "note.hpp"
#include "pulse.hpp"
#include "tampering.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus::testing {

/// All that one case has: a context, buses on the fixture's transport, topics of its own, journals
/// and gates.
class world {
public:
    world(environment& where, case_size size, bool several_threads)
        : where_(&where),
          size_(size),
          name_("conformance-" + message_id::make(cobus::detail::coarse_now()).str()),
          case_executor_(several_threads ? net::any_io_executor(net::make_strand(context_))
                                         : net::any_io_executor(context_.get_executor())),
          changed_(case_executor_) {}
    world(const world&) = delete;
    auto operator=(const world&) -> world& = delete;

    [[nodiscard]] auto context() noexcept -> net::io_context& { return context_; }
    /// Where the case itself runs.
    [[nodiscard]] auto executor() const noexcept -> const net::any_io_executor& {
        return case_executor_;
    }
    [[nodiscard]] auto fixture() noexcept -> environment& { return *where_; }
    [[nodiscard]] auto traits() const noexcept -> const transport_traits& {
        return where_->traits();
    }
    [[nodiscard]] auto choose(std::size_t normal, std::size_t brief) const noexcept -> std::size_t {
        return size_ == case_size::normal ? normal : brief;
    }

    // Buses and topics; their names are this case's own.

    /// Settings of a bus in this group, with notes on a topic of this case's own.
    [[nodiscard]] auto settings(std::string_view group = "one") -> cobus::settings {
        cobus::settings how;
        how.client_id(name_)
            .group_id(name_ + "-" + std::string(group))
            .topic(contract<note>::topic, name_ + "-notes")
            .logger([this](log_level level, std::string_view text) { log(level, text); });
        where_->configure(how);
        return how;
    }
    [[nodiscard]] auto make_bus(cobus::settings how) -> std::unique_ptr<bus> {
        return make_bus(context_, std::move(how));
    }
    [[nodiscard]] auto make_bus(std::string_view group = "one") -> std::unique_ptr<bus> {
        return make_bus(settings(group));
    }
    /// The same, with what a case wants to go wrong.
    [[nodiscard]] auto make_bus(cobus::settings how, tampering& by) -> std::unique_ptr<bus> {
        return std::make_unique<bus>(context_.get_executor(), std::move(how),
                                     over(by.with(where_->transport())));
    }
    [[nodiscard]] auto make_bus(net::io_context& on, cobus::settings how) -> std::unique_ptr<bus> {
        return std::make_unique<bus>(on.get_executor(), std::move(how), over(where_->transport()));
    }
    [[nodiscard]] auto topic(std::string_view name, int partitions = 4) -> std::string {
        std::string made = name_ + "-" + std::string(name);
        where_->create_topic(made, partitions);
        return made;
    }
    /// The topic of `note`. Its name is remembered by `settings`.
    auto notes(int partitions = 4) -> std::string { return topic("notes", partitions); }
    [[nodiscard]] static auto dead_letters_of(const std::string& topic) -> std::string {
        return "dlq." + topic;
    }

    // Waiting.

    /// What `eventually` looks at has changed. Journals say it themselves.
    [[nodiscard]] auto changed() noexcept -> pulse& { return changed_; }
    /// Closed until the case opens it; lives as long as the case.
    [[nodiscard]] auto new_gate() -> gate& {
        return gates_.emplace_back(net::any_io_executor(context_.get_executor()));
    }
    template <class T> [[nodiscard]] auto new_journal() -> journal<T>& {
        return make<journal<T>>(changed_);
    }
    /// Lives as long as the case, which handlers may outlive when it fails.
    template <class T, class... Args> [[nodiscard]] auto make(Args&&... args) -> T& {
        auto made = std::make_shared<T>(std::forward<Args>(args)...);
        T& result = *made;
        made_.push_back(std::move(made));
        return result;
    }

    /// Waits until the condition holds; whatever changes it says so by `changed`.
    template <class Condition>
    auto eventually(Condition condition, std::string_view what) -> net::awaitable<void> {
        waits_for(what);
        for (;;) {
            const std::uint64_t seen = changed_.count();
            if (condition()) {
                break;
            }
            co_await changed_.after(seen);
        }
        waits_for("the end");
    }
    /// The same for what has no event: looks now and then.
    template <class Condition>
    auto sooner_or_later(Condition condition, std::string_view what) -> net::awaitable<void> {
        waits_for(what);
        while (!condition()) {
            co_await pause(std::chrono::milliseconds(5));
        }
        waits_for("the end");
    }
    /// Gives what should not happen the time to happen.
    auto settle() -> net::awaitable<void> { return pause(std::chrono::milliseconds(150)); }
    /// For what depends on the clock of somebody else, such as a group's.
    auto pass_time(std::chrono::milliseconds time) -> net::awaitable<void> { return pause(time); }

    // For the report of a failure.
    [[nodiscard]] auto waiting_for() const -> std::string {
        const std::lock_guard lock(guard_);
        return waiting_for_;
    }
    [[nodiscard]] auto last_lines() const -> std::string {
        const std::lock_guard lock(guard_);
        std::string all;
        for (const std::string& line : lines_) {
            all.append("\n    ").append(line);
        }
        return all;
    }

    /// The context is stopped for good: ends what still waits.
    void drop_waits() noexcept {
        changed_.drop_all();
        for (gate& each : gates_) {
            each.drop_all();
        }
    }

private:
    static constexpr std::size_t most_lines = 30;

    auto pause(std::chrono::milliseconds time) -> net::awaitable<void> {
        net::steady_timer timer(case_executor_, time);
        co_await timer.async_wait(net::use_awaitable);
    }
    void waits_for(std::string_view what) {
        const std::lock_guard lock(guard_);
        waiting_for_ = what;
    }
    void log(log_level level, std::string_view text) {
        if (level == log_level::debug) {
            return;
        }
        const std::lock_guard lock(guard_);
        lines_.push_back(std::string(to_string(level)) + ": " + std::string(text));
        if (lines_.size() > most_lines) {
            lines_.pop_front();
        }
    }

    environment* where_;
    case_size size_;
    std::string name_;
    mutable std::mutex guard_;
    std::string waiting_for_ = "the end";
    std::deque<std::string> lines_;
    std::vector<std::shared_ptr<void>> made_;
    net::io_context context_; // after what the handlers' log lines need, before what waits
    net::any_io_executor case_executor_;
    pulse changed_;
    std::deque<gate> gates_;
};

} // namespace cobus::testing
