#pragma once

#include "../error.hpp"
#include "kit/log.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::testing {

namespace detail {

/// Whether a message carries an event of that type: it was published as one, or says so.
template <class E> [[nodiscard]] auto carries(const message& content) -> bool {
    const cobus::detail::contract_info& info = cobus::detail::info_of<E>();
    if (const auto* typed = content.contract()) {
        return typed == &info;
    }
    if constexpr (cobus::detail::type_is_text<E>) {
        return content.type() == info.type;
    } else if constexpr (requires { contract<E>::types; }) {
        const auto& known = contract<E>::types;
        return std::find(std::begin(known), std::end(known), content.type()) != std::end(known);
    } else {
        return info.topic.empty() || content.topic() == info.topic;
    }
}

/// The event in a message that `carries` it. Errors: throws `error` when it does not decode.
template <class E> [[nodiscard]] auto event_in(message& content) -> const E& {
    const codec_result made = content.ensure_object(cobus::detail::info_of<E>());
    if (!made.ok()) {
        throw error(errc::not_decodable, std::string(content.type()) + ": " + made.problem());
    }
    return *content.object<E>();
}

} // namespace detail

/// An event that was published: `event->field`, `*event`, and what else is known of it. Valid as
/// long as the fixture.
template <class E> class published_event {
public:
    explicit published_event(const detail::published_record& from) noexcept : from_(&from) {}

    [[nodiscard]] auto operator*() const -> const E& {
        return detail::event_in<E>(*from_->content);
    }
    [[nodiscard]] auto operator->() const -> const E* { return &**this; }
    [[nodiscard]] auto content() const noexcept -> const message& { return *from_->content; }
    [[nodiscard]] auto where() const noexcept -> const receipt& { return from_->where; }
    /// Why it was not sent.
    [[nodiscard]] auto error() const noexcept -> std::error_code { return from_->ec; }
    /// When that was known.
    [[nodiscard]] auto at() const noexcept -> time_point { return from_->at; }

private:
    const detail::published_record* from_;
};

/// What became of an event at one handler. Valid as long as the fixture.
template <class E> class handling {
public:
    explicit handling(const detail::handling_record& from) noexcept : from_(&from) {}

    [[nodiscard]] auto operator*() const -> const E& {
        return detail::event_in<E>(*from_->content);
    }
    [[nodiscard]] auto operator->() const -> const E* { return &**this; }
    [[nodiscard]] auto handler() const noexcept -> const std::string& { return from_->handler; }
    [[nodiscard]] auto state() const noexcept -> handling_state { return from_->now; }
    [[nodiscard]] auto attempts() const noexcept -> std::size_t { return from_->runs.size(); }
    [[nodiscard]] auto runs() const noexcept -> const std::vector<handler_run>& {
        return from_->runs;
    }
    /// Of the last run: when it ended.
    [[nodiscard]] auto at() const noexcept -> time_point {
        return from_->runs.empty() ? time_point() : from_->runs.back().at;
    }

private:
    const detail::handling_record* from_;
};

/// A message that a handler gave up on. Valid as long as the fixture.
class dead_letter {
public:
    dead_letter(const message& letter, message* original) : letter_(&letter), original_(original) {}

    /// Where the failed message was published to.
    [[nodiscard]] auto topic() const -> std::string_view { return said("cobus-dlq-topic"); }
    [[nodiscard]] auto group() const -> std::string_view { return said("cobus-dlq-group"); }
    [[nodiscard]] auto handler() const -> std::string_view { return said("cobus-dlq-handler"); }
    [[nodiscard]] auto reason() const -> std::string_view { return said("cobus-dlq-reason"); }
    [[nodiscard]] auto attempts() const -> unsigned {
        const std::string_view text = said("cobus-dlq-attempts");
        unsigned value = 0;
        std::from_chars(text.data(), text.data() + text.size(), value);
        return value;
    }
    /// The letter itself, with all its headers.
    [[nodiscard]] auto content() const noexcept -> const message& { return *letter_; }
    /// Whether an event of that type failed.
    template <class E> [[nodiscard]] auto is() const -> bool {
        return original_ != nullptr && detail::carries<E>(*original_);
    }
    /// The event that failed. Errors: throws `error` when it is of another type, or unreadable.
    template <class E> [[nodiscard]] auto event() const -> const E& {
        if (!is<E>()) {
            throw error(errc::not_decodable,
                        "the dead letter is of another event: " + std::string(letter_->type()));
        }
        return detail::event_in<E>(*original_);
    }

private:
    [[nodiscard]] auto said(std::string_view name) const -> std::string_view {
        return letter_->headers().get(name).value_or(std::string_view());
    }

    const message* letter_;
    message* original_;
};

} // namespace cobus::testing
