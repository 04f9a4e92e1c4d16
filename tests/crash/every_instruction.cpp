// Every operation of the library, killed and stopped after each of its instructions.
//
// A victim process attaches, traps, and is single-stepped through one operation. After instruction i it
// is killed (or stopped, and continued after others have gone on for laps). Then survivors use the ring
// and a checker that knows every message says whether the promises held:
//
//   every message whose push answered ok is delivered once, whole, in the order of its producer; what
//   was being pushed is there as a prefix or not at all; what a dead consumer held comes again, flagged,
//   unless it was committed; nothing stays claimed; exactly the capacity can be filled again; the ring
//   can be removed and no file is left.
//
// Broadcast rings: each consumer that lives gets every message, also one that comes afterwards, perhaps in
// the entry of the dead one; that one holds nobody back. Overwrite rings: no push ever waits, a stopped
// producer's place is not written, whatever is delivered is whole and in order, the newest message is
// always there, and what is delivered and what is said to be lost are together what was pushed.
//
// Rings with timestamps: the time of a message lies between the beginning of its push and the moment at which
// it is seen, and is the same for everybody. Viewers see whole messages at any time, and are killed and stopped too.
//
// Where the ring itself is made, replaced or removed: others come beside a stopped one, work or are told that
// there is no ring or that it is being removed, and lose nothing they are attached to; then there is one whole
// ring or none. This is driven in rings of many to many alone: what a ring is, is written into the file before
// it has a name, and making, replacing and removing never ask for it. Whoever sleeps in a ring that is removed
// by force is told, or goes on where it is still there.
//
// Rings that pass, ephemeral or made for a scope: whoever comes next (to attach, make, sweep or remove) finds one
// that works or one that is used up, and then no file is left; a ring that others have, or made meanwhile, stays theirs.
//
// Sleepers. The cap heals the wakes that die with those who owe them. Where nobody dies, or only somebody who owes
// none (a watcher that waits), who sleeps beside the victim does so without the cap: a wake that is lost or
// swallowed leaves it asleep for ever.
//
// A survey of each operation records which instructions change the segment or are system calls. Everyday
// runs kill after each of those, before each of those, and at a stride between; SHMQ_LONG=1 after every
// single instruction, but for the loop in which a producer waits for a stopped one: three rounds of it,
// and at a stride. To reach instruction i of a long operation quickly, the tester runs the victim into a
// hardware breakpoint so often, and single-steps from there, that the stops are fewest together: in a loop
// it meets a breakpoint once a round.
//
//   SHMQ_CRASH_ONLY=push      only rows with that in their name; double: the double kills; =push: of that name
//   SHMQ_CRASH_POLICIES=N     only policies with these bits
//   SHMQ_CRASH_POINTS=N       everyday: about as many points besides those (40)
//   SHMQ_CRASH_DOUBLES=N      about as many points of either operation of a double kill (8, of some and at cursors half;
//                             long: 100)
#include "common.hpp"

#include <linux/futex.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include <shmq/shmq.hpp>

namespace {

using namespace crash;
using shmq::Outcome;
using shmq::detail::Entry;
using shmq::detail::Header;
using shmq::detail::Lines;

constexpr u64 capacity = 16, slot_size = 64;
constexpr const char* ring_name = "r";
// Seconds: a survivor that needs longer hangs, however busy the machine is. A long run has one of its own.
const double hang = long_run() ? 5 : 60;

// How long this process sleeps in a ring at most. The library's cap heals a wake that was lost, and hides it.
enum class Cap { as_it_is, none, at_once } cap = Cap::as_it_is;

// What may differ about a ring besides its sides.
enum Policy : unsigned { plain = 1, broadcast = 2, overwrite = 4, broadcast_overwrite = 8, at_cursors = broadcast | overwrite | broadcast_overwrite, every_policy = plain | at_cursors };

struct Kind {
    bool one_producer, one_consumer, fixed;
    Policy what = plain;
    bool timestamps = false, ephemeral = false;
    bool broadcasts() const { return what & (broadcast | broadcast_overwrite); }
    bool overwrites() const { return what & (overwrite | broadcast_overwrite); }
    bool own_cursor() const { return broadcasts() || (overwrites() && one_consumer); }
    std::string policy() const {
        return std::string(one_producer ? "s" : "m") + "p" + (one_consumer ? "s" : "m") + "c" + (what == plain ? "" : "-") + (broadcasts() ? "b" : "") + (overwrites() ? "o" : "");
    }
    shmq::Options options() const {
        shmq::Options o;
        o.slots = capacity, o.slot_size = slot_size, o.fixed = fixed, o.participants = 8;
        o.producers = one_producer ? shmq::one : shmq::many, o.consumers = one_consumer ? shmq::one : shmq::many;
        o.waiting = shmq::Waiting::block;
        o.broadcast = broadcasts(), o.overwrite = overwrites(), o.timestamps = timestamps, o.ephemeral = ephemeral;
        return o;
    }
    std::size_t bytes(u64 slots) const { return fixed ? slot_size : slots * slot_size - (timestamps ? 24 : 16); }
};

}  // namespace

// In place of the C library's, through which the library sleeps.
extern "C" long syscall(long number, ...) noexcept {
    static constexpr timespec long_ago{};
    va_list args;
    va_start(args, number);
    long a[6];
    for (long& each : a) each = va_arg(args, long);
    va_end(args);
    if (number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && cap != Cap::as_it_is) a[3] = cap == Cap::none ? 0 : reinterpret_cast<long>(&long_ago);
    register long r10 asm("r10") = a[3];
    register long r8 asm("r8") = a[4];
    register long r9 asm("r9") = a[5];
    long result;
    asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    if (result >= 0 || result < -4095) return result;
    errno = static_cast<int>(-result);
    return -1;
}

namespace {

struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};
[[noreturn]] [[gnu::format(printf, 1, 2)]] void fail(const char* format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    throw Failure(text);
}

using shmq::detail::wall_clock_ns;

// ---- what a victim tells the tester, in memory that outlives it ----------------------------------

struct Page {
    std::atomic<u32> phase;  // 1: at the operation, 2: it is complete, 3: it went wrong
    std::atomic<u32> traced, killed;
    std::atomic<u32> attempted, acked;  // messages handed to push; answered ok
    std::atomic<u32> deliveries;
    std::atomic<u32> told;  // 1 + the Outcome or the Errc that it was refused with
    struct Delivery {
        u32 producer;
        u64 number, position, sequence, lost, time_ns;
        std::atomic<u32> redelivered, committed;
    } delivered[32];
    std::atomic<u64> began_ns[128];  // the push of each message
    std::byte buffer[1024];          // of pop(buffer)
    char error[200];
};
Page* pages;  // 0, 1: victims; 2: a sleeper
constexpr u32 tester_id = 1, victim_id = 2, helper_id = 6;  // victim_id + page

// One participant that is driven by a scenario.
struct Actor {
    const Kind& kind;
    Page& page;
    u32 id;
    std::optional<shmq::Producer> producer;
    std::optional<shmq::Consumer> consumer;
    std::optional<shmq::Viewer> viewer;
    std::optional<shmq::Message> message;
    std::vector<std::vector<std::byte>> payloads{};
    std::size_t next = 0;
    std::optional<shmq::Watcher> watcher{};

    void attach_producer() { producer.emplace(ring_name); }
    void attach_consumer() { consumer.emplace(ring_name); }
    void ready(u64 slots) {
        payloads.emplace_back(kind.bytes(slots));
        fill(payloads.back(), id, payloads.size() - 1);
    }
    void note_ok(Outcome outcome) {
        if (outcome == Outcome::ok) page.acked.fetch_add(1);
    }
    void begins(u32 messages) {
        for (u32 i = page.attempted; i < std::min<std::size_t>(page.attempted + messages, std::size(page.began_ns)); ++i) page.began_ns[i] = wall_clock_ns();
        page.attempted.fetch_add(messages);
    }
    void push(shmq::Deadline deadline = shmq::forever) {
        begins(1);
        note_ok(producer->push(payloads[next++], deadline));
    }
    // As a consumer that writes its ledger before it commits.
    u32 record(const shmq::Message& m) {
        Stamp s{};
        if (!whole(m.bytes(), s)) {
            std::snprintf(page.error, sizeof page.error, "torn: %zu bytes at %llu", m.bytes().size(), static_cast<unsigned long long>(m.position()));
            page.phase = 3;
            _exit(3);
        }
        const u32 n = page.deliveries;
        page.delivered[n].producer = s.producer, page.delivered[n].number = s.number, page.delivered[n].position = m.position();
        page.delivered[n].redelivered = m.redelivered();
        page.delivered[n].sequence = m.sequence(), page.delivered[n].lost = m.lost(), page.delivered[n].time_ns = m.time_ns();
        page.deliveries.store(n + 1);
        return n;
    }
    void pop(shmq::Deadline deadline = shmq::forever) {
        if (auto m = consumer->pop(deadline)) {
            const u32 n = record(m);
            if (m.release() == Outcome::ok) page.delivered[n].committed = 1;
        }
    }
};

// ---- the ring under test, and the tester as its survivor ------------------------------------------

double longest_stall = 0, longest_sleep = 0;
std::string stalled_in, slept_in;
void note(double& longest, std::string& where, double value, const std::string& what) {
    if (value > longest) longest = value, where = what;
}
u64 total_points = 0, total_stops = 0, total_doubles = 0, total_failures = 0;

struct World {
    explicit World(Kind k) : kind(k) {}
    ~World() {
        for (pid_t child : children) {
            kill(child, SIGKILL);
            kill(child, SIGCONT);
            waitpid(child, nullptr, __WALL);
        }
        if (view) munmap(const_cast<std::byte*>(view), view_bytes);
        held.reset(), holder.reset(), p.reset(), c.reset(), late.reset();
        try {
            shmq::remove(ring_name, true);
        } catch (const shmq::Error&) {
        }
    }

    Kind kind;
    std::string label;
    std::optional<shmq::Producer> p;
    std::optional<shmq::Consumer> c;
    std::optional<shmq::Consumer> holder;  // holds `held` and does nothing else
    std::optional<shmq::Message> held;
    std::vector<pid_t> children;
    const std::byte* view = nullptr;
    std::size_t view_bytes = 0;
    bool made_again = false;
    u64 made_ns = 0;
    int style = 0;  // survivors pop one by one, or in batches
    pid_t sleeper = 0;
    bool sleepy = false;    // the sleeper is attached, and stopped until it is to fall asleep
    bool all_wake = false;  // nobody dies who has somebody to wake: then no sleeper needs the cap

    // At cursors only.
    std::optional<shmq::Consumer> late;  // joins after the fault
    std::vector<u64> late_log;
    pid_t in_the_way = 0;                // a stopped producer that holds a claim
    bool uncounted = false;              // there were claims that never became messages

    struct Known {
        bool acked = false;
        u32 delivered = 0;
        bool flagged = false;
        u64 position = 0, began_ns = 0, time_ns = 0;
    };
    std::map<u64, Known> known;
    static u64 key(u32 producer, u64 number) { return u64{producer} << 32 | number; }
    struct Taken {
        u64 key, position, sequence;
        u32 entry;
        bool flagged;
        u64 lost = 0;
    };
    std::vector<Taken> log;
    u64 pushed = 0;

    shmq::Producer& producer() {
        if (!p) p.emplace(ring_name);
        return *p;
    }
    shmq::Consumer& consumer() {
        if (!c) c.emplace(ring_name);
        return *c;
    }

    void make() {
        made_ns = wall_clock_ns();
        shmq::create(ring_name, kind.options());
        // Begin near the end of a lap, so that runs cross it.
        const u64 start = kind.fixed ? 2 * capacity - 3 : 2 * 64 - 3;
        std::vector<std::byte> payload(kind.bytes(1));
        for (u64 i = 0; i < start; ++i) {
            fill(payload, 0, i);
            if (producer().try_push(payload) != Outcome::ok) fail("cannot rotate the ring");
            auto m = consumer().try_pop();
            if (!m || m.release() != Outcome::ok) fail("cannot rotate the ring");
        }
    }
    void look() {
        const int fd = open(shmq::path_of(ring_name).c_str(), O_RDONLY | O_CLOEXEC);
        struct stat s {};
        if (fd < 0 || fstat(fd, &s) != 0) fail("cannot look at the ring");
        view_bytes = static_cast<std::size_t>(s.st_size);
        view = static_cast<const std::byte*>(mmap(nullptr, view_bytes, PROT_READ, MAP_SHARED, fd, 0));
        close(fd);
    }

