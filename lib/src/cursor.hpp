// Broadcast: what all consumers have read.
#pragma once

#include <shmq/detail/ring.hpp>

namespace shmq::detail {

// Up to where a producer may take everything for read by all, moving free_position there. A live
// consumer below `needed` holds back; a dead one does not; without any nothing is released.
u64 released_by_all(const Ring& ring, Peers& peers, u64 needed) noexcept;

// A consumer that was at `position` has left: what only it had kept goes, and without any other what it had
// read.
void leave_broadcast(const Ring& ring, Peers& peers, u64 position) noexcept;

}  // namespace shmq::detail
