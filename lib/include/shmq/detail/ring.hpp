// The ring over a span of shared bytes: claim, commit, read, release. It knows no files.
//
// The promise that nothing is lost or stuck rests on one order, the same for both sides:
//
//   announce (register) -> take (move the position) -> work -> COMMIT (one store) -> withdraw
//
// so a taken, uncommitted range that no live participant's register covers belongs to nobody, and
// whoever meets it may repair it with a CAS on a lap-tagged word (recovery.cpp has the argument).
//
//   push   t = write_position, room checked; register = (t, n); write_position t -> t+n;
//          header, payload; word[t] = READY                                   <- commit
//   pop    h = read_position, word[h] READY; register = (h, n); read_position h -> h+n;
//          use; free_position h -> h+n where free_position == h, else word[h] = DONE  <- commit
//
// A consumer that holds the oldest message commits by moving free_position past it: nobody else can
// move it while word[h] is READY, so a plain store will do, and the word's line stays the producer's.
// One that finishes out of order writes DONE, and whoever comes by moves free_position over it.
// A single side stores its position instead of a CAS, and differs in nothing else.
//
// Broadcast rings have a reading position for each consumer and overwrite rings never wait: cursor.cpp
// tells how, and why that is right. Producers claim and commit there as everywhere.
//
// Memory orders come in named pairs: orders.hpp.
#pragma once

#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include <shmq/detail/layout.hpp>
#include <shmq/detail/orders.hpp>
#include <shmq/detail/pace.hpp>

namespace shmq {

using Bytes = std::span<const std::byte>;
using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;
inline constexpr Deadline forever = Deadline::max();
inline constexpr Deadline no_wait = Deadline::min();

enum class Outcome : std::uint8_t {
    ok,
    full,         // no_wait and no room
    empty,        // no_wait and no message
    timed_out,    // the deadline passed
    ended,        // push: the stream is ended; pop: and all of it consumed
    removed,      // the ring was removed; pop: and is drained
    too_long,     // longer than the ring (or max_message, or the buffer) takes; fixed: not slot_size
    interrupted,  // interrupt() was called
    corrupt,      // the segment's content or size is not a ring's any more
    forked,       // this handle belongs to the parent process
};
const char* describe(Outcome outcome) noexcept;

enum class From : std::uint8_t { oldest, newest };  // where a consumer of a broadcast ring begins

enum class Waiting : std::uint8_t { adaptive, block, spin };  // spin briefly then sleep; sleep; spin

// What a Watcher waits for.
enum class Condition : std::uint8_t {
    empty,     // no message is in the ring, those that consumers hold included
    nonempty,  // a whole message is
    full,      // no slot is free
    reader,    // a live consumer is attached
    writer,    // a live producer is
    ended,     // no message will follow
};

struct [[nodiscard]] Pushed {
    Outcome outcome;
    std::size_t count;  // messages committed
    explicit operator bool() const noexcept { return outcome == Outcome::ok; }
};

struct [[nodiscard]] Copied {
    Outcome outcome;
    std::size_t size;  // of the message, also where the buffer is too small for it
    std::uint64_t position;
    bool redelivered;
    explicit operator bool() const noexcept { return outcome == Outcome::ok; }
};

namespace detail {

// Since 1970. Deadlines and waits go by Clock.
inline u64 wall_clock_ns() noexcept {
    using namespace std::chrono;
    return static_cast<u64>(duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count());
}

// How this process stands to its ring. Asked on slow paths only.
enum class Standing { attached, removed, corrupt, forked };

// What the end of every operation looks at besides the wait word. Set at once by a signal or fork handler.
enum Alert : u32 {
    alert_broken = 1,  // a fault under this mapping was patched over: whatever was done since is void
    alert_forked = 2,  // this is the child; the mapping is a dummy
    alert_fence = 4,   // this process could not register for membarrier and must fence itself
    alert_retire = 8,  // always set in overwrite rings: after a commit the oldest message goes
};

// What the ring must ask about others: who is alive, and is the ring still there.
class Peers {
public:
    virtual bool alive(u32 entry) noexcept = 0;  // by proof, never by time-out
    virtual Standing standing() noexcept = 0;    // cheap: flags only
    virtual Standing inspect() noexcept = 0;     // also looks at the file's name
protected:
    ~Peers() = default;
};

// One process's view of a ring: addresses in its own mapping, and the geometry as copied out of the
// header and checked. Nothing here is read from shared memory again.
struct Ring {
    Lines* lines = nullptr;
    Entry* entries = nullptr;
    std::atomic<u64>* words = nullptr;
    std::atomic<u64>* times = nullptr;
    std::byte* data = nullptr;
    u64 capacity = 0, slots = 0, mask = 0, slot_size = 0, max_message = 0;
    u32 lap_shift = 0;     // slots == 1 << lap_shift
    u32 size_shift = 0;    // slot_size == 1 << size_shift, or 0 where it is no power of two
    u32 prefix = 0;        // bytes before the payload: 0 (fixed), 16, 24
    u32 participants = 0;
    bool fixed = false, one_producer = false, one_consumer = false, timestamps = false, broadcast = false, overwrite = false;

