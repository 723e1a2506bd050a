#pragma once

#include "data.hpp"
#include "publishing_tools.hpp"
#include "runner.hpp"
#include "tampering.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Part F of the conformance suite: retries and dead letters.
namespace cobus::testing::detail {

/// When a handler was given an event.
struct timed_note {
    seen_note seen;
    std::chrono::steady_clock::time_point at;
};

/// What failing handlers leave behind: a topic of notes, its dead letters, and who reads them.
class failing_scene {
public:
    explicit failing_scene(world& w)
        : world_(&w),
          topic_(w.notes(1)),
          dead_(world::dead_letters_of(topic_)),
          tries_(&w.new_journal<timed_note>()),
          letters_(&w.new_journal<seen_message>()),
          meddling_(&w.make<tampering>(w.changed())) {
        w.fixture().create_topic(dead_, 1);
        open();
    }

    /// A bus of the group, the one before is gone.
    void open(std::string_view group = "one") {
        readers_.clear();
        bus_ = world_->make_bus(world_->settings(group).partitions(1), *meddling_);
    }
    /// A handler that says how it ends by number and attempt.
    template <class Decide> void handle(handler_options how, Decide decide) {
        readers_.push_back(bus_->on<note>(
            std::move(how), [tries = tries_, decide](const note& event, context& where) {
                timed_note entry;
                entry.seen = seen_note::of(event, where);
                entry.at = std::chrono::steady_clock::now();
                tries->add(std::move(entry));
                return decide(event.number, where.attempt());
            }));
    }
    void read_letters() {
        readers_.push_back(bus_->on_any(handler("letters"), std::vector<std::string>(1, dead_),
                                        [to = letters_](const message& content, context& where) {
                                            to->add(seen_message::of(content, where));
                                        }));
    }
    void keep(subscription reader) { readers_.push_back(std::move(reader)); }