    Outcome push(u64 slots) {
        std::vector<std::byte> payload(kind.bytes(slots));
        fill(payload, tester_id, pushed);
        const u64 began_ns = wall_clock_ns();
        const Outcome outcome = producer().try_push(payload);
        if (outcome == Outcome::ok) {
            Known& k = known[key(tester_id, pushed++)];
            k.acked = true, k.began_ns = began_ns;
        }
        return outcome;
    }
    // Of its own push, not of what lay in that place before; the same for everybody.
    void check_time(u64 k, u64 time_ns) {
        if (!kind.timestamps) {
            if (time_ns) fail("a time in a ring without timestamps");
            return;
        }
        const u32 id = static_cast<u32>(k >> 32);
        const u64 number = k & 0xffffffff;
        Known& one = known[k];
        if (id >= victim_id && id < victim_id + 3 && number < std::size(pages[0].began_ns)) one.began_ns = pages[id - victim_id].began_ns[number];
        const u64 now_ns = wall_clock_ns(), from = std::max(one.began_ns, made_ns);
        if (time_ns < from || time_ns > now_ns) fail("TIME of message %u/%llu: %lld ns after its push began, %lld ns before it was seen", id, static_cast<unsigned long long>(number), static_cast<long long>(time_ns - from), static_cast<long long>(now_ns - time_ns));
        if (one.time_ns && one.time_ns != time_ns) fail("TIME of message %u/%llu: two of them, %lld ns apart", id, static_cast<unsigned long long>(number), static_cast<long long>(time_ns - one.time_ns));
        one.time_ns = time_ns;
    }
    void must_push(u64 slots) {
        if (const Outcome outcome = push(slots); outcome != Outcome::ok) fail("push of a survivor: %s", describe(outcome));
    }
    void take(const shmq::Message& m) {
        Stamp s{};
        if (!whole(m.bytes(), s)) fail("TORN: message of %zu bytes at %llu", m.bytes().size(), static_cast<unsigned long long>(m.position()));
        check_time(key(s.producer, s.number), m.time_ns());
        Known& k = known[key(s.producer, s.number)];
        if (++k.delivered > 1) fail("DUPLICATED: message %u/%llu delivered twice to survivors, at %llu and %llu", s.producer, static_cast<unsigned long long>(s.number),
                                    static_cast<unsigned long long>(k.position), static_cast<unsigned long long>(m.position()));
        k.flagged = m.redelivered(), k.position = m.position();
        log.push_back({key(s.producer, s.number), m.position(), m.sequence(), m.producer(), m.redelivered(), m.lost()});
    }
    // Whatever can be taken now. False: there was nothing.
    bool take_some() {
        if (style == 1) {
            auto batch = consumer().pop_batch(8, shmq::no_wait);
            if (!batch) return false;
            for (auto& m : batch) take(m);
            if (batch.release() != Outcome::ok) fail("release of a batch failed");
            return true;
        }
        auto m = consumer().try_pop();
        if (!m) {
            if (m.outcome() != Outcome::empty && m.outcome() != Outcome::ended) fail("pop of a survivor: %s", describe(m.outcome()));
            return false;
        }
        take(m);
        if (m.release() != Outcome::ok) fail("release failed");
        return true;
    }
    void drain() {
        const double begin = now();
        while (consumer().pending())
            if (!take_some() && now() - begin > hang) fail("STUCK: %llu slots pending and nothing to pop", static_cast<unsigned long long>(consumer().pending()));
    }
    // Two laps of what is usual, and then the ring is filled.
    template <class Read>
    void go_round(Read read) {
        for (u64 i = 0; i < (kind.fixed ? 2 * capacity : 2 * 64 / 2); ++i) {
            must_push(1 + i % 3);
            if (i % 3 == 2) read();
        }
        read();
        if (!kind.fixed) {  // all of it as one message
            must_push(capacity);
            read();
        }
        for (u64 i = 0; i < capacity; ++i)
            if (const Outcome outcome = push(1); outcome != Outcome::ok) fail("CAPACITY: full after %llu slots of %llu", static_cast<unsigned long long>(i), static_cast<unsigned long long>(capacity));
    }
    void release_held() {
        if (!held) return;
        if (held->release() != Outcome::ok) fail("release of a held message failed");
        held.reset(), holder.reset();
    }
    void reopen() {
        auto options = kind.options();
        options.if_exists = shmq::IfExists::reopen;
        shmq::create(ring_name, options);
    }

    // A stopped participant: go on as far as its range permits.
    void go_on_beside_a_stopped_one(bool with_producer, bool with_consumer) {
        const u64 rounds = kind.fixed ? 5 * capacity : 3 * 64;
        for (u64 i = 0; i < rounds; ++i) {
            const bool pushed_one = with_producer && push(1 + i % 3) == Outcome::ok;
            const bool took_one = with_consumer && i % 4 && take_some();
            if (!pushed_one && !took_one && i > 8) break;
        }
    }

    // ---- at cursors ----

    bool take_late() {
        auto m = late->try_pop();
        if (!m) {
            if (m.outcome() != Outcome::empty && m.outcome() != Outcome::ended) fail("pop of a latecomer: %s", describe(m.outcome()));
            return false;
        }
        Stamp s{};
        if (!whole(m.bytes(), s)) fail("TORN: message at %llu, for a latecomer", static_cast<unsigned long long>(m.position()));
        check_time(key(s.producer, s.number), m.time_ns());
        late_log.push_back(key(s.producer, s.number));
        if (m.release() != Outcome::ok) fail("release failed");
        return true;
    }
    // Until the survivors have what was pushed last: the newest is never lost.
    void catch_up() {
        const double begin = now();
        const u64 last = key(tester_id, pushed - 1);
        const auto behind = [&] {
            if (!pushed) return false;
            if (late && (late_log.empty() || late_log.back() != last)) return true;
            return !known[last].delivered && (kind.broadcasts() || !delivered_by_a_page(last));
        };
        for (;;) {
            bool took = take_some();
            if (late) took |= take_late();
            if (took) continue;
            if (!behind()) return;
            if (now() - begin > hang) fail("STUCK: the message pushed last does not come");
        }
    }
    u64 messages_seen() {
        shmq::Viewer viewer(ring_name);
        std::vector<std::byte> message;
        shmq::Viewer::Info info{};
        u64 seen = 0;
        for (Stamp s{}; viewer.next(message, info); ++seen) {
            if (!whole(message, s)) fail("TORN in a viewer");
            check_time(key(s.producer, s.number), info.time_ns);
        }
        return seen;
    }
    void newest_is_readable() {
        shmq::Viewer viewer(ring_name);
        std::vector<std::byte> message;
        shmq::Viewer::Info info{};
        Stamp s{};
        viewer.to_newest();
        if (!viewer.next(message, info) || !whole(message, s) || key(s.producer, s.number) != key(tester_id, pushed - 1)) fail("NEWEST: not what was pushed last");
        check_time(key(s.producer, s.number), info.time_ns);
    }
    void settle_at_cursors(double since) {
        consumer(), producer();
        if (kind.broadcasts()) late.emplace(ring_name);
        Outcome outcome = push(1);
        if (outcome == Outcome::ended) reopen();
        else if (outcome != Outcome::ok && (outcome != Outcome::full || kind.overwrites())) fail("push of a survivor: %s", describe(outcome));
        if (outcome != Outcome::full) late_log.clear();
        // What is full becomes free by reading alone, whatever the dead one had not read.
        for (const double begin = now(); outcome != Outcome::ok; outcome = push(1)) {
            const bool took = take_some() | (late && take_late());
            if (!took && now() - begin > hang) fail("STUCK: full, and nothing to read");
        }
        catch_up();
        note(longest_stall, stalled_in, now() - since, label);
        go_round([&] { catch_up(); });
        if (kind.overwrites()) {
            newest_is_readable();
            if (kind.broadcasts() && messages_seen() != capacity) fail("CAPACITY: %llu of %llu messages are kept", static_cast<unsigned long long>(messages_seen()), static_cast<unsigned long long>(capacity));
            for (u64 i = 0; i < 2 * 64; ++i) {
                must_push(1 + i % 3);
                if (i % 16 == 0) newest_is_readable();
            }
        } else if ((outcome = push(1)) != Outcome::full) {
            fail("CAPACITY: push into a full ring: %s", describe(outcome));
        } else if (const u64 seen = messages_seen(); seen != capacity) {
            fail("a viewer sees %llu of %llu messages", static_cast<unsigned long long>(seen), static_cast<unsigned long long>(capacity));
        }
        catch_up();
        const auto status = shmq::stat(ring_name);
        for (const auto& one : status.participants)
            if (one.alive && one.holds_slots) fail("CLAIMED: entry %u still holds %llu slots", one.entry, static_cast<unsigned long long>(one.holds_slots));
        if (status.readers != (late ? 2 : 1) || status.writers != 1) fail("%llu readers and %llu writers are alive", static_cast<unsigned long long>(status.readers), static_cast<unsigned long long>(status.writers));
    }
    void judge_at_cursors(bool consumers) {
        judge_times();
        u64 acked_in_all = 0;
        for (u32 who = 0; who < 3; ++who) {
            Page& page = pages[who];
            if (page.phase == 3) fail("a victim went wrong: %s", page.error);
            const u32 id = victim_id + who;
            if (page.attempted != page.acked) uncounted = true;
            bool gap = false;
            for (u32 n = 0; n < page.acked; ++n) known[key(id, n)].acked = true;
            for (u32 n = page.acked; n < page.attempted; ++n) {
                const auto found = known.find(key(id, n));
                const bool there = found != known.end() && found->second.delivered;
                if (there && gap && !kind.overwrites()) fail("NOT A PREFIX: message %u of a killed push is there without the one before it", n);
                gap |= !there;
            }
            u64 last = 0;
            for (u32 n = 0; n < page.deliveries; ++n) {
                const auto& d = page.delivered[n];
                if (d.position < last || (d.position == last && n && !d.redelivered)) fail("ORDER: a victim got position %llu after %llu", static_cast<unsigned long long>(d.position), static_cast<unsigned long long>(last));
                last = d.position;
            }
        }
        // Everybody's messages, by ordinal, where one cursor is shared; else those of one survivor.
        std::map<u64, u64> lost_before;
        for (const auto& one : log) lost_before[one.sequence] = one.lost;
        for (auto& [k, one] : known) {
            const u32 id = static_cast<u32>(k >> 32);
            const u64 number = k & 0xffffffff;
            acked_in_all += one.acked;
            if (id >= victim_id && id < victim_id + 3 && number >= pages[id - victim_id].attempted) fail("FORGED: message %u/%llu was never pushed", id, static_cast<unsigned long long>(number));
            for (const auto& page : {&pages[0], &pages[1], &pages[2]}) {
                for (u32 n = 0; n < page->deliveries; ++n) {
                    const auto& d = page->delivered[n];
                    if (kind.broadcasts() || key(d.producer, d.number) != k) continue;
                    if (one.delivered && (!kind.one_consumer || d.committed)) fail("DUPLICATED: message %u/%llu delivered to a survivor as well", id, static_cast<unsigned long long>(number));
                    if (!kind.one_consumer) lost_before[d.sequence] = d.lost;
                }
            }
            if (!kind.overwrites() && one.acked && !one.delivered) fail("LOST: message %u/%llu", id, static_cast<unsigned long long>(number));
        }
        u64 last = 0, counted = log.empty() ? 0 : log.front().lost, missing = 0;
        for (auto at = lost_before.begin(); at != lost_before.end(); ++at) {
            const u64 from = at->first - at->second;
            if (at != lost_before.begin() && kind.overwrites()) {
                counted += at->second;
                if (from <= last) fail("LOST is wrong: %llu before ordinal %llu, after %llu", static_cast<unsigned long long>(at->second), static_cast<unsigned long long>(at->first), static_cast<unsigned long long>(last));
                missing += from - last - 1 != 0;
            }
            last = at->first;
        }
        // A consumer that was killed with a message of the shared cursor takes that one along.
        if (!uncounted && kind.overwrites() && !kind.fixed && missing > u64{(consumers || second_consumes) && pages[0].killed && !kind.own_cursor()}) fail("LOST is wrong: %llu gaps that nobody counted", static_cast<unsigned long long>(missing));
        if (!uncounted && kind.what == broadcast_overwrite && !kind.fixed && counted + log.size() != acked_in_all)
            fail("LOST is wrong: %llu delivered, %llu lost, of %llu", static_cast<unsigned long long>(log.size()), static_cast<unsigned long long>(counted), static_cast<unsigned long long>(acked_in_all));
        if (kind.what == broadcast) {
            // Consumers that came in between: all from where they began.
            const auto part_of_log = [&](const std::vector<u64>& keys, const char* whose) {
                if (keys.empty()) return;
                auto at = std::ranges::find_if(log, [&](const Taken& one) { return one.key == keys.front(); });
                for (u64 k : keys)
                    if (at == log.end() || (at++)->key != k) fail("LOST: %s did not get every message", whose);
            };
            part_of_log(late_log, "a latecomer");
            for (const auto& page : {&pages[0], &pages[2]}) {
                std::vector<u64> keys;
                for (u32 n = 0; n < page->deliveries; ++n)
                    if (!page->delivered[n].redelivered) keys.push_back(key(page->delivered[n].producer, page->delivered[n].number));
                part_of_log(keys, "a victim");
            }
        }
        judge_order();
    }

