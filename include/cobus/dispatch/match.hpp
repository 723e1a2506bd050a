#pragma once

#include "../degrade/mark.hpp"
#include "dead_letters.hpp"
#include "registration.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Which handlers want a message: asked once for each topic and type, then remembered. Home only.
class match_table {
public:
    using handlers = std::vector<registration*>;

    explicit match_table(std::string group, bool honour_marks = true)
        : group_(std::move(group)), honours_marks_(honour_marks) {}

    void reset(const std::vector<std::shared_ptr<registration>>& all) {
        all_.clear();
        known_.clear();
        last_ = nullptr;
        last_by_contract_ = false;
        for (const auto& each : all) {
            if (!each->closing) {
                all_.push_back(each.get());
            }
        }
    }

    [[nodiscard]] auto reads(const std::string* topic) const -> bool {
        return std::ranges::any_of(all_, [topic](const registration* each) {
            return std::ranges::find(each->topics(), topic) != each->topics().end();
        });
    }
    /// The handler of that name that reads the topic, or null.
    [[nodiscard]] auto named(std::string_view name, const std::string* topic) const
        -> registration* {
        const auto found = std::ranges::find_if(all_, [&](const registration* each) {
            return each->name() == name &&
                   std::ranges::find(each->topics(), topic) != each->topics().end();
        });
        return found != all_.end() ? *found : nullptr;
    }
    /// Messages of types that nobody takes. From any thread.
    [[nodiscard]] auto unknown_types() const noexcept -> std::uint64_t {
        return unknown_types_.load(std::memory_order_relaxed);
    }
    /// Counts a message that no handler gets, if that is for its type: others are marked as done,
    /// or are for others.
    void pass_by(message& content) {
        if (!content.is_null() && of_type(content).empty()) {
            unknown_types_.fetch_add(1, std::memory_order_relaxed);
        }
    }
    /// Valid until the next call.
    [[nodiscard]] auto find(message& content, const dispatch_host& host) -> const handlers& {
        const handlers& all = of_type(content);
        return content.headers().empty() ? all : chosen(all, content, host);
    }
    /// Whether `find` would say the same as for the message before, and that was asked by its
    /// contract.
    [[nodiscard]] auto as_before(const message& content) const noexcept -> bool {
        return content.headers().empty() && same_type(content, content.contract());
    }

private:
    static constexpr std::size_t most_known = 65536;

    template <class Text> struct basic_key {
        const std::string* topic;
        const contract_info* typed;
        Text type;
    };
    using key = basic_key<std::string>;
    using key_view = basic_key<std::string_view>;
    struct hash {
        using is_transparent = void;
        /// Not noexcept: libstdc++ then keeps the hashes, instead of making those that it passes.
        template <class Text> auto operator()(const basic_key<Text>& of) const -> std::size_t {
            constexpr std::size_t spread = 31;
            return (std::hash<std::string_view>()(of.type) * spread +
                    std::hash<const void*>()(of.topic)) *
                       spread +
                   std::hash<const void*>()(of.typed);
        }
    };
    struct same {
        using is_transparent = void;
        template <class A, class B>
        auto operator()(const basic_key<A>& a, const basic_key<B>& b) const noexcept -> bool {
            return a.topic == b.topic && a.typed == b.typed && a.type == b.type;
        }
    };

    using table = std::unordered_map<key, handlers, hash, same>;

