// Removing what nobody uses any more: stale rings, ephemeral ones, and those made for a scope. A ring is
// judged twice: by a look that disturbs nobody, and again under the locks that keep everybody from
// attaching, just before its name is taken away.
#include <unistd.h>

#include <algorithm>
#include <list>
#include <thread>

#include "segment.hpp"

namespace shmq {

using namespace detail;

namespace {

u64 attached_ever(const Ring& ring) noexcept {
    const Events& events = ring.lines->events;
    return events.producers_attached.load(std::memory_order_acquire) + events.consumers_attached.load(std::memory_order_acquire);
}

bool used_up(const Ring& ring, const Header& header) noexcept {
    return header.compatible & feature_ephemeral && (header.compatible & feature_kept || attached_ever(ring) > 0);
}

struct Use {
    u64 last_ns = 0;          // the last sign of it
    bool end_unknown = false; // somebody was killed after that, and no sweep has noted when that was seen
};

Use use_of(const Ring& ring, const Header& header) noexcept {
    const Events& events = ring.lines->events;
    Use use{std::max(header.created_ns, events.last_detach_ns.load(std::memory_order_acquire))};
    for (u32 i = 0, used = ring.entries_used(); i < used; ++i) {
        const Entry& entry = ring.entries[i];
        use.last_ns = std::max({use.last_ns, entry.attached_ns.load(std::memory_order_relaxed), entry.active_ns.load(std::memory_order_relaxed)});
        use.end_unknown |= entry.role.load(std::memory_order_acquire) != role_none;
    }
    if (use.end_unknown && events.unused_since_attached.load(std::memory_order_acquire) == attached_ever(ring)) {
        use.last_ns = std::max(use.last_ns, events.unused_since_ns.load(std::memory_order_relaxed));
        use.end_unknown = false;
    }
    return use;
}

bool holds_messages(const Ring& ring) noexcept {
    const u64 from = ring.oldest();
    const u64 to = ring.lines->write_position.value.load(std::memory_order_acquire) & ~end_bit;
    Found found{};
    return to - from > ring.slots || find_message(ring, from, to, found);  // what cannot be walked may hold some
}

std::string for_people(u64 ns) {
    const u64 ms = ns / 1'000'000, seconds = ms / 1000;
    return seconds < 10 ? std::to_string(ms) + " ms" : std::to_string(seconds) + " s";
}

// What is to become of a ring that nobody is attached to. True: it stays, since somebody was killed there
// and nobody has noted when that was seen.
bool judge(const Ring& ring, const Header& header, const SweepOptions& options, Swept& swept) {
    const auto say = [&](Fate fate, std::string why) {
        swept.fate = fate, swept.why = std::move(why);
        return false;
    };
    const Use use = use_of(ring, header);
    const u64 now = wall_clock_ns(), unused = use.end_unknown || now < use.last_ns ? 0 : now - use.last_ns;
    swept.unused = std::chrono::nanoseconds(unused);
    if (ring.lines->events.state.load(std::memory_order_acquire) == state_removed) return say(Fate::removed, "was removed, but for its name");
    if (used_up(ring, header)) return say(Fate::removed, "ephemeral, and its last participant is gone");
    if (!options.with_messages && holds_messages(ring)) return say(Fate::holds_messages, "holds messages");
    if (swept.unused >= options.idle) return say(Fate::removed, "unused for " + for_people(unused));
    say(Fate::used_lately, use.end_unknown ? "its last user was killed, and no sweep saw it unused before" : "unused for " + for_people(unused) + " only");
    return use.end_unknown;
}

// The count is stored last, and is that of before anybody was seen to be dead: one who attached since
// makes the note void.
void note_unused(const Ring& ring, u64 attached) noexcept {
    Events& events = ring.lines->events;
    events.unused_since_ns.store(wall_clock_ns(), std::memory_order_relaxed);
    events.unused_since_attached.store(attached, std::memory_order_release);
}

// What a look that disturbs nobody tells.
struct Look {
    FileId id;
    bool unnoted = false;  // somebody was killed, and nobody has noted when that was seen
};

Look look_at(const std::string& name, const SweepOptions& options, Swept& swept) {
    const SegmentFile file = open_segment(name, Access::look);
    Look look{id_of(file.stat)};
    const Mapping mapping(file, Access::look);
    if (held(file.fd.get())) {
        swept.fate = Fate::in_use, swept.why = "in use";
        return look;
    }
    look.unnoted = judge(mapping.ring(), file.header, options, swept);
    if (mapping.patched()) throw Error(Errc::corrupt, name + ": corrupt ring: truncated while it was looked at");
    return look;
}

void sweep_one(const SweepOptions& options, Swept& swept) {
    const Look look = look_at(swept.name, options, swept);
    // Of a duplex ring both directions go, or none.
    std::string other;
    if (is_side(swept.name) && is_there(other_side(swept.name))) other = other_side(swept.name);
    if (!other.empty() && swept.fate == Fate::removed) {
        Swept its{other, Fate::failed, {}, {}, {}};
        look_at(other, options, its);
        if (its.fate != Fate::removed) swept.fate = its.fate, swept.why = "its other direction: " + its.why;
    }
    if (options.dry_run || (swept.fate != Fate::removed && !look.unnoted)) return;

    const ForkLock guard;  // no child may inherit the locks
    if (look.unnoted) {
        const SegmentFile file = open_segment(swept.name, Access::attach);
        if (id_of(file.stat) != look.id) throw Error(Errc::removed, swept.name + ": replaced meanwhile");
        const Mapping mapping(file, Access::attach);
        const u64 attached = attached_ever(mapping.ring());
        if (!held(file.fd.get())) note_unused(mapping.ring(), attached);
        return;
    }
    const std::vector<SegmentFile> files = open_segments(swept.name);
    const bool removed = remove_files(files, false, [&](std::span<const Ring* const> rings) {
        for (std::size_t i = 0; i < rings.size(); ++i)
            if (judge(*rings[i], files[i].header, options, swept); swept.fate != Fate::removed) return false;
        return std::ranges::any_of(files, [&](const SegmentFile& each) { return id_of(each.stat) == look.id; });
    });
    if (!removed && swept.fate == Fate::removed) throw Error(Errc::removed, swept.name + ": replaced meanwhile");
}

}  // namespace

// ---- ephemeral rings ----------------------------------------------------------------------------

namespace detail {

// Whoever attaches takes its lock first and counts itself afterwards. So one who finds a count and no
// lock knows that all who came have gone; and one who comes from now on finds the ring used up and
// leaves it alone, or was first and holds a lock, which keeps the ring.
// A duplex ring has been used when one of its directions has, and is held when one of them is.
bool abandoned(const SegmentFile& file, const Ring& ring) noexcept {
    if (!(file.header.compatible & feature_ephemeral) || held(file.fd.get())) return false;
    const bool used = used_up(ring, file.header);
    if (!is_side(file.ring)) return used;
    try {
        if (!is_there(other_side(file.ring))) return used;
        const SegmentFile other = open_segment(other_side(file.ring), Access::look);
        const Mapping mapping(other, Access::look);
        return !held(other.fd.get()) && (used || used_up(mapping.ring(), other.header));
    } catch (const std::exception&) {
        return false;  // no proof
    }
}

bool remove_abandoned(const SegmentFile& file) {
    const std::vector<SegmentFile> files = open_segments(file.ring);
    if (std::ranges::none_of(files, [&](const SegmentFile& each) { return id_of(each.stat) == id_of(file.stat); })) return false;
    return remove_files(files, false, [&](std::span<const Ring* const> rings) {
        return std::ranges::any_of(rings, [&](const Ring* ring) { return used_up(*ring, file.header); });
    });
}

void leave_ephemeral(const std::string& name, FileId id) noexcept {
    for (int tries = 0; tries < 100; ++tries) {
        try {
            const ForkLock guard;
            const SegmentFile file = open_segment(name, Access::attach);
            if (id_of(file.stat) != id) return;
            try {
                remove_abandoned(file);
                return;
            } catch (const Error& error) {
                if (error.code() != Errc::in_use) return;
                // Two may leave at once. Who removes may have found us still attached, and gives up: so look
                // again. In use by one who is attached, the ring is left to him.
                if (!locked(file.fd.get(), lock_removal) && (held(file.fd.get()) || is_side(file.ring))) return;
            }
        } catch (const std::exception&) {
            return;  // we may not take its name away, or it is gone. Whoever comes next looks.
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace detail

// ---- rings of a scope ---------------------------------------------------------------------------

struct ScopedRing::State {
    std::string name;
    pid_t owner = getpid();
    std::vector<FileId> ids;
    std::list<Mapping> mappings;  // keep the descriptions, and so the keeper's locks, for as long as this process lives
};

ScopedRing::ScopedRing(std::string_view name, Options options) {
    if (options.if_exists == IfExists::keep || options.if_exists == IfExists::reopen)
        throw Error(Errc::bad_option, std::string(name) + ": a ring that was there before is not one to be removed");
    options.ephemeral = true;
    const ForkLock guard;
    state_ = std::make_unique<State>(State{std::string(name), getpid(), {}, {}});
    for (const SegmentFile& file : create_segments(name, options, feature_kept)) {
        state_->ids.push_back(id_of(file.stat));
        state_->mappings.emplace_back(file, Access::look);
    }
}
ScopedRing::ScopedRing(ScopedRing&&) noexcept = default;
ScopedRing::~ScopedRing() {
    try {
        remove();
    } catch (const std::exception&) {
        // It may be in the way of somebody who removes it himself; if not, it is ephemeral.
    }
}

void ScopedRing::remove() {
    const std::unique_ptr<State> state = std::move(state_);
    if (!state || state->owner != getpid()) return;
    try {
        const ForkLock guard;
        for (const SegmentFile& file : open_segments(state->name))
            if (std::ranges::count(state->ids, id_of(file.stat))) remove_file(file, true);
    } catch (const Error& error) {
        if (error.code() != Errc::no_such_ring) throw;
    }
}

// ---- stale rings --------------------------------------------------------------------------------

std::vector<Swept> sweep(const SweepOptions& options) {
    std::vector<Swept> result;
    const bool all = options.names.empty();
    for (const std::string& name : all ? list() : options.names) {
        Swept swept{name, Fate::failed, {}, {}, {}};
        std::string ring = name;
        try {
            ring = rings_of(name).front();  // of the bare name of a duplex ring one side, which stands for both
            swept.name = ring;
            sweep_one(options, swept);
            swept.name = name;
        } catch (const Error& error) {
            using enum Errc;
            const bool gone = error.code() == removed || (error.code() == no_such_ring && all);
            swept = {name, gone ? Fate::gone : error.code() == in_use ? Fate::in_use : Fate::failed, {}, error.what(), error.code()};
            const std::string prefix = ring + ": ";
            if (swept.why.starts_with(prefix)) swept.why.erase(0, prefix.size());
        }
        result.push_back(std::move(swept));
    }
    return result;
}

}  // namespace shmq
