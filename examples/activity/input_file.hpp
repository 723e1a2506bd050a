#pragma once

#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

namespace activity {

/// A file, plain or gzip, read piece by piece. Errors: throws `std::system_error` with its name.
class input_file {
public:
    explicit input_file(const std::string& path)
        : path_(path), size_(std::filesystem::file_size(path)), file_(gzopen(path.c_str(), "rb")) {
        if (!file_) {
            throw std::system_error(errno, std::generic_category(), path);
        }
        gzbuffer(file_.get(), 1U << 17U);
    }

    /// The next piece, valid until the next call; empty at the end.
    [[nodiscard]] auto read() -> std::string_view {
        const int count = gzread(file_.get(), piece_.data(), static_cast<unsigned>(piece_.size()));
        int code = Z_OK;
        const char* const text = gzerror(file_.get(), &code);
        if (count < 0 || code == Z_BUF_ERROR) { // the latter: a gzip file that is cut off
            throw std::system_error(std::make_error_code(std::errc::io_error),
                                    path_ + ": " + (code == Z_ERRNO ? "cannot be read" : text));
        }
        return {piece_.data(), static_cast<std::size_t>(count)};
    }

    /// Bytes on disk, and how many of them have been read.
    [[nodiscard]] auto size() const noexcept -> std::uintmax_t { return size_; }
    [[nodiscard]] auto position() const noexcept -> std::uintmax_t {
        const auto at = gzoffset(file_.get());
        return at > 0 ? static_cast<std::uintmax_t>(at) : 0;
    }

private:
    struct closer {
        void operator()(gzFile file) const noexcept { gzclose(file); }
    };

    std::string path_;
    std::uintmax_t size_;
    std::unique_ptr<gzFile_s, closer> file_;
    std::array<char, 1U << 16U> piece_{};
};

} // namespace activity
