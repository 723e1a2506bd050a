#pragma once

#include "../error.hpp"
#include "../publish_options.hpp"
#include "bus_core.hpp"
#include "encode_event.hpp"
#include "event_argument.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace cobus::detail {

/// A publish that is ready to be submitted.
class prepared {
public:
    prepared(std::shared_ptr<bus_core> core, message_ptr made) noexcept
        : content(std::move(made)), core_(std::move(core)) {}

    [[nodiscard]] auto core() const noexcept -> bus_core& { return *core_; }
    [[nodiscard]] auto shared_core() const noexcept -> const std::shared_ptr<bus_core>& {
        return core_;
    }
    /// The same, of one whose message was taken.
    [[nodiscard]] auto leave_core() noexcept -> std::shared_ptr<bus_core> {
        return std::move(core_);
    }
    /// A node for it, which the caller owns from now on. May throw `std::bad_alloc`.
    [[nodiscard]] auto take() -> publish_op& {
        publish_op& op = *core_->publishes().make();
        op.content = std::move(content);
        op.when_away = when_away;
        op.partition = partition;
        op.deadline = deadline;
        return op;
    }
    /// Hands it to the transport if that needs no node, because it neither waits nor fails.
    [[nodiscard]] auto submit_now(receipt& where) noexcept -> bool {
        return core_->publishes().submit_now(content, partition, where);
    }

    message_ptr content;
    policy when_away = policy::deliver;
    std::int32_t partition = -1;
    std::chrono::steady_clock::time_point deadline = (std::chrono::steady_clock::time_point::max)();

private:
    std::shared_ptr<bus_core> core_;
};

/// The text of a rule: a view where it points into the event or the program, else `copy(text)`.
template <class E, class Rule, class View, class Copy>
void say(const Rule& rule, const E& event, View view, Copy copy) {
    using said = decltype(rule_of(rule, event));
    using plain = std::remove_cvref_t<said>;
    if constexpr (is_optional<plain>) {
        if (const auto& maybe = rule_of(rule, event)) {
            std::string scratch;
            copy(view_of(*maybe, scratch));
        }
    } else if constexpr (textual<plain> && (std::is_lvalue_reference_v<said> ||
                                            std::is_same_v<plain, std::string_view>)) {
        view(std::string_view(rule_of(rule, event)));
    } else {
        std::string scratch;
        const plain value = rule_of(rule, event);
        copy(view_of(value, scratch));
    }
}

/// Fills a message from its event's contract.
template <class E> void describe(const E& event, prepared& made) {
    message& content = *made.content;
    bus_core& core = made.core();
    using rules = contract<E>;
    const route& known = core.routes().find(info_of<E>());
    made.when_away = known.when_away;
    const auto type_view = [&content](std::string_view text) { content.type_view(text); };
    const auto type_copy = [&content](std::string_view text) { content.type(text); };
    say(rules::type, event, type_view, type_copy);
    if constexpr (topic_is_text<E>) {
        content.topic(known.topic);
    } else {
        const auto set_topic = [&](std::string_view text) {
            if (!is_topic_name(text)) {
                throw error(errc::no_topic,
                            "the event's topic '" + std::string(text) + "' is no topic name");
            }
            content.topic(core.routes().topic(text));
        };
        say(rules::topic, event, set_topic, set_topic);
    }
    if constexpr (has_key<E>) {
        const auto key_view = [&content](std::string_view text) { content.key_view(text); };
        const auto key_copy = [&content](std::string_view text) { content.key(text); };
        say(rules::key, event, key_view, key_copy);
    }
    if constexpr (requires { rules::id; }) {
        const auto set_id = [&content](std::string_view text) {
            content.id(message_id::from_text(text));
        };
        say(rules::id, event, set_id, set_id);
    }
    if constexpr (requires { rules::time; }) {
        content.time(std::chrono::floor<std::chrono::milliseconds>(rule_of(rules::time, event)));
    }
    content.source_view(core.source());
}

inline void apply(const publish_options& said, prepared& made) {
    message& content = *made.content;
    if (said.key()) {
        content.key(*said.key());
    }
    for (const header& each : said.headers()) {
        each.value ? content.headers().add(each.name, *each.value)
                   : content.headers().add_null(each.name);
    }
    if (said.id()) {
        content.id(*said.id());
    }
    if (said.time()) {
        content.time(*said.time());
    }
    made.partition = said.partition();
    if (said.deadline()) {
        made.deadline = made.core().now() + *said.deadline();
    }
}

