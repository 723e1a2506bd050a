#pragma once

#include "../../detail/pool.hpp"
#include "../../message.hpp"
#include "envelope.hpp"
#include "handle.hpp"

#include <librdkafka/rdkafka.h>

#include <new>
#include <utility>

namespace cobus::detail::kafka {

/// A consumed message in our words, over librdkafka's memory. One stream owns them all and uses
/// them again; one user at a time.
struct received {
    message content;
    rd_kafka_message_t* native = nullptr;
    received* previous = nullptr;
    received* next = nullptr;
};

/// The messages that are out with the dispatcher: librdkafka cannot be destroyed before they are
/// back.
class received_list {
public:
    received_list() = default;
    received_list(const received_list&) = delete;
    auto operator=(const received_list&) -> received_list& = delete;
    ~received_list() {
        while (out_ != nullptr) {
            give_back(*out_);
        }
        while (free_ != nullptr) {
            pool_delete(std::exchange(free_, free_->next));
        }
    }

    /// Takes over the native message, unless it throws.
    [[nodiscard]] auto take(native_ptr& native, const std::string* topic, unwrapping unwrap)
        -> received& {
        received* made = nullptr;
        try {
            made = free_ != nullptr ? std::exchange(free_, free_->next) : pool_new<received>();
            decode(*native, topic, unwrap, made->content);
        } catch (...) {
            if (made != nullptr) {
                recycle(*made);
            }
            throw;
        }
        made->native = native.release();
        made->previous = nullptr;
        made->next = out_;
        if (out_ != nullptr) {
            out_->previous = made;
        }
        out_ = made;
        return *made;
    }
    void give_back(received& item) noexcept {
        (item.previous != nullptr ? item.previous->next : out_) = item.next;
        if (item.next != nullptr) {
            item.next->previous = item.previous;
        }
        rd_kafka_message_destroy(std::exchange(item.native, nullptr));
        recycle(item);
    }

private:
    void recycle(received& item) noexcept {
        item.content.~message();
        ::new (&item.content) message();
        item.next = std::exchange(free_, &item);
    }

    received* out_ = nullptr;
    received* free_ = nullptr;
};

} // namespace cobus::detail::kafka
