#pragma once

#include "contract.hpp"
#include "detail/contract_info.hpp"
#include "detail/intern.hpp"
#include "headers.hpp"
#include "message_id.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cobus {

/// Told when all handlers of this process's group are through with a message.
class handled_observer {
public:
    handled_observer(const handled_observer&) = delete;
    auto operator=(const handled_observer&) -> handled_observer& = delete;
    /// `call` as it was given to `observe`: the same may be told again, when a message comes again,
    /// and it may be over.
    virtual void handled(std::uint64_t call, bool all_done) noexcept = 0;

protected:
    handled_observer() = default;
    ~handled_observer() = default;
};

class local_run;

/// What travels: id, topic, type, source, time, key, headers and payload. The payload is bytes, the
/// typed event, or both, each made from the other at most once, when first needed.
///
/// A message has one owner at a time, and handlers borrow it: they may read it from any thread,
/// nobody changes it meanwhile. Views that it returns live as long as it does.
class message {
public:
    message() = default;
    message(std::string_view topic, std::string_view type, std::string payload) {
        this->topic(topic);
        this->type(type);
        this->payload(std::move(payload));
    }
    message(message&& other) noexcept : message() { swap(other); }
    auto operator=(message&& other) noexcept -> message& {
        message taken(std::move(other));
        swap(taken);
        return *this;
    }
    message(const message&) = delete;
    auto operator=(const message&) -> message& = delete;
    ~message() {
        drop_boxes();
        if (release_ != nullptr) {
            release_(held_);
        }
    }

    // What it says.
    [[nodiscard]] auto id() const noexcept -> const message_id& { return id_; }
    [[nodiscard]] auto topic() const noexcept -> std::string_view {
        return topic_ != nullptr ? std::string_view(*topic_) : std::string_view();
    }
    [[nodiscard]] auto type() const noexcept -> std::string_view { return type_; }
    [[nodiscard]] auto source() const noexcept -> std::string_view { return source_; }
    [[nodiscard]] auto time() const noexcept -> time_point { return time_; }
    /// Nothing when the message has no key; an empty key is a key.
    [[nodiscard]] auto key() const noexcept -> std::optional<std::string_view> {
        return key_.data() != nullptr ? std::optional<std::string_view>(key_) : std::nullopt;
    }
    [[nodiscard]] auto headers() const noexcept -> const cobus::headers& { return headers_; }
    [[nodiscard]] auto headers() noexcept -> cobus::headers& { return headers_; }
    /// True for a tombstone: no payload at all, not even an empty one.
    [[nodiscard]] auto is_null() const noexcept -> bool {
        return !has_bytes() && boxes_ == nullptr && lent_ == nullptr;
    }
    /// The payload's bytes; empty for a tombstone, and for a typed payload until `ensure_bytes`.
    [[nodiscard]] auto payload() const noexcept -> std::string_view { return bytes_; }

    // Building one by hand; texts are copied.
    void id(message_id value) noexcept { id_ = std::move(value); }
    void topic(std::string_view name) { topic_ = detail::intern(name); }
    void type(std::string_view value) { type_ = (text().type = value); }
    void source(std::string_view value) { source_ = (text().source = value); }
    void time(time_point value) noexcept { time_ = value; }
    void key(std::string_view value) { key_ = (text().key = value); }
    void no_key() noexcept { key_ = {}; }
    void payload(std::string bytes) {
        drop_boxes();
        bytes_ = (text().bytes = std::move(bytes));
    }
    void no_payload() noexcept {
        drop_boxes();
        bytes_ = {};
    }

    // For transports and the bus, which know how long their memory lives.
    void topic(const std::string* interned) noexcept { topic_ = interned; }
    [[nodiscard]] auto interned_topic() const noexcept -> const std::string* { return topic_; }
    void type_view(std::string_view value) noexcept { type_ = value; }
    void source_view(std::string_view value) noexcept { source_ = value; }
    void key_view(std::string_view value) noexcept { key_ = not_null(value); }
    void payload_view(std::string_view value) noexcept { bytes_ = not_null(value); }
    /// The payload came within these bytes, as the content type says: a structured CloudEvent. With
    /// an empty type it could not be taken out, and the payload is the envelope. May throw
    /// `std::bad_alloc`.
    void envelope_view(std::string_view bytes, std::string_view content_type) {
        text().envelope = bytes;
        text().envelope_type = content_type;
    }
    [[nodiscard]] auto envelope() const noexcept -> std::string_view {
        return texts_ ? texts_->envelope : std::string_view();
    }
    [[nodiscard]] auto envelope_type() const noexcept -> std::string_view {
        return texts_ ? texts_->envelope_type : std::string_view();
    }
    /// Keeps alive what the views point into: `release(held)` is called when the message dies.
    void hold(void* held, void (*release)(void*) noexcept) noexcept {
        held_ = held;
        release_ = release;
    }
    [[nodiscard]] auto held() const noexcept -> const void* { return held_; }

