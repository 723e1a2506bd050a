#pragma once

#include "../../degrade/stand_in.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace cobus::testing::detail {

/// The publishes that a transport passes on to another one: each goes on in a node of its own, so
/// that its end is seen before whoever published hears of it. Thread safety: all calls from any
/// thread.
class relays {
public:
    /// Told of each end, when `outer.where` and `outer.ec` are set; `tag` is what `send` was given.
    using listener = std::function<void(publish_node& outer, std::size_t tag)>;

    explicit relays(listener ended) : ended_(std::move(ended)) {}
    relays(const relays&) = delete;
    auto operator=(const relays&) -> relays& = delete;

    [[nodiscard]] auto send(transport& inner, publish_node& outer, bool may_wait, std::size_t tag)
        -> taken {
        const auto passed = std::make_shared<relay>(*this, outer, tag);
        {
            const std::lock_guard lock(guard_);
            under_way_[&outer] = passed;
        }
        const taken how = inner.publish(*passed, may_wait);
        if (how == taken::pending) {
            return how;
        }
        forget(outer);
        (void)passed->hand_back();
        if (how == taken::done) {
            ended_(outer, tag);
        }
        return how;
    }
    /// The tag of what was withdrawn.
    [[nodiscard]] auto withdraw(transport& inner, publish_node& outer)
        -> std::optional<std::size_t> {
        std::shared_ptr<relay> passed; // kept: it may end at this moment
        {
            const std::lock_guard lock(guard_);
            const auto found = under_way_.find(&outer);
            if (found == under_way_.end()) {
                return std::nullopt;
            }
            passed = found->second;
        }
        if (!inner.withdraw(*passed)) {
            return std::nullopt;
        }
        forget(outer);
        (void)passed->let_go();
        return passed->tag;
    }
    [[nodiscard]] auto under_way() const -> std::size_t {
        const std::lock_guard lock(guard_);
        return under_way_.size();
    }

private:
    struct relay final : degrade::stand_in {
        relay(relays& owner, publish_node& for_whom, std::size_t said) : whole(&owner), tag(said) {
            stand_for(for_whom);
            completed = [](publish_node& node) noexcept {
                auto& self = static_cast<relay&>(node);
                self.whole->over(self);
            };
            answered = [](publish_node& node, early_answer&& what) noexcept {
                auto& self = static_cast<relay&>(node);
                return self.whole->over_early(self, std::move(what));
            };
        }

        relays* whole;
        std::size_t tag;
    };

    void over(relay& ended) noexcept {
        if (ended.outer == nullptr) {
            const std::lock_guard lock(guard_);
            std::erase_if(answered_, [&ended](const auto& each) { return each.get() == &ended; });
            return;
        }
        const std::shared_ptr<relay> kept = forget(*ended.outer);
        publish_node& outer = ended.hand_back();
        ended_(outer, ended.tag);
        outer.completed(outer);
    }
    /// The inner transport still has the relay, and whoever published hears now.
    auto over_early(relay& passed, early_answer&& what) noexcept -> bool try {
        {
            const std::lock_guard lock(guard_);
            answered_.push_back(under_way_.at(passed.outer));
            under_way_.erase(passed.outer);
        }
        publish_node& outer = passed.let_go();
        outer.ec = what.ec;
        outer.where = std::move(what.where);
        ended_(outer, passed.tag);
        outer.completed(outer);
        return true;
    } catch (...) { // no memory
        return false;
    }
    auto forget(const publish_node& outer) noexcept -> std::shared_ptr<relay> {
        const std::lock_guard lock(guard_);
        const auto found = under_way_.find(&outer);
        if (found == under_way_.end()) {
            return nullptr;
        }
        std::shared_ptr<relay> kept = std::move(found->second);
        under_way_.erase(found);
        return kept;
    }

    listener ended_;
    mutable std::mutex guard_;
    std::map<const publish_node*, std::shared_ptr<relay>> under_way_;
    std::vector<std::shared_ptr<relay>> answered_; ///< which the inner transport still has
};

} // namespace cobus::testing::detail