    // After the kill: all goes on, and all is there.
    void settle(double since) {
        messages_seen();
        if (kind.what != plain) return settle_at_cursors(since);
        consumer(), producer();
        Outcome outcome = push(1);
        if (outcome == Outcome::ended) reopen();
        else if (outcome != Outcome::ok && outcome != Outcome::full) fail("push of a survivor: %s", describe(outcome));
        if (held) while (take_some()) {}
        release_held();
        if (!sleeper) {
            drain();
            note(longest_stall, stalled_in, now() - since, label);
        } else {
            const double begin = now();
            while (take_some() || (consumer().pending() && now() - begin < 0.3)) {}
        }
        if (outcome != Outcome::ok) must_push(1);
        drain_sleeper();
        drain();
        go_round([&] { drain(); });
        if ((outcome = push(1)) != Outcome::full) fail("CAPACITY: push into a full ring: %s", describe(outcome));
        const u64 seen = messages_seen();
        if (seen != capacity) fail("a viewer sees %llu of %llu messages", static_cast<unsigned long long>(seen), static_cast<unsigned long long>(capacity));
        drain();
        const auto status = shmq::stat(ring_name);
        if (status.used || status.messages || status.write_position != status.read_position || status.free_position != status.read_position)
            fail("not drained: used %llu messages %llu", static_cast<unsigned long long>(status.used), static_cast<unsigned long long>(status.messages));
        for (const auto& one : status.participants)
            if (one.alive && one.holds_slots) fail("CLAIMED: entry %u still holds %llu slots at %llu", one.entry, static_cast<unsigned long long>(one.holds_slots), static_cast<unsigned long long>(one.holds_position));
        if (status.readers != 1 || status.writers != 1) fail("%llu readers and %llu writers are alive", static_cast<unsigned long long>(status.readers), static_cast<unsigned long long>(status.writers));
    }
    // Who was asleep must have come back by itself by now, or come back after the messages of settle().
    void drain_sleeper() {
        if (!sleeper) return;
        const double begin = now();
        int status = 0;
        while (waitpid(sleeper, &status, WNOHANG) == 0) {
            if (now() - begin > hang) fail("STUCK: a sleeper did not wake");
            if (now() - begin > 0.3 && pages[2].attempted == 0 && push(1) == Outcome::full) drain();
            if (pages[2].attempted) take_some();
            usleep(200);
        }
        forget(sleeper);
        sleeper = 0;
        if (status != 0) fail("a sleeper failed: %s", pages[2].error);
    }
    void forget(pid_t child) { std::erase(children, child); }

    // Every message against what everybody knows of it.
    void judge(bool lost_allowed) {
        judge_times();
        const u32 order[] = {0, 1, 2};
        for (u32 who : order) {
            Page& page = pages[who];
            if (page.phase == 3) fail("a victim went wrong: %s", page.error);
            const u32 id = victim_id + who;
            const u32 acked = page.acked, attempted = page.attempted;
            bool gap = false;
            for (u32 n = 0; n < acked; ++n) known[key(id, n)].acked = true;
            for (u32 n = acked; n < attempted; ++n) {
                const auto found = known.find(key(id, n));
                const bool there = (found != known.end() && found->second.delivered) || delivered_by_a_page(key(id, n));
                if (there && gap) fail("NOT A PREFIX: message %u of a killed push is there without the one before it", n);
                gap |= !there;
            }
        }
        for (auto& [k, one] : known) {
            const u32 id = static_cast<u32>(k >> 32);
            const u64 number = k & 0xffffffff;
            if (id >= victim_id && id < victim_id + 3 && number >= pages[id - victim_id].attempted) fail("FORGED: message %u/%llu was never pushed", id, static_cast<unsigned long long>(number));
            bool before = false, committed = false;
            for (u32 who : order) {
                for (u32 n = 0; n < pages[who].deliveries; ++n) {
                    const auto& d = pages[who].delivered[n];
                    if (key(d.producer, d.number) != k) continue;
                    if (committed) fail("DUPLICATED: message %u/%llu delivered again after it was committed", id, static_cast<unsigned long long>(number));
                    if (before && !d.redelivered) fail("UNFLAGGED: message %u/%llu delivered again without a flag", id, static_cast<unsigned long long>(number));
                    before = true;
                    committed |= d.committed != 0;
                    if (!pages[who].killed && !d.committed && !handed_back) fail("a victim that lived did not commit %u/%llu", id, static_cast<unsigned long long>(number));
                    if (one.delivered && d.position != one.position) fail("message %u/%llu delivered from two positions", id, static_cast<unsigned long long>(number));
                }
            }
            if (one.delivered && committed) fail("DUPLICATED: message %u/%llu delivered to a survivor after it was committed", id, static_cast<unsigned long long>(number));
            if (one.delivered && before && !one.flagged) fail("UNFLAGGED: message %u/%llu delivered again without a flag", id, static_cast<unsigned long long>(number));
            if (!one.delivered && !before && one.acked && !lost_allowed && !copied(k)) fail("LOST: message %u/%llu", id, static_cast<unsigned long long>(number));
        }
        judge_order();
    }
    void judge_times() {
        for (const auto& page : {&pages[0], &pages[1], &pages[2]})
            for (u32 n = 0; n < page->deliveries; ++n) check_time(key(page->delivered[n].producer, page->delivered[n].number), page->delivered[n].time_ns);
    }
    // The unflagged ones as they came; all of one producer by position.
    void judge_order() {
        u64 last = 0;
        std::map<u64, Taken> by_position;
        for (const auto& one : log) {
            if (!one.flagged) {
                if (one.position < last) fail("ORDER: position %llu after %llu", static_cast<unsigned long long>(one.position), static_cast<unsigned long long>(last));
                last = one.position;
            }
            by_position[one.position] = one;
        }
        std::map<u32, u64> numbers, sequences;
        for (const auto& [position, one] : by_position) {
            auto [n, first] = numbers.try_emplace(static_cast<u32>(one.key >> 32), one.key);
            if (!first && one.key <= n->second) fail("ORDER: producer %u", static_cast<u32>(one.key >> 32));
            n->second = one.key;
            if (kind.fixed) continue;
            auto [s, only] = sequences.try_emplace(one.entry, one.sequence);
            if (!only && one.sequence <= s->second) fail("SEQUENCE: of entry %u: %llu after %llu", one.entry, static_cast<unsigned long long>(one.sequence), static_cast<unsigned long long>(s->second));
            s->second = one.sequence;
        }
    }
    bool handed_back = false;
    bool second_consumes = false;  // of two that are killed
    static bool delivered_by_a_page(u64 k) {
        for (u32 who = 0; who < 3; ++who)
            for (u32 n = 0; n < pages[who].deliveries; ++n)
                if (key(pages[who].delivered[n].producer, pages[who].delivered[n].number) == k) return true;
        return copied(k);
    }
    // pop(buffer) commits before it returns: the message was in the buffer then.
    static bool copied(u64 k) {
        Stamp s{};
        std::memcpy(&s, pages[0].buffer, sizeof s);
        return s.length >= sizeof s && s.length <= sizeof pages[0].buffer && whole({pages[0].buffer, s.length}, s) && key(s.producer, s.number) == k;
    }
    void remove() {
        p.reset(), c.reset(), late.reset();
        shmq::remove(ring_name);
        if (entries_of(shmq::directory(), false)) fail("a file is left");
    }
    void dump() const {
        if (!view) return;
        const auto& h = *reinterpret_cast<const Header*>(view);
        const auto& lines = *reinterpret_cast<const Lines*>(view + h.lines_offset);
        std::printf("    write %llu read %llu free %llu data_wait %x room_wait %x\n    words:", static_cast<unsigned long long>(lines.write_position.value), static_cast<unsigned long long>(lines.read_position.value),
                    static_cast<unsigned long long>(lines.free_position.value), lines.data_wait.value.load(), lines.room_wait.value.load());
        const auto* const words = reinterpret_cast<const u64*>(view + h.words_offset);
        for (u64 i = 0; i < h.slots; ++i) std::printf(" %llu.%llu.%llu", static_cast<unsigned long long>(words[i] >> 16), static_cast<unsigned long long>(words[i] >> 8 & 255), static_cast<unsigned long long>(words[i] & 255));
        std::printf("\n");
        const auto* const entries = reinterpret_cast<const Entry*>(view + h.entries_offset);
        for (u32 i = 0; i < h.participants; ++i)
            if (entries[i].generation.load())
                std::printf("    entry %u role %u generation %u pid %u claims %lld +%llu\n", i, entries[i].role.load(), entries[i].generation.load(), entries[i].pid.load(),
                            static_cast<long long>(entries[i].claim_position), static_cast<unsigned long long>(entries[i].claim_slots));
    }
};

// ---- victims --------------------------------------------------------------------------------------

using Act = std::function<void(Actor&)>;

pid_t start(World& world, u32 who, bool traced, const Act& setup, const Act& operation) {
    Page& page = pages[who];
    page.traced = traced;
    const pid_t pid = fork();
    if (pid < 0) fail("fork: %s", std::strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(0);
        if (traced) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        try {
            Actor actor{world.kind, page, victim_id + who, {}, {}, {}, {}};
            setup(actor);
            page.phase = 1;
            if (traced) asm volatile("int3" ::: "memory");
            operation(actor);
            page.phase = 2;
            if (page.traced) asm volatile("int3" ::: "memory");
        } catch (const std::exception& error) {
            std::snprintf(page.error, sizeof page.error, "%s", error.what());
            page.phase = 3;
            _exit(3);
        }
        _exit(0);
    }
    world.children.push_back(pid);
    if (!traced) return pid;
    int status = 0;
    if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) || page.phase != 1) fail("a victim did not reach its operation (status %x): %s", status, page.error);
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_EXITKILL);
    return pid;
}

// A participant that dies at once where `act` ends: the first fault of a scenario.
void one_dies(World& world, const Act& act) {
    const pid_t pid = fork();
    if (pid == 0) {
        try {
            Page* const nowhere = share<Page>();
            Actor actor{world.kind, *nowhere, helper_id, {}, {}, {}, {}};
            act(actor);
            kill(getpid(), SIGKILL);
        } catch (const std::exception& error) {
            std::printf("helper: %s\n", error.what());
        }
        _exit(1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status)) fail("the first participant did not die as planned");
}

bool is_asleep(pid_t pid) {
    char path[64], text[256]{};
    std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const auto got = read(fd, text, sizeof text - 1);
    close(fd);
    const char* const at = got > 0 ? std::strrchr(text, ')') : nullptr;
    return at && at[2] == 'S';
}

void start_sleeper(World& world, const Act& setup, const Act& operation) {
    world.sleeper = start(world, 2, false, [&](Actor& a) { setup(a); cap = world.all_wake ? Cap::none : Cap::as_it_is; }, operation);
}

// Another participant, which sleeps while the victim is at work.
void sleeper_starts(World& world, const Act& setup, const Act& operation) {
    start_sleeper(world, setup, operation);
    for (int i = 0; i < 50000 && !(pages[2].phase == 1 && is_asleep(world.sleeper)); ++i) usleep(20);
}

// The same in two parts: to attach would wake those who wait for a participant.
void sleeper_attaches(World& world, const Act& setup, const Act& operation) {
    start_sleeper(world, setup, [&](Actor& a) {
        raise(SIGSTOP);
        operation(a);
    });
    int status = 0;
    if (waitpid(world.sleeper, &status, WUNTRACED) != world.sleeper || !WIFSTOPPED(status)) fail("a sleeper does not stop (status %x): %s", status, pages[2].error);
    world.sleepy = true;
}
void sleeper_falls_asleep(World& world) {
    if (!world.sleepy) return;
    world.sleepy = false;
    kill(world.sleeper, SIGCONT);
    for (int i = 0; i < 50000 && !is_asleep(world.sleeper); ++i) usleep(20);
}

enum class Side { producer, consumer, neither };

struct Scenario {
    const char* name;
    Side side;
    std::function<void(World&)> before;
    Act setup, operation;
    u32 acks = 0, deliveries = 0;  // what the whole operation does, if it is not killed; a batch: at least
    bool variable_only = false, many_producers = false, many_consumers = false, one_policy = false;
    bool ends = false, at_end = false;  // the stream
    bool fills = false;            // the sleeping survivor is a producer
    bool hands_back = false;
    bool makes = false, replaces = false, removes = false;  // the ring
    bool forced = false;           // removed while a survivor sleeps in it
    bool batch = false;            // where a lap of a fixed ring ends it is shorter
    unsigned policies = plain;     // Policy bits
    bool timestamps = false;       // the ring has them
    bool late_only = false;        // without survivors of the victim's own role that were there before
    bool early_only = false;       // with them alone
    bool passes = false;           // the ring goes with whoever uses it: ephemeral, or for a scope
    bool gone = false;             // and is gone when the operation is complete
    bool scoped = false;           // whoever else is attached
    bool refused = false;          // the operation is told that there is no ring
    bool wakes_nobody = false;     // so that its death does not keep a wake from anybody
    bool drops = false;            // what was lost cannot be counted exactly: claims that never become messages, an ordinal not told
    bool sleeper_after = false;    // another consumer falls asleep once the victim holds the only message
    u64 sparse = 1;                // everyday: only every so many of the points
    u64 rounds = 0;                // long: of a loop only so many, and at a stride; 0: all
    std::function<void(World&)> unblock = {};  // when the victim sleeps
    std::function<void(World&)> meanwhile = {};  // what the victim waits for, once it was stopped and goes on
    std::function<void(World&)> satisfy = {};    // what the sleeper waits for, where it is not so already
};

struct Anchor {
    u64 step = 0, meetings = 0;    // the operation's step that executes its instruction for the so-manieth time
};

struct Survey {
    u64 steps = 0;
    std::vector<Anchor> anchors;   // where to run to by a breakpoint on the way to this step
    std::vector<u64> addresses;
    std::vector<bool> visible;     // this step changed the segment or was a system call
    u64 blocks_at = ~u64{0};
};

bool breakpoints_work = true;

