// 06 Testing: a service's tests, without a broker and without waiting. The service: who registers
// gets a mail at once; who has not confirmed a day later is reminded. The tests: its mail server is
// away for hours, an event comes twice, Kafka itself goes away. Any test framework will do; here a
// check is an `if`.
#include <cobus/cobus.hpp>
#include <cobus/json.hpp>
#include <cobus/testing.hpp>

#include <chrono>
#include <iostream>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

struct user_registered {
    std::string user_id, email;
};
struct mail_sent {
    std::string user_id, subject;
};

template <> struct cobus::contract<user_registered> {
    static constexpr std::string_view type = "user.registered", topic = "user.events";
    static constexpr auto key = &user_registered::user_id;
    static constexpr auto fields = cobus::fields(field("userId", &user_registered::user_id),
                                                 field("email", &user_registered::email));
    using codec = cobus::json_codec;
};
template <> struct cobus::contract<mail_sent> {
    static constexpr std::string_view type = "notification.email", topic = "notification.events";
    static constexpr auto key = &mail_sent::user_id;
    static constexpr auto fields =
        cobus::fields(field("userId", &mail_sent::user_id), field("subject", &mail_sent::subject));
    using codec = cobus::json_codec;
};

// --- the service

struct mail_server {
    virtual ~mail_server() = default;
    virtual void send(const std::string& to, const std::string& subject) = 0;
};

class welcome_service {
public:
    welcome_service(cobus::bus& bus, mail_server& mail)
        : bus_(bus),
          mail_(mail),
          welcome_(bus.on<user_registered>(
              cobus::handler("welcome-mail")
                  .retry(cobus::retry_policy().attempts(20).backoff(30s, 1h)),
              [this](const user_registered& user) { return welcome(user); })),
          reminder_(bus.on<user_registered>(
              "reminder", [this](const user_registered& user, cobus::context& run) {
                  if (run.attempt() == 1) {
                      return cobus::outcome::retry_after(24h, "a day to confirm");
                  }
                  mail_.send(user.email, "Please confirm");
                  return cobus::outcome::done();
              })) {}

private:
    cobus::net::awaitable<void> welcome(const user_registered& user) {
        if (!welcomed_.contains(user.user_id)) { // an event may come twice
            mail_.send(user.email, "Welcome");
            welcomed_.insert(user.user_id);
        }
        mail_sent note{user.user_id, "Welcome"};
        co_await bus_.publish(note);
    }

    cobus::bus& bus_;
    mail_server& mail_;
    std::set<std::string> welcomed_;
    cobus::subscription welcome_, reminder_;
};

// --- its tests

struct fake_mail : mail_server {
    void send(const std::string& to, const std::string& subject) override {
        if (down) {
            throw std::runtime_error("connection refused");
        }
        sent.push_back(subject + " to " + to);
    }
    std::vector<std::string> sent;
    bool down = false;
};

const user_registered ada{"u-1", "ada@example.org"};

void check(bool holds, const char* what, const cobus::testing::bus_fixture& t) {
    if (!holds) {
        throw std::runtime_error(std::string(what) + "\n" + t.what_happened());
    }
}

void greets_and_reminds() {
    fake_mail mail;
    cobus::testing::bus_fixture t;
    welcome_service service(t.bus, mail);
    t.publish(ada); // returns before a mail is sent, as the user's request does
    t.settle();     // what can be done now
    check(mail.sent == std::vector<std::string>{"Welcome to ada@example.org"}, "welcome", t);
    check(t.one_published<mail_sent>()->user_id == "u-1", "the welcome is told", t);
    t.advance(23h);
    check(mail.sent.size() == 1, "no reminder within a day", t);
    t.advance(2h);
    check(mail.sent.back() == "Please confirm to ada@example.org", "the reminder", t);
}

void outlives_the_mail_server() {
    fake_mail mail;
    cobus::testing::bus_fixture t;
    welcome_service service(t.bus, mail);
    mail.down = true;
    t.publish(ada);
    t.advance(3h);
    check(t.handled<user_registered>("welcome-mail").empty(), "it is tried and tried", t);
    check(t.attempts<user_registered>("welcome-mail") > 5, "several times", t);
    mail.down = false;
    t.until_idle(); // all that is left, however many hours it takes
    check(mail.sent.size() == 2, "the welcome and the reminder", t);
    check(t.dead_letters().empty(), "nothing was given up", t);
}

void gives_up_at_last() {
    fake_mail mail;
    cobus::testing::bus_fixture t;
    welcome_service service(t.bus, mail);
    mail.down = true;
    t.publish(ada);
    t.until_idle();
    check(t.dead_letters().size() == 2, "a dead letter of each handler", t);
    for (const auto& letter : t.dead_letters()) {
        check(letter.event<user_registered>().user_id == "u-1", "the event", t);
        check(letter.reason() == "connection refused", "the reason", t);
    }
}

void greets_once_though_the_event_comes_twice() {
    fake_mail mail;
    cobus::testing::bus_fixture t;
    welcome_service service(t.bus, mail);
    t.faults.duplicate(cobus::testing::first(1).of<user_registered>());
    t.publish(ada);
    t.settle();
    check(t.handled<user_registered>("welcome-mail").size() == 2, "it came twice", t);
    check(mail.sent.size() == 1, "and one mail was sent", t);
}

void goes_on_while_kafka_is_away() {
    fake_mail mail;
    cobus::settings how;
    how.kafka(true).brokers("kafka:9092");
    cobus::testing::bus_fixture t(how); // no broker: the kit plays Kafka
    welcome_service service(t.bus, mail);
    t.settle();
    t.faults.disconnect();
    t.advance(10s);
    check(t.bus.health().what == cobus::state::degraded, "it is noticed", t);
    check(t.publish(ada).degraded(), "and the event is taken all the same", t);
    t.settle();
    check(mail.sent.size() == 1, "in process", t);
}

int main() {
    try {
        greets_and_reminds();
        outlives_the_mail_server();
        gives_up_at_last();
        greets_once_though_the_event_comes_twice();
        goes_on_while_kafka_is_away();
        std::cout << "five tests passed; in them weeks passed as well\n";
    } catch (const std::exception& failed) {
        std::cerr << "failed: " << failed.what() << "\n";
        return 1;
    }
}
