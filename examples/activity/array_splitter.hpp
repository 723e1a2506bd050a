#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace activity {

/// Cuts a JSON array into its elements while it arrives in pieces, so that a file larger than
/// memory passes through. It knows strings and brackets only: what an element says is for the codec
/// to judge.
///
///     while (next piece) { splitter.feed(piece); while (auto element = splitter.next()) … }
class array_splitter {
public:
    explicit array_splitter(std::size_t longest = std::size_t{16} << 20U) : longest_(longest) {}

    /// Takes the next piece, which must live until `next` has returned nothing.
    void feed(std::string_view piece) { piece_ = piece; }

    /// The next whole element, valid until the next call; nothing when more input is needed, or
    /// after an error. An element that is too long comes shortened, which no codec takes for JSON.
    [[nodiscard]] auto next() -> std::optional<std::string_view> {
        if (finished_) {
            element_.clear();
            finished_ = false;
        }
        while (!piece_.empty() && problem_.empty()) {
            const char c = piece_.front();
            if (inside_ == where::element) {
                if (!goes_on(c)) {
                    inside_ = where::behind_element;
                    finished_ = true;
                    ++count_;
                    return element_; // c is looked at again
                }
                keep(c);
            } else {
                between(c);
            }
            piece_.remove_prefix(1);
            ++byte_;
        }
        return std::nullopt;
    }

    /// To be called at the end of the input: true when it was one whole array.
    [[nodiscard]] auto finish() -> bool {
        if (problem_.empty() && inside_ != where::behind_array) {
            fail(inside_ == where::before_array ? "there is no array" : "the array is cut off");
        }
        return problem_.empty();
    }

    /// What is wrong with the array itself, and where; empty when nothing is.
    [[nodiscard]] auto problem() const noexcept -> const std::string& { return problem_; }
    /// How many elements have been handed out.
    [[nodiscard]] auto count() const noexcept -> std::uint64_t { return count_; }

private:
    enum class where : unsigned char {
        before_array,
        before_element,
        element,
        behind_element,
        behind_array
    };

    static auto is_space(char c) noexcept -> bool {
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
    }

    /// Follows one character of an element; false when the element ended before it.
    auto goes_on(char c) noexcept -> bool {
        if (in_string_) {
            in_string_ = escaped_ || c != '"';
            escaped_ = !escaped_ && c == '\\';
            return true;
        }
        if (depth_ == 0 && !element_.empty() && (c == ',' || c == ']' || is_space(c) || closed_)) {
            return false;
        }
        in_string_ = c == '"';
        if (c == '{' || c == '[') {
            ++depth_;
        } else if ((c == '}' || c == ']') && depth_ > 0) {
            --depth_;
            closed_ = depth_ == 0;
        }
        return true;
    }
    void keep(char c) {
        if (element_.size() < longest_) {
            element_.push_back(c);
        }
    }

    void between(char c) {
        if (is_space(c)) {
            return;
        }
        switch (inside_) {
        case where::before_array:
            c == '[' ? void(inside_ = where::before_element) : fail("expected '['");
            break;
        case where::behind_element:
            if (c == ',') {
                inside_ = where::before_element;
            } else {
                c == ']' ? void(inside_ = where::behind_array) : fail("expected ',' or ']'");
            }
            break;
        case where::behind_array:
            fail("there is text behind the array");
            break;
        default:
            begin(c);
            break;
        }
    }
    void begin(char c) {
        if (c == ']' && count_ == 0) {
            inside_ = where::behind_array;
        } else if (c == ',' || c == ']' || c == '}') {
            fail("expected an event");
        } else {
            inside_ = where::element;
            closed_ = in_string_ = escaped_ = false;
            depth_ = 0;
            static_cast<void>(goes_on(c));
            keep(c);
        }
    }
    void fail(std::string_view what) {
        problem_ = "byte " + std::to_string(byte_) + ", behind " + std::to_string(count_) +
                   " events: " + std::string(what);
    }

    std::size_t longest_;
    std::string_view piece_;
    std::string element_;
    std::string problem_;
    std::uint64_t byte_ = 0;
    std::uint64_t count_ = 0;
    std::size_t depth_ = 0;
    where inside_ = where::before_array;
    bool in_string_ = false, escaped_ = false;
    bool closed_ = false;   // the element's own bracket is closed
    bool finished_ = false; // the element was handed out
};

} // namespace activity
