// The same with the Kafka transport and the JSON codec.
#include <cobus/net.hpp>

#include <librdkafka/rdkafka.h>
#include <nlohmann/json.hpp>
#include <simdjson.h>

#include <cstdio>

int main() {
    simdjson::dom::parser parser;
    std::puts(rd_kafka_version() > 0 && nlohmann::json::parse("1") == 1 ? "greeting" : "nothing");
}
