// What the processes do while they are measured.
#pragma once

#include <cstdint>

#include "bench/case.hpp"
#include "bench/statistics.hpp"

namespace bench {

// What one run over one channel showed, after its warm-up.
struct Measured {
    double throughput = 0;             // messages a second, by the clock on the wall
    double seconds = 0;                // in which they were counted
    std::uint64_t messages = 0;
    Distribution latency;              // empty for throughput
    double stalled = 0;                // share of the time in which the receiving processes did not run
    double reached = 1;                // under a rate: the share of the intended messages that was sent
    std::uint64_t depth = 0;           // the slots it really had; 0: the kernel's default
    std::uint64_t preempted = 0;       // times a process was taken off its core
    double cpu_seconds = 0;            // of all processes, starting included
};

// Throws LeftOut; Failure where messages were lost or damaged, or a process failed; Stopped. If no message
// came through in that time, on a busy machine, takes longer.
Measured measure(const Case& about);

}  // namespace bench
