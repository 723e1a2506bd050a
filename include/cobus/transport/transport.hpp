#pragma once

#include "../detail/rare_text.hpp"
#include "../message.hpp"
#include "../receipt.hpp"
#include "../state.hpp"
#include "options.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace cobus {

struct publish_node;

/// What a publisher is told of an event that its transport still has.
struct early_answer {
    receipt where;
    std::error_code ec;
};

/// The notes of a transport that passes a publisher's own node on to another one, while it does.
struct passage {
    std::uintptr_t stand_in = 0; ///< what speaks for it
    void* by = nullptr;
    std::uint64_t sequence = 0;
    std::size_t size = 0;
    publish_node* before = nullptr;
    publish_node* behind = nullptr;
    void (*completed)(publish_node&) noexcept = nullptr; ///< the publisher's
};

/// One publish on its way. The bus pools these; they never live in a user's frame, so a transport
/// may keep one for as long as it needs. `content` is the transport's from `publish` until
/// `completed`.
struct publish_node {
    message_ptr content;
    receipt where;
    std::error_code ec;
    detail::rare_text problem;   ///< what `ec` cannot say, such as the JSON path
    std::int32_t partition = -1; ///< asked for, or −1: the key decides
    policy when_away = policy::deliver;
    bool moved = false; ///< its partition was chosen by who passes it on: any other would do
    /// For a transport's information: the bus itself withdraws the node at this time.
    std::chrono::steady_clock::time_point deadline = (std::chrono::steady_clock::time_point::max)();
    publish_node* next = nullptr; ///< the transport's, while it holds the node
    std::uintptr_t scratch = 0;   ///< the transport's, while it holds the node
    std::uint64_t turn = 0;       ///< the transport's, while it holds the node
    const void* beside = nullptr; ///< is read when it ends: worth fetching ahead, if not null
    /// Called exactly once for each `pending`, on any thread, after `where` and `ec` are set. Never
    /// resumes a user's code inline.
    void (*completed)(publish_node&) noexcept = nullptr;
    /// Answers the publisher now, once, before `completed`, which then tells nobody and only gives
    /// the node back. It leaves `where`, `ec` and `content` alone, which the transport is using.
    /// From any thread, not while another calls `completed`. False: there is no memory for it, and
    /// nothing has changed. Null: the publisher only hears of the end.
    bool (*answered)(publish_node&, early_answer&&) noexcept = nullptr;
    passage passed; ///< of the transport that holds the node
};

/// What `transport::publish` did with a node.
enum class taken : unsigned char {
    done,    ///< finished; `where` and `ec` are set; `completed` is not called
    pending, ///< `completed` will be called
    full,    ///< no room and the caller would not wait; the node was not touched
};

/// Tells that something is to be had. Called from any thread; several calls count as one. It must
/// not call the transport or the stream: Kafka's client wakes under a lock that those need.
class waker {
public:
    waker() = default;
    waker(const waker&) = delete;
    auto operator=(const waker&) -> waker& = delete;
    virtual void wake() noexcept = 0;

protected:
    ~waker() = default;
};

/// An asynchronous call whose end is told once, on any thread, perhaps before the call returns.
struct operation {
    std::error_code ec;
    void (*completed)(operation&) noexcept = nullptr;
};

struct topic_partition {
    const std::string* topic = nullptr; ///< interned
    std::int32_t partition = -1;

    friend auto operator==(const topic_partition&, const topic_partition&) -> bool = default;
    friend auto operator<(const topic_partition& a, const topic_partition& b) -> bool {
        return a.topic != b.topic ? std::less<>()(a.topic, b.topic) : a.partition < b.partition;
    }
};

/// "Everything below `offset` is finished", for commits. The metadata tells what is finished beyond
/// it.
struct position {
    topic_partition where;
    std::int64_t offset = -1;
    std::string metadata;
};

/// A message as it came from a stream. The bytes behind `content` belong to the transport until
/// `give_back`.
struct delivery {
    message* content = nullptr;
    topic_partition where;
    std::int64_t offset = -1;
    std::uint32_t epoch = 0;   ///< of the assignment it belongs to
    std::uintptr_t handle = 0; ///< the transport's
    bool in_process = false;   ///< published by this process and not read from Kafka
};

/// What a poll found besides messages.
enum class signal : unsigned char {
    none,     ///< nothing now; a wake follows when there is
    messages, ///< `count` deliveries were written
    assigned, ///< `partitions` are ours too from `epoch` on; messages follow after `settled`
    revoked,  ///< `partitions` go elsewhere after `settled`; finish and commit first
    lost,     ///< `partitions` are gone already; commit nothing
    closed,   ///< `close` is complete; nothing follows
    failed,   ///< the stream is beyond repair; `ec` says why; only `close` makes sense
};

