#pragma once

#include <chrono>

namespace cobus::detail::kafka {

/// What a transactional client is asked for with a call that blocks.
enum class transaction_call : unsigned char { none, init, commit, abort };

/// How such a call ended.
enum class transaction_end : unsigned char {
    done,
    again, ///< not yet: the same call is to be repeated, and no other
    abort, ///< the transaction has to be given up
    lost,  ///< the client is beyond repair
};

/// What a transactional producer does next. Pure: is told what happened, and `now`.
///
/// Messages go into the transaction that is open. As soon as it has one, it is committed, and what
/// comes meanwhile waits for the next: so one alone is not held up, and many share a commit. A
/// transaction of which anything failed is aborted, and has left nothing in the log that a reader
/// of committed messages sees.
class transaction_turn {
public:
    using clock = std::chrono::steady_clock;

    /// Messages may go in.
    [[nodiscard]] auto open() const noexcept -> bool { return phase_ == phase::open && !failed_; }
    /// None is open, and one may begin.
    [[nodiscard]] auto ready() const noexcept -> bool { return phase_ == phase::ready; }
    /// The client is beyond repair.
    [[nodiscard]] auto lost() const noexcept -> bool { return phase_ == phase::lost; }
    /// Nothing is said yet of how the transaction ended; it may have been committed.
    [[nodiscard]] auto unclear() const noexcept -> bool { return unclear_; }
    /// No call is under way, nor to be repeated before another.
    [[nodiscard]] auto quiet() const noexcept -> bool {
        return !calling_ && (phase_ == phase::ready || phase_ == phase::lost);
    }
    /// Something is being asked for.
    [[nodiscard]] auto asks() const noexcept -> bool {
        return call_of(phase_) != transaction_call::none;
    }

    void began() noexcept { phase_ = phase::open; }
    /// Something of the transaction failed.
    void failed() noexcept { failed_ = failed_ || phase_ == phase::open; }
    /// The client is beyond repair, as a call that is under way will find.
    void lose() noexcept {
        doomed_ = true;
        if (!calling_) {
            ended(transaction_end::lost, {});
        }
    }

    /// The call to make now, which counts as made. `anything`: the transaction has messages.
    [[nodiscard]] auto next(bool anything, clock::time_point now) noexcept -> transaction_call {
        if (calling_ || now < not_before_) {
            return transaction_call::none;
        }
        if (phase_ == phase::open && (failed_ || anything)) {
            phase_ = failed_ ? phase::aborting : phase::committing;
        }
        const transaction_call what = call_of(phase_);
        if (what != transaction_call::none) {
            calling_ = true;
            unclear_ = unclear_ || what == transaction_call::commit;
        }
        return what;
    }
    /// When `next` has something to do without being told anything; far away: never.
    [[nodiscard]] auto due() const noexcept -> clock::time_point {
        return !calling_ && call_of(phase_) != transaction_call::none ? not_before_
                                                                      : (clock::time_point::max)();
    }
    void ended(transaction_end how, clock::time_point now) noexcept {
        calling_ = false;
        switch (doomed_ && how != transaction_end::done ? transaction_end::lost : how) {
        case transaction_end::again:
            not_before_ = now + pause;
            return;
        case transaction_end::abort:
            phase_ = phase::aborting;
            unclear_ = false;
            return;
        case transaction_end::lost:
            phase_ = phase::lost;
            break;
        case transaction_end::done:
            phase_ = phase::ready;
            unclear_ = false;
            break;
        }
        failed_ = false;
    }

private:
    enum class phase : unsigned char { fresh, ready, open, committing, aborting, lost };
    /// A call that ends at once shall not be repeated at once.
    static constexpr std::chrono::milliseconds pause{10};

    [[nodiscard]] static auto call_of(phase what) noexcept -> transaction_call {
        switch (what) {
        case phase::fresh:
            return transaction_call::init;
        case phase::committing:
            return transaction_call::commit;
        case phase::aborting:
            return transaction_call::abort;
        default:
            return transaction_call::none;
        }
    }

    phase phase_ = phase::fresh;
    bool calling_ = false;
    bool failed_ = false;
    bool doomed_ = false;
    bool unclear_ = false;
    clock::time_point not_before_{};
};

} // namespace cobus::detail::kafka
