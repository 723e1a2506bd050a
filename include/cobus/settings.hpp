#pragma once

#include "contract.hpp"
#include "detail/environment.hpp"
#include "detail/far_future.hpp"
#include "detail/settings_reader.hpp"
#include "error.hpp"
#include "log.hpp"
#include "net.hpp"
#include "transport/options.hpp"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cobus {

/// What a bus is told: from the environment, from code, or from both, where code has the last word.
///
///     cobus::settings s = cobus::settings::from_environment();
///     s.group_id("welcome-mail").property("linger.ms", "5");
///
/// Nothing here throws for a wrong value. Problems are collected, and reported all at once by
/// `check`, which the bus calls. Not safe to change from two threads at once.
class settings {
public:
    /// Variables by name.
    using environment = detail::environment;

    settings() { data_.options.log = stderr_logger(); }

    /// Reads the variables that docs/settings.md lists from the process's environment.
    [[nodiscard]] static auto from_environment() -> settings {
        return from_environment(detail::process_environment());
    }
    /// The same from a map of variables.
    [[nodiscard]] static auto from_environment(const environment& variables) -> settings {
        settings read;
        detail::settings_reader(variables, read.data_).read_all();
        return read;
    }

    // Kafka.

    /// Over Kafka, or in memory.
    auto kafka(bool enabled) -> settings& {
        data_.enabled = enabled;
        return *this;
    }
    /// Starting fails when Kafka does not answer, instead of going on without it.
    auto require_kafka(bool required = true) -> settings& {
        data_.required = required;
        return *this;
    }
    /// "host:port", separated by commas.
    auto brokers(std::string_view list) -> settings& {
        data_.brokers("brokers", list);
        return *this;
    }
    auto client_id(std::string_view name) -> settings& {
        data_.options.client_id = name;
        return *this;
    }
    /// Sends in transactions of that id, so that no late copy of an older event can come behind
    /// newer ones: for compacted topics, and readers for whom the last record of a key counts. Each
    /// instance of a service needs an id of its own, the same each time it starts; whoever starts
    /// with the id of another ends its publishing. Costs each publish a commit; see
    /// docs/degradation.md. The same as property("transactional.id", …). KIP-98.
    auto transactional_id(std::string_view id) -> settings& {
        data_.property("transactional.id", id);
        return *this;
    }
    /// The consumer group of this bus; the client's name unless set.
    auto group_id(std::string_view name) -> settings& {
        data_.group_id = name;
        return *this;
    }
    /// Where a group without a committed offset begins.
    auto start_from(start_at where) -> settings& {
        data_.options.from = where;
        return *this;
    }
    /// Any property of librdkafka, by its name.
    auto property(std::string_view name, std::string_view value) -> settings& {
        data_.property(name, value);
        return *this;
    }
    /// Lets this bus use the topic `name` wherever a contract says `of_contract`.
    auto topic(std::string_view of_contract, std::string_view name) -> settings& {
        if (!detail::is_topic_name(name)) {
            data_.problems.add("topic " + std::string(of_contract), name,
                               "is no topic name; use 1 to 249 letters, digits, '.', '_' and '-'");
        }
        data_.topics.insert_or_assign(std::string(of_contract), std::string(name));
        return *this;
    }
    /// Whether missing topics may be made.
    auto create_topics(bool allowed) -> settings& {
        data_.options.create_topics = allowed;
        return *this;
    }
    /// How messages look on Kafka, for contracts that do not say.
    auto wire(cobus::wire how) -> settings& {
        data_.options.how = how;
        return *this;
    }

    // While Kafka is away.

    /// What becomes of events meanwhile, for contracts that do not say.
    auto when_away(policy what) -> settings& {
        data_.options.when_away = what;
        return *this;
    }
    /// How long a silent cluster is waited for before it counts as away.
    auto decision_time(std::chrono::milliseconds limit) -> settings& {
        data_.options.decision_time = positive("decision_time", limit);
        return *this;
    }
    /// How long policy `wait` keeps an event.
    auto wait_limit(std::chrono::milliseconds limit) -> settings& {
        data_.options.wait_limit = positive("wait_limit", limit);
        return *this;
    }
    /// How long the Kafka client tries to send an event that it has taken.
    auto delivery_timeout(std::chrono::milliseconds limit) -> settings& {
        data_.options.delivery_timeout = positive("delivery_timeout", limit);
        return *this;
    }

