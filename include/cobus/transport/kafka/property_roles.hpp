#pragma once

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

namespace cobus::detail::kafka {

enum class role : unsigned char { producer, consumer };

/// The properties that this librdkafka has for one kind of client only. It says which in the table
/// of all properties that it prints, and else only in warnings when a client is made.
class property_roles {
public:
    /// Whether a client of that kind has a use for it. True for what is not in the table.
    [[nodiscard]] static auto suits(const std::string& property, role as) -> bool {
        static const property_roles all;
        const auto found = all.only_.find(property);
        return found == all.only_.end() || found->second == as;
    }

private:
    property_roles() {
#if defined(__unix__) || defined(__APPLE__)
        char* text = nullptr;
        std::size_t size = 0;
        std::FILE* into = ::open_memstream(&text, &size);
        if (into == nullptr) {
            return;
        }
        rd_kafka_conf_properties_show(into);
        std::fclose(into); // NOLINT(cert-err33-c): it is memory
        read({text, size});
        std::free(text); // NOLINT(cppcoreguidelines-no-malloc)
#endif
    }

    /// Lines are `name | C/P | range | default | importance | description`.
    void read(std::string_view table) {
        while (!table.empty()) {
            const std::string_view line = table.substr(0, table.find('\n'));
            table.remove_prefix((std::min)(line.size() + 1, table.size()));
            const std::size_t bar = line.find('|');
            const std::size_t next = bar == line.npos ? bar : line.find('|', bar + 1);
            if (next == line.npos) {
                continue;
            }
            const std::string_view kind = trim(line.substr(bar + 1, next - bar - 1));
            if (kind == "C" || kind == "P") {
                only_.emplace(trim(line.substr(0, bar)),
                              kind == "C" ? role::consumer : role::producer);
            }
        }
    }
    [[nodiscard]] static auto trim(std::string_view text) noexcept -> std::string_view {
        const std::size_t begin = text.find_first_not_of(' ');
        return begin == text.npos ? std::string_view()
                                  : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
    }

    std::map<std::string, role> only_;
};

} // namespace cobus::detail::kafka
