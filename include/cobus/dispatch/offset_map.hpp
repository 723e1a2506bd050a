#pragma once

#include "../codec/base64.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus {

/// Which offsets from a committed one on are finished, as lengths of runs: the first is unfinished
/// (perhaps of length 0), and they alternate. Offsets that hold no message count as finished.
using offset_runs = std::vector<std::int64_t>;

namespace detail {

/// The first byte of Confluent parallel-consumer's map of offsets: what follows it.
enum class offset_map_kind : unsigned char {
    bits_short = 'l', ///< 16 bits of length, then a bit for each offset, 1 for finished
    bits_long = 'o',  ///< the same with 32 bits of length
    runs_short = 'n', ///< lengths of runs in 16 bits each
    runs_long = 'e',  ///< lengths of runs in 32 bits each
};

/// Big-endian integers, of two bytes or of four, all with a sign in Java and so never above its
/// highest.
template <class Integer> class big_endian {
public:
    static constexpr std::int64_t highest = (std::numeric_limits<Integer>::max)();
    static constexpr std::size_t size = sizeof(Integer);

    static void put(std::int64_t value, std::string& out) {
        for (std::size_t i = size; i > 0; --i) {
            out.push_back(static_cast<char>(value >> (8 * (i - 1)) & 0xFF));
        }
    }
    /// The first integer, which is taken off; none when it is not whole, or negative.
    [[nodiscard]] static auto take(std::string_view& in) noexcept -> std::optional<std::int64_t> {
        if (in.size() < size) {
            return std::nullopt;
        }
        std::uint32_t value = 0;
        for (const char each : in.substr(0, size)) {
            value = value << 8U | static_cast<unsigned char>(each);
        }
        in.remove_prefix(size);
        return value <= static_cast<std::uint32_t>(highest) ? std::optional<std::int64_t>(value)
                                                            : std::nullopt;
    }
};

[[nodiscard]] inline auto length_of(const offset_runs& runs) noexcept -> std::int64_t {
    std::int64_t all = 0;
    for (const std::int64_t each : runs) {
        all += each;
    }
    return all;
}

template <class Integer>
void write_runs(offset_map_kind kind, const offset_runs& runs, std::string& out) {
    out.assign(1, static_cast<char>(kind));
    for (const std::int64_t each : runs) {
        big_endian<Integer>::put(each, out);
    }
}
/// Parallel-consumer allots a byte more than the bits need; so does this.
template <class Integer>
void write_bits(offset_map_kind kind, const offset_runs& runs, std::string& out) {
    const std::int64_t length = length_of(runs);
    out.assign(1, static_cast<char>(kind));
    big_endian<Integer>::put(length, out);
    const std::size_t begin = out.size();
    out.append(static_cast<std::size_t>((length + 7) / 8 + 1), '\0');
    std::size_t at = 0;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const auto end = at + static_cast<std::size_t>(runs[i]);
        for (; at < end; ++at) {
            if (i % 2 == 1) {
                char& byte = out[begin + at / 8];
                byte = static_cast<char>(static_cast<unsigned char>(byte) | 1U << (at % 8));
            }
        }
    }
}

template <class Integer>
[[nodiscard]] auto read_runs(std::string_view in) -> std::optional<offset_runs> {
    offset_runs runs;
    while (!in.empty()) {
        const auto length = big_endian<Integer>::take(in);
        if (!length) {
            return std::nullopt;
        }
        runs.push_back(*length);
    }
    return runs;
}
template <class Integer>
[[nodiscard]] auto read_bits(std::string_view in) -> std::optional<offset_runs> {
    const auto length = big_endian<Integer>::take(in);
    if (!length || static_cast<std::size_t>(*length) > in.size() * 8) {
        return std::nullopt;
    }
    offset_runs runs(1, 0);
    for (std::size_t at = 0; at < static_cast<std::size_t>(*length); ++at) {
        const unsigned byte = static_cast<unsigned char>(in[at / 8]);
        const bool finished = (byte >> (at % 8) & 1U) != 0;
        if (finished != (runs.size() % 2 == 0)) {
            runs.push_back(0);
        }
        ++runs.back();
    }
    return runs;
}

} // namespace detail

