#pragma once

#include "json_problem.hpp"
#include "utf8.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cobus::detail::json {

/// Reads JSON (RFC 8259, no more and no less) from left to right in one pass: strict also in what
/// it skips, bounded in depth, and without allocation but for the strings it hands out. Functions
/// return false after a failure, and `wrong` says why.
class cursor {
public:
    explicit cursor(std::string_view text)
        : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()) {}

    problem wrong;

    auto fail(std::string what) -> bool { return wrong.say(std::move(what)); }
    auto not_json(std::string_view why) -> bool {
        return fail("not JSON at byte " + std::to_string(at_ - begin_) + ": " + std::string(why));
    }
    /// Fails because the next value is of another kind, or no value at all.
    auto expected(std::string_view what) -> bool {
        const std::string_view found = kind();
        return found.empty()
                   ? not_json("no value begins here")
                   : fail("expected " + std::string(what) + ", got " + std::string(found));
    }

    /// The next character that is no white space, or NUL at the end.
    [[nodiscard]] auto peek() noexcept -> char {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) {
            ++at_;
        }
        return at_ != end_ ? *at_ : '\0';
    }
    [[nodiscard]] auto position() const noexcept -> const char* { return at_; }

    [[nodiscard]] auto finish() -> bool {
        return (peek() == '\0' && at_ == end_) || not_json("text behind the value");
    }

    // Arrays and objects: open, then `next` until it says that there is no more.

    [[nodiscard]] auto open(char mark, std::string_view what) -> bool {
        if (peek() != mark) {
            return expected(what);
        }
        if (++depth_ > max_depth) {
            return fail("nested deeper than " + std::to_string(max_depth) + " levels");
        }
        ++at_;
        first_ = true;
        return true;
    }
    enum class more : unsigned char { yes, no, failed };
    /// Stands before the next element, or behind the closing mark.
    [[nodiscard]] auto next(char closing) -> more {
        const char c = peek();
        const bool first = std::exchange(first_, false);
        if (c == closing) {
            ++at_;
            --depth_;
            return more::no;
        }
        if (!first) {
            if (c != ',') {
                not_json(closing == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
                return more::failed;
            }
            ++at_;
            if (peek() == closing) {
                not_json("a comma before the end");
                return more::failed;
            }
        }
        if (closing == '}' && peek() != '"') {
            not_json("expected a member's name in quotes");
            return more::failed;
        }
        return more::yes;
    }
    [[nodiscard]] auto colon() -> bool {
        if (peek() != ':') {
            return not_json("expected ':'");
        }
        ++at_;
        return true;
    }

    /// Takes the next name if it is spelled exactly so; `quoted` has its quotes.
    [[nodiscard]] auto take(std::string_view quoted) noexcept -> bool {
        if (static_cast<std::size_t>(end_ - at_) < quoted.size() ||
            std::memcmp(at_, quoted.data(), quoted.size()) != 0) {
            return false;
        }
        at_ += quoted.size();
        return true;
    }
    /// The view holds until the next text with escapes is viewed.
    [[nodiscard]] auto view_string(std::string_view& out, std::string_view what = "a string")
        -> bool {
        if (peek() != '"') {
            return expected(what);
        }
        const char* const start = at_ + 1;
        const char* const stop = find_special(start, end_);
        if (stop != end_ && *stop == '"') {
            out = std::string_view(start, static_cast<std::size_t>(stop - start));
            at_ = stop + 1;
            return true;
        }
        const bool read = read_string(scratch_);
        out = scratch_;
        return read;
    }
    [[nodiscard]] auto read_string(std::string& out) -> bool {
        if (peek() != '"') {
            return expected("a string");
        }
        const char* const start = ++at_;
        at_ = find_special(start, end_);
        out.assign(start, static_cast<std::size_t>(at_ - start));
        if (at_ != end_ && *at_ == '"') {
            ++at_;
            return true;
        }
        return rest_of_string(&out);
    }

    [[nodiscard]] auto word(std::string_view text) -> bool {
        if (!take(text)) {
            return not_json("expected '" + std::string(text) + "'");
        }
        return true;
    }
    /// Takes a number and says whether it is written without fraction and exponent.
    [[nodiscard]] auto number(std::string_view& token, bool& whole) -> bool;

    /// Passes over any value, as strictly as if it were read.
    [[nodiscard]] auto skip() -> bool;

private:
    [[nodiscard]] auto kind() noexcept -> std::string_view {
        switch (const char c = peek()) {
        case '"':
            return "a string";
        case '{':
            return "an object";
        case '[':
            return "an array";
        case 't':
        case 'f':
            return "true or false";
        case 'n':
            return "null";
        default:
            return at_ == end_                          ? "the end of the text"
                   : c == '-' || (c >= '0' && c <= '9') ? "a number"
                                                        : std::string_view();
        }
    }
    [[nodiscard]] auto digits() noexcept -> bool {
        const char* const start = at_;
        while (at_ != end_ && *at_ >= '0' && *at_ <= '9') {
            ++at_;
        }
        return at_ != start;
    }
    [[nodiscard]] auto take(char c) noexcept -> bool {
        if (at_ == end_ || *at_ != c) {
            return false;
        }
        ++at_;
        return true;
    }
    [[nodiscard]] auto rest_of_string(std::string* out) -> bool;
    [[nodiscard]] auto escape(std::string* out) -> bool;
    [[nodiscard]] auto unicode(std::string* out) -> bool;
    [[nodiscard]] auto hex4() noexcept -> std::optional<std::uint32_t>;
    [[nodiscard]] auto skip_members(char closing) -> bool;

    const char* begin_;
    const char* at_;
    const char* end_;
    unsigned depth_ = 0;
    bool first_ = false;
    std::string scratch_;
};

