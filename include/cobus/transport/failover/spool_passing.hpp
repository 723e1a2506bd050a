#pragma once

#include "../transport.hpp"
#include "spool_desk.hpp"

#include <mutex>
#include <utility>

namespace cobus::detail {

/// What only passes through while Kafka answers: its client gets the publisher's own node, so that
/// an event costs no other memory. The node comes by here before its publisher hears of it. What
/// cannot wait for the client any longer becomes a row: its publisher is answered at once, the row
/// speaks for the event, and the client has the node until it is through with it.
class spool_passing {
public:
    using kept = degrade::kept;

    explicit spool_passing(spool_desk& desk) noexcept : desk_(desk) {}

    // Under the lock.

    /// It goes to Kafka's client. May throw `std::bad_alloc`, and has done nothing then.
    void begin(publish_node& node) {
        node.passed.by = &desk_.marks.at(node.content->interned_topic());
        node.passed.completed = std::exchange(node.completed, &client_completed);
        desk_.spool.pass(node);
    }
    /// Kafka's client will be long, or for ever: its publisher is answered, or hears when the file
    /// has it. May throw `std::bad_alloc`; then its publisher waits for Kafka.
    void keep(publish_node& node) {
        kept& item = desk_.to_row(node);
        desk_.stores() ? desk_.store(item) : desk_.answer_lent(item);
    }

    // Without it.

    /// Kafka's client has it, and its publisher waits for that.
    [[nodiscard]] auto has(publish_node& node) const noexcept -> bool {
        const std::lock_guard lock(desk_.guard);
        const kept* const row = degrade::spool::holder(node);
        return degrade::spool::passes(node) ||
               (row != nullptr && row->lent == &node && row->outer == &node && !row->put);
    }
    /// What is to be done with a node that the client does not have any more.
    enum class next : unsigned char {
        tell,    ///< its publisher waits, and hears what the node says
        release, ///< its publisher was answered, and gets the node back
        wait,    ///< its publisher waits for the file
    };

    /// Kafka's client is through with it: `at_once`, when it would not have it.
    [[nodiscard]] auto ended(publish_node& node, bool at_once) noexcept -> next {
        kept* item = nullptr;
        bool answered = false;
        {
            const std::lock_guard lock(desk_.guard);
            if (item = row_of(node); item == nullptr) {
                if (!node.ec) {
                    desk_.acknowledged(node, its_marks(node));
                }
                if (node.ec || desk_.doors.any()) {
                    desk_.runtime.wake();
                }
                end(node);
                return next::tell;
            }
            end_loan(*item);
            answered = item->outer == nullptr;
        }
        if (desk_.settle(*item, at_once) != nullptr) {
            return next::tell;
        }
        return answered ? next::release : next::wait;
    }
    /// The client never had it, and does not get it now.
    [[nodiscard]] auto not_taken(publish_node& node) noexcept -> next {
        const std::lock_guard lock(desk_.guard);
        if (degrade::spool::passes(node)) {
            end(node);
            return next::tell;
        }
        kept& item = *degrade::spool::holder(node);
        end_loan(item);
        item.given = false;
        desk_.runtime.wake();
        if (item.outer != nullptr && !item.put) {
            (void)desk_.spool.give_back(item);
            return next::tell;
        }
        desk_.spool.back(item);
        if (item.outer != nullptr && item.stored) {
            (void)desk_.answer(item);
        }
        return item.outer == nullptr ? next::release : next::wait;
    }

private:
    [[nodiscard]] static auto its_marks(const publish_node& node) noexcept
        -> degrade::topic_marks::entry& {
        return *static_cast<degrade::topic_marks::entry*>(node.passed.by);
    }
    static void client_completed(publish_node& node) noexcept {
        spool_passing self(*static_cast<spool_desk*>(its_marks(node).owner));
        if (self.ended(node, false) != next::wait) {
            node.completed(node); // the publisher's
        }
    }
    /// The row that it is, or becomes now; null for what is over without one.
    [[nodiscard]] auto row_of(publish_node& node) noexcept -> kept* {
        if (!degrade::spool::passes(node)) {
            return degrade::spool::holder(node);
        }
        try {
            return desk_.goes_back(node, true) ? &desk_.to_row(node) : nullptr;
        } catch (...) { // no memory: its publisher hears of it
            return nullptr;
        }
    }
    /// It is its publisher's again, and was never a row.
    void end(publish_node& node) noexcept {
        desk_.spool.passed(node);
        node.completed = node.passed.completed;
        free(node);
    }
    static void end_loan(kept& item) noexcept {
        publish_node& node = *item.lent;
        item.end_loan();
        node.completed = node.passed.completed;
        free(node);
    }
    /// Its partition is what its publisher asked for.
    static void free(publish_node& node) noexcept {
        if (std::exchange(node.moved, false)) {
            node.partition = -1;
        }
    }

    spool_desk& desk_;
};

} // namespace cobus::detail
