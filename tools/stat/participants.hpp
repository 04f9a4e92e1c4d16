// -P: who is attached to the rings, and what /proc knows about them.
#pragma once

#include "stat/rings.hpp"

struct Member : shmq::Participant {
    std::string ring;
    std::string command;  // empty: the pid is not known to be that process
    char process = 0;     // R, S, D, T, ... as in /proc; 0: not known
};
using MemberColumns = Columns<Member>;

std::vector<Member> members_of(const std::vector<RingRow>& rings);
MemberColumns default_member_columns();
MemberColumns parse_member_columns(std::string_view text);
Json member_as_json(const Member& member);  // all there is