    [[nodiscard]] auto operator->() const noexcept -> bus* { return bus_.get(); }
    [[nodiscard]] auto operator*() const noexcept -> bus& { return *bus_; }
    [[nodiscard]] auto topic() const noexcept -> const std::string& { return topic_; }
    [[nodiscard]] auto dead() const noexcept -> const std::string& { return dead_; }
    [[nodiscard]] auto meddling() noexcept -> tampering& { return *meddling_; }
    [[nodiscard]] auto letters() const noexcept -> journal<seen_message>& { return *letters_; }
    [[nodiscard]] auto tries() const noexcept -> journal<timed_note>& { return *tries_; }
    [[nodiscard]] auto tries_of(std::uint64_t number) const -> std::vector<timed_note> {
        std::vector<timed_note> all = tries_->all();
        std::erase_if(all, [number](const auto& each) { return each.seen.event.number != number; });
        return all;
    }
    auto letters_come(std::size_t count) -> net::awaitable<void> {
        return world_->eventually([this, count] { return letters_->size() >= count; },
                                  "the dead letters");
    }

private:
    world* world_;
    std::string topic_;
    std::string dead_;
    journal<timed_note>* tries_;
    journal<seen_message>* letters_;
    tampering* meddling_;
    std::unique_ptr<bus> bus_;
    std::vector<subscription> readers_;
};

[[nodiscard]] inline auto impatient(unsigned attempts) -> retry_policy {
    return retry_policy().attempts(attempts).backoff(std::chrono::milliseconds(1),
                                                     std::chrono::milliseconds(5));
}

inline auto c50_attempts_and_times(world& w) -> net::awaitable<void> {
    const std::chrono::milliseconds asked(60);
    const std::chrono::milliseconds slack(2000);
    failing_scene scene(w);
    scene.handle(handler("reader").retry(impatient(4)), [asked](std::uint64_t, unsigned) {
        return outcome::retry_after(asked, "not yet");
    });
    scene.read_letters();
    co_await scene->start();
    co_await publish_notes(*scene, "k", 0, 1);
    co_await scene.letters_come(1);
    co_await scene->stop();
    const std::vector<timed_note> tries = scene.tries_of(0);
    expect_equal(tries.size(), std::size_t{4}, "tries");
    for (std::size_t i = 0; i < tries.size(); ++i) {
        expect_equal(tries[i].seen.attempt, static_cast<unsigned>(i + 1), "the attempt's number");
        if (i > 0) {
            const auto waited = tries[i].at - tries[i - 1].at;
            expect(waited >= asked, "a try comes no earlier than asked for");
            expect(waited < asked + slack, "a try comes soon after it is due");
        }
    }
    expect_equal(scene.letters().all().front().headers.get("cobus-dlq-attempts").value_or(""), "4",
                 "the attempts that the dead letter tells");
}

inline auto c51_letter(world& w) -> net::awaitable<void> {
    failing_scene scene(w);
    scene.handle(handler("reader").retry(impatient(2)), [](std::uint64_t, unsigned) -> outcome {
        throw std::runtime_error("the handler's own words");
    });
    scene.read_letters();
    co_await scene->start();
    const note event = make_note("the key", 7);
    const publish_options said = with().header("first", "1").header("again", "a").id("id-7");
    const receipt where = co_await scene->publish(event, said);
    co_await scene.letters_come(1);
    co_await scene->stop();
    const seen_message letter = scene.letters().all().front();
    const auto header = [&letter](std::string_view name) {
        return std::string(letter.headers.get(name).value_or("none"));
    };
    expect_equal(letter.id, "id-7", "the id");
    expect_equal(letter.key.value_or("none"), "the key", "the key");
    expect_equal(letter.payload.value_or("none"), "note:7:the key", "the payload");
    expect_equal(header("first"), "1", "a header of the event");
    expect_equal(header("again"), "a", "another header of the event");
    expect_equal(header("cobus-dlq-topic"), scene.topic(), "where from: the topic");
    expect_equal(header("cobus-dlq-partition"), std::to_string(where.partition()),
                 "where from: the partition");
    expect_equal(header("cobus-dlq-offset"), std::to_string(where.offset()),
                 "where from: the offset");
    expect_equal(header("cobus-dlq-handler"), "reader", "whose failure");
    expect_equal(header("cobus-dlq-attempts"), "2", "how often it was tried");
    expect_equal(header("cobus-dlq-reason"), "the handler's own words", "why");
    expect(letter.headers.get("cobus-dlq-group").has_value(), "which group");
}

inline auto c52_refused_letter(world& w) -> net::awaitable<void> {
    failing_scene scene(w);
    const auto fail_first = [](std::uint64_t number, unsigned) {
        return number == 0 ? outcome::dead_letter("it is the first") : outcome::done();
    };
    scene.meddling().refuse(scene.dead());
    scene.handle(handler("reader"), fail_first);
    co_await scene->start();
    co_await publish_notes(*scene, "k", 0, 1);
    co_await publish_notes(*scene, "other", 1, 5);
    co_await w.eventually(
        [&] { return scene.meddling().refused() > 0 && scene.tries().size() >= 6; },
        "the dead letter to be refused, and the other events");
    co_await scene->stop(std::chrono::seconds(1));

    scene.meddling().accept();
    scene.open();
    scene.handle(handler("reader"), fail_first);
    scene.read_letters();
    co_await scene->start();
    co_await scene.letters_come(1);
    co_await publish_notes(*scene, "k", 6, 1); // its turn is when the letter is acknowledged
    co_await w.eventually([&] { return scene.tries_of(6).size() == 1; }, "the one behind");
    co_await scene->stop();
    expect_equal(scene.tries_of(0).size(), std::size_t{2}, "times that the failing event came");
    expect_equal(scene.letters().size(), std::size_t{1}, "dead letters");

    scene.open();
    scene.handle(handler("reader"), fail_first);
    co_await scene->start();
    co_await publish_notes(*scene, "k", 7, 1);
    co_await w.eventually([&] { return scene.tries_of(7).size() == 1; }, "the next event");
    co_await scene->stop();
    expect_equal(scene.tries_of(0).size(), std::size_t{2},
                 "times that it came, with its letter acknowledged");
}

inline auto c52_refused_for_a_while(world& w) -> net::awaitable<void> {
    failing_scene scene(w);
    scene.meddling().refuse(scene.dead());
    scene.handle(handler("reader"), [](std::uint64_t number, unsigned) {
        return number == 0 ? outcome::dead_letter("it is the first") : outcome::done();
    });
    scene.read_letters();
    co_await scene->start();
    co_await publish_notes(*scene, "k", 0, 2);
    co_await w.eventually([&] { return scene.meddling().refused() > 0; },
                          "the dead letter to be refused");
    expect_equal(scene.tries_of(1).size(), std::size_t{0},
                 "events of the key before its dead letter is safe");
    scene.meddling().accept();
    co_await scene.letters_come(1);
    co_await w.eventually([&] { return scene.tries_of(1).size() == 1; }, "the one behind");
    co_await scene->stop();
    expect_equal(scene.tries_of(0).size(), std::size_t{1}, "runs of the failing event");
}

/// Thrown by handlers for what no second try can mend.
class hopeless : public std::runtime_error {
public:
    hopeless() : runtime_error("hopeless") {}
};

[[nodiscard]] inline auto has_hope(const std::exception_ptr& thrown) -> bool {
    try {
        std::rethrow_exception(thrown);
    } catch (const hopeless&) {
        return false;
    } catch (...) {
        return true;
    }
}

inline auto c53_not_retryable(world& w) -> net::awaitable<void> {
    failing_scene scene(w);
    scene.handle(handler("reader").retry(impatient(3).when(has_hope)),
                 [](std::uint64_t number, unsigned) -> outcome {
                     if (number == 0) {
                         throw hopeless();
                     }
                     if (number == 1) {
                         throw std::runtime_error("perhaps later");
                     }
                     return outcome::dead_letter("said by value");
                 });
    scene.read_letters();
    co_await scene->start();
    co_await publish_notes(*scene, "k", 0, 3);
    co_await scene.letters_come(3);
    co_await scene->stop();
    expect_equal(scene.tries_of(0).size(), std::size_t{1}, "tries of what is hopeless");
    expect_equal(scene.tries_of(1).size(), std::size_t{3}, "tries of what is not");
    expect_equal(scene.tries_of(2).size(), std::size_t{1}, "tries of what the handler gives up");
    const seen_message letter = scene.letters().all().back();
    expect_equal(letter.headers.get("cobus-dlq-reason").value_or(""), "said by value",
                 "the reason that the handler gave");
}

inline auto c54_no_letters_of_letters(world& w) -> net::awaitable<void> {
    failing_scene scene(w);
    const std::string deader = world::dead_letters_of(scene.dead());
    w.fixture().create_topic(deader, 1);
    auto& runs = w.new_journal<unsigned>();
    scene.handle(handler("reader").retry(impatient(1)),
                 [](std::uint64_t, unsigned) -> outcome { throw std::runtime_error("it fails"); });
    scene.keep(scene->on_any(handler("letters").retry(impatient(3)),
                             std::vector<std::string>(1, scene.dead()),
                             [&runs](const message&, context& where) {
                                 runs.add(where.attempt());
                                 throw std::runtime_error("it fails, too");
                             }));
    scene.keep(scene->on_any(handler("letters of letters"), std::vector<std::string>(1, deader),
                             [to = &scene.letters()](const message& content, context& where) {
                                 to->add(seen_message::of(content, where));
                             }));
    co_await scene->start();
    co_await publish_notes(*scene, "k", 0, 2);
    co_await w.eventually([&] { return runs.size() >= 6; }, "three tries of two dead letters");
    message last = make_message(deader, "last");
    last.payload("last");
    co_await scene->publish(std::move(last));
    co_await scene.letters_come(1);
    co_await scene->stop();
    expect_equal(runs.size(), std::size_t{6}, "tries of dead letters");
    expect_equal(scene.letters().size(), std::size_t{1}, "dead letters of dead letters");
}

inline auto c55_replay(world& w) -> net::awaitable<void> {
    failing_scene scene(w);
    auto& mended = w.make<std::atomic<bool>>(false);
    auto& arrived = w.new_journal<seen_message>();
    scene.handle(handler("reader").retry(impatient(2)), [&mended](std::uint64_t, unsigned) {
        return mended.load() ? outcome::done() : outcome::retry();
    });
    scene.read_letters();
    scene.keep(scene->on_any(handler("everything"), std::vector<std::string>(1, scene.topic()),
                             [&](const message& content, context& where) {
                                 arrived.add(seen_message::of(content, where));
                             }));
    co_await scene->start();
    const note event = make_note("k", 5);
    const publish_options said = with().id("id-5").header("own", "yes");
    co_await scene->publish(event, said);
    co_await scene.letters_come(1);
    mended.store(true);
    const seen_message letter = scene.letters().all().front();
    message replayed = make_message(
        std::string(letter.headers.get("cobus-dlq-topic").value_or("none")), letter.id);
    replayed.type(letter.type);
    replayed.key(letter.key.value_or("none"));
    replayed.payload(letter.payload.value_or("none"));
    replayed.headers() = letter.headers;
    co_await scene->publish(std::move(replayed));
    co_await w.eventually([&] { return arrived.size() >= 2 && scene.tries().size() >= 3; },
                          "the replayed event");
    co_await scene->stop();
    const std::vector<timed_note> tries = scene.tries_of(5);
    expect_equal(tries.size(), std::size_t{3}, "tries before and after the replay");
    expect_equal(tries.back().seen.attempt, 1U, "the attempt of a replayed event");
    const seen_message again = arrived.all().back();
    expect_equal(again.id, "id-5", "the id");
    expect_equal(again.key.value_or("none"), "k", "the key");
    expect_equal(again.payload.value_or("none"), "note:5:k", "the payload");
    expect_equal(again.headers.get("own").value_or("none"), "yes", "a header of its own");
    expect_equal(again.headers.get("cobus-dlq-attempts").value_or("none"), "2",
                 "where it was before");
    expect_equal(scene.letters().size(), std::size_t{1}, "dead letters");
}

[[nodiscard]] inline auto failure_cases() -> std::vector<case_definition> {
    using t = transport_traits;
    return {
        {"C50",
         "a failing event is tried as often as said, and never too early",
         c50_attempts_and_times,
         {}},
        {"C51",
         "a dead letter has what the event had, and where, why and how often it failed",
         c51_letter,
         {}},
        {"C52",
         "an event whose dead letter is refused is not committed, and comes again",
         c52_refused_letter,
         {&t::durable}},
        {"C52.while",
         "a dead letter that is refused for a while arrives, and its key waits",
         c52_refused_for_a_while,
         {&t::ordered_per_key}},
        {"C53", "what no second try can mend becomes a dead letter at once", c53_not_retryable, {}},
        {"C54",
         "a failing reader of dead letters makes no further ones",
         c54_no_letters_of_letters,
         {}},
        {"C55", "a replayed dead letter is handled as new, and says where it was", c55_replay, {}},
    };
}

} // namespace cobus::testing::detail
