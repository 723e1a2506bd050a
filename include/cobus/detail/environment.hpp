#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(_WIN32)
#include <cstdlib>
#else
#include <unistd.h>
#endif

namespace cobus::detail {

/// Variables by name. A map, not a function, because some are found by their prefix.
using environment = std::map<std::string, std::string, std::less<>>;

[[nodiscard]] inline auto process_environment() -> environment {
    environment all;
#if defined(_WIN32)
    char** each = _environ;
#else
    char** each = environ;
#endif
    for (; each != nullptr && *each != nullptr; ++each) {
        const std::string_view line(*each);
        if (const auto equals = line.find('='); equals != std::string_view::npos && equals > 0) {
            all.emplace(line.substr(0, equals), line.substr(equals + 1));
        }
    }
    return all;
}

[[nodiscard]] inline auto trimmed(std::string_view text) -> std::string_view {
    constexpr std::string_view blanks = " \t\r\n";
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

[[nodiscard]] inline auto lower(std::string_view text) -> std::string {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

[[nodiscard]] inline auto upper(std::string_view text) -> std::string {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return out;
}

[[nodiscard]] inline auto to_boolean(std::string_view text) -> std::optional<bool> {
    const std::string word = lower(trimmed(text));
    if (word == "true" || word == "1" || word == "yes" || word == "on") {
        return true;
    }
    if (word == "false" || word == "0" || word == "no" || word == "off") {
        return false;
    }
    return std::nullopt;
}

/// The whole text as a number, or nothing.
[[nodiscard]] inline auto to_number(std::string_view text) -> std::optional<long long> {
    const std::string_view digits = trimmed(text);
    long long value = 0;
    const auto [end, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (failure != std::errc() || end != digits.data() + digits.size()) {
        return std::nullopt;
    }
    return value;
}

template <std::size_t Count>
[[nodiscard]] auto contains_any(std::string_view text,
                                const std::array<std::string_view, Count>& words) -> bool {
    return std::ranges::any_of(
        words, [text](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

/// True for names of settings whose values must never be shown.
[[nodiscard]] inline auto names_a_secret(std::string_view name) -> bool {
    static constexpr std::array<std::string_view, 9> words{
        "password", "passwd", "secret", "token", "key", "credential", "jaas", "username", "pem"};
    return contains_any(lower(name), words);
}

/// True for what looks like generated text: long, without blanks, with all kinds of characters.
[[nodiscard]] inline auto looks_random(std::string_view value) -> bool {
    const auto has = [value](int (*kind)(int)) {
        return std::ranges::any_of(value, [kind](unsigned char c) { return kind(c) != 0; });
    };
    return value.size() >= 20 && value.find_first_of(" .,") == std::string_view::npos &&
           has(std::islower) && has(std::isupper) && has(std::isdigit);
}

/// True for values that look like credentials, whatever variable they were put into by mistake.
[[nodiscard]] inline auto looks_like_a_secret(std::string_view value) -> bool {
    static constexpr std::array<std::string_view, 10> words{
        "password", "passwd",     "secret", "token", "sharedaccesskey",
        "apikey",   "-----begin", "bearer", "@",     "accountkey"};
    const std::string text = lower(value);
    const bool web_token = text.starts_with("eyj") && text.find('.') != std::string::npos;
    return contains_any(text, words) || web_token || looks_random(value) ||
           value.starts_with("AKIA") || value.starts_with("ASIA");
}

/// What is wrong with the settings, one line for each problem, without secrets.
class problem_list {
public:
    /// Values that must not be shown wherever they appear, such as the password.
    void hide(std::string_view secret) {
        if (secret.size() >= 4) {
            hidden_.emplace_back(secret);
        }
    }
    void add(std::string_view name, std::string_view value, std::string_view cure) {
        std::string line(name);
        line.append("=").append(shown(name, value)).append(": ").append(cure);
        lines_.push_back(std::move(line));
    }
    /// For what concerns no single value.
    void add(std::string_view name, std::string_view cure) {
        lines_.push_back(std::string(name).append(": ").append(cure));
    }
    void add_all(const problem_list& others) {
        lines_.insert(lines_.end(), others.lines_.begin(), others.lines_.end());
    }
    [[nodiscard]] auto lines() const noexcept -> const std::vector<std::string>& { return lines_; }

    [[nodiscard]] auto shown(std::string_view name, std::string_view value) const -> std::string {
        const bool hidden = std::ranges::any_of(hidden_, [value](const std::string& secret) {
            return value.find(secret) != std::string_view::npos;
        });
        if (hidden || names_a_secret(name) || looks_like_a_secret(value)) {
            return "(hidden)";
        }
        std::string text("\"");
        for (const char c : value.substr(0, 80)) {
            const bool printable = static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
            text.push_back(printable ? c : '?');
        }
        return text.append(value.size() > 80 ? "…\"" : "\"");
    }

private:
    std::vector<std::string> lines_;
    std::vector<std::string> hidden_;
};

/// A variable that was set: the name it was found under, and its trimmed value.
struct variable {
    std::string name;
    std::string value;
};

/// Reads variables that may go by several names.
class environment_reader {
public:
    environment_reader(const environment& from, problem_list& problems)
        : from_(from), problems_(problems) {}

    /// The value under any of these names; an empty one counts as not set. Two names with different
    /// values are a problem, and the first one counts.
    [[nodiscard]] auto text(std::initializer_list<std::string_view> names)
        -> std::optional<variable> {
        std::optional<variable> found;
        for (const std::string_view name : names) {
            const auto each = from_.find(name);
            if (each == from_.end() || trimmed(each->second).empty()) {
                continue;
            }
            const std::string_view value = trimmed(each->second);
            if (!found) {
                found = variable{std::string(name), std::string(value)};
            } else if (found->value != value) {
                problems_.add(name, value,
                              "contradicts " + found->name + "=" +
                                  problems_.shown(found->name, found->value) +
                                  ", which means the same; remove one of them");
            }
        }
        return found;
    }

    [[nodiscard]] auto boolean(std::initializer_list<std::string_view> names)
        -> std::optional<bool> {
        const std::optional<variable> found = text(names);
        if (!found) {
            return std::nullopt;
        }
        const std::optional<bool> value = to_boolean(found->value);
        if (!value) {
            problems_.add(found->name, found->value, "is neither true nor false; set one of them");
        }
        return value;
    }

    [[nodiscard]] auto number(std::initializer_list<std::string_view> names, long long least,
                              long long most, std::string_view what) -> std::optional<long long> {
        const std::optional<variable> found = text(names);
        if (!found) {
            return std::nullopt;
        }
        const std::optional<long long> value = to_number(found->value);
        if (!value || *value < least || *value > most) {
            problems_.add(found->name, found->value,
                          "is no " + std::string(what) + "; set a whole number from " +
                              std::to_string(least) + " to " + std::to_string(most));
            return std::nullopt;
        }
        return value;
    }

private:
    const environment& from_;
    problem_list& problems_;
};

} // namespace cobus::detail
