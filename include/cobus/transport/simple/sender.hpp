#pragma once

#include "../../detail/alarm.hpp"
#include "../../detail/encode_node.hpp"
#include "../../error.hpp"
#include "hooks.hpp"
#include "run.hpp"

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

namespace cobus::detail {

/// The publishes of a simple transport: first come first served, one under way at a time.
class simple_sender : public std::enable_shared_from_this<simple_sender> {
public:
    simple_sender(std::shared_ptr<simple_transport> to, const net::any_io_executor& strand,
                  const transport_options& how)
        : to_(std::move(to)),
          strand_(strand),
          limit_(how.queue_messages),
          deadline_(strand, how.time) {}
    simple_sender(const simple_sender&) = delete;
    auto operator=(const simple_sender&) -> simple_sender& = delete;

    [[nodiscard]] auto publish(publish_node& node, bool may_wait) noexcept -> taken {
        node.ec.clear();
        if (!encode_node(node)) {
            return taken::done;
        }
        const std::lock_guard lock(guard_);
        if (stopped_) {
            node.ec = errc::closed;
            return taken::done;
        }
        if (!may_wait && waiting_ >= limit_) {
            return taken::full;
        }
        if (!running_) {
            try {
                net::post(strand_, [self = shared_from_this()] {
                    self->under_way_run_.spawn(self->strand_, run(self));
                });
            } catch (const std::exception&) {
                node.ec = std::make_error_code(std::errc::not_enough_memory);
                return taken::done;
            }
            running_ = true;
        }
        node.next = nullptr;
        (last_ != nullptr ? last_->next : first_) = &node;
        last_ = &node;
        ++waiting_;
        return taken::pending;
    }
    [[nodiscard]] auto withdraw(publish_node& node) noexcept -> bool {
        const std::lock_guard lock(guard_);
        publish_node* before = nullptr;
        for (publish_node* each = first_; each != nullptr; before = each, each = each->next) {
            if (each == &node) {
                (before != nullptr ? before->next : first_) = each->next;
                last_ = last_ == each ? before : last_;
                --waiting_;
                return true;
            }
        }
        return false;
    }
    void stop(std::chrono::steady_clock::time_point when, operation& done) noexcept {
        done.ec.clear();
        bool idle = false;
        {
            const std::lock_guard lock(guard_);
            stopped_ = true;
            idle = !running_;
            stopping_ = idle ? nullptr : &done;
        }
        if (idle) {
            done.completed(done);
            return;
        }
        try {
            net::post(strand_, [self = shared_from_this(), when] { self->limit(when); });
        } catch (const std::exception&) { // nobody will tell the time: then it is over now
            expire();
        }
    }
    /// The transport goes: whatever is left ends unheard.
    void abandon() noexcept {
        {
            const std::lock_guard lock(guard_);
            stopped_ = true;
            stopping_ = nullptr;
            first_ = last_ = under_way_ = nullptr;
        }
        try {
            net::post(strand_, [self = shared_from_this()] { self->cancel(); });
        } catch (const std::exception&) { // its coroutine then ends by itself
        }
    }

private:
    static auto run(std::shared_ptr<simple_sender> self) -> net::awaitable<void> {
        while (message_ptr content = self->begin()) {
            receipt where;
            std::error_code ec;
            std::string problem;
            try {
                where = co_await self->to_->send(*content);
            } catch (const std::system_error& e) {
                ec = e.code() == net::error::operation_aborted ? errc::maybe_sent : e.code();
                problem = e.what();
            } catch (const std::exception& e) {
                ec = errc::maybe_sent;
                problem = e.what();
            }
            self->finish(std::move(content), std::move(where), ec, std::move(problem));
        }
    }
    /// The next message, out of its node; null when there is none, and then this run is over.
    [[nodiscard]] auto begin() -> message_ptr {
        operation* stopped = nullptr;
        {
            const std::lock_guard lock(guard_);
            if (first_ != nullptr) {
                under_way_ = std::exchange(first_, first_->next);
                last_ = first_ != nullptr ? last_ : nullptr;
                return std::move(under_way_->content);
            }
            running_ = false;
            stopped = std::exchange(stopping_, nullptr);
        }
        if (stopped != nullptr) {
            deadline_.cancel();
            stopped->completed(*stopped);
        }
        return nullptr;
    }
    void finish(message_ptr content, receipt where, std::error_code ec, std::string problem) {
        publish_node* node = nullptr;
        {
            const std::lock_guard lock(guard_);
            node = std::exchange(under_way_, nullptr);
            if (node == nullptr) {
                return; // the deadline was sooner
            }
            --waiting_;
        }
        node->where = std::move(where);
        node->ec = ec;
        node->problem = std::move(problem);
        if (ec) {
            node->content = std::move(content);
        }
        node->completed(*node);
    }

    void limit(std::chrono::steady_clock::time_point when) {
        {
            const std::lock_guard lock(guard_);
            if (stopping_ == nullptr) {
                return; // it ended meanwhile
            }
        }
        deadline_.set(when, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->expire();
                self->cancel();
            }
        });
    }
    void cancel() {
        deadline_.cancel();
        under_way_run_.cancel();
    }
    /// Ends every publish: what is under way may have been sent.
    void expire() noexcept {
        publish_node* list = nullptr;
        publish_node* sent = nullptr;
        operation* stopped = nullptr;
        {
            const std::lock_guard lock(guard_);
            list = std::exchange(first_, nullptr);
            last_ = nullptr;
            sent = std::exchange(under_way_, nullptr);
            stopped = std::exchange(stopping_, nullptr);
            waiting_ = 0;
        }
        if (sent != nullptr) {
            sent->ec = errc::maybe_sent;
            sent->completed(*sent);
        }
        while (list != nullptr) {
            publish_node* each = std::exchange(list, list->next);
            each->ec = errc::timed_out;
            each->completed(*each);
        }
        if (stopped != nullptr) {
            stopped->completed(*stopped);
        }
    }

    std::shared_ptr<simple_transport> to_;
    net::any_io_executor strand_;
    std::size_t limit_;
    alarm deadline_;                ///< on the strand
    cancellable_run under_way_run_; ///< on the strand
    std::mutex guard_;
    publish_node* first_ = nullptr;
    publish_node* last_ = nullptr;
    publish_node* under_way_ = nullptr;
    std::size_t waiting_ = 0; ///< the one under way included
    bool running_ = false;
    bool stopped_ = false;
    operation* stopping_ = nullptr;
};

} // namespace cobus::detail
