// Pushing into an overwrite ring: a producer never waits, the oldest message goes.
//
//   (t, o) = write_position and ordinal; [t, t+n) is nobody's place (below)
//   register = (t, n); both move to (t+n, o+1) by one CAS; header with o, payload
//   word[t] = READY                                                                 <- COMMIT
//   register = none; free_position = t+n - capacity, unless it is further
//
// The newest message is never missing. There are spare slots beyond the capacity: a message is written
// there, and only after its commit the oldest one goes. Whoever is killed in between leaves the old one.
//
// Nobody's place is written. Slots come round: [t, t+n) was somebody's claim a lap ago, and a producer
// that was stopped may still be writing there. Its register says so, for it withdraws after its commit.
// So the registers of the others are read, after write_position: a claim announced later lies above it.
// The lowest one tells how far is clear, and that is remembered. A live one in the way is stepped over,
// after a moment: write_position is moved past it, and what lies between is nobody's, a hole that every
// reader repairs as if its producer had died. When the owner goes on and commits, it leaves a word of an
// older lap there, which is a hole again. Where stopped producers leave no place at all, a push waits.
//
// Nobody reads half a message. Readers copy, and look at write_position again (cursor.cpp): a writer has
// moved it before it touches the place.
#include <algorithm>
#include <thread>

#include "pair.hpp"
#include "waiter.hpp"

namespace shmq::detail {
namespace {

constexpr u32 patience = 200;  // pauses before a producer in the way is stepped over

}  // namespace

Outcome ProducerCore::take_overwriting(u64 n, Deadline deadline) noexcept {
    auto& line = ring_.lines->write_position;
    for (u32 in_the_way = 0;;) {
        Outcome outcome = fallen();
        // Whoever never waits must see by itself that the name is gone.
        if (const auto now = Clock::now(); outcome == Outcome::ok && now - inspected_ > sleep_cap) {
            inspected_ = now;
            touch();
            peers_->inspect();
            outcome = fallen();
        }
        const Pair at = load_pair(line);
        if (outcome == Outcome::ok && at.position & end_bit) outcome = Outcome::ended;
        if (outcome == Outcome::ok && in_the_way > patience && interrupted_.load(std::memory_order_relaxed)) outcome = Outcome::interrupted;
        if (outcome != Outcome::ok) return withdraw(), outcome;

        if (at.position + n > clear_until_) {
            const u64 place = clear_place(at.position, n);
            if (place != at.position) {
                // As a rule its owner is at work and about to finish.
                withdraw();
                if (++in_the_way < patience) pause_briefly();
                else if (place != no_position) move_pair(line, at, {place, at.ordinal});
                else if (deadline == no_wait) return Outcome::full;
                else if (deadline != forever && Clock::now() >= deadline) return Outcome::timed_out;
                else std::this_thread::sleep_for(std::chrono::milliseconds(1));
                continue;
            }
        }
        announce(at.position, n);
        if (!move_pair(line, at, {at.position + n, at.ordinal + 1})) continue;  // P3
        std::atomic_thread_fence(order::P7);  // whoever reads a byte of what is written now sees the moved position
        position_ = at.position, ordinal_ = at.ordinal;
        retire_to_ = at.position + n > ring_.capacity ? at.position + n - ring_.capacity : 0;
        return Outcome::ok;
    }
}

// The first place at or behind t where n slots are held by no other live producer, within a lap. Where that
// is t itself, clear_until_ tells how far it goes on like that.
u64 ProducerCore::clear_place(u64 t, u64 n) noexcept {
    const u32 used = ring_.entries_used();
    for (u64 place = t; place - t <= ring_.slots;) {
        u64 clear_until = place + ring_.slots;
        u32 i = 0;
        for (; i < used; ++i) {
            const Entry& entry = ring_.entries[i];
            if (i == entry_ || entry.role.load(std::memory_order_acquire) != role_producer) continue;
            const u64 begin = entry.claim_position.load(order::O4);
            if (begin >= t) continue;  // of this lap, or none
            const u64 slots = std::min(entry.claim_slots.load(std::memory_order_acquire), ring_.slots);
            // Where its place comes round next.
            const u64 laps = place >= begin + slots ? (place - begin - slots) / ring_.slots + 1 : 1;
            const u64 again = begin + laps * ring_.slots;
            if (again < place + n && peers_->alive(i)) {
                place = again + slots;
                break;
            }
            if (again >= place + n) clear_until = std::min(clear_until, again);
        }
        if (i < used) continue;
        if (place == t) clear_until_ = clear_until;
        return place;
    }
    return no_position;
}

void ProducerCore::retire() noexcept {
    auto& free_position = ring_.lines->free_position.value;
    u64 f = free_position.load(std::memory_order_relaxed);
    while (f < retire_to_ && !free_position.compare_exchange_weak(f, retire_to_, std::memory_order_acq_rel, std::memory_order_relaxed)) {}
}

}  // namespace shmq::detail
