#pragma once

#include "../message.hpp"
#include "base64.hpp"
#include "iso_time.hpp"
#include "json_cursor.hpp"
#include "json_sink.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cobus::detail::json {

/// CloudEvents 1.0, JSON event format: what its attributes may be called.
[[nodiscard]] inline auto is_attribute_name(std::string_view name) noexcept -> bool {
    for (const char c : name) {
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
            return false;
        }
    }
    return !name.empty();
}

/// The members that the envelope fills itself; a header of that name is no extension.
[[nodiscard]] inline auto is_own_member(std::string_view name) noexcept -> bool {
    constexpr std::array<std::string_view, 7> own{"specversion", "id",   "source",         "type",
                                                  "time",        "data", "datacontenttype"};
    for (const std::string_view each : own) {
        if (each == name) {
            return true;
        }
    }
    return false;
}

[[nodiscard]] inline auto is_json_type(std::string_view content_type) -> bool {
    std::string bare(content_type.substr(0, content_type.find(';')));
    while (bare.ends_with(' ')) {
        bare.pop_back();
    }
    for (char& c : bare) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return bare.empty() || bare.ends_with("/json") || bare.ends_with("+json");
}

/// Writes a message as one CloudEvents object. Headers with an attribute's name become extensions;
/// the others have no place in the envelope and stay headers of the record.
class envelope_writer {
public:
    explicit envelope_writer(const message& from) : from_(from) {}

    [[nodiscard]] auto run(std::string& out) -> codec_result {
        if (from_.id().empty() || from_.type().empty()) {
            return codec_result("$: a CloudEvent needs an id and a type");
        }
        if (from_.written_as() != nullptr && from_.payload().empty()) {
            return codec_result("$: the event is not encoded yet");
        }
        at_ = sink_.raw(sink_.begin(), "{\"specversion\":\"1.0\"");
        member("id", from_.id().str());
        member("source", from_.source().empty() ? "/cobus" : from_.source());
        member("type", from_.type());
        if (from_.time() != time_point()) {
            time();
        }
        const std::string_view content_type = this->content_type();
        member("datacontenttype", content_type);
        for (const header& each : from_.headers()) {
            extension(each);
        }
        if (!from_.is_null()) {
            data(is_json_type(content_type));
        }
        if (at_ == nullptr) {
            return codec_result(sink_.wrong.text());
        }
        at_ = sink_.raw(at_, "}");
        out.append(sink_.begin(), static_cast<std::size_t>(at_ - sink_.begin()));
        return codec_result();
    }

private:
    [[nodiscard]] auto content_type() const -> std::string_view {
        if (const auto said = from_.headers().get("content-type")) {
            return *said;
        }
        const contract_info* contract = from_.written_as();
        return contract != nullptr && !contract->content_type.empty() ? contract->content_type
                                                                      : "application/json";
    }
    void name(std::string_view name) {
        at_ = sink_.raw(at_, ",");
        at_ = sink_.string(at_, name);
        at_ = sink_.raw(at_, ":");
    }
    void member(std::string_view name, std::string_view value) {
        if (at_ == nullptr) {
            return;
        }
        this->name(name);
        at_ = sink_.string(at_, value);
        if (at_ == nullptr) {
            sink_.wrong.inside(name);
        }
    }
    void time() {
        std::array<char, iso_time_size> text{};
        if (at_ != nullptr && put_iso_time(from_.time(), text.data()) != nullptr) {
            member("time", std::string_view(text.data(), text.size()));
        }
    }
    void extension(const header& each) {
        const bool last = from_.headers().get(each.name) == each.value; // a JSON name comes once
        if (is_attribute_name(each.name) && !is_own_member(each.name) && each.value && last &&
            written_.find("," + each.name + ",") == std::string::npos) {
            member(each.name, *each.value);
            written_.append(each.name).append(",");
        }
    }
    void data(bool as_json) {
        if (at_ == nullptr) {
            return;
        }
        const std::string_view payload = from_.payload();
        cursor check(payload);
        if (as_json && check.skip() && check.finish()) {
            name("data");
            at_ = sink_.raw(at_, payload);
            return;
        }
        name("data_base64");
        at_ = sink_.room(at_, base64_size(payload.size()) + 2);
        *at_++ = '"';
        at_ = put_base64(payload.data(), payload.size(), at_);
        *at_++ = '"';
    }

    const message& from_;
    sink sink_;
    char* at_ = nullptr;
    std::string written_ = ",";
};

