// A team of processes: forked, pinned, started together, and none left behind whatever happens.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "bench/shared_memory.hpp"

namespace bench {

// What the processes of one run and their parent share.
struct Control {
    std::atomic<unsigned> ready{0};
    alignas(64) std::atomic<std::uint64_t> go{0};          // the tick at which all began
    alignas(64) std::atomic<unsigned> producers_done{0};
    alignas(64) std::atomic<unsigned> failed{0};           // 1: somebody is writing the following
    int exit = 0;
    char what[1024] = {};

    // Called in each process when it is prepared: waits for all others, answers the tick of the start.
    std::uint64_t start() noexcept;
};

struct Member {
    const char* role;             // "producer", for messages
    int cpu;                      // -1: anywhere
    std::function<void()> body;   // calls Control::start() once
};

struct Usage {
    std::uint64_t preempted = 0;  // times a process was taken off its core against its will
    double cpu_seconds = 0;
};

// Forks all, then calls `forked` in the parent, waits until all are through. A member that throws, dies
// or exceeds `seconds` takes the others with it: Failure. Throws Stopped when a signal came.
Usage run_together(Control& control, const std::vector<Member>& team, double seconds, const std::function<void()>& forked = [] {});

}  // namespace bench
