#pragma once

#include <concepts>
#include <cstdint>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace cobus::testing {

/// An expectation that did not hold: `what()` says where and which.
class conformance_failure : public std::runtime_error {
public:
    explicit conformance_failure(const std::string& what,
                                 std::source_location where = std::source_location::current())
        : runtime_error(name_of(where) + ":" + std::to_string(where.line()) + ": " + what),
          file_(where.file_name()),
          line_(where.line()) {}

    /// The same failure with more to say.
    [[nodiscard]] auto with(const std::string& more) const -> conformance_failure {
        return {what() + more, file_, line_};
    }

    [[nodiscard]] auto file() const noexcept -> const char* { return file_; }
    [[nodiscard]] auto line() const noexcept -> std::uint_least32_t { return line_; }

private:
    conformance_failure(const std::string& text, const char* file, std::uint_least32_t line)
        : runtime_error(text), file_(file), line_(line) {}

    [[nodiscard]] static auto name_of(const std::source_location& where) -> std::string {
        const std::string_view path = where.file_name();
        return std::string(path.substr(path.rfind('/') + 1));
    }

    const char* file_;
    std::uint_least32_t line_;
};

/// Throws when `holds` is false; `what` says what should have been.
inline void expect(bool holds, std::string_view what,
                   std::source_location where = std::source_location::current()) {
    if (!holds) {
        throw conformance_failure(std::string(what), where);
    }
}

namespace detail {

template <class T> [[nodiscard]] auto shown(const T& value) -> std::string {
    std::ostringstream text;
    if constexpr (std::same_as<T, std::error_code>) {
        text << value << " (" << value.message() << ")";
    } else {
        text << value;
    }
    std::string all = text.str();
    if (all.size() > 200) {
        all = all.substr(0, 200) + "… (" + std::to_string(all.size()) + " bytes)";
    }
    return all;
}

} // namespace detail

/// Throws when the two differ, and says both.
template <class A, class B>
void expect_equal(const A& is, const B& wanted, std::string_view what,
                  std::source_location where = std::source_location::current()) {
    if (!(is == wanted)) {
        throw conformance_failure(std::string(what) + ": " + detail::shown(is) + " instead of " +
                                      detail::shown(wanted),
                                  where);
    }
}

} // namespace cobus::testing