    /// Told of each change of the bus's state, on its executor. What it throws is logged, and no
    /// more.
    auto on_state(std::function<void(const health&)> told) -> settings& {
        data_.options.on_state = std::move(told);
        return *this;
    }
    /// Told of each event that was kept for Kafka and that Kafka refuses for good, with the cause,
    /// on the bus's executor; what it throws is swallowed. A spool's file keeps such events apart;
    /// in memory this is the last that is heard of them.
    auto on_refused(std::function<void(const message&, std::error_code)> told) -> settings& {
        data_.options.on_refused = std::move(told);
        return *this;
    }
    /// Which events handlers of this process get while Kafka is away, of those with
    /// `policy::deliver_and_spool`.
    auto deliver_in_process(deliver_order order) -> settings& {
        data_.options.spool.in_process = order;
        return *this;
    }

    // What is kept for Kafka meanwhile.

    /// Keeps it in a file: `settings.spool(cobus::sqlite_spool())` in the one that
    /// COBUS_SPOOL_FILE names, if it names one, and in memory otherwise.
    auto spool(spool_maker how) -> settings& {
        data_.make_spool = std::move(how);
        return *this;
    }
    /// The file. Each bus needs one of its own.
    auto spool_file(std::string_view path) -> settings& {
        data_.spool.path = path;
        return *this;
    }
    /// What the file survives.
    auto spool_synchronous(cobus::spool_synchronous how) -> settings& {
        data_.spool.synchronous = how;
        return *this;
    }
    /// How much is kept, and held by Kafka's client, together.
    auto spool_limit(std::size_t messages, std::size_t bytes) -> settings& {
        data_.options.spool.messages = positive("spool messages", messages);
        data_.options.spool.bytes = positive("spool bytes", bytes);
        return *this;
    }
    auto spool_when_full(spool_full what) -> settings& {
        data_.options.spool.when_full = what;
        return *this;
    }
    /// Gives up what Kafka did not get for so long.
    auto spool_max_age(std::chrono::milliseconds limit) -> settings& {
        data_.options.spool.max_age = positive("spool_max_age", limit);
        return *this;
    }
    /// Whether handlers skip what the marks of a replayed event say that they did.
    auto honour_marks(bool honoured) -> settings& {
        data_.options.spool.honour_marks = honoured;
        return *this;
    }
    /// How long after a replay its marks count.
    auto mark_life(std::chrono::hours life) -> settings& {
        data_.options.spool.mark_life = positive("mark_life", life);
        return *this;
    }

    // Bounds.

    /// How many events one group handles at once.
    auto concurrency(std::size_t limit) -> settings& {
        data_.concurrency = positive("concurrency", limit);
        return *this;
    }
    /// What running handlers get to end in, when their partition goes to another member. Those that
    /// take longer are cancelled, and their events come again there.
    auto drain_limit(std::chrono::milliseconds limit) -> settings& {
        data_.drain_limit = positive("drain_limit", limit);
        return *this;
    }
    /// How long events wait in each of the retry topics of handlers that want such
    /// (`handler_options::retry_topics`), one topic for each delay. Unless set: a minute, ten
    /// minutes, an hour. Drain a topic before its delay is left out.
    auto retry_topics(std::vector<std::chrono::milliseconds> delays) -> settings& {
        constexpr std::size_t most = 16;
        for (std::chrono::milliseconds& each : delays) {
            each = positive("retry_topics", each);
        }
        if (delays.size() > most) {
            data_.problems.add("retry_topics", "at most 16 delays");
            delays.resize(most);
        }
        data_.retry_delays = std::move(delays);
        data_.retry_delays_asked = true;
        return *this;
    }
    /// A dead letter that its topic refuses for good, as without permission, is written to that
    /// file, a line of JSON each, and counts as acknowledged. Unless set it is tried again for
    /// ever, and its partition stops at the limit of unfinished messages.
    auto park_dead_letters(std::string_view file) -> settings& {
        data_.park_dead_letters = file;
        return *this;
    }
    /// How much publishing may be under way before publishers wait.
    auto queue(std::size_t messages, std::size_t bytes) -> settings& {
        data_.options.queue_messages = positive("queue messages", messages);
        data_.options.queue_bytes = positive("queue bytes", bytes);
        return *this;
    }
    /// Partitions of the topics that the bus makes.
    auto partitions(std::size_t count) -> settings& {
        data_.options.partitions = positive("partitions", count);
        return *this;
    }
    /// Messages kept for each partition in memory.
    auto retention(std::size_t messages) -> settings& {
        data_.options.retention_messages = positive("retention", messages);
        return *this;
    }

