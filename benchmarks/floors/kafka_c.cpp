// librdkafka as one uses it in C: delivery callbacks, a polling thread, no layer between.
//
//   kafka_c mode=produce    messages= bytes= window= linger= idempotence= key= headers=
//   compression= kafka_c mode=latency    messages= bytes= linger= idempotence= kafka_c mode=consume
//   messages= how=batch|poll|events kafka_c mode=roundtrip  seconds= per_second= bytes=
#pragma GCC diagnostic ignored "-Wold-style-cast" // in librdkafka's macros
#include "measure.hpp"

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <cstring>
#include <ctime>
#include <optional>
#include <thread>

namespace {

using measure::arguments;
using measure::now_ns;
using measure::stopwatch;

[[noreturn]] void die(const char* what, const char* why) {
    std::fprintf(stderr, "kafka_c: %s: %s\n", what, why);
    std::exit(1);
}

void set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
    char why[512];
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof(why)) != RD_KAFKA_CONF_OK) {
        die(name, why);
    }
}

struct produced {
    std::size_t acknowledged = 0;
};

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        die("delivery", rd_kafka_err2str(message->err));
    }
    ++static_cast<produced*>(opaque)->acknowledged;
}

auto make_producer(const arguments& args, produced& state) -> rd_kafka_t* {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", args.text("brokers", "127.0.0.1:9092"));
    set(conf, "linger.ms", args.text("linger", "0"));
    set(conf, "enable.idempotence", args.number("idempotence", 1) != 0 ? "true" : "false");
    set(conf, "compression.codec", args.text("compression", "none"));
    set(conf, "socket.nagle.disable", "true");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, &state);
    char why[512];
    rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (client == nullptr) {
        die("producer", why);
    }
    return client;
}

/// What each message of a run is made of.
class source {
public:
    explicit source(const arguments& args)
        : payload_(args.number("bytes", 100), 'x'),
          keyed_(args.number("key", 0) != 0),
          headers_(args.number("headers", 0)) {
        for (int i = 0; i < 1000; ++i) {
            keys_.push_back("key-" + std::to_string(1000 + i));
        }
    }

    /// Puts a message into librdkafka's queue, which has room for the whole window.
    void send(rd_kafka_t* client, rd_kafka_topic_t* topic, std::size_t number) {
        const std::string& key = keys_[number % keys_.size()];
        const void* bytes = keyed_ ? key.data() : nullptr;
        const std::size_t size = keyed_ ? key.size() : 0;
        if (headers_ == 0) {
            if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, payload_.data(),
                                 payload_.size(), bytes, size, nullptr) != 0) {
                die("produce", rd_kafka_err2str(rd_kafka_last_error()));
            }
            return;
        }
        rd_kafka_headers_t* headers = rd_kafka_headers_new(headers_);
        for (std::size_t i = 0; i < headers_; ++i) {
            const char* const name = names[i % std::size(names)];
            rd_kafka_header_add(headers, name, -1, values[i % std::size(values)], -1);
        }
        const auto err = rd_kafka_producev(
            client, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_VALUE(payload_.data(), payload_.size()), RD_KAFKA_V_KEY(bytes, size),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            die("produce", rd_kafka_err2str(err));
        }
    }

private:
    static constexpr const char* names[] = {"ce_specversion", "ce_id",   "ce_type",
                                            "ce_source",      "ce_time", "content-type"};
    static constexpr const char* values[] = {"1.0",
                                             "0190163d-8694-739b-aea5-966c26f8ad91",
                                             "benchmark.event",
                                             "/benchmark",
                                             "2026-01-01T00:00:00.000Z",
                                             "application/json"};

    std::string payload_;
    bool keyed_;
    std::size_t headers_;
    std::vector<std::string> keys_;
};

auto open_topic(rd_kafka_t* client, const arguments& args) -> rd_kafka_topic_t* {
    return rd_kafka_topic_new(client, args.text("topic", "floor").c_str(), nullptr);
}

