#pragma once

namespace cobus::detail {

struct job;

/// Hears of the runs of all handlers of a bus, on its home: for test kits. Nothing that it hears of
/// may be kept.
class run_observer {
public:
    run_observer() = default;
    run_observer(const run_observer&) = delete;
    auto operator=(const run_observer&) -> run_observer& = delete;
    virtual ~run_observer() = default;

    /// A handler returned, threw or was cancelled; `run.ended` says which.
    virtual void ran(const job& run) noexcept = 0;
    /// No handler runs for that job any more, nor will: it was handled or given up.
    virtual void over(const job& run) noexcept = 0;
};

} // namespace cobus::detail
