#pragma once

#include <stdexcept>

namespace cobus::testing {

/// What a test expected and did not get, in words; test frameworks show it.
class failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace cobus::testing