struct polled {
    signal what = signal::none;
    std::size_t count = 0;
    std::uint32_t epoch = 0;
    std::span<const topic_partition> partitions; ///< valid until the next poll
    std::error_code ec;
    /// With `assigned`: what the group committed there together with metadata; the others are not
    /// mentioned. Valid until the next poll.
    std::span<const position> committed{};
};

/// A topic whose partitions go where the partitions of another go that have the same numbers.
struct companion {
    const std::string* of = nullptr;    ///< interned
    const std::string* topic = nullptr; ///< interned

    friend auto operator==(const companion&, const companion&) -> bool = default;
};

/// What a group wants to receive.
struct interest {
    std::string group;
    std::vector<const std::string*> topics; ///< interned
    /// Takes a structured CloudEvent apart, for transports whose messages may be such; null when no
    /// handler's codec can. The message is unchanged after a failure.
    codec_result (*unwrap)(message&) = nullptr;
    /// Not subscribed: whoever is assigned a partition of `of` is assigned, by the same signal, the
    /// one of `topic` with its number, from its beginning if nothing was committed; and they go
    /// together. A transport may leave those out that it cannot provide; then long retries become
    /// dead letters.
    std::vector<companion> companions{};
};

/// How a stream wants to be used.
struct stream_traits {
    std::size_t commit_messages = 1000;              ///< commit after so many finished messages
    std::chrono::milliseconds commit_interval{1000}; ///< or this long after the first of them
    /// What is not handled by the end of `stop` is lost: drain it all.
    bool dies_with_process = false;
    /// Commit no sooner than is said above. What dies with the process is else committed whenever
    /// there is nothing to do, because publishers may wait for the room.
    bool commits_cost = false;
    /// Characters that a commit may carry for each partition, and that come back; 0: none.
    std::size_t metadata = 0;
    bool follows = false; ///< `handled` is told
};

/// One group's subscription. The dispatcher serialises all calls; they never block. A wake may come
/// from any thread until the stream is destroyed. Destroying it without `close` is a crash: nothing
/// is committed.
class stream {
public:
    stream() = default;
    stream(const stream&) = delete;
    auto operator=(const stream&) -> stream& = delete;
    virtual ~stream() = default;

    [[nodiscard]] virtual auto traits() const noexcept -> stream_traits { return stream_traits(); }
    /// Takes what is there, at most `room.size()` messages; an empty room asks for signals only.
    /// `none` promises a wake; not being called is back-pressure.
    virtual auto poll(std::span<delivery> room) noexcept -> polled = 0;
    /// The messages are no longer needed. A stream that is destroyed frees what was not given back.
    virtual void give_back(std::span<delivery> finished) noexcept = 0;
    /// While held, a partition gives no messages; others go on, and it stays assigned.
    virtual void hold(const topic_partition& where, bool held) noexcept = 0;
    /// Commits positions of the assignment of that epoch; late ones are refused, not applied.
    virtual void commit(std::span<const position> positions, std::uint32_t epoch,
                        operation& done) noexcept = 0;
    /// Everything below `offset` was handled by this member. Told once a run, for those that ask.
    virtual void handled(const topic_partition& /*where*/, std::int64_t /*below*/) noexcept {}
    /// The answer to `assigned`, `revoked` and `lost`.
    virtual void settled(std::uint32_t epoch) noexcept = 0;
    /// Changes the topics; leads to `revoked` as needed, and to `assigned`, if with no partitions.
    virtual void update(const interest& wanted) noexcept = 0;
    /// The bus is stopping: from now on it wants only what would die with the process.
    virtual void drain() noexcept {}
    /// Whether what is published from now on comes, as far as that is this stream's to say; asked
    /// once `assigned` was settled after `update`.
    [[nodiscard]] virtual auto receives() const noexcept -> bool { return true; }
    /// Leaves the group: `revoked` for what is assigned, then `closed`.
    virtual void close(operation& done) noexcept = 0;
    /// As destroying it, while handlers still read what was delivered: no more messages, no commit,
    /// the partitions are free for others; deliveries stay valid until they are given back.
    virtual void abandon() noexcept {}
};

/// Whether a transport can carry messages now.
enum class link : unsigned char {
    connecting, ///< not known yet
    up,
    down,   ///< away, expected back
    failed, ///< beyond repair, or refused for good
};

struct link_state {
    link what = link::connecting;
    std::error_code cause;
    std::string detail; ///< the cause in words, without secrets
};

/// A route (a topic's partition, or −1 for a topic whose partitions are not known) on which
/// something waits for its answer.
struct waiting_route {
    topic_partition where;
    std::chrono::milliseconds waits{0}; ///< the oldest of it, at least
    std::chrono::milliseconds stuck{0}; ///< and so long it is the oldest
};

