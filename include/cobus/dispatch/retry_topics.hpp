#pragma once

#include "../detail/intern.hpp"
#include "../error.hpp"
#include "../state.hpp"
#include "letters.hpp"
#include "partitions.hpp"
#include "registration.hpp"
#include "retry_lot.hpp"
#include "retry_message.hpp"
#include "retry_trouble.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Who hands jobs to `retry_topics`, and hears what became of them as of their letters.
class retry_client : public letter_writer {
public:
    /// It cannot wait there, as its end says by now.
    virtual void dead(job& work) = 0;

protected:
    retry_client() = default;
    ~retry_client() = default;
};

/// Long delays without losing the order per key. A job that failed beyond its tries is written to a
/// retry topic, whose partition goes wherever the partition goes that it comes from; later messages
/// of its lane follow it there, until nobody of that lane waits any more. Home only.
class retry_topics {
public:
    using clock = std::chrono::steady_clock;

    retry_topics(dispatch_host& host, retry_client& who, std::string group,
                 std::vector<std::chrono::milliseconds> delays)
        : host_(&host), client_(&who), group_(std::move(group)), delays_(std::move(delays)) {}

    /// From any thread.
    [[nodiscard]] auto health() const -> retry_health { return trouble_.health(); }

    // The partitions.

    /// Finds retry partitions with the partitions that they belong to. Those are read no further
    /// until what waits is known: `hold` is called for each.
    template <class Hold>
    void assigned(partitions& all, std::span<const topic_partition> fresh, std::uint32_t epoch,
                  Hold hold) {
        for (const topic_partition& each : fresh) {
            partition_state* const main = all.find(each, epoch);
            if (delays_.empty() || main == nullptr || each.partition < 0 ||
                !may_have_retry_topic(*each.topic)) {
                continue;
            }
            if (const std::shared_ptr<retry_lot> lot = gather(all, *main)) {
                lots_.push_back(lot);
                hold(*main);
            }
        }
    }
    /// Those partitions go: nothing of them is to be touched any more.
    template <class Predicate> void leave(Predicate which) {
        std::erase_if(lots_, [&](const auto& lot) {
            lot->gone = lot->gone || which(*lot->main);
            if (lot->gone) {
                std::ranges::for_each(lot->tiers, [&](auto& each) { trouble_.lets_go(each); });
            }
            return lot->gone;
        });
    }
    /// A handler goes, with what waits for it.
    void forget(const registration& handler) {
        for (const auto& lot : lots_) {
            lot->ledger.forget(&handler);
        }
    }
    [[nodiscard]] static auto is_retry(const partition_state& which) noexcept -> bool {
        return which.lot != nullptr && which.lot->main != &which;
    }
    [[nodiscard]] auto waiting() const noexcept -> std::size_t { return waiting_; }

    // What comes from a retry partition.

