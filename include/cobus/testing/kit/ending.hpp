#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace cobus::testing::detail {

/// How a coroutine ended, shared with it: it may go on after nobody waits for it any more.
template <class T> struct ending {
    [[nodiscard]] auto take() -> T {
        if (thrown) {
            std::rethrow_exception(thrown);
        }
        return std::move(*value);
    }
    bool over = false;
    std::exception_ptr thrown;
    std::optional<T> value;
};
template <> struct ending<void> {
    void take() const {
        if (thrown) {
            std::rethrow_exception(thrown);
        }
    }
    bool over = false;
    std::exception_ptr thrown;
};

/// The completion handler of such a coroutine.
template <class T> class note_ending {
public:
    explicit note_ending(std::shared_ptr<ending<T>> into) noexcept : into_(std::move(into)) {}
    template <class... Value>
    void operator()(std::exception_ptr thrown, Value... value) const {
        into_->over = true;
        into_->thrown = std::move(thrown);
        if constexpr (sizeof...(Value) == 1) {
            (into_->value.emplace(std::move(value)), ...);
        }
    }

private:
    std::shared_ptr<ending<T>> into_;
};

} // namespace cobus::testing::detail
