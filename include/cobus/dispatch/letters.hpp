#pragma once

#include "../error.hpp"
#include "dead_letters.hpp"
#include "job.hpp"
#include "letter_book.hpp"
#include "parking.hpp"
#include "registration.hpp"

#include <chrono>
#include <string>
#include <system_error>
#include <utility>

namespace cobus::detail {

/// Who hands jobs to `letters`, and hears what became of their letters.
class letter_writer {
public:
    letter_writer(const letter_writer&) = delete;
    auto operator=(const letter_writer&) -> letter_writer& = delete;
    /// It is acknowledged, or will never be needed.
    virtual void letter_over(job& work) = 0;
    /// It is to be sent again after that time.
    virtual void letter_refused(job& work, std::chrono::seconds wait) = 0;

protected:
    letter_writer() = default;
    ~letter_writer() = default;
};

/// Sends dead letters: a message is finished only when its letter is acknowledged. Home only.
class letters {
public:
    /// `park`: a file for what is refused for good, or empty.
    letters(dispatch_host& host, letter_writer& who, std::string group, std::string park)
        : host_(&host), writer_(&who), group_(std::move(group)), park_(std::move(park)) {}

    /// From any thread.
    [[nodiscard]] auto health() const -> dead_letter_health { return book_.now(); }

    void send(job& work) {
        work.of->failed = true;
        if (!work.lettered) {
            work.lettered = true;
            host_->log(log_level::warning, why_dead(work));
        }
        if (is_dead_letter_topic(*work.of->from.where.topic)) { // no dead letters of dead letters
            writer_->letter_over(work);
            return;
        }
        // What came from Kafka is committed there, so its letter has to get there too, as has
        // the letter of what is on its way there.
        const policy when_away = work.local != nullptr      ? policy::spool
                                 : work.of->from.in_process ? policy::deliver
                                                            : policy::wait;
        host_->send(make_dead_letter(work, group_, host_->wall()), when_away,
                    *pool_new<letter>(*this, work));
    }
    /// Nobody takes its type, and nothing may pass it.
    void stop(job& work) {
        work.halted = true;
        std::string why = std::string(work.ended.reason()) + ": the partition stops at " +
                          place_of(work) + ", as its handler '" + work.handler->name() +
                          "' asks for; add a handler and start again";
        host_->log(log_level::error, why);
        book_.stopped({}, std::move(why), host_->now());
    }
    /// The job is over, however.
    void forget(job& work) {
        if (work.letters > 0) {
            work.letters = 0;
            book_.settled();
        }
        if (work.halted) {
            work.halted = false;
            book_.goes_on();
        }
    }
    /// Sends none a second time.
    void shut() noexcept { shut_ = true; }

private:
    class letter final : public internal_send {
    public:
        letter(letters& home, job& of) noexcept : home_(&home), of_(&of) {}
        void sent(std::error_code ec) noexcept override {
            letters& home = *home_;
            job& of = *of_;
            pool_delete(this);
            home.sent(of, ec);
        }

    private:
        letters* home_;
        job* of_;
    };

    void sent(job& work, std::error_code ec) {
        if (!ec) {
            taken_again();
            book_.written();
            writer_->letter_over(work);
        } else if (shut_ || work.of->abandoned) {
            work.of->abandoned = true;
            writer_->letter_over(work);
        } else if (ec == make_error_code(errc::too_large) && shrink(work.form)) {
            send(work);
        } else if (park(work, ec)) {
            writer_->letter_over(work);
        } else { // nothing is committed beyond it, so its partition stops when its limit is reached
            book_.refused(work.letters == 0, ec, why_refused(work, ec), host_->now());
            say_once(refusal_, ec, log_level::error, why_refused(work, ec));
            writer_->letter_refused(work, letter_wait(work.letters++));
        }
    }
    /// True: the file has it, and it counts as sent.
    [[nodiscard]] auto park(job& work, std::error_code why) -> bool {
        if (park_.empty() || why != condition::permanent) {
            return false;
        }
        const message_ptr kept = make_dead_letter(work, group_, host_->wall());
        const std::error_code failed = append_durably(park_, parked_line(*kept));
        if (failed) {
            say_once(parking_, failed, log_level::error,
                     "the file '" + park_ + "' takes no dead letters: " + failed.message());
            return false;
        }
        parking_.clear();
        say_once(refusal_, why, log_level::error,
                 "the dead letter topic of " + place_of(work) + " refuses: " + why.message() +
                     "; letters are parked in '" + park_ + "'");
        book_.parked();
        return true;
    }
    void say_once(std::error_code& last, std::error_code now, log_level level,
                  const std::string& text) {
        if (std::exchange(last, now) != now) {
            host_->log(level, text);
        }
    }
    void taken_again() {
        if (std::exchange(refusal_, std::error_code())) {
            host_->log(log_level::info, "dead letters are taken again");
        }
    }

    dispatch_host* host_;
    letter_writer* writer_;
    std::string group_;
    std::string park_;
    letter_book book_;
    std::error_code refusal_; ///< of the last one, to say each cause once
    std::error_code parking_; ///< the same of the file
    bool shut_ = false;
};

} // namespace cobus::detail