    u64 lap_tag(u64 position) const noexcept { return ((position >> lap_shift) + 1) << 16; }
    std::atomic<u64>& word(u64 position) const noexcept { return words[position & mask]; }
    std::byte* slot(u64 position) const noexcept { return data + (position & mask) * slot_size; }
    // Is this word READY for that position's lap, whatever the attempt?
    bool ready(u64 word, u64 position) const noexcept { return (word & ~word_attempt_mask) == (lap_tag(position) | word_ready); }
    // Fixed rings: how many messages are READY from there on, to the end of the memory at most.
    u64 ready_run(u64 position, u64 most) const noexcept {
        const std::atomic<u64>* const first = &word(position);
        const u64 expected = lap_tag(position) | word_ready, left = slots - (position & mask);
        u64 n = 0;
        for (const u64 end = most < left ? most : left; n < end && (first[n].load(order::O1) & ~word_attempt_mask) == expected;) ++n;
        return n;
    }
    // Fixed rings: COMMIT of so many messages, each in its turn.
    void publish_run(u64 position, u64 count) const noexcept {
        while (count) {
            const u64 left = slots - (position & mask), n = count < left ? count : left, ready = lap_tag(position) | word_ready;
            std::atomic<u64>* const first = &word(position);
            for (u64 i = 0; i < n; ++i) first[i].store(ready, order::P1);
            position += n, count -= n;
        }
    }
    // Less than 0: the word is of an older lap, so nothing was committed there yet.
    std::int64_t age(u64 word, u64 position) const noexcept { return static_cast<std::int64_t>((word & word_lap_mask) - lap_tag(position)); }

    // Lines that are needed soon, fetched while the copying of others goes on: one after the other they
    // would each cost a trip to the other core's cache. The address may lie beyond the mapping.
    static constexpr std::size_t far_ahead = 2048;
    template <int for_writing>
    static void fetch_ahead(const std::byte* at, u64 bytes) noexcept {
        for (u64 i = 0; i < bytes && i < far_ahead; i += 64) __builtin_prefetch(at + far_ahead + i, for_writing);
    }

    // Is anything committed at a position? Whoever waits for that fetches the beginning of the message each time it
    // looks: then that comes along with the word, and not one trip to the other core's cache later.
    bool arrived(u64 position) const noexcept {
        __builtin_prefetch(slot(position));
        if (!fixed || slot_size > 64) __builtin_prefetch(slot(position) + 64);
        return age(word(position).load(std::memory_order_relaxed), position) >= 0;
    }

    // A payload into its place. Short ones 16 bytes at a time: behind a header of 16 bytes each of the widest
    // stores that memcpy has would lie across two lines, and wait for both to come from the other side's cache.
    static constexpr std::size_t short_payload = 128;
    static bool is_short(std::size_t bytes) noexcept { return (bytes >= 16 && bytes <= short_payload) || bytes == 8; }
    static void copy_short(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
        if (bytes == 8) return static_cast<void>(std::memcpy(to, from, 8));
        if (bytes <= 32) return copy_ends<1>(to, from, bytes);
        if (bytes <= 64) return copy_ends<2>(to, from, bytes);
        copy_ends<4>(to, from, bytes);
    }
    // 16 * pieces bytes from the front and as many up to the end; they may overlap.
    template <int pieces>
    static void copy_ends(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
        for (int i = 0; i < pieces; ++i) std::memcpy(to + 16 * i, from + 16 * i, 16);
        for (int i = pieces; i > 0; --i) std::memcpy(to + bytes - 16 * i, from + bytes - 16 * i, 16);
    }
    static void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
        if (is_short(bytes)) copy_short(to, from, bytes);
        else if (bytes) std::memcpy(to, from, bytes);  // `from` may be null where there is nothing
    }

    // Slots that a message takes. A length beyond max_message must have been refused before.
    u64 slots_for(u64 length) const noexcept {
        const u64 to_next = length + prefix + slot_size - 1;
        const u64 n = size_shift ? to_next >> size_shift : to_next / slot_size;
        return n ? n : 1;
    }

    // What lies at a position: its length as found there, not to be trusted before bounded().
    // Often read before it is certain that the slot is still this message's, and then believed only if
    // it was: ThreadSanitizer need not report that.
    [[gnu::no_sanitize_thread]] u64 length_at(u64 position) const noexcept {
        if (fixed) return slot_size;
        // Volatile: loaded once. Loaded again by the compiler after it was found bounded, a hostile peer
        // could have made it another.
        return *reinterpret_cast<const volatile u32*>(slot(position));
    }
    bool bounded(u64 length) const noexcept { return length <= max_message; }
    // When the message there was pushed; 0: no timestamps.
    u64 time_at(u64 position) const noexcept {
        if (!timestamps) return 0;
        if (fixed) return times[position & mask].load(std::memory_order_relaxed);
        u64 time;
        std::memcpy(&time, slot(position) + message_header_bytes, sizeof time);
        return time;
    }