/// Gives what nobody said: the time and the id.
inline void complete(message& content, const transport_options& how) {
    const time_point now = how.wall();
    if (content.time() == time_point()) {
        content.time(now);
    }
    if (content.id().empty()) {
        content.id(message_id::make(now));
    }
}

// Each reads what it is given into a message of its own, and whatever throws, throws at the call.
// What nobody said is left open, for `complete`.

template <class E, class... Args>
[[nodiscard]] auto prepare_event(const std::shared_ptr<bus_core>& core, const publish_options* said,
                                 Args&&... args) -> prepared {
    prepared made(core, make_message());
    typed_box<E>* event = make_box<E>(std::forward<Args>(args)...);
    made.content->adopt(event);
    describe<E>(event->value, made);
    if (said != nullptr) {
        apply(*said, made);
    }
    return made;
}

/// The same, to be published: an event that goes to somebody outside now is written at once, and
/// neither copied nor kept. One that cannot be written is, so that its end says why.
template <class E, class... Args>
[[nodiscard]] auto prepare_publish(const std::shared_ptr<bus_core>& core,
                                   const publish_options* said, Args&&... args) -> prepared {
    constexpr bool given =
        sizeof...(Args) == 1 && (std::is_same_v<std::remove_cvref_t<Args>, E> && ...);
    if constexpr (lives_in_bytes<E> && given) {
        if (core->publishes().answers_later()) {
            const E& event = (args, ...);
            prepared made(core, make_message());
            describe<E>(event, made);
            if (said != nullptr) {
                apply(*said, made);
            }
            if (encode_event(event, *made.content)) {
                return made;
            }
        }
    }
    prepared made = prepare_event<E>(core, said, std::forward<Args>(args)...);
    if constexpr (lives_in_bytes<E> && !given) {
        if (core->publishes().answers_later()) {
            (void)encode_event(*made.content->template object<E>(), *made.content);
        }
    }
    return made;
}

/// For a message that the caller made.
[[nodiscard]] inline auto prepare_message(const std::shared_ptr<bus_core>& core,
                                          const publish_options* said, message content)
    -> prepared {
    if (!is_topic_name(content.topic())) {
        throw error(errc::no_topic,
                    "the message's topic '" + std::string(content.topic()) + "' is no topic name");
    }
    prepared made(core, make_message());
    *made.content = std::move(content);
    made.content->topic(core->routes().topic(made.content->topic()));
    made.when_away = core->options().when_away;
    if (said != nullptr) {
        apply(*said, made);
    }
    return made;
}

/// For what `publish` takes.
template <class E>
[[nodiscard]] auto read_event(const std::shared_ptr<bus_core>& core, const publish_options* said,
                              E&& event) -> prepared {
    if constexpr (std::is_same_v<std::remove_cvref_t<E>, message>) {
        static_assert(
            std::is_constructible_v<message, E>,
            "cobus: a message has one owner: publish(std::move(message)), and publish_all "
            "takes messages from a range of rvalues, such as one of move iterators");
        if constexpr (std::is_constructible_v<message, E>) {
            return prepare_message(core, said, std::forward<E>(event));
        }
    } else if constexpr (is_taken<std::remove_cvref_t<E>>) {
        using type = std::remove_cvref_t<decltype(event.get())>;
        return prepare_publish<type>(core, said, event.get());
    } else {
        return prepare_publish<std::remove_cvref_t<E>>(core, said, std::forward<E>(event));
    }
}

/// What is inside of what `publish` takes.
template <class E> struct event_of {
    using type = E;
};
template <class E> struct event_of<taken_event<E>> {
    using type = E;
};
template <class E>
inline constexpr bool may_go_directly =
    !through_outbox<typename event_of<std::remove_cvref_t<E>>::type>;

template <class E> consteval auto check_direct() -> bool {
    static_assert(may_go_directly<E>,
                  "cobus: this event's contract says that it is published through an outbox: use "
                  "outbox.add(connection, event)");
    return true;
}

/// An event, ready to be submitted.
template <class E, class... Args>
[[nodiscard]] auto prepare(const std::shared_ptr<bus_core>& core, const publish_options* said,
                           Args&&... args) -> prepared {
    static_assert(check_direct<E>());
    prepared made = prepare_publish<E>(core, said, std::forward<Args>(args)...);
    complete(*made.content, core->options());
    return made;
}

} // namespace cobus::detail
