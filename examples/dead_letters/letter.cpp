#include "letter.hpp"

#include <cobus/codec/iso_time.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <system_error>

namespace dead_letters {
namespace {

template <class Number> auto read_number(std::string_view text, Number& number) -> bool {
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failed == std::errc() && end == text.data() + text.size();
}

} // namespace

auto read_place(std::string_view text) -> std::optional<place> {
    const std::size_t second = text.rfind('/');
    const std::size_t first =
        second == 0 || second == text.npos ? text.npos : text.rfind('/', second - 1);
    place found;
    if (first == text.npos || first == 0 ||
        !read_number(text.substr(first + 1, second - first - 1), found.partition) ||
        !read_number(text.substr(second + 1), found.offset)) {
        return std::nullopt;
    }
    found.topic = text.substr(0, first);
    return found;
}

auto letter::origin() const -> std::optional<place> {
    return read_place(std::string(said("topic")) + "/" + std::string(said("partition")) + "/" +
                      std::string(said("offset")));
}

auto letter::time() const -> std::string {
    if (const std::string_view failed = said("time"); !failed.empty()) {
        return std::string(failed);
    }
    std::array<char, cobus::detail::iso_time_size> text{};
    const std::chrono::sys_time<std::chrono::milliseconds> written{
        std::chrono::milliseconds(timestamp)};
    return {text.data(), cobus::detail::put_iso_time(written, text.data())};
}

auto filter::takes(const letter& one) const -> bool {
    const std::string time = one.time();
    return (type.empty() || one.said("type") == type) &&
           (handler.empty() || one.said("handler") == handler) &&
           (group.empty() || one.said("group") == group) &&
           (error.empty() || one.said("reason").find(error) != std::string_view::npos) &&
           (since.empty() || time >= since) && (until.empty() || time < until) &&
           (at.empty() || one.where.text() == at);
}

} // namespace dead_letters
