#include "stat/rates.hpp"

#include <cmath>

void Rates::add_to(std::vector<RingRow>& rings) {
    decltype(before_) now;
    for (RingRow& ring : rings) {
        const Before current{ring.pushed, ring.popped, ring.pushed_bytes, ring.popped_bytes, ring.when};
        const std::pair id(ring.id[0], ring.id[1]);
        now.emplace(id, current);
        const auto found = before_.find(id);
        if (found == before_.end() || current.when <= found->second.when) continue;
        const Before& then = found->second;
        const double seconds = std::chrono::duration<double>(current.when - then.when).count();
        // A counter that was forged may also go back.
        const auto rate = [&](std::uint64_t to, std::uint64_t from) { return to > from ? static_cast<std::uint64_t>(std::llround(static_cast<double>(to - from) / seconds)) : 0; };
        ring.rates = {rate(current.pushed, then.pushed), rate(current.popped, then.popped), rate(current.pushed_bytes, then.pushed_bytes), rate(current.popped_bytes, then.popped_bytes)};
    }
    before_ = std::move(now);
}
