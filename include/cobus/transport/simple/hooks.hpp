#pragma once

#include "../../net.hpp"
#include "../transport.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace cobus {

/// A transport in two coroutines; `cobus::simple<my_transport>(args…)` makes it one for a bus. The
/// adapter does the rest: order, queue, back-pressure, groups of one member, stop, cancellation.
///
/// All calls but `partitions` come on one strand of the bus's executor, never two at once. `send`
/// and `receive` are each called again only after they returned, but while one of them waits, the
/// others run. The object lives until its last coroutine has ended. What they throw becomes the
/// error of the publish or of the stream: throw `std::system_error` to say which.
class simple_transport {
public:
    simple_transport() = default;
    simple_transport(const simple_transport&) = delete;
    auto operator=(const simple_transport&) -> simple_transport& = delete;
    virtual ~simple_transport() = default;

    /// Sends one message, whose payload is bytes, and says where it went. Returning means that it
    /// is safe. Cancelled when the bus stops and the time is over.
    virtual auto send(message& content) -> net::awaitable<receipt> = 0;

    /// Waits for messages and writes them to the front of `room`: `content`, which comes from
    /// `make_message().release()` and is the adapter's from then on, `where`, and `offset`, rising
    /// in each partition. Returns how many; 0 when there will never be more. Cancelled when the
    /// topics change, and then called again, or when the bus stops; what it had not returned by
    /// then it must return later.
    virtual auto receive(std::span<delivery> room) -> net::awaitable<std::size_t> = 0;

    /// Everything below these positions is handled, and need not be received after a restart.
    virtual auto commit(std::span<const position> positions) -> net::awaitable<void> {
        (void)positions;
        co_return;
    }

    /// Told before the first `receive` and at each change: which topics to receive.
    virtual void topics(const interest& wanted) { (void)wanted; }

    /// How many partitions a topic has, always the same. Asked on any thread.
    [[nodiscard]] virtual auto partitions(const std::string& topic) -> std::int32_t {
        (void)topic;
        return 1;
    }
};

} // namespace cobus
