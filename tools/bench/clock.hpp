// Time in ticks of the cheapest clock that all cores agree on.
#pragma once

#include <cstdint>
#include <ctime>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace bench {

inline std::uint64_t monotonic_ns() noexcept {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

class TickClock {
public:
    // Decides for the time-stamp counter where the kernel itself trusts it, and measures its rate: takes
    // 20 ms. Once, before the processes are made.
    static void calibrate();

    static std::uint64_t now() noexcept {
#if defined(__x86_64__)
        if (counter_) [[likely]] {
            unsigned core;
            return __rdtscp(&core);  // waits for what was loaded before it
        }
#endif
        return monotonic_ns();
    }
    static double ns(std::uint64_t ticks) noexcept { return static_cast<double>(ticks) * ns_per_tick_; }
    static std::uint64_t ticks(double nanoseconds) noexcept { return static_cast<std::uint64_t>(nanoseconds / ns_per_tick_); }

private:
    inline static bool counter_ = false;
    inline static double ns_per_tick_ = 1;
};

inline void relax() noexcept {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Returns at that tick, not before. Sleeps most of a long way; `spins` false: all of it, the core is
// needed by others.
void wait_until(std::uint64_t tick, bool spins) noexcept;

}  // namespace bench
