#include "common/envelope.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/io.hpp"
#include "common/record.hpp"
#include "common/text.hpp"

namespace {

using nlohmann::json;

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

// A message is never longer than its envelope, so it takes its envelope's place in the input.
shmq::Bytes take_envelope(std::span<std::byte> line, std::string& bad) {
    const std::string message = open_envelope(shmq::text(line), bad);
    if (!message.empty()) std::memcpy(line.data(), message.data(), message.size());
    return line.first(message.size());
}

// A record may well be longer than its object. Enough of them at once.
constexpr std::size_t enough_room = 4 << 20;

void take_record(const Record& record, std::span<std::byte> line, std::vector<std::byte>& room, std::string& bad) {
    const std::size_t begin = room.size();
    room.resize(begin + record.size);
    bad = encode(record, shmq::text(line), std::span(room).subspan(begin));
    if (!bad.empty()) room.resize(begin);
}

}  // namespace

Cut cut_json(const Framing& framing, const Uncut& input, const Shape& ring, std::vector<shmq::Bytes>& messages) {
    Cut cut;
    if (input.room) input.room->clear();
    std::size_t search = input.seen;
    for (std::size_t taken = 0; taken < input.most && cut.bad.empty() && !cut.again; ++taken) {
        const std::span<std::byte> rest = input.bytes.subspan(cut.used);
        const void* const newline = search < rest.size() ? std::memchr(rest.data() + search, framing.delimiter, rest.size() - search) : nullptr;
        if (!newline && !(input.at_end && !rest.empty())) break;
        const std::size_t length = newline ? static_cast<std::size_t>(static_cast<const std::byte*>(newline) - rest.data()) : rest.size();
        if (ring.record) {
            take_record(*ring.record, rest.first(length), *input.room, cut.bad);
            cut.again = input.room->size() >= enough_room;
        } else if (const shmq::Bytes message = take_envelope(rest.first(length), cut.bad); cut.bad.empty()) {
            messages.push_back(message);
        }
        if (cut.bad.empty()) cut.used += length + (newline ? 1 : 0);
        search = 0;
    }
    if (ring.record && input.room)  // only now: it has moved as it grew
        for (std::size_t at = 0; at < input.room->size(); at += ring.record->size) messages.push_back(std::span(*input.room).subspan(at, ring.record->size));
    if (cut.again || !cut.bad.empty()) return cut;
    const std::size_t rest = input.bytes.size() - cut.used;
    // Nothing that makes sense is longer: a byte takes eight at most, and the other keys little.
    if (rest / 8 > ring.max_message + 8192) cut.bad = "an object of more than " + std::to_string(rest) + " bytes, the ring takes messages of at most " + std::to_string(ring.max_message);
    cut.seen = rest;
    return cut;
}

bool put_json(const Framing&, shmq::Bytes message, const Origin& origin, const Shape& ring, Output& out) {
    std::string line = "{";
    if (ring.record && message.size() == ring.record->size) {
        decode(*ring.record, message, line);
        if (origin.redelivered) line += ",\"_redelivered\":true";
        if (origin.lost) line += ",\"_lost\":" + std::to_string(origin.lost);
        if (origin.time_ns) line += ",\"_time\":" + std::to_string(origin.time_ns);
    } else {
        const std::string_view content = shmq::text(message);
        line += "\"seq\":" + std::to_string(origin.position) + ",\"len\":" + std::to_string(content.size());
        if (is_utf8(content)) line += ",\"data\":" + json_string(content);
        else line += ",\"base64\":\"" + base64(content) + '"';
        if (origin.redelivered) line += ",\"redelivered\":true";
        if (origin.lost) line += ",\"lost\":" + std::to_string(origin.lost);
        if (origin.time_ns) line += ",\"time\":" + std::to_string(origin.time_ns);
    }
    line += "}\n";
    out.put(shmq::bytes(line));
    return true;
}
