// The same with the Kafka transport and the JSON codec.
#include <cobus/json.hpp>
#include <cobus/net.hpp>

#include <librdkafka/rdkafka.h>

#include <cstdio>
#include <string>

int main() {
    std::string text;
    const bool encoded = cobus::json_codec::encode(std::string("greeting"), text).ok();
    std::puts(rd_kafka_version() > 0 && encoded && text == "\"greeting\"" ? "greeting" : "nothing");
}
