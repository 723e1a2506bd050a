#include "run.hpp"

#include <cobus/cobus.hpp>
#include <cobus/testing.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

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

namespace {

struct clay {
    std::string form;
};

/// A codec as one writes it around a library that throws.
struct breaking_codec {
    static constexpr std::string_view content_type = "text/plain";
    static auto encode(const clay& from, std::string& out) -> cobus::codec_result {
        if (from.form == "not to be written") {
            throw std::runtime_error("it cannot be written");
        }
        out += from.form;
        return {};
    }
    static auto decode(std::string_view bytes, clay& into) -> cobus::codec_result {
        if (bytes == "not to be read") {
            throw std::runtime_error("it cannot be read");
        }
        if (bytes == "strange") {
            throw 1; // NOLINT(hicpp-exception-baseclass): what such a library might do
        }
        into.form = bytes;
        return {};
    }
    static auto peek_type(std::string_view bytes, std::string_view /*field*/)
        -> std::optional<std::string> {
        if (bytes == "no type") {
            throw std::runtime_error("it has no type");
        }
        return "clay";
    }
};

auto of_clay(std::string_view text) {
    cobus::message content;
    content.topic("clay");
    content.payload(std::string(text));
    return content;
}

} // namespace

template <> struct cobus::contract<clay> {
    static constexpr std::string_view type = "clay", topic = "clay";
    static constexpr auto wire = cobus::wire::plain("form");
    using codec = breaking_codec;
};

TEST_CASE("what a codec throws is a reason for a dead letter, and the bus goes on") {
    cobus::testing::bus_fixture t;
    std::vector<std::string> forms;
    SUBCASE("while it reads") {
        auto potter =
            t.bus.on<clay>("potter", [&](const clay& what) { forms.push_back(what.form); });
        for (const char* text : {"cup", "not to be read", "strange", "no type", "bowl"}) {
            t.publish(of_clay(text));
        }
        t.until_idle();
        CHECK(forms == std::vector<std::string>{"cup", "bowl"});
        const auto letters = t.dead_letters();
        REQUIRE(letters.size() == 3);
        CHECK(letters[0].reason() == "it cannot be read");
        CHECK(letters[1].reason() == "the codec threw something that is no std::exception");
        CHECK(letters[2].reason().find("no type") != std::string::npos);
    }
    SUBCASE("while it writes, for a handler of the bytes") {
        auto all = t.bus.on_any("all", {"clay"}, [&](const cobus::message& what) {
            forms.emplace_back(what.payload());
        });
        for (const char* form : {"cup", "not to be written", "bowl"}) {
            const clay event{form};
            t.publish(event);
        }
        t.until_idle();
        CHECK(forms == std::vector<std::string>{"cup", "bowl"});
        CHECK(t.one_dead_letter().reason() == "it cannot be written");
    }
    t.stop();
}

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

// Some throw what no `catch (const std::exception&)` sees.

namespace {

struct strange {};

template <class T> [[noreturn]] void throw_strange_or(T usual, bool is_strange) {
    if (is_strange) {
        throw strange();
    }
    throw usual;
}

} // namespace

TEST_CASE("an event is tried again if the function throws that says whether it is worth it") {
    for (const bool is_strange : {false, true}) {
        cobus::testing::bus_fixture t;
        int runs = 0;
        cobus::retry_policy policy;
        policy = std::move(policy).attempts(3).when([&](const std::exception_ptr&) -> bool {
            throw_strange_or(std::runtime_error("cannot tell"), is_strange);
        });
        auto handler =
            t.bus.on<fragile>(cobus::handler("failing").retry(policy), [&](const fragile&) {
                ++runs;
                throw std::runtime_error("no");
            });
        t.publish(fragile("one"));
        t.until_idle();
        CHECK(runs == 3);
        CHECK(t.dead_letters().size() == 1);
    }
}

TEST_CASE("a handler waits as long as what tells copies throws, whatever it throws") {
    for (const bool is_strange : {false, true}) {
        cobus::testing::bus_fixture t;
        bool broken = true;
        int runs = 0;
        auto store = std::make_shared<cobus::memory_deduplication>();
        const auto id_of = [&](const cobus::message& content) -> std::string {
            if (broken) {
                throw_strange_or(std::runtime_error("no id"), is_strange);
            }
            return std::string(*content.key());
        };
        auto handler = t.bus.on<fragile>(cobus::handler("once").deduplicate(store, id_of),
                                         [&](const fragile&) { ++runs; });
        t.publish(fragile("one"));
        t.advance(std::chrono::seconds(10));
        CHECK(runs == 0);
        broken = false;
        t.advance(std::chrono::seconds(10));
        CHECK(runs == 1);
    }
}

TEST_CASE("who waits for a state hears of it though the function of on_state throws") {
    for (const bool is_strange : {false, true}) {
        cobus::settings how;
        how.on_state([is_strange](const cobus::health&) {
            throw_strange_or(std::runtime_error("no"), is_strange);
        });
        cobus::testing::bus_fixture t(std::move(how));
        t.start_by_hand();
        bool reached = false;
        t.bus.until(cobus::state::memory, [&](std::error_code ec) { reached = !ec; });
        t.bus.start([](std::error_code ec) { CHECK_FALSE(ec); });
        t.settle();
        CHECK(reached);
        const auto lines = t.log_lines();
        CHECK(std::any_of(lines.begin(), lines.end(), [](std::string_view line) {
            return line.find("on_state") != std::string_view::npos;
        }));
    }
}
