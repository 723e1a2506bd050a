#pragma once

#include "letter.hpp"

#include <cobus/message.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dead_letters {

/// A file that `settings::park_dead_letters` names.
struct parked_file {
    std::vector<letter> letters;
    std::vector<std::size_t> broken; ///< numbers of lines that are no letters, from 1
};

/// Throws `std::runtime_error` when it cannot be read.
[[nodiscard]] auto read_parked(const std::string& name) -> parked_file;

/// False when the line is none.
[[nodiscard]] auto read_parked_line(std::string_view line, letter& into) -> bool;

/// What tells one letter from another, wherever it lies: who gave up on what, and when.
[[nodiscard]] auto identity(const letter& of) -> std::string;

/// The message to send to its dead letter topic.
[[nodiscard]] auto make_letter(const letter& from) -> cobus::message;

} // namespace dead_letters
