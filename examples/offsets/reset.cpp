#include "commands.hpp"
#include "environment.hpp"
#include "marks.hpp"

#include <cobus/headers.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>

namespace offsets {
namespace {

[[nodiscard]] auto wanted_positions(const group& of, const request& wanted,
                                    const reset_options& how) -> std::vector<position> {
    std::vector<position> all;
    for (const std::string& topic : wanted.topics) {
        std::vector<position> parts = of.positions(topic);
        if (how.partition) {
            std::erase_if(parts,
                          [&](const position& each) { return each.partition != *how.partition; });
        }
        if (parts.empty()) {
            throw std::runtime_error(topic + " has no partition " + std::to_string(*how.partition));
        }
        of.aim(parts, how.to);
        all.insert(all.end(), parts.begin(), parts.end());
    }
    return all;
}

/// Who goes back builds something anew, and misses what is skipped up to the end: also what the
/// group had not come to yet, since its handlers did that in process just as well.
[[nodiscard]] auto find_skipped(const group& of, const std::vector<position>& all) -> skipped {
    skipped found(of.name(), std::chrono::system_clock::now());
    for (const position& each : all) {
        if (each.committed && each.to >= *each.committed) {
            continue;
        }
        tools::read(of.client(), each.topic, {{each.partition, each.to, each.end}},
                    [&](const rd_kafka_message_t& message) {
                        const cobus::headers headers = tools::headers_of(message);
                        if (const auto mark = headers.get(cobus::degrade::mark_header)) {
                            found.add(*mark);
                        }
                    });
    }
    return found;
}

} // namespace

auto reset(const request& wanted, const reset_options& how) -> int {
    const group of = group_from_environment(wanted);
    if (of.members() > 0) {
        if (!how.dry_run) {
            throw std::runtime_error(members_text(of.name()));
        }
        std::printf("Not now: %s\n", members_text(of.name()).c_str());
    }
    const std::vector<position> all = wanted_positions(of, wanted, how);
    for (const position& each : all) {
        std::printf("%s/%d: from %s to %lld\n", each.topic.c_str(), each.partition,
                    each.committed ? std::to_string(*each.committed).c_str() : "none",
                    static_cast<long long>(each.to));
    }
    std::printf("%s", find_skipped(of, all).warning().c_str());
    if (!how.dry_run) {
        of.commit(all);
    }
    std::printf("%zu %s of %s %s\n", all.size(), all.size() == 1 ? "partition" : "partitions",
                of.name().c_str(), how.dry_run ? "would be set" : "set");
    return 0;
}

} // namespace offsets
