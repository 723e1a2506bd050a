#pragma once

#include "../local_run.hpp"
#include "../transport/transport.hpp"
#include "sequence_list.hpp"
#include "stand_in.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace cobus::degrade {

class route_marks;

/// Where an event of a spooling policy is that Kafka has not acknowledged.
enum class kept_at : unsigned char {
    nowhere,
    pending,   ///< here
    blocked,   ///< here, until a handler is through with it or with an older one of its key
    parked,    ///< here, until the gate of its route opens
    sending,   ///< just being given to Kafka's client
    in_client, ///< with Kafka's client
};

/// What is left of an event that is over, to be destroyed where no lock is held: users' destructors
/// run. Readers in process may still need the content, so it goes with the last of them.
class remains {
public:
    remains() = default;
    remains(message_ptr content, local_run* run) noexcept
        : content_(std::move(content)), run_(run) {}
    remains(remains&& other) noexcept
        : content_(std::move(other.content_)), run_(std::exchange(other.run_, nullptr)) {}
    auto operator=(remains&& other) noexcept -> remains& {
        std::swap(content_, other.content_);
        std::swap(run_, other.run_);
        return *this;
    }
    ~remains() {
        if (run_ != nullptr) {
            run_->keep_alive(std::move(content_));
            local_run::release(run_);
        }
    }

private:
    message_ptr content_;
    local_run* run_ = nullptr;
};

/// A row of the spool: an event until Kafka has acknowledged it. As a node it is what Kafka's
/// client gets, unless the client had the publisher's own node already when this became a row.
struct kept final : stand_in {
    kept() noexcept { passes = true; }
    kept(const kept&) = delete;
    auto operator=(const kept&) -> kept& = delete;
    ~kept() { (void)take_rest(); }

    void* owner = nullptr;
    publish_node* lent = nullptr; ///< the publisher's, which Kafka's client has, with the content
    route_marks* of = nullptr;    ///< its topic's
    std::uint64_t sequence = 0;   ///< ascending in the order of publishing
    std::uint64_t lane = 0;       ///< of its topic and key; 0 without a key
    std::size_t size = 0;
    time_point since{}; ///< kept for Kafka
    kept_at where_now = kept_at::nowhere;
    bool given = false;   ///< to Kafka's client, once: never handled in process from then on
    bool put = false;     ///< the spool's file was told of it
    bool stored = false;  ///< and has it
    bool deliver = false; ///< waits to be handled in process
    local_run* run = nullptr;
    std::chrono::steady_clock::time_point until{}; ///< that its handlers are waited for
    kept* before = nullptr;
    kept* behind = nullptr;

    /// The node that Kafka's client has, or gets.
    [[nodiscard]] auto sent_as() const noexcept -> const publish_node& {
        return lent != nullptr ? *lent : static_cast<const publish_node&>(*this);
    }
    [[nodiscard]] auto event() const noexcept -> const message& { return *sent_as().content; }
    /// What its publisher is told while Kafka does not have it.
    [[nodiscard]] auto kept_receipt() const noexcept -> receipt {
        receipt made;
        made.id(event().id());
        made.topic(event().interned_topic());
        made.timestamp(event().time());
        made.way(path::spool, stored);
        made.degraded(true);
        return made;
    }
    /// Kafka's client has the publisher's node already.
    void lend(publish_node& node) noexcept {
        lent = &node;
        speak_for(node);
    }
    /// The client is through with the publisher's node, which is the publisher's again; what is
    /// known of the event is here.
    void end_loan() noexcept {
        publish_node& node = *std::exchange(lent, nullptr);
        content = std::move(node.content);
        where = std::move(node.where);
        problem = std::move(node.problem);
        ec = node.ec;
        if (outer == nullptr) {
            point(node, nullptr);
        }
    }
    /// The same of one that Kafka's client has and will not give back: it reads copies.
    [[nodiscard]] auto take_all() noexcept -> remains {
        if (lent != nullptr) {
            content = std::move(lent->content);
        }
        return take_rest();
    }
    [[nodiscard]] auto take_rest() noexcept -> remains {
        if (run != nullptr) {
            run->detach();
        }
        return remains(std::move(content), std::exchange(run, nullptr));
    }
};

using kept_list = sequence_list<kept>;

/// Publishers' own nodes that only pass through to Kafka's client.
struct passed_links {
    [[nodiscard]] static auto of(publish_node& node) noexcept -> passage& { return node.passed; }
};
using passing_list = sequence_list<publish_node, passed_links>;

} // namespace cobus::degrade
