#pragma once

#include "record.hpp"

#include <cobus/transport/simple_transport.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

// Topics are files in a folder, one record after another. What was sent survives the process; a
// bus begins where its group had committed. One bus at a time uses a folder.
class file_transport final : public cobus::simple_transport {
public:
    file_transport(const cobus::transport_options& options, std::filesystem::path folder)
        : folder_(std::move(folder)), news_(options.executor) {
        std::filesystem::create_directories(folder_);
    }

    auto send(cobus::message& content) -> cobus::net::awaitable<cobus::receipt> override {
        topic_file& to = open(content.interned_topic());
        std::ofstream out(folder_ / content.topic(), std::ios::app | std::ios::binary);
        write_record(out, content);
        if (!out.flush()) {
            throw std::system_error(std::make_error_code(std::errc::io_error), "cannot write");
        }
        cobus::receipt where;
        where.id(content.id());
        where.topic(content.interned_topic());
        where.position(0, to.written++);
        where.timestamp(content.time());
        where.way(cobus::path::other, true);
        news_.cancel(); // wakes `receive`
        co_return where;
    }

    auto receive(std::span<cobus::delivery> room) -> cobus::net::awaitable<std::size_t> override {
        for (;;) {
            std::size_t count = 0;
            for (const std::string* topic : wanted_.topics) {
                for (topic_file& from = open(topic); from.read < from.written; ++from.read) {
                    if (count == room.size()) {
                        co_return count;
                    }
                    room[count].where = {topic, 0};
                    room[count].offset = from.read;
                    room[count++].content = read_record(from.in, topic).release();
                }
            }
            if (count > 0) {
                co_return count;
            }
            std::error_code woken;
            news_.expires_after(std::chrono::hours(1));
            co_await news_.async_wait(cobus::net::redirect_error(cobus::net::use_awaitable, woken));
        }
    }

    auto commit(std::span<const cobus::position> all) -> cobus::net::awaitable<void> override {
        for (const cobus::position& each : all) {
            const auto file = folder_ / (wanted_.group + "@" + *each.where.topic);
            std::ofstream(file.string() + "~") << each.offset;
            std::filesystem::rename(file.string() + "~", file); // whole, or not at all
        }
        co_return;
    }
    void topics(const cobus::interest& wanted) override { wanted_ = wanted; }

private:
    struct topic_file {
        std::ifstream in;
        std::int64_t read = 0, written = 0;
    };

    auto open(const std::string* topic) -> topic_file& {
        topic_file& file = files_[topic];
        if (!file.in.is_open()) {
            std::ofstream(folder_ / *topic, std::ios::app);
            file.in.open(folder_ / *topic, std::ios::binary);
            std::ifstream(folder_ / (wanted_.group + "@" + *topic)) >> file.read;
            std::vector<std::size_t> begins{0};
            while (read_record(file.in, topic) != nullptr) {
                begins.push_back(static_cast<std::size_t>(file.in.tellg()));
            }
            file.written = static_cast<std::int64_t>(begins.size()) - 1;
            file.in.clear();
            file.in.seekg(
                static_cast<std::streamoff>(begins.at(static_cast<std::size_t>(file.read))));
            std::filesystem::resize_file(folder_ / *topic, begins.back()); // no half record
        }
        return file;
    }

    std::filesystem::path folder_;
    cobus::net::steady_timer news_;
    cobus::interest wanted_;
    std::map<const std::string*, topic_file> files_;
};
