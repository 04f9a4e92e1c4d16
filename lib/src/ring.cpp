// The slow paths of the ring: no room, no message, somebody asleep, something wrong.
#include <shmq/detail/ring.hpp>

#include <algorithm>

#include "cursor.hpp"
#include "recovery.hpp"
#include "waiter.hpp"

namespace shmq {

const char* describe(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::ok: return "ok";
        case Outcome::full: return "the ring is full";
        case Outcome::empty: return "the ring is empty";
        case Outcome::timed_out: return "timed out";
        case Outcome::ended: return "the stream is ended";
        case Outcome::removed: return "the ring was removed";
        case Outcome::too_long: return "the message is too long";
        case Outcome::interrupted: return "interrupted";
        case Outcome::corrupt: return "the ring is corrupt or was truncated";
        case Outcome::forked: return "the handle belongs to the parent process";
    }
    return "unknown outcome";
}

namespace detail {

Ring make_ring(const Geometry& geometry, std::byte* lines, std::byte* entries, std::byte* words, std::byte* times, std::byte* data) noexcept {
    Ring ring;
    ring.lines = reinterpret_cast<Lines*>(lines);
    ring.entries = reinterpret_cast<Entry*>(entries);
    ring.words = reinterpret_cast<std::atomic<u64>*>(words);
    ring.times = reinterpret_cast<std::atomic<u64>*>(times);
    ring.data = data;
    ring.capacity = geometry.capacity;
    ring.slots = geometry.slots;
    ring.mask = geometry.slots - 1;
    ring.slot_size = geometry.slot_size;
    ring.max_message = geometry.max_message;
    ring.lap_shift = static_cast<u32>(std::countr_zero(geometry.slots));
    ring.size_shift = std::has_single_bit(geometry.slot_size) ? static_cast<u32>(std::countr_zero(geometry.slot_size)) : 0;
    ring.participants = geometry.participants;
    ring.fixed = geometry.fixed;
    ring.one_producer = geometry.one_producer;
    ring.one_consumer = geometry.one_consumer;
    ring.timestamps = geometry.timestamps;
    ring.broadcast = geometry.broadcast;
    ring.overwrite = geometry.overwrite;
    ring.prefix = ring.fixed ? 0 : static_cast<u32>(message_header_bytes + (ring.timestamps ? message_time_bytes : 0));
    return ring;
}

void clear_entries(const Ring& ring) noexcept {
    for (u32 i = 0; i < ring.participants; ++i) ring.entries[i].claim_position.store(no_position, std::memory_order_relaxed);
}

void Core::touch() noexcept {
    me_->active_ns.store(wall_clock_ns(), std::memory_order_relaxed);
    touched_ = moved() + 1;
}

void Core::touch_last() noexcept {
    if (moved() > touched_) touch();
}

Outcome Core::fallen() noexcept {
    if (alert_.load(std::memory_order_relaxed) & alert_forked) return Outcome::forked;
    if (alert_.load(std::memory_order_relaxed) & alert_broken) return Outcome::corrupt;
    switch (peers_->standing()) {
        case Standing::attached: return Outcome::ok;
        case Standing::removed: return Outcome::removed;
        case Standing::corrupt: return Outcome::corrupt;
        case Standing::forked: return Outcome::forked;
    }
    return Outcome::corrupt;
}

// ---- producer -----------------------------------------------------------------------------------

ProducerCore::ProducerCore(const Ring& ring, Peers& peers, u32 entry, Waiting waiting) noexcept
    : Core(ring, peers, entry, waiting), special_(ring.timestamps || (ring.overwrite && !ring.fixed)) {
    if (ring.overwrite) alert_.fetch_or(alert_retire, std::memory_order_relaxed);
    next_ = ring_.lines->write_position.value.load(std::memory_order_acquire) & ~end_bit;
    messages_ = me_->pushed.load(std::memory_order_relaxed);
    bytes_ = me_->pushed_bytes.load(std::memory_order_relaxed);
}

Outcome ProducerCore::refuse_length() noexcept {
    const Outcome outcome = fallen();
    return outcome == Outcome::ok ? Outcome::too_long : outcome;
}

// Sets limit_ so that n slots fit, or says why not.
Outcome ProducerCore::look_for_room(u64 n, bool thorough) noexcept {
    limit_ = 0;
    if (thorough) peers_->inspect();
    if (const Outcome outcome = fallen(); outcome != Outcome::ok) return outcome;
    for (int tries = 0; tries < many_tries; ++tries) {
        const u64 t = ring_.lines->write_position.value.load(std::memory_order_acquire);
        if (t & end_bit) return Outcome::ended;
        const u64 f = ring_.broadcast ? released_by_all(ring_, *peers_, t + n > ring_.capacity ? t + n - ring_.capacity : 0)
                                      : ring_.lines->free_position.value.load(order::O2);
        if (static_cast<std::int64_t>(t - f) < 0) continue;  // t is stale: others pushed and consumed past it
        if (t - f > ring_.capacity) {
            if (ring_.broadcast) return Outcome::full;  // somebody is joining at a place that is gone, and will notice
            break;
        }
        if (ring_.one_producer) next_ = t;
        if (t + n - f <= ring_.capacity) {
            std::atomic_thread_fence(order::P9);  // before the first byte is written there
            limit_ = f + ring_.capacity;
            return Outcome::ok;
        }
        if (ring_.broadcast) return Outcome::full;  // consumers move their own positions, and repair at them
        advance_free(ring_);
        if (ring_.lines->free_position.value.load(std::memory_order_acquire) != f) continue;
        u64 abandoned = 0;
        const Repair repair = repair_at_read_position(ring_, *peers_, entry_, abandoned);
        add(me_->abandoned, abandoned);
        if (repair == Repair::corrupt) return Outcome::corrupt;
        if (repair == Repair::done) continue;
        return Outcome::full;
    }
    const Outcome outcome = fallen();
    return outcome == Outcome::ok ? Outcome::corrupt : outcome;
}

Outcome ProducerCore::take_slowly(u64 n, Deadline deadline) noexcept {
    if (ring_.overwrite) return take_overwriting(n, deadline);
    withdraw();  // an attempt that failed may have left its announcement
    const auto look = [&](bool thorough) noexcept {
        for (;;) {
            if (const Outcome outcome = look_for_room(n, thorough); outcome != Outcome::ok) return outcome;
            if (take(n)) {
                touch();
                return Outcome::ok;
            }
            withdraw();
        }
    };
    const auto seen_free = [&]() noexcept { return ring_.lines->free_position.value.load(order::O2); };
    const auto poll = [&]() noexcept { return static_cast<std::int64_t>(next_claim() + n - seen_free() - ring_.capacity) <= 0; };
    const auto quick = [&]() noexcept {
        if (limit_ == 0) return false;  // never looked, or told to stop
        if (ring_.broadcast) {
            if (look_for_room(n, false) != Outcome::ok) return false;
        } else {
            limit_ = seen_free() + ring_.capacity;
            std::atomic_thread_fence(order::P9);
        }
        if (take(n)) return true;
        withdraw();  // never sleep with a register that covers what somebody else has taken
        return false;
    };
    if (pace_.streaming() && deadline != no_wait) {
        const u64 t = next_claim();
        pace_.linger([&]() noexcept { return ring_.capacity - (t - seen_free()); });
    }
    Waiter waiter(*this, deadline, Outcome::full);
    const Outcome waited = waiter.wait(poll, quick, look, [&]() noexcept -> WaitWord& { return ring_.lines->room_wait; });
    if (waited == Outcome::ok && waiter.woken() && !ring_.one_producer)
        waiter.pass_on(ring_.lines->room_wait, [&]() noexcept { return ring_.pending() < ring_.capacity; });
    return waited;
}

// The whole of push, for every message and every ring.
Outcome ProducerCore::push_slowly(Bytes message, Deadline deadline) noexcept {
    const u64 n = slots_for(message.size());
    if (!take(n)) [[unlikely]] {
        if (const Outcome outcome = take_slowly(n, deadline); outcome != Outcome::ok) return outcome;
    }
    const u64 position = position_;
    std::byte* const at = ring_.slot(position);
    Ring::copy_bytes(at + ring_.prefix, message.data(), message.size());
    seal(position, at, message.size());
    return publish(position);
}

// Into the claim at position_. The local copy of the ring stays in registers, which *this cannot: the
// compiler must take every store into shared memory for one that may change it.
void ProducerCore::put_batch(std::span<const Bytes> messages) noexcept {
    const Ring ring = ring_;
    u64 p = position_, sequence = messages_, bytes = 0;
    for (const Bytes message : messages) {
        std::byte* const at = ring.slot(p);
        Ring::fetch_ahead<1>(at, message.size());
        Ring::copy_bytes(at + ring.prefix, message.data(), message.size());
        if (!ring.fixed) put_header(at, message.size(), sequence++);
        if (special_) stamp(p, at);
        bytes += message.size();
        p += ring.fixed ? 1 : ring.slots_for(message.size());
    }
    me_->pushed.store(messages_ += messages.size(), std::memory_order_relaxed);
    if (!ring.fixed) me_->pushed_bytes.store(bytes_ += bytes, std::memory_order_relaxed);
    // COMMIT, each in its turn: a kill in the middle leaves a prefix.
    if (ring.fixed) return ring.publish_run(position_, messages.size());
    p = position_;
    for (const Bytes message : messages) {
        ring.word(p).store(ring.lap_tag(p) | word_ready, order::P1);
        p += ring.slots_for(message.size());
    }
}

Pushed ProducerCore::push(std::span<const Bytes> messages, Deadline deadline) noexcept {
    std::size_t pushed = 0;
    if (ring_.overwrite) {  // there a claim is one message: losses are counted in claims
        for (; pushed < messages.size(); ++pushed)
            if (const Outcome outcome = push(messages[pushed], deadline); outcome != Outcome::ok) return {outcome, pushed};
        return {Outcome::ok, pushed};
    }
    while (pushed < messages.size()) {
        if (!fits(messages[pushed].size())) return {refuse_length(), pushed};
        // Claim what certainly fits now; where not even one does, the first waits for its room alone.
        u64 room = 0;
        if (const u64 at = next_claim(); at < limit_) room = limit_ - at;
        u64 n = slots_for(messages[pushed].size());
        std::size_t end = pushed + 1;
        for (; end < messages.size() && fits(messages[end].size()); ++end) {
            const u64 more = slots_for(messages[end].size());
            if (n + more > room) break;
            n += more;
        }
        if (!take(n)) {
            // Others were faster, or limit_ is old: look, and count again with what is found.
            n = slots_for(messages[pushed].size());
            withdraw();
            if (const u64 before = limit_; look_for_room(n, false) == Outcome::ok && limit_ != before) {
                touch();
                continue;
            }
            end = pushed + 1;
            if (const Outcome outcome = take_slowly(n, deadline); outcome != Outcome::ok) return {outcome, pushed};
        }
        put_batch(messages.subspan(pushed, end - pushed));
        withdraw();
        pushed = end;
        if (const Outcome outcome = wake(); outcome != Outcome::ok) return {outcome, pushed};
    }
    return {Outcome::ok, pushed};
}

// Room for `count` messages of `size` bytes, or for as many as fit now: at least one.
ClaimBatch ProducerCore::claim_batch(std::size_t count, std::size_t size, Deadline deadline) noexcept {
    if (!fits(size)) return ClaimBatch(refuse_length());
    if (count == 0) return ClaimBatch(Outcome::too_long);
    const u64 each = slots_for(size), most = ring_.overwrite ? 1 : ring_.fixed ? ring_.slots - 1 : ring_.capacity / each;
    u64 n = each * std::min<u64>(count, std::max<u64>(most, 1));
    if (ring_.overwrite) {
        if (const Outcome outcome = take_overwriting(n, deadline); outcome != Outcome::ok) return ClaimBatch(outcome);
    } else if (!take(n)) {
        withdraw();
        const u64 at = look_for_room(each, false) == Outcome::ok ? ring_.lines->write_position.value.load(std::memory_order_relaxed) : limit_;
        n = std::min<u64>(n, at < limit_ ? (limit_ - at) / each * each : 0);
        if (n && take(n)) touch();
        else if (const Outcome outcome = take_slowly(n = each, deadline); outcome != Outcome::ok) return ClaimBatch(outcome);
    }
    return ClaimBatch(this, position_, position_ + n);
}

// COMMIT, each in its turn: a kill in the middle leaves a prefix.
Outcome ProducerCore::commit_batch(u64 begin, u64 used_end, u64 claimed_end, u64 messages, u64 bytes) noexcept {
    if (used_end != claimed_end) drop_tail(begin, used_end - begin, claimed_end - begin);
    me_->pushed.store(messages_ += messages, std::memory_order_relaxed);
    if (!ring_.fixed) me_->pushed_bytes.store(bytes_ += bytes, std::memory_order_relaxed);
    const Ring ring = ring_;  // in registers, as in put_batch
    if (ring.fixed) {
        ring.publish_run(begin, used_end - begin);
    } else {
        for (u64 p = begin; p < used_end;) {
            const u64 n = ring.slots_for(std::min(ring.length_at(p), ring.max_message));
            ring.word(p).store(ring.lap_tag(p) | word_ready, order::P1);
            p += n;
        }
    }
    withdraw();
    return wake();
}

void ProducerCore::abandon_batch(u64 begin, u64 claimed_end) noexcept {
    retire_to_ = 0;  // nothing came, so nothing goes
    drop_tail(begin, 0, claimed_end - begin);
    withdraw();
    wake();
}

void ProducerCore::abandon(u64 position, std::size_t claimed) noexcept {
    const u64 n = slots_for(claimed);
    retire_to_ = 0;
    drop_tail(position, 0, n);
    withdraw();
    wake();
}

// Slot by slot, as a repairer would: nobody needs to know how long the claim was.
void ProducerCore::drop_tail(u64 position, u64 used, u64 claimed) noexcept {
    for (u64 p = position + used; p < position + claimed; ++p)
        ring_.word(p).store(ring_.lap_tag(p) | word_abandoned, std::memory_order_release);
    add(me_->abandoned, claimed - used);
}

Outcome ProducerCore::end() noexcept {
    if (const Outcome outcome = fallen(); outcome != Outcome::ok) return outcome;
    ring_.lines->write_position.value.fetch_or(end_bit, std::memory_order_acq_rel);
    limit_ = 0;
    wake_all(ring_.lines->data_wait);
    wake_all(ring_.lines->room_wait);
    return Outcome::ok;
}

void ProducerCore::stamp(u64 position, std::byte* at) noexcept {
    if (ring_.overwrite && !ring_.fixed) std::memcpy(at + offsetof(MessageHeader, sequence), &ordinal_, sizeof ordinal_);
    if (!ring_.timestamps) return;
    const u64 now = wall_clock_ns();
    if (ring_.fixed) ring_.times[position & ring_.mask].store(now, std::memory_order_relaxed);
    else std::memcpy(at + message_header_bytes, &now, sizeof now);
}

Outcome ProducerCore::wake_slowly() noexcept {
    const u32 alert = alert_.load(std::memory_order_relaxed);
    if (alert & (alert_broken | alert_forked)) {
        limit_ = 0;
        return fallen();
    }
    if (alert & alert_retire) retire();
    // Removed meanwhile: what was committed can still be drained; the next push is told.
    if (wake_after_commit(ring_.lines->data_wait, alert & alert_fence) && peers_->standing() != Standing::attached) limit_ = 0;
    return Outcome::ok;
}

// ---- consumer -----------------------------------------------------------------------------------

ConsumerCore::ConsumerCore(const Ring& ring, Peers& peers, u32 entry, Waiting waiting, From from, std::unique_ptr<std::byte[]> copy) noexcept
    : Core(ring, peers, entry, waiting), cursors_(ring.broadcast || ring.overwrite), copy_(std::move(copy)) {
    next_ = ring_.lines->read_position.value.load(std::memory_order_acquire);
    messages_ = me_->popped.load(std::memory_order_relaxed);
    bytes_ = me_->popped_bytes.load(std::memory_order_relaxed);
    if (cursors_) join(from);
}

// A look at the registers asks the kernel about live owners. One who polls in a loop would do nothing
// else: where the last look found a live owner, the next is due a little later.
bool ConsumerCore::due(u64 position) const noexcept {
    using namespace std::chrono_literals;
    if (position != searched_) return true;
    return Clock::now() - searched_at_ > 1ms;
}

void ConsumerCore::found_held(u64 position) noexcept { searched_ = position, searched_at_ = Clock::now(); }

// Waits a moment at a position where the word `hole` was found: as a rule its producer is about to fill it.
bool ConsumerCore::filled(u64 position, u64 hole, u32 pauses) const noexcept {
    for (; ring_.word(position).load(std::memory_order_relaxed) == hole; --pauses) {
        if (pauses == 0) return false;
        pause_briefly();
    }
    return true;
}

// Takes over what a dead consumer held. The register first: if we die after the CAS, the next one sees
// that nobody holds it.
bool ConsumerCore::take_over() noexcept {
    Orphan orphan;
    const u64 f = ring_.lines->free_position.value.load(std::memory_order_relaxed);
    if (!due(f)) return false;
    for (int tries = 0; tries < many_tries; ++tries) {
        switch (find_orphan(ring_, *peers_, entry_, orphan)) {
            case Repair::held: found_held(f); return false;
            case Repair::nothing: advance_free(ring_); return false;
            case Repair::corrupt: alert_.fetch_or(alert_broken, std::memory_order_relaxed); return false;
            case Repair::done: break;
        }
        if (!orphan.slots) continue;
        announce(orphan.position, orphan.slots);
        const u64 taken = word_next_attempt(orphan.word);
        if (ring_.word(orphan.position).compare_exchange_strong(orphan.word, taken, std::memory_order_acq_rel, std::memory_order_relaxed)) {
            held_ = {orphan.position, orphan.size, orphan.slots, taken};
            add(me_->redelivered, 1);
            return true;
        }
        withdraw();
    }
    return false;
}

// ok: something is held. empty: nothing to read here now. Else the reason.
Outcome ConsumerCore::look_at_read_position() noexcept {
    for (int tries = 0; tries < many_tries; ++tries) {
        const u64 h = ring_.lines->read_position.value.load(std::memory_order_acquire);
        next_ = h;
        u64 word = ring_.word(h).load(order::O1);
        const u64 w = ring_.lines->write_position.value.load(std::memory_order_acquire) & ~end_bit;
        if (ring_.ready(word, h)) {
            const u64 size = ring_.length_at(h);
            if (ring_.bounded(size) && static_cast<std::int64_t>(w - h) >= static_cast<std::int64_t>(ring_.fixed ? 1 : ring_.slots_for(size))) {
                ready_until_ = h;  // whatever was believed before
                if (read(held_, no_wait)) return Outcome::ok;
                withdraw();
                continue;
            }
            std::atomic_thread_fence(order::O9);
            if (ring_.lines->read_position.value.load(std::memory_order_acquire) != h) continue;
            return Outcome::corrupt;
        }
        if (w == h) return Outcome::empty;
        if (ring_.age(word, h) < 0) {
            if (filled(h, word, 200)) continue;
            if (!due(h)) return Outcome::empty;
        }
        u64 abandoned = 0;
        const Repair repair = repair_at_read_position(ring_, *peers_, entry_, abandoned);
        add(me_->abandoned, abandoned);
        if (repair == Repair::corrupt) return Outcome::corrupt;
        if (repair == Repair::held) {
            found_held(h);
            return Outcome::empty;
        }
    }
    return Outcome::corrupt;
}

Outcome ConsumerCore::look(bool thorough) noexcept {
    if (thorough) {
        peers_->inspect();
        searched_ = no_position;
    }
    Outcome standing = fallen();
    if (standing == Outcome::corrupt || standing == Outcome::forked) {
        fast_ = false;
        return standing;
    }
    if (!fast_ && take_over()) return Outcome::ok;  // all of it first, so that order is kept where it can be
    fast_ = true;
    Outcome outcome = look_at_read_position();
    if (outcome != Outcome::empty) {
        if (outcome != Outcome::ok) {
            alert_.fetch_or(alert_broken, std::memory_order_relaxed);
            fast_ = false;
        }
        return outcome;
    }
    const u64 t = ring_.lines->write_position.value.load(std::memory_order_acquire);
    const u64 w = t & ~end_bit;
    if (ring_.lines->free_position.value.load(std::memory_order_acquire) != w) {
        if (take_over()) return Outcome::ok;
        if (standing = fallen(); standing == Outcome::corrupt || standing == Outcome::forked) return standing;
    }
    // Drained only when nobody holds anything any more, and nobody can push behind the end bit.
    if (const u64 f = ring_.lines->free_position.value.load(std::memory_order_acquire); f != w) {
        // Nothing is freed that was not written before: it is not that others were fast.
        if (static_cast<std::int64_t>((ring_.lines->write_position.value.load(std::memory_order_acquire) & ~end_bit) - f) >= 0) return Outcome::empty;
        alert_.fetch_or(alert_broken, std::memory_order_relaxed);
        fast_ = false;
        return Outcome::corrupt;
    }
    if (t & end_bit) return Outcome::ended;
    if (standing == Outcome::removed && ring_.lines->write_position.value.load(std::memory_order_acquire) == t) return Outcome::removed;
    return Outcome::empty;
}

Outcome ConsumerCore::read_slowly(Deadline deadline) noexcept {
    if (cursors_) return read_at_cursor(deadline);
    withdraw();  // an attempt that failed may have left its announcement
    const auto look = [&](bool thorough) noexcept {
        const Outcome outcome = this->look(thorough);
        if (outcome == Outcome::ok) touch();
        return outcome;
    };
    const auto poll = [&]() noexcept { return ring_.arrived(next_read()); };
    const auto quick = [&]() noexcept {
        if (read(held_, no_wait)) return true;
        withdraw();  // never sleep with a register that covers what somebody else has taken
        return false;
    };
    Waiter waiter(*this, deadline, Outcome::empty);
    // With the stream ended nothing more will come: what is waited for is that others finish, and that
    // is told where room is told.
    const auto word = [&]() noexcept -> WaitWord& { return ring_.ended() ? ring_.lines->room_wait : ring_.lines->data_wait; };
    const Outcome waited = waiter.wait(poll, quick, look, word);
    if (waited == Outcome::ok && waiter.woken() && !ring_.one_consumer) {
        waiter.pass_on(ring_.lines->data_wait, [&]() noexcept {
            const u64 h = ring_.lines->read_position.value.load(std::memory_order_acquire);
            return ring_.age(ring_.word(h).load(std::memory_order_acquire), h) >= 0;
        });
    }
    if (waited == Outcome::ended) wake_all(ring_.lines->room_wait);
    return waited;
}

Message ConsumerCore::pop_slowly(Deadline deadline) noexcept {
    if (const Outcome outcome = read_slowly(deadline); outcome != Outcome::ok) return Message(outcome);
    if (cursors_) return Message(this, held_data(), held_, Message::Held::at_cursor);
    return Message(this, ring_.slot(held_.position) + ring_.prefix, held_, Message::Held::claimed);
}

Copied ConsumerCore::pop_slowly(std::span<std::byte> buffer, Deadline deadline) noexcept {
    Message message = pop_slowly(deadline);
    if (!message) return {message.outcome(), 0, 0, false};
    Copied copied{Outcome::too_long, message.bytes().size(), message.position(), message.redelivered()};
    if (copied.size <= buffer.size()) {
        Ring::copy_bytes(buffer.data(), message.bytes().data(), copied.size);
        copied.outcome = message.release();
    }
    return copied;
}

Batch ConsumerCore::pop_batch(std::size_t most, Deadline deadline) noexcept {
    if (most == 0) return Batch(Outcome::empty);
    released_ = released_bytes_ = 0;
    if (cursors_) return batch_at_cursor(most, deadline);
    if (!fast_) {
        if (const Outcome outcome = read_slowly(deadline); outcome != Outcome::ok) return Batch(outcome);
        return Batch(this, held_, 1);
    }
    const Ring ring = ring_;  // in registers, as in put_batch
    const u64 most_slots = std::max<u64>(1, ring.capacity / 4);
    u64 h = next_read();
    keep_distance(h, deadline);
    for (;;) {
        u64 p = h, bytes = 0;
        std::size_t count = 0;
        if (ring.fixed) {
            count = ring.ready_run(h, std::min<u64>(most, most_slots));
            p += count, bytes = count * ring.slot_size;
        } else {
            for (; count < most && ring.ready(ring.word(p).load(order::O1), p); ++count) {
                const u64 size = ring.length_at(p);
                if (!ring.bounded(size)) break;
                const u64 n = ring.slots_for(size);
                if (count && p + n - h > most_slots) break;
                Ring::fetch_ahead<0>(ring.slot(p), size);
                p += n;
                bytes += size;
            }
        }
        if (count == 0) break;
        if (count < most) pace_.caught_up();
        announce(h, p - h);
        if (ring_.one_consumer) {
            ring_.lines->read_position.value.store(p, order::P5);
            next_ = p;
        } else if (!ring_.lines->read_position.value.compare_exchange_weak(h, p, order::P5_cas, std::memory_order_relaxed)) {
            continue;
        }
        return Batch(this, {h, bytes, p - h, 0}, count);
    }
    if (const Outcome outcome = read_slowly(deadline); outcome != Outcome::ok) return Batch(outcome);
    return Batch(this, held_, 1);
}

void ConsumerCore::commit_out_of_order(u64 position) noexcept {
    auto& word = ring_.word(position);
    const u64 ready = word.load(std::memory_order_relaxed);
    word.store((ready & ~word_state_mask) | word_done, order::P2);  // COMMIT
    withdraw();
    advance_free(ring_);
}

Outcome ConsumerCore::release_batch(u64 position, u64 slots, std::size_t messages, u64 bytes) noexcept {
    if (cursors_) return release_at_cursor(position, slots, messages - released_, bytes - released_bytes_);
    if (ring_.timestamps) {
        const u64 p = first_held(position, position + slots);
        if (p != position + slots) note_delay(p);
    }
    auto& free_position = ring_.lines->free_position.value;
    // Where some were released singly, others may move free_position meanwhile: only words will do.
    if (!released_ && free_position.load(order::O2) == position) {
        free_position.store(position + slots, order::P2);  // COMMIT of all
        withdraw();
        if (finished(position + slots)) advance_free(ring_);
    } else {
        for (u64 p = position, end = position + slots; static_cast<std::int64_t>(end - (p = first_held(p, end))) > 0;) {
            const u64 size = ring_.length_at(p);
            if (!ring_.bounded(size)) break;  // forged since it was claimed
            auto& word = ring_.word(p);
            word.store((word.load(std::memory_order_relaxed) & ~word_state_mask) | word_done, order::P2);  // COMMIT
            p += ring_.fixed ? 1 : ring_.slots_for(size);
        }
        withdraw();
        advance_free(ring_);
    }
    count(messages - released_, bytes - released_bytes_);
    return done();
}

// What was released singly may be freed by anybody and its room be used again, so its length is
// believed only if it is not freed after.
u64 ConsumerCore::first_held_slowly(u64 p, u64 end) const noexcept {
    if (cursors_) return std::min(std::max(p, next_), end);
    // Differences, not values: a forged position may lie where the numbers come round.
    while (static_cast<std::int64_t>(end - p) > 0) {
        const bool held = ring_.ready(ring_.word(p).load(std::memory_order_acquire), p);
        const u64 size = ring_.length_at(p);
        std::atomic_thread_fence(order::O9);
        const u64 f = ring_.lines->free_position.value.load(std::memory_order_acquire);
        if (static_cast<std::int64_t>(f - p) > 0) {
            p = f;
        } else if (held) {
            return p;
        } else {
            if (!ring_.bounded(size)) return end;  // forged
            p += ring_.fixed ? 1 : ring_.slots_for(size);
        }
    }
    return end;
}

void ConsumerCore::release_in_batch(u64 position, u64 size, u64 slots) noexcept {
    if (cursors_) {
        if (!own_cursor() || position != next_) return;  // not before all in front of it
        ++released_, released_bytes_ += size;
        release_at_cursor(position, slots, 1, size);
        lost_ = 0;  // counted
        return;
    }
    if (ring_.timestamps) note_delay(position);
    auto& word = ring_.word(position);
    word.store((word.load(std::memory_order_relaxed) & ~word_state_mask) | word_done, order::P2);  // COMMIT
    ++released_, released_bytes_ += size;
    count(1, size);
}

u64 ConsumerCore::time_at(u64 position) const noexcept {
    return copy_ ? copied_time_ : ring_.time_at(position);
}

// How long the message was in the ring. Of several released at once the oldest is noted.
void ConsumerCore::note_delay(u64 position) noexcept {
    const u64 now = wall_clock_ns(), pushed = time_at(position);
    me_->delay_ns.store(now > pushed ? now - pushed : 1, std::memory_order_relaxed);  // 0: none yet; the clock may have been set back
    me_->delay_at_ns.store(now, std::memory_order_relaxed);
}

// Whatever was not committed stays READY without a register: the walk for orphans finds it.
void ConsumerCore::hand_back() noexcept {
    if (cursors_) return;  // nothing was taken
    withdraw();
    fast_ = false;  // our own next look begins with it
    advance_free(ring_);
    wake_one(ring_.lines->data_wait);
    done();
}

Outcome ConsumerCore::wake_slowly() noexcept {
    const u32 alert = alert_.load(std::memory_order_relaxed);
    if (alert & (alert_broken | alert_forked)) {
        fast_ = false;
        return fallen();
    }
    wake_after_commit(ring_.lines->room_wait, alert & alert_fence);
    return Outcome::ok;
}

}  // namespace detail

