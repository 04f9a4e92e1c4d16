#include "stat/participants.hpp"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <shmq/detail/retry.hpp>
#include <sstream>

#include "stat/proc_file.hpp"

using shmq::detail::retry_interrupted;

namespace {

// Whoever is attached has the ring mapped. Empty: not allowed to see it.
std::optional<bool> has_mapped(const std::string& process, const shmq::Status& ring, ino_t inode) {
    std::istringstream maps(proc_file(process + "/maps"));
    bool any = false;
    for (std::string line; std::getline(maps, line); any = true) {
        std::uint64_t mapped = 0;
        if (std::sscanf(line.c_str(), "%*s %*s %*s %*s %" SCNu64, &mapped) == 1 && mapped == inode && line.find("/shmq." + ring.name) != std::string::npos) return true;
    }
    if (!any) return std::nullopt;
    return false;
}

// When it was started, in ns since 1970. `fields` are those of /proc/PID/stat behind the name.
std::uint64_t started_ns(const std::string& fields) {
    std::istringstream in(fields);
    std::string skipped;
    for (int i = 3; i < 22; ++i) in >> skipped;
    std::uint64_t ticks = 0;
    in >> ticks;
    timespec now{}, up{};
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &up);
    const auto ns = [](const timespec& t) { return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec); };
    return ns(now) - ns(up) + ticks * (1'000'000'000 / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)));
}

// A pid is for people: it may be another process's in this PID namespace, or by now. It is believed where
// that process has the ring mapped or, of another user's processes, which do not show that, where it is
// that user's and was there when the participant attached.
void look_up(Member& member, const shmq::Status& ring, ino_t inode) {
    const std::string process = "/proc/" + std::to_string(member.pid);
    struct stat owner {};
    if (retry_interrupted([&] { return stat(process.c_str(), &owner); }) != 0) return;
    const std::string text = proc_file(process + "/stat");
    const auto open = text.find('('), close = text.rfind(')');
    if (open == std::string::npos || close == std::string::npos || close + 3 > text.size()) return;
    const auto mapped = has_mapped(process, ring, inode);
    constexpr std::uint64_t slack = 50'000'000;  // start times are told in clock ticks
    if (!mapped.value_or(member.uid != geteuid() && owner.st_uid == member.uid && started_ns(text.substr(close + 2)) <= member.attached_ns + slack)) return;
    member.command = text.substr(open + 1, close - open - 1);
    // A process names itself as it likes; none of it is for the terminal to obey.
    for (char& c : member.command)
        if (c < ' ' || c > '~') c = '?';
    member.process = text[close + 2];
}

const char* role_of(const Member& m) {
    return m.role == shmq::detail::role_producer ? "producer" : m.role == shmq::detail::role_consumer ? "consumer" : "watcher";
}

const char* state_of(const Member& m) {
    if (!m.alive) return "dead";
    if (m.process == 'T' || m.process == 't') return "stopped";
    if (m.process == 'R') return "running";
    return m.process ? "sleeping" : "alive";
}

Json holds(const Member& m) { return m.holds_slots ? Json(fmt::format("{}+{}", m.holds_position, m.holds_slots)) : Json(); }

constexpr Column<Member> columns[] = {
    {"RING", "ring", false, [](const Member& m) { return Json(m.ring); }},
    {"PID", "pid", true, [](const Member& m) { return Json(m.pid); }},
    {"USER", "user", false, [](const Member& m) { return Json(user_name(m.uid)); }},
    {"COMMAND", "command", false, [](const Member& m) { return m.command.empty() ? Json() : Json(m.command); }},
    {"ROLE", "role", false, [](const Member& m) { return Json(role_of(m)); }},
    {"STATE", "state", false, [](const Member& m) { return Json(state_of(m)); }},
    {"HOLDS", "holds", true, holds},
    {"MESSAGES", "messages", true, [](const Member& m) { return Json(m.messages); }},
    {"BYTES", "bytes", true, [](const Member& m) { return Json(m.bytes); }, Shown::size},
    {"LOST", "lost", true, [](const Member& m) { return Json(m.lost); }},
    // The columns above are shown by default.
    {"ENTRY", "entry", true, [](const Member& m) { return Json(m.entry); }},
    {"REDELIVERED", "redelivered", true, [](const Member& m) { return Json(m.redelivered); }},
    {"ABANDONED", "abandoned", true, [](const Member& m) { return Json(m.abandoned); }},
    {"ATTACHED", "attached_ns", false, [](const Member& m) { return Json(m.attached_ns); }, Shown::time},
};
constexpr std::size_t default_columns = 10;

}  // namespace

std::vector<Member> members_of(const std::vector<RingRow>& rings) {
    std::vector<Member> members;
    for (const RingRow& ring : rings) {
        struct stat file {};
        const bool there = retry_interrupted([&] { return stat(ring.path.c_str(), &file); }) == 0;
        for (const shmq::Participant& participant : ring.participants) {
            Member& member = members.emplace_back(Member{participant, ring.name, {}, 0});
            if (member.alive && there) look_up(member, ring, file.st_ino);
        }
    }
    return members;
}

MemberColumns default_member_columns() { return first_of(columns, default_columns); }
MemberColumns parse_member_columns(std::string_view text) { return parse_columns(text, columns, default_columns); }

Json member_as_json(const Member& m) {
    Json object;
    for (const auto& column : columns) object[column.key] = column.value(m);
    object["uid"] = m.uid;
    object["alive"] = m.alive;
    object["generation"] = m.generation;
    object["holds_position"] = m.holds_slots ? Json(m.holds_position) : Json();
    object["holds_slots"] = m.holds_slots;
    object["active_ns"] = m.active_ns;
    return object;
}