    // Where the oldest message lies that somebody may still get.
    u64 oldest() const noexcept {
        const u64 f = lines->free_position.value.load(std::memory_order_acquire);
        if (!overwrite || broadcast) return f;
        const u64 h = lines->read_position.value.load(std::memory_order_acquire);
        return h > f ? h : f;
    }
    u64 pending() const noexcept { return pending_from(oldest()); }
    u64 pending_from(u64 from) const noexcept {
        const u64 used = (lines->write_position.value.load(std::memory_order_acquire) & ~end_bit) - from;
        return static_cast<std::int64_t>(used) < 0 ? 0 : used < capacity ? used : capacity;
    }
    bool ended() const noexcept { return lines->write_position.value.load(std::memory_order_acquire) & end_bit; }
    // Entries of the table that were ever taken. The rest need not be looked at.
    u32 entries_used() const noexcept {
        const u32 used = lines->events.entries_used.load(std::memory_order_acquire);
        return used < participants ? used : participants;
    }
};

struct Geometry {
    u64 capacity, slots, slot_size, max_message;
    u32 participants;
    bool fixed, one_producer, one_consumer, timestamps, broadcast = false, overwrite = false;
};
// The view of freshly zeroed or checked memory; the caller owns the arithmetic of offsets.
Ring make_ring(const Geometry& geometry, std::byte* lines, std::byte* entries, std::byte* words, std::byte* times, std::byte* data) noexcept;
void clear_entries(const Ring& ring) noexcept;  // a new segment: every register says "none"

// The state that both sides share: whose entry, how to wait, and how they stand.
class Core {
public:
    Core(const Ring& ring, Peers& peers, u32 entry, Waiting waiting) noexcept
        : ring_(ring), me_(&ring.entries[entry]), peers_(&peers), entry_(entry), waiting_(waiting), pace_(ring.capacity, ring.slot_size, waiting != Waiting::block) {}
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    u64 pending() const noexcept { return ring_.pending(); }
    const Ring& ring() const noexcept { return ring_; }
    u32 entry() const noexcept { return entry_; }
    Waiting waiting() const noexcept { return waiting_; }
    Peers& peers() const noexcept { return *peers_; }
    void touch_last() noexcept;  // when leaving: if messages were moved since the last touch
    void interrupt() noexcept { interrupted_.store(true, std::memory_order_relaxed); }
    std::atomic<u32>& alert() noexcept { return alert_; }

protected:
    friend class Waiter;
    void announce(u64 position, u64 slots) noexcept {
        if (slots != announced_slots_) me_->claim_slots.store(announced_slots_ = slots, std::memory_order_relaxed);
        me_->claim_position.store(position, std::memory_order_release);
    }
    void withdraw() noexcept { me_->claim_position.store(no_position, order::P4); }
    u64 moved() const noexcept { return me_->pushed.load(std::memory_order_relaxed) + me_->popped.load(std::memory_order_relaxed); }
    // One of our own counts, which nobody else changes.
    static void add(std::atomic<u64>& count, u64 more) noexcept {
        if (more) count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }
    void touch() noexcept;  // this participant is at work now; on slow paths, the clock costs
    // Outcome of a standing other than attached.
    Outcome fallen() noexcept;

    Ring ring_;
    Entry* me_;
    Peers* peers_;
    u64 announced_slots_ = 0;
    u32 entry_;
    Waiting waiting_;
    u32 spin_ = 0;         // how long spinning last paid off: what `adaptive` adapts
    Pace pace_;
    u64 waited_at_ = 0;    // as many messages when it last waited
    std::atomic<u32> alert_{0};
    std::atomic<bool> interrupted_{false};
    u64 touched_ = moved();  // as many messages when touch() was called, and the one it was about
};

class ProducerCore;
class ConsumerCore;

// What a consumer holds. `word`: as it was found there; 0: what was never claimed before is at its first attempt.
struct Hold {
    u64 position = 0, size = 0, slots = 0, word = 0;
};

// Moves free_position over what is done or abandoned, never past read_position; both sides do it.
void advance_free(const Ring& ring) noexcept;

}  // namespace detail

// Room for one message, in place. Moves; must not outlive its handle.
class [[nodiscard]] Claim {
public:
    Claim(Claim&& other) noexcept : core_(std::exchange(other.core_, nullptr)), data_(other.data_), size_(other.size_), position_(other.position_), outcome_(other.outcome_) {}
    Claim& operator=(Claim&& other) noexcept {
        if (this != &other) {
            abandon();
            core_ = std::exchange(other.core_, nullptr), data_ = other.data_, size_ = other.size_, position_ = other.position_, outcome_ = other.outcome_;
        }
        return *this;
    }
    ~Claim() { abandon(); }
    explicit operator bool() const noexcept { return core_ != nullptr; }
    Outcome outcome() const noexcept { return outcome_; }
    std::span<std::byte> bytes() const noexcept { return {data_, size_}; }
    std::uint64_t position() const noexcept { return position_; }
    Outcome commit() noexcept { return commit(size_); }
    Outcome commit(std::size_t used) noexcept;  // REQUIRES: used <= bytes().size(); fixed rings: equal
    void abandon() noexcept;                    // nothing of it will be seen; others are not held up

private:
    friend class detail::ProducerCore;
    explicit Claim(Outcome outcome) noexcept : outcome_(outcome) {}
    Claim(detail::ProducerCore* core, std::byte* data, std::size_t size, std::uint64_t position) noexcept
        : core_(core), data_(data), size_(size), position_(position), outcome_(Outcome::ok) {}
    detail::ProducerCore* core_ = nullptr;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::uint64_t position_ = 0;
    Outcome outcome_;
};