/// The runs as text for a commit's metadata: exactly what Confluent's parallel-consumer writes, in
/// the smallest of its forms without compression. Empty when there is nothing finished to tell, or
/// when it takes more than `most` characters.
[[nodiscard]] inline auto write_offset_map(const offset_runs& runs, std::size_t most)
    -> std::string {
    using detail::big_endian;
    using detail::offset_map_kind;
    if (runs.size() < 2) {
        return std::string();
    }
    const std::int64_t length = detail::length_of(runs);
    const bool short_runs =
        *std::max_element(runs.begin(), runs.end()) <= big_endian<std::int16_t>::highest;
    const bool short_bits = length <= big_endian<std::int16_t>::highest;
    if (length > big_endian<std::int32_t>::highest) {
        return std::string();
    }
    const std::size_t as_runs = 1 + runs.size() * (short_runs ? 2 : 4);
    const std::size_t as_bits = (short_bits ? std::size_t{3} : std::size_t{5}) +
                                static_cast<std::size_t>(length + 7) / 8 + 1;
    if (detail::base64_size((std::min)(as_runs, as_bits)) > most) {
        return std::string();
    }
    std::string bytes;
    if (as_bits <= as_runs) {
        short_bits ? detail::write_bits<std::int16_t>(offset_map_kind::bits_short, runs, bytes)
                   : detail::write_bits<std::int32_t>(offset_map_kind::bits_long, runs, bytes);
    } else {
        short_runs ? detail::write_runs<std::int16_t>(offset_map_kind::runs_short, runs, bytes)
                   : detail::write_runs<std::int32_t>(offset_map_kind::runs_long, runs, bytes);
    }
    std::string text(detail::base64_size(bytes.size()), '\0');
    detail::put_base64(bytes.data(), bytes.size(), text.data());
    return text;
}

/// What a commit's metadata says. Nothing when it is no such map, or a compressed one: then all
/// from the committed offset on is handled again.
[[nodiscard]] inline auto read_offset_map(std::string_view text) -> std::optional<offset_runs> {
    std::string bytes;
    if (text.empty() || !detail::read_base64(text, bytes) || bytes.empty()) {
        return std::nullopt;
    }
    const std::string_view rest = std::string_view(bytes).substr(1);
    switch (static_cast<detail::offset_map_kind>(bytes.front())) {
    case detail::offset_map_kind::bits_short:
        return detail::read_bits<std::int16_t>(rest);
    case detail::offset_map_kind::bits_long:
        return detail::read_bits<std::int32_t>(rest);
    case detail::offset_map_kind::runs_short:
        return detail::read_runs<std::int16_t>(rest);
    case detail::offset_map_kind::runs_long:
        return detail::read_runs<std::int32_t>(rest);
    }
    return std::nullopt;
}

/// Which offsets an earlier owner of a partition finished out of order. Pure.
class finished_before {
public:
    finished_before() = default;
    finished_before(std::int64_t base, offset_runs runs) : base_(base), runs_(std::move(runs)) {
        end_ = base_ + detail::length_of(runs_);
    }

    /// Offsets are asked for in rising order. One below the committed offset means that the topic
    /// is not the one that the map tells of: the map is dropped.
    [[nodiscard]] auto contains(std::int64_t offset) noexcept -> bool {
        if (offset < base_) {
            runs_.clear();
            end_ = base_;
        }
        while (at_ < runs_.size() && offset >= base_ + runs_[at_]) {
            base_ += runs_[at_++];
        }
        if (at_ == runs_.size()) {
            return false;
        }
        return at_ % 2 == 1;
    }
    /// Adds what is left of this behind `runs`, which begin at `base`.
    void extend(offset_runs& runs, std::int64_t base) const {
        std::int64_t at = base + detail::length_of(runs);
        std::int64_t begin = base_;
        for (std::size_t i = at_; i < runs_.size(); begin += runs_[i++]) {
            const std::int64_t end = begin + runs_[i];
            const std::int64_t from = (std::max)(begin, at);
            if (i % 2 == 0 || end <= at) {
                continue;
            }
            if (from == at && !runs.empty()) {
                runs.back() += end - from;
            } else {
                runs.push_back(from - at);
                runs.push_back(end - from);
            }
            at = end;
        }
    }
    /// Nothing at or above it is finished.
    [[nodiscard]] auto end() const noexcept -> std::int64_t { return end_; }
    [[nodiscard]] auto empty() const noexcept -> bool { return at_ == runs_.size(); }

private:
    std::int64_t base_ = 0; ///< where the run `at_` begins
    std::int64_t end_ = 0;
    offset_runs runs_;
    std::size_t at_ = 0;
};

} // namespace cobus
