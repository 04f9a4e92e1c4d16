#include "bench/clock.hpp"

#include <fstream>
#include <string>

namespace bench {

void TickClock::calibrate() {
#if defined(__x86_64__)
    std::string source;
    std::ifstream("/sys/devices/system/clocksource/clocksource0/current_clocksource") >> source;
    // These two the kernel derives from the counter itself, having found it steady and equal on all cores.
    if (source != "tsc" && source != "kvm-clock") return;
    unsigned core;
    const std::uint64_t ns0 = monotonic_ns(), ticks0 = __rdtscp(&core);
    std::uint64_t ns1 = ns0;
    while (ns1 - ns0 < 20'000'000) ns1 = monotonic_ns();
    ns_per_tick_ = static_cast<double>(ns1 - ns0) / static_cast<double>(__rdtscp(&core) - ticks0);
    counter_ = true;
#endif
}

void wait_until(std::uint64_t tick, bool spins) noexcept {
    constexpr double wake_up_ns = 100'000;  // what a sleep may take longer than it was asked to
    for (;;) {
        const std::uint64_t now = TickClock::now();
        if (now >= tick) return;
        const double left = TickClock::ns(tick - now) - (spins ? wake_up_ns : 0);
        if (left > (spins ? wake_up_ns / 2 : 0)) {
            const auto whole = static_cast<std::uint64_t>(left);
            const timespec time{static_cast<time_t>(whole / 1'000'000'000u), static_cast<long>(whole % 1'000'000'000u)};
            clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
        } else {
            relax();
        }
    }
}

}  // namespace bench
