#pragma once

#include "../net.hpp"
#include "known_executor.hpp"
#include "pool_allocator.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace cobus::detail {

/// Runs what is given to it one at a time, as a strand does, but by a lock and only for one
/// coroutine. A worker is cancelled by its home, perhaps while another thread resumes it, and Asio
/// wants the two kept apart: so the home takes the same lock to emit the signal. The home's own
/// resumptions need no lock: it does not cancel meanwhile.
///
/// A pointer in size, so that `any_io_executor` keeps it in place: a handler that suspends copies
/// it a dozen times.
class guarded_executor {
public:
    /// A factory, because a constructor from `any_io_executor` would make copying ask whether this
    /// converts to one, which asks whether this can be copied.
    [[nodiscard]] static auto around(net::any_io_executor inner,
                                     std::shared_ptr<std::recursive_mutex> guard)
        -> guarded_executor {
        auto made = std::make_shared<shared>(std::move(inner), std::move(guard));
        const way* first = &made->possibly;
        return guarded_executor(std::shared_ptr<const way>(std::move(made), first));
    }

    template <class Property>
        requires net::can_query<const net::any_io_executor&, Property>::value
    [[nodiscard]] auto query(const Property& property) const -> decltype(auto) {
        using execution_blocking = net::execution::blocking_t;
        using execution_work = net::execution::outstanding_work_t;
        if constexpr (std::is_convertible_v<Property, execution_blocking>) {
            return way_->never ? execution_blocking(execution_blocking::never)
                               : execution_blocking(execution_blocking::possibly);
        } else if constexpr (std::is_convertible_v<Property, execution_work>) {
            return way_->work != nullptr ? execution_work(execution_work::tracked)
                                         : execution_work(execution_work::untracked);
        } else {
            return net::query(way_->inner(), property);
        }
    }
    [[nodiscard]] auto require(net::execution::blocking_t::never_t /*how*/) const
        -> guarded_executor {
        return same_work(&shared::never, &tracked::never);
    }
    [[nodiscard]] auto prefer(net::execution::blocking_t::possibly_t /*how*/) const
        -> guarded_executor {
        return same_work(&shared::possibly, &tracked::possibly);
    }
    [[nodiscard]] auto prefer(net::execution::outstanding_work_t::tracked_t /*how*/) const
        -> guarded_executor {
        if (way_->work != nullptr) {
            return *this;
        }
        const auto made = std::allocate_shared<tracked>(
            pool_allocator<tracked>(), std::shared_ptr<const shared>(way_, way_->of));
        return guarded_executor({made, way_->never ? &made->never : &made->possibly});
    }
    [[nodiscard]] auto prefer(net::execution::outstanding_work_t::untracked_t /*how*/) const
        -> guarded_executor {
        if (way_->work == nullptr) {
            return *this;
        }
        const way& plain = way_->never ? way_->of->never : way_->of->possibly;
        return guarded_executor({way_->work->keep, &plain});
    }

    template <class Function> void execute(Function&& function) const {
        guarded<std::decay_t<Function>> run(std::shared_ptr<const shared>(way_, way_->of),
                                            std::forward<Function>(function));
        if (const pooling* known = way_->known()) {
            execute_on(*known, std::move(run)); // spares erasing what is erased already
        } else {
            way_->inner().execute(std::move(run));
        }
    }

    friend auto operator==(const guarded_executor& a, const guarded_executor& b) noexcept -> bool {
        return a.way_->of == b.way_->of && a.way_->never == b.way_->never;
    }

private:
    using io = net::io_context::executor_type;
    /// The context's own executor with memory from the pool: Asio keeps little for many handlers
    /// that are suspended at the same time.
    using pooling = std::decay_t<decltype(net::require(
        std::declval<io>(), net::execution::allocator(pool_allocator<void>())))>;

    struct shared;
    struct tracked;

    /// One way to execute.
    struct way {
        const shared* of;
        const tracked* work; ///< whether the context has work as long as this lives
        bool never;          ///< inline

        [[nodiscard]] auto inner() const noexcept -> const net::any_io_executor&;
        [[nodiscard]] auto known() const noexcept -> const pooling*;
    };
    /// What all copies for one coroutine have in common.
    struct shared {
        shared(net::any_io_executor inner, std::shared_ptr<std::recursive_mutex> lock)
            : executor(std::move(inner)),
              posting(net::require(executor, net::execution::blocking.never)),
              known(pooled(executor)),
              known_posting(pooled(posting)),
              guard(std::move(lock)) {}
        shared(const shared&) = delete;
        auto operator=(const shared&) -> shared& = delete;
        ~shared() = default;

        net::any_io_executor executor;
        net::any_io_executor posting;
        std::optional<pooling> known; ///< the same if they are an `io_context`'s
        std::optional<pooling> known_posting;
        std::shared_ptr<std::recursive_mutex> guard;
        way possibly{this, nullptr, false};
        way never{this, nullptr, true};
    };
    struct tracked {
        explicit tracked(std::shared_ptr<const shared> of)
            : keep(std::move(of)),
              work(net::prefer(keep->executor, net::execution::outstanding_work.tracked)) {}
        tracked(const tracked&) = delete;
        auto operator=(const tracked&) -> tracked& = delete;
        ~tracked() = default;

        std::shared_ptr<const shared> keep;
        net::any_io_executor work;
        way possibly{keep.get(), this, false};
        way never{keep.get(), this, true};
    };

    template <class Function> class guarded {
    public:
        guarded(std::shared_ptr<const shared> of, Function function)
            : of_(std::move(of)), function_(std::move(function)) {}
        void operator()() {
            const std::lock_guard lock(*of_->guard);
            std::move(function_)();
        }

    private:
        std::shared_ptr<const shared> of_;
        Function function_;
    };

    explicit guarded_executor(std::shared_ptr<const way> how) noexcept : way_(std::move(how)) {}

    [[nodiscard]] static auto pooled(const net::any_io_executor& executor)
        -> std::optional<pooling> {
        const io* known = known_executor<io>(executor);
        return known != nullptr ? std::optional<pooling>(net::require(
                                      *known, net::execution::allocator(pool_allocator<void>())))
                                : std::nullopt;
    }
    [[nodiscard]] auto same_work(way shared::* plain, way tracked::* working) const
        -> guarded_executor {
        const way& wanted = way_->work == nullptr ? way_->of->*plain : way_->work->*working;
        return guarded_executor({way_, &wanted});
    }

    std::shared_ptr<const way> way_;
};

inline auto guarded_executor::way::inner() const noexcept -> const net::any_io_executor& {
    return never ? of->posting : of->executor;
}
inline auto guarded_executor::way::known() const noexcept -> const pooling* {
    const std::optional<pooling>& wanted = never ? of->known_posting : of->known;
    return wanted ? &*wanted : nullptr;
}

} // namespace cobus::detail