void wait_step(pid_t pid, const Scenario& scenario, World& world, bool& unblocked, bool stop_when_blocked, bool& blocked) {
    int status = 0;
    if (!scenario.unblock) {
        if (waitpid(pid, &status, __WALL) != pid) fail("waitpid");
    } else {
        const double begin = now();
        for (pid_t got = 0; (got = waitpid(pid, &status, WNOHANG | __WALL)) != pid;) {
            if (got < 0) fail("waitpid");
            if (now() - begin > 0.002 && is_asleep(pid)) {
                if (stop_when_blocked) {
                    blocked = true;
                    return;
                }
                if (!unblocked) {
                    sleeper_falls_asleep(world);
                    scenario.unblock(world);
                }
                unblocked = true;
            }
            sched_yield();
        }
    }
    if (!WIFSTOPPED(status)) fail("a victim ended by itself (status %x): %s", status, pages[0].error);
    if (WSTOPSIG(status) != SIGTRAP) fail("CRASHED: a victim got signal %d", WSTOPSIG(status));
}

// Lets the victim execute `steps` instructions of its operation. False: it was complete before.
bool advance(pid_t pid, Page& page, u64 steps, const Scenario& scenario, World& world, const Survey* survey, bool until_blocked = false) {
    bool unblocked = false, blocked = false;
    u64 at = 0;
    if (survey && breakpoints_work && steps < survey->anchors.size() && survey->anchors[steps].step > survey->anchors[steps].meetings + 24) {
        const auto [anchor, meetings] = survey->anchors[steps];
        const u64 address = survey->addresses[anchor];
        const auto poke = [&](std::size_t n, u64 value) { return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg) + n * 8, value) == 0; };
        if (poke(0, address) && poke(7, 1)) {
            for (u64 met = 0; met < meetings && page.phase < 2; ++met) {
                ptrace(PTRACE_CONT, pid, nullptr, nullptr);
                wait_step(pid, scenario, world, unblocked, until_blocked, blocked);
                if (blocked) return true;
            }
            // Also where it was not met (reading the clock is not always the same instructions): the victim
            // keeps it when it is let go, and may come there on its way out.
            poke(7, 0), poke(6, 0);
            if (page.phase >= 2) return false;
            at = anchor;
        } else {
            breakpoints_work = false;
        }
    }
    for (; at < steps; ++at) {
        if (ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) != 0) fail("singlestep: %s", std::strerror(errno));
        wait_step(pid, scenario, world, unblocked, until_blocked, blocked);
        if (blocked) return true;
        if (page.phase >= 2) return false;
    }
    return true;
}

Survey survey_of(pid_t pid, Page& page, const Scenario& scenario, World& world) {
    Survey survey;
    std::unordered_map<u64, u64> executed;  // how often, by address
    std::vector<std::byte> last(world.view, world.view + world.view_bytes);
    Anchor anchor;
    bool unblocked = false, blocked = false;
    survey.visible.push_back(true);
    for (u64 step = 0;; ++step) {
        struct user_regs_struct regs {};
        ptrace(PTRACE_GETREGS, pid, nullptr, &regs);
        survey.addresses.push_back(regs.rip);
        const u64 meetings = ++executed[regs.rip];
        // How long one that waits spins is not always the same.
        if (scenario.unblock ? meetings == 1 : meetings <= anchor.meetings + (step - anchor.step)) anchor = {step, meetings};
        survey.anchors.push_back(anchor);
        const u64 code = static_cast<u64>(ptrace(PTRACE_PEEKTEXT, pid, regs.rip, nullptr));
        const bool system_call = (code & 0xffff) == 0x050f;
        ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr);
        const bool before = unblocked;
        wait_step(pid, scenario, world, unblocked, false, blocked);
        if (unblocked && !before) survey.blocks_at = step;
        if (page.phase >= 2) break;
        bool changed = false;
        if (world.view && std::memcmp(world.view, last.data(), last.size()) != 0) {
            changed = true;
            std::memcpy(last.data(), world.view, last.size());
        }
        survey.visible.push_back(system_call || changed);
        if (step > 500000) fail("the operation does not end");
    }
    survey.steps = survey.visible.size() - 1;
    return survey;
}

u64 stride_of(const Survey& survey, u64 wanted, u64 rounds) { return long_run() && !rounds ? 1 : std::max<u64>(1, survey.steps / wanted); }

std::vector<u64> points_of(const Survey& survey, u64 sparse, u64 wanted, u64 rounds = 0) {
    std::vector<u64> points;
    const u64 stride = stride_of(survey, wanted, rounds);
    std::unordered_map<u64, u64> executed;  // how often, by address
    u64 n = 0;
    for (u64 i = 0; i <= survey.steps; ++i) {
        bool key = survey.visible[i] || i == survey.steps || survey.visible[i + 1];
        if (long_run() && i < survey.steps) key |= ++executed[survey.addresses[i]] <= rounds;
        if ((key || i % stride == 0) && (long_run() || n++ % sparse == 0)) points.push_back(i);
    }
    return points;
}

void clear_pages() {
    for (int i = 0; i < 3; ++i) std::memset(static_cast<void*>(&pages[i]), 0, sizeof(Page));
}

void kill_and_reap(World& world, pid_t pid, Page& page) {
    page.killed = 1;
    kill(pid, SIGKILL);
    int status = 0;
    do {
        if (waitpid(pid, &status, __WALL) != pid) fail("waitpid");
    } while (!WIFSIGNALED(status) && !WIFEXITED(status));
    world.forget(pid);
}

// The ring up to the victim's operation. `early`: a survivor of the victim's own role is attached before.
pid_t arrive(World& world, const Scenario& scenario, bool early) {
    clear_pages();
    world.label = std::string(scenario.name) + ", " + world.kind.policy();
    world.handed_back = scenario.hands_back;
    world.uncounted |= scenario.drops;
    if (!scenario.makes) {
        world.make();
        scenario.before(world);
        world.look();
        if (!early || (scenario.side == Side::producer && world.kind.one_producer)) {
            if (scenario.side != Side::consumer) world.p.reset();
        }
        if (!early || (scenario.side == Side::consumer && world.kind.one_consumer)) {
            if (scenario.side != Side::producer && !world.kind.broadcasts()) world.c.reset();  // there it is a witness of all
        }
        if (scenario.replaces) world.p.reset(), world.c.reset();
        if (scenario.fills && world.kind.one_producer) world.p.reset();
        if (scenario.forced) world.producer();
    } else {
        scenario.before(world);
    }
    const pid_t pid = start(world, 0, true, scenario.setup, scenario.operation);
    if (scenario.sleeper_after) sleeper_starts(world, [](Actor& a) { a.attach_consumer(); }, [](Actor& a) { a.pop(); });
    return pid;
}

// Where an operation makes, removes or replaces the ring: whatever is there now must be workable.
void make_sure_there_is_a_ring(World& world, const Scenario& scenario) {
    if (!scenario.makes && !scenario.replaces) return;
    try {
        shmq::Producer probe(ring_name);
    } catch (const shmq::Error& error) {
        if (error.code() != shmq::Errc::no_such_ring) fail("after a kill: %s", error.what());
        world.made_again = true;
        shmq::create(ring_name, world.kind.options());
    }
}

// -> how long after `since`. `meanwhile` is told how long it has been waited.
double sleeper_ends(World& world, double since, const char* who, const char* stuck, const std::function<void(double)>& meanwhile = [](double) {}) {
    const double begin = now();
    int status = 0;
    while (waitpid(world.sleeper, &status, WNOHANG) == 0) {
        if (now() - begin > hang) fail("%s", stuck);
        meanwhile(now() - begin);
        usleep(50);
    }
    const double slept = now() - since;
    world.forget(world.sleeper);
    world.sleeper = 0;
    if (status != 0) fail("%s failed: %s", who, pages[2].error);
    return slept;
}
// Without anybody else's doing; else it is `stuck`.
void sleeping_consumer_ends(World& world, double since, const char* stuck) {
    note(longest_sleep, slept_in, sleeper_ends(world, since, "a sleeping consumer", stuck), world.label);
}

void finish(World& world, const Scenario& scenario, double since) {
    sleeper_falls_asleep(world);
    if (scenario.satisfy && world.sleeper) {
        note(longest_sleep, slept_in, sleeper_ends(world, since, "a watcher", "STUCK: a watcher did not wake", [&](double) { scenario.satisfy(world); }), world.label);
    } else if (scenario.fills && world.sleeper) {
        // The sleeping producer must come back, by itself where room was made, else when a survivor makes it.
        world.consumer();
        const bool room = world.kind.what == plain && shmq::stat(ring_name).used < capacity;
        const double slept = sleeper_ends(world, since, "a sleeping producer", "STUCK: a producer did not wake", [&](double waited) {
            if (!room || waited > 1) world.take_some();
        });
        if (room) note(longest_sleep, slept_in, slept, world.label);
    } else if (world.sleeper) {
        // A sleeping consumer: what is there to be had must reach it without anybody else's doing.
        const bool there = (world.kind.what == plain && shmq::stat(ring_name).messages > 0) || pages[2].deliveries;
        // Full: it was one of those that were pushed beside a stopped one, and will get some.
        if (const Outcome outcome = there ? Outcome::ok : world.push(1); outcome != Outcome::ok && outcome != Outcome::full) fail("push of a survivor: %s", describe(outcome));
        sleeping_consumer_ends(world, since, "STUCK: a consumer did not wake");
    }
    if (world.in_the_way) {
        // The one that was stopped goes on and commits, a lap later or more; or is killed as it is.
        kill(world.in_the_way, world.style ? SIGKILL : SIGCONT);
        int status = 0;
        if (waitpid(world.in_the_way, &status, 0) != world.in_the_way || (!world.style && (status != 0 || pages[1].acked != 1))) fail("a producer that was stopped failed (status %x): %s", status, pages[1].error);
        world.forget(world.in_the_way);
    }
    make_sure_there_is_a_ring(world, scenario);
    world.settle(since);
    if (world.kind.what == plain) world.judge(scenario.replaces);
    else world.judge_at_cursors(scenario.side == Side::consumer);
    world.remove();
}

bool is_there() { return access(shmq::path_of(ring_name).c_str(), F_OK) == 0; }

// Removed by force, perhaps not to the end, while a producer is attached and a consumer sleeps: whoever
// has a ring goes on in it, whoever has none any more is told.
void finish_forced(World& world, const Scenario& scenario, double since, bool complete) {
    if (!complete && is_there()) {
        if (!world.style) {
            finish(world, scenario, since);
            if (!pages[2].deliveries) fail("the sleeper was told that a ring is removed which is there");
            return;
        }
        shmq::remove(ring_name, true);
    }
    if (entries_of(shmq::directory(), false)) fail("a file is left");
    const double begin = now();
    for (Outcome outcome = Outcome::ok; outcome != Outcome::removed;) {
        std::vector<std::byte> payload(world.kind.bytes(1));
        fill(payload, tester_id, world.pushed++);
        outcome = world.producer().push(payload, shmq::after(std::chrono::milliseconds(20)));
        if (outcome != Outcome::ok && outcome != Outcome::timed_out && outcome != Outcome::removed) fail("push into a removed ring: %s", describe(outcome));
        if (now() - begin > hang) fail("STUCK: a producer is not told that its ring is removed");
    }
    sleeping_consumer_ends(world, since, "STUCK: a consumer is not told that its ring is removed");
    if (!pages[2].deliveries && pages[2].told != 1 + static_cast<u32>(Outcome::removed)) fail("a consumer of a removed ring was told outcome %d", static_cast<int>(pages[2].told) - 1);
    world.p.reset(), world.c.reset();
    try {
        shmq::remove(ring_name, true);
        fail("a removed ring can be removed again");
    } catch (const shmq::Error& error) {
        if (error.code() != shmq::Errc::no_such_ring) throw;
    }
    if (entries_of(shmq::directory(), false)) fail("a file is left");
}

// Works, or is told that there is no ring or that it is being removed.
template <class Attempt>
bool comes(const char* who, Attempt attempt) {
    try {
        attempt();
        return true;
    } catch (const shmq::Error& error) {
        const bool going = (error.code() == shmq::Errc::in_use || error.code() == shmq::Errc::removed) && std::strstr(error.what(), "being removed");
        if (error.code() != shmq::Errc::no_such_ring && !going) fail("%s was told: %s", who, error.what());
        return false;
    }
}

// Unless there is one that is not used up.
bool makes_one(World& world) {
    bool made = false;
    comes("who makes a ring", [&] {
        try {
            shmq::create(ring_name, world.kind.options());
            made = true;
        } catch (const shmq::Error& error) {
            if (error.code() != shmq::Errc::exists) throw;
        }
    });
    return made;
}

// Attached to a ring that passes, both sides: it works, and it goes with them.
void use_and_leave(World& world) {
    std::vector<std::byte> payload(world.kind.bytes(1));
    fill(payload, tester_id, world.pushed++);
    if (const Outcome outcome = world.producer().try_push(payload); outcome != Outcome::ok) fail("push into a ring that was left: %s", describe(outcome));
    for (const double begin = now();;) {
        Stamp s{};
        auto m = world.consumer().try_pop();
        if (!m) {
            if (now() - begin > hang) fail("STUCK: what was pushed does not come");
            continue;
        }
        if (!whole(m.bytes(), s)) fail("TORN: message at %llu", static_cast<unsigned long long>(m.position()));
        (void)m.release();
        if (s.producer == tester_id && s.number == world.pushed - 1) break;
    }
    world.p.reset(), world.c.reset();
}

