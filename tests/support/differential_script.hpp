#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cobus::test::differential {

enum class op : unsigned char { publish, fail, crash, join, leave };
constexpr std::array<const char*, 5> op_names{"publish", "fail", "crash", "join", "leave"};
constexpr std::size_t most_members = 3;

struct step {
    op what = op::publish;
    std::vector<std::string> keys; ///< of what is published
    std::size_t member = 0;        ///< of those that are there, which one leaves

    [[nodiscard]] auto publishes() const -> bool { return what != op::join && what != op::leave; }
};

/// What happens, from a seed, and how often each step came in which state: how many members there
/// are, and what came before.
class script {
public:
    using matrix = std::map<std::array<std::size_t, 3>, std::size_t>;

    explicit script(std::uint32_t seed) : random_(seed) {
        std::size_t members = 1;
        op before = op::join;
        for (int i = 0; i < 12; ++i) {
            step made;
            made.what = choose(members);
            made.member = random_() % members;
            for (std::size_t count = made.what == op::publish ? 1 + random_() % 4 : 1; count > 0;
                 --count) {
                made.keys.push_back("key-" + std::to_string(random_() % 4));
            }
            ++covered_[{static_cast<std::size_t>(made.what), members,
                        static_cast<std::size_t>(before)}];
            members += made.what == op::join ? 1U : 0U;
            members -= made.what == op::leave || (made.what == op::crash && members > 1) ? 1U : 0U;
            before = made.what;
            steps_.push_back(std::move(made));
        }
    }
    [[nodiscard]] auto steps() const noexcept -> const std::vector<step>& { return steps_; }
    [[nodiscard]] auto covered() const noexcept -> const matrix& { return covered_; }

private:
    [[nodiscard]] auto choose(std::size_t members) -> op {
        for (;;) {
            constexpr std::array<op, 10> bag{op::publish, op::publish, op::publish, op::fail,
                                             op::fail,    op::crash,   op::crash,   op::join,
                                             op::join,    op::leave};
            const op one = bag[random_() % bag.size()];
            if ((one != op::join || members < most_members) && (one != op::leave || members > 1)) {
                return one;
            }
        }
    }

    std::mt19937 random_;
    std::vector<step> steps_;
    matrix covered_;
};

inline void print(const script::matrix& covered) {
    std::printf("steps by members and by the step before:\n%-10s%-9s", "", "members");
    for (const char* before : op_names) {
        std::printf("%9s", before);
    }
    for (std::size_t what = 0; what < op_names.size(); ++what) {
        for (std::size_t members = 1; members <= most_members; ++members) {
            std::printf("\n%-10s%-9zu", op_names.at(what), members);
            for (std::size_t before = 0; before < op_names.size(); ++before) {
                const auto found = covered.find({what, members, before});
                std::printf("%9zu", found != covered.end() ? found->second : 0);
            }
        }
    }
    std::printf("\n");
}

/// What was observed: of each key the numbers in the order of their first delivery, and each number
/// with each attempt, however often it came.
struct observed {
    std::map<std::string, std::vector<std::uint64_t>> order;
    std::set<std::pair<std::uint64_t, unsigned>> tries;

    void add(const std::string& key, std::uint64_t number, unsigned attempt) {
        auto& numbers = order[key];
        if (std::find(numbers.begin(), numbers.end(), number) == numbers.end()) {
            numbers.push_back(number);
        }
        tries.emplace(number, attempt);
    }
};

/// What must be observed: each key's events in their order, one that fails a second time, one whose
/// handler crashed once more as if for the first time.
[[nodiscard]] inline auto expected(const script& what) -> observed {
    observed made;
    std::uint64_t number = 0;
    for (const step& each : what.steps()) {
        if (!each.publishes()) {
            continue;
        }
        for (const std::string& key : each.keys) {
            made.add(key, ++number, 1);
            if (each.what == op::fail) {
                made.add(key, number, 2);
            }
        }
    }
    return made;
}

/// Nothing if they are equal, else in what they differ.
[[nodiscard]] inline auto difference(const observed& one, const observed& other) -> std::string {
    const auto numbers = [&](const observed& of, const std::string& key) {
        std::string text;
        const auto found = of.order.find(key);
        for (std::size_t i = 0; found != of.order.end() && i < found->second.size(); ++i) {
            text.append(" ").append(std::to_string(found->second.at(i)));
        }
        return text;
    };
    for (const auto& [key, wanted] : other.order) {
        if (numbers(one, key) != numbers(other, key)) {
            return key + " came as" + numbers(one, key) + ", not as" + numbers(other, key);
        }
    }
    return one.tries != other.tries ? "the tries differ" : "";
}

} // namespace cobus::test::differential
