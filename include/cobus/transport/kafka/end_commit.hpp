#pragma once

#include "../transport.hpp"
#include "assignment.hpp"
#include "handle.hpp"

#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// Commits positions behind what lies at the ends of partitions and is no message, once everything
/// before it was handled; one commit at a time. One that fails is tried again when asked next.
class end_commit : public operation {
public:
    explicit end_commit(assignment& of) noexcept : of_(&of) {
        completed = [](operation& self) noexcept { static_cast<end_commit&>(self).ended(); };
    }

    /// What is to be committed now; null when nothing is.
    [[nodiscard]] auto next() -> partition_list_ptr {
        partition_list_ptr list;
        if (under_way_) {
            return list;
        }
        places_.clear();
        for (const auto& each : of_->all()) {
            const std::int64_t offset = each->way.beyond();
            if (offset < 0 || each->leaving) {
                continue;
            }
            if (!list) {
                list.reset(rd_kafka_topic_partition_list_new(1));
            }
            rd_kafka_topic_partition_list_add(list.get(), each->where.topic->c_str(),
                                              each->where.partition)
                ->offset = offset;
            places_.push_back({each->where, each->epoch, offset});
        }
        return list;
    }
    /// It was asked for, with this as its operation.
    void begun() noexcept { under_way_ = true; }
    [[nodiscard]] auto under_way() const noexcept -> bool { return under_way_; }

private:
    struct place {
        topic_partition where;
        std::uint32_t epoch = 0;
        std::int64_t offset = -1;
    };

    void ended() noexcept {
        under_way_ = false;
        if (std::exchange(ec, {})) {
            return;
        }
        for (const place& each : places_) {
            source* const found = of_->find(each.where);
            if (found != nullptr && found->epoch == each.epoch) {
                found->way.went_beyond(each.offset);
            }
        }
    }

    assignment* of_;
    std::vector<place> places_;
    bool under_way_ = false;
};

} // namespace cobus::detail::kafka
