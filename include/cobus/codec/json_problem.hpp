#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace cobus::detail::json {

inline constexpr std::size_t max_bytes = std::size_t{16} << 20U; ///< of one text to read
inline constexpr unsigned max_depth = 64;                        ///< of arrays and objects

/// What is wrong and where. The innermost level says what; each level around it adds its own name
/// on the way out, so that a success pays nothing for paths.
class problem {
public:
    /// The first one counts. Returns false, for `return in.fail(...)`.
    auto say(std::string what) -> bool {
        if (what_.empty()) {
            what_ = std::move(what);
        }
        return false;
    }
    void inside(std::string_view name) {
        const bool plain =
            !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-';
            });
        path_.insert(0, plain ? "." + std::string(name) : "[" + quoted(name) + "]");
    }
    void inside(std::size_t index) { path_.insert(0, "[" + std::to_string(index) + "]"); }

    [[nodiscard]] auto text() const -> std::string { return "$" + path_ + ": " + what_; }

    /// Foreign text, shortened and without what could spoil a log.
    [[nodiscard]] static auto quoted(std::string_view text) -> std::string {
        std::string out(1, '\'');
        for (const char c : text.substr(0, 64)) {
            const auto byte = static_cast<unsigned char>(c);
            out += byte < 0x20U || byte >= 0x7FU ? '?' : c;
        }
        out.append(text.size() > 64 ? "…'" : "'");
        return out;
    }

private:
    std::string what_;
    std::string path_;
};

} // namespace cobus::detail::json