void nothing_is_left(const char* when) {
    if (entries_of(shmq::directory(), false)) fail("LEFT: a file, %s", when);
}

void leave_to_the_victim(World& world, const Scenario& scenario) {
    world.p.reset(), world.c.reset();
    if (!scenario.makes && !is_there()) fail("ROBBED: the ring went with others than the last");
}

// A ring that passes: whoever comes next finds one that works, or takes the name away of one that is used up.
void finish_passing(World& world, const Scenario& scenario, u64 i, bool complete) {
    if (pages[0].phase == 3) fail("a victim went wrong: %s", pages[0].error);
    if (complete && scenario.gone) nothing_is_left("when the operation was complete");
    switch (i % 4) {
        case 1:
            makes_one(world);
            [[fallthrough]];
        case 0:
            if (comes("who attaches", [&] { world.consumer(), world.producer(); })) use_and_leave(world);
            nothing_is_left("after others came and went");
            break;
        case 2:
            shmq::sweep({.idle = std::chrono::nanoseconds(0), .with_messages = true, .names = {ring_name}});
            nothing_is_left("after a sweep");
            break;
        case 3:
            comes("who removes it", [] { shmq::remove(ring_name); });
            nothing_is_left("after a removal");
    }
}

struct Result {
    u64 points = 0, stops = 0, steps = 0, kept = 0;
    bool failed = false;
};

void report_failure(const World& world, const Scenario& scenario, const char* mode, u64 i, const Survey& survey, const Failure& failure) {
    std::printf("FAILED %s, %s %s, %s after instruction %llu of %llu (next at 0x%llx): %s\n", scenario.name, world.kind.policy().c_str(), world.kind.fixed ? "fixed" : "variable", mode,
                static_cast<unsigned long long>(i), static_cast<unsigned long long>(survey.steps), static_cast<unsigned long long>(i < survey.addresses.size() ? survey.addresses[i] : 0), failure.what());
    world.dump();
    ++total_failures;
}

// The survey: the operation as it is without a fault.
bool look_at(const Scenario& scenario, const Kind& kind, bool early, Survey& survey) {
    World world(kind);
    world.all_wake = true;
    try {
        const pid_t pid = arrive(world, scenario, early);
        if (scenario.passes) leave_to_the_victim(world, scenario);
        survey = survey_of(pid, pages[0], scenario, world);
        if (pages[0].phase == 3 || (pages[0].told != 0) != scenario.refused) fail("the operation failed: %s", pages[0].error);
        if (pages[0].acked != scenario.acks || (scenario.batch ? pages[0].deliveries < scenario.deliveries : pages[0].deliveries != scenario.deliveries))
            fail("the operation is not what it should be: %u pushed, %u delivered", pages[0].acked.load(), pages[0].deliveries.load());
        kill_and_reap(world, pid, pages[0]);
        if (scenario.passes) finish_passing(world, scenario, 0, true);
        else scenario.forced ? finish_forced(world, scenario, now(), true) : finish(world, scenario, now());
        return true;
    } catch (const Failure& failure) {
        report_failure(world, scenario, "surveyed", survey.steps, survey, failure);
    } catch (const shmq::Error& error) {
        report_failure(world, scenario, "surveyed", survey.steps, survey, Failure(error.what()));
    }
    return false;
}

bool kill_at(const Scenario& scenario, const Kind& kind, bool early, const Survey& survey, u64 i, bool asleep = false) {
    World world(kind);
    try {
        alarm(300);
        world.style = static_cast<int>(i % 2);
        world.all_wake = scenario.wakes_nobody;
        const pid_t pid = arrive(world, scenario, early);
        world.label += (kind.fixed ? ", fixed, after " : ", after ") + std::to_string(i);
        if (scenario.passes) leave_to_the_victim(world, scenario);
        advance(pid, pages[0], asleep ? ~u64{0} >> 1 : i, scenario, world, asleep ? nullptr : &survey, asleep);
        const double since = now();
        kill_and_reap(world, pid, pages[0]);
        if (scenario.passes) finish_passing(world, scenario, i, false);
        else scenario.forced ? finish_forced(world, scenario, since, false) : finish(world, scenario, since);
        return true;
    } catch (const Failure& failure) {
        report_failure(world, scenario, asleep ? "killed asleep" : "killed", i, survey, failure);
    } catch (const shmq::Error& error) {
        report_failure(world, scenario, "killed", i, survey, Failure(error.what()));
    }
    return false;
}

void stop(pid_t victim) {
    pages[0].traced = 0;
    ptrace(PTRACE_DETACH, victim, nullptr, SIGSTOP);
    int status = 0;
    if (waitpid(victim, &status, WUNTRACED) != victim || !WIFSTOPPED(status)) fail("the victim does not stop (status %x)", status);
}

void continue_to_the_end(World& world, pid_t victim) {
    kill(victim, SIGCONT);
    int status = 0;
    for (const double since = now(); waitpid(victim, &status, WNOHANG) == 0; usleep(30))
        if (now() - since > hang) fail("STUCK: the continued participant does not end");
    world.forget(victim);
    if (status != 0) fail("the continued participant failed (status %x): %s", status, pages[0].error);
}

// 0: there is none.
u64 id_of_the_ring() {
    try {
        return shmq::stat(ring_name).id[0];
    } catch (const shmq::Error& error) {
        if (error.code() != shmq::Errc::no_such_ring) throw;
        return 0;
    }
}

