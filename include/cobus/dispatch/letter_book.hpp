#pragma once

#include "../state.hpp"
#include "trouble_book.hpp"

#include <mutex>

namespace cobus::detail {

/// What became of a bus's dead letters. The home writes, any thread reads.
class letter_book : public trouble_book<dead_letter_health> {
public:
    void written() {
        const std::lock_guard lock(guard_);
        ++told_.written;
    }
    void parked() {
        const std::lock_guard lock(guard_);
        ++told_.parked;
    }
};

} // namespace cobus::detail
