// Many producers and consumers on rings of every policy, killed, stopped, continued and started again at
// random, some of them in another PID namespace, some under another user, some the commands themselves.
//
// The ledger lies outside of the rings, in shared memory that outlives every worker. A producer notes what
// it attempts before a push and what was answered ok after it; a consumer notes each delivery before its
// release and the commit after it. One cell holds one message of one producer, and is used again for the
// message `window` later: whoever enters it finds out then whether the earlier one was ever delivered, so
// a loss is found however long the test runs. What a killed producer was pushing is uncertain: it may be
// there or not. What a killed consumer held is delivered again, and must be flagged.
//
// Broadcast and overwrite rings: each consumer judges what it gets for itself, from its beginning to its
// death. Broadcast: every number of every producer, but for uncertain ones. Overwrite: what is missing was
// counted, what was counted is missing, and of consumers that share none gets what another got or counted.
//
//   SHMQ_CHAOS_SEED=N       instead of a random one
//   SHMQ_CHAOS_SECONDS=N    instead of 45 (longer, until there was everything: a run without kills, stops or
//                           redeliveries fails); with SHMQ_LONG=1 the longest it may take (3600)
//   SHMQ_CHAOS_KILLS, SHMQ_CHAOS_MESSAGES   with SHMQ_LONG=1: until as many (100000 inside an operation, 1e9)
//   SHMQ_CHAOS_UNPRIVILEGED=1   do without what only root may do, instead of failing
#include "common.hpp"

#include <grp.h>
#include <sched.h>
#include <sys/resource.h>

#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include <shmq/shmq.hpp>

namespace {

using namespace crash;
using shmq::Outcome;
using namespace std::chrono_literals;

constexpr u64 window = 1 << 14;  // messages of one producer: many more than any ring holds
constexpr u32 most_workers = 48, most_batch = 16;
constexpr u64 ordinals = 1 << 16;  // of a shared cursor that are remembered
constexpr double stall_limit = 10, end_limit = 60;
constexpr uid_t other_user = 65534;

// ---- the ledger -----------------------------------------------------------------------------------

// A cell: the message's number + 1, then how often it came flagged, then these.
enum : u64 { cell_delivered = 1, cell_committed = 2, cell_uncertain = 4, cell_flags = 0xff, cell_one_more = 0x100, cell_number = 16 };

struct Ledger {
    struct Producer {
        std::atomic<u64> cells[window];
        std::atomic<u64> positions[window];
    } producers[most_workers];
    std::atomic<u64> given[ordinals];  // of the shared cursor: ordinal + 1 twice, and whether it was delivered
    std::atomic<u64> at_cursors, overwritten;
    std::atomic<u64> delivered, redelivered, handed_back, lost, torn, duplicated, unflagged, disorder, twice_by_tools, wrong;
    char first_error[256];
    std::atomic<u32> errors;

