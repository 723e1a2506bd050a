#pragma once

#include "child_process.hpp"
#include "temporary_folder.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cobus::test {

/// A certificate authority of the test's own, in a folder that is gone with it.
class certificate_authority {
public:
    explicit certificate_authority(const std::string& name) {
        make({"-subj", "/CN=" + name, "-nodes", "-keyout", file("ca.key"), "-out", file("ca.pem")});
    }

    /// Makes `<name>.pem` and `<name>.key`, and `<name>.both.pem` with one behind the other. The
    /// certificate is for 127.0.0.1; the key is encrypted if there is a password.
    void issue(const std::string& name, const std::string& password = {}) const {
        std::vector<std::string> how{
            "-CA",     file("ca.pem"),      "-CAkey",  file("ca.key"),
            "-subj",   "/CN=" + name,       "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", file(name + ".key"), "-out",    file(name + ".pem")};
        if (password.empty())
            how.emplace_back("-nodes");
        else
            how.insert(how.end(), {"-passout", "pass:" + password});
        make(how);
        std::ofstream(file(name + ".both.pem")) << text(name + ".key") << text(name + ".pem");
    }

    [[nodiscard]] auto file(const std::string& name) const -> std::string {
        return folder_.path() / name;
    }
    [[nodiscard]] auto text(const std::string& name) const -> std::string {
        std::ifstream from(file(name));
        return {std::istreambuf_iterator<char>(from), {}};
    }

private:
    static void make(const std::vector<std::string>& how) {
        // With what it says of its progress where nobody reads it.
        std::vector<std::string> command{
            "sh", "-c",       "exec openssl req \"$@\" 2>&1", "openssl", "-x509", "-newkey",
            "ec", "-pkeyopt", "ec_paramgen_curve:P-256",      "-days",   "2"};
        command.insert(command.end(), how.begin(), how.end());
        child_process openssl(command);
        if (!openssl.wait(std::chrono::minutes(1)) || openssl.status() != 0)
            throw std::runtime_error("openssl made no certificate");
    }

    temporary_folder folder_;
};

} // namespace cobus::test