// Room for several messages under one claim, filled in place one after the other and published together.
class [[nodiscard]] ClaimBatch {
public:
    ClaimBatch(ClaimBatch&& other) noexcept { *this = std::move(other); }
    ClaimBatch& operator=(ClaimBatch&& other) noexcept {
        if (this != &other) {
            abandon();
            core_ = std::exchange(other.core_, nullptr), begin_ = other.begin_, next_ = other.next_, end_ = other.end_, count_ = other.count_, bytes_ = other.bytes_, outcome_ = other.outcome_;
        }
        return *this;
    }
    ~ClaimBatch() { abandon(); }
    explicit operator bool() const noexcept { return core_ != nullptr; }
    Outcome outcome() const noexcept { return outcome_; }
    std::size_t size() const noexcept;  // messages so far
    // The place of the next message; data() is null where the rest of the claim is too short for it.
    std::span<std::byte> next(std::size_t size) noexcept;
    Outcome commit() noexcept;  // all messages so far, in order; what is left of the claim is given back
    void abandon() noexcept;

private:
    friend class detail::ProducerCore;
    explicit ClaimBatch(Outcome outcome) noexcept : outcome_(outcome) {}
    ClaimBatch(detail::ProducerCore* core, std::uint64_t begin, std::uint64_t end) noexcept
        : core_(core), begin_(begin), next_(begin), end_(end), outcome_(Outcome::ok) {}
    std::span<std::byte> next_slowly(std::size_t size) noexcept;
    detail::ProducerCore* core_ = nullptr;
    std::uint64_t begin_ = 0, next_ = 0, end_ = 0;
    std::uint64_t count_ = 0, bytes_ = 0;  // variable rings; in fixed ones a message is a slot
    Outcome outcome_ = Outcome::ok;
};

// A message where it lies, alone or in a Batch. Must not outlive its handle or batch.
class [[nodiscard]] Message {
public:
    Message(Message&& other) noexcept { *this = std::move(other); }
    Message& operator=(Message&& other) noexcept {
        if (this != &other) {
            hand_back();
            core_ = std::exchange(other.core_, nullptr), data_ = other.data_, size_ = other.size_, position_ = other.position_;
            word_ = other.word_, slots_ = other.slots_, held_ = other.held_, outcome_ = other.outcome_;
        }
        return *this;
    }
    ~Message() { hand_back(); }
    explicit operator bool() const noexcept { return core_ != nullptr; }
    Outcome outcome() const noexcept { return outcome_; }
    Bytes bytes() const noexcept { return {data_, size_}; }
    std::uint64_t position() const noexcept { return position_; }  // unique and increasing; fixed: consecutive
    bool redelivered() const noexcept { return detail::word_attempt(word_) != 0; }
    std::uint64_t time_ns() const noexcept;    // of the push, since 1970; 0: no timestamps
    std::uint64_t sequence() const noexcept;   // the producer's own count (variable rings; else position; overwrite: the ring's)
    std::uint32_t producer() const noexcept;   // the producer's entry (variable rings; else 0)
    std::uint64_t lost() const noexcept;       // overwrite rings: messages that went unseen right before this one
    // Commits: the message is consumed. corrupt, forked: it could not be, and is delivered again.
    Outcome release() noexcept;
    void hand_back() noexcept;  // as the destructor does

private:
    friend class detail::ConsumerCore;
    friend class Batch;
    enum class Held : std::uint8_t { claimed, at_cursor, in_batch };
    explicit Message(Outcome outcome) noexcept : outcome_(outcome) {}
    Message(detail::ConsumerCore* core, const std::byte* data, const detail::Hold& hold, Held held) noexcept
        : core_(core), data_(data), size_(hold.size), position_(hold.position), word_(hold.word), slots_(hold.slots), held_(held), outcome_(Outcome::ok) {}
    detail::ConsumerCore* core_ = nullptr;
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::uint64_t position_ = 0, word_ = 0, slots_ = 0;
    Held held_ = Held::claimed;
    Outcome outcome_ = Outcome::ok;
};

// Consecutive messages under one claim. Iterate once or often; release() commits them all, or
// release each message; what is not released when the batch goes is handed back. In a broadcast ring
// release them in order: one counts when all before it are released.
class [[nodiscard]] Batch {
public:
    class iterator {
    public:
        Message& operator*() noexcept { return message_; }
        Message* operator->() noexcept { return &message_; }
        iterator& operator++() noexcept {
            position_ += message_.slots_;
            load();
            return *this;
        }
        bool operator!=(const iterator& other) const noexcept { return position_ != other.position_; }
        bool operator==(const iterator& other) const noexcept { return position_ == other.position_; }

    private:
        friend class Batch;
        iterator(detail::ConsumerCore* core, std::uint64_t position, std::uint64_t end, std::uint64_t word) noexcept
            : core_(core), position_(position), end_(end), word_(word), message_(Outcome::ok) { load(); }
        void load() noexcept;
        detail::ConsumerCore* core_;
        std::uint64_t position_, end_, word_;
        Message message_;
    };

