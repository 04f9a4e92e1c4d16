#include "participants.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <shmq/detail/retry.hpp>

#include "cursor.hpp"
#include "waiter.hpp"

namespace shmq::detail {
namespace {

void raise_to(std::atomic<u32>& value, u32 least) noexcept {
    for (u32 now = value.load(std::memory_order_relaxed); now < least && !value.compare_exchange_weak(now, least, std::memory_order_acq_rel);) {}
}

// What people ask for is kept when an owner of an entry goes or is found dead.
void keep_times(Events& events, const Entry& entry) noexcept {
    const auto of = [](const auto& field) { return field.load(std::memory_order_relaxed); };
    const u64 when = of(entry.active_ns), pid = of(entry.pid);
    const auto keep = [&](std::atomic<u64>& last_ns, std::atomic<u64>& last_pid) {
        if (of(last_ns) > when) return;
        last_ns.store(when, std::memory_order_relaxed);
        last_pid.store(pid, std::memory_order_relaxed);
    };
    if (of(entry.pushed) != of(entry.pushed_before)) keep(events.last_push_ns, events.last_push_pid);
    if (of(entry.popped) != of(entry.popped_before)) keep(events.last_pop_ns, events.last_pop_pid);
}

Fd open_prober(const std::string& path) noexcept {
    return Fd(retry_interrupted([&] { return open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK); }));
}

Error locked_out(const SegmentFile& file) { return Error(Errc::in_use, file.name + ": a process that reads it has locked it against attaching (" + fuser(file) + ")"); }

}  // namespace