    /// `call` says which call of which bus this is (`detail::call_number`). Only that bus knows
    /// whether the observer still exists.
    void observe(handled_observer* who, std::uint64_t call) noexcept {
        observer_ = who;
        call_ = call;
    }
    [[nodiscard]] auto observer() const noexcept -> handled_observer* { return observer_; }
    [[nodiscard]] auto call() const noexcept -> std::uint64_t { return call_; }
    /// Of an event that is handled in process and kept for Kafka as well; whoever holds the message
    /// keeps it alive.
    void run(local_run* which) noexcept { run_ = which; }
    [[nodiscard]] auto run() const noexcept -> local_run* { return run_; }

    /// Takes the payload as the bytes of an event of that contract, which is not kept: this and
    /// what else are views of it are copied, in one block. Whoever holds something already keeps
    /// it. May throw `std::bad_alloc`, and has done nothing then.
    void encoded(std::string_view bytes, const detail::contract_info& as) {
        const bool own_type = type_.data() == as.type.data();
        const std::size_t type_size = own_type ? 0 : type_.size();
        auto* at = detail::pool_text(key_.size() + type_size + bytes.size());
        hold(at, &detail::pool_text_release);
        const auto copy = [&at](std::string_view from) {
            char* const to = at;
            at = std::copy(from.begin(), from.end(), to);
            return std::string_view(to, from.size());
        };
        key_ = key_.data() != nullptr ? copy(key_) : key_;
        type_ = own_type ? type_ : copy(type_);
        bytes_ = copy(bytes);
        drop_boxes();
        encoded_as_ = &as;
        if (texts_ && texts_->source.empty() && texts_->envelope.empty() && !texts_->form) {
            texts_.reset();
        }
    }
    /// As `contract`, or that of the event that the bytes were made from.
    [[nodiscard]] auto written_as() const noexcept -> const detail::contract_info* {
        return encoded_as_ != nullptr ? encoded_as_ : contract();
    }

    /// How it has to look on Kafka, where neither its contract nor the bus decides: of a message
    /// that comes from a spool's file.
    void form(wire::mode how) { text().form = how; }
    [[nodiscard]] auto form() const noexcept -> std::optional<wire::mode> {
        return texts_ ? texts_->form : std::nullopt;
    }

    /// Takes the typed payload. The message owns it.
    void adopt(detail::box* event) noexcept {
        event->next = boxes_;
        boxes_ = event;
    }
    /// The typed payload, to lend it, or to lend it on: null for bytes.
    [[nodiscard]] auto published() const noexcept -> const detail::box* {
        return boxes_ != nullptr ? boxes_ : lent_;
    }
    /// Makes this a second reading of `original`, for another group: it shares the texts and
    /// `lent`, what `original.published()` was when it was published, or else the bytes. Further
    /// forms of the payload are each reading's own, so that two groups never race for them.
    /// `original` must outlive this.
    void borrow(const message& original, const detail::box* lent) {
        topic_ = original.topic_;
        type_ = original.type_;
        source_ = original.source_;
        key_ = original.key_;
        id_ = original.id_;
        time_ = original.time_;
        headers_ = original.headers_;
        if (!original.envelope().empty()) {
            envelope_view(original.envelope(), original.envelope_type());
        }
        if (original.form()) {
            form(*original.form());
        }
        observer_ = original.observer_;
        call_ = original.call_;
        run_ = original.run_;
        encoded_as_ = original.encoded_as_;
        lent_ = lent;
        if (lent == nullptr) { // else the original's group may just be making the bytes
            bytes_ = original.bytes_;
        }
    }
    /// The contract of the typed payload it was published with, or null for bytes.
    [[nodiscard]] auto contract() const noexcept -> const detail::contract_info* {
        if (lent_ != nullptr) {
            return lent_->info;
        }
        const detail::box* last = boxes_;
        while (last != nullptr && last->next != nullptr) {
            last = last->next;
        }
        return last != nullptr ? last->info : nullptr;
    }

    /// There is a typed payload whose bytes were not made yet.
    [[nodiscard]] auto lacks_bytes() const noexcept -> bool {
        return !has_bytes() && published() != nullptr;
    }
    /// Makes the bytes from the typed payload, once.
    [[nodiscard]] auto ensure_bytes() -> codec_result {
        return lacks_bytes() ? make_bytes() : codec_result();
    }