    Batch(Batch&& other) noexcept : core_(std::exchange(other.core_, nullptr)), position_(other.position_), slots_(other.slots_), bytes_(other.bytes_), word_(other.word_), count_(other.count_), outcome_(other.outcome_) {}
    Batch& operator=(Batch&& other) noexcept {
        if (this != &other) {
            hand_back();
            core_ = std::exchange(other.core_, nullptr), position_ = other.position_, slots_ = other.slots_, bytes_ = other.bytes_, word_ = other.word_, count_ = other.count_, outcome_ = other.outcome_;
        }
        return *this;
    }
    ~Batch() { hand_back(); }
    explicit operator bool() const noexcept { return core_ != nullptr; }
    Outcome outcome() const noexcept { return outcome_; }
    std::size_t size() const noexcept { return count_; }
    iterator begin() noexcept { return {core_, position_, position_ + slots_, word_}; }
    iterator end() noexcept { return {nullptr, position_ + slots_, position_ + slots_, 0}; }
    // Fixed rings: all of it as one array, size() * slot_size bytes.
    Bytes array() const noexcept;
    Outcome release() noexcept;
    void hand_back() noexcept;

private:
    friend class detail::ConsumerCore;
    explicit Batch(Outcome outcome) noexcept : outcome_(outcome) {}
    Batch(detail::ConsumerCore* core, const detail::Hold& hold, std::size_t count) noexcept
        : core_(core), position_(hold.position), slots_(hold.slots), bytes_(hold.size), word_(hold.word), count_(count), outcome_(Outcome::ok) {}
    detail::ConsumerCore* core_ = nullptr;
    std::uint64_t position_ = 0, slots_ = 0, bytes_ = 0;
    std::uint64_t word_ = 0;  // of the first: what was not claimed before is at its first attempt, like all behind it
    std::size_t count_ = 0;
    Outcome outcome_;
};

namespace detail {

class ProducerCore : public Core {
public:
    ProducerCore(const Ring& ring, Peers& peers, u32 entry, Waiting waiting) noexcept;

    // Without a call in the usual case: it would have to save registers, and a producer is bound by the
    // number of its stores, which wait in turn for lines from the other side's cache.
    Outcome push(Bytes message, Deadline deadline) noexcept {
        const u64 size = message.size();
        if (!fits(size)) [[unlikely]] return refuse_length();
        if (special_ || !Ring::is_short(size) || !take(slots_for(size))) [[unlikely]] return push_slowly(message, deadline);
        std::byte* const at = ring_.slot(position_);
        Ring::copy_short(at + ring_.prefix, message.data(), size);
        number(at, size);
        return publish(position_);
    }
    Pushed push(std::span<const Bytes> messages, Deadline deadline) noexcept;

    Claim claim(std::size_t size, Deadline deadline) noexcept {
        if (!fits(size)) [[unlikely]] return Claim(refuse_length());
        const u64 n = slots_for(size);
        if (!take(n)) [[unlikely]] {
            if (const Outcome outcome = take_slowly(n, deadline); outcome != Outcome::ok) return Claim(outcome);
        }
        return Claim(this, ring_.slot(position_) + ring_.prefix, size, position_);
    }
    Outcome commit(u64 position, std::size_t claimed, std::size_t used) noexcept {
        if (slots_for(used) != slots_for(claimed)) [[unlikely]] drop_tail(position, slots_for(used), slots_for(claimed));
        seal(position, ring_.slot(position), used);
        return publish(position);
    }
    void abandon(u64 position, std::size_t claimed) noexcept;
    ClaimBatch claim_batch(std::size_t count, std::size_t size, Deadline deadline) noexcept;
    // Where nothing but the payload is written, and a slot is a message; else null.
    std::byte* simple_place(u64 position, u64 end, std::size_t size) const noexcept {
        return ring_.fixed && !special_ && size == ring_.slot_size && position != end ? ring_.slot(position) : nullptr;
    }
    std::span<std::byte> place(u64 position, u64 room, u64 sequence, std::size_t size, u64& slots) noexcept {
        if (!fits(size) || (slots = slots_for(size)) > room) [[unlikely]] return {};
        if (special_ && ring_.overwrite && sequence) [[unlikely]] return {};  // there a claim is one message
        std::byte* const at = ring_.slot(position);
        if (!ring_.fixed) put_header(at, size, messages_ + sequence);
        if (special_) [[unlikely]] stamp(position, at);
        return {at + ring_.prefix, size};
    }
    Outcome commit_batch(u64 begin, u64 used_end, u64 claimed_end, u64 messages, u64 bytes) noexcept;
    void abandon_batch(u64 begin, u64 claimed_end) noexcept;
    Outcome end() noexcept;

private:
    bool fits(u64 size) const noexcept { return ring_.fixed ? size == ring_.slot_size : size <= ring_.max_message; }
    u64 slots_for(u64 size) const noexcept { return ring_.fixed ? 1 : ring_.slots_for(size); }
    Outcome refuse_length() noexcept;
    Outcome push_slowly(Bytes message, Deadline deadline) noexcept;

