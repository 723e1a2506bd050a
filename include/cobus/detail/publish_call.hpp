#pragma once

#include "../dispatch/context.hpp"
#include "../dispatch/derived_id.hpp"
#include "../dispatch/handler_of.hpp"
#include "handlers.hpp"
#include "submit.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cobus {
namespace detail {

/// Refuses an argument that GCC 12 would destroy twice, where `Result` is to be awaited.
template <class Result, class... Arguments> consteval auto safe_where_awaited() -> bool {
    if constexpr (is_awaitable<Result>) {
        static_assert(safe_to_await<Arguments...>());
    }
    return true;
}

/// Submits it as the completion token says.
template <class Argument, class Token> auto submit_as(prepared what, Token& token) {
    if constexpr (is_use_awaitable<std::remove_cvref_t<Token>>) {
        static_assert(safe_to_await<Argument>());
        return await_publish(std::move(what));
    } else {
        using returned = decltype(net::async_initiate<Token, void(std::error_code, receipt)>(
            std::declval<initiate_publish>(), token));
        static_assert(safe_where_awaited<returned, Argument>());
        return net::async_initiate<Token, void(std::error_code, receipt)>(
            initiate_publish(std::move(what)), token);
    }
}

/// What a handler publishes says where it comes from: by its id, and by the input's trace.
inline void inherit(const context& from, message& content) {
    if (content.id().empty()) {
        content.id(from.next_id(content.type()));
    }
    const auto trace = from.content().headers().get("traceparent");
    if (trace && !content.headers().get("traceparent")) {
        content.headers().set("traceparent", *trace);
        if (const auto state = from.content().headers().get("tracestate")) {
            content.headers().set("tracestate", *state);
        }
    }
}

template <class E>
[[nodiscard]] auto prepare_within(const context& from, const publish_options* said, E&& event)
    -> prepared {
    static_assert(check_direct<E>());
    const auto core = std::static_pointer_cast<bus_core>(from.host().keep());
    prepared made = read_event(core, said, std::forward<E>(event));
    inherit(from, *made.content);
    complete(*made.content, core->options());
    return made;
}

template <class E>
auto publish_within(const context& from, const publish_options* said, E&& event)
    -> net::awaitable<receipt> {
    return await_publish(prepare_within(from, said, std::forward<E>(event)));
}
template <class E, class Token>
auto submit_within(const context& from, const publish_options* said, E&& event, Token& token) {
    return submit_as<E, Token>(prepare_within(from, said, std::forward<E>(event)), token);
}

} // namespace detail

inline auto context::group() const noexcept -> const std::string& {
    return static_cast<const detail::bus_core&>(host()).options().group_id;
}
inline auto context::next_id(std::string_view type) const -> message_id {
    const std::string id = identity();
    const detail::published_by why{content().source(), id, group(), handler()};
    return detail::derive_id(why, type, (*published_)++);
}

} // namespace cobus
