// shmq: messages through named rings in shared memory.
//
//   shmq::create("jobs");                        // once, or from the shell: shmq-create jobs
//   shmq::Producer out("jobs");                  shmq::Consumer in("jobs");
//   out.push(shmq::bytes("hello"));              while (auto message = in.pop()) {
//                                                    use(message.bytes());
//                                                    message.release();
//                                                }
//
// A ring is a file in $SHMQ_DIR (default /dev/shm) that every participant maps. It keeps a message
// from the moment push returns ok until a consumer releases it, whoever is killed in between.
//
// Threads     One handle (Producer, Consumer, Watcher, Viewer) belongs to one thread at a time; as many handles
//             as you like, of one ring too. interrupt() alone may come from another thread or a signal
//             handler. A handle has one outstanding Claim, Message or Batch at a time.
// Processes   A handle does not survive fork() in the child: every call there answers `forked`.
// Errors      Opening, creating and removing throw Error. Moving messages never throws: it answers an
//             Outcome, or a Message or Claim that is false and knows its outcome().
// Time        Deadlines are points of steady_clock; `forever` waits, `no_wait` does not.
// Death       A participant is dead when the kernel has dropped its lock, never because it is slow.
//
// shmq(7) states the promises, shmq(5) the bytes, libshmq(3) this interface with examples.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <shmq/detail/ring.hpp>