void close_producer(rd_kafka_t* client, rd_kafka_topic_t* topic) {
    rd_kafka_flush(client, 10'000);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
}

/// Sends `count` messages with at most `window` under way.
void send_all(rd_kafka_t* client, rd_kafka_topic_t* topic, source& from, produced& state,
              std::size_t count, std::size_t window) {
    const std::size_t first = state.acknowledged;
    for (std::size_t i = 0; i < count; ++i) {
        while (i - (state.acknowledged - first) >= window) {
            rd_kafka_poll(client, 100);
        }
        from.send(client, topic, i);
    }
    while (state.acknowledged - first < count) {
        rd_kafka_poll(client, 100);
    }
}

void produce(const arguments& args) {
    produced state;
    source from(args);
    rd_kafka_t* const client = make_producer(args, state);
    rd_kafka_topic_t* const topic = open_topic(client, args);
    const std::size_t messages = args.number("messages", 1'000'000);
    const std::size_t window = args.number("window", 10'000);
    send_all(client, topic, from, state, std::min<std::size_t>(messages / 10 + 1, 10'000), window);
    const stopwatch watch;
    send_all(client, topic, from, state, messages, window);
    const double wall = watch.wall(), cpu = watch.cpu();
    measure::report().add_rate(messages, wall, cpu).print();
    close_producer(client, topic);
}

void latency(const arguments& args) {
    produced state;
    source from(args);
    rd_kafka_t* const client = make_producer(args, state);
    rd_kafka_topic_t* const topic = open_topic(client, args);
    const std::size_t messages = args.number("messages", 5'000);
    send_all(client, topic, from, state, messages / 10 + 1, 1);
    std::vector<std::int64_t> taken;
    taken.reserve(messages);
    const stopwatch watch;
    for (std::size_t i = 0; i < messages; ++i) {
        const std::int64_t begin = now_ns();
        send_all(client, topic, from, state, 1, 1);
        taken.push_back(now_ns() - begin);
    }
    const double wall = watch.wall(), cpu = watch.cpu();
    measure::report().add_latency(taken).add_rate(messages, wall, cpu).print();
    close_producer(client, topic);
}

auto make_consumer(const arguments& args, bool from_start) -> rd_kafka_t* {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", args.text("brokers", "127.0.0.1:9092"));
    set(conf, "group.id", args.text("group", "floor-" + std::to_string(now_ns())));
    set(conf, "auto.offset.reset", from_start ? "earliest" : "latest");
    set(conf, "socket.nagle.disable", "true");
    if (const std::string least = args.text("queued.min.messages", ""); !least.empty()) {
        set(conf, "queued.min.messages", least);
    }
    char why[512];
    rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (client == nullptr) {
        die("consumer", why);
    }
    rd_kafka_poll_set_consumer(client);
    rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, args.text("topic", "floor").c_str(),
                                      RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(client, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return client;
}

std::atomic<std::uint64_t> bytes_read; // so that no reader may be left out

void look_at(const rd_kafka_message_t* message) {
    std::uint64_t first = 0;
    std::memcpy(&first, message->payload, std::min(message->len, sizeof(first)));
    bytes_read.store(first, std::memory_order_relaxed);
}

/// Takes what there is, waiting at most 100 ms; returns how many messages.
auto take(rd_kafka_t* client, rd_kafka_queue_t* queue, const std::string& how) -> std::size_t {
    static std::vector<rd_kafka_message_t*> room(1000);
    if (how == "batch") {
        const ssize_t count = rd_kafka_consume_batch_queue(queue, 100, room.data(), room.size());
        std::size_t good = 0;
        for (ssize_t i = 0; i < count; ++i) {
            if (room[static_cast<std::size_t>(i)]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                look_at(room[static_cast<std::size_t>(i)]);
                ++good;
            }
            rd_kafka_message_destroy(room[static_cast<std::size_t>(i)]);
        }
        return good;
    }
    std::size_t good = 0;
    if (how == "poll") {
        if (rd_kafka_message_t* const message = rd_kafka_consumer_poll(client, 100)) {
            if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                look_at(message);
                ++good;
            }
            rd_kafka_message_destroy(message);
        }
        return good;
    }
    if (rd_kafka_event_t* const event = rd_kafka_queue_poll(queue, 100)) {
        while (const rd_kafka_message_t* const message = rd_kafka_event_message_next(event)) {
            if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                look_at(message);
                ++good;
            }
        }
        rd_kafka_event_destroy(event);
    }
    return good;
}

void close_consumer(rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
}

void consume(const arguments& args) {
    rd_kafka_t* const client = make_consumer(args, true);
    rd_kafka_queue_t* const queue = rd_kafka_queue_get_consumer(client);
    const std::string how = args.text("how", "batch");
    const std::size_t messages = args.number("messages", 1'000'000);
    std::size_t first = 0;
    while (first == 0) {
        first = take(client, queue, how);
    }
    const stopwatch watch;
    std::size_t taken = 0;
    while (first + taken < messages) {
        taken += take(client, queue, how);
    }
    const double wall = watch.wall(), cpu = watch.cpu();
    measure::report().add_rate(taken, wall, cpu).print();
    close_consumer(client, queue);
}

/// Sleeps until a time of the steady clock.
void sleep_until(std::int64_t ns) {
    timespec when{};
    when.tv_sec = ns / 1'000'000'000;
    when.tv_nsec = ns % 1'000'000'000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr);
}

void roundtrip(const arguments& args) {
    const std::size_t per_second = args.number("per_second", 1'000);
    const std::size_t warm_up = per_second;
    const std::size_t messages = warm_up + per_second * args.number("seconds", 5);
    std::vector<std::int64_t> taken;
    taken.reserve(messages);
    std::atomic<bool> ready = false, done = false;
    std::thread consumer([&] {
        rd_kafka_t* const client = make_consumer(args, false);
        rd_kafka_queue_t* const queue = rd_kafka_queue_get_consumer(client);
        while (!done.load()) {
            rd_kafka_message_t* const message = rd_kafka_consumer_poll(client, 100);
            if (message == nullptr) {
                continue;
            }
            if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                std::int64_t sent = 0;
                std::memcpy(&sent, message->payload, sizeof(sent));
                if (sent == 0) {
                    ready.store(true);
                } else {
                    taken.push_back(now_ns() - sent);
                    done.store(taken.size() == messages);
                }
            }
            rd_kafka_message_destroy(message);
        }
        close_consumer(client, queue);
    });
    produced state;
    rd_kafka_t* const client = make_producer(args, state);
    rd_kafka_topic_t* const topic = open_topic(client, args);
    std::string payload(std::max<std::size_t>(args.number("bytes", 100), 8), '\0');
    const auto send = [&](std::int64_t stamp) {
        std::memcpy(payload.data(), &stamp, sizeof(stamp));
        rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, payload.data(),
                         payload.size(), nullptr, 0, nullptr);
        rd_kafka_poll(client, 0);
    };
    while (!ready.load()) { // until the consumer has its partitions
        send(0);
        sleep_until(now_ns() + 10'000'000);
    }
    std::optional<stopwatch> watch;
    const std::int64_t begin = now_ns();
    for (std::size_t i = 0; i < messages; ++i) {
        sleep_until(begin + static_cast<std::int64_t>(i * 1'000'000'000 / per_second));
        if (i == warm_up) {
            watch.emplace();
        }
        send(now_ns());
    }
    while (!done.load()) {
        rd_kafka_poll(client, 1);
    }
    const double wall = watch->wall(), cpu = watch->cpu();
    consumer.join();
    taken.erase(taken.begin(), taken.begin() + static_cast<std::ptrdiff_t>(warm_up));
    measure::report().add_latency(taken).add_rate(messages - warm_up, wall, cpu).print();
    close_producer(client, topic);
}

} // namespace

auto main(int argc, char** argv) -> int {
    const arguments args(argc, argv);
    const std::string mode = args.text("mode", "");
    if (mode == "produce") {
        produce(args);
    } else if (mode == "latency") {
        latency(args);
    } else if (mode == "consume") {
        consume(args);
    } else if (mode == "roundtrip") {
        roundtrip(args);
    } else {
        die("mode", "produce, latency, consume or roundtrip");
    }
    return 0;
}
