#pragma once

#include "dead_letters.hpp"
#include "registration.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Which handlers want a message: asked once for each topic and type, then remembered. Home only.
class match_table {
public:
    using handlers = std::vector<registration*>;

    explicit match_table(std::string group) : group_(std::move(group)) {}

    void reset(const std::vector<std::shared_ptr<registration>>& all) {
        all_.clear();
        known_.clear();
        last_ = nullptr;
        for (const auto& each : all) {
            if (!each->closing) {
                all_.push_back(each.get());
            }
        }
    }

    /// Valid until the next call.
    [[nodiscard]] auto find(message& content) -> const handlers& {
        const handlers& all = of_type(content);
        if (content.headers().empty() || !content.headers().get(only_header)) {
            return all;
        }
        chosen_.clear();
        std::copy_if(
            all.begin(), all.end(), std::back_inserter(chosen_),
            [&](const registration* each) { return is_for(content, group_, each->name()); });
        return chosen_;
    }

private:
    static constexpr std::size_t most_known = 65536;

    using key = std::tuple<const std::string*, const contract_info*, std::string>;

    [[nodiscard]] auto of_type(message& content) -> const handlers& {
        if (content.type().empty()) {
            peek_type(content);
        }
        const std::string_view type = type_of(content);
        const std::string* topic = content.interned_topic();
        const contract_info* typed = content.contract();
        // The usual case: as the message before. Comparing addresses first spares comparing texts.
        const bool by_contract = typed != nullptr && typed->type.data() == type.data();
        if (last_ != nullptr && last_topic_ == topic && last_typed_ == typed &&
            last_type_.size() == type.size() &&
            ((by_contract && last_by_contract_) || last_type_ == type)) {
            return *last_;
        }
        if (known_.size() >= most_known) { // types come from outside: forget rather than grow
            known_.clear();
        }
        const auto [place, made] = known_.try_emplace(key(topic, typed, std::string(type)));
        if (made) {
            for (registration* each : all_) {
                if (each->wants(content)) {
                    place->second.push_back(each);
                }
            }
        }
        last_ = &place->second;
        last_topic_ = topic;
        last_typed_ = typed;
        last_by_contract_ = by_contract;
        last_type_ = std::get<2>(place->first);
        return *last_;
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
    handlers chosen_; ///< for one replay
    std::vector<registration*> all_;
    std::map<key, handlers> known_;
    const handlers* last_ = nullptr;
    const std::string* last_topic_ = nullptr;
    const contract_info* last_typed_ = nullptr;
    std::string_view last_type_;
    bool last_by_contract_ = false; ///< its type was the contract's own text
};

} // namespace cobus::detail