    [[gnu::format(printf, 3, 4)]] void error(std::atomic<u64>& count, const char* format, ...) {
        count.fetch_add(1);
        if (errors.fetch_add(1)) return;
        va_list args;
        va_start(args, format);
        std::vsnprintf(first_error, sizeof first_error, format, args);
        va_end(args);
    }
};
Ledger* ledger;

enum : u32 { outside, in_operation, in_wait, in_attach, in_detach };

struct Worker {
    std::atomic<u32> where, pid, uid, ring, consumes, may_hold;
    std::atomic<u64> attempted, acked, delivered;
    std::atomic<u64> copies;  // odd: in pop(buffer), which commits before the delivery can be noted
    std::atomic<u64> boundary, copies_then[most_workers];
    std::atomic<u64> dropped;  // overwrite: claims that never were, or may never have been, committed
    std::byte buffer[2048];
};
Worker* pages;
std::atomic<u32>* winding_down;  // 1: no producer begins anew; 2: nor does a consumer

using ull = unsigned long long;

// The message that the cell of (producer, n) held before: was it ever seen?
void check_leaving(u32 producer, u64 n, u64 old) {
    if (n < window) return;
    const u64 before = n - window;
    if ((old >> cell_number) == before + 1 && (old & (cell_delivered | cell_uncertain))) return;
    ledger->error(ledger->lost, "lost: message %u/%llu (cell %llx when %llu came)", producer, static_cast<ull>(before), static_cast<ull>(old), static_cast<ull>(n));
}

// Notes a delivery. `flagged` nullopt: a command printed it, which does not say.
void note_delivery(u32 producer, u64 n, u64 position, std::optional<bool> flagged) {
    Ledger::Producer& of = ledger->producers[producer];
    std::atomic<u64>& cell = of.cells[n % window];
    std::atomic<u64>& place = of.positions[n % window];
    u64 old = cell.load();
    if (flagged && (old >> cell_number) == n + 1 && (old & cell_delivered) && place.load() != position)
        ledger->error(ledger->duplicated, "duplicated: message %u/%llu from position %llu, before from %llu", producer, static_cast<ull>(n), static_cast<ull>(position), static_cast<ull>(place.load()));
    if (old >> cell_number <= n + 1) place.store(position);
    for (;;) {
        const u64 number = old >> cell_number;
        if (number > n + 1) {
            ledger->error(ledger->duplicated, "duplicated: message %u/%llu comes after %llu", producer, static_cast<ull>(n), static_cast<ull>(number - 1));
            return;
        }
        u64 fresh;
        if (number == n + 1) {
            if (flagged && old & cell_committed) ledger->error(ledger->duplicated, "duplicated: message %u/%llu delivered again after it was committed", producer, static_cast<ull>(n));
            else if (flagged && old & cell_delivered && !*flagged) ledger->error(ledger->unflagged, "unflagged: message %u/%llu delivered again without a flag", producer, static_cast<ull>(n));
            else if (!flagged && old & cell_delivered) ledger->twice_by_tools.fetch_add(1);
            fresh = old | cell_delivered;
        } else {
            fresh = (n + 1) << cell_number | cell_delivered;
        }
        if (cell.compare_exchange_weak(old, fresh)) {
            if (number != n + 1) check_leaving(producer, n, old);
            break;
        }
    }
    if (!flagged) return;
    ledger->redelivered.fetch_add(*flagged, std::memory_order_relaxed);
    // Positions follow the order of numbers.
    if (n && (of.cells[(n - 1) % window].load() >> cell_number) == n && (of.cells[(n - 1) % window].load() & cell_delivered) && of.positions[(n - 1) % window].load() >= position)
        ledger->error(ledger->disorder, "disorder: message %u/%llu lies before the one before it", producer, static_cast<ull>(n));
}
void note_commit(u32 producer, u64 n) {
    std::atomic<u64>& cell = ledger->producers[producer].cells[n % window];
    u64 old = cell.load();
    while ((old >> cell_number) == n + 1 && !cell.compare_exchange_weak(old, old | cell_committed)) {}
}
// Of rings with cursors the cells hold these alone.
void note_uncertain_at_cursors(u32 producer, u64 n) { ledger->producers[producer].cells[n % window] = (n + 1) << cell_number | cell_uncertain; }
bool certain(u32 producer, u64 n) { return ledger->producers[producer].cells[n % window] != ((n + 1) << cell_number | cell_uncertain); }

void note_uncertain(u32 producer, u64 n) {
    std::atomic<u64>& cell = ledger->producers[producer].cells[n % window];
    u64 old = cell.load();
    for (;;) {
        const u64 number = old >> cell_number;
        if (number > n + 1) return;
        if (cell.compare_exchange_weak(old, number == n + 1 ? old | cell_uncertain : (n + 1) << cell_number | cell_uncertain)) {
            if (number != n + 1) check_leaving(producer, n, old);
            return;
        }
    }
}

// ---- the cast -------------------------------------------------------------------------------------

struct RingOf {
    const char* name;
    bool one_producer, one_consumer, fixed, timestamps;
    u64 slots;
    u32 producers, consumers, longest;  // longest message in slots
    bool push_tool = false, pop_tool = false, broadcast = false, overwrite = false;
    bool at_cursors() const { return broadcast || overwrite; }
};
// What the commands need is added where they exist.
std::vector<RingOf> rings = {
    {"one-one", true, true, false, false, 64, 1, 1, 3},
    {"many-one", false, true, false, true, 256, 3, 1, 4},
    {"one-many", true, false, true, false, 128, 1, 3, 1},
    {"many-many", false, false, false, false, 256, 2, 3, 20},
    {"records", false, false, true, false, 500, 2, 2, 1},
    {"broadcast", false, false, false, true, 256, 2, 3, 20, false, false, true, false},
    {"broadcast-one", true, false, true, false, 64, 1, 2, 1, false, false, true, false},
    {"overwrite", false, false, false, false, 32, 2, 2, 3, false, false, false, true},
    {"latest", false, false, false, false, 4, 2, 2, 3, false, false, true, true},
};
constexpr u64 slot_size = 64;

struct Member {
    u32 ring = 0;
    bool producer = false, tool = false, other_namespace = false, other_user = false;
    pid_t pid = 0;
    bool stopped = false;
    double begin_at = 0, continue_at = 0;
    int file = -1;            // a command's input or output
    u64 parsed = 0;           // of its output
    u64 ran = 0;              // processor time at the last look, ns
};

struct Random {
    u64 state;
    u64 operator()() {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        return state * 0x2545f4914f6cdd1d;
    }
    u64 below(u64 n) { return (*this)() % n; }
};

struct Inside {
    Inside(Worker& w, u32 where) : worker(w) { worker.where.store(where, std::memory_order_release); }
    ~Inside() { worker.where.store(outside, std::memory_order_release); }
    Worker& worker;
};

template <class Handle>
int leave(Worker& page, std::optional<Handle>& handle) {
    Inside inside(page, in_detach);
    handle.reset();
    return 0;
}

// ---- a producer -----------------------------------------------------------------------------------

// A consumer stopped in pop(buffer) has committed a message that the ledger does not know yet. No
// producer may go a window further meanwhile: it would look like a loss.
void wait_for_copies(Worker& page, u64 n) {
    for (u32 i = 0; i < most_workers; ++i) {
        if (!pages[i].consumes || pages[i].ring != page.ring) continue;
        while (page.copies_then[i] % 2 && pages[i].copies == page.copies_then[i] && !winding_down->load()) usleep(100);
        page.copies_then[i] = pages[i].copies.load();
    }
    page.boundary = n + window / 4;
}

int produce(u32 me, Random random) {
    Worker& page = pages[me];
    const RingOf& ring = rings[page.ring];
    std::optional<shmq::Producer> out;
    {
        Inside inside(page, in_attach);
        out.emplace(ring.name);
    }
    std::byte buffers[most_batch][slot_size * 20];
    u64 n = page.acked;
    const auto length = [&]() -> std::size_t {
        if (ring.fixed) return slot_size;
        return sizeof(Stamp) + random.below((random.below(16) ? 1 : ring.longest) * slot_size - 24 - sizeof(Stamp));
    };
    const auto settle = [&](u64 pushed) {
        n += pushed;
        page.acked.store(n);
        page.attempted.store(n);
    };
    while (!winding_down->load(std::memory_order_relaxed)) {
        if (ring.pop_tool && n > page.delivered + window / 4) {  // what is in a file is not in the ledger yet
            usleep(100);
            continue;
        }
        if (n >= page.boundary) wait_for_copies(page, n);
        if (ring.overwrite && random.below(16) == 0) usleep(50);  // who never waits would leave the others no processor
        const u64 dice = random.below(1000);
        const shmq::Deadline deadline = shmq::after(20ms);
        Outcome outcome = Outcome::ok;
        if (dice < 600) {
            const std::size_t size = length();
            fill({buffers[0], size}, me, n);
            page.attempted.store(n + 1);
            {
                Inside inside(page, in_operation);
                outcome = out->try_push({buffers[0], size});
            }
            if (outcome == Outcome::full) {
                Inside inside(page, in_wait);
                outcome = out->push({buffers[0], size}, deadline);
            }
            settle(outcome == Outcome::ok);
        } else if (dice < 850) {
            shmq::Bytes batch[most_batch];
            const std::size_t count = 1 + random.below(most_batch);
            for (std::size_t i = 0; i < count; ++i) {
                const std::size_t size = length();
                fill({buffers[i], size}, me, n + i);
                batch[i] = {buffers[i], size};
            }
            page.attempted.store(n + count);
            Inside inside(page, in_operation);
            const auto pushed = out->push(std::span<const shmq::Bytes>(batch, count), random.below(4) ? shmq::no_wait : deadline);
            outcome = pushed.outcome;
            settle(pushed.count);
        } else if (dice < 930) {
            const std::size_t size = length(), used = ring.fixed || random.below(2) ? size : sizeof(Stamp);
            Inside inside(page, in_operation);
            auto claim = out->try_claim(size);
            outcome = claim.outcome();
            if (claim) {
                page.attempted.store(n + 1);
                fill(claim.bytes().first(used), me, n);
                if (random.below(8)) settle(claim.commit(used) == Outcome::ok);
                else page.dropped.fetch_add(1), claim.abandon(), settle(0);
            }
        } else if (dice < 999 || random.below(50)) {
            Inside inside(page, in_operation);
            const std::size_t most = ring.fixed ? slot_size : slot_size * std::min<u64>(ring.longest, 3) - 24;
            auto claim = out->claim_batch(1 + random.below(most_batch), most, shmq::no_wait);
            outcome = claim.outcome();
            u64 count = 0;
            const u64 wanted = random.below(most_batch + 1);
            page.attempted.store(n + most_batch);
            while (claim && count < wanted) {
                const std::size_t size = std::min(length(), most);
                const auto place = claim.next(ring.fixed ? slot_size : size);
                if (!place.data()) break;
                fill(place, me, n + count++);
            }
            if (count && claim && claim.commit() == Outcome::ok) settle(count);
            else page.dropped.fetch_add(1), claim.abandon(), settle(0);
        } else {
            return leave(page, out);
        }
        if (outcome != Outcome::ok && outcome != Outcome::full && outcome != Outcome::timed_out) {
            ledger->error(ledger->wrong, "%s: push: %s", ring.name, describe(outcome));
            return 1;
        }
    }
    return leave(page, out);
}

// ---- a consumer -----------------------------------------------------------------------------------

struct Got {
    u32 producer;
    u64 number;
};

int consume(u32 me, Random random) {
    Worker& page = pages[me];
    const RingOf& ring = rings[page.ring];
    std::optional<shmq::Consumer> in;
    {
        Inside inside(page, in_attach);
        in.emplace(ring.name);
    }
    u64 last[most_workers]{};
    const auto deliver = [&](shmq::Bytes bytes, u64 position, bool redelivered) -> Got {
        Stamp s{};
        if (!whole(bytes, s) || s.producer >= most_workers) {
            ledger->error(ledger->torn, "%s: torn: %zu bytes at %llu", ring.name, bytes.size(), static_cast<ull>(position));
            return {most_workers, 0};
        }
        if (!redelivered) {
            if (s.number + 1 <= last[s.producer]) ledger->error(ledger->disorder, "%s: disorder: message %u/%llu after %llu", ring.name, s.producer, static_cast<ull>(s.number), static_cast<ull>(last[s.producer] - 1));
            last[s.producer] = s.number + 1;
        }
        note_delivery(s.producer, s.number, position, redelivered);
        page.delivered.fetch_add(1, std::memory_order_relaxed);
        return {s.producer, s.number};
    };
    const auto commit = [&](const Got& got) {
        if (got.producer < most_workers) note_commit(got.producer, got.number);
    };
    const auto linger = [&] {
        if (random.below(5000) == 0) usleep(static_cast<useconds_t>(random.below(2000)));
    };
    while (winding_down->load(std::memory_order_relaxed) < 2) {
        const u64 dice = random.below(1000);
        Outcome outcome = Outcome::ok;
        if (dice < 550) {
            page.may_hold = 1;
            page.where.store(in_operation);
            auto message = in->try_pop();
            if (!message && message.outcome() == Outcome::empty) {
                page.where.store(in_wait);
                message = in->pop(shmq::after(20ms));
            }
            page.where.store(outside);
            outcome = message.outcome();
            if (message) {
                const Got got = deliver(message.bytes(), message.position(), message.redelivered());
                linger();
                if (random.below(1000) == 0) {
                    ledger->handed_back.fetch_add(1);
                    Inside inside(page, in_operation);
                    message.hand_back();
                } else {
                    Inside inside(page, in_operation);
                    outcome = message.release();
                    if (outcome == Outcome::ok) commit(got);
                }
            }
        } else if (dice < 900) {
            const u32 wanted = static_cast<u32>(1 + random.below(most_batch));
            page.may_hold = wanted;
            page.where.store(in_operation);
            auto batch = in->pop_batch(wanted, random.below(2) ? shmq::no_wait : shmq::after(5ms));
            page.where.store(outside);
            outcome = batch.outcome();
            Got got[most_batch];
            std::optional<shmq::Message> held[most_batch];
            std::size_t count = 0;
            page.may_hold = static_cast<u32>(batch.size());
            if (batch) {
                const bool singly = random.below(3) == 0;
                for (auto it = batch.begin(); it != batch.end() && count < most_batch; ++it, ++count) {
                    got[count] = deliver(it->bytes(), it->position(), it->redelivered());
                    if (singly) held[count].emplace(std::move(*it));
                }
                if (count != batch.size()) ledger->error(ledger->wrong, "%s: a batch of %zu messages has %zu", ring.name, batch.size(), count);
                linger();
                if (!singly) {
                    Inside inside(page, in_operation);
                    outcome = batch.release();
                    if (outcome == Outcome::ok)
                        for (std::size_t i = 0; i < count; ++i) commit(got[i]);
                } else {
                    const bool backwards = random.below(2);
                    const std::size_t some = random.below(200) ? count : random.below(count + 1);  // the rest is handed back
                    ledger->handed_back.fetch_add(count - some);
                    Inside inside(page, in_operation);
                    for (std::size_t i = 0; i < some; ++i) {
                        const std::size_t which = backwards ? count - 1 - i : i;
                        if (held[which]->release() == Outcome::ok) commit(got[which]);
                    }
                    for (auto& one : held) one.reset();
                    batch.hand_back();
                }
            }
        } else if (dice < 999 || random.below(50)) {
            page.may_hold = 1;
            page.copies.fetch_add(1);
            Inside inside(page, in_operation);
            const auto copied = in->pop(page.buffer, shmq::no_wait);
            outcome = copied.outcome;
            if (outcome == Outcome::ok) commit(deliver({page.buffer, copied.size}, copied.position, copied.redelivered));
            page.copies.fetch_add(1);
        } else {
            page.may_hold = 0;
            return leave(page, in);
        }
        page.may_hold = 0;
        if (outcome != Outcome::ok && outcome != Outcome::empty && outcome != Outcome::timed_out) {
            ledger->error(ledger->wrong, "%s: pop: %s", ring.name, describe(outcome));
            return 1;
        }
    }
    return leave(page, in);
}

// ---- a consumer at a cursor -------------------------------------------------------------------------

// The life of one consumer of a broadcast or overwrite ring, as it judges it.
class Reader {
public:
    Reader(const RingOf& ring, u32 of) : ring_(ring), of_(of), dropped_(dropped()) {}

