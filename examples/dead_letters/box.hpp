#pragma once

#include "letter.hpp"
#include "reader.hpp"

#include <cobus/message.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace dead_letters {

/// The header of a marker: a message in a dead letter topic which says that an earlier letter of
/// the same topic, "partition/offset", was replayed or discarded. So the state of a dead letter
/// topic stands in the topic itself, whoever works on it.
inline constexpr std::string_view settled_header = "cobus-dlq-settled";

/// The letters of a topic that are not settled, oldest first. With `payloads` off theirs are
/// forgotten, so that large topics can be listed.
[[nodiscard]] auto open_letters(reader& from, const std::string& topic, const filter& wanted,
                                bool payloads) -> std::vector<letter>;

/// Says that a letter is settled; `how` is "replayed" or "discarded".
[[nodiscard]] auto make_marker(const letter& of, std::string_view how) -> cobus::message;

} // namespace dead_letters