    // Takes n slots at position_ if there certainly is room. limit_ is as far as this producer knows
    // that it may write: free_position as last seen + capacity, or 0 when it must not (ended, removed,
    // forked) or may not so simply (overwrite). A set end bit makes t larger than any limit.
    bool take(u64 n) noexcept {
        if (ring_.one_producer) {
            const u64 t = next_;
            if (t + n > limit_) [[unlikely]] return false;
            announce(t, n);
            ring_.lines->write_position.value.store(t + n, order::P3);
            position_ = t;
            next_ = t + n;
            return true;
        }
        auto& write_position = ring_.lines->write_position.value;
        for (u64 t = write_position.load(std::memory_order_relaxed);;) {
            if (t + n > limit_) [[unlikely]] return false;
            announce(t, n);
            if (write_position.compare_exchange_weak(t, t + n, order::P3_cas, std::memory_order_relaxed)) {
                position_ = t;
                return true;
            }
        }
    }
    // Where the next claim begins, unless another producer is faster.
    u64 next_claim() const noexcept { return ring_.one_producer ? next_ : ring_.lines->write_position.value.load(std::memory_order_relaxed); }
    Outcome take_slowly(u64 n, Deadline deadline) noexcept;
    Outcome take_overwriting(u64 n, Deadline deadline) noexcept;
    u64 clear_place(u64 t, u64 n) noexcept;
    void retire() noexcept;
    Outcome look_for_room(u64 n, bool thorough) noexcept;
    void put_batch(std::span<const Bytes> messages) noexcept;
    void drop_tail(u64 position, u64 used, u64 claimed) noexcept;

    // Everything but the word.
    void seal(u64 position, std::byte* at, u64 size) noexcept {
        number(at, size);
        if (special_) [[unlikely]] stamp(position, at);
    }
    // The sequence is spent before the commit: a kill in between leaves a gap, never two messages of one number.
    void number(std::byte* at, u64 size) noexcept {
        const u64 sequence = messages_++;
        if (!ring_.fixed) {
            put_header(at, size, sequence);
            me_->pushed_bytes.store(bytes_ += size, std::memory_order_relaxed);
        }
        me_->pushed.store(messages_, std::memory_order_relaxed);
    }
    void put_header(std::byte* at, u64 size, u64 sequence) const noexcept {
        const MessageHeader header{static_cast<u32>(size), 0, static_cast<u16>(entry_), sequence};
        std::memcpy(at, &header, sizeof header);
    }
    void stamp(u64 position, std::byte* at) noexcept;  // the time, the ordinal: what not every ring has

    Outcome publish(u64 position) noexcept {
        ring_.word(position).store(ring_.lap_tag(position) | word_ready, order::P1);  // COMMIT
        withdraw();
        return wake();
    }
    Outcome wake() noexcept {
        // P6 without a fence: the sleeper's membarrier (O6) pays for it.
        if (ring_.lines->data_wait.value.load(std::memory_order_relaxed) | alert_.load(std::memory_order_relaxed)) [[unlikely]]
            return wake_slowly();
        return Outcome::ok;
    }
    Outcome wake_slowly() noexcept;

    u64 position_ = 0;  // of the current claim
    u64 limit_ = 0;
    u64 next_ = 0;      // one producer: write_position; not beside position_: stored as one vector, both would come late
    u64 messages_ = 0, bytes_ = 0;
    bool special_;      // stamp() has something to do
    u64 ordinal_ = 0, retire_to_ = 0, clear_until_ = 0;  // overwrite: of the claim; free_position after it; as limit_
    Deadline inspected_{};                               // and when the ring's name was last looked at
};

class ConsumerCore : public Core {
public:
    // `copy`: overwrite rings need room for the longest message and its header.
    ConsumerCore(const Ring& ring, Peers& peers, u32 entry, Waiting waiting, From from = From::oldest, std::unique_ptr<std::byte[]> copy = {}) noexcept;

    u64 pending() const noexcept { return ring_.broadcast ? ring_.pending_from(next_) : ring_.pending(); }
    Message pop(Deadline deadline) noexcept {
        Hold held;
        if (!read(held, deadline)) [[unlikely]] return pop_slowly(deadline);
        return Message(this, ring_.slot(held.position) + ring_.prefix, held, Message::Held::claimed);
    }
    Batch pop_batch(std::size_t most, Deadline deadline) noexcept;
    // Not by way of a Message: putting that into memory and taking it apart again took as long as all the rest.
    Copied pop(std::span<std::byte> buffer, Deadline deadline) noexcept {
        Hold held;
        if (!read(held, deadline)) [[unlikely]] return pop_slowly(buffer, deadline);
        Copied copied{Outcome::too_long, held.size, held.position, false};
        if (held.size <= buffer.size()) [[likely]] {
            Ring::copy_bytes(buffer.data(), ring_.slot(held.position) + ring_.prefix, held.size);
            copied.outcome = release(held.position, held.size, held.slots);
        } else {
            hand_back();
        }
        return copied;
    }

    [[gnu::always_inline]] Outcome release(u64 position, u64 size, u64 slots) noexcept {
        if (ring_.timestamps) [[unlikely]] note_delay(position);
        commit(position, slots);
        count(1, size);
        return done();
    }
    Outcome release_batch(u64 position, u64 slots, std::size_t messages, u64 bytes) noexcept;
    void release_in_batch(u64 position, u64 size, u64 slots) noexcept;
    Outcome release_at_cursor(u64 position, u64 slots, u64 messages, u64 bytes) noexcept;
    // Of a batch, the first message at or behind p that was not released singly.
    u64 first_held(u64 p, u64 end) const noexcept { return released_ ? first_held_slowly(p, end) : p; }
    u64 first_held_slowly(u64 p, u64 end) const noexcept;
    void hand_back() noexcept;

private:
    friend class shmq::Batch;
    friend class shmq::Message;