/// Reads one CloudEvents object back into the message that carries it. Attributes that messages do
/// not have become headers of the same name; `datacontenttype` becomes `content-type`.
class envelope_reader {
public:
    explicit envelope_reader(std::string_view text) : in_(text) {}

    [[nodiscard]] auto run(message& into) -> codec_result {
        if (!read() || !complete()) {
            return codec_result(in_.wrong.text());
        }
        into.id(message_id::from_text(id_));
        into.source(source_);
        into.type(type_);
        if (time_) {
            into.time(*time_);
        }
        for (const header& each : extensions_) {
            into.headers().set(each.name, *each.value);
        }
        if (base64_) {
            into.payload(std::move(*base64_));
        } else if (data_) {
            into.payload(std::move(*data_));
        } else {
            into.no_payload();
        }
        return codec_result();
    }

private:
    [[nodiscard]] auto read() -> bool {
        if (!in_.open('{', "a CloudEvent in an object")) {
            return false;
        }
        cursor::more more = in_.next('}');
        for (; more == cursor::more::yes; more = in_.next('}')) {
            std::string name;
            if (!in_.read_string(name) || !in_.colon()) {
                return false;
            }
            if (!attribute(name)) {
                in_.wrong.inside(std::string_view(name));
                return false;
            }
        }
        return more == cursor::more::no && in_.finish();
    }
    [[nodiscard]] auto attribute(const std::string& name) -> bool {
        if (name == "data") {
            return data();
        }
        if (in_.peek() == 'n') { // null: the same as absent
            return in_.word("null");
        }
        if (name == "data_base64") {
            std::string_view text;
            return in_.view_string(text) &&
                   (read_base64(text, base64_.emplace()) || in_.fail("the text is not base64"));
        }
        if (!is_attribute_name(name)) {
            return in_.fail("attributes are named by lower case letters and digits");
        }
        std::string value;
        if (!scalar(value)) {
            return false;
        }
        return keep(name, std::move(value));
    }
    [[nodiscard]] auto keep(const std::string& name, std::string value) -> bool {
        if (name == "specversion") {
            version_ = std::move(value);
            return version_ == "1.0" || in_.fail("expected 1.0, got " + problem::quoted(version_));
        }
        if (name == "time") {
            if (read_iso_time(value, time_.emplace()) != time_reading::ok) {
                return in_.fail(problem::quoted(value) + " is no time");
            }
            return true;
        }
        if (name == "id" || name == "source" || name == "type") {
            (name == "id" ? id_ : name == "source" ? source_ : type_) = std::move(value);
            return true;
        }
        if (name == "datacontenttype") {
            content_type_ = value;
        }
        extensions_.set(name == "datacontenttype" ? "content-type" : name, value);
        return true;
    }
    /// Strings, and the canonical text of integers and booleans.
    [[nodiscard]] auto scalar(std::string& value) -> bool {
        const char c = in_.peek();
        if (c == '"') {
            return in_.read_string(value);
        }
        if (c == 't' || c == 'f') {
            value = c == 't' ? "true" : "false";
            return in_.word(value);
        }
        std::string_view token;
        bool whole = false;
        if (c != '-' && (c < '0' || c > '9')) {
            return in_.expected("a string, integer or boolean");
        }
        if (!in_.number(token, whole)) {
            return false;
        }
        value = token;
        return whole || in_.fail("expected an integer, got " + problem::quoted(token));
    }
    [[nodiscard]] auto data() -> bool {
        is_text_ = in_.peek() == '"';
        const char* const start = in_.position();
        if (!in_.skip()) {
            return false;
        }
        data_.emplace(start, static_cast<std::size_t>(in_.position() - start));
        return true;
    }
    [[nodiscard]] auto complete() -> bool {
        for (const auto& [name, value] :
             {std::pair("specversion", &version_), std::pair("id", &id_),
              std::pair("source", &source_), std::pair("type", &type_)}) {
            if (value->empty()) {
                in_.fail("required, but missing or empty");
                in_.wrong.inside(std::string_view(name));
                return false;
            }
        }
        if (data_ && base64_) {
            return in_.fail("both data and data_base64 are there");
        }
        if (data_ && is_text_ && !is_json_type(content_type_)) { // text of another format
            const std::string quoted = std::exchange(*data_, std::string());
            return cursor(quoted).read_string(*data_);
        }
        return true;
    }

    cursor in_;
    std::string version_, id_, source_, type_, content_type_;
    std::optional<time_point> time_;
    headers extensions_;
    std::optional<std::string> data_, base64_;
    bool is_text_ = false;
};

} // namespace cobus::detail::json
