#include "recovery.hpp"

#include <algorithm>
#include <array>

namespace shmq::detail {
namespace {

// A taken range, as its owner announced it.
struct Range {
    u64 begin, end;
};

// Of [from, to): how far does nobody alive cover it? Returns `from` if `from` itself is covered.
u64 unclaimed_until(const Ring& ring, Peers& peers, u32 me, Role role, u64 from, u64 to) noexcept {
    for (u32 i = 0, used = ring.entries_used(); i < used && from < to; ++i) {
        const Entry& entry = ring.entries[i];
        if (i == me || entry.role.load(std::memory_order_acquire) != role) continue;
        const u64 begin = entry.claim_position.load(order::O4);
        if (begin == no_position || begin >= to) continue;
        // Bounded by the ring, so that a forged length cannot wrap round.
        const u64 end = begin + std::min(entry.claim_slots.load(std::memory_order_acquire), ring.slots);
        if (end <= from || !peers.alive(i)) continue;
        to = std::max(begin, from);
    }
    return to;
}

}  // namespace

bool claimed_by_living(const Ring& ring, Peers& peers, u32 me, u64 from, u64 to) noexcept { return unclaimed_until(ring, peers, me, role_producer, from, to) != to; }

Repair repair_hole(const Ring& ring, Peers& peers, u32 me, u64 position, u64& abandoned) noexcept {
    std::array<u64, 512> words;
    words[0] = ring.word(position).load(std::memory_order_acquire);  // first the word,
    // then the position, then, in unclaimed_until, the registers.
    const u64 w = ring.lines->write_position.value.load(order::O3) & ~end_bit;
    if (ring.age(words[0], position) >= 0 || w <= position || w - position > ring.slots) return Repair::done;  // it moved
    const u64 end = std::min(w, position + words.size());
    u64 stretch = position + 1;
    for (; stretch < end; ++stretch) {
        words[stretch - position] = ring.word(stretch).load(std::memory_order_acquire);
        if (ring.age(words[stretch - position], stretch) >= 0) break;
    }
    // The words above were read after w; what they are about was taken before, since they lie below w.
    const u64 until = unclaimed_until(ring, peers, me, role_producer, position, stretch);
    if (until == position) return Repair::held;
    for (u64 p = position; p < until; ++p) {
        u64 expected = words[p - position];
        if (!ring.word(p).compare_exchange_strong(expected, ring.lap_tag(p) | word_abandoned, std::memory_order_acq_rel, std::memory_order_relaxed)) break;
        ++abandoned;
    }
    return Repair::done;
}

Repair repair_at_read_position(const Ring& ring, Peers& peers, u32 me, u64& abandoned) noexcept {
    auto& read_position = ring.lines->read_position.value;
    u64 h = read_position.load(std::memory_order_acquire);
    const u64 word = ring.word(h).load(std::memory_order_acquire);
    if (ring.ready(word, h)) return Repair::nothing;
    const u64 w = ring.lines->write_position.value.load(std::memory_order_acquire) & ~end_bit;
    if (w == h) return Repair::nothing;
    if (h > w || w - h > ring.slots) return read_position.load(std::memory_order_acquire) == h ? Repair::corrupt : Repair::done;

    const auto age = ring.age(word, h);
    if (age > 0 || (age == 0 && word_state(word) != word_abandoned))  // h was stale, or nonsense
        return read_position.load(std::memory_order_acquire) == h && ring.word(h).load(std::memory_order_acquire) == word ? Repair::corrupt : Repair::done;
    if (age < 0 && repair_hole(ring, peers, me, h, abandoned) == Repair::held) return Repair::held;
    // Step over what is abandoned. A CAS also for a single consumer: a producer without room does the same.
    while (h < w) {
        const u64 now = ring.word(h).load(std::memory_order_acquire);
        if (ring.age(now, h) != 0 || word_state(now) != word_abandoned) break;
        if (!read_position.compare_exchange_strong(h, h + 1, std::memory_order_acq_rel, std::memory_order_acquire)) return Repair::done;
        ++h;
    }
    advance_free(ring);
    return Repair::done;
}

Repair find_orphan(const Ring& ring, Peers& peers, u32 me, Orphan& orphan) noexcept {
    orphan = {};
    auto& free_position = ring.lines->free_position.value;
    const u64 f = free_position.load(std::memory_order_acquire);
    // Whoever took something below h announced it before h moved.
    const u64 h = ring.lines->read_position.value.load(order::O5);
    if (static_cast<std::int64_t>(h - f) <= 0) return Repair::nothing;
    if (h - f > ring.slots) return free_position.load(std::memory_order_acquire) == f ? Repair::corrupt : Repair::done;
    bool held = false;
    for (u64 p = f; p < h;) {
        const u64 word = ring.word(p).load(std::memory_order_acquire);
        const u64 size = ring.length_at(p);
        std::atomic_thread_fence(order::O9);
        // The header is still this message's as long as nothing at or behind it was freed; else what was
        // read may be payload, and would lead into the middle of another run.
        if (static_cast<std::int64_t>(free_position.load(std::memory_order_acquire) - p) > 0) return Repair::done;
        const auto stale = [&] { return free_position.load(std::memory_order_acquire) > p || ring.word(p).load(std::memory_order_acquire) != word; };
        if (ring.age(word, p) != 0 || word_state(word) == word_vacant || word_state(word) > word_done)
            return stale() ? Repair::done : Repair::corrupt;
        if (word_state(word) == word_abandoned) {
            ++p;
            continue;
        }
        if (!ring.bounded(size)) return stale() ? Repair::done : Repair::corrupt;
        const u64 n = ring.fixed ? 1 : ring.slots_for(size);
        if (word_state(word) == word_ready) {
            if (unclaimed_until(ring, peers, me, role_consumer, p, p + n) != p) {
                if (stale()) return Repair::done;
                orphan = {p, word, size, n};
                return Repair::done;
            }
            held = true;
        }
        p += n;
    }
    return held ? Repair::held : Repair::nothing;
}

void advance_free(const Ring& ring) noexcept {
    auto& free_position = ring.lines->free_position.value;
    u64 f = free_position.load(std::memory_order_acquire);
    for (;;) {
        const u64 h = ring.lines->read_position.value.load(std::memory_order_acquire);
        if (static_cast<std::int64_t>(h - f) <= 0 || h - f > ring.slots) return;  // never past read_position
        const u64 word = ring.word(f).load(std::memory_order_acquire);
        if (ring.age(word, f) != 0) return;
        u64 n = 1;
        if (word_state(word) == word_done) {
            const u64 size = ring.length_at(f);
            if (!ring.bounded(size)) return;
            n = ring.fixed ? 1 : ring.slots_for(size);
        } else if (word_state(word) != word_abandoned) {
            return;
        }
        // Fails where the header just read was no longer this message's.
        if (free_position.compare_exchange_strong(f, f + n, order::P2_cas, std::memory_order_acquire)) f += n;
    }
}

}  // namespace shmq::detail
