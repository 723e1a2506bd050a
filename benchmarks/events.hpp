#pragma once

#include "floors/activity_event.hpp"
#include "floors/event.hpp"

#include <cobus/contract.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace bench {

/// A payload that is its own encoding, to measure the way and not the codec.
struct blob {
    std::string bytes;
};
struct keyed_blob {
    std::string key, bytes;
};

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