/// A route that is away, while others may be up.
struct route_trouble {
    topic_partition where;
    std::error_code cause;
    std::string detail; ///< the cause in words, without secrets
};

/// What became of a request that only asks whether somebody is there.
enum class probed : unsigned char { under_way, answered, unanswered };

/// Carries messages. Every call from any thread; none blocks. Implementations: memory, kafka,
/// failover, and `simple_transport` for one written in an afternoon.
class transport {
public:
    transport() = default;
    transport(const transport&) = delete;
    auto operator=(const transport&) -> transport& = delete;
    virtual ~transport() =
        default; ///< never hangs; outstanding nodes were completed or withdrawn before

    [[nodiscard]] virtual auto name() const noexcept -> std::string_view = 0;
    /// True when the payload always leaves as bytes, so that the bus encodes at once.
    [[nodiscard]] virtual auto wants_bytes() const noexcept -> bool { return false; }
    /// True when handlers get the typed event in process, which `bus.call` needs.
    [[nodiscard]] virtual auto in_process() const noexcept -> bool { return false; }

    /// True when a publish just now would be answered by somebody outside of the process, and so
    /// suspend whoever awaits it. Only a guess: it may be otherwise a moment later.
    [[nodiscard]] virtual auto answers_later() const noexcept -> bool { return false; }

    /// Completes when the state is decided, within the decision time. An error means that nothing
    /// can ever be published. `state_changed` is woken at each change of `state()` from then on.
    virtual void start(waker& state_changed, operation& done) noexcept = 0;
    /// With `may_wait`, a full queue keeps the node in line, first come first served.
    [[nodiscard]] virtual auto publish(publish_node& node, bool may_wait) noexcept -> taken = 0;
    /// A shortcut for who has no node: takes the message if that needs no waiting and cannot fail
    /// any more. False: it is untouched, and `publish` says why.
    [[nodiscard]] virtual auto publish_now(message_ptr& /*content*/, std::int32_t /*partition*/,
                                           receipt& /*where*/) noexcept -> bool {
        return false;
    }
    /// True: the node was never sent, and `completed` will not be called. False: it is under way.
    [[nodiscard]] virtual auto withdraw(publish_node& node) noexcept -> bool = 0;
    /// `ready` is woken when the stream has something.
    [[nodiscard]] virtual auto subscribe(const interest& wanted, waker& ready)
        -> std::unique_ptr<stream> = 0;
    [[nodiscard]] virtual auto state() const -> link_state = 0;
    /// Whether one of its routes can be away alone. Then what follows is asked.
    [[nodiscard]] virtual auto has_routes() const noexcept -> bool { return false; }
    /// The partition that a message goes to, −1
    /// when that is not known beforehand; how many its topic has, 0 when that is not known.
    [[nodiscard]] virtual auto partition_for(const message& /*content*/,
                                             std::int32_t asked) const noexcept -> std::int32_t {
        return asked;
    }
    [[nodiscard]] virtual auto partitions_of(const std::string* /*topic*/) const noexcept
        -> std::size_t {
        return 0;
    }
    /// Those of the topics of `waiting` that are away. One where answers are slow is not.
    [[nodiscard]] virtual auto routes_away(std::span<const waiting_route> /*waiting*/)
        -> std::vector<route_trouble> {
        return {};
    }
    /// Asks on a route whether somebody is there, unless that is being asked already; else tells,
    /// once, what became of it.
    [[nodiscard]] virtual auto probe(const topic_partition& /*where*/) noexcept -> probed {
        return probed::answered;
    }
    /// The same in the bus's words. Only a transport that has something to fall back on can be
    /// degraded for longer than its link is down.
    [[nodiscard]] virtual auto health() const -> cobus::health {
        const link_state now = state();
        switch (now.what) {
        case link::up:
            return {in_process() ? cobus::state::memory : cobus::state::connected, {}, {}, {}};
        case link::connecting:
            return {cobus::state::connecting, {}, now.cause, now.detail};
        case link::down:
            return {cobus::state::degraded, {}, now.cause, now.detail};
        case link::failed:
            break;
        }
        return {cobus::state::failed, {}, now.cause, now.detail};
    }
    /// Completes every node: sent by the deadline, or failed with `timed_out` or `maybe_sent`.
    /// Takes no new ones. Streams are closed before.
    virtual void stop(std::chrono::steady_clock::time_point deadline, operation& done) noexcept = 0;
};

/// Makes a transport for a bus, from the bus's settings.
using transport_factory = std::function<std::unique_ptr<transport>(const transport_options&)>;

} // namespace cobus
