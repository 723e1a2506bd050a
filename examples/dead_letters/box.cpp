#include "box.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace dead_letters {

auto open_letters(reader& from, const std::string& topic, const filter& wanted, bool payloads)
    -> std::vector<letter> {
    std::vector<letter> found;
    std::set<place> settled;
    from.read(topic, [&](letter one) {
        if (const auto which = one.headers.get(settled_header)) {
            if (auto where = read_place(topic + "/" + std::string(*which))) {
                settled.insert(*std::move(where));
            }
        } else if (wanted.takes(one)) {
            if (!payloads) {
                one.payload.reset();
            }
            found.push_back(std::move(one));
        }
    });
    std::erase_if(found, [&](const letter& each) { return settled.contains(each.where); });
    std::sort(found.begin(), found.end(), [](const letter& a, const letter& b) {
        return std::tie(a.timestamp, a.where) < std::tie(b.timestamp, b.where);
    });
    return found;
}

auto make_marker(const letter& of, std::string_view how) -> cobus::message {
    cobus::message made;
    made.topic(of.where.topic);
    if (of.key) {
        made.key(*of.key);
    }
    made.headers().set(settled_header,
                       std::to_string(of.where.partition) + "/" + std::to_string(of.where.offset));
    made.headers().set("cobus-dlq-how", how);
    return made;
}

} // namespace dead_letters