std::span<std::byte> ClaimBatch::next_slowly(std::size_t size) noexcept {
    std::uint64_t slots = 0;
    const auto place = core_ ? core_->place(next_, end_ - next_, count_, size, slots) : std::span<std::byte>();
    if (place.data()) {
        next_ += slots;
        if (!core_->ring().fixed) ++count_, bytes_ += size;
    }
    return place;
}

// ---- what a message knows -----------------------------------------------------------------------

std::uint64_t Message::time_ns() const noexcept {
    return core_ ? core_->time_at(position_) : 0;
}

std::uint64_t Message::sequence() const noexcept {
    if (!core_ || core_->ring().fixed) return position_;
    detail::MessageHeader header;
    std::memcpy(&header, data_ - core_->ring().prefix, sizeof header);
    return header.sequence;
}

std::uint32_t Message::producer() const noexcept {
    if (!core_ || core_->ring().fixed) return 0;
    detail::MessageHeader header;
    std::memcpy(&header, data_ - core_->ring().prefix, sizeof header);
    return header.producer;
}

std::uint64_t Message::lost() const noexcept { return core_ ? core_->lost_ : 0; }

Bytes Batch::array() const noexcept {
    if (!core_ || !core_->ring().fixed) return {};
    return {core_->ring().overwrite ? core_->held_data() : core_->ring().slot(position_), slots_ * core_->ring().slot_size};
}

Outcome Batch::release() noexcept {
    if (!core_) return outcome_;
    return std::exchange(core_, nullptr)->release_batch(position_, slots_, count_, bytes_);
}

}  // namespace shmq