    /// A marker: true. Nobody handles those.
    [[nodiscard]] auto is_barrier(const delivery& from, partition_state& at) -> bool {
        const auto token = from.content->headers().get(retry_barrier);
        if (token && *token == at.lot->token) {
            at.lot->find(at).restored = true;
        }
        return token.has_value();
    }
    /// What of it may matter; nothing when another assignment wrote it too late: it is handled by
    /// who got its offset.
    [[nodiscard]] auto read(const delivery& from, const partition_state& at)
        -> std::optional<retry_tag> {
        const std::optional<retry_tag> tag = read_retry_tag(*from.content);
        const bool late = tag && at.lot->find(at).restored && tag->by != at.lot->token;
        return late ? std::nullopt : tag;
    }
    /// It waits until it is due. Its record says by now where it comes from.
    void add(record& item, const retry_tag& tag) {
        retry_lot& lot = *item.partition->lot;
        retry_lot::tier& where = lot.find(*item.partition);
        job& work = job_of(item, 0);
        auto& visit = *item.visit;
        visit.number = tag.by == lot.token ? tag.number : ++lot.numbers;
        work.tried = tag.tries;
        if (tag.by != lot.token) {
            lot.ledger.restore(retry_lane(work), tag.origin, {lot.index(where), visit.number});
            lot.restored.emplace(work.handler, tag.origin);
        }
        const auto wait = std::chrono::milliseconds(tag.due) - host_->wall().time_since_epoch();
        const auto least = std::chrono::milliseconds(0);
        visit.due = host_->now() + std::clamp<std::chrono::milliseconds>(
                                       std::chrono::duration_cast<std::chrono::milliseconds>(wait),
                                       least, delays_[lot.index(where)]);
        where.waiting.push_back(&item);
        ++waiting_;
    }
    /// Begins what is due: `launch(job)`. `go_on(partition)` once it is known what waits.
    template <class Launch, class GoOn>
    void run(clock::time_point now, Launch launch, GoOn go_on) {
        for (std::size_t i = 0; i < lots_.size(); ++i) {
            const std::shared_ptr<retry_lot> lot = lots_[i];
            if (lot->main->restoring) {
                ask(lot, now);
                if (!lot->known()) {
                    continue;
                }
                lot->main->restoring = false;
                go_on(*lot->main);
            }
            for (retry_lot::tier& each : lot->tiers) {
                while (!each.waiting.empty() && each.waiting.front()->visit->due <= now) {
                    record& next = *each.waiting.front();
                    each.waiting.pop_front();
                    --waiting_;
                    launch(job_of(next, 0));
                }
            }
        }
    }
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        auto next = lots_.empty() ? (clock::time_point::max)() : commit_again_;
        for (const auto& lot : lots_) {
            for (const retry_lot::tier& each : lot->tiers) {
                if (lot->main->restoring) {
                    next = each.restored ? next : (std::min)(next, each.ask_at);
                } else if (!each.waiting.empty()) {
                    next = (std::min)(next, each.waiting.front()->visit->due);
                }
            }
        }
        return next;
    }
    /// True twice a day: the positions in retry topics are to be committed anew, because brokers
    /// forget those of topics that a group does not subscribe to.
    [[nodiscard]] auto commits_again(clock::time_point now) noexcept -> bool {
        if (lots_.empty() || now < commit_again_) {
            return false;
        }
        const bool first = commit_again_ == clock::time_point();
        commit_again_ = now + std::chrono::hours(12);
        return !first;
    }
    template <class Predicate, class Sink> void remove_if(Predicate unwanted, Sink sink) {
        std::vector<job*> gone;
        for (const auto& lot : lots_) {
            for (retry_lot::tier& each : lot->tiers) {
                std::erase_if(each.waiting, [&](record* item) {
                    if (unwanted(job_of(*item, 0))) {
                        gone.push_back(&job_of(*item, 0));
                        return true;
                    }
                    return false;
                });
            }
        }
        waiting_ -= gone.size();
        for (job* each : gone) {
            sink(*each);
        }
    }

    // What a job may do.

    enum class turn : unsigned char {
        run,    ///< nobody of its lane waits before it
        follow, ///< somebody does: it is to be diverted
        pass,   ///< it waits itself, or a later copy of it does
    };
    /// A job has its lane, and would run.
    [[nodiscard]] auto turn_of(job& work) -> turn {
        retry_lot* const lot = work.of->partition->lot.get();
        if (lot == nullptr || !work.handler->options().retry_topics()) {
            return turn::run;
        }
        const retry_ledger::lane lane = retry_lane(work);
        const std::int64_t origin = work.of->from.offset;
        if (work.of->visit) {
            if (!lot->ledger.is_latest(lane, origin, work.of->visit->number)) {
                return turn::pass;
            }
            return lot->ledger.is_head(lane, origin) ? turn::run : follow(work, *lot, lane);
        }
        // Its copy waits, or was handled since the restart: it was written before a crash, and its
        // offset was not committed any more.
        if (lot->ledger.contains(lane, origin) || lot->restored.erase({work.handler, origin}) > 0) {
            return turn::pass;
        }
        return lot->ledger.contains(lane) ? follow(work, *lot, lane) : turn::run;
    }
    /// Whether a job that failed beyond its tries can wait for more. Then `divert` it.
    [[nodiscard]] auto takes(job& work) const -> bool {
        const retry_lot* const lot = work.of->partition->lot.get();
        if (lot == nullptr || lot->gone || !work.handler->options().retry_topics()) {
            return false;
        }
        const std::size_t next =
            work.of->visit ? lot->index(lot->find(*work.of->partition)) + 1 : 0;
        work.tier = static_cast<std::uint8_t>(next);
        return next < lot->tiers.size() && can_be_written(*work.of->from.content).ok();
    }
    /// Writes it to the tier that `takes` or `turn_of` found; the client hears of it.
    void divert(job& work) {
        const std::shared_ptr<retry_lot> lot = work.of->partition->lot;
        if (work.of->abandoned || lot == nullptr || lot->gone || shut_) {
            work.of->abandoned = true;
            client_->letter_over(work);
            return;
        }
        work.diverting = true;
        if (const codec_result made = can_be_written(*work.of->from.content); !made.ok()) {
            cannot(work, "it cannot wait in a retry topic: " + made.problem());
            return;
        }
        if (lot->ledger.size() >= most_waiting) { // its lane is kept, and so its partition stops
            trouble_.holds_up(work, *lot->tiers[work.tier].topic, most_waiting);
            client_->letter_refused(work, std::chrono::seconds(1));
            return;
        }
        write(work, *lot);
    }
    /// The job is over, however: those behind it may be next.
    void over(job& work) {
        trouble_.lets_go(work);
        if (work.of->visit && !work.diverting && !work.passed && !work.of->abandoned) {
            work.of->partition->lot->ledger.drop(retry_lane(work), work.of->from.offset);
        }
    }
    /// Writes nothing any more.
    void shut() noexcept { shut_ = true; }

