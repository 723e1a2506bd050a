#pragma once

#include "../error.hpp"
#include "../log.hpp"
#include "../state.hpp"
#include "job.hpp"
#include "registration.hpp"
#include "retry_lot.hpp"
#include "trouble_book.hpp"

#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cobus::detail {

/// What retry topics do not take, for the log and for `health`. Home only, but for `health`.
class retry_trouble {
public:
    explicit retry_trouble(dispatch_host& host) noexcept : host_(&host) {}

    /// From any thread.
    [[nodiscard]] auto health() const -> retry_health { return book_.now(); }

    /// It cannot be written now: its lane is kept, and nothing is committed behind it.
    void holds_up(job& work, std::string_view topic, std::error_code ec) {
        book_.refused(work.refusals++ == 0, ec, say(topic, ec), host_->now());
    }
    /// The same where enough wait.
    void holds_up(job& work, std::string_view topic, std::size_t many) {
        book_.refused(work.refusals++ == 0, {},
                      std::to_string(many) + " of one partition wait already in the retry topic '" +
                          std::string(topic) + "' and those behind it",
                      host_->now());
    }
    /// It was written, or need not be.
    void lets_go(job& work) {
        if (std::exchange(work.refusals, 0U) > 0) {
            book_.settled();
        }
    }
    /// What waits there cannot be known yet, and nothing of the partition is handled before.
    void holds_up(retry_lot::tier& which, std::error_code ec) {
        std::string why = say(*which.topic, ec);
        if (!std::exchange(which.refused, true)) {
            book_.stopped(ec, std::move(why), host_->now());
        }
    }
    void lets_go(retry_lot::tier& which) {
        if (std::exchange(which.refused, false)) {
            book_.goes_on();
        }
    }
    /// A topic takes what it is given again.
    void taken() noexcept { refusal_.clear(); }

private:
    /// Says each cause once.
    auto say(std::string_view topic, std::error_code ec) -> std::string {
        std::string why = "the retry topic '" + std::string(topic) + "' refuses: " + ec.message();
        if (std::exchange(refusal_, ec) != ec) {
            host_->log(log_level::error, why + "; it is tried again, and meanwhile what belongs "
                                               "there holds its partition up");
        }
        return why;
    }

    dispatch_host* host_;
    std::error_code refusal_; ///< of the last one
    trouble_book<retry_health> book_;
};

} // namespace cobus::detail
