#pragma once

#include "world.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace cobus::testing {

/// How a case is run.
struct run_options {
    case_size size = case_size::normal;
    std::size_t threads = 1; ///< that run the context
    std::chrono::seconds patience{60};
};

/// One property of a transport, ready to be run.
struct conformance_case {
    std::string_view id;       ///< "C20"
    std::string_view sentence; ///< what holds
    std::string skip;          ///< why it is not run, or empty
    /// Throws `conformance_failure`, or whatever else went wrong.
    std::function<void(const run_options&)> run;
};

namespace detail {

/// A case before it meets a fixture.
struct case_definition {
    std::string_view id;
    std::string_view sentence;
    net::awaitable<void> (*body)(world&);
    std::vector<capability transport_traits::*> needs;
};

/// Runs one body in one world: threads, watchdog, and the proof that nothing is left behind.
class case_run {
public:
    case_run(world& where, const run_options& how) : where_(&where), how_(&how) {}

    void operator()(net::awaitable<void> (*body)(world&)) {
        net::co_spawn(where_->executor(), body(*where_),
                      [this](std::exception_ptr thrown) { ended(std::move(thrown)); });
        std::vector<std::thread> threads;
        threads.reserve(how_->threads);
        for (std::size_t i = 0; i < how_->threads; ++i) {
            threads.emplace_back([this] { serve(); });
        }
        const bool in_time = wait(threads.size());
        where_->context().stop();
        for (std::thread& each : threads) {
            each.join();
        }
        where_->drop_waits();
        if (thrown_) {
            std::rethrow_exception(thrown_);
        }
        if (!in_time || !over_) {
            const std::string problem =
                over_     ? "it ended, but something keeps the context busy"
                : in_time ? "the context ran out of work, while the case waits for " +
                                where_->waiting_for()
                          : "it did not end in time; it waits for " + where_->waiting_for();
            throw conformance_failure(problem);
        }
    }

private:
    void serve() {
        try {
            where_->context().run();
        } catch (...) {
            ended(std::current_exception());
        }
        const std::lock_guard lock(guard_);
        ++threads_over_;
        changed_.notify_all();
    }
    void ended(std::exception_ptr thrown) {
        const std::lock_guard lock(guard_);
        over_ = true;
        if (!thrown_) {
            thrown_ = std::move(thrown);
        }
        changed_.notify_all();
    }
    /// True when nothing is left to do, or the case failed already.
    auto wait(std::size_t threads) -> bool {
        std::unique_lock lock(guard_);
        return changed_.wait_for(lock, how_->patience,
                                 [&] { return thrown_ != nullptr || threads_over_ == threads; });
    }

    world* where_;
    const run_options* how_;
    std::mutex guard_;
    std::condition_variable changed_;
    std::exception_ptr thrown_;
    std::size_t threads_over_ = 0;
    bool over_ = false;
};

template <class Fixture>
void run_case(const case_definition& what, const run_options& how) {
    environment_of<Fixture> where;
    world made(where, how.size, how.threads > 1);
    try {
        case_run run(made, how);
        run(what.body);
    } catch (const conformance_failure& e) {
        throw e.with(made.last_lines());
    } catch (const std::exception& e) {
        throw conformance_failure(std::string("unexpected exception: ") + e.what() +
                                  made.last_lines());
    }
}

[[nodiscard]] inline auto skip_reason(const case_definition& what, const transport_traits& traits)
    -> std::string {
    for (const auto need : what.needs) {
        if (!(traits.*need).there()) {
            return std::string((traits.*need).missing);
        }
    }
    return std::string();
}

} // namespace detail

/// How many cases ended how.
struct conformance_summary {
    std::size_t passed = 0;
    std::size_t failed = 0;
    std::size_t skipped = 0;
};

/// Runs all cases and writes a line for each: for programs without a test framework.
inline auto run_conformance(const std::vector<conformance_case>& cases, std::ostream& out,
                            const run_options& how = run_options()) -> conformance_summary {
    conformance_summary sum;
    for (const conformance_case& each : cases) {
        if (!each.skip.empty()) {
            ++sum.skipped;
            out << "SKIP " << each.id << " " << each.sentence << ": " << each.skip << '\n'
                << std::flush;
            continue;
        }
        try {
            each.run(how);
            ++sum.passed;
            out << "ok   " << each.id << " " << each.sentence << '\n' << std::flush;
        } catch (const std::exception& e) {
            ++sum.failed;
            out << "FAIL " << each.id << " " << each.sentence << "\n    " << e.what() << '\n'
                << std::flush;
        }
    }
    out << sum.passed << " passed, " << sum.failed << " failed, " << sum.skipped << " skipped"
        << '\n'
        << std::flush;
    return sum;
}

} // namespace cobus::testing
