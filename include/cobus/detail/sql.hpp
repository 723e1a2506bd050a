#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cobus::detail::sql {

/// Bytes that are no text.
struct blob {
    std::string_view bytes;
};

/// What a statement is given: nothing, a number, a text or bytes. Texts and bytes must outlive the
/// call.
using parameter = std::variant<std::monostate, std::int64_t, std::string_view, blob>;
using parameters = std::initializer_list<parameter>;

[[nodiscard]] inline auto text_or_null(const std::optional<std::string>& value) -> parameter {
    return value ? parameter(std::string_view(*value)) : parameter();
}
[[nodiscard]] inline auto blob_or_null(const std::optional<std::string>& value) -> parameter {
    return value ? parameter(blob{*value}) : parameter();
}

/// One value that came back: none for NULL. Numbers are in digits.
class cell {
public:
    cell() = default;
    explicit cell(std::string value) : value_(std::move(value)) {}

    [[nodiscard]] auto is_null() const noexcept -> bool { return !value_; }
    [[nodiscard]] auto text() const -> std::string { return value_.value_or(std::string()); }
    [[nodiscard]] auto maybe() const -> const std::optional<std::string>& { return value_; }
    [[nodiscard]] auto number() const -> std::int64_t { return value_ ? std::stoll(*value_) : 0; }

private:
    std::optional<std::string> value_;
};

using row = std::vector<cell>;
using rows = std::vector<row>;

/// Finds the session of a connection's type; each database has its own.
template <class Connection> struct session_of;

} // namespace cobus::detail::sql
