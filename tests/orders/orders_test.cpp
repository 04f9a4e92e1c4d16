// Every labelled memory order, weakened: something must go wrong, and nothing while it is as it stands.
//
// The ring's real code runs on a machine whose memory is as weak as C++ allows (weak_memory.hpp), threads
// against threads, some of them killed. What may go wrong: a race on a message's bytes, a message torn,
// lost, delivered twice or out of order, one taken from a living consumer, a verdict `corrupt`, a loss
// miscounted, all asleep with work to do.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <shmq/detail/ring.hpp>

#include "cursor.hpp"
#include "waiter.hpp"
#include "weak_memory.hpp"

namespace {

using namespace shmq;
using namespace shmq::detail;

constexpr u32 entries = 6;
constexpr u64 slot_size = 32;

// ---- a ring in this process -------------------------------------------------------------------------

// Entries are threads: alive as long as theirs is.
class Threads final : public Peers {
public:
    bool alive(u32 entry) noexcept override { return !weak::dead(entry); }
    Standing standing() noexcept override { return Standing::attached; }
    Standing inspect() noexcept override { return Standing::attached; }
};

struct Memory {
    alignas(128) std::byte lines[sizeof(Lines)], table[entries * sizeof(Entry)], words[128 * 8], times[128 * 8], data[2 * 128 * slot_size];
};
Memory memory;
Threads peers;

struct Shape {
    u64 capacity = 2;
    bool fixed = false, one_producer = false, one_consumer = false, broadcast = false, overwrite = false;
};

Ring make(const Shape& s) {
    std::memset(static_cast<void*>(&memory), 0, sizeof memory);
    const u64 slots = std::bit_ceil(s.capacity + (s.overwrite ? spare_slots(s.capacity) : 0));
    const Geometry geometry{s.capacity, slots, slot_size, s.fixed ? slot_size : s.capacity * slot_size - message_header_bytes, entries, s.fixed,
                            s.one_producer, s.one_consumer, false, s.broadcast, s.overwrite};
    if (slots > 128) std::abort();
    const Ring ring = make_ring(geometry, memory.lines, memory.table, memory.words, memory.times, memory.data);
    clear_entries(ring);
    return ring;
}

void attach(const Ring& ring, u32 entry, Role role) {
    auto& used = ring.lines->events.entries_used;
    u32 before = used.load();
    while (before < entry + 1 && !used.compare_exchange_strong(before, entry + 1)) {}
    if (ring.broadcast) ring.entries[entry].reading_position.store(ring.lines->free_position.value.load(std::memory_order_acquire), std::memory_order_relaxed);
    ring.entries[entry].role.store(role, std::memory_order_release);
}
std::unique_ptr<ProducerCore> producer(const Ring& ring, u32 entry, Waiting waiting = Waiting::block) {
    attach(ring, entry, role_producer);
    return std::make_unique<ProducerCore>(ring, peers, entry, waiting);
}
std::unique_ptr<ConsumerCore> consumer(const Ring& ring, u32 entry, Waiting waiting = Waiting::block, From from = From::oldest) {
    attach(ring, entry, role_consumer);
    return std::make_unique<ConsumerCore>(ring, peers, entry, waiting, from, ring.overwrite ? std::make_unique<std::byte[]>(ring.prefix + ring.max_message) : nullptr);
}

// ---- messages -----------------------------------------------------------------------------------------

// Each word follows from author and number; its lower half looks like a length.
u64 content(u64 first, u64 i) { return i == 0 ? first : ((first + i) * 0x9e3779b97f4a7c15 & ~u64{0xffffffff}) | (i % 2 ? 16 : 40); }

struct Payload {
    u64 words[5];
    std::size_t size;
    Bytes bytes() const { return std::as_bytes(std::span(words)).first(size); }
};
Payload payload(const Ring& ring, u32 author, u32 number) {
    Payload p{};
    const bool two = !ring.fixed && ring.capacity > 1 && (author + number) % 3 == 1;
    p.size = ring.fixed ? 32 : two ? 40 : 16;
    for (u64 i = 0; i < p.size / 8; ++i) p.words[i] = content(u64{author} << 32 | number, i);
    return p;
}

// What the threads have done: noted outside of the modelled memory, so at once.
struct Book {
    static constexpr u32 most = 32;
    struct Message {
        bool begun, acked, released, held;
        u32 holder;
    };
    Message of[entries][most] = {};
    u32 last[entries][entries] = {};  // of each consumer, from each author: number + 1
    u32 delivered = 0, begun_from[entries][entries] = {};

