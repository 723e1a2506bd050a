#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace cobus::detail {

/// What is to happen later, soonest first: waiting costs an entry, neither a timer nor a worker.
/// Pure.
template <class T> class delays {
public:
    using clock = std::chrono::steady_clock;

    void add(clock::time_point due, T& what) {
        heap_.emplace_back(due, &what);
        std::push_heap(heap_.begin(), heap_.end(), later);
    }
    /// The next that is due at `now`, or null.
    [[nodiscard]] auto pop(clock::time_point now) -> T* {
        if (heap_.empty() || heap_.front().first > now) {
            return nullptr;
        }
        T* what = heap_.front().second;
        std::pop_heap(heap_.begin(), heap_.end(), later);
        heap_.pop_back();
        return what;
    }
    [[nodiscard]] auto next() const noexcept -> clock::time_point {
        return heap_.empty() ? (clock::time_point::max)() : heap_.front().first;
    }
    template <class Predicate, class Sink> void remove_if(Predicate unwanted, Sink sink) {
        const auto kept = std::partition(heap_.begin(), heap_.end(),
                                         [&](const auto& each) { return !unwanted(*each.second); });
        std::vector<T*> gone;
        for (auto each = kept; each != heap_.end(); ++each) {
            gone.push_back(each->second);
        }
        heap_.erase(kept, heap_.end());
        std::make_heap(heap_.begin(), heap_.end(), later);
        for (T* each : gone) {
            sink(*each);
        }
    }
    [[nodiscard]] auto size() const noexcept -> std::size_t { return heap_.size(); }

private:
    using entry = std::pair<clock::time_point, T*>;

    static auto later(const entry& a, const entry& b) noexcept -> bool { return a.first > b.first; }

    std::vector<entry> heap_;
};

} // namespace cobus::detail