    void deliver(shmq::Bytes bytes, u64 position, u64 ordinal, u64 lost, bool redelivered) {
        Stamp s{};
        if (!whole(bytes, s) || s.producer >= most_workers) {
            ledger->error(ledger->torn, "%s: torn: %zu bytes at %llu", ring_.name, bytes.size(), static_cast<ull>(position));
            return;
        }
        if (redelivered != (position == handed_back_)) ledger->error(ledger->unflagged, "%s: message %u/%llu is flagged %d", ring_.name, s.producer, static_cast<ull>(s.number), redelivered);
        if (redelivered) {
            handed_back_ = none;
            ledger->redelivered.fetch_add(1);
            return;
        }
        if (began_ && position <= position_) ledger->error(ledger->disorder, "%s: position %llu after %llu", ring_.name, static_cast<ull>(position), static_cast<ull>(position_));
        if (ring_.overwrite) count(ordinal, lost);
        u64& next = next_[s.producer];
        if (s.number < next) ledger->error(ledger->duplicated, "%s: message %u/%llu after %llu", ring_.name, s.producer, static_cast<ull>(s.number), static_cast<ull>(next - 1));
        if (next) account(s.producer, next, s.number);
        next = s.number + 1;
        if (ring_.overwrite && ring_.broadcast && missing_ > lost_)
            ledger->error(ledger->lost, "%s: %llu messages went unseen, of which %llu were counted", ring_.name, static_cast<ull>(missing_), static_cast<ull>(lost_));
        began_ = true, position_ = position;
        ledger->at_cursors.fetch_add(1, std::memory_order_relaxed);
    }
    void will_come_again(u64 position) { handed_back_ = position; }