    u64 time_at(u64 position) const noexcept;    // of the push of what is held there; 0: no timestamps
    void note_delay(u64 position) noexcept;      // before what is held there is released
    const std::byte* held_data() const noexcept { return (copy_ ? copy_.get() : ring_.slot(held_.position)) + ring_.prefix; }
    // Where the oldest message lies, unless another consumer is faster.
    u64 next_read() const noexcept { return ring_.one_consumer ? next_ : ring_.lines->read_position.value.load(std::memory_order_relaxed); }
    // Takes the oldest message if it is there.
    bool read(Hold& held, Deadline deadline) noexcept {
        if (!fast_) [[unlikely]] return false;
        u64 h = next_read();
        for (;;) {
            // h may be stale, then it is below ready_until_ too, and the CAS fails.
            if (static_cast<std::int64_t>(ready_until_ - h) <= 0 && !look_ahead(h, deadline)) return false;
            u64 size = ring_.slot_size, n = 1;
            if (!ring_.fixed) {
                size = ring_.length_at(h);
                if (!ring_.bounded(size)) [[unlikely]] return false;  // stale h, or corrupt: look() tells
                n = ring_.slots_for(size);
            }
            announce(h, n);
            if (ring_.one_consumer) {
                ring_.lines->read_position.value.store(h + n, order::P5);
                next_ = h + n;
            } else if (!ring_.lines->read_position.value.compare_exchange_weak(h, h + n, order::P5_cas, std::memory_order_relaxed)) {
                continue;
            }
            held = {h, size, n, 0};
            return true;
        }
    }
    // How far is everything READY? Remembered, so that a burst is found by one visit to a line of words
    // that its producer is writing: looking at it for each message would make the two fight for it. A
    // word that was READY at or above read_position stays so until a consumer claims it.
    bool look_ahead(u64 h, Deadline deadline) noexcept {
        keep_distance(h, deadline);
        const Ring ring = ring_;  // in registers, as in put_batch
        u64 p = h;
        u32 found = 0;
        if (ring.fixed) {
            p += found = static_cast<u32>(ring.ready_run(h, burst));
        } else {
            for (; found < burst && ring.ready(ring.word(p).load(order::O1), p); ++found) {
                const u64 size = ring.length_at(p);
                if (!ring.bounded(size)) [[unlikely]] break;
                p += ring.slots_for(size);
            }
        }
        if (found == 0) return false;
        if (found < burst) pace_.caught_up();
        // If h was stale, lengths on the way may have been another message's: believe nothing.
        std::atomic_thread_fence(order::O9);
        if (!ring_.one_consumer && ring_.lines->read_position.value.load(std::memory_order_relaxed) != h) p = h;
        ready_until_ = p;
        return true;
    }
    static constexpr u32 burst = 32;
    void keep_distance(u64 h, Deadline deadline) noexcept {
        if (!pace_.too_near(static_cast<std::int64_t>(written_ - h)) || deadline == no_wait) [[likely]] return;
        pace_.linger([&]() noexcept { return (written_ = ring_.lines->write_position.value.load(std::memory_order_relaxed) & ~end_bit) - h; });
    }

    void commit(u64 position, u64 slots) noexcept {
        auto& free_position = ring_.lines->free_position.value;
        // Acquire: what others released before goes on being released by our store.
        if (free_position.load(order::O2) == position) [[likely]] {
            free_position.store(position + slots, order::P2);  // COMMIT
            withdraw();
            if (!ring_.one_consumer && finished(position + slots)) [[unlikely]] advance_free(ring_);
        } else {
            commit_out_of_order(position);
        }
    }
    bool finished(u64 position) const noexcept {
        const u64 word = ring_.word(position).load(std::memory_order_relaxed);
        return (word & word_lap_mask) == ring_.lap_tag(position) && word_state(word) >= word_abandoned;
    }
    void commit_out_of_order(u64 position) noexcept;
    void count(u64 messages, u64 bytes) noexcept {
        me_->popped.store(messages_ += messages, std::memory_order_relaxed);
        if (!ring_.fixed) me_->popped_bytes.store(bytes_ += bytes, std::memory_order_relaxed);
    }
    Outcome done() noexcept {
        // P6, as the producer's wake().
        if (ring_.lines->room_wait.value.load(std::memory_order_relaxed) | alert_.load(std::memory_order_relaxed)) [[unlikely]]
            return wake_slowly();
        return Outcome::ok;
    }
    Outcome wake_slowly() noexcept;
    Outcome read_slowly(Deadline deadline) noexcept;
    Message pop_slowly(Deadline deadline) noexcept;
    Copied pop_slowly(std::span<std::byte> buffer, Deadline deadline) noexcept;
    Outcome look(bool thorough) noexcept;
    Outcome look_at_read_position() noexcept;