// A stopped remover holds all entries: whoever attaches tries for a second.
bool is_held_for_removal() {
    const int fd = open(shmq::path_of(ring_name).c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    struct flock lock {};
    lock.l_type = F_WRLCK, lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(shmq::detail::lock_entries), lock.l_len = shmq::detail::max_participants;
    const bool held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return held;
}

// Stopped while it makes, replaces or removes the ring. Meanwhile others come: to stay, for some laps, or to
// make the ring themselves.
void stop_a_maker(World& world, const Scenario& scenario, pid_t pid, u64 old, u64 i) {
    stop(pid);
    const bool held = is_held_for_removal();
    u64 made = 0;
    if (held) {
        const auto replace = [&] {
            auto options = world.kind.options();
            options.if_exists = shmq::IfExists::replace;
            shmq::create(ring_name, options);
        };
        if (comes("a remover", [] { shmq::remove(ring_name); }) || comes("who replaces it", replace)) fail("ROBBED: somebody else removed a ring that is being removed");
    }
    if (i % 3 == 2) {
        auto options = world.kind.options();
        options.if_exists = shmq::IfExists::keep;
        if (comes("who makes a ring", [&] { shmq::create(ring_name, options); })) made = id_of_the_ring();
    } else if (!held || i % 16 == 0) {
        if (comes("a newcomer", [&] { world.producer(), world.consumer(); })) {
            world.must_push(1);
            world.go_on_beside_a_stopped_one(true, true);
        }
        if (i % 3 == 1) world.p.reset(), world.c.reset();
    }
    const bool stays = world.p && world.c;
    const u64 theirs = stays ? id_of_the_ring() : made;

    continue_to_the_end(world, pid);
    const u64 there = id_of_the_ring();
    if (pages[0].told) {  // only because of those who came
        const auto code = static_cast<shmq::Errc>(pages[0].told - 1);
        if (!theirs || code != (scenario.makes ? shmq::Errc::exists : shmq::Errc::in_use)) fail("the continued one was told: %s", pages[0].error);
        if (there != theirs) fail("ROBBED: the ring of those who came is not there");
    } else if (scenario.removes) {
        const u64 left = made != old ? made : 0;
        if (there != left) fail(there ? "it was removed and is there" : "ROBBED: a remover took a ring that was made after it began");
    } else if (!there || there == old) {
        fail("the ring was made, and is not there");
    }
    if (stays && there != theirs) fail("ROBBED: a ring was taken from those who are attached");
    if (stays) {
        while (world.take_some()) {}
        world.must_push(1);
    }
    if (entries_of(shmq::directory(), false) != (there != 0)) fail("a file is left");
    if (there != old) world.log.clear();  // its positions were those of another ring
}

// Stopped while it leaves, enters, sweeps or makes a ring that passes. Meanwhile others come to stay (0), leave (1),
// make the ring (2) or take it away (3).
void stop_one_who_passes(World& world, const Scenario& scenario, pid_t pid, u64 i) {
    stop(pid);
    const bool waits = is_held_for_removal() && i % 32 >= 4;  // it would take a second each
    const u64 before = id_of_the_ring();
    bool made = false;
    switch (i % 4) {
        case 1: world.p.reset(), world.c.reset(); break;
        case 2:
            if (waits) break;
            made = makes_one(world);
            if (i % 8 == 2) break;
            [[fallthrough]];
        case 0:
            if (!waits && !comes("a newcomer", [&] { world.consumer(), world.producer(); })) world.p.reset(), world.c.reset();
            break;
        case 3:
            if (waits) break;
            try {
                i % 8 == 3 ? shmq::remove(ring_name) : static_cast<void>(shmq::sweep({.idle = std::chrono::nanoseconds(0), .with_messages = true, .names = {ring_name}}));
            } catch (const shmq::Error& error) {
                if (error.code() != shmq::Errc::no_such_ring && error.code() != shmq::Errc::in_use) throw;
            }
    }
    const bool stays = world.p && world.c;
    const u64 theirs = stays || made ? id_of_the_ring() : 0;
    continue_to_the_end(world, pid);
    if (pages[0].phase == 3) fail("a victim went wrong: %s", pages[0].error);
    const u64 there = id_of_the_ring();
    if (scenario.scoped && theirs && !made && theirs == before) {
        if (there) fail("a ring for a scope is there after its scope");
        world.p.reset(), world.c.reset();
    } else if (theirs) {
        const bool left = !stays && scenario.refused && !pages[0].told;  // it came into theirs, and was the last there
        if (there != (left ? 0 : theirs)) fail("ROBBED: the ring of those who came is not there");
        if (stays) use_and_leave(world);
        else if (there) shmq::remove(ring_name);
    } else if (scenario.gone) {
        nothing_is_left("when the one that was stopped was done");
    } else if (there) {
        comes("who removes it", [] { shmq::remove(ring_name); });
    }
    nothing_is_left("in the end");
}

bool stop_at(const Scenario& scenario, const Kind& kind, bool early, const Survey& survey, u64 i) {
    World world(kind);
    try {
        alarm(300);
        world.style = static_cast<int>(i % 2);
        world.all_wake = true;
        const pid_t pid = arrive(world, scenario, early);
        const u64 old = scenario.makes || scenario.replaces ? id_of_the_ring() : 0;
        if (scenario.passes && i % 4 != 1) leave_to_the_victim(world, scenario);
        advance(pid, pages[0], i, scenario, world, &survey);
        if (scenario.passes) {
            stop_one_who_passes(world, scenario, pid, i);
            return true;
        }
        if (scenario.makes || scenario.replaces) {
            stop_a_maker(world, scenario, pid, old, i);
            finish(world, scenario, now());
            return true;
        }
        if (scenario.forced) {
            stop(pid);
            (void)world.push(1);
            comes("a newcomer", [&] { shmq::Consumer newcomer(ring_name); });
            continue_to_the_end(world, pid);
            if (pages[0].told) fail("the continued one was told: %s", pages[0].error);
            finish_forced(world, scenario, now(), true);
            return true;
        }
        stop(pid);
        sleeper_falls_asleep(world);
        int status = 0;
        const bool attached = pages[0].phase == 1;
        bool produce = true, consume = true;
        const auto other = [&](bool single, auto& handle, auto attach) {
            if (handle) return true;
            try {
                attach();
            } catch (const shmq::Error& error) {
                if (error.code() == shmq::Errc::role_taken || error.code() == shmq::Errc::no_such_ring) return false;
                throw;
            }
            if (single && attached && std::strncmp(scenario.name, "detach", 6) != 0) fail("ROBBED: the role of a stopped participant was given away");
            return true;
        };
        const bool attaches = std::strncmp(scenario.name, "attach", 6) == 0;  // then its one role must stay free
        const bool same_producer = kind.one_producer && scenario.side == Side::producer, same_consumer = kind.one_consumer && scenario.side == Side::consumer;
        produce = !(attaches && same_producer) && other(same_producer, world.p, [&] { world.producer(); });
        consume = !(attaches && same_consumer) && other(same_consumer, world.c, [&] { world.consumer(); });
        world.go_on_beside_a_stopped_one(produce, consume);
        if (i % 2 && (scenario.at_end || world.held)) {
            if (scenario.at_end) world.reopen();
            world.release_held();
            world.go_on_beside_a_stopped_one(produce, consume);
        }

        kill(pid, SIGCONT);
        const double since = now();
        for (u64 n = 0; waitpid(pid, &status, WNOHANG) == 0; ++n) {
            if (now() - since > hang) fail("STUCK: the continued participant does not end");
            usleep(30);
            if (n % 64 != 63) continue;
            if (now() - since > 0.05) world.release_held();  // it may be what fills the ring
            if (world.sleeper && !(produce && consume)) {  // whose one role is free once it has had its message
                produce = produce || other(false, world.p, [&] { world.producer(); });
                consume = consume || other(false, world.c, [&] { world.consumer(); });
            }
            if (scenario.side == Side::consumer && produce && !world.producer().pending()) world.push(1);
            if (scenario.side == Side::producer && consume) world.take_some();
            if (scenario.meanwhile) scenario.meanwhile(world);
        }
        world.forget(pid);
        if (status != 0) fail("the continued participant failed (status %x): %s", status, pages[0].error);
        if (pages[0].acked < (scenario.batch ? std::min<u32>(1, scenario.acks) : scenario.acks)) fail("the continued producer pushed %u of %u messages", pages[0].acked.load(), scenario.acks);
        if (scenario.ends && world.push(1) != Outcome::ended) fail("the stream that it ended goes on");
        finish(world, scenario, since);
        return true;
    } catch (const Failure& failure) {
        report_failure(world, scenario, "stopped", i, survey, failure);
    } catch (const shmq::Error& error) {
        report_failure(world, scenario, "stopped", i, survey, Failure(error.what()));
    }
    return false;
}

// The first killed after instruction i, who repairs it after instruction j.
bool kill_twice(const Scenario& first, const Scenario& second, const Kind& kind, const Survey& survey1, u64 i, u64 j, Survey& survey2) {
    World world(kind);
    try {
        alarm(300);
        world.style = static_cast<int>((i + j) % 2);
        pid_t pid = arrive(world, first, false);
        advance(pid, pages[0], i, first, world, &survey1);
        kill_and_reap(world, pid, pages[0]);
        if (second.side == Side::producer) world.p.reset();
        if (second.side == Side::consumer && !kind.broadcasts()) world.c.reset();  // there it is a witness of all
        world.second_consumes = second.side == Side::consumer;
        pid = start(world, 1, true, second.setup, second.operation);
        if (survey2.steps == 0) survey2 = survey_of(pid, pages[1], second, world);
        else advance(pid, pages[1], j, second, world, &survey2);
        const double since = now();
        kill_and_reap(world, pid, pages[1]);
        finish(world, first, since);
        return true;
    } catch (const Failure& failure) {
        const std::string both = std::string(failure.what()) + " (the repairer killed in '" + second.name + "' after instruction " + std::to_string(j) + ")";
        report_failure(world, first, "killed twice", i, survey1, Failure(both));
    } catch (const shmq::Error& error) {
        report_failure(world, first, "killed twice", i, survey1, Failure(error.what()));
    }
    return false;
}

// ---- the operations -------------------------------------------------------------------------------

std::vector<Scenario> scenarios() {
    const auto nothing = [](World&) {};
    const auto some = [](World& w) { w.must_push(1), w.must_push(3), w.must_push(1), w.must_push(2); };
    const auto full = [](World& w) {  // not until push says so: it would repair
        while (w.producer().available()) w.must_push(1);
    };
    const Act as_producer = [](Actor& a) { a.attach_producer(); };
    const Act as_consumer = [](Actor& a) { a.attach_consumer(); };
    const auto ready = [](std::vector<u64> slots) -> Act {
        return [slots](Actor& a) {
            a.attach_producer();
            for (u64 n : slots) a.ready(n);
        };
    };
    // The first push looks for room; later ones know of some.
    const auto warm = [](std::vector<u64> slots) -> Act {
        return [slots](Actor& a) {
            a.attach_producer();
            a.ready(1);
            a.push();
            for (u64 n : slots) a.ready(n);
        };
    };
    const Act push = [](Actor& a) { a.push(); };
    const Act pop = [](Actor& a) { a.pop(); };
    const auto take_one_by_one = [](Actor& a, bool backwards) {
        auto batch = a.consumer->pop_batch(8);
        std::array<std::optional<shmq::Message>, 8> all;
        std::array<u32, 8> index{};
        std::size_t n = 0;
        for (auto it = batch.begin(); it != batch.end(); ++it, ++n) {
            index[n] = a.record(*it);
            all[n].emplace(std::move(*it));
        }
        for (std::size_t i = 0; i < n; ++i) {
            const std::size_t which = backwards ? n - 1 - i : i;
            if (all[which]->release() == Outcome::ok) a.page.delivered[index[which]].committed = 1;
        }
    };
    const auto claim = [](std::size_t slots, std::size_t used_slots) -> Act {
        return [slots, used_slots](Actor& a) {
            auto c = a.producer->claim(a.kind.bytes(slots));
            if (!c) return;
            if (!used_slots) return;  // dropped
            const auto& payload = a.payloads[a.next++];
            std::memcpy(c.bytes().data(), payload.data(), payload.size());
            a.begins(1);
            a.note_ok(c.commit(payload.size()));
        };
    };
    const auto claim_batch = [](std::size_t count, std::size_t used) -> Act {
        return [count, used](Actor& a) {
            auto c = a.producer->claim_batch(count, a.kind.bytes(1));
            for (std::size_t i = 0; i < used; ++i) {
                const auto& payload = a.payloads[a.next++];
                const auto place = c.next(payload.size());
                if (!place.data()) break;  // not as much room as wished for
                std::memcpy(place.data(), payload.data(), payload.size());
            }
            if (!used) return;
            const auto placed = static_cast<u32>(c.size());
            a.page.attempted.fetch_add(placed);
            if (c.commit() == Outcome::ok) a.page.acked.fetch_add(placed);
        };
    };
    const Act hold_the_rest_dead = [](Actor& a) {
        a.attach_producer();
        if (a.kind.fixed) {
            [[maybe_unused]] auto c = a.producer->claim_batch(capacity, slot_size);
            kill(getpid(), SIGKILL);
        }
        [[maybe_unused]] auto c = a.producer->claim(a.kind.bytes(capacity));
        kill(getpid(), SIGKILL);
    };
    const auto hole = [](World& w) {  // a dead producer's claim, messages behind it
        w.uncounted = true;
        w.must_push(1);
        w.p.reset();
        one_dies(w, [](Actor& a) {
            a.attach_producer();
            [[maybe_unused]] auto c = a.kind.fixed ? a.producer->claim(slot_size) : a.producer->claim(a.kind.bytes(3));
            kill(getpid(), SIGKILL);
        });
        w.must_push(1), w.must_push(2);
        if (!w.take_some()) fail("cannot take what is before the hole");
    };
    const auto orphan = [](World& w) {  // a message held by a dead consumer, others behind it
        w.must_push(1), w.must_push(2), w.must_push(1);
        w.c.reset();
        one_dies(w, [](Actor& a) {
            a.attach_consumer();
            [[maybe_unused]] auto m = a.consumer->try_pop();
            kill(getpid(), SIGKILL);
        });
    };
    const auto consumer_sleeps = [](World& w) {
        if (w.kind.one_consumer) w.c.reset();
        sleeper_starts(w, [](Actor& a) { a.attach_consumer(); }, [](Actor& a) { a.pop(); });
    };

    // Broadcast: one that has read a message died, and everybody else has read a ring more.
    const auto dead_reader = [](World& w) {
        w.must_push(1), w.must_push(2);
        one_dies(w, [](Actor& a) {
            a.attach_consumer();
            if (auto m = a.consumer->try_pop(); m.release() != Outcome::ok) return;
            [[maybe_unused]] auto m = a.consumer->try_pop();
            kill(getpid(), SIGKILL);
        });
        w.drain();
        while (w.push(1) == Outcome::ok && w.log.size() < capacity) w.drain();
    };
    // Overwrite: a producer that was stopped while it held a claim, and the next push would come upon its place.
    const auto stopped_one = [](World& w) {
        w.in_the_way = start(w, 1, false, [](Actor& a) { a.attach_producer(); a.ready(1); }, [](Actor& a) {
            auto c = a.producer->claim(a.payloads[0].size());
            std::memcpy(c.bytes().data(), a.payloads[0].data(), a.payloads[0].size());
            a.page.attempted = 1;
            raise(SIGSTOP);
            if (c.commit() == Outcome::ok) a.page.acked = 1;
        });
        int status = 0;
        if (waitpid(w.in_the_way, &status, WUNTRACED) != w.in_the_way || !WIFSTOPPED(status)) fail("who should be in the way does not stop");
        for (u64 n = shmq::stat(ring_name).physical_slots; n > 2; --n) w.must_push(1);
    };
    // Its cursor is left behind by a lap and more.
    const auto overtaken = [](Actor& a) {
        a.attach_consumer();
        a.attach_producer();
        for (int i = 0; i < 80; ++i) {
            a.ready(1);
            a.push();
        }
        a.producer.reset();
    };

    std::vector<Scenario> all;
    const auto add = [&](Scenario s) { all.push_back(std::move(s)); };
    add({.name = "push, the first", .side = Side::producer, .before = nothing, .setup = ready({1}), .operation = push, .acks = 1, .policies = every_policy});
    add({.name = "push", .side = Side::producer, .before = nothing, .setup = warm({1}), .operation = push, .acks = 2, .policies = every_policy});
    add({.name = "push of 3 slots", .side = Side::producer, .before = nothing, .setup = warm({3}), .operation = push, .acks = 2, .variable_only = true, .policies = every_policy});
    add({.name = "push of a batch", .side = Side::producer, .before = nothing, .setup = warm({1, 2, 1, 3}), .operation = [](Actor& a) {
             const shmq::Bytes batch[] = {a.payloads[1], a.payloads[2], a.payloads[3], a.payloads[4]};
             a.begins(4);
             a.page.acked.fetch_add(static_cast<u32>(a.producer->push(batch).count));
         }, .acks = 5, .policies = every_policy});
    add({.name = "claim, commit", .side = Side::producer, .before = nothing, .setup = ready({2}), .operation = claim(2, 2), .acks = 1, .policies = every_policy});
    add({.name = "claim, commit of less", .side = Side::producer, .before = nothing, .setup = ready({1}), .operation = claim(4, 1), .acks = 1, .variable_only = true, .policies = every_policy});
    add({.name = "claim, dropped", .side = Side::producer, .before = nothing, .setup = as_producer, .operation = claim(3, 0), .policies = every_policy, .drops = true});
    add({.name = "claim_batch, commit", .side = Side::producer, .before = nothing, .setup = ready({1, 1, 1}), .operation = claim_batch(5, 3), .acks = 3, .batch = true, .policies = plain | broadcast});
    add({.name = "claim_batch, dropped", .side = Side::producer, .before = nothing, .setup = as_producer, .operation = claim_batch(4, 0)});
    add({.name = "push, repair for room", .side = Side::producer, .before = [=](World& w) { w.p.reset(); one_dies(w, hold_the_rest_dead); }, .setup = ready({2}), .operation = push, .acks = 1});
    add({.name = "push, repair, others", .side = Side::producer, .before = [=](World& w) { hole(w); full(w); }, .setup = ready({1}), .operation = push, .acks = 1, .many_producers = true});
    add({.name = "push, wait for room", .side = Side::producer, .before = full, .setup = ready({1}), .operation = push, .acks = 1, .policies = plain | broadcast, .sparse = 3, .unblock = [](World& w) { w.take_some(); }});
    add({.name = "push, wake", .side = Side::producer, .before = consumer_sleeps, .setup = ready({1}), .operation = push, .acks = 1, .policies = plain | broadcast | overwrite, .sparse = 3});
    add({.name = "end", .side = Side::producer, .before = some, .setup = as_producer, .operation = [](Actor& a) { (void)a.producer->end(); }, .ends = true, .policies = every_policy});
    add({.name = "pop, release", .side = Side::consumer, .before = some, .setup = as_consumer, .operation = pop, .deliveries = 1, .policies = every_policy});
    add({.name = "pop, release, next", .side = Side::consumer, .before = some, .setup = [](Actor& a) { a.attach_consumer(); a.pop(); }, .operation = pop, .deliveries = 2, .policies = every_policy});
    add({.name = "pop, dropped", .side = Side::consumer, .before = some, .setup = as_consumer, .operation = [](Actor& a) {
             if (auto m = a.consumer->pop()) a.record(m);
         }, .deliveries = 1, .hands_back = true, .policies = every_policy});
    add({.name = "pop(buffer)", .side = Side::consumer, .before = some, .setup = as_consumer, .operation = [](Actor& a) {
             const auto copied = a.consumer->pop(a.page.buffer);
             Stamp s{};
             if (!copied || !whole({a.page.buffer, copied.size}, s)) return;
             a.page.delivered[0].producer = s.producer, a.page.delivered[0].number = s.number, a.page.delivered[0].position = copied.position;
             a.page.delivered[0].redelivered = copied.redelivered, a.page.delivered[0].committed = 1;
             a.page.deliveries = 1;
         }, .deliveries = 1, .policies = every_policy, .drops = true});
    const Act read_one = [](Actor& a) { a.attach_consumer(); a.pop(); };
    add({.name = "pop_batch, release", .side = Side::consumer, .before = [=](World& w) { for (int i = 0; i < 6; ++i) w.must_push(1); }, .setup = read_one, .operation = [](Actor& a) {
             auto batch = a.consumer->pop_batch(8);
             const u32 from = a.page.deliveries;
             for (auto& m : batch) a.record(m);
             if (batch.release() == Outcome::ok)
                 for (u32 n = from; n < a.page.deliveries; ++n) a.page.delivered[n].committed = 1;
         }, .deliveries = 3, .batch = true, .policies = plain | broadcast});
    add({.name = "pop_batch, one by one", .side = Side::consumer, .before = [=](World& w) { w.must_push(1), w.must_push(1), w.must_push(2), w.must_push(1), w.must_push(1); }, .setup = read_one, .operation = [=](Actor& a) { take_one_by_one(a, false); }, .deliveries = 3, .batch = true, .policies = plain | broadcast});
    add({.name = "pop_batch, backwards", .side = Side::consumer, .before = [=](World& w) { w.must_push(1), w.must_push(1), w.must_push(2), w.must_push(1), w.must_push(1); }, .setup = read_one, .operation = [=](Actor& a) { take_one_by_one(a, true); }, .deliveries = 3, .batch = true});
    const auto tester_holds = [=](World& w) {
        some(w);
        w.holder.emplace(ring_name);
        w.held.emplace(w.holder->try_pop());
        w.take(*w.held);
    };
    add({.name = "pop, out of order", .side = Side::consumer, .before = tester_holds, .setup = as_consumer, .operation = pop, .deliveries = 1, .many_consumers = true});
    add({.name = "pop_batch, out of order", .side = Side::consumer, .before = tester_holds, .setup = read_one, .operation = [](Actor& a) {
             auto batch = a.consumer->pop_batch(8);
             const u32 from = a.page.deliveries;
             for (auto& m : batch) a.record(m);
             if (batch.release() == Outcome::ok)
                 for (u32 n = from; n < a.page.deliveries; ++n) a.page.delivered[n].committed = 1;
         }, .deliveries = 2, .many_consumers = true, .batch = true});
    add({.name = "redelivery, take-over", .side = Side::consumer, .before = orphan, .setup = as_consumer, .operation = pop, .deliveries = 1});
    add({.name = "repair by a consumer", .side = Side::consumer, .before = hole, .setup = as_consumer, .operation = pop, .deliveries = 1, .policies = every_policy});
    add({.name = "wait for a message", .side = Side::consumer, .before = nothing, .setup = as_consumer, .operation = pop, .deliveries = 1, .policies = plain | broadcast | overwrite, .sparse = 3, .unblock = [](World& w) { w.must_push(2); }});
    add({.name = "release, wake", .side = Side::consumer, .before = [=](World& w) {
             full(w);
             if (w.kind.one_producer) w.p.reset();
             sleeper_starts(w, [](Actor& a) { a.attach_producer(); a.ready(1); }, [](Actor& a) { a.push(); });
         }, .setup = as_consumer, .operation = pop, .deliveries = 1, .fills = true, .policies = plain | broadcast, .sparse = 3});
    add({.name = "release, one sleeps", .side = Side::consumer, .before = [=](World& w) {
             w.must_push(2);
         }, .setup = [](Actor& a) { a.attach_consumer(); a.message.emplace(a.consumer->try_pop()); }, .operation = [](Actor& a) {
             const u32 n = a.record(*a.message);
             if (a.message->release() == Outcome::ok) a.page.delivered[n].committed = 1;
         }, .deliveries = 1, .many_consumers = true, .sleeper_after = true, .sparse = 4});
    add({.name = "pop at the end", .side = Side::consumer, .before = [](World& w) { (void)w.producer().end(); }, .setup = as_consumer, .operation = pop, .at_end = true, .policies = plain | broadcast | overwrite});
    add({.name = "peek", .side = Side::neither, .before = some, .setup = [](Actor& a) { a.viewer.emplace(ring_name); }, .operation = [](Actor& a) {
             std::vector<std::byte> message;
             shmq::Viewer::Info info{};
             for (Stamp s{}; a.viewer->next(message, info);)
                 if (!whole(message, s)) throw Failure("torn, in a viewer");
             a.viewer->to_newest();
         }, .policies = every_policy});
    add({.name = "attach, producer", .side = Side::producer, .before = some, .setup = [](Actor&) {}, .operation = as_producer, .policies = every_policy});
    add({.name = "attach, consumer", .side = Side::consumer, .before = some, .setup = [](Actor&) {}, .operation = as_consumer, .policies = every_policy});
    // Watchers. They need nobody's wake and take none.
    const Act as_watcher = [](Actor& a) { a.watcher.emplace(ring_name); };
    const auto watch = [](shmq::Condition condition) -> Act {
        return [condition](Actor& a) {
            if (const Outcome outcome = a.watcher->wait(condition); outcome != Outcome::ok) throw Failure(describe(outcome));
        };
    };
    const auto watcher_sleeps = [=](shmq::Condition condition) { return [=](World& w) { sleeper_starts(w, as_watcher, watch(condition)); }; };
    const auto one_there = [](World& w) {  // slots that are pending may be a dead one's claim
        if (!shmq::stat(ring_name).messages) w.push(1);
    };
    const auto all_taken = [](World& w) {
        while (w.take_some()) {}
    };
    const auto consumer_comes = [](World& w) { sleeper_attaches(w, [](Actor& a) { a.attach_consumer(); }, [](Actor& a) { a.pop(); }); };
    add({.name = "watch, nonempty", .side = Side::neither, .before = consumer_comes, .setup = as_watcher, .operation = watch(shmq::Condition::nonempty), .one_policy = true, .policies = plain | broadcast | overwrite,
         .early_only = true, .wakes_nobody = true, .sparse = 2, .unblock = [](World& w) { w.must_push(1), w.must_push(1); }, .meanwhile = one_there});
    add({.name = "watch, empty", .side = Side::neither, .before = [=](World& w) { full(w); sleeper_attaches(w, [](Actor& a) { a.attach_producer(); a.ready(1); }, [](Actor& a) { a.push(); }); },
         .setup = as_watcher, .operation = watch(shmq::Condition::empty), .one_policy = true, .fills = true, .policies = plain | broadcast,
         .early_only = true, .wakes_nobody = true, .sparse = 2, .unblock = [](World& w) {
             for (const double begin = now(); pages[2].phase < 2 || w.consumer().pending(); w.take_some())
                 if (now() - begin > hang) fail("STUCK: a producer beside a watcher did not wake");
         }, .meanwhile = all_taken});
    add({.name = "watch, writer", .side = Side::neither, .before = consumer_comes, .setup = as_watcher, .operation = watch(shmq::Condition::writer), .one_policy = true,
         .late_only = true, .wakes_nobody = true, .sparse = 2, .unblock = [](World& w) { w.producer(); }});
    add({.name = "watch, a dead reader's", .side = Side::neither, .before = [](World& w) {
             w.must_push(1), w.must_push(2);
             one_dies(w, [](Actor& a) {
                 a.attach_consumer();
                 kill(getpid(), SIGKILL);
             });
             w.drain();
         }, .setup = [](Actor& a) { a.watcher.emplace(ring_name); cap = Cap::at_once; }, .operation = watch(shmq::Condition::empty), .one_policy = true, .policies = broadcast, .early_only = true, .meanwhile = all_taken});
    add({.name = "push, watched", .side = Side::producer, .before = watcher_sleeps(shmq::Condition::nonempty), .setup = ready({1}), .operation = push, .acks = 1, .one_policy = true, .policies = plain | broadcast | overwrite,
         .late_only = true, .sparse = 2, .satisfy = one_there});
    add({.name = "release, watched", .side = Side::consumer, .before = [=](World& w) { w.must_push(1); watcher_sleeps(shmq::Condition::empty)(w); }, .setup = as_consumer, .operation = pop, .deliveries = 1, .one_policy = true,
         .policies = plain | broadcast, .late_only = true, .sparse = 2, .satisfy = all_taken});
    add({.name = "attach, watched", .side = Side::consumer, .before = [=](World& w) { w.c.reset(); watcher_sleeps(shmq::Condition::reader)(w); }, .setup = [](Actor&) {}, .operation = as_consumer, .one_policy = true,
         .late_only = true, .sparse = 2, .satisfy = [](World& w) { w.consumer(); }});
    add({.name = "attach, watcher", .side = Side::neither, .before = consumer_sleeps, .setup = [](Actor&) {}, .operation = as_watcher, .one_policy = true, .late_only = true, .sparse = 2});
    add({.name = "detach, watcher", .side = Side::neither, .before = consumer_sleeps, .setup = as_watcher, .operation = [](Actor& a) { a.watcher.reset(); }, .one_policy = true, .late_only = true, .sparse = 2});
    // With timestamps. How many take part makes no difference to these.
    add({.name = "push, timestamps", .side = Side::producer, .before = some, .setup = warm({2}), .operation = push, .acks = 2, .one_policy = true, .policies = every_policy, .timestamps = true, .late_only = true});
    add({.name = "push of a batch, times", .side = Side::producer, .before = nothing, .setup = warm({1, 2, 1}), .operation = [](Actor& a) {
             const shmq::Bytes batch[] = {a.payloads[1], a.payloads[2], a.payloads[3]};
             a.begins(3);
             a.page.acked.fetch_add(static_cast<u32>(a.producer->push(batch).count));
         }, .acks = 4, .one_policy = true, .policies = plain | broadcast, .timestamps = true, .late_only = true});
    add({.name = "pop, timestamps", .side = Side::consumer, .before = some, .setup = read_one, .operation = pop, .deliveries = 2, .one_policy = true, .policies = every_policy, .timestamps = true, .late_only = true});
    add({.name = "redelivery, timestamps", .side = Side::consumer, .before = orphan, .setup = as_consumer, .operation = pop, .deliveries = 1, .one_policy = true, .timestamps = true, .late_only = true});
    // Into the entry of one that died in the middle of its work.
    add({.name = "attach after a death, p", .side = Side::producer, .before = hole, .setup = [](Actor&) {}, .operation = as_producer, .policies = every_policy});
    add({.name = "attach after a death, c", .side = Side::consumer, .before = orphan, .setup = [](Actor&) {}, .operation = as_consumer});
    add({.name = "detach, producer", .side = Side::producer, .before = some, .setup = as_producer, .operation = [](Actor& a) { a.producer.reset(); }, .policies = every_policy});
    add({.name = "detach, consumer", .side = Side::consumer, .before = some, .setup = as_consumer, .operation = [](Actor& a) { a.consumer.reset(); }, .policies = every_policy});
    const auto or_told = [](Act operation) -> Act {
        return [operation](Actor& a) {
            try {
                operation(a);
            } catch (const shmq::Error& error) {
                std::snprintf(a.page.error, sizeof a.page.error, "%s", error.what());
                a.page.told = 1 + static_cast<u32>(error.code());
            }
        };
    };
    add({.name = "create", .side = Side::neither, .before = nothing, .setup = [](Actor&) {}, .operation = or_told([](Actor& a) { shmq::create(ring_name, a.kind.options()); }), .one_policy = true, .makes = true});
    add({.name = "create, replace", .side = Side::neither, .before = some, .setup = [](Actor&) {}, .operation = or_told([](Actor& a) {
             auto options = a.kind.options();
             options.if_exists = shmq::IfExists::replace;
             shmq::create(ring_name, options);
         }), .one_policy = true, .replaces = true});
    add({.name = "remove", .side = Side::neither, .before = some, .setup = [](Actor&) {}, .operation = or_told([](Actor&) { shmq::remove(ring_name); }), .one_policy = true, .replaces = true, .removes = true});
    // Rings that pass.
    const auto left_over = [](World& w) {
        shmq::create(ring_name, w.kind.options());
        w.look();
        one_dies(w, [](Actor& a) {
            a.attach_consumer();
            kill(getpid(), SIGKILL);
        });
    };
    const Act threw_before = [](Actor&) {  // the first time takes many an instruction
        try {
            throw Failure("");
        } catch (const Failure&) {
        }
    };
    add({.name = "leave, the last one", .side = Side::consumer, .before = some, .setup = as_consumer, .operation = [](Actor& a) { a.consumer.reset(); }, .variable_only = true, .one_policy = true, .policies = plain | broadcast,
         .late_only = true, .passes = true, .gone = true, .sparse = 2});
    add({.name = "attach, the first one", .side = Side::neither, .before = [](World& w) { shmq::create(ring_name, w.kind.options()), w.look(); }, .setup = [](Actor&) {}, .operation = or_told(as_consumer), .variable_only = true,
         .one_policy = true, .makes = true, .passes = true});
    add({.name = "attach, a left-over", .side = Side::neither, .before = left_over, .setup = threw_before, .operation = or_told(as_consumer), .variable_only = true, .one_policy = true, .makes = true, .passes = true,
         .gone = true, .refused = true, .sparse = 2});
    add({.name = "create, a left-over", .side = Side::neither, .before = left_over, .setup = [](Actor&) {}, .operation = or_told([](Actor& a) { shmq::create(ring_name, a.kind.options()); }), .variable_only = true,
         .one_policy = true, .makes = true, .passes = true});
    add({.name = "sweep, a left-over", .side = Side::neither, .before = left_over, .setup = [](Actor&) {}, .operation = [](Actor&) { shmq::sweep({.names = {ring_name}}); }, .variable_only = true, .one_policy = true,
         .makes = true, .passes = true, .gone = true});
    add({.name = "a ring for a scope", .side = Side::neither, .before = nothing, .setup = [](Actor&) {}, .operation = or_told([](Actor& a) { shmq::ScopedRing scope(ring_name, a.kind.options()); }), .variable_only = true,
         .one_policy = true, .makes = true, .passes = true, .gone = true, .scoped = true});
    add({.name = "remove, forced", .side = Side::neither, .before = [](World& w) {
             const Act attach_and_drain = [](Actor& a) {
                 a.attach_consumer();
                 while (auto m = a.consumer->try_pop()) (void)m.release();
             };
             sleeper_starts(w, attach_and_drain, [](Actor& a) {
                 auto m = a.consumer->pop();
                 if (!m) {
                     a.page.told = 1 + static_cast<u32>(m.outcome());
                     return;
                 }
                 const u32 n = a.record(m);
                 if (m.release() == Outcome::ok) a.page.delivered[n].committed = 1;
             });
         }, .setup = [](Actor&) {}, .operation = or_told([](Actor&) { shmq::remove(ring_name, true); }), .one_policy = true, .forced = true, .policies = every_policy});
    // At cursors.
    add({.name = "push past a dead reader", .side = Side::producer, .before = dead_reader, .setup = ready({2}), .operation = push, .acks = 1, .policies = broadcast});
    add({.name = "push over the oldest", .side = Side::producer, .before = [](World& w) { for (u64 i = 0; i < 3 * capacity; ++i) w.must_push(1); }, .setup = ready({3}), .operation = push, .acks = 1, .variable_only = true, .policies = overwrite | broadcast_overwrite});
    add({.name = "push, step over", .side = Side::producer, .before = stopped_one, .setup = ready({4}), .operation = push, .acks = 1, .many_producers = true, .policies = overwrite | broadcast_overwrite, .sparse = 48, .rounds = 3});
    add({.name = "pop, overtaken", .side = Side::consumer, .before = nothing, .setup = overtaken, .operation = pop, .acks = 80, .deliveries = 1, .many_producers = true, .policies = overwrite | broadcast_overwrite});
    add({.name = "attach, overtaken", .side = Side::consumer, .before = [](World& w) { for (u64 i = 0; i < 3 * capacity; ++i) w.must_push(1 + i % 3); }, .setup = [](Actor&) {}, .operation = as_consumer, .policies = overwrite | broadcast_overwrite});
    add({.name = "attach, a dead reader's", .side = Side::consumer, .before = dead_reader, .setup = [](Actor&) {}, .operation = as_consumer, .policies = broadcast});
    add({.name = "attach, newest", .side = Side::consumer, .before = some, .setup = [](Actor&) {}, .operation = [](Actor& a) { a.consumer.emplace(ring_name, shmq::AttachOptions{.from = shmq::From::newest}); },
         .policies = broadcast | broadcast_overwrite});
    return all;
}

bool runs_with(const Scenario& s, const Kind& k) {
    if (!(s.policies & k.what) || (k.broadcasts() && k.one_consumer)) return false;
    if (k.what != plain && s.side == Side::consumer && k.one_producer) return false;  // nothing differs there
    return !(s.variable_only && k.fixed) && !(s.many_producers && k.one_producer) && !(s.many_consumers && k.one_consumer) && !(s.one_policy && (k.one_producer || k.one_consumer));
}

bool asked_for(const char* name) {
    const char* const only = getenv("SHMQ_CRASH_ONLY");
    return !only || (*only == '=' ? std::strcmp(name, only + 1) == 0 : std::strstr(name, only) != nullptr);
}

// What one tester found.
struct Totals {
    u64 kills, stops, doubles, failures;
    double stall, sleep;
    char stalled_in[100], slept_in[100];
};

// Tester `me` of `testers`: every so many rows.
int test_share(u32 me, u32 testers, Totals& totals) {
    pages = share<Page>(3);
    signal(SIGALRM, [](int) {
        const char text[] = "FAILED: a survivor hangs\n";
        (void)!write(1, text, sizeof text - 1);
        _exit(1);
    });
    const u64 only_policies = from_environment("SHMQ_CRASH_POLICIES", every_policy);
    const u64 wanted = from_environment("SHMQ_CRASH_POINTS", 40);
    const u64 wanted_doubles = from_environment("SHMQ_CRASH_DOUBLES", long_run() ? 100 : 8);
    const bool every_row = long_run() || getenv("SHMQ_CRASH_ONLY");  // else those that failed
    u32 row = 0;
    if (me == 0) std::printf("%s\n", long_run() ? "after every single instruction" : "everyday: before and after each instruction that changes the segment or enters the kernel, and at a stride between (SHMQ_LONG=1: after each)");

    const auto all = scenarios();
    for (const auto& scenario : all) {
        if (!asked_for(scenario.name)) continue;
        for (const Policy what : {plain, broadcast, overwrite, broadcast_overwrite}) {
            if (!(scenario.policies & what & only_policies)) continue;
            for (const auto& [one_producer, one_consumer] : {std::pair{true, true}, {true, false}, {false, true}, {false, false}}) {
                if (row++ % testers != me) continue;
                Result result;
                bool ran = false;
                u64 stride = 1;
                const double from = now();
                for (const bool fixed : {false, true}) {
                    const Kind kind{one_producer, one_consumer, fixed, what, scenario.timestamps, scenario.passes};
                    if (!runs_with(scenario, kind)) continue;
                    for (const bool early : {false, true}) {
                        if (early && ((scenario.side == Side::producer && one_producer) || (scenario.side == Side::consumer && one_consumer) || scenario.replaces || scenario.makes || scenario.forced || scenario.late_only)) continue;
                        if (!early && scenario.early_only) continue;
                        ran = true;
                        Survey survey;
                        if (!look_at(scenario, kind, early, survey)) {
                            result.failed = true;
                            continue;
                        }
                        result.steps = std::max(result.steps, survey.steps);
                        const auto points = points_of(survey, scenario.sparse, wanted, scenario.rounds);
                        stride = std::max(stride, stride_of(survey, wanted, scenario.rounds));
                        for (u64 i : points) {
                            ++result.points;
                            if (!kill_at(scenario, kind, early, survey, i)) {
                                result.failed = true;
                                break;
                            }
                        }
                        if (scenario.unblock && !kill_at(scenario, kind, early, survey, survey.blocks_at, true)) result.failed = true;
                        for (u64 i : points) {
                            ++result.stops;
                            if (!stop_at(scenario, kind, early, survey, i)) {
                                result.failed = true;
                                break;
                            }
                        }
                    }
                }
                if (!ran) continue;
                total_points += result.points, total_stops += result.stops;
                if (!every_row && !result.failed) continue;
                std::printf("%-24s %-7s  %6llu instructions, stride %3llu: %6llu kills %6llu stops  %s  (%.1f s)\n", scenario.name, Kind{one_producer, one_consumer, false, what}.policy().c_str(),
                            static_cast<unsigned long long>(result.steps), static_cast<unsigned long long>(stride), static_cast<unsigned long long>(result.points),
                            static_cast<unsigned long long>(result.stops), result.failed ? "FAILED" : "ok", now() - from);
            }
        }
    }

    // Double faults: the first killed anywhere, the one that repairs it killed anywhere.
    const auto find = [&](const char* name) -> const Scenario& { return *std::ranges::find_if(all, [&](const Scenario& s) { return std::strcmp(s.name, name) == 0; }); };
    Scenario consumer{.name = "repair, pop", .side = Side::consumer, .before = {}, .setup = [](Actor& a) { a.attach_consumer(); }, .operation = [](Actor& a) {
                          for (int i = 0; i < 3; ++i) a.pop(shmq::no_wait);
                      }};
    Scenario producer{.name = "repair, push", .side = Side::producer, .before = {}, .setup = [](Actor& a) { a.attach_producer(); a.ready(4); a.ready(4); }, .operation = [](Actor& a) {
                          a.push(shmq::no_wait);
                          a.push(shmq::no_wait);
                      }};
    Scenario large = find("push");
    large.name = "push of 13 slots", large.variable_only = true, large.acks = 1;
    large.setup = [](Actor& a) { a.attach_producer(); a.ready(13); };
    struct Pair {
        const Scenario& first;
        const Scenario& second;
        u64 coarse = 1;
    };
    const Pair pairs[] = {{find("push of 3 slots"), consumer}, {find("push of a batch"), consumer}, {find("claim_batch, commit"), consumer}, {large, producer}, {large, consumer},
                          {find("pop, release"), consumer}, {find("pop_batch, release"), consumer}, {find("pop_batch, backwards"), consumer}, {find("redelivery, take-over"), consumer},
                          {find("attach after a death, p"), producer, 2}, {find("attach after a death, c"), consumer, 2}, {find("detach, producer"), consumer, 2}, {find("detach, consumer"), consumer, 2},
                          {find("end"), consumer, 2}};
    for (const auto& [first, second, coarse] : pairs) {
        if (!(asked_for("double") || asked_for(first.name))) continue;
        for (const Policy what : {plain, broadcast, overwrite, broadcast_overwrite}) {
            if (!(only_policies & first.policies & what)) continue;
            const u64 grid = std::max<u64>(1, long_run() ? wanted_doubles : wanted_doubles / (what == plain ? coarse : 2));
            for (const bool one_producer : {true, false}) {
                for (const bool one_consumer : {true, false}) {
                    if (row++ % testers != me) continue;
                    const double from = now();
                    u64 points = 0, firsts = 0;
                    bool failed = false;
                    u64 every_i = 1, every_j = 1;
                    for (const bool fixed : {false, true}) {
                        const Kind kind{one_producer, one_consumer, fixed, what};
                        if (!runs_with(first, kind)) continue;
                        Survey survey;
                        if (!look_at(first, kind, false, survey)) {
                            failed = true;
                            continue;
                        }
                        auto visible = points_of(survey, 1, 1);
                        every_i = std::max<u64>(1, visible.size() / grid);
                        for (u64 n = 0; n < visible.size() && !failed; n += every_i) {
                            Survey then;
                            ++firsts;
                            if (!kill_twice(first, second, kind, survey, visible[n], 0, then)) {
                                failed = true;
                                break;
                            }
                            // Among those that change something, whose turn it is shifts with the first kill.
                            const auto thens = points_of(then, 1, 1);
                            every_j = std::max<u64>(1, thens.size() / grid);
                            for (u64 m = n % every_j; m < thens.size() && !failed; m += every_j) {
                                ++points;
                                failed = !kill_twice(first, second, kind, survey, visible[n], thens[m], then);
                            }
                        }
                    }
                    total_doubles += points;
                    if ((!every_row || !firsts) && !failed) continue;
                    std::printf("%-24s %-7s then %-12s: %3llu points of the first, every %llu. visible step of the second: %5llu double kills  %s  (%.1f s)\n", first.name,
                                Kind{one_producer, one_consumer, false, what}.policy().c_str(), second.name, static_cast<unsigned long long>(firsts), static_cast<unsigned long long>(every_j),
                                static_cast<unsigned long long>(points), failed ? "FAILED" : "ok", now() - from);
                }
            }
        }
    }
    alarm(0);
    totals = {total_points, total_stops, total_doubles, total_failures, longest_stall, longest_sleep, {}, {}};
    std::snprintf(totals.stalled_in, sizeof totals.stalled_in, "%s", stalled_in.c_str());
    std::snprintf(totals.slept_in, sizeof totals.slept_in, "%s", slept_in.c_str());
    return total_failures ? 1 : 0;
}

// A tester for each of two processors. It shares its own with its victims: a step is then a switch, not a
// wake-up across cores.
int test() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    const u32 testers = CPU_COUNT(&allowed) > 1 ? 2 : 1;
    Totals* const totals = share<Totals>(testers);
    const double begin = now();
    int result = 0, cpu = -1;
    for (u32 me = 0; me < testers; ++me) {
        do ++cpu;
        while (!CPU_ISSET(cpu, &allowed));
        if (fork() != 0) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        sched_setaffinity(0, sizeof set, &set);
        const std::string directory = std::string(getenv("SHMQ_DIR")) + "/" + std::to_string(me);
        if (mkdir(directory.c_str(), 0700) != 0) _exit(1);
        setenv("SHMQ_DIR", directory.c_str(), 1);
        const int own = test_share(me, testers, totals[me]);
        std::fflush(nullptr);
        _exit(own);
    }
    for (int status = 0; wait(&status) > 0;) result |= status != 0;
    Totals all{};
    for (u32 i = 0; i < testers; ++i) {
        const Totals& one = totals[i];
        all.kills += one.kills, all.stops += one.stops, all.doubles += one.doubles, all.failures += one.failures;
        if (one.stall > all.stall) all.stall = one.stall, std::memcpy(all.stalled_in, one.stalled_in, sizeof all.stalled_in);
        if (one.sleep > all.sleep) all.sleep = one.sleep, std::memcpy(all.slept_in, one.slept_in, sizeof all.slept_in);
    }
    std::printf("total: %llu kills, %llu stops, %llu double kills; longest until the survivors had drained: %.1f ms (%s); longest a sleeper slept on: %.1f ms (%s); %llu failures; %.0f s\n",
                static_cast<unsigned long long>(all.kills), static_cast<unsigned long long>(all.stops), static_cast<unsigned long long>(all.doubles), all.stall * 1e3, all.stalled_in, all.sleep * 1e3,
                all.slept_in, static_cast<unsigned long long>(all.failures), now() - begin);
    if (all.kills + all.doubles == 0) {
        std::printf("FAILED: nothing was killed: is there such a row (SHMQ_CRASH_ONLY, SHMQ_CRASH_POLICIES)?\n");
        return 1;
    }
    return result;
}

}  // namespace

int main() { return supervised("every_instruction", long_run() ? 7000 : 1500, test); }
