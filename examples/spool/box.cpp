#include "commands.hpp"

#include <cobus/error.hpp>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace spool_tool {
namespace {

[[nodiscard]] auto place_of(const request& wanted) -> cobus::spool_place {
    if (wanted.file.empty()) {
        throw std::runtime_error("which file? Say --file PATH, or set COBUS_SPOOL_FILE");
    }
    if (!std::filesystem::is_regular_file(wanted.file)) {
        throw std::runtime_error(wanted.file + ": there is no such file");
    }
    cobus::spool_place where;
    where.path = wanted.file;
    where.synchronous = cobus::spool_synchronous::full;
    return where;
}

} // namespace

auto request::takes(const cobus::degrade::spool_row& row, std::string_view why) const -> bool {
    return (at.empty() || std::ranges::find(at, row.sequence) != at.end()) &&
           (topic.empty() || row.content.topic() == topic) &&
           (type.empty() || row.content.type() == type) &&
           (key.empty() || row.content.key() == key) &&
           (cause.empty() || why.find(cause) != std::string_view::npos);
}

box::box(const request& wanted) : file_(place_of(wanted)), contents_(file_.open()) {}

auto box::next(bool refused, std::uint64_t from) -> std::vector<cobus::degrade::refused_row> {
    constexpr std::size_t rows = 1000;
    constexpr std::size_t bytes = 16U << 20U;
    if (refused) {
        return file_.read_refused(from, rows, bytes);
    }
    std::vector<cobus::degrade::refused_row> some;
    for (cobus::degrade::spool_row& each : file_.read(from, rows, bytes)) {
        some.push_back({std::move(each), {}, {}});
    }
    return some;
}

} // namespace spool_tool
