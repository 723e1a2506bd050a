#pragma once

#include "../detail/completion.hpp"
#include "../detail/contract_info.hpp"
#include "../log.hpp"
#include "../net.hpp"
#include "admission.hpp"
#include "handler_options.hpp"
#include "job.hpp"
#include "lanes.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Who sent a message on the dispatcher's behalf; told on the home.
class internal_send {
public:
    internal_send(const internal_send&) = delete;
    auto operator=(const internal_send&) -> internal_send& = delete;
    virtual void sent(std::error_code ec) noexcept = 0;

protected:
    internal_send() = default;
    ~internal_send() = default;
};

/// What the dispatcher and its workers need of the bus.
class dispatch_host {
public:
    dispatch_host(const dispatch_host&) = delete;
    auto operator=(const dispatch_host&) -> dispatch_host& = delete;

    [[nodiscard]] virtual auto executor() const noexcept -> const net::any_io_executor& = 0;
    /// The bus's time, which need not be the real one.
    [[nodiscard]] virtual auto now() const noexcept -> std::chrono::steady_clock::time_point = 0;
    [[nodiscard]] virtual auto wall() const noexcept -> time_point = 0;
    /// Has the home run soon; any thread.
    virtual void wake() noexcept = 0;
    /// A worker finished its job and is ready for another; any thread.
    virtual void ready(worker& free) noexcept = 0;
    /// The same for a worker that has not suspended since the home gave it its job, which so need
    /// not suspend to get the next: null when there is none, or not here.
    [[nodiscard]] virtual auto next_job(worker& free) noexcept -> job* = 0;
    virtual void request_stop() noexcept = 0;
    /// Publishes, to that partition unless it is −1; `who` hears of it on a later run of the home.
    virtual void send(message_ptr content, policy when_away, internal_send& who,
                      std::int32_t partition = -1) = 0;
    virtual void log(log_level level, std::string_view text) noexcept = 0;
    /// Whether a message's observer is of this bus, and so exists.
    [[nodiscard]] virtual auto has_called(std::uint64_t call) const noexcept -> bool = 0;
    /// Keeps the bus's memory alive for a coroutine of its own.
    [[nodiscard]] virtual auto keep() -> std::shared_ptr<void> = 0;

protected:
    dispatch_host() = default;
    ~dispatch_host() = default;
};

/// Who waits for something that ends with an error code alone.
using status_queue = queue<completion<std::error_code>>;

/// One handler of one bus: what it takes and how it is run. Everything but `close_requested`
/// belongs to the bus's home.
class registration {
public:
    registration(dispatch_host& host, handler_options options, const contract_info* info, wire how,
                 std::vector<const std::string*> topics)
        : host_(&host),
          options_(std::move(options)),
          info_(info),
          how_(how),
          topics_(std::move(topics)) {}
    registration(const registration&) = delete;
    auto operator=(const registration&) -> registration& = delete;
    virtual ~registration() = default;

    [[nodiscard]] auto name() const noexcept -> const std::string& { return options_.name(); }
    [[nodiscard]] auto options() const noexcept -> const handler_options& { return options_; }
    /// Null for a handler of all messages.
    [[nodiscard]] auto info() const noexcept -> const contract_info* { return info_; }
    /// How messages of its topics look on Kafka.
    [[nodiscard]] auto how() const noexcept -> const wire& { return how_; }
    [[nodiscard]] auto topics() const noexcept -> const std::vector<const std::string*>& {
        return topics_;
    }
    [[nodiscard]] auto host() const noexcept -> dispatch_host& { return *host_; }

    /// Whether this handler wants a message of that topic and type.
    [[nodiscard]] virtual auto wants(const message& content) const -> bool = 0;
    /// Whether the message was published with what this handler reads, so that `prepare` has
    /// nothing to do for one that is wanted.
    [[nodiscard]] auto reads_as_published(const message& content) const noexcept -> bool {
        return info_ != nullptr && content.contract() == info_;
    }
    /// Makes what the handler reads, before several threads may look.
    [[nodiscard]] virtual auto prepare(message& content) const -> codec_result = 0;
    /// Runs the handler. True: it ended, and `work.ended` says how. False: `host().ready` follows.
    [[nodiscard]] virtual auto run(job& work) -> bool = 0;
    /// Home only: a worker told through `host().ready` can be used again.
    virtual void take_back(worker& free) noexcept = 0;
    /// Asks running handlers to end, where `wanted` says so.
    virtual void cancel(bool (*wanted)(const job&)) noexcept = 0;
    /// Ends idle workers; busy ones end when their handler does.
    virtual void dismiss() noexcept = 0;
    /// True when no coroutine of its own is left.
    [[nodiscard]] virtual auto empty() const noexcept -> bool = 0;
    /// The context is gone: destroys suspended workers without resuming them.
    virtual void context_gone() noexcept = 0;

    // Home only.
    detail::lanes lanes;
    queue<job> ready;    ///< to run, in order; whose lane is busy is found out then
    bool listed = false; ///< among those that have jobs ready
    registration* queue_next = nullptr;
    std::size_t running = 0;
    std::size_t unfinished = 0; ///< jobs, running or not
    bool closing = false;
    /// For handlers that not everybody gets through to at once; else null.
    std::unique_ptr<admission> gate;

    /// The subscription is gone: no new calls.
    std::atomic<bool> close_requested{false};
    bool forgotten = false;     ///< over, and in no list any more; under the bus's guard
    status_queue close_waiters; ///< under the bus's guard
    status_queue ready_waiters; ///< under the bus's guard

private:
    dispatch_host* host_;
    handler_options options_;
    const contract_info* info_;
    wire how_;
    std::vector<const std::string*> topics_;
};

/// A job ends without a result. Its event is left to who reads the partition next; or it counts as
/// over, when only the handler is gone and the partition goes on with others.
inline void give_up(const job& work) noexcept {
    const bool goes_on = work.handler->closing && !work.of->partition->unread;
    (goes_on ? work.of->failed : work.of->abandoned) = true;
}
/// Whoever published it with `call`, if it was here, hears that its handlers are through.
inline void tell_caller(const dispatch_host& host, const message& content, bool good) noexcept {
    if (content.call() != 0 && host.has_called(content.call())) {
        content.observer()->handled(content.call(), good);
    }
}

} // namespace cobus::detail
