#pragma once

#include "../../degrade/spool_file.hpp"
#include "../../detail/helper.hpp"
#include "../../error.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::detail {

/// Opens a spool's file and reads what is in it, on the thread for what blocks.
class spool_opening {
public:
    struct found {
        std::unique_ptr<degrade::spool_file> file;
        std::uint64_t next = 1; ///< sequence
        std::vector<degrade::spool_row> rows;
        std::error_code ec;
        std::string problem;
    };

    spool_opening() = default;
    spool_opening(const spool_opening&) = delete;
    auto operator=(const spool_opening&) -> spool_opening& = delete;
    ~spool_opening() {
        if (shared_ != nullptr) {
            const std::lock_guard lock(shared_->guard);
            shared_->wake = nullptr;
        }
    }

    /// `wake` is called when it is over, unless this is destroyed before.
    void begin(degrade::spool_file_factory make, std::function<void()> wake) {
        shared_ = std::make_shared<shared>();
        shared_->wake = std::move(wake);
        const auto work = [with = shared_, make = std::move(make)] { with->open(make); };
        if (!helper::run(helps::file, work)) {
            shared_->it.ec = errc::store_failed;
            shared_->over.store(true, std::memory_order_release);
        }
    }
    [[nodiscard]] auto begun() const noexcept -> bool { return shared_ != nullptr; }
    /// What was found, once; null before.
    [[nodiscard]] auto take() -> std::unique_ptr<found> {
        if (shared_ == nullptr || !shared_->over.load(std::memory_order_acquire)) {
            return nullptr;
        }
        auto all = std::make_unique<found>(std::move(shared_->it));
        shared_ = nullptr;
        return all;
    }

private:
    struct shared {
        found it;
        std::atomic<bool> over{false};
        std::mutex guard;
        std::function<void()> wake; ///< null when nobody waits any more

        void open(const degrade::spool_file_factory& make) noexcept {
            try {
                it.file = make();
                it.next = it.file->open().next_sequence;
                read_all();
            } catch (const std::system_error& e) {
                it.ec = e.code();
                it.problem = e.what();
            } catch (const std::exception& e) {
                it.ec = errc::store_failed;
                it.problem = e.what();
            }
            over.store(true, std::memory_order_release);
            const std::lock_guard lock(guard);
            if (wake) {
                wake();
            }
        }
        void read_all() {
            constexpr std::size_t rows = 1024;
            constexpr std::size_t bytes = 4U << 20U;
            for (std::uint64_t from = 0;;) {
                std::vector<degrade::spool_row> some = it.file->read(from, rows, bytes);
                if (some.empty()) {
                    return;
                }
                from = some.back().sequence + 1;
                std::move(some.begin(), some.end(), std::back_inserter(it.rows));
            }
        }
    };

    std::shared_ptr<shared> shared_;
};

} // namespace cobus::detail
