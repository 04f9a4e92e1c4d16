// The bytes of a segment: what every process that maps a ring agrees on, and nothing else.
//
//   offset            what
//   0                 Header          page 0: fixed at creation, checksummed, read once at attach
//     header_bytes    record layout   text, up to max_record_text bytes, not terminated
//   lines_offset      Lines           write_position | read_position | free_position | two wait
//                                     words | events, each alone on 128 bytes
//   entries_offset    Entry[]         one participant each, 256 bytes
//   words_offset      word[slots]     64 bits a slot: lap 48 | attempt 8 | state 8
//   times_offset      time[slots]     fixed rings with timestamps only: ns since 1970
//   data_offset       slot[slots]     slots * slot_size bytes; mapped twice back to back unless fixed
//
// Words live outside the payload: payload can never be mistaken for state, and nothing has to be
// zeroed. Everything is in fixed-width integers in the machine's own byte order, and nothing is a
// pointer. shmq(5) draws the same for people who write another implementation.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace shmq::detail {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

// Our own constant: the library's value may differ between two programs that share a ring. Two
// 64-byte lines, since the hardware fetches lines in pairs.
inline constexpr std::size_t line_bytes = 128;

inline constexpr char magic[8] = {'S', 'H', 'M', 'Q', 'R', 'I', 'N', 'G'};
inline constexpr u32 format_version = 1;
inline constexpr u32 byte_order_mark = 0x01020304;

// Feature bits. A bit a program does not know: incompatible, it must not attach; read-only
// compatible, it may look but not attach; compatible, it may ignore it.
enum Incompatible : u64 {
    feature_fixed = 1,         // every message is one slot, without a message header
    feature_broadcast = 2,     // every consumer gets every message, at its own reading_position
    feature_overwrite = 4,     // a producer never waits, the oldest message goes; positions have ordinals
    feature_timestamps = 8,    // 8 more bytes in the message header, or the parallel array
    feature_one_producer = 16, // write_position is moved by a plain store
    feature_one_consumer = 32, // read_position is moved by a plain store
};
inline constexpr u64 known_incompatible = feature_fixed | feature_broadcast | feature_overwrite | feature_timestamps | feature_one_producer | feature_one_consumer;
enum Compatible : u64 {
    feature_record = 1,       // a record layout text follows the header
    feature_ephemeral = 2,    // goes with its last participant
    feature_lock_memory = 4,  // whoever attaches locks the mapping into memory
    feature_kept = 8,         // made by somebody who holds lock_keeper for as long as it is to be there
};

// Page 0. Written before the file has a name, never again; `checksum` covers it and the record text.
struct Header {
    char magic[8];
    u32 byte_order;
    u32 version;
    u64 incompatible, read_only_compatible, compatible;
    u64 total_bytes;     // the file's size
    u64 capacity;        // slots the user asked for: what a producer may fill
    u64 slots;           // slots there are: a power of two, at least the capacity (overwrite: and the spare ones)
    u64 slot_size;       // bytes from one slot to the next
    u64 max_message;     // payload bytes of the longest message accepted
    u64 lines_offset, entries_offset, words_offset, times_offset, data_offset;
    u64 data_bytes;      // slots * slot_size rounded up to a page
    u32 participants;    // entries in the table
    u32 waiting;         // default way to wait: Waiting of shmq.hpp
    u32 record_bytes;    // length of the record layout text
    u32 creator_pid, creator_uid, creator_gid;
    u64 created_ns;      // since 1970
    u64 id[2];           // random: tells a ring from its replacement
    u64 requested_slot_size;  // as the user gave it
    u64 reserved[8];
    u64 checksum;        // FNV-1a of all before it, then of the record text
};
inline constexpr std::size_t header_bytes = 512;
inline constexpr std::size_t max_record_text = 4096 - header_bytes;
static_assert(sizeof(Header) <= header_bytes);
static_assert(offsetof(Header, total_bytes) == 40 && offsetof(Header, participants) == 128 &&
              offsetof(Header, created_ns) == 152 && offsetof(Header, checksum) == 248);

// A position counts slots since creation and is never reused: slot = position mod slots,
// lap = position / slots. The top bit of write_position says that the stream is ended.
inline constexpr u64 end_bit = u64{1} << 63;
inline constexpr u64 no_position = ~u64{0};

// In overwrite rings an ordinal stands beside write_position and read_position: how many messages were
// claimed below it. Both are moved together, by one CAS of 16 bytes, so that a loss is counted exactly.
struct alignas(line_bytes) Position {
    std::atomic<u64> value;
    std::atomic<u64> ordinal;
};
static_assert(offsetof(Position, ordinal) == 8);

// One futex. Low bits are flags, the rest a count that changes with every wake.
struct alignas(line_bytes) WaitWord {
    std::atomic<u32> value;
};
enum WaitFlag : u32 {
    wait_sleeping = 1,   // somebody may sleep here: wake one
    wait_watching = 2,   // somebody may watch here without consuming: wake all of those
    wait_attention = 4,  // sticky: look at events (removed), and fence before looking at flags
    wait_count = 8,      // the first bit of the count
};

enum State : u32 { state_open = 0, state_removed = 1 };

