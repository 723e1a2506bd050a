#include <cobus/transport/kafka/turns.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

using namespace cobus::detail::kafka;

namespace {

struct queue : turn<queue> {
    std::size_t left = 0;
    bool held = false;

    [[nodiscard]] auto readable() const noexcept -> bool { return !held; }
    auto take(std::size_t most) -> std::size_t {
        const std::size_t count = (std::min)(left, most);
        left -= count;
        return count;
    }
};

/// Five queues, and what was asked of each in order.
struct five_queues {
    five_queues() { line.reserve(queues.size()); }

    void put(std::size_t which, std::size_t count) {
        queues.at(which).left += count;
        line.tell(queues.at(which));
    }
    auto read(std::size_t room) -> std::size_t {
        return line.read(room, [&](queue& from, std::size_t most) {
            order.push_back(static_cast<std::size_t>(&from - queues.data()));
            return from.take(most);
        });
    }

    std::array<queue, 5> queues;
    turns<queue> line;
    std::vector<std::size_t> order;
};

} // namespace

TEST_CASE("only those that said they have something are looked at") {
    five_queues all;
    all.put(3, 2);
    all.put(1, 1);
    CHECK(all.read(64) == 3);
    CHECK(all.order == std::vector<std::size_t>{3, 1});
    CHECK(all.read(64) == 0);
    CHECK(all.order.size() == 2);
}

TEST_CASE("a full queue leaves the others their turn, and goes on after them") {
    five_queues all;
    all.put(0, 1000);
    all.put(4, 20);
    CHECK(all.read(64) == 64);
    CHECK(all.order == std::vector<std::size_t>{0, 4, 0});
    CHECK(all.queues[4].left == 0);
}

TEST_CASE("a queue that fills while it is read, and again before its next turn, is listed once") {
    five_queues all;
    all.put(0, 64);
    const auto read = [&](queue& from, std::size_t most) {
        const std::size_t count = from.take(most);
        all.queues[0].left += most; // as a broker's thread would, while we read
        all.line.tell(all.queues[0]);
        return count;
    };
    std::size_t got = 0;
    for (int i = 0; i < 100; ++i) {
        all.put(1, 10); // so that the first queue has a turn before it and one after
        got += all.line.read(64, read);
    }
    CHECK(got == std::size_t{100} * 64);
}

TEST_CASE("what is held is not read, and is read again when it is let go") {
    five_queues all;
    all.put(2, 5);
    all.queues[2].held = true;
    all.line.unlist(all.queues[2]);
    all.put(2, 5); // told of while it is held
    CHECK(all.read(64) == 0);
    all.queues[2].held = false;
    all.line.list(all.queues[2]);
    CHECK(all.read(64) == 10);
    all.put(2, 1);
    CHECK(all.read(64) == 1);
}
