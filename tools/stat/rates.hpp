// How fast messages and bytes move: the difference between two looks at the counters.
#pragma once

#include <map>

#include "stat/rings.hpp"

class Rates {
public:
    void add_to(std::vector<RingRow>& rings);

private:
    struct Before {
        std::uint64_t pushed, popped, pushed_bytes, popped_bytes;
        shmq::Deadline when;
    };
    std::map<std::pair<std::uint64_t, std::uint64_t>, Before> before_;  // by the ring's id: a replacement begins anew
};