struct alignas(line_bytes) Events {
    std::atomic<u32> state;                   // State
    std::atomic<u32> entries_used;            // entries at or above it were never taken
    std::atomic<u64> producers_attached;      // ever
    std::atomic<u64> consumers_attached;      // ever
    std::atomic<u64> producers_ended_badly;   // died, or left with an error, and their entry is reused
    std::atomic<u64> consumers_ended_badly;
    std::atomic<u64> last_detach_ns, last_detach_pid;
    // A sweep's note, for a ring whose last participant was killed and so left no time: when it was
    // first seen unused, and how many had been attached then. Void once more have been.
    std::atomic<u64> unused_since_ns, unused_since_attached;
    // Of owners that are gone; those who own an entry have their own active_ns.
    std::atomic<u64> last_push_ns, last_push_pid, last_pop_ns, last_pop_pid;
};

struct Lines {
    Position write_position, read_position, free_position;
    WaitWord data_wait;  // consumers sleep here until there is a message
    WaitWord room_wait;  // producers sleep here until there is room, and all who wait for "drained"
    Events events;
    Position reserved[2];
};
static_assert(sizeof(Lines) == 8 * line_bytes);

enum Role : u32 { role_none = 0, role_producer = 1, role_consumer = 2, role_watcher = 3 };

// A participant. Only its owner, who holds the kernel lock of this entry, writes here; the first
// line belongs to the hot path, the second changes at attach and detach.
struct alignas(line_bytes) Entry {
    std::atomic<u64> claim_position;  // the register: first slot of the claim, or no_position
    std::atomic<u64> claim_slots;     //               and how many
    // Counted by all owners of this entry, never reset: sums over the table are sums since creation.
    std::atomic<u64> pushed;          // messages; also a producer's next sequence
    std::atomic<u64> popped;
    std::atomic<u64> pushed_bytes, popped_bytes;      // payload (fixed rings: messages * slot_size)
    std::atomic<u64> redelivered, abandoned, lost;    // messages; slots; messages
    std::atomic<u64> reading_position;  // broadcast: the next position of this consumer
    std::atomic<u64> active_ns;         // when it last moved a message, looked at where it had to wait or left
    // Rings with timestamps: how long what this entry consumed last had been in the ring, and when that was.
    std::atomic<u64> delay_ns, delay_at_ns;
    u64 reserved0[3];

    std::atomic<u32> role;            // Role; none once its owner has left in order
    std::atomic<u32> generation;      // owners so far
    std::atomic<u32> pid, uid;        // for people, never evidence
    std::atomic<u64> start_time;      // clock ticks after boot, as /proc/PID/stat has it: for people
    std::atomic<u64> attached_ns;
    // The counts when its owner came: the difference is what the owner did.
    std::atomic<u64> pushed_before, popped_before, pushed_bytes_before, popped_bytes_before;
    std::atomic<u64> redelivered_before, abandoned_before, lost_before;
    u64 reserved1[5];
};
static_assert(sizeof(Entry) == 2 * line_bytes && offsetof(Entry, role) == line_bytes);
static_assert(std::atomic<u64>::is_always_lock_free && std::atomic<u32>::is_always_lock_free);

// In front of each message of a variable ring. Bounded by whoever reads it: a peer may have forged it.
struct MessageHeader {
    u32 length;    // payload bytes
    u16 flags;     // none yet
    u16 producer;  // its entry
    u64 sequence;  // that entry's own count; in overwrite rings the message's ordinal in the ring
};
inline constexpr std::size_t message_header_bytes = 16;
inline constexpr std::size_t message_time_bytes = 8;  // after it, in rings with timestamps
static_assert(sizeof(MessageHeader) == message_header_bytes);

// The word of a slot. Lap numbers in words start at 1, so that a zero word is older than any.
enum WordState : u64 { word_vacant = 0, word_ready = 1, word_abandoned = 2, word_done = 3 };
inline constexpr u64 word_state_mask = 0xff, word_attempt_mask = 0xff00, word_attempt_one = 0x100;
inline constexpr u64 word_lap_mask = ~u64{0xffff};

constexpr u64 word_state(u64 word) { return word & word_state_mask; }
constexpr u64 word_attempt(u64 word) { return (word & word_attempt_mask) >> 8; }
// The next delivery's attempt. It goes from 255 to 1, not to 0: a redelivered message stays marked,
// and the word still changes, which is what makes one taker win.
constexpr u64 word_next_attempt(u64 word) {
    return word_attempt(word) == 0xff ? (word & ~word_attempt_mask) | word_attempt_one : word + word_attempt_one;
}

// Kernel locks, one byte each, far behind the file's end and in the same place for every geometry.
inline constexpr u64 lock_removal = u64{1} << 62;
inline constexpr u64 lock_one_producer = lock_removal + 1;
inline constexpr u64 lock_one_consumer = lock_removal + 2;
inline constexpr u64 lock_entries = lock_removal + 65536;
inline constexpr u64 lock_keeper = lock_entries - 1;  // before the entries': one lock covers all who hold a ring

// What an overwrite ring has beyond its capacity: a message is written there before the oldest one goes.
constexpr u64 spare_slots(u64 capacity) { return capacity > 7 ? capacity : 7; }

inline constexpr u64 min_slot_size = 32;  // of a variable ring: the longest header and some payload
inline constexpr u64 max_slots = u64{1} << 40;
inline constexpr u64 max_slot_size = u64{1} << 30;
inline constexpr u64 max_participants = 65535;
inline constexpr u64 max_holders = max_participants + 1;  // from lock_keeper on

}  // namespace shmq::detail