inline auto cursor::number(std::string_view& token, bool& whole) -> bool {
    const char c = peek();
    if (c != '-' && (c < '0' || c > '9')) {
        return expected("a number");
    }
    const char* const start = at_;
    static_cast<void>(take('-'));
    if (!take('0') && !digits()) {
        return not_json("a number without digits");
    }
    whole = true;
    if (take('.')) {
        whole = false;
        if (!digits()) {
            return not_json("a number without digits behind the point");
        }
    }
    if (take('e') || take('E')) {
        whole = false;
        if (!take('+')) {
            static_cast<void>(take('-'));
        }
        if (!digits()) {
            return not_json("a number without digits in the exponent");
        }
    }
    token = std::string_view(start, static_cast<std::size_t>(at_ - start));
    return true;
}

/// Goes on inside a string, where something special stands; `out` may be null.
inline auto cursor::rest_of_string(std::string* out) -> bool {
    while (at_ != end_) {
        const auto c = static_cast<unsigned char>(*at_);
        const char* const start = at_;
        if (c == '"') {
            ++at_;
            return true;
        }
        if (c == '\\') {
            if (!escape(out)) {
                return false;
            }
            continue;
        }
        if (c < 0x20U) {
            return not_json("a control character in a string");
        }
        while (at_ != end_ && static_cast<unsigned char>(*at_) >= 0x80U) {
            const std::size_t length = utf8_length(at_, end_);
            if (length == 0) {
                return not_json("the text is not UTF-8");
            }
            at_ += length;
        }
        at_ = find_special(at_, end_);
        if (out != nullptr) {
            out->append(start, static_cast<std::size_t>(at_ - start));
        }
    }
    return not_json("the text ends inside a string");
}

inline auto cursor::escape(std::string* out) -> bool {
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meant = "\"\\/\b\f\n\r\t";
    ++at_;
    if (at_ != end_ && *at_ == 'u') {
        ++at_;
        return unicode(out);
    }
    const auto found = at_ != end_ ? letters.find(*at_) : letters.npos;
    if (found == letters.npos) {
        return not_json("an escape that JSON does not have");
    }
    ++at_;
    if (out != nullptr) {
        *out += meant[found];
    }
    return true;
}

inline auto cursor::unicode(std::string* out) -> bool {
    auto point = hex4();
    if (point && *point >= 0xD800U && *point <= 0xDBFFU) {
        std::optional<std::uint32_t> low;
        if (take('\\') && take('u')) {
            low = hex4();
        }
        point = low && *low >= 0xDC00U && *low <= 0xDFFFU
                    ? std::optional(0x10000U + ((*point - 0xD800U) << 10U) + (*low - 0xDC00U))
                    : std::nullopt;
    } else if (point && *point >= 0xDC00U && *point <= 0xDFFFU) {
        point = std::nullopt;
    }
    if (!point) {
        return not_json("\\u needs four hexadecimal digits, and surrogates come in pairs");
    }
    if (out != nullptr) {
        std::array<char, 4> encoded{};
        out->append(encoded.data(), put_utf8(*point, encoded.data()));
    }
    return true;
}

inline auto cursor::hex4() noexcept -> std::optional<std::uint32_t> {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
        const char c = at_ != end_ ? *at_ : '\0';
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) {
            return std::nullopt;
        }
        value = value << 4U | static_cast<std::uint32_t>(digit);
    }
    return value;
}

inline auto cursor::skip() -> bool {
    std::string_view token;
    bool whole = false;
    switch (peek()) {
    case '"':
        at_ = find_special(at_ + 1, end_);
        return rest_of_string(nullptr);
    case '{':
        return open('{', "an object") && skip_members('}');
    case '[':
        return open('[', "an array") && skip_members(']');
    case 't':
        return word("true");
    case 'f':
        return word("false");
    case 'n':
        return word("null");
    default:
        return number(token, whole);
    }
}

inline auto cursor::skip_members(char closing) -> bool {
    more left = next(closing);
    for (; left == more::yes; left = next(closing)) {
        if (closing == '}' && !(skip() && colon())) { // `next` has seen that a string is there
            return false;
        }
        if (!skip()) {
            return false;
        }
    }
    return left == more::no;
}

} // namespace cobus::detail::json