    // All producers are through, and there is no message left.
    void end() {
        if (ring_.overwrite) return;
        for (u32 p = 0; p < most_workers; ++p)
            if (next_[p]) account(p, next_[p], pages[p].acked);
    }

private:
    static constexpr u64 none = ~u64{0};

    // What of [from, to) must have come and did not?
    void account(u32 producer, u64 from, u64 to) {
        if (to > window / 2) from = std::max(from, to - window / 2);
        for (u64 n = from; n < to; ++n) {
            if (!certain(producer, n)) continue;
            ++missing_;
            if (!ring_.overwrite) ledger->error(ledger->lost, "%s: lost: message %u/%llu, before %llu", ring_.name, producer, static_cast<ull>(n), static_cast<ull>(to));
        }
    }

    void count(u64 ordinal, u64 lost) {
        if (began_) {
            const u64 gap = ordinal - ordinal_;
            if (ordinal < ordinal_ || lost > gap) ledger->error(ledger->wrong, "%s: %llu lost before ordinal %llu, after %llu", ring_.name, static_cast<ull>(lost), static_cast<ull>(ordinal), static_cast<ull>(ordinal_ - 1));
            uncounted_ += gap - lost;
            // Claims that came to nothing have ordinals, too.
            if (ring_.broadcast && uncounted_ > dropped() - dropped_ + most_workers)
                ledger->error(ledger->wrong, "%s: %llu ordinals that nobody counted, but %llu claims were dropped", ring_.name, static_cast<ull>(uncounted_), static_cast<ull>(dropped() - dropped_));
            lost_ += lost;
        }
        ledger->overwritten.fetch_add(lost, std::memory_order_relaxed);
        ordinal_ = ordinal + 1;
        if (ring_.broadcast) return;
        give(ordinal, true);
        for (u64 o = ordinal - std::min(lost, ordinals / 4); o < ordinal; ++o) give(o, false);
    }

    // One cursor for all: an ordinal is delivered once or counted once.
    void give(u64 ordinal, bool delivered) {
        const u64 before = ledger->given[ordinal % ordinals].exchange((ordinal + 1) * 2 + delivered);
        if (before / 2 == ordinal + 1) ledger->error(delivered || before % 2 ? ledger->duplicated : ledger->wrong, "%s: ordinal %llu was %s and is %s", ring_.name, static_cast<ull>(ordinal), before % 2 ? "delivered" : "counted as lost", delivered ? "delivered" : "counted as lost");
    }

    u64 dropped() const {
        u64 sum = 0;
        for (u32 i = 0; i < most_workers; ++i)
            if (pages[i].ring == of_) sum += pages[i].dropped;
        return sum;
    }

