// What to do about a dead peer. Every repair is one CAS on a lap-tagged word, so it is idempotent, and
// a repairer that dies leaves either the old word or the new one.
//
// The rule: a range that was taken (its position was moved) and is not committed, and that no *live*
// participant's register covers, belongs to nobody. Why that is safe: the taker announced its range
// before it moved the position (P3, P5) and withdraws it after its commit (P4). Whoever reads first the
// word, then the position, then the registers sees, of every taker, the register that covers the
// range, or a later value of that register; and a later value means that the commit came before, so
// the CAS on the word that was read first fails. Liveness is asked after the register was read: a
// taker that commits, withdraws and leaves in between fails the CAS in the same way.
//
// A single consumer or the holder of the oldest message commits by moving free_position instead of
// changing the word. A walker therefore reads free_position again after the registers: a commit of
// that kind is seen there, again because it came before the withdrawal (P2, P4).
#pragma once

#include <shmq/detail/ring.hpp>

namespace shmq::detail {

// Enough tries for whatever others can do meanwhile; more means content that no operations lead to.
inline constexpr int many_tries = 1 << 20;

enum class Repair {
    nothing,  // there is nothing to repair
    done,     // something moved: look again
    held,     // a live participant is at work there
    corrupt,  // no sequence of operations leads here
};

// At read_position: abandons the slots of dead producers' claims, steps over abandoned ones.
// `abandoned` counts those this call abandoned. Consumers do it, and producers that find no room.
Repair repair_at_read_position(const Ring& ring, Peers& peers, u32 me, u64& abandoned) noexcept;

// The same for the slots alone, from a hole that was found at `position`: those that no live producer's
// register covers. held: the first one is covered.
Repair repair_hole(const Ring& ring, Peers& peers, u32 me, u64 position, u64& abandoned) noexcept;

// Does a live producer hold anything in [from, to)?
bool claimed_by_living(const Ring& ring, Peers& peers, u32 me, u64 from, u64 to) noexcept;

// In [free_position, read_position): a message that was claimed and whose consumer is gone. Done with
// slots == 0 means that something moved meanwhile; look again.
struct Orphan {
    u64 position = 0, word = 0, size = 0, slots = 0;
};
Repair find_orphan(const Ring& ring, Peers& peers, u32 me, Orphan& orphan) noexcept;

}  // namespace shmq::detail
