// How far apart two cores are just now: everything that shares memory goes at the pace of one cache line.
#pragma once

#include <vector>

namespace bench {

// Nanoseconds in which a cache line goes from the first of these cores to the second and back, the median
// of many; 0 where there is only one, or others left no time to find out. Takes about 3 ms, at most 30 and
// what it takes to get a core.
double cache_line_round_trip(const std::vector<int>& cpus);

// The cores of virtual machines move: a sample is set aside when they were this many times further apart or
// closer together, before or after it, than most of the time.
inline constexpr double drift_factor = 1.8;

}  // namespace bench
