#include <cobus/transport/kafka/error.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

using namespace cobus;
using namespace cobus::detail::kafka;

TEST_CASE("librdkafka's codes keep their value and say librdkafka's words") {
    const std::error_code ec = code_of(RD_KAFKA_RESP_ERR__TRANSPORT);
    CHECK(ec.value() == RD_KAFKA_RESP_ERR__TRANSPORT);
    CHECK(std::string(ec.category().name()) == "librdkafka");
    CHECK(ec.message().find("transport") != std::string::npos);
    CHECK_FALSE(code_of(RD_KAFKA_RESP_ERR_NO_ERROR));
}

TEST_CASE("codes answer to conditions") {
    CHECK(code_of(RD_KAFKA_RESP_ERR__TRANSPORT) == condition::retryable);
    CHECK(code_of(RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS) == condition::retryable);
    CHECK(code_of(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) == condition::permanent);
    CHECK(code_of(RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) == condition::fatal);
}

TEST_CASE("publishers get cobus's words") {
    CHECK(publish_error(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) == errc::too_large);
    CHECK(publish_error(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) == errc::no_topic);
    CHECK(publish_error(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) == errc::not_authorized);
    CHECK(publish_error(RD_KAFKA_RESP_ERR__PURGE_QUEUE) == errc::timed_out);
    CHECK(publish_error(RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) == errc::maybe_sent);
    CHECK(publish_error(RD_KAFKA_RESP_ERR__FATAL) == errc::fatal);
    CHECK(publish_error(RD_KAFKA_RESP_ERR_INVALID_RECORD).category() == detail::kafka::category());
}

TEST_CASE("a TLS handshake that ends without a word is an outage, with advice on TLS") {
    constexpr std::string_view old = "SSL handshake failed: Disconnected";
    constexpr std::string_view since =
        "SSL handshake failed: Disconnected: SSL connection closed by "
        "peer";
    for (const auto& [code, reason] :
         {std::pair(RD_KAFKA_RESP_ERR__SSL, old), std::pair(RD_KAFKA_RESP_ERR__TRANSPORT, since)}) {
        CHECK(meaning_of(code, reason) == RD_KAFKA_RESP_ERR__TRANSPORT);
        CHECK(to_be_cured(code, reason) == RD_KAFKA_RESP_ERR__SSL);
    }
    CHECK(to_be_cured(RD_KAFKA_RESP_ERR__TRANSPORT, "Connection refused") ==
          RD_KAFKA_RESP_ERR__TRANSPORT);
}

TEST_CASE("old librdkafkas with SCRAM are told what to do") {
    constexpr int old = 0x020002ff;
    const std::string said = cure_of(RD_KAFKA_RESP_ERR__AUTHENTICATION, "SCRAM-SHA-512", old);
    CHECK(said.find("2.6.1") != std::string::npos);
    CHECK(cure_of(RD_KAFKA_RESP_ERR__AUTHENTICATION, "PLAIN", old).find("2.6.1") ==
          std::string::npos);
    CHECK(cure_of(RD_KAFKA_RESP_ERR__AUTHENTICATION, "SCRAM-SHA-512", 0x020601ff).find("2.6.1") ==
          std::string::npos);
}
