// What there is to tell about a ring.
#pragma once

#include <optional>

#include "stat/table.hpp"

struct RatesOfRing {
    std::uint64_t pushed, popped, pushed_bytes, popped_bytes;  // a second
};
struct RingRow : shmq::Status {
    shmq::Deadline when{};                     // it was looked at
    std::optional<RatesOfRing> rates{};        // once it was looked at twice
};
using RingColumns = Columns<RingRow>;

RingColumns default_ring_columns(bool rates = false);
RingColumns parse_ring_columns(std::string_view text);
Json ring_as_json(const RingRow& ring);  // all there is

std::string user_name(uid_t uid);  // an id without a name is shown as the number
std::string group_name(gid_t gid);
