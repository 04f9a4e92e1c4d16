// A position and its ordinal, moved together: overwrite rings only. One instruction where the machine
// has it (cmpxchg16b, caspal), so a kill leaves both old or both new.
#pragma once

#include <cstring>

#include <shmq/detail/layout.hpp>

namespace shmq::detail {

struct Pair {
    u64 position, ordinal;
};

// Position and ordinal may be of two moments; a CAS from such a pair fails.
inline Pair load_pair(const Position& line) noexcept {
    const u64 position = line.value.load(std::memory_order_acquire);
    return {position, line.ordinal.load(std::memory_order_acquire)};
}

// Positions never come back: one that is still there has not been anything else in between.
inline Pair load_whole_pair(const Position& line) noexcept {
    for (;;) {
        const Pair pair = load_pair(line);
        if (line.value.load(std::memory_order_acquire) == pair.position) return pair;
    }
}

inline bool move_pair(Position& line, Pair from, Pair to) noexcept {
    __extension__ typedef unsigned __int128 Wide;
    typedef Wide __attribute__((may_alias)) SharedWide;
    Wide expected, desired;
    static_assert(sizeof expected == sizeof from);
    std::memcpy(&expected, &from, sizeof expected);
    std::memcpy(&desired, &to, sizeof desired);
    return __sync_bool_compare_and_swap(reinterpret_cast<SharedWide*>(&line), expected, desired);
}

}  // namespace shmq::detail