    // Broadcast and overwrite rings: cursor.cpp.
    enum class Find { message, end, hole, again, corrupt };
    bool own_cursor() const noexcept { return ring_.broadcast || ring_.one_consumer; }
    void join(From from) noexcept;
    Find find(u64& position, bool& jumped) const noexcept;
    bool copy_out(u64 position) noexcept;
    Outcome look_at_cursor(bool thorough) noexcept;
    Outcome read_at_cursor(Deadline deadline) noexcept;
    Batch batch_at_cursor(std::size_t most, Deadline deadline) noexcept;
    void move_cursor(u64 to) noexcept;
    bool take_over() noexcept;
    bool filled(u64 position, u64 hole, u32 pauses) const noexcept;
    bool due(u64 position) const noexcept;
    void found_held(u64 position) noexcept;

    Hold held_;  // what the slow paths found
    u64 released_ = 0, released_bytes_ = 0;  // of a batch, one by one
    u64 next_ = 0;       // one consumer: read_position; broadcast: reading_position
    u64 ready_until_ = 0;
    u64 written_ = 0;    // write_position, when it was last looked at
    bool fast_ = false;  // false: look first for what a dead consumer left
    u64 searched_ = no_position;  // where a look at the registers last found a live owner,
    Deadline searched_at_{};      //  and when: asking the kernel again at once would not help
    u64 messages_ = 0, bytes_ = 0;

    const bool cursors_;                 // broadcast or overwrite; fast_ stays false
    std::unique_ptr<std::byte[]> copy_;  // overwrite: of the message held, header first
    u64 copied_time_ = 0;
    u64 ordinal_ = 0, expected_ = 0;     // of the message held; of the one at next_
    u64 lost_ = 0;                       // right before the message held
    u64 delivered_until_ = 0;            // own cursor: below it, for the second time
};

// Waits for a state of the ring and takes no part: watcher.cpp.
class WatcherCore : public Core {
public:
    using Core::Core;
    Outcome wait(Condition condition, Deadline deadline) noexcept;

private:
    Outcome look(Condition condition, bool thorough) noexcept;
    bool holds(Condition condition) noexcept;
};

}  // namespace detail

inline Outcome Claim::commit(std::size_t used) noexcept {
    return core_ ? std::exchange(core_, nullptr)->commit(position_, size_, used) : outcome_;
}
inline void Claim::abandon() noexcept {
    if (core_) [[unlikely]] std::exchange(core_, nullptr)->abandon(position_, size_);
}
inline std::size_t ClaimBatch::size() const noexcept { return core_ && core_->ring().fixed ? next_ - begin_ : count_; }
// The usual case of fixed rings without a call, and with one store beside the payload: a producer's stores
// leave in order, so each of them waits for the lines of the payload before it.
inline std::span<std::byte> ClaimBatch::next(std::size_t size) noexcept {
    std::byte* const at = core_ ? core_->simple_place(next_, end_, size) : nullptr;
    if (!at) [[unlikely]] return next_slowly(size);
    ++next_;
    return {at, size};
}
inline Outcome ClaimBatch::commit() noexcept {
    if (!core_) return outcome_;
    count_ = size();
    return std::exchange(core_, nullptr)->commit_batch(begin_, next_, end_, count_, bytes_);
}
inline void ClaimBatch::abandon() noexcept {
    if (core_) [[unlikely]] std::exchange(core_, nullptr)->abandon_batch(begin_, end_);
}
inline Outcome Message::release() noexcept {
    if (!core_) return outcome_;
    auto* const core = std::exchange(core_, nullptr);
    if (held_ == Held::claimed) [[likely]] return core->release(position_, size_, slots_);
    if (held_ == Held::at_cursor) return core->release_at_cursor(position_, slots_, 1, size_);
    core->release_in_batch(position_, size_, slots_);
    return Outcome::ok;
}
inline void Message::hand_back() noexcept {
    if (core_) [[unlikely]] {
        auto* const core = std::exchange(core_, nullptr);
        if (held_ == Held::claimed) core->hand_back();  // at a cursor nothing was taken that would have to go back
    }
}
inline void Batch::hand_back() noexcept {
    if (core_) [[unlikely]] std::exchange(core_, nullptr)->hand_back();
}
// Always inline, and so is release(): else what a loop knows about its message lies in memory.
[[gnu::always_inline]] inline void Batch::iterator::load() noexcept {
    if (!core_ || (position_ = core_->first_held(position_, end_)) == end_) return;
    const auto& ring = core_->ring();
    // Bounded once more: a hostile peer may have changed it since the batch was claimed.
    auto size = ring.length_at(position_);
    std::uint64_t slots = 1;
    if (!ring.fixed) {
        if (!ring.bounded(size)) [[unlikely]] size = 0;
        slots = ring.slots_for(size);
        if (slots > end_ - position_) [[unlikely]] slots = end_ - position_, size = 0;
    }
    message_.core_ = core_;
    message_.data_ = ring.slot(position_) + ring.prefix;
    message_.size_ = size;
    message_.position_ = position_;
    message_.word_ = word_;
    message_.slots_ = slots;
    message_.held_ = Message::Held::in_batch;
    // A batch of one, copied: what lies in the ring may be another message by now.
    if (ring.overwrite) [[unlikely]] message_.data_ = core_->held_data(), message_.size_ = core_->held_.size, message_.slots_ = end_ - position_;
}

}  // namespace shmq
