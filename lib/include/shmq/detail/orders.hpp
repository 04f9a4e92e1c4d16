// Every memory order that two sides rely on, by the name of the pair: a store at P1 is seen by a load at O1.
//
//   P1/O1  word READY                   / a reader's load of the word: payload before word
//   P2/O2  free_position, DONE, reading_position / a producer's or walker's load: reading before overwriting
//   P3/O3  write_position (after the register) / a repairer's load: it sees the register of whoever moved it
//   P4/O4  register withdrawn (after the commit) / a repairer's load: not covered means committed
//   P5/O5  read_position (after the register)  / a walker's load: as P3
//   P6/O6  commit, look at the flag     / sleeping flag, barrier, look again (waiter.hpp)
//   P7/O7  overwrite: write_position, fence, then the bytes / a copying reader: the bytes, fence, write_position
//   P8/O8  broadcast: free_position, barrier, the readers' positions / a joiner's position, barrier, free_position
//   P9/O9  free_position seen, fence, then the bytes / a header read too early, fence, read_ or free_position
//
// Where a side moves a position by a CAS, the same label ends in _cas. tests/orders weakens each of them,
// place for place, and tells what goes wrong then.
#pragma once

#include <atomic>

namespace shmq::detail::order {

inline constexpr auto P1 = std::memory_order_release, O1 = std::memory_order_acquire;
inline constexpr auto P2 = std::memory_order_release, P2_cas = std::memory_order_acq_rel, O2 = std::memory_order_acquire;
inline constexpr auto P3 = std::memory_order_release, P3_cas = std::memory_order_acq_rel, O3 = std::memory_order_acquire;
inline constexpr auto P4 = std::memory_order_release, O4 = std::memory_order_acquire;
inline constexpr auto P5 = std::memory_order_release, P5_cas = std::memory_order_acq_rel, O5 = std::memory_order_acquire;
inline constexpr auto P6 = std::memory_order_seq_cst, O6 = std::memory_order_seq_cst;
inline constexpr auto P7 = std::memory_order_release, O7 = std::memory_order_acquire;
inline constexpr auto P8 = std::memory_order_seq_cst, O8 = std::memory_order_seq_cst;
inline constexpr auto P9 = std::memory_order_release, O9 = std::memory_order_acquire;

}  // namespace shmq::detail::order

#ifdef SHMQ_ORDERS_UNDER_TEST
#include SHMQ_ORDERS_UNDER_TEST
#endif