    /// Makes the typed payload of that contract, once.
    [[nodiscard]] auto ensure_object(const detail::contract_info& info) -> codec_result {
        if (find(info) != nullptr) {
            return codec_result();
        }
        if (codec_result encoded = ensure_bytes(); !encoded.ok()) {
            return encoded;
        }
        if (!has_bytes()) {
            return codec_result(
                "the message has no payload (a tombstone), so there is no event in it");
        }
        if (info.decode == nullptr) {
            return codec_result(
                info.has_codec
                    ? "the event has no default constructor to decode into"
                    : "the contract names no codec: add `using codec = cobus::json_codec;`");
        }
        codec_result result;
        if (detail::box* made = info.decode(bytes_, result)) {
            made->next = boxes_; // the published one stays last
            boxes_ = made;
        }
        return result;
    }

    /// What the event of that contract says of its identity; empty if it says or is nothing.
    [[nodiscard]] auto own_id(const detail::contract_info& info) const -> std::string {
        const detail::box* found = info.id_of != nullptr ? find(info) : nullptr;
        return found != nullptr ? info.id_of(*found) : std::string();
    }

    /// The typed payload, or null if it was not made.
    template <class E>
    [[nodiscard]] auto object() const noexcept -> const E* {
        return object<E>(detail::info_of<E>());
    }
    /// The same for who knows its contract.
    template <class E>
    [[nodiscard]] auto object(const detail::contract_info& info) const noexcept -> const E* {
        const detail::box* found = find(info);
        return found != nullptr ? &static_cast<const detail::typed_box<E>*>(found)->value : nullptr;
    }

private:
    struct texts { // allocated only for what cannot be a view, or is seldom there
        std::string type, source, key, bytes;
        std::string_view envelope, envelope_type;
        std::optional<wire::mode> form;
    };

    /// Nothing at all is a view of nowhere, so what is empty points somewhere.
    [[nodiscard]] static auto not_null(std::string_view value) noexcept -> std::string_view {
        return value.data() != nullptr ? value : std::string_view("");
    }
    [[nodiscard]] auto has_bytes() const noexcept -> bool { return bytes_.data() != nullptr; }

    [[nodiscard]] auto text() -> texts& {
        if (!texts_) {
            texts_.reset(detail::pool_new<texts>());
        }
        return *texts_;
    }
    [[nodiscard]] auto make_bytes() -> codec_result {
        const detail::box* from = published();
        const detail::contract_info& info = *from->info;
        if (!info.has_codec) {
            return codec_result("the contract of '" + std::string(type_) +
                                "' names no codec: add `using codec = cobus::json_codec;`");
        }
        std::string& out = text().bytes;
        out.clear();
        codec_result result = info.encode(*from, out);
        if (result.ok()) {
            bytes_ = out;
        }
        return result;
    }
    [[nodiscard]] auto find(const detail::contract_info& info) const noexcept
        -> const detail::box* {
        for (const detail::box* each = boxes_; each != nullptr; each = each->next) {
            if (each->info == &info) {
                return each;
            }
        }
        return lent_ != nullptr && lent_->info == &info ? lent_ : nullptr;
    }
    void drop_boxes() noexcept {
        lent_ = nullptr;
        while (boxes_ != nullptr) {
            detail::box* first = std::exchange(boxes_, boxes_->next);
            first->destroy(first);
        }
    }
    void swap(message& other) noexcept {
        std::swap(topic_, other.topic_);
        std::swap(type_, other.type_);
        std::swap(source_, other.source_);
        std::swap(key_, other.key_);
        std::swap(bytes_, other.bytes_);
        std::swap(boxes_, other.boxes_);
        std::swap(lent_, other.lent_);
        std::swap(id_, other.id_);
        std::swap(time_, other.time_);
        std::swap(headers_, other.headers_);
        std::swap(texts_, other.texts_);
        std::swap(held_, other.held_);
        std::swap(release_, other.release_);
        std::swap(observer_, other.observer_);
        std::swap(call_, other.call_);
        std::swap(run_, other.run_);
        std::swap(encoded_as_, other.encoded_as_);
    }

    const std::string* topic_ = nullptr;
    std::string_view type_;
    std::string_view source_;
    std::string_view key_;   // of nowhere: none
    std::string_view bytes_; // the same
    detail::box* boxes_ = nullptr;
    const detail::box* lent_ = nullptr; ///< another message's
    message_id id_;
    time_point time_{};
    cobus::headers headers_;
    std::unique_ptr<texts, detail::pool_deleter> texts_;
    void* held_ = nullptr;
    void (*release_)(void*) noexcept = nullptr;
    handled_observer* observer_ = nullptr;
    std::uint64_t call_ = 0;
    local_run* run_ = nullptr;
    const detail::contract_info* encoded_as_ = nullptr;
};

/// Messages live in the pool and are handed on by pointer.
using message_ptr = std::unique_ptr<message, detail::pool_deleter>;

[[nodiscard]] inline auto make_message() -> message_ptr {
    return message_ptr(detail::pool_new<message>());
}

} // namespace cobus
