#pragma once

#include "../../log.hpp"
#include "spool_desk.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Gives a spool's file what it is to know, a batch at a time, and tells publishers what came of
/// it. With `spool_synchronous::at_stop` that is everything, when the bus stops. Of the home.
class spool_filing {
public:
    using clock = std::chrono::steady_clock;

    explicit spool_filing(spool_desk& desk) noexcept : desk_(desk) {}

    void run(clock::time_point now) noexcept try {
        std::vector<publish_node*> told;
        std::optional<degrade::spool_writer::result> done; // destroyed without the lock
        {
            const std::lock_guard lock(desk_.guard);
            if (!desk_.writer.active()) {
                return;
            }
            if (done = desk_.writer.collect(now); done) {
                told.reserve(done->put.size());
                for (const auto& each : done->put) {
                    if (publish_node* outer = desk_.stored(each)) {
                        told.push_back(outer);
                    }
                }
                desk_.file_why = done->ec ? std::move(done->problem) : std::string();
            }
            save();
            for (const auto& [sequence, handler] : desk_.notes.take()) {
                desk_.writer.settled(sequence, desk_.options.group_id, handler);
            }
            desk_.writer.kick(now);
        }
        for (publish_node* each : told) {
            each->completed(*each);
        }
        if (done) {
            tell(done->ec);
        }
    } catch (...) { // no memory: at the next run
    }

private:
    using kept = degrade::kept;
    static constexpr std::size_t batch = 4096; // of what is saved, which takes memory once more

    struct entry {
        kept* item;
        std::uint64_t sequence; ///< the item may be another event's by now
    };

    /// The bus stops, and what is kept goes to the file now.
    void save() {
        if (!desk_.options.spool.at_stop || !desk_.stop_at || desk_.saved) {
            return;
        }
        if (!listed_) {
            desk_.spool.each_row([this](kept& item) {
                if (!item.put && item.outer == nullptr) {
                    unsaved_.push_back({&item, item.sequence});
                }
            });
            listed_ = true;
        }
        while (next_ < unsaved_.size() && desk_.writer.gathered() < batch) {
            const entry each = unsaved_[next_];
            if (each.item->sequence == each.sequence && !each.item->put &&
                each.item->where_now != degrade::kept_at::nowhere) {
                desk_.store(*each.item);
            }
            ++next_;
        }
        desk_.saved = next_ == unsaved_.size();
    }
    /// A line for each change.
    void tell(std::error_code ec) {
        if (std::exchange(trouble_, ec) == ec) {
            return;
        }
        ec ? write_log(desk_.options.log, log_level::error,
                       "the spool's file takes nothing: " + why())
           : write_log(desk_.options.log, log_level::info, "the spool's file takes events again");
    }
    [[nodiscard]] auto why() -> std::string {
        const std::lock_guard lock(desk_.guard);
        return desk_.file_why;
    }

    spool_desk& desk_;
    std::error_code trouble_;
    std::vector<entry> unsaved_;
    std::size_t next_ = 0; ///< of these
    bool listed_ = false;
};

} // namespace cobus::detail
