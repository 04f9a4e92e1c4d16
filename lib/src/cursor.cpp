// Consumers of broadcast and overwrite rings. They claim nothing: they stand at a cursor, a position and,
// in overwrite rings, the ordinal of the message they expect there.
//
//                          cursor                               moved
//   broadcast              one each: next_, reading_position    by release()
//   overwrite, 1 consumer  read_position, next_                 by release()
//   overwrite, many        read_position, shared                by a CAS when the message was copied: whoever
//                                                               wins has consumed it, and dies with it
//
// Broadcast, blocking. Messages are used where they lie: the room behind a reading_position is nobody's to
// take. Producers find the lowest one of the living, move free_position there, and then, behind a full
// barrier, look once more, since somebody may have joined at the old free_position. A joiner announces where
// it stands, and behind a full barrier looks whether free_position has gone past it. One of them sees the
// other: either the joiner begins further on, or the producer is held back by it. No producer believes
// free_position alone, so anybody may move it to the lowest position he sees: the slowest does, for those
// who look from outside.
//
// Overwrite. A message is copied and believed if write_position is then not yet a whole ring beyond it
// (P7, O7). free_position passing the cursor means that messages went unseen.
// How many is the difference of two ordinals: that of the next message found and that expected. (Fixed rings
// have no headers; there every position counts.) From where it was put down, a cursor walks up to a READY
// word: only the first slot of a message gets one, so it cannot be misled by the middle of a run.
#include "cursor.hpp"

#include <algorithm>

#include "pair.hpp"
#include "recovery.hpp"
#include "waiter.hpp"

