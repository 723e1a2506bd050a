#pragma once

#include "certificates.hpp"
#include "child_process.hpp"
#include "kafka_server.hpp"
#include "source_folder.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace cobus::test {

/// A Kafka that asks who one is, and looks up what that one may do. Its listeners: "SSL" wants a
/// certificate of the client's, "SASL_PLAINTEXT" and "SASL_SSL" want a password, and the plain one
/// lets anybody do anything, to prepare things.
class secured_kafka {
public:
    // These may do anything.
    static constexpr const char* user = "ada";
    static constexpr const char* password = "Ada's-pass-4711";
    static constexpr const char* scram_user = "sam";
    static constexpr const char* scram_password = "Sams-pass-0815";
    static constexpr const char* token_user = "tom";
    static constexpr const char* key_password = "Keys-pass-1234";
    // These have to be granted everything.
    static constexpr const char* writer = "will";
    static constexpr const char* reader = "rita";
    static constexpr const char* limited_password = "Limited-pass-99";

    secured_kafka() : trusted_("cobus-test-ca"), strange_("somebody-else") {
        trusted_.issue("broker");
        trusted_.issue("client", key_password);
        strange_.issue("client");
        server_ = std::make_unique<kafka_server>(
            kafka_options{1, properties(), {"SSL", "SASL_PLAINTEXT", "SASL_SSL"}});
        child_process made({source_folder() / "tools/kafka", "call", "kafka.admin.ConfigCommand",
                            "--bootstrap-server", server_->brokers(), "--alter", "--entity-type",
                            "users", "--entity-name", scram_user, "--add-config",
                            std::string("SCRAM-SHA-512=[password=") + scram_password + "]"});
        if (!made.wait(std::chrono::minutes(2)) || made.status() != 0)
            throw std::runtime_error("no SCRAM credentials: " + server_->log());
    }

    [[nodiscard]] static auto shared() -> secured_kafka& {
        static secured_kafka server;
        return server;
    }

    [[nodiscard]] auto open() const -> std::string { return server_->brokers(); }
    [[nodiscard]] auto at(const std::string& listener) const -> std::string {
        return server_->brokers(listener);
    }
    [[nodiscard]] auto trusted() const -> const certificate_authority& { return trusted_; }
    [[nodiscard]] auto strange() const -> const certificate_authority& { return strange_; }
    [[nodiscard]] auto server() -> kafka_server& { return *server_; }

    /// What must be seen nowhere.
    [[nodiscard]] static auto secrets() -> std::vector<std::string> {
        return {password, scram_password, key_password, limited_password, "PRIVATE KEY"};
    }

private:
    [[nodiscard]] auto properties() const -> std::vector<std::string> {
        const std::string common = "org.apache.kafka.common.security.";
        const std::string passwords = common + "plain.PlainLoginModule required user_" + user +
                                      "=\"" + password + "\" user_" + writer + "=\"" +
                                      limited_password + "\" user_" + reader + "=\"" +
                                      limited_password + "\";";
        return {"ssl.keystore.type=PEM",
                "ssl.keystore.location=" + trusted_.file("broker.both.pem"),
                "ssl.truststore.type=PEM",
                "ssl.truststore.location=" + trusted_.file("ca.pem"),
                "listener.name.ssl.ssl.client.auth=required",
                "listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN",
                "listener.name.sasl_ssl.plain.sasl.jaas.config=" + passwords,
                "listener.name.sasl_plaintext.sasl.enabled.mechanisms="
                "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
                "listener.name.sasl_plaintext.plain.sasl.jaas.config=" + passwords,
                "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=" + common +
                    "scram.ScramLoginModule required;",
                "listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config=" + common +
                    "oauthbearer.OAuthBearerLoginModule required;",
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                std::string("super.users=User:ANONYMOUS;User:CN=client;User:") + user +
                    ";User:" + scram_user + ";User:" + token_user};
    }

    certificate_authority trusted_;
    certificate_authority strange_;
    std::unique_ptr<kafka_server> server_;
};

} // namespace cobus::test