    const RingOf& ring_;
    u32 of_;
    u64 dropped_;
    u64 next_[most_workers]{};  // of each producer; 0: none seen yet
    u64 position_ = 0, ordinal_ = 0, handed_back_ = none, missing_ = 0, lost_ = 0, uncounted_ = 0;
    bool began_ = false;
};

int consume_at_cursor(u32 me, Random random) {
    Worker& page = pages[me];
    const RingOf& ring = rings[page.ring];
    Reader reader(ring, page.ring);
    std::optional<shmq::Consumer> in;
    {
        Inside inside(page, in_attach);
        shmq::AttachOptions options;
        if (ring.broadcast && random.below(2)) options.from = shmq::From::newest;
        in.emplace(ring.name, options);
    }
    for (;;) {
        const u64 dice = random.below(1000);
        const bool over = winding_down->load(std::memory_order_relaxed) >= 2;  // before the look
        Outcome outcome = Outcome::ok;
        if (dice < 700 || over) {
            page.where.store(in_operation);
            auto message = in->try_pop();
            if (!message && message.outcome() == Outcome::empty && !over) {
                page.where.store(in_wait);
                message = in->pop(shmq::after(20ms));
            }
            page.where.store(outside);
            outcome = message.outcome();
            if (message) {
                reader.deliver(message.bytes(), message.position(), message.sequence(), message.lost(), message.redelivered());
                page.delivered.fetch_add(1, std::memory_order_relaxed);
                if (random.below(5000) == 0) usleep(static_cast<useconds_t>(random.below(2000)));
                if (!ring.overwrite && !message.redelivered() && random.below(1000) == 0) {
                    ledger->handed_back.fetch_add(1);
                    reader.will_come_again(message.position());
                    Inside inside(page, in_operation);
                    message.hand_back();
                } else {
                    Inside inside(page, in_operation);
                    outcome = message.release();
                }
            }
        } else if (dice < 999 || random.below(50)) {
            page.where.store(in_operation);
            auto batch = in->pop_batch(1 + random.below(most_batch), random.below(2) ? shmq::no_wait : shmq::after(5ms));
            page.where.store(outside);
            outcome = batch.outcome();
            if (batch) {
                const bool singly = !ring.overwrite && random.below(3) == 0;
                for (auto& message : batch) {
                    reader.deliver(message.bytes(), message.position(), message.sequence(), message.lost(), message.redelivered());
                    page.delivered.fetch_add(1, std::memory_order_relaxed);
                    if (!singly) continue;
                    Inside inside(page, in_operation);
                    if (outcome = message.release(); outcome != Outcome::ok) break;
                }
                Inside inside(page, in_operation);
                if (!singly) outcome = batch.release();
            }
        } else {
            break;
        }
        if (over && outcome == Outcome::empty) {
            reader.end();
            break;
        }
        if (outcome != Outcome::ok && outcome != Outcome::empty && outcome != Outcome::timed_out) {
            ledger->error(ledger->wrong, "%s: pop: %s", ring.name, describe(outcome));
            return 1;
        }
    }
    return leave(page, in);
}

// ---- the commands ---------------------------------------------------------------------------------

#ifndef SHMQ_TOOLS_DIR
#define SHMQ_TOOLS_DIR ""
#endif
std::string tool(const char* name) { return std::string(SHMQ_TOOLS_DIR) + "/" + name; }
constexpr u64 tool_messages = 3000;  // of one shmq-push

int prepare_input(u32 me, Random& random) {
    const int file = memfd_create("input", MFD_CLOEXEC);
    const u64 begin = pages[me].acked;
    std::string all;
    for (u64 n = begin; n < begin + tool_messages; ++n) {
        std::byte message[300];
        const std::size_t size = sizeof(Stamp) + random.below(sizeof message - sizeof(Stamp));
        fill({message, size}, me, n);
        const u32 length = __builtin_bswap32(static_cast<u32>(size));
        all.append(reinterpret_cast<const char*>(&length), 4).append(reinterpret_cast<const char*>(message), size);
    }
    if (write(file, all.data(), all.size()) != static_cast<ssize_t>(all.size())) std::perror("memfd");
    lseek(file, 0, SEEK_SET);
    pages[me].attempted = begin + tool_messages;
    return file;
}
// What a shmq-pop printed since the last look, as far as it is complete.
void read_output(int file, u64& from, const char* ring) {
    struct stat s {};
    fstat(file, &s);
    if (static_cast<u64>(s.st_size) <= from) return;
    std::vector<std::byte> all(static_cast<u64>(s.st_size) - from);
    if (pread(file, all.data(), all.size(), static_cast<off_t>(from)) != static_cast<ssize_t>(all.size())) std::perror("memfd");
    std::size_t at = 0;
    while (at + 4 <= all.size()) {
        u32 length;
        std::memcpy(&length, &all[at], 4);
        length = __builtin_bswap32(length);
        if (length > all.size() - at - 4) break;  // in the middle of a write, perhaps for ever
        Stamp message{};
        if (!whole({&all[at + 4], length}, message) || message.producer >= most_workers) {
            ledger->error(ledger->torn, "%s: torn: %u bytes printed by shmq-pop", ring, length);
            break;
        }
        note_delivery(message.producer, message.number, 0, std::nullopt);
        auto& seen = pages[message.producer].delivered;
        seen = std::max<u64>(seen, message.number + 1);
        at += 4 + length;
    }
    from += at;
}

// ---- the director ---------------------------------------------------------------------------------

class Chaos {
public:
    explicit Chaos(u64 seed) : random_{seed | 1} {}

    int run() {
        const bool lengthy = long_run();
        const double limit = static_cast<double>(from_environment("SHMQ_CHAOS_SECONDS", lengthy ? 3600 : 45));
        const u64 kills_wanted = from_environment("SHMQ_CHAOS_KILLS", 100000), messages_wanted = from_environment("SHMQ_CHAOS_MESSAGES", 1000000000);
        if (!set_up()) return 1;
        setpriority(PRIO_PROCESS, 0, -10);  // the director comes to its turn among all the busy ones
        const double begin = now();
        // On a machine that has too much to do some of it may take longer to happen.
        const double longest = lengthy ? limit : std::min(3 * limit, limit + 200);
        for (double told = begin; now() - begin < longest; ) {
            if (now() - begin > limit && what_never_was().empty()) break;
            if (lengthy && inside_ >= kills_wanted && messages() >= messages_wanted) break;
            if (ledger->errors && !crashed_) break;
            step();
            if (now() - told > 60) {
                told = now();
                std::printf("  %.0f s: %llu kills, %llu inside an operation, %llu messages\n", told - begin, static_cast<ull>(kills_), static_cast<ull>(inside_), static_cast<ull>(messages()));
            }
            const u64 wait = random_.below(1000);
            if (wait > 200) usleep(static_cast<useconds_t>(wait));
        }
        const double ran = now() - begin;
        wind_down();
        return report(ran, lengthy && (inside_ < kills_wanted || messages() < messages_wanted));
    }

private:
    Random random_;
    std::vector<Member> members_;
    int here_ = -1, there_ = -1;  // PID namespaces
    pid_t init_ = 0;
    u64 kills_ = 0, inside_ = 0, waiting_ = 0, attaching_ = 0, stops_ = 0, starts_ = 0, tool_kills_ = 0, left_ = 0;
    u64 may_be_redelivered_ = 0, may_be_printed_twice_ = 0, in_namespace_ = 0, as_user_ = 0;
    bool crashed_ = false, user_possible_ = true, namespace_possible_ = true;
    double longest_stall_ = 0, longest_starved_ = 0;
    std::string stalled_;  // where and when
    struct Progress {
        u64 seen = 0;
        double since = 0;
        u64 killed = 0;
        double looked = 0, starved = 0;  // since when somebody of the ring waits for a processor
    };
    std::vector<Progress> progress_ = {};

    u64 messages() const {
        u64 sum = 0;
        for (u32 i = 0; i < members_.size(); ++i)
            if (members_[i].producer) sum += pages[i].acked;
        return sum;
    }

