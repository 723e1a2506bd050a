#pragma once

#include "json_problem.hpp"
#include "utf8.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace cobus::detail::json {

/// Says in `wrong` why a value of nlohmann's cannot be written; `depth` is what is around it.
[[nodiscard]] inline auto is_writable(const nlohmann::json& value, unsigned depth, problem& wrong)
    -> bool {
    using kind = nlohmann::json::value_t;
    const auto text = [&wrong](std::string_view checked) {
        return is_utf8(checked) || wrong.say("the text is not UTF-8");
    };
    if (value.is_structured() && ++depth > max_depth) {
        return wrong.say("nested deeper than " + std::to_string(max_depth) + " levels");
    }
    switch (value.type()) {
    case kind::object:
        for (const auto& member : value.items()) {
            if (!text(member.key()) || !is_writable(member.value(), depth, wrong)) {
                wrong.inside(std::string_view(member.key()));
                return false;
            }
        }
        return true;
    case kind::array:
        for (std::size_t i = 0; i < value.size(); ++i) {
            if (!is_writable(value[i], depth, wrong)) {
                wrong.inside(i);
                return false;
            }
        }
        return true;
    case kind::string:
        return text(value.get_ref<const std::string&>());
    case kind::number_float:
        return std::isfinite(value.get<double>()) ||
               wrong.say("NaN and infinity have no form in JSON");
    case kind::binary:
    case kind::discarded:
        return wrong.say("bytes and discarded values have no form in JSON");
    default:
        return true;
    }
}

/// What users' functions throw, without nlohmann's number in front.
[[nodiscard]] inline auto explain(const std::exception& thrown) -> std::string {
    std::string_view text = thrown.what();
    if (const auto end = text.find("] "); text.starts_with("[json.exception") && end != text.npos) {
        text.remove_prefix(end + 2);
    }
    return text.empty() ? "the conversion failed" : std::string(text);
}

template <class T>
[[nodiscard]] auto to_free_form(const T& value, nlohmann::json& out, problem& wrong) -> bool {
    try {
        nlohmann::adl_serializer<T>::to_json(out, value);
        return true;
    } catch (const std::exception& thrown) {
        return wrong.say(explain(thrown));
    } catch (...) {
        return wrong.say("to_json threw something that is no std::exception");
    }
}

template <class T>
[[nodiscard]] auto from_free_form(const nlohmann::json& value, T& into, problem& wrong) -> bool {
    try {
        nlohmann::adl_serializer<T>::from_json(value, into);
        return true;
    } catch (const std::exception& thrown) {
        return wrong.say(explain(thrown));
    } catch (...) {
        return wrong.say("from_json threw something that is no std::exception");
    }
}

} // namespace cobus::detail::json