private:
    static constexpr std::size_t most_waiting = 16384; ///< of one partition

    class written final : public internal_send {
    public:
        written(retry_topics& home, job& of) noexcept : home_(&home), of_(&of) {}
        void sent(std::error_code ec) noexcept override {
            retry_topics& home = *home_;
            job& of = *of_;
            pool_delete(this);
            home.sent(of, ec);
        }

    private:
        retry_topics* home_;
        job* of_;
    };
    class barrier final : public internal_send {
    public:
        barrier(retry_topics& home, std::shared_ptr<retry_lot> of, std::size_t tier) noexcept
            : home_(&home), of_(std::move(of)), tier_(tier) {}
        void sent(std::error_code ec) noexcept override {
            const std::shared_ptr<retry_lot> of = std::move(of_);
            retry_topics& home = *home_;
            const std::size_t tier = tier_;
            pool_delete(this);
            if (!ec) {
                home.trouble_.lets_go(of->tiers[tier]);
            } else if (!of->gone && !home.shut_) {
                home.not_asked(of->tiers[tier], ec);
            }
        }

    private:
        retry_topics* home_;
        std::shared_ptr<retry_lot> of_;
        std::size_t tier_;
    };

    /// The retry partitions of a partition, if all of them are here.
    [[nodiscard]] auto gather(partitions& all, partition_state& main)
        -> std::shared_ptr<retry_lot> {
        auto lot = std::make_shared<retry_lot>();
        for (std::size_t tier = 0; tier < delays_.size(); ++tier) {
            const std::string* topic = intern(retry_topic_of(group_, *main.where.topic, tier));
            partition_state* const found = all.find({topic, main.where.partition}, main.epoch);
            if (found == nullptr) {
                return nullptr;
            }
            lot->tiers.push_back({found, topic, {}, false, {}, false});
        }
        for (const retry_lot::tier& each : lot->tiers) {
            each.at->lot = lot;
        }
        main.lot = lot;
        main.restoring = true;
        lot->main = &main;
        lot->token = message_id::make(host_->wall()).str();
        return lot;
    }
    /// What waits is known when a message of our own is read, which is written behind it.
    void ask(const std::shared_ptr<retry_lot>& lot, clock::time_point now) {
        for (std::size_t i = 0; i < lot->tiers.size(); ++i) {
            retry_lot::tier& each = lot->tiers[i];
            if (!each.restored && now >= each.ask_at && !shut_) {
                each.ask_at = (clock::time_point::max)();
                host_->send(make_retry_barrier(each.topic, lot->token, host_->wall()), policy::wait,
                            *pool_new<barrier>(*this, lot, i), lot->main->where.partition);
            }
        }
    }
    void not_asked(retry_lot::tier& which, std::error_code ec) {
        which.ask_at = host_->now() + std::chrono::seconds(1);
        trouble_.holds_up(which, ec);
        host_->wake();
    }
    [[nodiscard]] static auto follow(job& work, const retry_lot& lot,
                                     const retry_ledger::lane& lane) -> turn {
        work.tier = static_cast<std::uint8_t>(lot.ledger.tier_of_head(lane));
        work.following = true;
        return turn::follow;
    }
    void write(job& work, retry_lot& lot) {
        const retry_lot::tier& to = lot.tiers[work.tier];
        const std::int64_t origin = work.of->from.offset;
        retry_tag tag;
        tag.handler = work.handler->name();
        tag.origin = origin;
        tag.tries = work.tried + (work.following ? 0 : work.attempt);
        tag.due = (host_->wall().time_since_epoch() + delays_[work.tier]).count();
        tag.by = lot.token;
        tag.number = ++lot.numbers;
        // Before it is acknowledged, because it may be read before.
        lot.ledger.put(retry_lane(work), origin, {work.tier, tag.number});
        work.of->failed = true;
        host_->send(make_retry_message(*work.of->from.content, to.topic, tag), policy::wait,
                    *pool_new<written>(*this, work), lot.main->where.partition);
    }
    void sent(job& work, std::error_code ec) {
        if (!ec) {
            trouble_.taken();
            client_->letter_over(work);
        } else if (shut_ || work.of->abandoned) {
            work.of->abandoned = true;
            client_->letter_over(work);
        } else if (ec == make_error_code(errc::too_large)) {
            cannot(work, "it is too large to wait in a retry topic");
        } else {
            const auto wait = letter_wait(work.refusals);
            trouble_.holds_up(work, *work.of->partition->lot->tiers[work.tier].topic, ec);
            client_->letter_refused(work, wait);
        }
    }
    void cannot(job& work, std::string why) {
        trouble_.lets_go(work);
        work.of->partition->lot->ledger.drop(retry_lane(work), work.of->from.offset);
        work.diverting = false;
        work.ended = result::undecodable(std::move(why));
        client_->dead(work);
    }

    dispatch_host* host_;
    retry_client* client_;
    std::string group_;
    std::vector<std::chrono::milliseconds> delays_;
    std::vector<std::shared_ptr<retry_lot>> lots_;
    std::size_t waiting_ = 0;
    clock::time_point commit_again_{};
    retry_trouble trouble_{*host_};
    bool shut_ = false;
};

} // namespace cobus::detail