    bool set_up() {
        const bool do_without = from_environment("SHMQ_CHAOS_UNPRIVILEGED", 0) != 0;
        user_possible_ = geteuid() == 0;
        here_ = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
        if (unshare(CLONE_NEWPID) == 0) {
            init_ = fork();
            if (init_ == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;) pause();
            }
            there_ = open(("/proc/" + std::to_string(init_) + "/ns/pid").c_str(), O_RDONLY | O_CLOEXEC);
            if (init_ < 0 || there_ < 0 || setns(here_, CLONE_NEWPID) != 0) {
                std::perror("PID namespace");
                return false;
            }
        } else {
            namespace_possible_ = false;
        }
        if (!user_possible_ || !namespace_possible_) {
            std::printf("%s: not permitted here%s%s\n", do_without ? "left out" : "FAILED (SHMQ_CHAOS_UNPRIVILEGED=1 does without)", namespace_possible_ ? "" : ": a second PID namespace", user_possible_ ? "" : ": a second user");
            if (!do_without) return false;
        }
        const bool push = access(tool("shmq-push").c_str(), X_OK) == 0, pop = access(tool("shmq-pop").c_str(), X_OK) == 0;
        if (push) rings.push_back({"pushed", false, false, false, false, 256, 2, 2, 5, true, false});
        if (pop) rings.push_back({"popped", false, false, false, false, 256, 2, 2, 5, false, true});
        if (!push || !pop) {
            std::printf("%s: there is no %s\n", *SHMQ_TOOLS_DIR ? "FAILED" : "without the commands", tool(push ? "shmq-pop" : "shmq-push").c_str());
            if (*SHMQ_TOOLS_DIR) return false;
        }

        for (u32 r = 0; r < rings.size(); ++r) {
            const RingOf& ring = rings[r];
            shmq::Options options;
            options.slots = ring.slots, options.slot_size = slot_size, options.fixed = ring.fixed, options.timestamps = ring.timestamps;
            options.producers = ring.one_producer ? shmq::one : shmq::many, options.consumers = ring.one_consumer ? shmq::one : shmq::many;
            options.broadcast = ring.broadcast, options.overwrite = ring.overwrite;
            options.participants = 16, options.mode = 0666;
            shmq::create(ring.name, options);
            for (u32 i = 0; i < ring.producers + ring.consumers; ++i) {
                Member m;
                m.ring = r, m.producer = i < ring.producers;
                m.tool = m.producer ? ring.push_tool : ring.pop_tool;
                m.other_namespace = namespace_possible_ && members_.size() % 3 == 1;
                m.other_user = user_possible_ && members_.size() % 4 >= 2;
                members_.push_back(m);
            }
        }
        if (members_.size() > most_workers) return false;
        progress_.assign(rings.size(), {0, now()});
        return true;
    }

    void begin(u32 i) {
        Member& m = members_[i];
        Worker& page = pages[i];
        page.where = outside, page.ring = m.ring, page.consumes = !m.producer, page.may_hold = 0;
        std::memset(page.buffer, 0, sizeof(Stamp));
        if (m.tool) {
            if (m.file >= 0) close(m.file);
            m.parsed = 0;
            m.file = m.producer ? prepare_input(i, random_) : memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        }
        const u64 seed = random_();
        if (m.other_namespace && setns(there_, CLONE_NEWPID) != 0) std::perror("setns");
        const pid_t pid = fork();
        if (pid == 0) {
            setpriority(PRIO_PROCESS, 0, 0);
            if (m.other_user && (setgroups(0, nullptr) != 0 || setgid(other_user) != 0 || setuid(other_user) != 0)) _exit(9);
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            page.pid = static_cast<u32>(getpid()), page.uid = getuid();
            try {
                if (!m.tool) _exit(m.producer ? produce(i, {seed | 1}) : rings[m.ring].at_cursors() ? consume_at_cursor(i, {seed | 1}) : consume(i, {seed | 1}));
                dup2(m.file, m.producer ? 0 : 1);
                const std::string path = tool(m.producer ? "shmq-push" : "shmq-pop");
                execl(path.c_str(), path.c_str(), "-F", "u32", rings[m.ring].name, static_cast<char*>(nullptr));
            } catch (const std::exception& error) {
                ledger->error(ledger->wrong, "%s: %s", rings[m.ring].name, error.what());
            }
            _exit(1);
        }
        if (m.other_namespace && setns(here_, CLONE_NEWPID) != 0) std::perror("setns");
        if (pid < 0) return;
        m.pid = pid;
        m.stopped = false;
        ++starts_;
    }

    // Settles the accounts of a worker that is gone.
    void bury(u32 i, int status) {
        Member& m = members_[i];
        Worker& page = pages[i];
        const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (!killed && status != 0) {
            crashed_ = true;
            ledger->error(ledger->wrong, "%s: a %s%s ended with status %x", rings[m.ring].name, m.tool ? "command, " : "", m.producer ? "producer" : "consumer", status);
        }
        in_namespace_ += m.other_namespace && page.pid && page.pid != static_cast<u32>(m.pid);
        as_user_ += m.other_user && page.uid == other_user;
        m.pid = 0;
        if (killed) {
            ++kills_;
            ++progress_[m.ring].killed;
            if (m.tool) tool_kills_ += !winding_down->load();  // at the end all of them are
            else if (page.where == in_operation) ++inside_;
            else if (page.where == in_wait) ++waiting_;
            else if (page.where == in_attach || page.where == in_detach) ++attaching_;
        } else {
            ++left_;
        }
        if (m.producer) {
            if (m.tool && !killed && status == 0) page.acked.store(page.attempted);  // it says: all is in the ring
            for (u64 n = page.acked; n < page.attempted; ++n) rings[m.ring].at_cursors() ? note_uncertain_at_cursors(i, n) : note_uncertain(i, n);
            page.acked.store(page.attempted);
        } else if (m.tool) {
            read_output(m.file, m.parsed, rings[m.ring].name);
            may_be_printed_twice_ += rings[m.ring].slots / 4;
        } else {
            may_be_redelivered_ += page.may_hold;
            // Killed inside pop(buffer) between the commit and the note of it.
            Stamp s{};
            std::memcpy(&s, page.buffer, sizeof s);
            if (killed && page.where == in_operation && s.length >= sizeof s && s.length <= sizeof page.buffer && whole({page.buffer, s.length}, s) && s.producer < most_workers) note_uncertain(s.producer, s.number);
        }
        if (page.copies % 2) page.copies.fetch_add(1);
        page.where = outside;
    }

