#pragma once

#include "../../detail/helper.hpp"
#include "cluster_watch.hpp"
#include "config.hpp"
#include "handle.hpp"
#include "membership.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace cobus::detail::kafka {

/// One `rd_kafka_t`, whose logs, connections and responses are told to the watch. Destroying it
/// never blocks: the helper thread ends the handle.
class client {
public:
    /// Throws `errc::bad_settings` when librdkafka refuses the settings as a whole.
    client(role as, conf_ptr conf, int events, std::shared_ptr<cluster_watch> watch)
        : seen_(std::make_shared<observers>()) {
        seen_->watch = std::move(watch);
        rd_kafka_conf_set_opaque(conf.get(), seen_->watch.get());
        rd_kafka_conf_set_events(conf.get(), events);
        rd_kafka_conf_set_log_cb(conf.get(), &log);
        rd_kafka_conf_interceptor_add_on_new(conf.get(), "cobus", &on_new, seen_.get());
        const bool has_tokens = property(conf.get(), "sasl.mechanism") == "OAUTHBEARER";
        rd_kafka_conf_enable_sasl_queue(conf.get(), has_tokens ? 1 : 0);
        std::array<char, 512> reason{};
        handle_ = rd_kafka_new(as == role::producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER,
                               conf.get(), reason.data(), reason.size());
        if (handle_ == nullptr) {
            keep_for_ever(std::move(conf));
            throw error(errc::bad_settings,
                        "librdkafka refuses the settings: " + std::string(reason.data()));
        }
        // librdkafka's from here on. NOLINTNEXTLINE(bugprone-unused-return-value)
        (void)conf.release();
        if (has_tokens) { // librdkafka's own makers of tokens, which no queue of ours would call
            const error_ptr refused(rd_kafka_sasl_background_callbacks_enable(handle_));
        }
    }
    client(const client&) = delete;
    auto operator=(const client&) -> client& = delete;
    ~client() {
        watch().gone(handle_);
        // Callbacks that use them may run until the handle is gone.
        if (!helper::run(helps::end, [handle = handle_, keep = seen_, joining = joining_.load()] {
                // The end of one that still joins waits for the others of its group. Left alone it
                // leaves when it has joined.
                if (joining || !keep->member.settled() || !has_left(handle)) {
                    keep_for_ever(keep);
                } else {
                    rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
                }
            })) {
            keep_for_ever(seen_);
        }
    }

    /// A consumer's first assignment is here.
    void assigned() noexcept { assigned_.store(true); }
    /// Begins to leave the group, with the events of that in `queue`. False: there is nothing to
    /// leave, as after a fatal error.
    auto close(rd_kafka_queue_t* queue) noexcept -> bool {
        if (leaving_.exchange(true)) {
            return false;
        }
        if (!assigned_.load() && dies_when_destroyed(handle_)) { // later it cannot be asked
            joining_.store(true);
        }
        const error_ptr refused(rd_kafka_consumer_close_queue(handle_, queue));
        return !refused;
    }
    /// It was told to leave. From then on librdkafka takes the first answer to a rebalance as
    /// giving all up, and has left soon after: before 2.10.0, who asks it anything meanwhile may
    /// wait for ever.
    [[nodiscard]] auto leaving() const noexcept -> bool { return leaving_.load(); }
    /// Gives all up, once, while it leaves.
    void give_all_up() noexcept {
        if (!gave_all_up_.exchange(true)) {
            rd_kafka_assign(handle_, nullptr);
        }
    }

    [[nodiscard]] auto get() const noexcept -> rd_kafka_t* { return handle_; }
    [[nodiscard]] auto watch() const noexcept -> cluster_watch& { return *seen_->watch; }
    [[nodiscard]] auto member() const noexcept -> membership& { return seen_->member; }

private:
    /// Who is told what librdkafka's threads do.
    struct observers {
        std::shared_ptr<cluster_watch> watch;
        membership member;
    };

    static constexpr std::int16_t produce = 0; // as Kafka numbers its requests

