#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus {

/// One header of a message. Kafka tells an empty value from none at all, and so does this.
struct header {
    std::string name;
    std::optional<std::string> value;

    friend auto operator==(const header&, const header&) -> bool = default;
};

/// The headers of a message: ordered, names may repeat, values are bytes. Not safe to change from
/// two threads at once.
class headers {
public:
    using const_iterator = std::vector<header>::const_iterator;

    void add(std::string_view name, std::string_view value) {
        items_.push_back(header{std::string(name), std::string(value)});
    }
    void add_null(std::string_view name) {
        items_.push_back(header{std::string(name), std::nullopt});
    }

    /// Replaces all headers of that name by one.
    void set(std::string_view name, std::string_view value) {
        erase(name);
        add(name, value);
    }
    void erase(std::string_view name) {
        std::erase_if(items_, [name](const header& each) { return each.name == name; });
    }

    /// The value of the last header of that name, as Kafka's clients read them; a null value counts
    /// as absent.
    [[nodiscard]] auto get(std::string_view name) const noexcept
        -> std::optional<std::string_view> {
        for (auto each = items_.rbegin(); each != items_.rend(); ++each) {
            if (each->name == name) {
                return each->value ? std::optional<std::string_view>(*each->value) : std::nullopt;
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] auto begin() const noexcept -> const_iterator { return items_.begin(); }
    [[nodiscard]] auto end() const noexcept -> const_iterator { return items_.end(); }
    [[nodiscard]] auto size() const noexcept -> std::size_t { return items_.size(); }
    [[nodiscard]] auto empty() const noexcept -> bool { return items_.empty(); }

    friend auto operator==(const headers&, const headers&) -> bool = default;

private:
    std::vector<header> items_;
};

} // namespace cobus