Attachment::Attachment(std::string_view name, Role role, const AttachOptions& options) : role_(role) {
    const bool fences = !register_for_barrier();
    Waiting default_waiting{};
    // A removal in progress holds every entry for a moment; whoever comes then looks again.
    for (int tries = 0;; ++tries) {
        const ForkLock guard;
        SegmentFile file = open_segment(name, Access::attach, role == role_consumer ? Direction::pop : Direction::push);
        require_both_directions(file);
        const Header& h = file.header;
        if ((options.expect_slots && *options.expect_slots != h.capacity) || (options.expect_slot_size && *options.expect_slot_size != h.requested_slot_size) ||
            (options.expect_fixed && *options.expect_fixed != ((h.incompatible & feature_fixed) != 0)))
            throw Error(Errc::other_geometry, file.name + ": another geometry: found " + std::to_string(h.capacity) + " slots of " + std::to_string(h.requested_slot_size) +
                                                  " bytes" + (h.incompatible & feature_fixed ? ", fixed" : ""));
        name_ = file.name, ring_name_ = file.ring, path_ = file.path, record_ = file.record, id_ = id_of(file.stat);
        bytes_ = file.stat.st_size;
        // Elsewhere a file system may count its blocks late, or compress them away.
        struct statfs fs {};
        blocks_ = retry_interrupted([&] { return fstatfs(file.fd.get(), &fs); }) == 0 && fs.f_type == TMPFS_MAGIC ? file.stat.st_blocks : 0;
        default_waiting = static_cast<Waiting>(h.waiting);
        prober_ = open_prober(path_);
        if (const int error = errno; !prober_ && error != ENOENT && error != ENOTDIR && error != ELOOP) throw_errno(error == EACCES ? Errc::permission : Errc::system, file.name, error);
        if (!prober_is_ours()) {
            if (tries < 100) continue;
            throw Error(Errc::removed, file.name + ": removed or replaced while attaching");
        }
        mapping_.emplace(file, Access::attach, options.prefault);
        const Ring& ring = mapping_->ring();
        ephemeral_ = h.compatible & feature_ephemeral;
        if (abandoned(file, ring)) {  // its last user was killed, or was not allowed to take the name away
            mapping_.reset();
            try {
                remove_abandoned(file);
            } catch (const Error&) {
            }
            throw Error(Errc::no_such_ring, file.name + ": no such ring (it was ephemeral, and its last participant is gone)");
        }
        if (options.from == From::newest && !ring.broadcast)
            throw Error(Errc::bad_option, file.name + ": its consumers share what there is and cannot begin with the newest message (that is for broadcast rings)");
        if (h.compatible & feature_lock_memory) mapping_->lock_memory(file);
        const bool single = role == role_producer ? ring.one_producer : role == role_consumer && ring.one_consumer;
        const u64 single_byte = role == role_producer ? lock_one_producer : lock_one_consumer;
        if (single && !try_lock(file, single_byte)) {
            mapping_.reset();
            if (locked_by_reader(prober_.get(), single_byte)) throw locked_out(file);
            throw Error(Errc::role_taken, file.name + ": its one " + (role == role_producer ? "producer" : "consumer") + " is attached already");
        }
        bool taken = false;
        for (entry_ = 0; entry_ < ring.participants && !taken; ++entry_) taken = try_lock(file, lock_entries + entry_);
        --entry_;
        // Only after the lock is ours: a removal that came before has marked the ring.
        if (ring.lines->events.state.load(std::memory_order_acquire) == state_removed) {
            mapping_.reset();
            throw Error(Errc::no_such_ring, file.name + ": no such ring (it is being removed)");
        }
        if (!taken) {
            const u32 participants = ring.participants;
            mapping_.reset();
            bool full = true;
            for (u32 i = 0; i < participants; ++i) {
                if (locked_by_reader(prober_.get(), lock_entries + i)) throw locked_out(file);
                full &= locked_alone(prober_.get(), lock_entries + i);
            }
            if (!full && tries < removal_tries) {  // a remover's lock was in the way, or somebody left just now
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
                continue;
            }
            if (!full && locked(prober_.get(), lock_removal)) throw being_removed(file);
            throw Error(Errc::table_full, file.name + ": all " + std::to_string(participants) + " participants are attached (a ring for more: shmq-create --participants)");
        }
        break;  // file.fd closes here: the mapping keeps its description and the lock
    }

    const Ring& ring = mapping_->ring();
    std::unique_ptr<std::byte[]> copy;
    if (ring.overwrite && role == role_consumer) {
        copy.reset(new (std::nothrow) std::byte[ring.prefix + ring.max_message]);
        if (!copy) throw Error(Errc::no_room, name_ + ": no memory for a message of " + std::to_string(ring.max_message) + " bytes", ENOMEM);
    }
    Entry& entry = ring.entries[entry_];
    Events& events = ring.lines->events;
    // Whoever had this entry before and still has a role died. It is recorded before the entry is
    // cleared: a kill in between counts one death twice, never none.
    const u32 before = entry.role.load(std::memory_order_acquire);
    if (before == role_producer) events.producers_ended_badly.fetch_add(1, std::memory_order_acq_rel);
    if (before == role_consumer) events.consumers_ended_badly.fetch_add(1, std::memory_order_acq_rel);
    if (before != role_none) keep_times(events, entry);
    entry.role.store(role_none, std::memory_order_release);
    entry.claim_position.store(no_position, std::memory_order_release);
    entry.generation.fetch_add(1, std::memory_order_relaxed);
    entry.pid.store(static_cast<u32>(getpid()), std::memory_order_relaxed);
    entry.uid.store(geteuid(), std::memory_order_relaxed);
    entry.attached_ns.store(wall_clock_ns(), std::memory_order_relaxed);
    entry.start_time.store(0, std::memory_order_relaxed);
    const auto note = [](std::atomic<u64>& then, const std::atomic<u64>& now) { then.store(now.load(std::memory_order_relaxed), std::memory_order_relaxed); };
    note(entry.pushed_before, entry.pushed), note(entry.popped_before, entry.popped);
    note(entry.pushed_bytes_before, entry.pushed_bytes), note(entry.popped_bytes_before, entry.popped_bytes);
    note(entry.redelivered_before, entry.redelivered), note(entry.abandoned_before, entry.abandoned), note(entry.lost_before, entry.lost);
    // Where it will begin at the earliest; below, it would hold back producers for nothing.
    if (ring.broadcast) entry.reading_position.store(ring.lines->free_position.value.load(std::memory_order_acquire), std::memory_order_relaxed);
    raise_to(events.entries_used, entry_ + 1);  // before any announcement: repairers look no further
    if (fences) {
        for (WaitWord* word : {&ring.lines->data_wait, &ring.lines->room_wait}) word->value.fetch_or(wait_attention, std::memory_order_seq_cst);
    }
    entry.role.store(role, std::memory_order_release);
    if (role != role_watcher) (role == role_producer ? events.producers_attached : events.consumers_attached).fetch_add(1, std::memory_order_acq_rel);
    wake_watchers(ring.lines->data_wait);  // who waits for a reader or a writer

    const Waiting waiting = options.waiting.value_or(default_waiting);
    if (role == role_producer) producer_.emplace(ring, *this, entry_, waiting);
    else if (role == role_consumer) consumer_.emplace(ring, *this, entry_, waiting, options.from, std::move(copy));
    else watcher_.emplace(ring, *this, entry_, Waiting::block);
    if (fences) core().alert().fetch_or(alert_fence, std::memory_order_relaxed);
    mapping_->tell(&core().alert());
}

