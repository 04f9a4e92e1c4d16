// A machine whose memory is as weak as C++ allows, for the ring's own code.
//
// The code is compiled with -fsanitize=thread, which calls a function at every atomic operation, at every
// fence and at every access to memory; weak_memory.cpp provides these functions in place of the
// sanitizer. Threads are fibers of one real thread, switched at random at those calls. Of every atomic
// variable all values are kept, and a load may get any of them that C++ allows: older than the last one,
// unless it was overwritten by something that this thread has seen, as acquire, release, read-modify-write
// operations and fences have it. So what x86 never shows, and ARM once in a blue moon, comes up within
// some thousands of short runs.
//
// What a thread has seen is a view: of each variable, the oldest value that it may still get. A release
// store carries the view along, an acquire load joins it to the reader's (the view machine of Kang et al.,
// "A promising semantics", without the promises: a load is never satisfied by a later store of the future).
//
// Plain bytes, the messages, are kept in the same way. A plain access that races is a finding; a volatile
// one is meant to be unsure, and gets what a relaxed load would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace weak {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

// A place in the source that names a label of orders.hpp.
struct Site {
    std::string label, file, function;
    int line;
};
const std::vector<Site>& sites();
void weaken(int site);  // its order becomes relaxed; -1: none

enum class Membarrier { works, missing, does_nothing };

struct Plan {
    u64 seed = 0;
    const void* messages = nullptr;  // the bytes that are watched,
    std::size_t message_bytes = 0;   //  which lie there twice, back to back
    bool cap = true;                 // where all sleep they wake by themselves; else that is a finding
    Membarrier membarrier = Membarrier::works;
    int mortal = -1;                 // a thread that is killed at a random operation
};

// One run: all threads to their end. Empty, or what was found.
std::string run(const Plan& plan, std::vector<std::function<void()>> threads, const std::function<void()>& after);

// Of all runs: how many, operations, and how many were too long and cut short.
struct Totals {
    u64 runs, steps, cut;
};
Totals& totals();

// From within a thread.
[[noreturn]] void found(const std::string& what);
void yield();
bool dead(u32 thread);   // as the kernel tells it: what the dead one did is seen by whoever hears of it
bool gone(u32 thread);   // the same for the test's own books: nothing is seen by it
void sees_all();         // as if all others had been joined
u64 random_below(u64 n);

}  // namespace weak
