#pragma once

#include <cobus/settings.hpp>

namespace cobus::test {

/// Settings that write no log, so that a test's output is its own.
inline auto quiet() -> settings {
    settings how;
    how.logger(cobus::logger());
    return how;
}

} // namespace cobus::test
