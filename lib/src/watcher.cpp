// Waiting for a state of the ring without taking part in it.
//
// Where the news comes from: a commit of a producer and the end tell data_wait, and so does whoever
// attaches; a commit of a consumer tells room_wait, and that is all that makes a ring empty. Whoever
// leaves tells both. A slot becomes used before the commit that tells of it, never after, so `full`
// is told too. What nobody tells (a removal by rm, a waker that was killed) is found by the cap.
#include <shmq/detail/ring.hpp>

#include "cursor.hpp"
#include "waiter.hpp"

namespace shmq::detail {
namespace {

// Is there a committed message that is not consumed? One that a consumer holds is. Not find_message(): where
// a forged length makes the ring corrupt, whoever waits for a message is to go and find that out.
bool any_message(const Ring& ring) noexcept {
    const u64 to = ring.lines->write_position.value.load(std::memory_order_acquire) & ~end_bit;
    const u64 from = ring.oldest();
    if (static_cast<std::int64_t>(to - from) <= 0 || to - from > ring.slots) return false;
    for (u64 p = from; static_cast<std::int64_t>(to - p) > 0;) {
        const u64 word = ring.word(p).load(std::memory_order_acquire);
        if (ring.ready(word, p)) return true;
        const u64 size = ring.length_at(p);
        const bool done = ring.age(word, p) == 0 && word_state(word) == word_done && ring.bounded(size);
        p += done && !ring.fixed ? ring.slots_for(size) : 1;
    }
    return false;
}

bool any_alive(const Ring& ring, Peers& peers, Role role) noexcept {
    for (u32 i = 0, used = ring.entries_used(); i < used; ++i)
        if (ring.entries[i].role.load(std::memory_order_acquire) == role && peers.alive(i)) return true;
    return false;
}

}  // namespace

bool WatcherCore::holds(Condition condition) noexcept {
    switch (condition) {
        case Condition::empty: return !any_message(ring_);
        case Condition::nonempty: return any_message(ring_);
        case Condition::full: return ring_.pending() >= ring_.capacity;
        case Condition::reader: return any_alive(ring_, *peers_, role_consumer);
        case Condition::writer: return any_alive(ring_, *peers_, role_producer);
        case Condition::ended: return ring_.ended();
    }
    return false;
}

Outcome WatcherCore::look(Condition condition, bool thorough) noexcept {
    if (thorough) {
        peers_->inspect();
        // What only a dead consumer had not read yet is nobody's any more.
        if (ring_.broadcast && !ring_.overwrite) released_by_all(ring_, *peers_, no_position);
    }
    if (const Outcome outcome = fallen(); outcome != Outcome::ok) return outcome;
    const bool ended = ring_.ended();  // first: what was pushed before the end is seen below
    if (holds(condition)) return Outcome::ok;
    const bool needs_pushes = condition == Condition::full || (condition == Condition::nonempty && ring_.pending() == 0);
    return ended && needs_pushes ? Outcome::ended : Outcome::timed_out;
}

Outcome WatcherCore::wait(Condition condition, Deadline deadline) noexcept {
    using namespace std::chrono_literals;
    if (deadline != no_wait) peers_->inspect();
    WaitWord& word = condition == Condition::empty ? ring_.lines->room_wait : ring_.lines->data_wait;
    const auto never = []() noexcept { return false; };
    return Waiter(*this, deadline, Outcome::timed_out, Wake::all, 1ms).wait(never, never, [&](bool thorough) noexcept { return look(condition, thorough); },
                                                                                [&]() noexcept -> WaitWord& { return word; });
}

}  // namespace shmq::detail
