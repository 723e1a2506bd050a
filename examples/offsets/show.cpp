#include "commands.hpp"
#include "environment.hpp"

#include <algorithm>
#include <cstdio>

namespace offsets {

auto show(const request& wanted) -> int {
    const group from = group_from_environment(wanted);
    const std::size_t members = from.members();
    std::printf("%s: %zu %s\n", from.name().c_str(), members, members == 1 ? "member" : "members");
    for (const std::string& topic : wanted.topics.empty() ? from.topics() : wanted.topics) {
        for (const position& each : from.positions(topic)) {
            const bool known = each.committed.has_value();
            // What has expired is not waited for.
            const std::int64_t lag =
                known ? std::max<std::int64_t>(0, each.end - std::max(*each.committed, each.begin))
                      : 0;
            std::printf("%s/%d  committed %s  begins %lld  ends %lld  lag %s\n", topic.c_str(),
                        each.partition, known ? std::to_string(*each.committed).c_str() : "none",
                        static_cast<long long>(each.begin), static_cast<long long>(each.end),
                        known ? std::to_string(lag).c_str() : "unknown");
        }
    }
    return 0;
}

} // namespace offsets
