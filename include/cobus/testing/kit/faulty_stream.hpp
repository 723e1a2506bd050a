#pragma once

#include "../../detail/alarm.hpp"
#include "../../transport/transport.hpp"
#include "../faults.hpp"
#include "forwarding_stream.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace cobus::testing::detail {

/// Wakes whoever reads, as long as somebody does.
class reader_waker final : public connection_listener {
public:
    explicit reader_waker(waker& ready) noexcept : ready_(&ready) {}
    void connection_changed() noexcept override { wake(); }
    void wake() noexcept {
        const std::lock_guard lock(guard_);
        if (ready_ != nullptr) {
            ready_->wake();
        }
    }
    void silence() noexcept {
        const std::lock_guard lock(guard_);
        ready_ = nullptr;
    }

private:
    std::mutex guard_;
    waker* ready_;
};

/// Keeps messages back as a script says, each partition's in order; nothing comes while the
/// connection is down. What it keeps back is given back unread when the partition goes.
class faulty_stream final : public forwarding_stream {
public:
    using clock = std::chrono::steady_clock;

    faulty_stream(std::unique_ptr<stream> inner, fault_script script, transport_options how,
                  bool remote, waker& ready)
        : forwarding_stream(std::move(inner)),
          script_(std::move(script)),
          how_(std::move(how)),
          remote_(remote),
          waker_(std::make_shared<reader_waker>(ready)),
          alarm_(how_.executor, how_.time) {
        script_.listen(waker_);
    }
    ~faulty_stream() override {
        waker_->silence();
        script_.keep(-static_cast<std::ptrdiff_t>(kept_));
    }

    // Without memory a test may end. NOLINTNEXTLINE(bugprone-exception-escape)
    auto poll(std::span<delivery> room) noexcept -> polled override {
        const std::span<delivery> open = script_.connected() ? room : room.first(0);
        for (;;) {
            polled got;
            got.count = take_due(open);
            if (got.count > 0) {
                got.what = signal::messages;
                return got;
            }
            got = inner().poll(open);
            if (got.what == signal::revoked || got.what == signal::lost) {
                for (const topic_partition& each : got.partitions) {
                    drop(each);
                }
            }
            if (got.what != signal::messages) {
                return got;
            }
            got.count = sort_out(open.first(got.count));
            if (got.count > 0) {
                return got;
            }
        }
    }
    void hold(const topic_partition& where, bool held) noexcept override {
        held ? (void)held_.insert(where) : (void)held_.erase(where);
        inner().hold(where, held);
        if (!held) {
            waker_->wake();
        }
    }
    void commit(std::span<const position> positions, std::uint32_t epoch,
                operation& done) noexcept override {
        if (const std::error_code refused = script_.for_commit()) {
            done.ec = refused;
            done.completed(done);
            return;
        }
        inner().commit(positions, epoch, done);
    }
    void close(operation& done) noexcept override {
        drop_all();
        inner().close(done);
    }
    void abandon() noexcept override {
        drop_all();
        inner().abandon();
    }

private:
    struct kept {
        delivery what;
        clock::time_point due;
    };

    /// Writes those whose time has come; sets the alarm for the next.
    [[nodiscard]] auto take_due(std::span<delivery> room) -> std::size_t {
        const auto now = how_.now();
        auto next = (clock::time_point::max)();
        std::size_t count = 0;
        for (auto& [where, line] : lines_) {
            while (!line.empty() && line.front().due <= now && count < room.size() &&
                   !held_.contains(where)) {
                room[count++] = line.front().what;
                line.pop_front();
                change(-1);
            }
            if (!line.empty() && line.front().due > now) {
                next = (std::min)(next, line.front().due);
            }
        }
        alarm_.rang(now);
        alarm_.set(next, [waker = waker_] { waker->wake(); });
        return count;
    }
    /// Keeps back what the script says, and what lies behind it; how many are left.
    [[nodiscard]] auto sort_out(std::span<delivery> read) -> std::size_t {
        const auto now = how_.now();
        std::size_t count = 0;
        for (delivery& each : read) {
            each.in_process = each.in_process && !remote_;
            const auto delay = script_.for_delivery(*each.content);
            auto& line = lines_[each.where];
            if (delay.count() > 0 || !line.empty()) {
                line.push_back({each, now + delay});
                change(1);
            } else {
                room_for(read, count++) = each;
            }
        }
        return count;
    }
    [[nodiscard]] static auto room_for(std::span<delivery> read, std::size_t index) -> delivery& {
        return read[index]; // never beyond what was read already
    }
    void drop(const topic_partition& where) {
        const auto found = lines_.find(where);
        if (found == lines_.end()) {
            return;
        }
        std::vector<delivery> unread;
        for (const kept& each : found->second) {
            unread.push_back(each.what);
            change(-1);
        }
        lines_.erase(found);
        inner().give_back(unread);
    }
    void drop_all() {
        while (!lines_.empty()) {
            drop(topic_partition(lines_.begin()->first));
        }
    }
    void change(std::ptrdiff_t by) {
        kept_ = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(kept_) + by);
        script_.keep(by);
    }

    fault_script script_;
    transport_options how_;
    bool remote_;
    std::shared_ptr<reader_waker> waker_;
    cobus::detail::alarm alarm_;
    std::map<topic_partition, std::deque<kept>> lines_;
    std::set<topic_partition> held_;
    std::size_t kept_ = 0;
};

} // namespace cobus::testing::detail
