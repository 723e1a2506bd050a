#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <malloc.h>
#include <string>

/// What a process can find out about itself.
namespace measure {

/// Bytes that malloc has given out and not got back, on all threads.
[[nodiscard]] inline auto heap_in_use() noexcept -> std::size_t {
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

struct wakes {
    std::uint64_t of_librdkafka = 0, of_others = 0;
};

/// How often the threads of this process have gone to sleep, and so were woken or will be.
[[nodiscard]] inline auto count_wakes() -> wakes {
    wakes sum;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
        std::string name;
        std::getline(std::ifstream(thread.path() / "comm") >> std::ws, name);
        std::ifstream status(thread.path() / "status");
        for (std::string word; status >> word;) {
            if (word == "voluntary_ctxt_switches:") {
                std::uint64_t count = 0;
                status >> count;
                (name.starts_with("rdk:") ? sum.of_librdkafka : sum.of_others) += count;
            }
        }
    }
    return sum;
}

} // namespace measure
