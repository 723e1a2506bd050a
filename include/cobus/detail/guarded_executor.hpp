#pragma once

#include "../net.hpp"

#include <memory>
#include <mutex>
#include <utility>

namespace cobus::detail {

/// Runs what is given to it one at a time, as a strand does, but by a lock and only for one
/// coroutine. A worker is cancelled by its home, perhaps while another thread resumes it, and Asio
/// wants the two kept apart: so the home takes the same lock to emit the signal. The home's own
/// resumptions need no lock: it does not cancel meanwhile.
class guarded_executor {
public:
    /// A factory, because a constructor from `any_io_executor` would make copying ask whether this
    /// converts to one, which asks whether this can be copied.
    [[nodiscard]] static auto around(net::any_io_executor inner,
                                     std::shared_ptr<std::recursive_mutex> guard)
        -> guarded_executor {
        return {std::move(inner), std::move(guard)};
    }

    template <class Property>
        requires net::can_query<const net::any_io_executor&, Property>::value
    [[nodiscard]] auto query(const Property& property) const -> decltype(auto) {
        return net::query(inner_, property);
    }
    template <class Property>
        requires net::can_require<const net::any_io_executor&, Property>::value
    [[nodiscard]] auto require(const Property& property) const -> guarded_executor {
        return guarded_executor(net::require(inner_, property), guard_);
    }
    template <class Property>
        requires net::can_prefer<const net::any_io_executor&, Property>::value
    [[nodiscard]] auto prefer(const Property& property) const -> guarded_executor {
        return guarded_executor(net::prefer(inner_, property), guard_);
    }

    template <class Function> void execute(Function&& function) const {
        inner_.execute(guarded<std::decay_t<Function>>(guard_, std::forward<Function>(function)));
    }

    friend auto operator==(const guarded_executor& a, const guarded_executor& b) noexcept -> bool {
        return a.guard_ == b.guard_ && a.inner_ == b.inner_;
    }

private:
    template <class Function> class guarded {
    public:
        guarded(std::shared_ptr<std::recursive_mutex> guard, Function function)
            : guard_(std::move(guard)), function_(std::move(function)) {}
        void operator()() {
            const std::lock_guard lock(*guard_);
            std::move(function_)();
        }

    private:
        std::shared_ptr<std::recursive_mutex> guard_;
        Function function_;
    };

    guarded_executor(net::any_io_executor inner, std::shared_ptr<std::recursive_mutex> guard)
        : inner_(std::move(inner)), guard_(std::move(guard)) {}

    net::any_io_executor inner_;
    std::shared_ptr<std::recursive_mutex> guard_;
};

} // namespace cobus::detail
