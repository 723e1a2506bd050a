#pragma once

#include <cobus/contract.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cobus::chaos {

/// What a peer is told on its command line, as name=value.
struct peer_options {
    std::string name, brokers, group, folder, activity;
    /// Of cobus; with "/sqlite" behind it if there is a file, and "/fenced" if there is a
    /// transactional id.
    std::string policy = "wait";
    std::uint64_t events = 0; ///< to publish; none: a consumer only
    std::uint64_t number = 0; ///< of this publisher among `publishers`
    std::uint64_t publishers = 1;
    double rate = 100; ///< events a second

    [[nodiscard]] static auto read(int count, char** words) -> peer_options {
        peer_options made;
        for (int i = 1; i < count; ++i) {
            const std::string_view word(words[i]);
            const std::size_t at = word.find('=');
            if (at == std::string_view::npos) {
                throw std::invalid_argument("not name=value: " + std::string(word));
            }
            made.set(word.substr(0, at), std::string(word.substr(at + 1)));
        }
        return made;
    }

    [[nodiscard]] auto policy_name() const -> std::string_view {
        return std::string_view(policy).substr(0, policy.find('/'));
    }
    [[nodiscard]] auto with_file() const -> bool { return has("/sqlite"); }
    [[nodiscard]] auto fenced() const -> bool { return has("/fenced"); }

private:
    [[nodiscard]] auto has(std::string_view part) const -> bool {
        return policy.find(part) != std::string::npos;
    }
    void set(std::string_view what, const std::string& value) {
        if (what == "name") {
            name = value;
        } else if (what == "brokers") {
            brokers = value;
        } else if (what == "group") {
            group = value;
        } else if (what == "folder") {
            folder = value;
        } else if (what == "activity") {
            activity = value;
        } else if (what == "policy") {
            policy = value;
        } else if (what == "events") {
            events = std::stoull(value);
        } else if (what == "number") {
            number = std::stoull(value);
        } else if (what == "publishers") {
            publishers = std::stoull(value);
        } else if (what == "rate") {
            rate = std::stod(value);
        } else {
            throw std::invalid_argument("unknown: " + std::string(what));
        }
    }
};

} // namespace cobus::chaos
