// librdkafka in C, when little or nothing happens.
//
//   kafka_quiet_c mode=idle       seconds=
//   kafka_quiet_c mode=footprint  messages= bytes= key= headers=
//
// idle: a producer and a consumer, connected; wakes and CPU for a second. footprint: bytes that a
// message takes from its publish until its report.
#pragma GCC diagnostic ignored "-Wold-style-cast" // in librdkafka's macros
#include "measure.hpp"
#include "process.hpp"

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

using measure::arguments;
using measure::stopwatch;

[[noreturn]] void die(const char* what, const char* why) {
    std::fprintf(stderr, "kafka_quiet_c: %s: %s\n", what, why);
    std::exit(1);
}
void set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
    char why[512];
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof(why)) != RD_KAFKA_CONF_OK) {
        die(name, why);
    }
}
auto make(rd_kafka_type_t kind, rd_kafka_conf_t* conf, const arguments& args) -> rd_kafka_t* {
    set(conf, "bootstrap.servers", args.text("brokers", "127.0.0.1:9092"));
    set(conf, "socket.nagle.disable", "true");
    char why[512];
    rd_kafka_t* client = rd_kafka_new(kind, conf, why, sizeof(why));
    if (client == nullptr) {
        die("client", why);
    }
    return client;
}

std::atomic<std::size_t> acknowledged{0};

auto make_producer(const arguments& args) -> rd_kafka_t* {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    set(conf, "linger.ms", args.text("linger", "0"));
    set(conf, "enable.idempotence", "true");
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            die("delivery", rd_kafka_err2str(message->err));
        }
        ++acknowledged;
    });
    return make(RD_KAFKA_PRODUCER, conf, args);
}
auto make_consumer(const arguments& args) -> rd_kafka_t* {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    set(conf, "group.id", "floor-" + std::to_string(measure::now_ns()));
    set(conf, "auto.offset.reset", "earliest");
    rd_kafka_t* const client = make(RD_KAFKA_CONSUMER, conf, args);
    rd_kafka_poll_set_consumer(client);
    rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, args.text("topic", "floor-quiet").c_str(),
                                      RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(client, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return client;
}

void send(rd_kafka_t* client, const arguments& args, std::size_t number) {
    static const std::string payload(args.number("bytes", 100), 'x');
    static const std::string topic = args.text("topic", "floor-quiet");
    static const std::size_t headers = args.number("headers", 0);
    static const bool keyed = args.number("key", 0) != 0;
    static constexpr const char* names[] = {"ce_specversion", "ce_id", "ce_type", "ce_source",
                                            "ce_time"};
    static constexpr const char* values[] = {"1.0", "0190163d-8694-739b-aea5-966c26f8ad91",
                                             "benchmark.event", "/benchmark",
                                             "2026-01-01T00:00:00.000Z"};
    const std::string key = keyed ? "key-" + std::to_string(1000 + number % 1000) : "";
    rd_kafka_headers_t* all = headers != 0 ? rd_kafka_headers_new(headers) : nullptr;
    for (std::size_t i = 0; i < headers; ++i) {
        rd_kafka_header_add(all, names[i % std::size(names)], -1, values[i % std::size(values)],
                            -1);
    }
    const auto err = rd_kafka_producev(
        client, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE(const_cast<char*>(payload.data()), payload.size()),
        RD_KAFKA_V_KEY(keyed ? key.data() : nullptr, key.size()), RD_KAFKA_V_HEADERS(all),
        RD_KAFKA_V_END);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        die("produce", rd_kafka_err2str(err));
    }
}
/// The first message makes the topic and the connections.
void send_first(rd_kafka_t* client, const arguments& args) {
    send(client, args, 0);
    while (acknowledged == 0) {
        rd_kafka_poll(client, 100);
    }
}

void idle(const arguments& args) {
    rd_kafka_t* const producer = make_producer(args);
    send_first(producer, args);
    rd_kafka_t* const consumer = make_consumer(args);
    for (bool there = false; !there;) {
        if (rd_kafka_message_t* const message = rd_kafka_consumer_poll(consumer, 100)) {
            there = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
            rd_kafka_message_destroy(message);
        }
    }
    std::this_thread::sleep_for(std::chrono::seconds(1)); // what comes with the start
    const auto seconds = static_cast<double>(args.number("seconds", 10));
    const measure::wakes before = measure::count_wakes();
    const stopwatch watch;
    // As one waits in C: the longest wait that keeps a consumer in its group.
    if (rd_kafka_message_t* const message =
            rd_kafka_consumer_poll(consumer, static_cast<int>(seconds * 1000))) {
        rd_kafka_message_destroy(message);
    }
    const double cpu = watch.cpu();
    const measure::wakes after = measure::count_wakes();
    measure::report()
        .add("cpu_percent", cpu / seconds * 100)
        .add("wakes", static_cast<double>(after.of_others - before.of_others) / seconds)
        .add("librdkafka_wakes",
             static_cast<double>(after.of_librdkafka - before.of_librdkafka) / seconds)
        .print();
}

void footprint(const arguments& args) {
    rd_kafka_t* const client = make_producer(args);
    send_first(client, args);
    const std::size_t messages = args.number("messages", 5'000);
    const std::size_t before = measure::heap_in_use();
    for (std::size_t i = 0; i < messages; ++i) {
        send(client, args, i);
    }
    const std::size_t after = measure::heap_in_use();
    if (acknowledged != 1) {
        die("footprint", "some are no longer under way: raise linger");
    }
    measure::report()
        .add("bytes", static_cast<double>(after - before) / static_cast<double>(messages))
        .print();
}

} // namespace

auto main(int argc, char** argv) -> int {
    const arguments args(argc, argv);
    const std::string mode = args.text("mode", "");
    if (mode == "idle") {
        idle(args);
    } else if (mode == "footprint") {
        footprint(args);
    } else {
        die("mode", "idle or footprint");
    }
    std::fflush(stdout);
    std::_Exit(0); // what is measured is measured
}
