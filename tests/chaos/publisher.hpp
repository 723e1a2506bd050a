#pragma once

#include "activity/array_splitter.hpp"
#include "activity/input_file.hpp"
#include "chaos_event.hpp"
#include "journal.hpp"
#include "peer_options.hpp"

#include <cobus/cobus.hpp>
#include <cobus/json.hpp>

#include <asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cobus::chaos {

/// Publishes its part of the activity file at a pace and writes down, outside of cobus, what it
/// asked for before it asks, and what was answered:
///
///     start INCARNATION TIME
///     a SEQUENCE KEY TIME STATE                                       asked
///     r SEQUENCE WAY DURABLE ID PARTITION OFFSET TIME                 answered
///     f SEQUENCE TIME ERROR                                           failed
///     done TIME                                                       all are answered
///
/// Started again after a kill, it goes on behind what it had asked for.
class publisher {
public:
    publisher(bus& over, journal& book, const peer_options& how, const std::string& own_journal)
        : bus_(&over), book_(&book), how_(&how), events_(read_events(how.activity)) {
        look_back(own_journal);
        book_->write("start", incarnation_, now_us());
    }

    /// To be called again and again; says once when all is answered.
    void tick() {
        const std::int64_t now = now_us();
        allowed_ += static_cast<double>(now - last_tick_) * how_->rate / 1e6;
        allowed_ = (std::min)(allowed_, most_at_once);
        last_tick_ = now;
        while (allowed_ >= 1 && next_ < how_->events && under_way_ < most_under_way) {
            allowed_ -= 1;
            one();
        }
        if (next_ >= how_->events && under_way_ == 0 && !done_) {
            done_ = true;
            book_->write("done", now_us());
        }
    }

private:
    static constexpr std::size_t most_under_way = 5'000;
    static constexpr double most_at_once = 200;

    static auto read_events(const std::string& path) -> std::vector<activity_event> {
        std::vector<activity_event> all;
        activity::input_file file(path);
        activity::array_splitter splitter;
        for (std::string_view piece = file.read(); !piece.empty(); piece = file.read()) {
            splitter.feed(piece);
            while (const auto element = splitter.next()) {
                activity_event event;
                if (!json_codec::decode(*element, event).ok()) {
                    throw std::runtime_error(path + ": bad event");
                }
                all.push_back(std::move(event));
            }
        }
        return all;
    }

    void look_back(const std::string& own_journal) {
        std::ifstream in(own_journal);
        for (std::string line; std::getline(in, line);) {
            std::istringstream words(line);
            std::string what;
            std::uint64_t number = 0;
            words >> what >> number;
            if (what == "start") {
                incarnation_ = number + 1;
            } else if (what == "a") {
                next_ = number + 1;
            }
        }
    }

    void one() {
        const std::uint64_t sequence = next_++;
        chaos_event event;
        event.publisher = how_->name;
        event.sequence = sequence;
        event.activity = events_[(sequence * how_->publishers + how_->number) % events_.size()];
        event.user_id = event.activity.user_id;
        book_->write("a", sequence, event.user_id, now_us(), to_string(bus_->health().what));
        ++under_way_;
        bus_->publish(take(event), [this, sequence](std::error_code ec, const receipt& where) {
            --under_way_;
            if (ec) {
                book_->write("f", sequence, now_us(), ec.message());
            } else {
                book_->write("r", sequence, to_string(where.way()), where.durable() ? 1 : 0,
                             where.id().str(), where.partition(), where.offset(), now_us());
            }
        });
    }

    bus* bus_;
    journal* book_;
    const peer_options* how_;
    std::vector<activity_event> events_;
    std::uint64_t incarnation_ = 1;
    std::uint64_t next_ = 1;
    std::size_t under_way_ = 0;
    std::int64_t last_tick_ = now_us();
    double allowed_ = 0;
    bool done_ = false;
};

} // namespace cobus::chaos