namespace shmq {

inline Bytes bytes(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }
inline std::string_view text(Bytes bytes) noexcept { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
// Enough for now + duration not to overflow: the longest wait is `forever`.
inline Deadline after(std::chrono::nanoseconds wait) noexcept {
    const auto now = Clock::now();
    return wait >= forever - now ? forever : now + wait;
}

enum class Errc {
    no_such_ring, exists, not_a_ring, other_version, other_geometry, corrupt, permission, in_use,
    role_taken, table_full, removed, bad_name, bad_option, no_room, unsupported, system
};

class Error : public std::runtime_error {
public:
    Error(Errc code, const std::string& what, int system_errno = 0) : std::runtime_error(what), code_(code), errno_(system_errno) {}
    Errc code() const noexcept { return code_; }
    int system_errno() const noexcept { return errno_; }  // 0 where no system call failed

private:
    Errc code_;
    int errno_;
};

// ---- rings by name ------------------------------------------------------------------------------
// NAME: [A-Za-z0-9][A-Za-z0-9._-]*, at most longest_name characters, one leading '/' dropped. NAME/a and NAME/b are
// the sides of a duplex ring: what a pushes b pops, and the other way round. stat() and Watcher look at
// the direction into which that side pushes.

enum class Sides { one, many };
inline constexpr Sides one = Sides::one, many = Sides::many;

enum class IfExists {
    fail,           // Errc::exists
    keep,           // if geometry and policy agree, else Errc::other_geometry
    replace,        // unless somebody is attached (Errc::in_use)
    replace_force,  // whoever is attached sees its ring removed
    reopen,         // as keep, and an ended ring takes messages again
};

struct Options {
    std::uint64_t slots = 65536;      // capacity: exactly this many may be filled
    std::uint64_t slot_size = 64;     // bytes; of a variable ring at least 32, rounded up to a multiple of 8
                                      // (above a page, of a page)
    bool fixed = false;               // every message is exactly slot_size bytes and takes one slot
    std::uint64_t max_message = 0;    // refuse longer ones; 0: whatever fits into the ring
    Sides producers = many, consumers = many;
    bool broadcast = false;           // every consumer gets every message; the slowest live one holds producers back
    bool overwrite = false;           // a producer never waits: the oldest message goes, and whoever misses it is told
    bool duplex = false;              // two such rings, one each way, with the sides NAME/a and NAME/b
    bool timestamps = false;
    Waiting waiting = Waiting::adaptive;  // what participants do that do not say otherwise
    std::uint32_t participants = 256;     // at once; the dead do not count
    mode_t mode = 0600;                   // exactly, whatever the umask
    std::optional<gid_t> group = {};
    std::string record = {};              // layout text, kept with the ring (at most 3584 bytes)
    bool ephemeral = false;               // goes, with its messages, when the last who is attached leaves or dies
    bool lock_memory = false;             // never in swap: whoever attaches locks it into memory, or cannot (no_room)
    IfExists if_exists = IfExists::fail;
};

// Makes the ring whole and with all its memory, then gives it its name: nobody sees half a ring.
void create(std::string_view name, const Options& options = {});
// Throws Errc::in_use while somebody is attached, unless forced: then the attached drain and are told
// `removed`. Forced or not, it throws in_use with EBUSY while another process removes it and does not get
// done, or where one that reads it has locked it against that. With force also what is there but not a
// ring of this version. Of a duplex ring both directions, or none.
void remove(std::string_view name, bool force = false);
// A ring for as long as this object lives: then it is removed by force. Should this process be killed,
// the ring goes as an ephemeral one does. Nobody else removes it without force meanwhile.
class ScopedRing {
public:
    explicit ScopedRing(std::string_view name, Options options = {});  // bad_option with IfExists::keep and reopen
    ScopedRing(ScopedRing&&) noexcept;
    ~ScopedRing();
    void remove();  // now; throws what the destructor cannot

private:
    struct State;
    std::unique_ptr<State> state_;
};
std::vector<std::string> list();                 // names in directory(), sorted, rings or not; of a duplex ring both sides
std::vector<std::string> rings_of(std::string_view name);  // NAME, or of a duplex ring its sides; there or not
const std::string& directory();                  // $SHMQ_DIR or /dev/shm
std::string path_of(std::string_view name);      // throws Errc::bad_name
std::uint64_t size_of(const Options& options);   // bytes of such a ring in directory(); throws Errc::bad_option
std::uint64_t page_size();                       // of the memory in directory(): 2 MiB, say, on a hugetlbfs
inline constexpr std::size_t longest_name = 200;

struct Participant {
    std::uint32_t entry, generation, pid, uid;
    detail::Role role;
    bool alive;
    std::uint64_t start_time, attached_ns, active_ns;
    std::uint64_t messages, bytes, redelivered, abandoned, lost;
    std::uint64_t holds_position, holds_slots;   // what it has claimed; holds_slots 0: nothing
    std::uint64_t reading_position;              // of a consumer in a broadcast ring: the next one
};

enum class RingState { open, ended, removed };

struct Status {
    std::string name, path, record;
    RingState state;
    bool fixed, timestamps, broadcast, overwrite, ephemeral, lock_memory;
    Sides producers, consumers;
    Waiting waiting;
    std::uint64_t slots, physical_slots, slot_size, max_message, segment_bytes;
    std::uint64_t used, messages;                 // slots and whole messages not yet consumed
    std::uint64_t pushed, popped, redelivered, abandoned, lost;  // messages; abandoned: slots
    std::uint64_t readers, writers, watchers;     // alive now
    std::uint64_t producers_ended_badly, consumers_ended_badly;
    std::uint64_t write_position, read_position, free_position;
    std::uint64_t created_ns, id[2];
    std::uint64_t page_size;                      // of the memory: as page_size() says where the ring is
    std::uint32_t creator_pid, creator_uid, creator_gid, max_participants, format_version;
    mode_t mode;
    uid_t owner;
    gid_t group;
    std::uint64_t pushed_bytes, popped_bytes;     // payload, since creation
    std::uint32_t attached;                       // participants alive now, whatever their role
    // When, since 1970, and who (a pid); 0: never. Moving a message does not look at the clock: push and
    // pop are the time when the participant last had to wait, look anew or leave.
    std::uint64_t last_attach_ns, last_detach_ns, last_push_ns, last_pop_ns;
    std::uint32_t last_attach_pid, last_detach_pid, last_push_pid, last_pop_pid;
    std::uint64_t active_ns;                      // the later of push and pop
    // Rings with timestamps, else 0: when the oldest message still there was pushed; how long what was
    // consumed last had been in the ring (of several at once, the oldest).
    std::uint64_t oldest_ns, delay_ns;
    std::vector<Participant> participants;        // those whose entry is taken, the dead included
};
// Looks through a read-only mapping, takes no lock and disturbs nobody.
Status stat(std::string_view name);

// Removes rings that nobody uses any more. Never one that a live process is attached to, which the
// kernel's locks tell, and never one that was made anew under the same name meanwhile.
struct SweepOptions {
    std::chrono::nanoseconds idle = std::chrono::seconds(60);  // only what was unused for so long
    bool with_messages = false;                                // also what still holds messages
    bool dry_run = false;                                      // judge, and change nothing
    std::vector<std::string> names = {};                       // these; else all in directory()
};
enum class Fate {
    removed,         // with dry_run: would be
    in_use,          // a live process is attached, or another one is removing it
    holds_messages,
    used_lately,
    gone,            // somebody else removed or replaced it meanwhile
    failed,          // could not be looked at or not be removed: `error`
};
struct Swept {
    std::string name;
    Fate fate;
    std::chrono::nanoseconds unused;  // for how long, as far as the ring tells
    std::string why;                  // in words
    Errc error;                       // of Fate::failed
};
// What became of each ring, in the order of the names. The last use of a ring is the latest of its
// creation and of what its participants noted as they came, worked and left. One that was killed could
// not note that it left: then the sweep notes in the ring when it first saw it unused, and a later one
// counts from there.
std::vector<Swept> sweep(const SweepOptions& options = {});

// Installs, once a process, a SIGBUS handler limited to this library's mappings: a ring truncated under
// us answers `corrupt` instead of killing the process. Any other fault goes to the handler before it.
void install_sigbus_handler();

// ---- participants -------------------------------------------------------------------------------

struct AttachOptions {
    std::optional<Waiting> waiting = {};             // else as the ring was created
    std::optional<std::uint64_t> expect_slots = {};  // Errc::other_geometry where the ring differs
    std::optional<std::uint64_t> expect_slot_size = {};
    std::optional<bool> expect_fixed = {};
    bool prefault = false;                           // fill in the page tables now: for large rings that are to be quick at once
    From from = From::oldest;                        // newest: a consumer of a broadcast ring begins with the newest message
};

namespace detail {
class Attachment;
struct AttachmentDelete {
    void operator()(Attachment*) const noexcept;
};
using AttachmentPtr = std::unique_ptr<Attachment, AttachmentDelete>;
}  // namespace detail

// What both sides can be asked. Figures of a moment: another participant may change them at once.
template <class Core>
class Handle {
public:
    std::uint64_t capacity() const noexcept { return core().ring().capacity; }  // slots
    std::uint64_t slot_size() const noexcept { return core().ring().slot_size; }
    std::uint64_t max_message() const noexcept { return core().ring().max_message; }
    bool fixed() const noexcept { return core().ring().fixed; }
    std::string_view record() const noexcept;                                   // layout text
    std::uint64_t pending() const noexcept { return core().pending(); }  // slots not yet consumed (broadcast: by this consumer)
    std::uint64_t available() const noexcept { return capacity() - pending(); } // slots free
    bool empty() const noexcept { return pending() == 0; }
    bool full() const noexcept { return available() == 0; }
    bool ended() const noexcept { return core().ring().ended(); }
    std::uint32_t entry() const noexcept { return core().entry(); }             // in the participant table
    std::uint64_t producers_attached() const noexcept;                          // alive now
    std::uint64_t consumers_attached() const noexcept;                          // alive now
    std::uint64_t producers_ever() const noexcept;                              // attached since creation
    std::uint64_t producers_ended_badly() const noexcept;  // died, or left by leave_badly(), since creation
    Waiting waiting() const noexcept { return core().waiting(); }
    void interrupt() noexcept { core().interrupt(); }  // this and every later wait answers `interrupted`
    // Leave as one that failed: consumers that stop when the producers are gone will hear of it.
    void leave_badly() noexcept;

protected:
    Handle(detail::AttachmentPtr attachment);
    Handle(Handle&&) noexcept = default;
    Handle& operator=(Handle&&) noexcept = default;
    ~Handle() = default;
    const Core& core() const noexcept { return *core_; }
    Core& core() noexcept { return *core_; }

private:
    detail::AttachmentPtr attachment_;
    Core* core_;  // inside *attachment_
};

class Producer : public Handle<detail::ProducerCore> {
public:
    // Throws no_such_ring, role_taken (the one producer lives), table_full, permission, other_geometry, ...
    explicit Producer(std::string_view name, const AttachOptions& options = {});

    // ok: the message is in the ring. Else nothing is: full, timed_out, ended, too_long, removed, ...
    Outcome push(Bytes message, Deadline deadline = forever) noexcept { return core().push(message, deadline); }
    Outcome push(std::initializer_list<std::byte> message, Deadline deadline = forever) noexcept { return push(Bytes(message.begin(), message.size()), deadline); }  // {}: an empty one
    Outcome try_push(Bytes message) noexcept { return core().push(message, no_wait); }
    // In order, as many at once as there is room for, waiting for more room until the deadline. If it
    // ends early the first `count` messages are in the ring.
    Pushed push(std::span<const Bytes> messages, Deadline deadline = forever) noexcept { return core().push(messages, deadline); }

    // Room for one message in place. Fill claim.bytes() and commit; dropped, it is abandoned.
    Claim claim(std::size_t size, Deadline deadline = forever) noexcept { return core().claim(size, deadline); }
    Claim try_claim(std::size_t size) noexcept { return core().claim(size, no_wait); }

    // Room for up to `count` messages of up to `size` bytes under one claim, fewer where there is not
    // room for all: fill batch.next(size) again and again, then commit once.
    ClaimBatch claim_batch(std::size_t count, std::size_t size, Deadline deadline = forever) noexcept { return core().claim_batch(count, size, deadline); }

    // No message after this one, of any producer: consumers drain and are told `ended`.
    Outcome end() noexcept { return core().end(); }
};

class Consumer : public Handle<detail::ConsumerCore> {
public:
    explicit Consumer(std::string_view name, const AttachOptions& options = {});

    // A message where it lies. release() commits it; dropped, it is handed back and delivered again.
    // Overwrite rings: a copy, since its place may be written again at any moment; and where many consumers
    // compete for it, it is consumed at once.
    // False at empty (no_wait), timed_out, ended (and all of it consumed), removed (and drained), ...
    Message pop(Deadline deadline = forever) noexcept { return core().pop(deadline); }
    Message try_pop() noexcept { return core().pop(no_wait); }
    // As many as are there, at most `most` and a quarter of the ring, waiting for the first only:
    //   for (auto& message : batch) ...; batch.release();
    Batch pop_batch(std::size_t most, Deadline deadline = forever) noexcept { return core().pop_batch(most, deadline); }
    // Copies into the buffer and commits. too_long: the buffer is smaller, the message stays.
    Copied pop(std::span<std::byte> buffer, Deadline deadline = forever) noexcept { return core().pop(buffer, deadline); }
};

// One side of a duplex ring: a producer of one direction and a consumer of the other. As any handle it
// belongs to one thread; two threads, one that sends and one that receives, take a Producer and a Consumer.
enum class Side : std::uint8_t { a, b };
class Endpoint {
public:
    // NAME as it was created, without a side. Throws as Producer and Consumer do.
    Endpoint(std::string_view name, Side side, const AttachOptions& options = {});

    Outcome send(Bytes message, Deadline deadline = forever) noexcept { return out_.push(message, deadline); }
    Outcome try_send(Bytes message) noexcept { return out_.try_push(message); }
    Message receive(Deadline deadline = forever) noexcept { return in_.pop(deadline); }
    Message try_receive() noexcept { return in_.try_pop(); }
    Copied receive(std::span<std::byte> buffer, Deadline deadline = forever) noexcept { return in_.pop(buffer, deadline); }

    bool opened() const noexcept { return out_.consumers_attached() > 0; }         // somebody receives what we send
    std::uint64_t available() const noexcept { return out_.available(); }          // slots free for what we send
    std::uint64_t pending() const noexcept { return in_.pending(); }               // slots sent to us, not yet received
    Outcome end() noexcept { return out_.end(); }                                  // nothing more from this side
    void interrupt() noexcept { out_.interrupt(), in_.interrupt(); }
    Producer& out() noexcept { return out_; }
    Consumer& in() noexcept { return in_; }

private:
    Producer out_;
    Consumer in_;
};

// Waits until a ring is in some state. Is attached, so it needs write permission and an entry of the
// table, but is neither reader nor writer: it takes no message, and nobody's wake. Sleeps until
// something happens to the ring. Who may only read can call holds(stat(name), condition) now and then.
class Watcher : public Handle<detail::WatcherCore> {
public:
    explicit Watcher(std::string_view name, const AttachOptions& options = {});

    // ok: it was so when the ring was last looked at. What passes between two looks may go unseen.
    // Else timed_out (no_wait: it is not so), ended (nonempty, full: it never will be), removed, ...
    Outcome wait(Condition condition, Deadline deadline = forever) noexcept { return core().wait(condition, deadline); }
};
bool holds(const Status& status, Condition condition) noexcept;

// Looks at the messages in a ring without attaching, through a read-only mapping; read permission is
// enough. Sees what is not yet consumed, held messages included; never waits and disturbs nobody.
class Viewer {
public:
    struct Info {
        std::uint64_t position, time_ns;  // time_ns 0: no timestamps
        bool redelivered;
    };
    explicit Viewer(std::string_view name);
    Viewer(Viewer&&) noexcept;
    Viewer& operator=(Viewer&&) noexcept;
    ~Viewer();

    // Copies the next message out; false when there is none further. Begins with the oldest.
    bool next(std::vector<std::byte>& message, Info& info);
    void rewind();      // to the oldest
    void to_newest();   // next() gives the newest whole message, then later ones
    std::string_view record() const noexcept;
    bool fixed() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace shmq
