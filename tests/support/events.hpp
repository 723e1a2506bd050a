#pragma once

#include <cobus/contract.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace cobus::test {

/// An event that never leaves the process.
struct tick {
    std::string key;
    std::uint64_t number = 0;
};

/// Another type on the same topic.
struct tock {
    std::string key;
    std::uint64_t number = 0;
};

} // namespace cobus::test

template <> struct cobus::contract<cobus::test::tick> {
    static constexpr std::string_view type = "tick", topic = "clock";
    static constexpr auto key = &cobus::test::tick::key;
};
template <> struct cobus::contract<cobus::test::tock> {
    static constexpr std::string_view type = "tock", topic = "clock";
    static constexpr auto key = &cobus::test::tock::key;
};
