#pragma once

#include <arpa/inet.h>
#include <cstdint>
#include <netinet/in.h>
#include <random>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace cobus::test {

/// True when nobody holds this port of the loopback address.
[[nodiscard]] inline auto port_is_free(std::uint16_t port) -> bool {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool bound =
        ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(socket);
    return bound;
}

/// The first of `count` free ports in a row. They lie below those that the system gives to outgoing
/// connections, so a server that is down for a while finds its port free again.
[[nodiscard]] inline auto free_ports(int count) -> std::uint16_t {
    std::random_device random;
    std::uniform_int_distribution<int> any(10'000, 32'000);
    for (int tries = 0; tries < 1000; ++tries) {
        const int first = any(random);
        int port = first;
        while (port < first + count && port_is_free(static_cast<std::uint16_t>(port)))
            ++port;
        if (port == first + count)
            return static_cast<std::uint16_t>(first);
    }
    throw std::runtime_error("no free ports in a row");
}

} // namespace cobus::test