    /// The main thread of a member that is destroyed before it has left its group may go round for
    /// ever, and the end with it. Waits for that on the thread for ends.
    [[nodiscard]] static auto has_left(rd_kafka_t* handle) noexcept -> bool {
        if (rd_kafka_type(handle) != RD_KAFKA_CONSUMER) {
            return true;
        }
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        while (rd_kafka_consumer_closed(handle) == 0) {
            if (std::chrono::steady_clock::now() >= until) {
                return false;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return true;
    }
    /// Before 2.3.0, librdkafka aborts the process when a member with the cooperative assignor is
    /// destroyed between joining and its first assignment (its issue 4312). Such a handle, which
    /// has left its group, stays.
    [[nodiscard]] static auto dies_when_destroyed(rd_kafka_t* handle) noexcept -> bool {
        constexpr int mended = 0x020300ff;
        return rd_kafka_version() < mended && rd_kafka_type(handle) == RD_KAFKA_CONSUMER &&
               is_cooperative(handle);
    }
    static void keep_for_ever(const std::shared_ptr<observers>& seen) {
        static std::mutex guard;
        static auto* const kept = new std::vector<std::shared_ptr<observers>>();
        const std::lock_guard lock(guard);
        kept->push_back(seen);
    }
    /// A failed `rd_kafka_new` frees the interceptors of the configuration, and destroying that
    /// would free them again.
    static void keep_for_ever(conf_ptr conf) {
        static std::mutex guard;
        static auto* const kept = new std::vector<rd_kafka_conf_t*>();
        const std::lock_guard lock(guard);
        kept->push_back(conf.get());
        // NOLINTNEXTLINE(bugprone-unused-return-value)
        (void)conf.release();
    }
    static void log(const rd_kafka_t* handle, int level, const char* facility,
                    const char* text) noexcept try {
        // Connection troubles become one line on each change of the state; the rest is for
        // debugging.
        auto* watch = static_cast<cluster_watch*>(rd_kafka_opaque(handle));
        constexpr int warning = 4; // as of syslog; without an error it is for debugging
        if (level == warning && std::string_view(facility) == "OFFSET" &&
            std::string_view(text).find("offset reset") != std::string_view::npos) {
            watch->reset(text);
            return;
        }
        constexpr int critical = 2; // as of syslog
        watch->log(level <= critical ? log_level::error : log_level::debug,
                   std::string("librdkafka: ").append(facility).append(": ").append(text));
    } catch (...) { // no memory for a line
    }
    static auto on_new(rd_kafka_t* handle, const rd_kafka_conf_t* /*conf*/, void* seen,
                       char* /*reason*/, std::size_t /*size*/) -> rd_kafka_resp_err_t {
        static_cast<observers*>(seen)->watch->made(handle);
        rd_kafka_interceptor_add_on_broker_state_change(handle, "cobus", &on_broker, seen);
        rd_kafka_interceptor_add_on_response_received(handle, "cobus", &on_response, seen);
        rd_kafka_interceptor_add_on_request_sent(handle, "cobus", &on_request, seen);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    static auto on_broker(rd_kafka_t* handle, std::int32_t id, const char* /*protocol*/,
                          const char* name, int port, const char* state, void* seen)
        -> rd_kafka_resp_err_t {
        if (port != 0) { // else a role, such as the coordinator, and not a broker
            auto* const to = static_cast<observers*>(seen)->watch.get();
            if (std::string_view(state) == "DOWN") {
                to->brokers().lost(id);
            }
            to->broker(handle, id, name, port, state);
        }
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    static auto on_request(rd_kafka_t* /*handle*/, int /*socket*/, const char* /*broker*/,
                           std::int32_t id, std::int16_t key, std::int16_t /*version*/,
                           std::int32_t /*correlation*/, std::size_t /*size*/, void* seen)
        -> rd_kafka_resp_err_t {
        auto* const to = static_cast<observers*>(seen);
        if (key == produce) {
            to->watch->brokers().sent(id, std::chrono::steady_clock::now());
        }
        to->member.sent(key);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    static auto on_response(rd_kafka_t* /*handle*/, int /*socket*/, const char* /*broker*/,
                            std::int32_t id, std::int16_t key, std::int16_t /*version*/,
                            std::int32_t /*correlation*/, std::size_t size, std::int64_t /*rtt*/,
                            rd_kafka_resp_err_t code, void* seen) -> rd_kafka_resp_err_t {
        constexpr std::int16_t sasl_handshake = 17;
        constexpr std::int16_t api_versions = 18;
        constexpr std::int16_t sasl_authenticate = 36;
        auto* const to = static_cast<observers*>(seen);
        broker_clocks& brokers = to->watch->brokers();
        if (size > 0) {
            brokers.heard(id, std::chrono::steady_clock::now());
        }
        if (key == produce) {
            brokers.settled(id);
        }
        // A handshake that may still fail is no answer.
        if (size > 0 && code == RD_KAFKA_RESP_ERR_NO_ERROR && key != sasl_handshake &&
            key != api_versions && key != sasl_authenticate) {
            to->watch->answered();
        }
        to->member.answered(key);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }

    std::shared_ptr<observers> seen_;
    rd_kafka_t* handle_ = nullptr;
    std::atomic<bool> assigned_{false};
    std::atomic<bool> joining_{false}; ///< left its group between joining and its assignment
    std::atomic<bool> leaving_{false};
    std::atomic<bool> gave_all_up_{false};
};

} // namespace cobus::detail::kafka
