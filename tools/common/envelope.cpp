#include "common/envelope.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/io.hpp"

namespace {

using nlohmann::json;

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
        for (std::size_t k = 0; k < 4; ++k) text += k <= count ? alphabet[group >> (18 - 6 * k) & 63] : '=';
    }
    return text;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        const std::size_t digits = i + 4 == text.size() ? 4 - padding : 4;
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 4; ++k) {
            const auto value = k < digits ? alphabet.find(text[i + k]) : 0;
            if (value == std::string_view::npos) return std::nullopt;
            group = group << 6 | static_cast<std::uint32_t>(value);
        }
        for (std::size_t k = 0; k + 1 < digits; ++k) bytes += static_cast<char>(group >> (16 - 8 * k));
    }
    return bytes;
}

// As Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text) {
    const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    for (std::size_t i = 0; i < text.size();) {
        const unsigned lead = at(i);
        if (lead < 0x80) {
            ++i;
            continue;
        }
        const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if (lead < 0xc2 || lead > 0xf4) return false;
        const unsigned second = at(i + 1);
        if (second < (lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80) || second > (lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf)) return false;
        for (std::size_t k = 2; k < length; ++k)
            if ((at(i + k) & 0xc0) != 0x80) return false;
        i += length;
    }
    return true;
}

// The message, or in `bad` why there is none.
std::string open_envelope(std::string_view line, std::string& bad) {
    const json envelope = json::parse(line, nullptr, false);
    if (envelope.is_discarded()) return bad = "not a JSON document", "";
    if (!envelope.is_object()) return bad = "not a JSON object", "";
    std::optional<std::string> message;
    for (const auto& [key, value] : envelope.items()) {
        if (key == "data" || key == "base64") {
            if (message) return bad = "both \"data\" and \"base64\"", "";
            if (!value.is_string()) return bad = '"' + key + "\" is not a string", "";
            message = value.get_ref<const std::string&>();
            if (key == "base64" && !(message = from_base64(*message))) return bad = "\"base64\" is not base64", "";
            continue;
        }
        constexpr std::array<std::string_view, 5> of_pop = {"seq", "len", "time", "redelivered", "lost"};
        if (!key.starts_with('_') && std::ranges::find(of_pop, key) == of_pop.end()) return bad = "unknown key \"" + key + '"', "";
    }
    if (!message) return bad = R"(neither "data" nor "base64")", "";
    return *message;
}

}  // namespace

// A message is never longer than its envelope, so it takes its envelope's place in the input.
Cut cut_envelopes(const Framing& framing, const Uncut& input, const Shape& ring, std::vector<shmq::Bytes>& messages) {
    Cut cut;
    std::size_t search = input.seen;
    while (messages.size() < input.most) {
        const std::span<std::byte> rest = input.bytes.subspan(cut.used);
        const void* const newline = search < rest.size() ? std::memchr(rest.data() + search, framing.delimiter, rest.size() - search) : nullptr;
        if (!newline && !(input.at_end && !rest.empty())) break;
        const std::size_t length = newline ? static_cast<std::size_t>(static_cast<const std::byte*>(newline) - rest.data()) : rest.size();
        const std::string message = open_envelope(shmq::text(rest.first(length)), cut.bad);
        if (!cut.bad.empty()) return cut;
        if (!message.empty()) std::memcpy(rest.data(), message.data(), message.size());
        messages.emplace_back(rest.first(message.size()));
        cut.used += length + (newline ? 1 : 0);
        search = 0;
    }
    const std::size_t rest = input.bytes.size() - cut.used;
    // No envelope is longer: a byte takes six at most, and the other keys little.
    if (rest / 8 > ring.max_message + 8192) cut.bad = "an envelope of more than " + std::to_string(rest) + " bytes, the ring takes messages of at most " + std::to_string(ring.max_message);
    cut.seen = rest;
    return cut;
}

bool put_envelope(const Framing&, shmq::Bytes message, const Origin& origin, const Shape&, Output& out) {
    const std::string_view content = shmq::text(message);
    std::string line = "{\"seq\":" + std::to_string(origin.position) + ",\"len\":" + std::to_string(content.size());
    if (is_utf8(content)) line += ",\"data\":" + json(content).dump();
    else line += ",\"base64\":\"" + base64(content) + '"';
    if (origin.redelivered) line += ",\"redelivered\":true";
    if (origin.time_ns) line += ",\"time\":" + std::to_string(origin.time_ns);
    line += "}\n";
    out.put(shmq::bytes(line));
    return true;
}
