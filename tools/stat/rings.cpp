#include "stat/rings.hpp"

#include <grp.h>
#include <pwd.h>

#include <shmq/detail/retry.hpp>

using shmq::detail::retry_interrupted;

namespace {

using Status = RingRow;

const char* name_of(shmq::RingState state) {
    return state == shmq::RingState::open ? "open" : state == shmq::RingState::ended ? "ended" : "removed";
}
const char* name_of(shmq::Waiting waiting) {
    return waiting == shmq::Waiting::block ? "block" : waiting == shmq::Waiting::spin ? "spin" : "adaptive";
}
std::string type_of(const Status& s) {
    return fmt::format("{}p{}c{}{}", s.producers == shmq::one ? 's' : 'm', s.consumers == shmq::one ? 's' : 'm', s.broadcast ? "+broadcast" : "", s.overwrite ? "+overwrite" : "");
}

// Rounded up, as df does: 0 is empty.
std::uint64_t percent_used(const Status& s) { return (s.used * 100 + s.slots - 1) / s.slots; }

// How long the oldest message has been there. The clock may have been set back since.
Json age_of(const Status& s) {
    if (!s.oldest_ns) return {};
    const auto now = static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
    return now > s.oldest_ns ? now - s.oldest_ns : 0;
}

Json pid(std::uint32_t value) { return value ? Json(value) : Json(); }  // nobody yet

constexpr Column<Status> columns[] = {
    {"NAME", "name", false, [](const Status& s) { return Json(s.name); }},
    {"TYPE", "type", false, [](const Status& s) { return Json(type_of(s)); }},
    {"STATE", "state", false, [](const Status& s) { return Json(name_of(s.state)); }},
    {"USED", "used", true, [](const Status& s) { return Json(s.used); }},
    {"SLOTS", "slots", true, [](const Status& s) { return Json(s.slots); }},
    {"USE%", "use_percent", true, [](const Status& s) { return Json(percent_used(s)); }},
    {"MSGS", "messages", true, [](const Status& s) { return Json(s.messages); }},
    {"READERS", "readers", true, [](const Status& s) { return Json(s.readers); }},
    {"WRITERS", "writers", true, [](const Status& s) { return Json(s.writers); }},
    {"LOST", "lost", true, [](const Status& s) { return Json(s.lost); }},
    // The columns above are shown by default.
    {"PUSHED", "pushed", true, [](const Status& s) { return Json(s.pushed); }},
    {"POPPED", "popped", true, [](const Status& s) { return Json(s.popped); }},
    {"REDELIVERED", "redelivered", true, [](const Status& s) { return Json(s.redelivered); }},
    {"ABANDONED", "abandoned", true, [](const Status& s) { return Json(s.abandoned); }},
    {"SIZE", "segment_bytes", true, [](const Status& s) { return Json(s.segment_bytes); }, Shown::size},
    {"MODE", "mode", true, [](const Status& s) { return Json(fmt::format("{:04o}", s.mode)); }},
    {"OWNER", "owner", false, [](const Status& s) { return Json(user_name(s.owner)); }},
    {"GROUP", "group", false, [](const Status& s) { return Json(group_name(s.group)); }},
    {"CREATOR", "creator", false, [](const Status& s) { return Json(user_name(s.creator_uid)); }},
    {"CGROUP", "creator_group", false, [](const Status& s) { return Json(group_name(s.creator_gid)); }},
    {"CPID", "creator_pid", true, [](const Status& s) { return Json(s.creator_pid); }},
    {"LPID", "last_pid", true, [](const Status& s) { return pid(s.last_detach_ns > s.last_attach_ns ? s.last_detach_pid : s.last_attach_pid); }},
    {"PUSHPID", "last_push_pid", true, [](const Status& s) { return pid(s.last_push_pid); }},
    {"POPPID", "last_pop_pid", true, [](const Status& s) { return pid(s.last_pop_pid); }},
    {"DPID", "last_detach_pid", true, [](const Status& s) { return pid(s.last_detach_pid); }},
    {"CTIME", "created_ns", false, [](const Status& s) { return Json(s.created_ns); }, Shown::time},
    {"ATIME", "last_attach_ns", false, [](const Status& s) { return Json(s.last_attach_ns); }, Shown::time},
    {"DTIME", "last_detach_ns", false, [](const Status& s) { return Json(s.last_detach_ns); }, Shown::time},
    {"PUSHTIME", "last_push_ns", false, [](const Status& s) { return Json(s.last_push_ns); }, Shown::time},
    {"POPTIME", "last_pop_ns", false, [](const Status& s) { return Json(s.last_pop_ns); }, Shown::time},
    {"NATTCH", "attached", true, [](const Status& s) { return Json(s.attached); }},
    {"WAIT", "waiting", false, [](const Status& s) { return Json(name_of(s.waiting)); }},
    {"AGE", "age_ns", true, [](const Status& s) { return age_of(s); }, Shown::duration},
    {"DELAY", "delay_ns", true, [](const Status& s) { return s.delay_ns ? Json(s.delay_ns) : Json(); }, Shown::duration},
    {"RECORD", "record", false, [](const Status& s) { return s.record.empty() ? Json() : Json(s.record); }},
    // Of two looks, so only with -i.
    {"PUSH/S", "pushed_per_s", true, [](const Status& s) { return s.rates ? Json(s.rates->pushed) : Json(); }},
    {"POP/S", "popped_per_s", true, [](const Status& s) { return s.rates ? Json(s.rates->popped) : Json(); }},
    {"IN/S", "pushed_bytes_per_s", true, [](const Status& s) { return s.rates ? Json(s.rates->pushed_bytes) : Json(); }, Shown::size},
    {"OUT/S", "popped_bytes_per_s", true, [](const Status& s) { return s.rates ? Json(s.rates->popped_bytes) : Json(); }, Shown::size},
};
constexpr std::size_t default_columns = 10;

}  // namespace