namespace shmq::detail {
namespace {

std::int64_t ahead(u64 of, u64 position) noexcept { return static_cast<std::int64_t>(of - position); }

// Others may be writing there at this moment; what was copied is believed only after a look at
// write_position, which ThreadSanitizer cannot know.
[[gnu::no_sanitize_thread]] void copy_unsure(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
#if defined(__SANITIZE_THREAD__)
    for (std::size_t i = 0; i < bytes; ++i) to[i] = *const_cast<const volatile std::byte*>(from + i);
#else
    std::memcpy(to, from, bytes);
#endif
}

// The lowest reading position, or no_position without a consumer. `counts` is asked for each that may lower it.
template <class Counts>
u64 lowest_reader(const Ring& ring, Counts counts) noexcept {
    u64 lowest = no_position;
    for (u32 i = 0, used = ring.entries_used(); i < used; ++i) {
        const Entry& entry = ring.entries[i];
        if (entry.role.load(std::memory_order_acquire) != role_consumer) continue;
        const u64 position = entry.reading_position.load(order::O2);
        if (position < lowest && counts(i, position)) lowest = position;
    }
    return lowest;
}

}  // namespace

u64 released_by_all(const Ring& ring, Peers& peers, u64 needed) noexcept {
    auto& free_position = ring.lines->free_position.value;
    // The kernel is asked only about those who are in the way.
    const auto lowest = [&] { return lowest_reader(ring, [&](u32 i, u64 position) { return position >= needed || peers.alive(i); }); };
    u64 f = free_position.load(std::memory_order_acquire);
    const u64 w = ring.lines->write_position.value.load(std::memory_order_acquire) & ~end_bit;
    if (const u64 found = lowest(); found != no_position && found > f && free_position.compare_exchange_strong(f, std::min(found, w), std::memory_order_acq_rel))
        f = std::min(found, w);
    std::atomic_thread_fence(order::P8);
    return std::min(f, lowest());  // f as it was before the barrier: one who joins after our look is not below it
}

void leave_broadcast(const Ring& ring, Peers& peers, u64 position) noexcept {
    const u64 lowest = lowest_reader(ring, [&](u32 i, u64) { return peers.alive(i); });
    u64 f = ring.lines->free_position.value.load(std::memory_order_acquire);
    const u64 to = lowest == no_position ? position : lowest;
    if (ahead(to, f) > 0) ring.lines->free_position.value.compare_exchange_strong(f, to, std::memory_order_acq_rel);
}

// ---- where to begin -----------------------------------------------------------------------------

void ConsumerCore::join(From from) noexcept {
    auto& lines = *ring_.lines;
    if (!ring_.broadcast) {
        if (!ring_.one_consumer) return;
        const Pair at = load_whole_pair(lines.read_position);
        next_ = at.position, expected_ = at.ordinal;
        return;
    }
    next_ = lines.free_position.value.load(std::memory_order_acquire);
    for (;;) {
        me_->reading_position.store(next_, std::memory_order_release);
        std::atomic_thread_fence(order::O8);
        const u64 f = lines.free_position.value.load(std::memory_order_acquire);
        if (ahead(f, next_) <= 0) break;
        next_ = f;
    }
    if (from == From::newest) {
        const u64 w = lines.write_position.value.load(std::memory_order_acquire) & ~end_bit;
        for (u64 p = w; ahead(p, next_) > 0 && w - p < ring_.slots; --p) {
            if (!ring_.ready(ring_.word(p - 1).load(std::memory_order_acquire), p - 1)) continue;
            next_ = p - 1;
            break;
        }
        me_->reading_position.store(next_, std::memory_order_release);
    }
    if (!ring_.overwrite) return wake_all(lines.room_wait);  // who saw us where we began may have found no room
    // Losses are counted from here on, so the first message must be known, or that there is none.
    bool known = false;
    for (int tries = 0; !known; ++tries) {
        const Pair end = load_whole_pair(lines.write_position);
        bool jumped = true;
        u64 p = next_;
        if (const Find found = find(p, jumped); found == Find::message && copy_out(p)) {
            next_ = p, expected_ = ordinal_, known = true;
        } else if (found != Find::message || tries > many_tries) {
            // Nothing yet, or nothing whole: what is committed from here on is expected.
            next_ = end.position & ~end_bit, expected_ = end.ordinal, known = true;
        }
    }
    me_->reading_position.store(next_, std::memory_order_release);
}

// ---- reading ------------------------------------------------------------------------------------

// Goes on from p to the next message. `jumped`: p is not the beginning of a message, or what lay before it
// went unseen.
ConsumerCore::Find ConsumerCore::find(u64& p, bool& jumped) const noexcept {
    for (u64 steps = 0; steps < 2 * ring_.slots + 2; ++steps) {
        if (ring_.overwrite) {
            const u64 f = ring_.lines->free_position.value.load(std::memory_order_acquire);
            if (ahead(f, p) > 0) p = f, jumped = true;
        }
        const u64 word = ring_.word(p).load(order::O1);
        const u64 w = ring_.lines->write_position.value.load(std::memory_order_acquire) & ~end_bit;
        const auto left = ahead(w, p);
        if (left == 0) return Find::end;
        if (left < 0 || p >= end_bit) return Find::corrupt;
        if (static_cast<u64>(left) > ring_.slots) {
            if (!ring_.overwrite) return Find::corrupt;
            p = w - ring_.slots, jumped = true;  // whoever wrote there has not retired it yet
            continue;
        }
        if (ring_.ready(word, p)) return Find::message;
        const auto age = ring_.age(word, p);
        if (age > 0 || (age == 0 && word_state(word) != word_abandoned)) return Find::corrupt;
        if (age < 0 && !jumped) return Find::hole;
        ++p;
    }
    return Find::again;
}

// The message at p into copy_. False: it was overtaken, or is not what a message can be.
bool ConsumerCore::copy_out(u64 p) noexcept {
    const u64 size = ring_.length_at(p);
    const bool bounded = ring_.bounded(size);
    if (bounded) {
        copy_unsure(copy_.get(), ring_.slot(p), ring_.prefix + size);
        if (ring_.fixed) copied_time_ = ring_.time_at(p);
    }
    std::atomic_thread_fence(order::O7);
    const u64 w = ring_.lines->write_position.value.load(std::memory_order_relaxed) & ~end_bit;
    if (ahead(w, p) > static_cast<std::int64_t>(ring_.slots) || !bounded) return false;
    held_.size = size;
    ordinal_ = p;
    if (ring_.fixed) return true;
    std::memcpy(&ordinal_, copy_.get() + offsetof(MessageHeader, sequence), sizeof ordinal_);
    if (ring_.timestamps) std::memcpy(&copied_time_, copy_.get() + message_header_bytes, sizeof copied_time_);
    return true;
}

Outcome ConsumerCore::look_at_cursor(bool thorough) noexcept {
    if (thorough) {
        peers_->inspect();
        searched_ = no_position;
    }
    const Outcome standing = fallen();
    if (standing == Outcome::corrupt || standing == Outcome::forked) return standing;
    for (int tries = 0; tries < many_tries; ++tries) {
        const Pair shared = own_cursor() ? Pair{next_, expected_} : load_pair(ring_.lines->read_position);
        u64 p = shared.position;
        bool jumped = false;
        const u64 t = ring_.lines->write_position.value.load(std::memory_order_acquire);  // before the look: the end bit comes last
        const Find found = find(p, jumped);
        if (own_cursor() && !jumped && p != next_) {  // abandoned slots are behind us: room for others
            move_cursor(p);
            if (const Outcome outcome = done(); outcome != Outcome::ok) return outcome;
        }
        switch (found) {
            case Find::again: continue;
            case Find::corrupt:
                if (!own_cursor() && ring_.lines->read_position.value.load(std::memory_order_acquire) != shared.position) continue;
                alert_.fetch_or(alert_broken, std::memory_order_relaxed);
                return Outcome::corrupt;
            case Find::end:
                // Nothing but abandoned slots: step over them, or the ring would not look empty.
                if (!own_cursor() && !jumped && p != shared.position) move_pair(ring_.lines->read_position, shared, {p, shared.ordinal});
                if ((t & ~end_bit) != p) return Outcome::empty;
                if (t & end_bit) {
                    // On the way here we may have stepped over what somebody is about to commit.
                    if (jumped && claimed_by_living(ring_, *peers_, entry_, p > ring_.slots ? p - ring_.slots : 0, p)) return Outcome::empty;
                    return Outcome::ended;
                }
                return standing == Outcome::removed ? Outcome::removed : Outcome::empty;
            case Find::hole: {
                const u64 word = ring_.word(p).load(std::memory_order_acquire);
                if (filled(p, word, tries < 1000 ? 200 : 0)) continue;
                if (!due(p)) return Outcome::empty;
                u64 abandoned = 0;
                const Repair repair = repair_hole(ring_, *peers_, entry_, p, abandoned);
                add(me_->abandoned, abandoned);
                if (repair != Repair::held) continue;
                found_held(p);
                return Outcome::empty;
            }
            case Find::message: break;
        }
        if (ring_.overwrite) {
            if (!copy_out(p)) continue;
        } else {
            held_.size = ring_.length_at(p);
            ordinal_ = p;
            if (!ring_.bounded(held_.size)) return alert_.fetch_or(alert_broken, std::memory_order_relaxed), Outcome::corrupt;
        }
        const u64 size = held_.size, n = ring_.fixed ? 1 : ring_.slots_for(size);
        const u64 expected = ring_.fixed ? shared.position : shared.ordinal;
        lost_ = jumped && ordinal_ > expected ? ordinal_ - expected : 0;
        if (!own_cursor()) {
            if (!move_pair(ring_.lines->read_position, shared, {p + n, ordinal_ + 1})) continue;  // COMMIT
            count(1, size);
            add(me_->lost, lost_);
        }
        const bool again = own_cursor() && ahead(delivered_until_, p) > 0;
        if (again) add(me_->redelivered, 1);
        else delivered_until_ = p + n;
        held_ = {p, size, n, again ? word_attempt_one : 0};
        return Outcome::ok;
    }
    return Outcome::corrupt;
}

Outcome ConsumerCore::read_at_cursor(Deadline deadline) noexcept {
    if (own_cursor()) keep_distance(next_, deadline);
    if (const Outcome outcome = look_at_cursor(false); outcome != Outcome::empty) return outcome;
    if (deadline == no_wait) return Outcome::empty;
    const auto look = [&](bool thorough) noexcept {
        const Outcome outcome = look_at_cursor(thorough);
        if (outcome == Outcome::ok) touch();
        return outcome;
    };
    const auto poll = [&]() noexcept {
        const u64 p = own_cursor() ? next_ : ring_.lines->read_position.value.load(std::memory_order_relaxed);
        return ring_.overwrite ? ring_.pending() != 0 && (ring_.lines->write_position.value.load(std::memory_order_relaxed) & ~end_bit) != p
                               : ring_.arrived(p);
    };
    const auto quick = [&]() noexcept { return look_at_cursor(false) == Outcome::ok; };
    // All who wait at their own cursor must hear of a message, not one of them.
    Waiter waiter(*this, deadline, Outcome::empty, ring_.broadcast ? Wake::all : Wake::one);
    const Outcome waited = waiter.wait(poll, quick, look, [&]() noexcept -> WaitWord& { return ring_.lines->data_wait; });
    if (waited == Outcome::ok && waiter.woken() && !own_cursor()) waiter.pass_on(ring_.lines->data_wait, [&]() noexcept { return ring_.pending() != 0; });
    return waited;
}

Batch ConsumerCore::batch_at_cursor(std::size_t most, Deadline deadline) noexcept {
    if (const Outcome outcome = read_at_cursor(deadline); outcome != Outcome::ok) return Batch(outcome);
    u64 end = held_.position + held_.slots;
    std::size_t count = 1;
    if (!ring_.overwrite) {
        const u64 most_slots = std::max<u64>(1, ring_.capacity / 4);
        for (; count < most && ring_.ready(ring_.word(end).load(order::O1), end); ++count) {
            const u64 size = ring_.length_at(end);
            if (!ring_.bounded(size)) break;
            const u64 n = ring_.fixed ? 1 : ring_.slots_for(size);
            if (end + n - held_.position > most_slots || (ring_.fixed && (end & ring_.mask) == 0) || (ahead(delivered_until_, end) > 0) != (word_attempt(held_.word) != 0)) break;
            end += n;
            held_.size += size;
        }
        if (ahead(end, delivered_until_) > 0) delivered_until_ = end;
        held_.slots = end - held_.position;
    }
    return Batch(this, held_, count);
}

// ---- releasing ----------------------------------------------------------------------------------

Outcome ConsumerCore::release_at_cursor(u64 position, u64 slots, u64 messages, u64 bytes) noexcept {
    if (ring_.timestamps && messages) note_delay(own_cursor() ? next_ : position);  // of a batch, the first not yet released
    if (own_cursor()) {
        expected_ = ordinal_ + 1;
        move_cursor(position + slots);
        count(messages, bytes);
        add(me_->lost, lost_);
    }
    return done();
}

void ConsumerCore::move_cursor(u64 to) noexcept {
    const u64 from = std::exchange(next_, to);
    if (!ring_.broadcast) {
        for (auto& line = ring_.lines->read_position; !move_pair(line, load_pair(line), {to, expected_});) {}
        return;
    }
    me_->reading_position.store(to, order::P2);  // COMMIT
    auto& free_position = ring_.lines->free_position.value;
    if (ring_.overwrite || free_position.load(std::memory_order_relaxed) != from) return;
    // We were the slowest, alone or with others who do the same now: one of us sees all the new positions.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const u64 lowest = lowest_reader(ring_, [](u32, u64) { return true; });
    if (u64 f = from; lowest != no_position && ahead(lowest, f) > 0) free_position.compare_exchange_strong(f, lowest, std::memory_order_acq_rel);
}

}  // namespace shmq::detail
