#include "bench/probe.hpp"

#include <algorithm>

#include "bench/clock.hpp"
#include "bench/processes.hpp"
#include "bench/statistics.hpp"

namespace bench {
namespace {

struct alignas(128) Line {
    std::atomic<unsigned> number{0};
};

constexpr unsigned blocks = 128, trips = 32;  // a block is timed as one: the clock costs as much as a trip
constexpr unsigned over = 1;                   // an odd number that no trip has, for the end
constexpr double patience_ns = 30e6;

}  // namespace

double cache_line_round_trip(const std::vector<int>& cpus) {
    const auto other = std::ranges::find_if(cpus, [&](int cpu) { return cpu != cpus[0]; });
    if (other == cpus.end()) return 0;
    SharedArray<Control> control(1);
    SharedArray<Line> line(1);
    SharedArray<double> result(1);
    // There, an odd number, and back, the even one behind it. Either side may be kept from its core for
    // long, so nobody waits for ever.
    const auto ping = [&] {
        const std::uint64_t end = control[0].start() + TickClock::ticks(patience_ns);
        std::vector<double> each;
        unsigned number = over;
        for (unsigned block = 0; block < blocks + 1; ++block) {
            const std::uint64_t before = TickClock::now();
            std::uint64_t now = before;
            for (unsigned trip = 0; trip < trips && now < end; ++trip) {
                line[0].number.store(number += 2, std::memory_order_release);
                for (unsigned looks = 1; line[0].number.load(std::memory_order_acquire) != number + 1 && now < end; ++looks) {
                    relax();
                    if (looks % 256 == 0) now = TickClock::now();
                }
            }
            if (now >= end) break;
            if (block) each.push_back(TickClock::ns(TickClock::now() - before) / trips);
        }
        line[0].number.store(over, std::memory_order_release);
        result[0] = each.empty() ? 0 : median(each);
    };
    const auto pong = [&] {
        const std::uint64_t end = control[0].start() + TickClock::ticks(2 * patience_ns);
        unsigned number;
        for (std::uint64_t looks = 1; (number = line[0].number.load(std::memory_order_acquire)) != over; ++looks) {
            if (number & 1) line[0].number.store(number + 1, std::memory_order_release);
            else relax();
            if (looks % 4096 == 0 && TickClock::now() > end) break;
        }
    };
    run_together(control[0], {{"probe", cpus[0], ping}, {"probe", *other, pong}}, 30);
    return result[0];
}

}  // namespace bench