    // -> author and number.
    std::pair<u32, u32> check(const Ring& ring, Bytes bytes, const char* where) const {
        u64 words[5] = {};
        if (bytes.size() > sizeof words) weak::found(std::string(where) + ": too long");
        std::memcpy(words, bytes.data(), bytes.size());
        const u32 author = static_cast<u32>(words[0] >> 32), number = static_cast<u32>(words[0]);
        if (author >= entries || number >= most || !of[author][number].begun || payload(ring, author, number).size != bytes.size()) weak::found(std::string(where) + ": torn");
        for (u64 i = 0; i < bytes.size() / 8; ++i)
            if (words[i] != content(words[0], i)) weak::found(std::string(where) + ": torn");
        return {author, number};
    }
    void take(u32 me, u32 author, u32 number, bool redelivered) {
        Message& m = of[author][number];
        if (m.released) weak::found("delivered again after its release");
        if (m.held && !weak::gone(m.holder)) weak::found("taken from a living consumer");
        if (!redelivered && number < last[me][author]) weak::found("out of order");
        if (!redelivered) last[me][author] = number + 1;
        m.held = true, m.holder = me;
    }
    // Of each producer that lives, has the last of so many been pushed?
    bool complete(u32 producers, u32 each) const {
        bool all = true;
        for (u32 p = 0; p < producers; ++p) all &= of[p][each - 1].acked || weak::gone(p);
        return all;
    }
    void release(u32 author, u32 number) { of[author][number].released = true, of[author][number].held = false, ++delivered; }
};

void must(Outcome outcome, const char* where) {
    if (outcome != Outcome::ok) weak::found(std::string(where) + ": " + describe(outcome));
}

// ---- what happens ---------------------------------------------------------------------------------------

using weak::random_below;

// Pushes numbers [0, count) in one way or another.
void produce(ProducerCore& core, u32 me, u32 count, Book& book, u32& busy, Deadline deadline, const std::function<bool()>& all_gone = {}) {
    const Ring& ring = core.ring();
    for (u32 n = 0; n < count;) {
        const u64 dice = random_below(8);
        const Payload one = payload(ring, me, n);
        book.of[me][n].begun = true;
        Outcome outcome;
        if (dice == 0) {
            auto claim = core.claim(one.size, deadline);
            outcome = claim.outcome();
            if (claim && random_below(2)) {
                claim.abandon();
                continue;
            }
            if (claim) {
                std::memcpy(claim.bytes().data(), one.words, one.size);
                outcome = claim.commit(one.size);
            }
        } else if (dice == 1 && n + 1 < count) {
            const Payload two = payload(ring, me, n + 1);
            book.of[me][n + 1].begun = true;
            const Bytes both[] = {one.bytes(), two.bytes()};
            const Pushed pushed = core.push(both, deadline);
            for (std::size_t i = 0; i < pushed.count; ++i) book.of[me][n++].acked = true;
            if (pushed.outcome != Outcome::full) must(pushed.outcome, "push");
            else if (all_gone && all_gone()) break;
            continue;
        } else if (dice == 2 && n + 1 < count) {
            auto batch = core.claim_batch(2, ring.fixed ? slot_size : std::min<u64>(40, ring.max_message), deadline);
            outcome = batch.outcome();
            u32 filled = 0;
            for (; batch && n + filled < count; ++filled) {
                const Payload next = payload(ring, me, n + filled);
                const auto place = batch.next(next.size);
                if (!place.data()) break;
                book.of[me][n + filled].begun = true;
                std::memcpy(place.data(), next.words, next.size);
            }
            if (batch) {
                must(batch.commit(), "commit");
                while (filled--) book.of[me][n++].acked = true;
                continue;
            }
        } else {
            outcome = core.push(one.bytes(), deadline);
        }
        if (outcome == Outcome::full) {
            if (all_gone && all_gone()) break;
            weak::yield();
            continue;
        }
        must(outcome, "push");
        book.of[me][n++].acked = true;
    }
    --busy;
}

// One message, or some. -> false: there was none.
bool consume(ConsumerCore& core, u32 me, Book& book, Deadline deadline) {
    const Ring& ring = core.ring();
    if (random_below(3) == 0) {
        auto batch = core.pop_batch(3, deadline);
        if (!batch) {
            if (batch.outcome() != Outcome::empty) must(batch.outcome(), "pop_batch");
            return false;
        }
        const bool singly = random_below(3) == 0;
        std::vector<std::pair<u32, u32>> all;
        for (auto& message : batch) {
            all.push_back(book.check(ring, message.bytes(), "pop_batch"));
            book.take(me, all.back().first, all.back().second, message.redelivered());
            if (!singly) continue;
            must(message.release(), "release");
            book.release(all.back().first, all.back().second);
        }
        if (singly) return batch.hand_back(), true;
        must(batch.release(), "release");
        for (const auto& [author, number] : all) book.release(author, number);
        return true;
    }
    auto message = core.pop(deadline);
    if (!message) {
        if (message.outcome() != Outcome::empty) must(message.outcome(), "pop");
        return false;
    }
    const auto [author, number] = book.check(ring, message.bytes(), "pop");
    book.take(me, author, number, message.redelivered());
    if (random_below(16) == 0) {
        book.of[author][number].held = false;
        message.hand_back();
        return true;
    }
    must(message.release(), "release");
    book.release(author, number);
    return true;
}

enum class Mortal { nobody, producer, consumer };

// The thread that may be killed, or -1.
int one_of(Mortal mortal, u32 producers, u32 consumers, std::minstd_rand& dice) {
    if (mortal == Mortal::nobody) return -1;
    return static_cast<int>(mortal == Mortal::producer ? dice() % producers : producers + dice() % consumers);
}

// Producers and consumers of a blocking ring, one of them killed.
std::string stream(u64 seed, weak::Plan plan, Mortal mortal) {
    std::minstd_rand dice(static_cast<u32>(seed * 7 + 1));
    const u32 producers = 1 + dice() % 2, consumers = 1 + dice() % 2;
    const u64 capacity = std::array<u64, 6>{1, 2, 2, 3, 4, 8}[dice() % 6];  // batches begin with 8
    const u32 each = (capacity == 8 ? 12 : 5) / producers;
    const Shape shape{.capacity = capacity, .fixed = dice() % 4 == 0, .one_producer = producers == 1 && dice() % 2, .one_consumer = consumers == 1 && dice() % 2};
    const Ring ring = make(shape);
    Book book;
    u32 busy = producers;
    std::vector<std::unique_ptr<ProducerCore>> in;
    std::vector<std::unique_ptr<ConsumerCore>> out;
    std::vector<std::function<void()>> threads;
    for (u32 i = 0; i < producers; ++i) in.push_back(producer(ring, i));
    for (u32 i = 0; i < consumers; ++i) out.push_back(consumer(ring, producers + i));
    for (u32 i = 0; i < producers; ++i) threads.push_back([&, i] { produce(*in[i], i, each, book, busy, no_wait, [&] { return consumers == 1 && weak::gone(producers); }); });
    for (u32 i = 0; i < consumers; ++i)
        threads.push_back([&, i] {
            const u32 me = producers + i;
            for (u32 idle = 0; idle < 8;) {
                if (consume(*out[i], me, book, no_wait)) continue;
                idle += book.complete(producers, each);
                weak::yield();
            }
        });
    plan.mortal = one_of(mortal, producers, consumers, dice);
    plan.messages = memory.data, plan.message_bytes = ring.slots * slot_size;
    return weak::run(plan, std::move(threads), [&] {
        weak::sees_all();
        const u32 me = entries - 1;
        auto rest = consumer(ring, me);
        while (consume(*rest, me, book, no_wait)) {}
        for (u32 p = 0; p < producers; ++p)
            for (u32 n = 0; n < each; ++n)
                if (const auto& m = book.of[p][n]; m.acked && !m.released && !(m.held && weak::gone(m.holder))) weak::found("lost");
        if (ring.lines->free_position.value.load(std::memory_order_relaxed) != ring.lines->write_position.value.load(std::memory_order_relaxed)) weak::found("room is not free again");
    });
}

// All wait; nobody may sleep while there is something to do.
std::string sleepers(u64 seed, weak::Plan plan, bool fences) {
    std::minstd_rand dice(static_cast<u32>(seed * 7 + 1));
    const u32 producers = 1 + dice() % 2, consumers = 1 + dice() % 2, each = 4;
    const Shape shape{.capacity = 1 + dice() % 2, .fixed = true, .one_producer = producers == 1 && dice() % 2, .one_consumer = consumers == 1 && dice() % 2};
    const Ring ring = make(shape);
    Book book;
    u32 busy = producers;
    std::vector<std::unique_ptr<ProducerCore>> in;
    std::vector<std::unique_ptr<ConsumerCore>> out;
    std::vector<std::function<void()>> threads;
    const auto waiting = [&] { return dice() % 8 ? Waiting::block : Waiting::spin; };
    for (u32 i = 0; i < producers; ++i) in.push_back(producer(ring, i, waiting()));
    for (u32 i = 0; i < consumers; ++i) out.push_back(consumer(ring, producers + i, waiting()));
    if (fences) {
        plan.membarrier = weak::Membarrier::missing;
        for (auto& core : in) core->alert().fetch_or(alert_fence);
        for (auto& core : out) core->alert().fetch_or(alert_fence);
        for (WaitWord* word : {&ring.lines->data_wait, &ring.lines->room_wait}) word->value.fetch_or(wait_attention);
    }
    for (u32 i = 0; i < producers; ++i)
        threads.push_back([&, i] {
            for (u32 n = 0; n < each; ++n) {
                book.of[i][n].begun = true;
                must(in[i]->push(payload(ring, i, n).bytes(), forever), "push");
            }
            --busy;
        });
    for (u32 i = 0; i < consumers; ++i)
        threads.push_back([&, i] {
            for (u32 n = 0; n < each * producers / consumers; ++n) {
                auto message = out[i]->pop(forever);
                must(message.outcome(), "pop");
                const auto [author, number] = book.check(ring, message.bytes(), "pop");
                book.take(producers + i, author, number, message.redelivered());
                must(message.release(), "release");
                book.release(author, number);
            }
        });
    plan.cap = false;
    plan.messages = memory.data, plan.message_bytes = ring.slots * slot_size;
    return weak::run(plan, std::move(threads), [] {});
}

// Each consumer gets all from where it began; one joins in the middle.
std::string broadcast(u64 seed, weak::Plan plan, Mortal mortal) {
    std::minstd_rand dice(static_cast<u32>(seed * 7 + 1));
    const u32 producers = 1 + dice() % 2;
    const u64 capacity = std::array<u64, 4>{1, 2, 2, 8}[dice() % 4];
    const u32 each = (capacity == 8 ? 12 : 6) / producers;
    const Shape shape{.capacity = capacity, .fixed = dice() % 2 == 0, .one_producer = producers == 1 && dice() % 2, .broadcast = true};
    const Ring ring = make(shape);
    Book book;
    u32 busy = producers;
    std::vector<std::unique_ptr<ProducerCore>> in;
    std::vector<std::function<void()>> threads;
    const u32 early = producers;
    const bool both_join = dice() % 4 == 0;
    std::unique_ptr<ConsumerCore> out[2];
    for (u32 i = 0; i < producers; ++i) in.push_back(producer(ring, i));
    if (!both_join) out[0] = consumer(ring, early);
    for (u32 i = 0; i < producers; ++i)
        threads.push_back([&, i] {
            produce(*in[i], i, each, book, busy, no_wait);
        });
    for (u32 i = 0; i < 2; ++i)
        threads.push_back([&, i] {
            const u32 me = producers + i;
            if (!out[i]) out[i] = consumer(ring, me);
            u32 next[entries] = {};
            bool any[entries] = {};
            u64 expected = no_position;
            for (u32 idle = 0; idle < 4;) {
                const auto seen = [&](Bytes bytes, u64 position) {
                    const auto [author, number] = book.check(ring, bytes, "pop");
                    if (any[author] && number != next[author]) weak::found("a message is missing, or twice");
                    if (expected != no_position && position < expected) weak::found("out of order");
                    any[author] = true, next[author] = number + 1;
                    expected = position + 1;
                };
                Outcome outcome;
                if (random_below(3) == 0) {
                    auto batch = out[i]->pop_batch(3, no_wait);
                    outcome = batch.outcome();
                    for (auto& message : batch) seen(message.bytes(), message.position());
                    if (batch) outcome = batch.release();
                } else {
                    auto message = out[i]->pop(no_wait);
                    outcome = message.outcome();
                    if (message) {
                        seen(message.bytes(), message.position());
                        outcome = message.release();
                    }
                }
                if (outcome != Outcome::ok) {
                    if (outcome != Outcome::empty) must(outcome, "pop");
                    idle += book.complete(producers, each);
                    weak::yield();
                }
            }
            for (u32 p = 0; p < producers; ++p)
                if (any[p] && !weak::gone(p) && next[p] != each) weak::found("a message is missing at the end");
        });
    plan.mortal = one_of(mortal, producers, 2, dice);
    plan.messages = memory.data, plan.message_bytes = ring.slots * slot_size;
    return weak::run(plan, std::move(threads), [] {});
}

// Producers never wait; consumers copy.
std::string overwrite(u64 seed, weak::Plan plan, Mortal mortal) {
    std::minstd_rand dice(static_cast<u32>(seed * 7 + 1));
    const u32 producers = 1 + dice() % 2, consumers = 1 + dice() % 2, each = producers == 1 ? 20 : 12;  // laps
    const bool own = dice() % 2;
    const Shape shape{.capacity = 1 + dice() % 2, .fixed = dice() % 2 == 0, .one_consumer = consumers == 1 && !own && dice() % 2, .broadcast = own, .overwrite = true};
    const Ring ring = make(shape);
    Book book;
    u32 busy = producers;
    u64 delivered[2] = {}, lost[2] = {};
    std::vector<std::unique_ptr<ProducerCore>> in;
    std::vector<std::unique_ptr<ConsumerCore>> out;
    std::vector<std::function<void()>> threads;
    for (u32 i = 0; i < producers; ++i) in.push_back(producer(ring, i));
    for (u32 i = 0; i < consumers; ++i) out.push_back(consumer(ring, producers + i));
    for (u32 i = 0; i < producers; ++i)
        threads.push_back([&, i] {
            for (u32 n = 0; n < each; ++n) {
                book.of[i][n].begun = true;
                const Outcome outcome = in[i]->push(payload(ring, i, n).bytes(), no_wait);
                if (outcome != Outcome::full) must(outcome, "push");
                book.of[i][n].acked = outcome == Outcome::ok;
            }
            --busy;
        });
    const auto read = [&](ConsumerCore& core, u32 i) {
        auto message = core.pop(no_wait);
        if (!message) {
            if (message.outcome() != Outcome::empty) must(message.outcome(), "pop");
            return false;
        }
        const auto [author, number] = book.check(ring, message.bytes(), "pop");
        auto& m = book.of[author][number];
        if (!own && m.released && consumers == 1) weak::found("delivered twice");
        if (!own && m.released) weak::found("delivered to two");
        if (number < book.last[producers + i][author]) weak::found("out of order, or twice");
        book.last[producers + i][author] = number + 1;
        ++delivered[i], lost[i] += message.lost();
        must(message.release(), "release");
        m.released = true;
        return true;
    };
    for (u32 i = 0; i < consumers; ++i)
        threads.push_back([&, i] {
            for (u32 idle = 0; idle < 3;) {
                if (read(*out[i], i)) continue;
                idle += busy == 0 || plan.mortal >= 0;
                weak::yield();
            }
        });
    plan.mortal = one_of(mortal, producers, consumers, dice);
    plan.messages = memory.data, plan.message_bytes = ring.slots * slot_size;
    return weak::run(plan, std::move(threads), [&] {
        weak::sees_all();
        if (mortal != Mortal::nobody) return;
        for (u32 i = 0; i < consumers; ++i) while (read(*out[i], i)) {}
        u64 abandoned = 0, pushed = 0;
        for (u32 i = 0; i < entries; ++i) abandoned += ring.entries[i].abandoned.load(std::memory_order_relaxed);
        for (u32 p = 0; p < producers; ++p) for (u32 n = 0; n < each; ++n) pushed += book.of[p][n].acked;
        if (abandoned) return;  // a place was stepped over
        if (own) {
            for (u32 i = 0; i < consumers; ++i)
                if (delivered[i] + lost[i] != pushed && !ring.fixed) weak::found("a loss is miscounted");
        } else if (delivered[0] + delivered[1] + lost[0] + lost[1] != pushed && !ring.fixed) {
            weak::found("a loss is miscounted");
        }
    });
}

struct Scenario {
    const char* name;
    std::string (*play)(u64 seed, weak::Plan plan);
};
const Scenario scenarios[] = {
    {"stream", [](u64 seed, weak::Plan plan) { return stream(seed, plan, Mortal::nobody); }},
    {"producer-dies", [](u64 seed, weak::Plan plan) { return stream(seed, plan, Mortal::producer); }},
    {"consumer-dies", [](u64 seed, weak::Plan plan) { return stream(seed, plan, Mortal::consumer); }},
    {"sleep", [](u64 seed, weak::Plan plan) { return sleepers(seed, plan, false); }},
    {"sleep-fences", [](u64 seed, weak::Plan plan) { return sleepers(seed, plan, true); }},
    {"broadcast", [](u64 seed, weak::Plan plan) { return broadcast(seed, plan, Mortal::nobody); }},
    {"reader-dies", [](u64 seed, weak::Plan plan) { return broadcast(seed, plan, Mortal::consumer); }},
    {"overwrite", [](u64 seed, weak::Plan plan) { return overwrite(seed, plan, Mortal::nobody); }},
    {"overwriter-dies", [](u64 seed, weak::Plan plan) { return overwrite(seed, plan, Mortal::producer); }},
};
std::string play(const Scenario& scenario, u64 seed, weak::Plan plan = {}) {
    plan.seed = seed;
    return scenario.play(seed, plan);
}

// ---- what must be found -----------------------------------------------------------------------------------

// Where only some scenarios can show it, the others need not be played.
struct Hint {
    const char *label, *in;
};
const Hint hints[] = {{"P9", "stream"}, {"O9", "stream"}, {"P5", "stream producer-dies consumer-dies"}, {"O3", "producer-dies"}};

// Places that a short search does not find, and why. Each label has another place that it does.
struct Rare {
    const char *label, *function, *why;
};
const Rare rare[] = {
    {"P5", "pop_batch", "as in read(), with a batch of a single consumer, which is seldom"},
    {"O9", "find_orphan", "besides the header, words tell whether a place is still the same message's"},
    {"O9", "first_held_slowly", "as find_orphan"},
    {"P9", "operator()", "after a spin; what is seen then is nearly always newer than the last look behind a fence"},
};

using ull = unsigned long long;
double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Of each file of the library: the labels in it and their lines, to tell what no scenario passes.
std::set<std::string> written(const std::filesystem::path& directory) {
    std::set<std::string> all;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory)) {
        if (!file.is_regular_file() || file.path().filename() == "orders.hpp") continue;
        std::ifstream in(file.path());
        std::string line;
        const std::regex label("order::([PO][0-9](_cas)?)");
        for (int number = 1; std::getline(in, line); ++number)
            for (std::sregex_iterator i(line.begin(), line.end(), label), end; i != end; ++i)
                all.insert((*i)[1].str() + " " + file.path().filename().string() + ":" + std::to_string(number));
    }
    return all;
}

