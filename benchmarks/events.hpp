#pragma once

#include "floors/activity_event.hpp"
#include "floors/event.hpp"

#include <cobus/contract.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

/// A payload that is its own encoding, to measure the way and not the codec.
struct blob {
    std::string bytes;
};
struct keyed_blob {
    std::string key, bytes;
};

/// A thousand of them, each with a key of its own.
[[nodiscard]] inline auto keyed_blobs(std::size_t bytes) -> std::vector<keyed_blob> {
    std::vector<keyed_blob> made(1000);
    for (std::size_t i = 0; i < made.size(); ++i) {
        made[i].key = "key-" + std::to_string(1000 + i);
        made[i].bytes.assign(bytes, 'x');
    }
    return made;
}

/// The bytes as they are; what is read has no key.
struct blob_codec {
    static constexpr std::string_view content_type = "application/octet-stream";

    template <class E>
    [[nodiscard]] static auto encode(const E& event, std::string& out) -> cobus::codec_result {
        out.append(event.bytes);
        return cobus::codec_result();
    }
    template <class E>
    [[nodiscard]] static auto decode(std::string_view bytes, E& into) -> cobus::codec_result {
        into.bytes.assign(bytes);
        return cobus::codec_result();
    }
};

} // namespace bench

template <> struct cobus::contract<bench::blob> {
    static constexpr std::string_view type = "benchmark.event", topic = "benchmark";
    static constexpr auto wire = cobus::wire::plain();
    using codec = bench::blob_codec;
};
template <> struct cobus::contract<bench::keyed_blob> {
    static constexpr std::string_view type = "benchmark.event", topic = "benchmark";
    static constexpr auto key = &bench::keyed_blob::key;
    static constexpr auto wire = cobus::wire::binary();
    using codec = bench::blob_codec;
};
template <> struct cobus::contract<floors::event> {
    static constexpr std::string_view type = "benchmark.tick", topic = "benchmark";
    static constexpr auto key = &floors::event::key;
};
