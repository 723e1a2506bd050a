#include "run.hpp"

#include <cobus/cobus.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

using cobus::test::run;
namespace net = cobus::net;

// What users hand in may throw; the call says so, nothing leaks, and the bus goes on.

namespace {

struct fragile {
    std::string key;

    fragile() = default;
    explicit fragile(std::string name) : key(std::move(name)) {}
    fragile(const fragile& other) : key(other.key) {
        if (key == "no copy") {
            throw std::runtime_error("this event cannot be copied");
        }
    }
    fragile(fragile&&) noexcept = default;
    auto operator=(const fragile&) -> fragile& = default;
    auto operator=(fragile&&) noexcept -> fragile& = default;
    ~fragile() = default;
};

/// A completion handler whose allocator has nothing to give.
class starving_callback {
public:
    template <class T> class starving_allocator {
    public:
        using value_type = T;

        starving_allocator() = default;
        template <class U> starving_allocator(const starving_allocator<U>& /*other*/) {} // NOLINT
        [[noreturn]] auto allocate(std::size_t /*count*/) -> T* { throw std::bad_alloc(); }
        void deallocate(T* /*memory*/, std::size_t /*count*/) noexcept {}
        template <class U>
        auto operator==(const starving_allocator<U>& /*other*/) const noexcept -> bool {
            return true;
        }
    };
    using allocator_type = starving_allocator<char>;

    [[nodiscard]] auto get_allocator() const noexcept -> allocator_type { return {}; }
    void operator()(std::error_code /*ec*/, const cobus::receipt& /*where*/) const {
        FAIL("an operation that could not begin has no end");
    }
};

} // namespace

template <> struct cobus::contract<fragile> {
    static constexpr std::string_view type = "fragile", topic = "fragile";
    static auto key(const fragile& event) -> std::string {
        if (event.key == "no key") {
            throw std::domain_error("this event has no key");
        }
        return event.key;
    }
};

TEST_CASE("what throws while an event is read throws at the call, and the bus goes on") {
    net::io_context context;
    int handled = 0;
    run(context, [&]() -> net::awaitable<void> {
        cobus::settings how;
        how.logger(cobus::logger());
        cobus::bus bus(context.get_executor(), std::move(how));
        auto handler = bus.on<fragile>("count", [&](const fragile&) { ++handled; });
        co_await bus.start();
        const fragile uncopied("no copy");
        const fragile keyless("no key");
        const fragile good("good");
        CHECK_THROWS_AS(bus.publish(uncopied, net::detached), std::runtime_error);
        CHECK_THROWS_AS(bus.publish(keyless, net::detached), std::domain_error);
        CHECK_THROWS_AS((void)bus.try_publish(keyless), std::domain_error);
        CHECK_THROWS_AS(bus.publish(good, starving_callback()), std::bad_alloc);
        co_await bus.call(good);
        co_await bus.stop();
    });
    CHECK(handled == 1);
}

TEST_CASE("what a completion handler throws leaves the context, and the bus goes on") {
    net::io_context context;
    cobus::settings how;
    how.logger(cobus::logger());
    cobus::bus bus(context.get_executor(), std::move(how));
    int handled = 0;
    auto handler = bus.on<fragile>("count", [&](const fragile&) { ++handled; });
    const fragile good("good");
    bus.start([&](std::error_code ec) {
        CHECK_FALSE(ec);
        bus.publish(good, [&](std::error_code, const cobus::receipt&) {
            throw std::logic_error("of the user's");
        });
    });
    CHECK_THROWS_AS(context.run(), std::logic_error);
    bus.publish(good, [&](std::error_code ec, const cobus::receipt&) {
        CHECK_FALSE(ec);
        bus.request_stop();
    });
    context.run();
    CHECK(handled == 2);
}
