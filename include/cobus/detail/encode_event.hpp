#pragma once

#include "../message.hpp"

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

namespace cobus::detail {

/// A thread's text to write into, whose room is used again. It may be used after the thread's other
/// objects are gone, and by an encoder that publishes.
class spare_text {
public:
    spare_text() {
        if (!over) {
            text_ = std::move(mine().text);
            text_.clear();
        }
    }
    spare_text(const spare_text&) = delete;
    auto operator=(const spare_text&) -> spare_text& = delete;
    ~spare_text() {
        if (!over && text_.capacity() <= most) {
            mine().text = std::move(text_);
        }
    }

    [[nodiscard]] auto get() noexcept -> std::string& { return text_; }

private:
    static constexpr std::size_t most = 65'536;

    struct kept {
        std::string text;
        kept() = default;
        kept(const kept&) = delete;
        auto operator=(const kept&) -> kept& = delete;
        ~kept() { over = true; }
    };
    [[nodiscard]] static auto mine() noexcept -> kept& {
        static thread_local kept instance;
        return instance;
    }

    inline static constinit thread_local bool over = false;

    std::string text_;
};

/// Whether handlers of this process can have the event from its bytes, too.
template <class E>
inline constexpr bool lives_in_bytes = has_codec<E> && std::is_default_constructible_v<E>;

/// Gives the message the event's bytes and no event. False: it could not be encoded, and nothing
/// happened.
template <class E>
[[nodiscard]] auto encode_event(const E& event, message& into) noexcept -> bool {
    try {
        spare_text out;
        if (!contract<E>::codec::encode(event, out.get()).ok()) {
            return false;
        }
        into.encoded(out.get(), info_of<E>());
        return true;
    } catch (...) { // whoever encodes it once more says what it is
        return false;
    }
}

} // namespace cobus::detail
