// Looking at a ring from outside: read-only, no locks taken, nothing disturbed. Every figure is of a
// moment, and nothing found in the segment is trusted further than its bounds.
#include <shmq/shmq.hpp>

#include <algorithm>

#include "names.hpp"
#include "segment.hpp"

namespace shmq {

namespace detail {

bool find_message(const Ring& ring, u64 p, u64 to, Found& found) noexcept {
    while (p < to && to - p <= ring.slots) {
        const u64 word = ring.word(p).load(std::memory_order_acquire);
        const u64 size = ring.length_at(p);
        const bool message = ring.age(word, p) == 0 && (word_state(word) == word_ready || word_state(word) == word_done) && ring.bounded(size);
        const u64 end = p + (message && !ring.fixed ? ring.slots_for(size) : 1);
        if (message && word_state(word) == word_ready) {
            found = {p, word, size, end};
            return true;
        }
        p = end;
    }
    return false;
}

namespace {

u64 count_messages(const Ring& ring, u64 from, u64 to) noexcept {
    u64 count = 0;
    for (Found found{}; find_message(ring, from, to, found); from = found.end) ++count;
    return count;
}

// When the oldest message was pushed. Believed only if it was still there after the look.
u64 oldest_time(const Ring& ring) noexcept {
    for (int tries = 0; ring.timestamps && tries < 100; ++tries) {
        const auto end = [&] { return ring.lines->write_position.value.load(std::memory_order_acquire) & ~end_bit; };
        if (Found found{}; find_message(ring, ring.oldest(), end(), found)) {
            const u64 time = ring.time_at(found.position);
            std::atomic_thread_fence(std::memory_order_acquire);
            if (ring.oldest() <= found.position && end() - found.position <= ring.slots) return time;
        }
        if (ring.pending() == 0) break;
    }
    return 0;
}

}  // namespace

}  // namespace detail

using namespace detail;

Status stat(std::string_view name) {
    const SegmentFile file = open_segment(name, Access::look);
    const Mapping mapping(file, Access::look);
    const Ring& ring = mapping.ring();
    const Header& h = file.header;
    Lines& lines = *ring.lines;

    Status s{};
    s.name = file.name;
    s.path = file.path;
    s.record = file.record;
    s.fixed = ring.fixed;
    s.timestamps = ring.timestamps, s.broadcast = ring.broadcast, s.overwrite = ring.overwrite;
    s.ephemeral = h.compatible & feature_ephemeral, s.lock_memory = h.compatible & feature_lock_memory;
    s.page_size = page_of(file.fd.get());
    s.producers = ring.one_producer ? one : many;
    s.consumers = ring.one_consumer ? one : many;
    s.waiting = static_cast<Waiting>(h.waiting);
    s.slots = h.capacity, s.physical_slots = h.slots, s.slot_size = h.requested_slot_size, s.max_message = h.max_message, s.segment_bytes = h.total_bytes;
    s.created_ns = h.created_ns, s.id[0] = h.id[0], s.id[1] = h.id[1];
    s.creator_pid = h.creator_pid, s.creator_uid = h.creator_uid, s.creator_gid = h.creator_gid;
    s.max_participants = h.participants, s.format_version = h.version;
    s.mode = file.stat.st_mode & 07777, s.owner = file.stat.st_uid, s.group = file.stat.st_gid;

    s.producers_ended_badly = lines.events.producers_ended_badly.load(std::memory_order_acquire);
    s.consumers_ended_badly = lines.events.consumers_ended_badly.load(std::memory_order_acquire);
    // The latest of several, in no order.
    const auto later = [](u64 when, u64 pid, u64& last_ns, u32& last_pid) {
        if (when > last_ns) last_ns = when, last_pid = static_cast<u32>(pid);
    };
    later(lines.events.last_push_ns.load(), lines.events.last_push_pid.load(), s.last_push_ns, s.last_push_pid);
    later(lines.events.last_pop_ns.load(), lines.events.last_pop_pid.load(), s.last_pop_ns, s.last_pop_pid);
    later(lines.events.last_detach_ns.load(), lines.events.last_detach_pid.load(), s.last_detach_ns, s.last_detach_pid);
    u64 delayed_at = 0;
    for (u32 i = 0, used = ring.entries_used(); i < used; ++i) {
        const Entry& entry = ring.entries[i];
        const auto of = [](const auto& field) { return field.load(std::memory_order_relaxed); };
        const u32 role = entry.role.load(std::memory_order_acquire);
        Participant p{};
        p.entry = i, p.generation = of(entry.generation), p.pid = of(entry.pid), p.uid = of(entry.uid), p.role = static_cast<Role>(role <= role_watcher ? role : role_none);
        p.alive = p.role != role_none && locked(file.fd.get(), lock_entries + i);
        p.start_time = of(entry.start_time), p.attached_ns = of(entry.attached_ns), p.active_ns = of(entry.active_ns);
        const bool pushes = p.role == role_producer;
        p.messages = pushes ? of(entry.pushed) - of(entry.pushed_before) : of(entry.popped) - of(entry.popped_before);
        p.bytes = ring.fixed ? p.messages * ring.slot_size : pushes ? of(entry.pushed_bytes) - of(entry.pushed_bytes_before) : of(entry.popped_bytes) - of(entry.popped_bytes_before);
        p.redelivered = of(entry.redelivered) - of(entry.redelivered_before);
        p.abandoned = of(entry.abandoned) - of(entry.abandoned_before), p.lost = of(entry.lost) - of(entry.lost_before);
        const u64 claim = entry.claim_position.load(std::memory_order_acquire);
        if (claim != no_position) p.holds_position = claim, p.holds_slots = of(entry.claim_slots);
        if (ring.broadcast && p.role == role_consumer) p.reading_position = of(entry.reading_position);
        s.pushed += of(entry.pushed), s.popped += of(entry.popped);
        s.redelivered += of(entry.redelivered), s.abandoned += of(entry.abandoned), s.lost += of(entry.lost);
        if (const u64 at = of(entry.delay_at_ns); at > delayed_at) delayed_at = at, s.delay_ns = of(entry.delay_ns);
        s.pushed_bytes += of(entry.pushed_bytes), s.popped_bytes += of(entry.popped_bytes);
        if (of(entry.pushed) != of(entry.pushed_before)) later(std::max(p.active_ns, p.attached_ns), p.pid, s.last_push_ns, s.last_push_pid);
        if (of(entry.popped) != of(entry.popped_before)) later(std::max(p.active_ns, p.attached_ns), p.pid, s.last_pop_ns, s.last_pop_pid);
        later(p.attached_ns, p.pid, s.last_attach_ns, s.last_attach_pid);
        s.attached += p.alive;
        if (p.role == role_none) continue;
        s.readers += p.alive && p.role == role_consumer;
        s.writers += p.alive && p.role == role_producer;
        s.watchers += p.alive && p.role == role_watcher;
        if (!p.alive && p.role == role_producer) ++s.producers_ended_badly;
        if (!p.alive && p.role == role_consumer) ++s.consumers_ended_badly;
        s.participants.push_back(p);
    }

    s.active_ns = std::max(s.last_push_ns, s.last_pop_ns);
    if (ring.fixed) s.pushed_bytes = s.pushed * ring.slot_size, s.popped_bytes = s.popped * ring.slot_size;

    s.free_position = lines.free_position.value.load(std::memory_order_acquire);
    s.read_position = lines.read_position.value.load(std::memory_order_acquire);
    const u64 w = lines.write_position.value.load(std::memory_order_acquire);
    s.write_position = w & ~end_bit;
    s.used = ring.pending();
    s.messages = count_messages(ring, ring.oldest(), s.write_position);
    s.oldest_ns = oldest_time(ring);
    s.state = lines.events.state.load(std::memory_order_acquire) == state_removed ? RingState::removed : w & end_bit ? RingState::ended : RingState::open;
    if (abandoned(file, ring)) s.state = RingState::removed;  // whoever attaches or creates takes its name away
    if (mapping.patched()) throw Error(Errc::corrupt, file.name + ": corrupt ring: truncated while it was looked at");
    return s;
}

}  // namespace shmq