    void step() {
        const double at = now();
        for (u32 i = 0; i < members_.size(); ++i) {
            Member& m = members_[i];
            if (!m.pid && at >= m.begin_at) begin(i);
            if (m.pid && m.stopped && at >= m.continue_at) {
                kill(m.pid, SIGCONT);
                m.stopped = false;
                progress_[m.ring].since = at;
            }
            int status = 0;
            if (m.pid && waitpid(m.pid, &status, WNOHANG) == m.pid) bury(i, status);
            if (m.pid && m.tool && !m.producer) read_output(m.file, m.parsed, rings[m.ring].name);
        }
        watch(at);
        const u64 dice = random_.below(100);
        u32 i = static_cast<u32>(random_.below(members_.size()));
        // Most wait most of the time: rather one that is at work. Where it was is asked after its death.
        if (random_.below(4))
            for (int tries = 0; tries < 12 && !(members_[i].pid && pages[i].where == in_operation); ++tries) i = static_cast<u32>(random_.below(members_.size()));
        Member& m = members_[i];
        if (!m.pid) return;
        if (dice < 60) {
            if (m.tool && random_.below(4)) return;  // they need longer to begin
            if (m.producer) pages[i].dropped.fetch_add(1);  // perhaps, and known before anybody can meet it
            kill(m.pid, SIGKILL);
            int status = 0;
            if (waitpid(m.pid, &status, 0) == m.pid) bury(i, status);
            m.begin_at = random_.below(2) ? 0 : now() + static_cast<double>(random_.below(5000)) * 1e-6;
        } else if (dice < 75 && !m.stopped) {
            kill(m.pid, SIGSTOP);
            ++stops_;
            m.stopped = true;
            m.continue_at = at + static_cast<double>(random_.below(15000)) * 1e-6;
        }
    }

    // A stall: nobody of a ring is stopped, a producer and a consumer live, and no message is delivered.
    void watch(double at) {
        for (u32 r = 0; r < rings.size(); ++r) {
            if (rings[r].pop_tool) continue;  // what they print is read when they end
            bool producer = false, consumer = false, stopped = false;
            u64 seen = 0;
            for (u32 i = 0; i < members_.size(); ++i) {
                const Member& m = members_[i];
                if (m.ring != r) continue;
                stopped |= m.stopped;
                (m.producer ? producer : consumer) |= m.pid != 0;
                seen += pages[i].delivered;
            }
            Progress& p = progress_[r];
            if (stopped || !producer || !consumer || seen != p.seen) {
                p = {seen, at};
                continue;
            }
            if (at - p.since > 0.3 && at - p.looked > 0.1) {
                p.looked = at;
                if (!long_run() && starved(r)) {  // a long run wants a machine of its own, and counts everything
                    if (!p.starved) p.starved = p.since;
                    longest_starved_ = std::max(longest_starved_, at - p.starved);
                    p.since = at;
                }
            }
            if (at - p.since > longest_stall_) {
                longest_stall_ = at - p.since;
                stalled_ = std::string(rings[r].name) + ", where " + std::to_string(p.killed) + " were killed meanwhile";
                if (longest_stall_ > stall_limit) ledger->error(ledger->wrong, "%s: nothing moved for %.1f s", rings[r].name, longest_stall_);
            }
        }
    }

