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

constexpr unsigned blocks = 64, trips = 64;  // a block is timed as one: the clock costs as much as a trip

}  // namespace

double cache_line_round_trip(const std::vector<int>& cpus) {
    const auto other = std::ranges::find_if(cpus, [&](int cpu) { return cpu != cpus[0]; });
    if (other == cpus.end()) return 0;
    SharedArray<Control> control(1);
    SharedArray<Line> line(1);
    SharedArray<double> result(1);
    const auto meet = [&](unsigned number) {
        while (line[0].number.load(std::memory_order_acquire) != number) relax();
    };
    const auto ping = [&] {
        control[0].start();
        std::vector<double> each;
        unsigned number = 0;
        for (unsigned block = 0; block < blocks + 1; ++block) {
            const std::uint64_t before = TickClock::now();
            for (unsigned trip = 0; trip < trips; ++trip) {
                line[0].number.store(++number, std::memory_order_release);
                meet(++number);
            }
            if (block) each.push_back(TickClock::ns(TickClock::now() - before) / trips);
        }
        result[0] = median(each);
    };
    const auto pong = [&] {
        control[0].start();
        for (unsigned number = 1; number < 2 * (blocks + 1) * trips; number += 2) {
            meet(number);
            line[0].number.store(number + 1, std::memory_order_release);
        }
    };
    run_together(control[0], {{"probe", cpus[0], ping}, {"probe", *other, pong}}, 30);
    return result[0];
}

}  // namespace bench
