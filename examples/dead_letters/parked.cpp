#include "parked.hpp"

#include <cobus/codec/base64.hpp>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace dead_letters {
namespace {

/// Reads what cobus writes, which is JSON of one form: no white space, one order, no escapes.
class scanner {
public:
    explicit scanner(std::string_view line) : rest_(line) {}

    [[nodiscard]] auto take(std::string_view text) -> bool {
        const bool there = rest_.starts_with(text);
        rest_.remove_prefix(there ? text.size() : 0);
        return there;
    }
    [[nodiscard]] auto text(std::string& into) -> bool {
        const std::size_t end = rest_.starts_with('"') ? rest_.find('"', 1) : rest_.npos;
        if (end == rest_.npos || !cobus::detail::read_base64(rest_.substr(1, end - 1), into)) {
            return false;
        }
        rest_.remove_prefix(end + 1);
        return true;
    }
    [[nodiscard]] auto text_or_null(std::optional<std::string>& into) -> bool {
        return take("null") || text(into.emplace());
    }
    [[nodiscard]] auto number(std::int64_t& into) -> bool {
        const char* const begin = rest_.data();
        const auto [end, failed] = std::from_chars(begin, begin + rest_.size(), into);
        rest_.remove_prefix(static_cast<std::size_t>(end - begin));
        return failed == std::errc();
    }
    [[nodiscard]] auto over() const -> bool { return rest_.empty(); }

private:
    std::string_view rest_;
};

[[nodiscard]] auto read_headers(scanner& from, cobus::headers& into) -> bool {
    if (!from.take(R"(,"headers":[)")) {
        return false;
    }
    while (!from.take("]")) {
        std::string name;
        std::optional<std::string> value;
        (void)from.take(",");
        if (!from.take("[") || !from.text(name) || !from.take(",") || !from.text_or_null(value) ||
            !from.take("]")) {
            return false;
        }
        value ? into.add(name, *value) : into.add_null(name);
    }
    return true;
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

auto read_parked_line(std::string_view line, letter& into) -> bool {
    scanner from(line);
    std::string id;
    std::string type;
    std::string source;
    if (!from.take(R"({"topic":)") || !from.text(into.where.topic) || !from.take(R"(,"id":)") ||
        !from.text(id) || !from.take(R"(,"type":)") || !from.text(type) ||
        !from.take(R"(,"source":)") || !from.text(source) || !from.take(R"(,"time":)") ||
        !from.number(into.timestamp) || !from.take(R"(,"key":)") || !from.text_or_null(into.key) ||
        !from.take(R"(,"payload":)") || !from.text_or_null(into.payload)) {
        return false;
    }
    add_attributes(id, type, source, into.headers);
    return read_headers(from, into.headers) && from.take("}") && from.over();
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
    for (const cobus::header& each : from.headers) {
        each.value ? made.headers().add(each.name, *each.value)
                   : made.headers().add_null(each.name);
    }
    return made;
}

} // namespace dead_letters
