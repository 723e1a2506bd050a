#include "run.hpp"

#include <cobus/cobus.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using cobus::test::run;
namespace net = cobus::net;
using namespace std::chrono_literals;

// GCC 12 destroys some temporaries inside co_await expressions twice. Whatever a user hands to a
// public function there has to live and die as often as it should.

namespace {

struct counts {
    static inline long made = 0;
    static inline long gone = 0;
};

/// A member that counts; what holds one is an aggregate or not, as the case needs.
class counted {
public:
    counted() { ++counts::made; }
    explicit counted(std::string text) : text_(std::move(text)) { ++counts::made; }
    counted(const counted& other) : text_(other.text_) { ++counts::made; }
    counted(counted&& other) noexcept : text_(std::move(other.text_)) { ++counts::made; }
    auto operator=(const counted&) -> counted& = default;
    auto operator=(counted&&) noexcept -> counted& = default;
    ~counted() { ++counts::gone; }

private:
    std::string text_;
};

struct aggregate {
    std::string key;
    counted member;
};

class with_constructor {
public:
    explicit with_constructor(std::string name) : key(std::move(name)) {}

    std::string key;
    counted member;
};

template <class E> struct counted_contract {
    static constexpr std::string_view topic = "counted";
    static constexpr auto key = &E::key;
};

auto make_aggregate() -> aggregate { return aggregate{"k", counted("made")}; }

} // namespace

template <> struct cobus::contract<aggregate> : counted_contract<aggregate> {
    static constexpr std::string_view type = "aggregate";
};
template <> struct cobus::contract<with_constructor> : counted_contract<with_constructor> {
    static constexpr std::string_view type = "with_constructor";
};

TEST_CASE("everything handed to a public function inside co_await is destroyed once") {
    counts::made = counts::gone = 0;
    int handled = 0;
    {
        net::io_context context;
        run(context, [&]() -> net::awaitable<void> {
            cobus::settings how;
            how.logger(cobus::logger());
            cobus::bus bus(context.get_executor(), std::move(how));
            auto plain = bus.on<aggregate>("plain", [&](const aggregate&) { ++handled; });
            auto coroutine = bus.on<with_constructor>(
                "coroutine", [&](const with_constructor&) -> net::awaitable<cobus::outcome> {
                    ++handled;
                    co_return cobus::outcome::done();
                });
            co_await bus.start();
            co_await plain.ready();

            aggregate event{"k", counted("event")};
            co_await bus.publish(event);
            co_await bus.publish(event, cobus::with().key("x").header("a", "b").deadline(1min));
            co_await bus.publish(cobus::take(event));
            event = make_aggregate();
            co_await bus.publish(with_constructor("k"));
            co_await bus.publish(with_constructor("k"), cobus::with().id("an id that is no UUID"));
            co_await bus.emit<with_constructor>("k");
            co_await bus.emit<aggregate>("k", counted("emitted"));
            co_await bus.call(event);
            co_await bus.call(with_constructor("k"));
            std::vector<aggregate> many(3, event);
            const auto results = co_await bus.publish_all(many);
            CHECK(results.size() == 3);
            CHECK((co_await bus.publish_all(std::move(many))).size() == 3);
            co_await bus.publish(cobus::message("counted", "other", "bytes"));
            std::error_code ec;
            co_await bus.publish(with_constructor("k"),
                                 net::redirect_error(net::use_awaitable, ec));
            CHECK_FALSE(ec);
            co_await plain.close();
            co_await bus.stop(5s);
        });
    }
    CHECK(handled == 16);
    CHECK(counts::made > 16);
    CHECK(counts::made == counts::gone);
}