Core& Attachment::core() noexcept {
    if (producer_) return *producer_;
    if (consumer_) return *consumer_;
    return *watcher_;
}

Attachment::~Attachment() {
    if (!prober_is_ours()) prober_.release();  // somebody else's by now
    if (standing() == Standing::forked) return;  // the parent's entry; our mapping is a dummy
    const Ring& ring = mapping_->ring();
    Entry& entry = ring.entries[entry_];
    // For tidiness: nobody reads the register of an entry without a role, and whoever takes it clears it.
    entry.claim_position.store(no_position, std::memory_order_release);
    core().touch_last();
    keep_times(ring.lines->events, entry);
    ring.lines->events.last_detach_ns.store(wall_clock_ns(), std::memory_order_relaxed);
    ring.lines->events.last_detach_pid.store(static_cast<u64>(getpid()), std::memory_order_relaxed);
    if (leaves_badly_ && role_ != role_watcher) {
        auto& badly = role_ == role_producer ? ring.lines->events.producers_ended_badly : ring.lines->events.consumers_ended_badly;
        badly.fetch_add(1, std::memory_order_acq_rel);
    }
    entry.role.store(role_none, std::memory_order_release);
    if (ring.broadcast && !ring.overwrite && role_ == role_consumer) leave_broadcast(ring, *this, entry.reading_position.load(std::memory_order_relaxed));
    // Who waits for the last producer to leave, or for what a consumer held, looks again.
    wake_all(ring.lines->data_wait);
    wake_all(ring.lines->room_wait);
    if (!ephemeral_) return;
    producer_.reset(), consumer_.reset(), watcher_.reset(), prober_.reset();
    mapping_.reset();  // and with it our lock
    leave_ephemeral(ring_name_, id_);
}

bool Attachment::prober_is_ours() noexcept {
    struct stat now {};
    return prober_ && retry_interrupted([&] { return fstat(prober_.get(), &now); }) == 0 && id_of(now) == id_;
}

// By the kernel's lock alone. The program may have closed our descriptor and opened another file under
// its number (closefrom, daemon): then we must not believe it, nor close it.
bool Attachment::alive(u32 entry) noexcept {
    if (!prober_is_ours()) {
        prober_.release();
        prober_ = open_prober(path_);
        if (!prober_is_ours()) {
            prober_ = Fd();
            return true;  // no proof of death
        }
    }
    return locked(prober_.get(), lock_entries + entry);
}

Standing Attachment::standing() noexcept {
    const u32 alert = core().alert().load(std::memory_order_relaxed);
    if (alert & alert_forked) return Standing::forked;
    if (alert & alert_broken) return Standing::corrupt;
    if (gone_ || mapping_->ring().lines->events.state.load(std::memory_order_acquire) == state_removed) return Standing::removed;
    return Standing::attached;
}

Standing Attachment::inspect() noexcept {
    struct stat now {};
    if (gone_) return standing();
    if (retry_interrupted([&] { return lstat(path_.c_str(), &now); }) != 0) {
        gone_ = errno == ENOENT || errno == ENOTDIR;
    } else if (id_of(now) != id_) {
        gone_ = true;
    } else {
        // Truncated, or holes punched into it: those read as zeros and never fault, and are gone again
        // once somebody writes there. What only this handle may change, and zeros where none can be.
        const Ring& ring = mapping_->ring();
        if (now.st_size < bytes_ || now.st_blocks < blocks_ || ring.lines->events.entries_used.load(std::memory_order_relaxed) <= entry_ ||
            ring.entries[entry_].role.load(std::memory_order_relaxed) != role_)
            core().alert().fetch_or(alert_broken, std::memory_order_relaxed);
    }
    return standing();
}

u64 Attachment::attached(Role role) noexcept {
    const Ring& ring = mapping_->ring();
    u64 count = 0;
    for (u32 i = 0, used = ring.entries_used(); i < used; ++i) count += ring.entries[i].role.load(std::memory_order_acquire) == role && alive(i);
    return count;
}

u64 Attachment::producers_ever() const noexcept { return mapping_->ring().lines->events.producers_attached.load(std::memory_order_acquire); }

// A dead producer whose entry nobody has taken yet counts as well; when it is taken, it moves from
// this sum's second part to its first.
u64 Attachment::producers_ended_badly() noexcept {
    const Ring& ring = mapping_->ring();
    u64 count = 0;
    for (u32 i = 0, used = ring.entries_used(); i < used; ++i) count += ring.entries[i].role.load(std::memory_order_acquire) == role_producer && !alive(i);
    return count + ring.lines->events.producers_ended_badly.load(std::memory_order_acquire);
}

}  // namespace shmq::detail