    /// Replays are for one of them, and what comes back after an outage not for those that did it.
    [[nodiscard]] auto chosen(const handlers& all, const message& content,
                              const dispatch_host& host) -> const handlers& {
        const auto done = honours_marks_ ? content.headers().get(degrade::mark_header)
                                         : std::optional<std::string_view>();
        if (!done && !content.headers().get(only_header)) {
            return all; // NOLINT(bugprone-return-const-ref-from-parameter): the table's own
        }
        const degrade::mark_reader mark(done.value_or(std::string_view()));
        const bool counts = mark.counts(host.wall());
        chosen_.clear();
        std::copy_if(all.begin(), all.end(), std::back_inserter(chosen_),
                     [&](const registration* each) {
                         return is_for(content, group_, each->name()) &&
                                !(counts && mark.names(group_, each->name()));
                     });
        return chosen_;
    }
    /// The usual case: as the message before. Comparing addresses spares comparing texts.
    [[nodiscard]] auto same_type(const message& content, const contract_info* typed) const noexcept
        -> bool {
        return typed != nullptr && typed == last_typed_ && last_by_contract_ &&
               content.type().data() == typed->type.data() &&
               content.type().size() == typed->type.size() &&
               content.interned_topic() == last_topic_;
    }
    [[nodiscard]] auto of_type(message& content) -> const handlers& {
        const contract_info* typed = content.contract();
        return same_type(content, typed) ? *last_ : look_up(content, typed);
    }
    [[nodiscard]] auto look_up(message& content, const contract_info* typed) -> const handlers& {
        if (content.type().empty()) {
            peek_type(content);
        }
        const std::string_view type = type_of(content);
        const std::string* topic = content.interned_topic();
        if (last_ != nullptr && last_topic_ == topic && last_typed_ == typed &&
            last_type_ == type) {
            return *last_;
        }
        auto place = known_.find(key_view{topic, typed, type});
        if (place == known_.end()) {
            place = ask(key{topic, typed, std::string(type)}, content);
        }
        last_ = &place->second;
        last_topic_ = topic;
        last_typed_ = typed;
        last_by_contract_ = typed != nullptr && !type.empty() &&
                            typed->type.data() == type.data() && typed->type.size() == type.size();
        last_type_ = place->first.type;
        return *last_;
    }
    [[nodiscard]] auto ask(key what, const message& content) -> table::iterator {
        handlers wanting;
        for (registration* each : all_) {
            if (each->wants(content)) {
                wanting.push_back(each);
            }
        }
        if (wanting.empty() && !content.is_null()) {
            if (registration* strict = strictest(content)) {
                wanting.push_back(strict); // it refuses what it does not take
            }
        }
        if (known_.size() >= most_known) { // types come from outside: forget rather than grow
            known_.clear();
        }
        return known_.try_emplace(std::move(what), std::move(wanting)).first;
    }

    /// Who of the topic's handlers does not let unknown types pass; null when all do.
    [[nodiscard]] auto strictest(const message& content) const -> registration* {
        registration* found = nullptr;
        for (registration* each : all_) {
            const unknown_type what = each->options().unknown();
            const bool reads = std::find(each->topics().begin(), each->topics().end(),
                                         content.interned_topic()) != each->topics().end();
            const unknown_type so_far =
                found != nullptr ? found->options().unknown() : unknown_type::skip;
            found = reads && what > so_far ? each : found;
        }
        return found;
    }

    /// The type, or words that no type consists of: what is null or broken goes ways of its own.
    [[nodiscard]] static auto type_of(const message& content) noexcept -> std::string_view {
        if (!content.type().empty()) {
            return content.type();
        }
        constexpr std::string_view broken("\0broken", 7);
        constexpr std::string_view null("\0null", 5);
        return !content.envelope().empty() ? broken : content.is_null() ? null : std::string_view();
    }

    /// In plain mode the type stands in the body; the contracts of the topic say where.
    void peek_type(message& content) const {
        for (const registration* each : all_) {
            const contract_info* info = each->info();
            if (info == nullptr || info->peek_type == nullptr || each->how().type_field().empty() ||
                std::find(each->topics().begin(), each->topics().end(), content.interned_topic()) ==
                    each->topics().end()) {
                continue;
            }
            if (auto type = info->peek_type(content.payload(), each->how().type_field())) {
                content.type(*type);
                return;
            }
        }
    }

    std::string group_;
    bool honours_marks_;
    std::atomic<std::uint64_t> unknown_types_{0};
    handlers chosen_; ///< for one replay
    std::vector<registration*> all_;
    table known_;
    const handlers* last_ = nullptr;
    const std::string* last_topic_ = nullptr;
    const contract_info* last_typed_ = nullptr;
    std::string_view last_type_;
    bool last_by_contract_ = false; ///< its type was the contract's own text
};

} // namespace cobus::detail
