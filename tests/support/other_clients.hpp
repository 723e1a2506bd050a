#pragma once

#include "child_process.hpp"
#include "source_folder.hpp"
#include "temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <utility>
#include <vector>

/// Clients of Kafka that others wrote, as programs: what they read and write beside cobus.
namespace cobus::test {

/// A message as a program shows it.
struct foreign_message {
    std::optional<std::string> key;
    std::optional<std::string> value; ///< nothing for a tombstone
    std::vector<std::pair<std::string, std::optional<std::string>>> headers;
    std::int32_t partition = -1;
    std::int64_t offset = -1;

    /// The value of the first header of that name.
    [[nodiscard]] auto header(const std::string& name) const -> std::optional<std::string> {
        const auto found = std::find_if(headers.begin(), headers.end(),
                                        [&name](const auto& each) { return each.first == name; });
        return found != headers.end() ? found->second : std::nullopt;
    }
};

namespace foreign {

/// Runs a program to its end, which has to be a good one; returns the lines that it prints.
inline auto run(const std::vector<std::string>& arguments) -> std::vector<std::string> {
    child_process program(arguments);
    std::vector<std::string> lines;
    while (auto line = program.read_line(std::chrono::minutes(2))) {
        lines.push_back(std::move(*line));
    }
    CAPTURE(arguments);
    REQUIRE(program.wait(std::chrono::seconds(30)));
    REQUIRE(WIFEXITED(program.status()));
    REQUIRE(WEXITSTATUS(program.status()) == 0);
    return lines;
}

inline auto text(const nlohmann::json& from) -> std::optional<std::string> {
    return from.is_null() ? std::nullopt : std::optional<std::string>(from.get<std::string>());
}

inline void sort_by_place(std::vector<foreign_message>& all) {
    std::ranges::sort(all, [](const foreign_message& a, const foreign_message& b) {
        return std::pair(a.partition, a.offset) < std::pair(b.partition, b.offset);
    });
}

} // namespace foreign

/// kcat, a command line client in C.
class kcat {
public:
    explicit kcat(std::string brokers) : brokers_(std::move(brokers)) {}

    /// The whole topic.
    [[nodiscard]] auto read(const std::string& topic) const -> std::vector<foreign_message> {
        std::vector<foreign_message> all;
        for (const std::string& line : foreign::run({"kcat", "-C", "-q", "-e", "-J", "-b", brokers_,
                                                     "-o", "beginning", "-t", topic})) {
            const auto json = nlohmann::json::parse(line);
            foreign_message made;
            made.key = foreign::text(json.at("key"));
            made.value = foreign::text(json.at("payload"));
            made.partition = json.at("partition");
            made.offset = json.at("offset");
            const auto headers = json.value("headers", nlohmann::json::array());
            for (std::size_t i = 0; i + 1 < headers.size(); i += 2) { // name, value, name, value, …
                made.headers.emplace_back(headers[i], foreign::text(headers[i + 1]));
            }
            all.push_back(std::move(made));
        }
        foreign::sort_by_place(all);
        return all;
    }

    /// Writes one message. It has no words for an empty value, and for a tombstone only with a key.
    void write(const std::string& topic, const foreign_message& message) const {
        const temporary_folder folder;
        const std::filesystem::path file = folder.path() / "message";
        std::vector<std::string> arguments{
            "kcat", "-P", "-q", "-b", brokers_, "-t", topic, "-X", "partitioner=murmur2_random"};
        if (message.value) {
            std::ofstream(file, std::ios::binary) << *message.value;
        } else { // read as a line: only there an empty value may become none
            std::ofstream(file, std::ios::binary) << message.key.value() << "=>\n";
            arguments.insert(arguments.end(), {"-Z", "-K", "=>", "-l"});
        }
        if (message.key && message.value) {
            arguments.insert(arguments.end(), {"-k", *message.key});
        }
        if (message.partition >= 0) {
            arguments.insert(arguments.end(), {"-p", std::to_string(message.partition)});
        }
        for (const auto& [name, value] : message.headers) {
            arguments.insert(arguments.end(), {"-H", value ? name + "=" + *value : name});
        }
        arguments.push_back(file.string());
        foreign::run(arguments);
    }

private:
    std::string brokers_;
};

/// confluent-kafka, the Python client.
class confluent {
public:
    explicit confluent(std::string brokers) : brokers_(std::move(brokers)) {}

    /// The whole topic.
    [[nodiscard]] auto read(const std::string& topic) const -> std::vector<foreign_message> {
        std::vector<foreign_message> all;
        for (const std::string& line : run({"read", topic})) {
            const auto json = nlohmann::json::parse(line);
            foreign_message made;
            made.key = foreign::text(json.at("key"));
            made.value = foreign::text(json.at("value"));
            made.partition = json.at("partition");
            made.offset = json.at("offset");
            for (const auto& header : json.at("headers")) {
                made.headers.emplace_back(header.at(0), foreign::text(header.at(1)));
            }
            all.push_back(std::move(made));
        }
        foreign::sort_by_place(all);
        return all;
    }

    void write(const std::string& topic, const std::vector<foreign_message>& messages) const {
        auto all = nlohmann::json::array();
        for (const foreign_message& each : messages) {
            nlohmann::json made{{"headers", nlohmann::json::array()}};
            made["key"] = each.key ? nlohmann::json(*each.key) : nlohmann::json();
            made["value"] = each.value ? nlohmann::json(*each.value) : nlohmann::json();
            for (const auto& [name, value] : each.headers) {
                const auto json = value ? nlohmann::json(*value) : nlohmann::json();
                made["headers"].push_back(nlohmann::json::array({name, json}));
            }
            if (each.partition >= 0) {
                made["partition"] = each.partition;
            }
            all.push_back(std::move(made));
        }
        run({"write", topic, all.dump()});
    }

private:
    auto run(const std::vector<std::string>& what) const -> std::vector<std::string> {
        const auto script = source_folder() / "kafka/confluent.py";
        std::vector<std::string> arguments{"python3", script, brokers_};
        arguments.insert(arguments.end(), what.begin(), what.end());
        return foreign::run(arguments);
    }

    std::string brokers_;
};

} // namespace cobus::test