std::string user_name(uid_t uid) {
    const auto* const entry = retry_interrupted([uid] { return getpwuid(uid); });
    return entry ? entry->pw_name : std::to_string(uid);
}
std::string group_name(gid_t gid) {
    const auto* const entry = retry_interrupted([gid] { return getgrgid(gid); });
    return entry ? entry->gr_name : std::to_string(gid);
}

RingColumns default_ring_columns(bool rates) {
    return rates ? parse_ring_columns("NAME,STATE,USE%,MSGS,READERS,WRITERS,LOST,PUSH/S,POP/S,IN/S,OUT/S") : first_of(columns, default_columns);
}
RingColumns parse_ring_columns(std::string_view text) { return parse_columns(text, columns, default_columns); }

Json ring_as_json(const Status& s) {
    Json ring;
    for (const auto& column : columns)
        if (s.rates || !std::string_view(column.name).ends_with("/S")) ring[column.key] = column.value(s);
    ring["watchers"] = s.watchers;
    ring["path"] = s.path;
    ring["fixed"] = s.fixed;
    ring["timestamps"] = s.timestamps;
    ring["broadcast"] = s.broadcast;
    ring["overflow"] = s.overwrite ? "overwrite" : "block";
    ring["ephemeral"] = s.ephemeral;
    ring["lock_memory"] = s.lock_memory;
    ring["page_size"] = s.page_size;
    ring["slot_size"] = s.slot_size;
    ring["physical_slots"] = s.physical_slots;
    ring["max_message"] = s.max_message;
    ring["max_participants"] = s.max_participants;
    ring["producers_ended_badly"] = s.producers_ended_badly;
    ring["consumers_ended_badly"] = s.consumers_ended_badly;
    ring["write_position"] = s.write_position;
    ring["read_position"] = s.read_position;
    ring["free_position"] = s.free_position;
    ring["id"] = fmt::format("{:016x}{:016x}", s.id[0], s.id[1]);
    ring["active_ns"] = s.active_ns;
    ring["last_attach_pid"] = pid(s.last_attach_pid);
    ring["pushed_bytes"] = s.pushed_bytes;
    ring["popped_bytes"] = s.popped_bytes;
    ring["creator_uid"] = s.creator_uid;
    ring["creator_gid"] = s.creator_gid;
    ring["uid"] = s.owner;
    ring["gid"] = s.group;
    ring["format_version"] = s.format_version;
    return ring;
}
