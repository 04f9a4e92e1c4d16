// What there is to tell about a ring.
#pragma once

#include "stat/table.hpp"

using RingColumns = Columns<shmq::Status>;

RingColumns default_ring_columns();
RingColumns parse_ring_columns(std::string_view text);
Json ring_as_json(const shmq::Status& status);                              // all there is
Json ring_as_json(const shmq::Status& status, const RingColumns& columns);  // these alone

std::string user_name(uid_t uid);  // an id without a name is shown as the number
std::string group_name(gid_t gid);
