#include "common/framing.hpp"

#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/cli.hpp"
#include "common/envelope.hpp"
#include "common/io.hpp"

namespace {

using shmq::Bytes;
using Messages = std::vector<Bytes>;

// ---- line, nul: a delimiter behind each message ---------------------------------------------------

#ifdef __SSE2__
// Which of 64 bytes are that one: a bit each. Finds all the ends of short lines at once.
std::uint64_t matches(const std::byte* bytes, __m128i pattern) noexcept {
    std::uint64_t bits = 0;
    for (int i = 0; i < 4; ++i) {
        const __m128i piece = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes) + i);
        bits |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(piece, pattern)))) << (16 * i);
    }
    return bits;
}
#endif

Cut cut_delimited(const Framing& framing, const Uncut& input, const Shape&, Messages& messages) {
    const std::byte* begin = input.bytes.data();
    const std::byte* const end = begin + input.bytes.size();
    const std::byte* search = begin + input.seen;
    std::size_t left = input.most;
#ifdef __SSE2__
    const __m128i pattern = _mm_set1_epi8(static_cast<char>(framing.delimiter));
    for (; end - search >= 64 && left >= 64; search += 64) {
        for (std::uint64_t bits = matches(search, pattern); bits; bits &= bits - 1, --left) {
            const std::byte* const found = search + std::countr_zero(bits);
            messages.emplace_back(begin, found);
            begin = found + 1;
        }
    }
#endif
    for (; left > 0 && search < end; --left) {
        const auto* const found = static_cast<const std::byte*>(std::memchr(search, framing.delimiter, static_cast<std::size_t>(end - search)));
        if (!found) break;
        messages.emplace_back(begin, found);
        begin = search = found + 1;
    }
    if (input.at_end && left > 0 && begin < end) {
        messages.emplace_back(begin, end);
        begin = end;
    }
    const auto rest = static_cast<std::size_t>(end - begin);
    return {.used = input.bytes.size() - rest, .seen = rest, .partial = rest, .skip = rest};
}

using Vector = unsigned char __attribute__((vector_size(16)));

// Copies and looks for a byte in one go: for lines of the usual length twice as fast as one after the
// other. REQUIRES: bytes.size() >= sizeof(Vector).
bool copy_with(std::byte* to, Bytes bytes, unsigned char wanted) noexcept {
    const Vector pattern = Vector{} + wanted;
    Vector found{};
    const auto copy = [&](std::size_t at) {
        Vector piece;
        std::memcpy(&piece, bytes.data() + at, sizeof piece);
        std::memcpy(to + at, &piece, sizeof piece);
        found |= static_cast<Vector>(piece == pattern);
    };
    const std::size_t last = bytes.size() - sizeof(Vector);
    for (std::size_t at = 0; at < last; at += sizeof(Vector)) copy(at);
    copy(last);  // overlaps the one before
    std::uint64_t halves[2];
    std::memcpy(halves, &found, sizeof halves);
    return halves[0] | halves[1];
}

bool put_delimited(const Framing& framing, Bytes message, const Origin&, const Shape&, Output& out) {
    const std::size_t size = message.size();
    const auto delimiter = static_cast<std::byte>(framing.delimiter);
    bool carried = true;
    if (size >= sizeof(Vector) && size <= 512) {
        std::byte* const at = out.room(size + 1);
        carried = !copy_with(at, message, static_cast<unsigned char>(framing.delimiter));
        at[size] = delimiter;
        out.add(size + 1);
    } else {
        carried = size == 0 || !std::memchr(message.data(), framing.delimiter, size);
        out.put(message);
        out.put(static_cast<char>(framing.delimiter));
    }
    return carried;
}

// ---- whole: all of the input is one message ------------------------------------------------------

Cut cut_whole(const Framing&, const Uncut& input, const Shape&, Messages& messages) {
    if (!input.at_end) return {.partial = input.bytes.size(), .skip = Cut::all};
    messages.emplace_back(input.bytes);
    return {.used = input.bytes.size()};
}

bool put_bytes(const Framing&, Bytes message, const Origin&, const Shape&, Output& out) {
    out.put(message);
    return true;
}

// ---- u32: the length in front, 32 bits, big-endian -----------------------------------------------

Cut cut_u32(const Framing&, const Uncut& input, const Shape&, Messages& messages) {
    constexpr std::size_t prefix = sizeof(std::uint32_t);
    Cut cut;
    for (;;) {
        const std::span<std::byte> rest = input.bytes.subspan(cut.used);
        std::size_t length = 0;
        if (rest.size() >= prefix) {
            std::uint32_t big_endian;
            std::memcpy(&big_endian, rest.data(), prefix);
            length = be32toh(big_endian);
        }
        const bool whole = rest.size() >= prefix + length;
        if (!whole || messages.size() >= input.most) {
            cut.partial = length, cut.skip = prefix + length;
            cut.need = whole ? 1 : prefix + length - rest.size();
            if (input.at_end && !rest.empty() && !whole)
                cut.bad = rest.size() < prefix ? "the input ends in the middle of a length" : "the input ends after " + std::to_string(rest.size() - prefix) + " of " + std::to_string(length) + " bytes";
            return cut;
        }
        messages.emplace_back(rest.subspan(prefix, length));
        cut.used += prefix + length;
    }
}

bool put_u32(const Framing&, Bytes message, const Origin&, const Shape&, Output& out) {
    const std::uint32_t big_endian = htobe32(static_cast<std::uint32_t>(message.size()));
    out.put(std::as_bytes(std::span(&big_endian, 1)));
    out.put(message);
    return true;
}

// ---- fixed: records back to back -----------------------------------------------------------------

Cut cut_records(const Framing&, const Uncut& input, const Shape& ring, Messages& messages) {
    const std::size_t size = ring.slot_size;
    const std::size_t count = std::min(input.bytes.size() / size, input.most);
    for (std::size_t i = 0; i < count; ++i) messages.emplace_back(input.bytes.subspan(i * size, size));
    const std::size_t rest = input.bytes.size() - count * size;
    Cut cut{.used = count * size, .need = size - rest % size, .skip = size};
    if (input.at_end && rest > 0 && rest < size) cut.bad = "the input ends after " + std::to_string(rest) + " of " + std::to_string(size) + " bytes";
    return cut;
}

bool put_record(const Framing&, Bytes message, const Origin&, const Shape& ring, Output& out) {
    out.put(message);
    return message.size() == ring.slot_size;
}

// `chunk` is cut where it is read, into whatever moves fastest; only into fixed slots as records are.
constexpr Framing table[] = {
    {"line", '\n', cut_delimited, put_delimited},
    {"nul", '\0', cut_delimited, put_delimited},
    {"whole", Framing::no_delimiter, cut_whole, put_bytes, true},
    {"u32", Framing::no_delimiter, cut_u32, put_u32},
    {"fixed", Framing::no_delimiter, cut_records, put_record},
    {"chunk", Framing::no_delimiter, cut_records, put_bytes, false, true},
    {"json", '\n', cut_json, put_json},
};

}  // namespace

const Framing& find_framing(std::string_view name) {
    for (const Framing& row : table)
        if (row.name == name) return row;
    refuse(name, "one of", table);
}

std::string framing_names() {
    std::string names;
    for (const Framing& row : table) names += (names.empty() ? "" : ", ") + std::string(row.name);
    return names;
}