    // On a machine that has too much to do a ring stalls because nobody of it is given a processor: one
    // is runnable and has not run since the last look.
    bool starved(u32 ring) {
        bool any = false;
        for (auto& m : members_) {
            if (m.ring != ring || !m.pid) continue;
            const std::string directory = "/proc/" + std::to_string(m.pid);
            u64 ran = 0;
            char state = 0;
            if (FILE* const file = std::fopen((directory + "/schedstat").c_str(), "r")) {
                ull value = 0;
                if (std::fscanf(file, "%llu", &value) == 1) ran = value;
                std::fclose(file);
            }
            if (FILE* const file = std::fopen((directory + "/stat").c_str(), "r")) {
                if (std::fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 0;
                std::fclose(file);
            }
            any |= state == 'R' && ran == m.ran;
            m.ran = ran;
        }
        return any;
    }

    void reap_all(bool producers) {
        const double begin = now();
        for (;;) {
            bool any = false;
            for (u32 i = 0; i < members_.size(); ++i) {
                Member& m = members_[i];
                if (!m.pid || m.producer != producers) continue;
                int status = 0;
                if (waitpid(m.pid, &status, WNOHANG) == m.pid) bury(i, status);
                else any = true;
            }
            if (!any) return;
            if (now() - begin > end_limit) {
                ledger->error(ledger->wrong, "workers do not end");
                for (auto& m : members_)
                    if (m.pid && m.producer == producers) kill(m.pid, SIGKILL);
                return;
            }
            usleep(1000);
        }
    }

    // No more faults: all goes on to its end, and the rest is drained.
    void wind_down() {
        for (u32 i = 0; i < members_.size(); ++i) {
            Member& m = members_[i];
            if (!m.pid && !m.producer && !ledger->errors) begin(i);
            if (m.pid && m.stopped) kill(m.pid, SIGCONT);
        }
        winding_down->store(1);
        reap_all(true);
        const double from = now();
        for (bool drained = false; !drained && now() - from < end_limit; usleep(1000)) {
            drained = true;
            for (const auto& ring : rings) drained &= ring.overwrite || shmq::stat(ring.name).used == 0;
            for (u32 i = 0; i < members_.size(); ++i) {  // some leave by themselves
                Member& m = members_[i];
                int status = 0;
                if (m.pid && m.tool && !m.producer) read_output(m.file, m.parsed, rings[m.ring].name);
                if (!m.producer && m.pid && waitpid(m.pid, &status, WNOHANG) == m.pid) bury(i, status);
                if (!m.producer && !m.pid && !ledger->errors) begin(i);
            }
            if (ledger->errors) break;
        }
        winding_down->store(2);
        for (auto& m : members_)
            if (m.pid && m.tool) kill(m.pid, SIGKILL);
        reap_all(false);
        if (init_ > 0) {
            kill(init_, SIGKILL);
            waitpid(init_, nullptr, 0);
        }
        for (const auto& ring : rings) finish(ring);
        for (u32 i = 0; i < members_.size(); ++i) {
            if (!members_[i].producer || rings[members_[i].ring].at_cursors()) continue;
            const u64 all = pages[i].acked;
            for (u64 n = all > window ? all - window : 0; n < all; ++n) {
                const u64 cell = ledger->producers[i].cells[n % window];
                if ((cell >> cell_number) != n + 1 || !(cell & (cell_delivered | cell_uncertain))) ledger->error(ledger->lost, "lost: message %u/%llu of %llu", i, static_cast<ull>(n), static_cast<ull>(all));
            }
        }
    }

    // Drained, nothing claimed, all of the room usable, and to be removed without force.
    void finish(const RingOf& ring) {
        try {
            {
                shmq::Consumer in(ring.name);
                shmq::Producer out(ring.name);
                while (auto m = in.pop(shmq::after(200ms))) {
                    Stamp s{};
                    if (!whole(m.bytes(), s)) ledger->error(ledger->torn, "%s: torn at the end", ring.name);
                    else if (!ring.at_cursors()) note_delivery(s.producer, s.number, m.position(), ring.pop_tool ? std::nullopt : std::optional(m.redelivered()));
                    if (m.release() == Outcome::ok && !ring.at_cursors()) note_commit(s.producer, s.number);
                }
                std::byte message[slot_size]{};
                u64 room = 0;
                const u64 enough = ring.overwrite ? 3 * ring.slots : ~u64{0};
                while (room < enough && out.try_push({message, ring.fixed ? slot_size : slot_size - 24}) == Outcome::ok) ++room;
                if (ring.overwrite) {
                    u64 there = 0, lost = 0;
                    for (; auto m = in.try_pop(); ++there) lost += m.lost(), (void)m.release();
                    // More only by claims behind the last message that came to nothing.
                    if (there != ring.slots || there + lost < room || there + lost > room + most_workers) ledger->error(ledger->wrong, "%s: of %llu messages %llu are there and %llu counted as lost", ring.name, static_cast<ull>(room), static_cast<ull>(there), static_cast<ull>(lost));
                } else if (room != ring.slots) ledger->error(ledger->wrong, "%s: %llu of %llu slots are usable", ring.name, static_cast<ull>(room), static_cast<ull>(ring.slots));
                while (auto m = in.try_pop()) (void)m.release();
                const auto status = shmq::stat(ring.name);
                if ((status.used && !ring.overwrite) || status.readers != 1 || status.writers != 1)
                    ledger->error(ledger->wrong, "%s: used %llu, %llu readers, %llu writers at the end", ring.name, static_cast<ull>(status.used), static_cast<ull>(status.readers), static_cast<ull>(status.writers));
            }
            shmq::remove(ring.name);
        } catch (const shmq::Error& error) {
            ledger->error(ledger->wrong, "%s: at the end: %s", ring.name, error.what());
        }
    }

    // A run without all of these has shown nothing.
    std::string what_never_was() const {
        const struct {
            u64 times;
            const char* what;
            bool possible = true;
        } all[] = {{inside_, "kill inside an operation"}, {waiting_, "kill in a wait"}, {attaching_, "kill of one attaching or detaching"}, {stops_, "stop"},
                   {tool_kills_, "kill of a command", *SHMQ_TOOLS_DIR != 0}, {in_namespace_, "worker in the other PID namespace", namespace_possible_}, {as_user_, "worker as another user", user_possible_},
                   {messages(), "message"}, {ledger->redelivered, "redelivery"}, {ledger->at_cursors, "delivery at a cursor"}, {ledger->overwritten, "overwritten message"}};
        std::string missing;
        for (const auto& one : all)
            if (one.possible && !one.times) missing += (missing.empty() ? "no " : ", no ") + std::string(one.what);
        return missing;
    }

    int report(double ran, bool short_of_it) {
        const u64 allowed = may_be_redelivered_ + ledger->handed_back;
        if (ledger->redelivered > allowed) ledger->error(ledger->wrong, "%llu messages came again, but the dead held at most %llu", static_cast<ull>(ledger->redelivered), static_cast<ull>(allowed));
        if (ledger->twice_by_tools > may_be_printed_twice_) ledger->error(ledger->wrong, "%llu messages were printed twice, but the killed commands held at most %llu", static_cast<ull>(ledger->twice_by_tools), static_cast<ull>(may_be_printed_twice_));
        std::printf("%.0f s, %zu rings, %zu workers: %llu started, %llu left by themselves\n", ran, rings.size(), members_.size(), static_cast<ull>(starts_), static_cast<ull>(left_));
        std::printf("kills %llu: %llu inside an operation, %llu in a wait, %llu attaching or detaching, %llu of commands; stops %llu\n", static_cast<ull>(kills_), static_cast<ull>(inside_), static_cast<ull>(waiting_), static_cast<ull>(attaching_), static_cast<ull>(tool_kills_), static_cast<ull>(stops_));
        std::printf("in the other PID namespace %llu of the workers, as another user %llu\n", static_cast<ull>(in_namespace_), static_cast<ull>(as_user_));
        std::printf("messages %llu: lost %llu, torn %llu, duplicated %llu, unflagged %llu, out of order %llu\n", static_cast<ull>(messages()), static_cast<ull>(ledger->lost), static_cast<ull>(ledger->torn), static_cast<ull>(ledger->duplicated), static_cast<ull>(ledger->unflagged), static_cast<ull>(ledger->disorder));
        std::printf("redelivered %llu, all flagged (handed back %llu, held by the killed at most %llu); printed twice by killed commands %llu (held at most %llu)\n", static_cast<ull>(ledger->redelivered), static_cast<ull>(ledger->handed_back), static_cast<ull>(may_be_redelivered_), static_cast<ull>(ledger->twice_by_tools), static_cast<ull>(may_be_printed_twice_));
        std::printf("at cursors %llu delivered, %llu overwritten and counted\n", static_cast<ull>(ledger->at_cursors), static_cast<ull>(ledger->overwritten));
        std::printf("longest stall %.0f ms%s%s%s", longest_stall_ * 1e3, stalled_.empty() ? "" : " (", stalled_.c_str(), stalled_.empty() ? "" : ")");
        if (longest_starved_ > 0) std::printf("; not counted: %.0f ms with runnable workers that got no processor", longest_starved_ * 1e3);
        std::printf("\n");
        if (ledger->errors) std::printf("FAILED: %u errors, the first: %s\n", ledger->errors.load(), ledger->first_error);
        if (short_of_it) std::printf("FAILED: the time was too short for as many kills and messages as wanted\n");
        const std::string missing = ledger->errors ? "" : what_never_was();  // an error ends a run early
        if (!missing.empty()) std::printf("FAILED: %s\n", missing.c_str());
        return ledger->errors || short_of_it || !missing.empty() ? 1 : 0;
    }
};

int test() {
    ledger = share<Ledger>();
    pages = share<Worker>(most_workers);
    winding_down = share<std::atomic<u32>>();
    const u64 seed = from_environment("SHMQ_CHAOS_SEED", static_cast<u64>(std::chrono::system_clock::now().time_since_epoch().count()) % 1000000007);
    std::printf("seed %llu (SHMQ_CHAOS_SEED)\n", static_cast<ull>(seed));
    return Chaos(seed * 0x9e3779b97f4a7c15).run();
}

}  // namespace

int main() { return supervised("chaos", long_run() ? 7000 : static_cast<double>(from_environment("SHMQ_CHAOS_SECONDS", 45)) + 300, test); }
