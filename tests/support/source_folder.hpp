#pragma once

#include <cstdlib>
#include <filesystem>

namespace cobus::test {

/// The folder `tests/` of the sources. ctest says where; started by hand, the compiler did, unless
/// it was told to write relative paths.
[[nodiscard]] inline auto source_folder() -> std::filesystem::path {
    if (const char* const said = std::getenv("COBUS_TESTS")) {
        return said;
    }
    return std::filesystem::path(__FILE__).parent_path().parent_path();
}

} // namespace cobus::test
