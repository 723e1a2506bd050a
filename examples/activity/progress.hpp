#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <unistd.h>

namespace activity {

/// How far a long run is: a bar on a terminal, redrawn in place, else a plain line now and then.
class progress {
public:
    using clock = std::chrono::steady_clock;

    struct reading {
        double fraction = 0; ///< of the input, 0 to 1
        std::uint64_t events = 0;
    };

    progress(std::FILE* out, clock::time_point begun)
        : out_(out), terminal_(::isatty(::fileno(out)) == 1), begun_(begun), shown_(begun) {}

    /// Shows a reading if it is time to.
    void show(const reading& now_at, clock::time_point now) {
        const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(5);
        if (now - shown_ >= pause) {
            shown_ = now;
            print(now_at, now);
        }
    }
    /// Shows the last reading, whenever the one before was.
    void finish(const reading& last, clock::time_point now) {
        if (terminal_) {
            print(last, now);
            std::fputs("\n", out_);
        }
    }

    /// `[#####.....]  50 %  1234 events  617 events/s  2 s left`
    [[nodiscard]] static auto text(const reading& at, std::chrono::duration<double> passed,
                                   bool bar) -> std::string {
        constexpr int width = 30;
        const double fraction = std::clamp(at.fraction, 0.0, 1.0);
        const int filled = static_cast<int>(fraction * width);
        std::string line;
        if (bar) {
            line.append("[")
                .append(static_cast<std::size_t>(filled), '#')
                .append(static_cast<std::size_t>(width - filled), '.')
                .append("] ");
        }
        line.append(std::to_string(static_cast<int>(fraction * 100))).append(" %  ");
        line.append(std::to_string(at.events)).append(" events");
        if (passed.count() > 0) {
            const double rate = static_cast<double>(at.events) / passed.count();
            line.append("  ").append(std::to_string(std::llround(rate))).append(" events/s");
            if (fraction > 0 && fraction < 1) {
                const double left = passed.count() * (1 - fraction) / fraction;
                line.append("  ").append(duration(left)).append(" left");
            }
        }
        return line;
    }

private:
    [[nodiscard]] static auto duration(double seconds) -> std::string {
        const auto whole = static_cast<std::int64_t>(std::ceil(std::min(seconds, 1e9)));
        if (whole < 60) {
            return std::to_string(whole) + " s";
        }
        return whole < 3600
                   ? std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s"
                   : std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) +
                         " min";
    }
    void print(const reading& at, clock::time_point now) {
        const std::string line = text(at, now - begun_, terminal_);
        terminal_ ? std::fprintf(out_, "\r%s\033[K", line.c_str())
                  : std::fprintf(out_, "%s\n", line.c_str());
        std::fflush(out_);
    }

    std::FILE* out_;
    bool terminal_;
    clock::time_point begun_;
    clock::time_point shown_;
};

} // namespace activity
