#pragma once

#include "child_process.hpp"
#include "temporary_folder.hpp"

#include <libpq-fe.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <pwd.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace cobus::test {

/// A real PostgreSQL on a Unix socket in a folder of its own, gone with this object. It refuses to
/// run as root, so then it runs as the user that its package made.
class postgres_server {
public:
    postgres_server() : programs_(find_programs()) {
        if (::getuid() == 0) {
            const passwd* who = ::getpwnam("postgres");
            if (who == nullptr || ::chown(folder_.path().c_str(), who->pw_uid, who->pw_gid) != 0) {
                throw std::runtime_error("as root PostgreSQL's tests need its user 'postgres'");
            }
            prefix_ = {"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                       "--pdeathsig=KILL"};
        }
        const std::string data = (folder_.path() / "data").string();
        child_process made(command({programs_ + "/initdb", "--pgdata=" + data, "--username=cobus",
                                    "--auth=trust", "--no-sync", "--encoding=UTF8"}));
        if (!made.wait(std::chrono::minutes(2)) || made.status() != 0) {
            throw std::runtime_error("initdb failed");
        }
        server_ = std::make_unique<child_process>(
            command({programs_ + "/postgres", "-D", data, "-k", folder_.path().string(), "-c",
                     "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=40", "-c",
                     "log_min_messages=panic"}));
        await_answer();
    }
    postgres_server(const postgres_server&) = delete;
    auto operator=(const postgres_server&) -> postgres_server& = delete;
    ~postgres_server() {
        server_->signal(SIGQUIT);
        server_->wait(std::chrono::seconds(10));
    }

    /// One for all cases of a test executable.
    [[nodiscard]] static auto shared() -> postgres_server& {
        static postgres_server server;
        return server;
    }

    /// The connection string of a new and empty database.
    [[nodiscard]] auto new_database() -> std::string {
        const std::string name = "test" + std::to_string(++databases_);
        const std::unique_ptr<PGconn, void (*)(PGconn*)> on(PQconnectdb(where("postgres").c_str()),
                                                            &PQfinish);
        const std::unique_ptr<PGresult, void (*)(PGresult*)> made(
            PQexec(on.get(), ("CREATE DATABASE " + name).c_str()), &PQclear);
        if (PQresultStatus(made.get()) != PGRES_COMMAND_OK) {
            throw std::runtime_error(PQerrorMessage(on.get()));
        }
        return where(name);
    }

private:
    [[nodiscard]] static auto find_programs() -> std::string {
        const std::filesystem::path versions = "/usr/lib/postgresql";
        std::string newest;
        if (std::filesystem::is_directory(versions)) {
            for (const auto& each : std::filesystem::directory_iterator(versions)) {
                const auto programs = each.path() / "bin";
                if (std::filesystem::exists(programs / "initdb") && programs.string() > newest) {
                    newest = programs.string();
                }
            }
        }
        if (newest.empty()) {
            throw std::runtime_error("no PostgreSQL in " + versions.string() +
                                     ": tests/tools/install tests");
        }
        return newest;
    }
    [[nodiscard]] auto command(std::vector<std::string> words) const -> std::vector<std::string> {
        words.insert(words.begin(), prefix_.begin(), prefix_.end());
        return words;
    }
    [[nodiscard]] auto where(const std::string& database) const -> std::string {
        return "host=" + folder_.path().string() + " user=cobus dbname=" + database;
    }
    void await_answer() {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        while (PQping(where("postgres").c_str()) != PQPING_OK) {
            if (std::chrono::steady_clock::now() > deadline ||
                server_->wait(std::chrono::milliseconds(20))) {
                throw std::runtime_error("PostgreSQL does not start");
            }
        }
    }

    temporary_folder folder_;
    std::string programs_;
    std::vector<std::string> prefix_;
    std::unique_ptr<child_process> server_;
    int databases_ = 0;
};

} // namespace cobus::test
