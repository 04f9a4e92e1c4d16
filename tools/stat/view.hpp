// -i on a terminal: a view that redraws itself and obeys keys.
#pragma once

#include <functional>

#include "stat/participants.hpp"
#include "stat/rings.hpp"

struct View {
    std::chrono::nanoseconds interval;
    std::uint64_t samples = 0;  // 0: until told to stop
    bool participants = false;
    RingColumns ring_columns;
    MemberColumns member_columns;
    Style style;
    std::function<std::vector<RingRow>()> sample;  // throws nothing that matters to who looks
};

bool can_show_view() noexcept;  // is there a terminal, on both sides, that can more than print
Exit show_view(View view);      // leaves the terminal as it was, however it ends
