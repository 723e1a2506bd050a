#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace cobus::detail {

/// A text that is nearly always empty, in the room of a pointer.
class rare_text {
public:
    rare_text() = default;
    auto operator=(std::string text) -> rare_text& {
        text_ = text.empty() ? nullptr : std::make_unique<std::string>(std::move(text));
        return *this;
    }

    operator const std::string&() const noexcept { // NOLINT: it is one
        static const std::string none;
        return text_ ? *text_ : none;
    }
    [[nodiscard]] auto empty() const noexcept -> bool { return text_ == nullptr; }
    void clear() noexcept { text_.reset(); }

    friend auto operator==(const rare_text& a, std::string_view b) noexcept -> bool {
        return std::string_view(static_cast<const std::string&>(a)) == b;
    }

private:
    std::unique_ptr<std::string> text_;
};

} // namespace cobus::detail