    /// In memory: always encode and decode, as Kafka would, for tests.
    auto serialise(bool always = true) -> settings& {
        data_.options.serialise = always;
        return *this;
    }
    /// Where log lines go; the standard error stream unless set. An empty one silences them.
    auto logger(cobus::logger log) -> settings& {
        data_.options.log = std::move(log);
        return *this;
    }

    /// The time for this bus, its transport and its retries; the real one unless set.
    auto time(std::shared_ptr<time_source> from) -> settings& {
        data_.options.time = std::move(from);
        return *this;
    }
    /// For test kits: told of every run of a handler.
    auto observer(std::shared_ptr<detail::run_observer> who) -> settings& {
        data_.observer = std::move(who);
        return *this;
    }

    // What was said.

    [[nodiscard]] auto honours_marks() const noexcept -> bool {
        return data_.options.spool.honour_marks;
    }
    [[nodiscard]] auto kafka_enabled() const noexcept -> bool { return data_.enabled; }
    [[nodiscard]] auto kafka_required() const noexcept -> bool { return data_.required; }
    [[nodiscard]] auto brokers() const noexcept -> const std::vector<std::string>& {
        return data_.options.brokers;
    }
    [[nodiscard]] auto client_id() const noexcept -> const std::string& {
        return data_.options.client_id;
    }
    [[nodiscard]] auto group_id() const noexcept -> const std::string& { return data_.group(); }
    [[nodiscard]] auto concurrency() const noexcept -> std::size_t { return data_.concurrency; }
    [[nodiscard]] auto drain_limit() const noexcept -> std::chrono::milliseconds {
        return data_.drain_limit;
    }
    [[nodiscard]] auto retry_topics() const noexcept
        -> const std::vector<std::chrono::milliseconds>& {
        return data_.retry_delays;
    }
    [[nodiscard]] auto park_dead_letters() const noexcept -> const std::string& {
        return data_.park_dead_letters;
    }
    [[nodiscard]] auto wire() const noexcept -> cobus::wire { return data_.options.how; }
    [[nodiscard]] auto when_away() const noexcept -> policy { return data_.options.when_away; }
    [[nodiscard]] auto logger() const noexcept -> const cobus::logger& { return data_.options.log; }
    [[nodiscard]] auto time() const noexcept -> const std::shared_ptr<time_source>& {
        return data_.options.time;
    }
    [[nodiscard]] auto observer() const noexcept -> const std::shared_ptr<detail::run_observer>& {
        return data_.observer;
    }
    /// Topics by what contracts call them; those not listed keep their names.
    [[nodiscard]] auto topics() const noexcept
        -> const std::map<std::string, std::string, std::less<>>& {
        return data_.topics;
    }
    /// The name that this bus uses for a contract's topic.
    [[nodiscard]] auto topic(std::string_view of_contract) const -> std::string_view {
        const auto found = data_.topics.find(of_contract);
        return found != data_.topics.end() ? std::string_view(found->second) : of_contract;
    }

    /// Everything that cannot work, a line each: what, its value unless secret, and the cure.
    [[nodiscard]] auto problems() const -> std::vector<std::string> {
        detail::problem_list all = data_.problems;
        cobus::transport_options completed = data_.options;
        detail::complete(data_, completed, all);
        return all.lines();
    }
    /// Throws `cobus::error` with `errc::bad_settings` and all problems, if there are any.
    void check() const { throw_if_any(problems()); }

    /// What the transport gets. Errors: as `check`.
    [[nodiscard]] auto transport_options(net::any_io_executor executor) const
        -> cobus::transport_options {
        detail::problem_list all = data_.problems;
        cobus::transport_options completed = data_.options;
        detail::complete(data_, completed, all);
        throw_if_any(all.lines());
        completed.executor = std::move(executor);
        return completed;
    }

private:
    static void throw_if_any(const std::vector<std::string>& problems) {
        if (problems.empty()) {
            return;
        }
        std::string text;
        for (const std::string& line : problems) {
            text.append(line).append("\n");
        }
        text.append(std::to_string(problems.size()))
            .append(problems.size() == 1 ? " problem" : " problems");
        throw error(errc::bad_settings, text);
    }

    template <class Value>
    [[nodiscard]] auto positive(std::string_view name, Value value) -> Value {
        if (value <= Value(0)) {
            data_.problems.add(name, "must be more than zero");
            return Value(1);
        }
        if constexpr (!std::integral<Value>) {
            return detail::addable(value);
        } else {
            return value;
        }
    }

    detail::settings_data data_;
};

} // namespace cobus
