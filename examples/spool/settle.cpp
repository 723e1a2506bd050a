#include "commands.hpp"

#include <chrono>
#include <cstdio>
#include <span>
#include <vector>

namespace spool_tool {
namespace {

using cobus::degrade::refused_row;

[[nodiscard]] auto sequences_of(box& from, const request& wanted) -> std::vector<std::uint64_t> {
    std::vector<std::uint64_t> all;
    from.each(wanted, [&all](const refused_row& one) { all.push_back(one.row.sequence); });
    return all;
}

} // namespace

auto replay(const request& wanted) -> int {
    request refused = wanted;
    refused.refused = true;
    box from(refused);
    const std::vector<std::uint64_t> all = sequences_of(from, refused);
    if (wanted.dry_run) {
        std::printf("%zu would be put back\n", all.size());
        return 0;
    }
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    std::printf("%zu put back: the service sends them when it starts\n",
                from.file().restore(all, now));
    return 0;
}

auto discard(const request& wanted) -> int {
    box from(wanted);
    const std::vector<std::uint64_t> all = sequences_of(from, wanted);
    if (wanted.dry_run) {
        std::printf("%zu would be discarded\n", all.size());
        return 0;
    }
    if (wanted.refused) {
        std::printf("%zu discarded\n", from.file().discard(all));
        return 0;
    }
    std::vector<cobus::degrade::row_change> changes;
    for (const std::uint64_t each : all) {
        changes.emplace_back(cobus::degrade::row_gone{each});
    }
    from.file().apply(changes);
    std::printf("%zu discarded: Kafka never gets them\n", all.size());
    return 0;
}

} // namespace spool_tool
