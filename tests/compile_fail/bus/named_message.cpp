// expects: cobus: a message has one owner
#include <cobus/cobus.hpp>

#include <vector>

void wrong(cobus::bus& bus, std::vector<cobus::message>& all, cobus::message& one) {
    (void)bus.publish_all(all);
    (void)bus.publish(one);
}