std::string place(const weak::Site& site) { return site.label + " " + site.file + ":" + std::to_string(site.line); }

int failures = 0;

void nothing_goes_wrong(u64 runs, u64 seed) {
    for (const auto& scenario : scenarios) {
        const double from = now();
        weak::totals() = {};
        std::string what;
        u64 n = 0;
        for (; n < runs && what.empty(); ++n) what = play(scenario, seed + n);
        const auto& t = weak::totals();
        std::printf("%-16s %llu runs, %llu operations each, %.1f s: ", scenario.name, static_cast<ull>(n), static_cast<ull>(t.steps / t.runs), now() - from);
        if (what.empty() && t.cut * 100 < t.runs) {
            std::printf("nothing\n");
            continue;
        }
        ++failures;
        if (what.empty()) std::printf("FAILED: %llu runs did not end\n", static_cast<ull>(t.cut));
        else std::printf("FAILED: %s (SHMQ_ORDERS_SEED=%llu)\n", what.c_str(), static_cast<ull>(seed + n - 1));
    }
}

// -> what was found, and where.
std::string search(const std::string& label, u64 rounds, weak::Plan plan = {}) {
    const auto hint = std::find_if(std::begin(hints), std::end(hints), [&](const Hint& h) { return label == h.label; });
    for (u64 n = 0; n < rounds; ++n)
        for (const auto& scenario : scenarios) {
            if (hint != std::end(hints) && std::string(hint->in).find(scenario.name) == std::string::npos) continue;
            if (const std::string what = play(scenario, n, plan); !what.empty()) return what + " (" + scenario.name + ", round " + std::to_string(n + 1) + ")";
        }
    return "";
}

