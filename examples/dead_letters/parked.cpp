#include "parked.hpp"

#include <cobus/codec/base64.hpp>

#include <nlohmann/json.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace dead_letters {
namespace {

using nlohmann::json;

/// Throws `std::invalid_argument` when it is not base64.
[[nodiscard]] auto read_text(const json& from) -> std::string {
    std::string bytes;
    if (!cobus::detail::read_base64(from.get_ref<const std::string&>(), bytes)) {
        throw std::invalid_argument("not base64");
    }
    return bytes;
}
[[nodiscard]] auto read_text_or_null(const json& from) -> std::optional<std::string> {
    return from.is_null() ? std::nullopt : std::optional(read_text(from));
}
[[nodiscard]] auto read_integer(const json& from) -> std::int64_t {
    if (!from.is_number_integer() ||
        (from.is_number_unsigned() && !std::in_range<std::int64_t>(from.get<std::uint64_t>()))) {
        throw std::invalid_argument("not an integer");
    }
    return from.get<std::int64_t>();
}
void read_headers(const json& from, cobus::headers& into) {
    for (const json& each : from.get_ref<const json::array_t&>()) {
        if (each.get_ref<const json::array_t&>().size() != 2) {
            throw std::invalid_argument("not a name and a value");
        }
        const std::string name = read_text(each.at(0));
        const std::optional<std::string> value = read_text_or_null(each.at(1));
        value ? into.add(name, *value) : into.add_null(name);
    }
}

/// The envelope, in the form that the letter would have had in its topic.
void add_attributes(const std::string& id, const std::string& type, const std::string& source,
                    cobus::headers& to) {
    if (type.empty()) {
        return;
    }
    to.add("ce_specversion", "1.0");
    to.add("ce_id", id);
    to.add("ce_source", source.empty() ? "/cobus" : source);
    to.add("ce_type", type);
}

} // namespace

auto read_parked_line(std::string_view line, letter& into) -> bool try {
    if (line.find('\0') != line.npos) { // the parser would take it for the end
        return false;
    }
    const json all = json::parse(line);
    into.where.topic = read_text(all.at("topic"));
    into.timestamp = read_integer(all.at("time"));
    into.key = read_text_or_null(all.at("key"));
    into.payload = read_text_or_null(all.at("payload"));
    add_attributes(read_text(all.at("id")), read_text(all.at("type")), read_text(all.at("source")),
                   into.headers);
    read_headers(all.at("headers"), into.headers);
    constexpr std::size_t members = 8;
    return all.size() == members;
} catch (const json::exception&) {
    return false;
} catch (const std::invalid_argument&) {
    return false;
}

auto read_parked(const std::string& name) -> parked_file {
    std::ifstream in(name, std::ios::binary);
    if (!in) {
        throw std::runtime_error(name + ": " + std::generic_category().message(errno));
    }
    parked_file found;
    std::size_t number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        letter one;
        if (read_parked_line(line, one)) {
            found.letters.push_back(std::move(one));
        } else {
            found.broken.push_back(number);
        }
    }
    return found;
}

auto identity(const letter& of) -> std::string {
    std::string all = of.where.topic;
    for (const char* const each : {"topic", "partition", "offset", "group", "handler", "time"}) {
        all.append("\n").append(of.said(each));
    }
    return all;
}

auto make_letter(const letter& from) -> cobus::message {
    cobus::message made;
    made.topic(from.where.topic);
    if (from.key) {
        made.key(*from.key);
    }
    if (from.payload) {
        made.payload(*from.payload);
    }
    made.time(cobus::time_point(std::chrono::milliseconds(from.timestamp)));
    made.headers() = from.headers;
    return made;
}

} // namespace dead_letters
