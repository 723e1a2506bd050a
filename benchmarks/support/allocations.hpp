#pragma once

#include <cstddef>

namespace bench {

/// How often `operator new` was called, on all threads together.
[[nodiscard]] auto allocations() noexcept -> std::size_t;

} // namespace bench