// The places that no scenario comes by. Some are come by so seldom that the runs before may have missed them.
std::set<std::string> never_come_by(u64 rounds) {
    std::set<std::string> unseen = written(SHMQ_LIBRARY);
    for (u64 n = 0;; ++n) {
        for (const auto& site : weak::sites()) unseen.erase(place(site));
        if (unseen.empty() || n == rounds) return unseen;
        for (const auto& scenario : scenarios)
            if (const std::string what = play(scenario, n); !what.empty()) std::printf("%s: FAILED: %s (SHMQ_ORDERS_SEED=%llu)\n", scenario.name, what.c_str(), static_cast<ull>(n)), ++failures;
    }
}

void something_goes_wrong_without(u64 rounds, bool thorough) {
    const auto told = [](const std::string& what, const char* label, const std::string& where, const std::string& otherwise) {
        std::printf("%-7s%-38s %s\n", label, where.c_str(), what.empty() ? otherwise.c_str() : what.c_str());
        std::fflush(stdout);
        return !what.empty();
    };
    const std::set<std::string> unseen = never_come_by(rounds);
    std::set<std::string> labels, found;
    const std::vector<weak::Site> sites = weak::sites();
    for (std::size_t i = 0; i < sites.size(); ++i) {
        const auto& site = sites[i];
        const std::string where = site.file + ":" + std::to_string(site.line) + " " + site.function;
        labels.insert(site.label);
        const auto excuse = std::find_if(std::begin(rare), std::end(rare), [&](const Rare& r) { return site.label == r.label && site.function == r.function; });
        if (excuse != std::end(rare) && !thorough) {
            told("", site.label.c_str(), where, std::string("not searched: ") + excuse->why);
            continue;
        }
        weak::weaken(static_cast<int>(i));
        const bool any = told(search(site.label, rounds), site.label.c_str(), where, excuse != std::end(rare) ? std::string("nothing: ") + excuse->why : "FAILED: nothing");
        weak::weaken(-1);
        if (any) found.insert(site.label);
        else failures += excuse == std::end(rare);
    }
    if (!told(search("O6", rounds, {.membarrier = weak::Membarrier::does_nothing}), "O6", "membarrier that does nothing", "FAILED: nothing")) ++failures;
    for (const auto& label : labels) {
        if (found.contains(label)) continue;
        std::printf("%s: FAILED: no place at all where it matters\n", label.c_str()), ++failures;
    }
    for (const auto& where : unseen) std::printf("%s: FAILED: no scenario comes here\n", where.c_str()), ++failures;
}

}  // namespace

int main() {
    const char* const set = std::getenv("SHMQ_LONG");
    const bool thorough = set && *set && std::strcmp(set, "0") != 0;
    const char* const given = std::getenv("SHMQ_ORDERS_SEED");
    const u64 seed = given ? std::strtoull(given, nullptr, 10) : static_cast<u64>(std::chrono::system_clock::now().time_since_epoch().count()) % 1'000'000'000;
    std::printf("as it stands, seed %llu (SHMQ_ORDERS_SEED):\n", static_cast<ull>(seed));
    nothing_goes_wrong(given ? 1 : thorough ? 300'000 : 4'000, seed);
    if (!given) {
        std::printf("weakened:\n");
        something_goes_wrong_without(thorough ? 1'000'000 : 200'000, thorough);
    }
    std::printf("%s\n", failures ? "FAILED" : "passed");
    return failures != 0;
}
