#pragma once

#include "letter.hpp"

#include <cobus/message.hpp>

#include <string>
#include <variant>

namespace dead_letters {

/// The message to send again, or why there is none.
using replay = std::variant<cobus::message, std::string>;

/// Makes the message that failed from its letter: same bytes, key and headers, without what cobus
/// added, but with where it comes from. It goes to the group and handler that failed alone, or to
/// `everyone`. `original` is what lies where a letter without payload points to.
[[nodiscard]] auto make_replay(const letter& from, const letter* original, bool everyone) -> replay;

} // namespace dead_letters
