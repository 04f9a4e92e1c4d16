#include "weak_memory.hpp"

#include <dlfcn.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>

extern "C" void* __real_memcpy(void* to, const void* from, std::size_t bytes);  // not ours, below

namespace weak {
namespace {

constexpr u32 most_threads = 6, most_locations = 1024, no_thread = most_threads;
constexpr u64 most_steps = 40000;
using std::memory_order;

struct View {
    std::array<std::uint16_t, most_locations> at;  // the oldest value of each location that may still be read
    std::array<u32, most_threads> clock;           // of each thread, up to which of its steps happened before
};
using ViewNumber = u32;  // 0: has seen nothing

struct Store {
    u64 value;
    ViewNumber carries;
};

struct Location {
    const char* address;
    u32 bytes;  // of an atomic; 0: eight plain ones
    std::vector<Store> stores;
    // Of plain bytes, who wrote last and who has read since.
    u32 writer, written;
    std::array<u32, most_threads> read;
};

struct Pending {
    Location* location;
    char* at;
    u32 offset, bytes;
};

enum class State { ready, asleep, done, dead };

struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    std::function<void()> work;
    View now;               // what it has seen,
    View heard;             //  what an acquire fence would add,
    ViewNumber released;    //  and what a relaxed store carries, since the last release fence
    State state;
    const void* sleeps_at;
    u32 bits;
    bool timed_out;
    u32 weight;
    std::vector<Pending> pending;  // plain stores: the hook comes before the store
};

struct Machine {
    bool on = false;
    Plan plan;
    u64 random = 1, steps = 0, death = 0, time = 0;
    u32 current = no_thread, threads = 0, switches_one_in = 2, newest_of_8 = 4;
    std::array<Thread, most_threads> thread;
    std::unordered_map<const void*, u32> index;
    std::vector<Location> locations;
    u32 used = 0;
    std::vector<View> views;
    u32 views_used = 1;
    View strong;  // of sequentially consistent fences
    ucontext_t outside;
    std::string finding;
    bool cut = false;
};
Machine m;
std::vector<Site> all_sites;
int weakened = -1;

u64 random() {
    m.random ^= m.random << 13, m.random ^= m.random >> 7, m.random ^= m.random << 17;
    return (m.random * 0x2545f4914f6cdd1d) >> 16;
}

Thread& me() { return m.thread[m.current]; }

void join(View& into, const View& from, bool clocks = true) {
    for (u32 i = 0; i < m.used; ++i) into.at[i] = std::max(into.at[i], from.at[i]);
    if (clocks)
        for (u32 i = 0; i < most_threads; ++i) into.clock[i] = std::max(into.clock[i], from.clock[i]);
}

ViewNumber keep(const View& view) {
    if (m.views_used == m.views.size()) m.views.emplace_back();
    m.views[m.views_used] = view;
    return m.views_used++;
}

// ---- threads --------------------------------------------------------------------------------------

void leave(State state) {
    me().state = state;
    swapcontext(&me().context, &m.outside);
}

u32 pick() {
    u64 sum = 0;
    for (u32 i = 0; i < m.threads; ++i)
        if (m.thread[i].state == State::ready) sum += m.thread[i].weight;
    if (sum == 0) return no_thread;
    u64 dice = random() % sum;
    for (u32 i = 0;; ++i) {
        if (m.thread[i].state != State::ready) continue;
        if (dice < m.thread[i].weight) return i;
        dice -= m.thread[i].weight;
    }
}

void switch_to(u32 next) {
    if (next == m.current) return;
    const u32 from = std::exchange(m.current, next);
    swapcontext(&m.thread[from].context, &m.thread[next].context);
}

// Long pauses of one thread are what it takes: weights that differ much, and change.
void weigh() {
    for (u32 i = 0; i < m.threads; ++i) m.thread[i].weight = std::array<u32, 4>{1, 8, 64, 64}[random() % 4];
}

void append(Location& location, u64 value, ViewNumber carries) {
    location.stores.push_back({value, carries});
    me().now.at[static_cast<u32>(&location - m.locations.data())] = static_cast<std::uint16_t>(location.stores.size() - 1);
}

void settle() {
    Thread& t = me();
    for (const Pending& p : t.pending) {
        u64 value = p.location->stores.back().value;
        __real_memcpy(reinterpret_cast<char*>(&value) + p.offset, p.at, p.bytes);
        append(*p.location, value, t.released);
    }
    t.pending.clear();
}

// Between any two operations others may come in, or death.
void point(bool often = true) {
    settle();
    if (++m.steps > most_steps) {
        m.cut = true;
        leave(State::dead);
    }
    if (m.plan.mortal == static_cast<int>(m.current) && m.death-- == 0) {
        me().state = State::dead;
        const u32 next = pick();
        if (next == no_thread) swapcontext(&me().context, &m.outside);
        switch_to(next);
    }
    if (random() % (often ? m.switches_one_in : 4 * m.switches_one_in)) return;
    if (random() % 16 == 0) weigh();
    switch_to(pick());
}

// ---- memory ---------------------------------------------------------------------------------------

u64 physical(const void* at, u32 bytes) {
    u64 value = 0;
    __real_memcpy(&value, at, bytes);
    return value;
}

Location& location_of(const void* key, const char* at, u32 bytes) {
    const auto [place, fresh] = m.index.try_emplace(key, m.used);
    if (fresh) {
        if (m.used == most_locations) std::fputs("weak memory: too many variables\n", stderr), std::abort();
        Location& location = m.locations[m.used++];
        location.address = at, location.bytes = bytes;
        location.stores.clear();
        location.stores.push_back({physical(at, bytes ? bytes : 8), 0});
        location.writer = no_thread, location.written = 0;
        location.read.fill(0);
    }
    return m.locations[place->second];
}

bool acquires(memory_order order) { return order == memory_order::acquire || order == memory_order::acq_rel || order == memory_order::seq_cst || order == memory_order::consume; }
bool releases(memory_order order) { return order == memory_order::release || order == memory_order::acq_rel || order == memory_order::seq_cst; }

const Store& read_from(Location& location, u32 which, memory_order order) {
    Thread& t = me();
    t.now.at[static_cast<u32>(&location - m.locations.data())] = static_cast<std::uint16_t>(which);
    const Store& store = location.stores[which];
    if (store.carries) join(acquires(order) ? t.now : t.heard, m.views[store.carries]);
    return store;
}

u32 choose(const Location& location) {
    const u32 last = static_cast<u32>(location.stores.size() - 1), first = me().now.at[static_cast<u32>(&location - m.locations.data())];
    if (first == last || random() % 8 < m.newest_of_8) return last;
    return last - static_cast<u32>(random() % (std::min(last - first, 7u) + 1));
}

u64 load(const void* at, u32 bytes, memory_order order) {
    point();
    Location& location = location_of(at, static_cast<const char*>(at), bytes);
    return read_from(location, choose(location), order).value;
}

void append_ordered(Location& location, u64 value, memory_order order, ViewNumber also = 0) {
    Thread& t = me();
    const auto which = static_cast<std::uint16_t>(location.stores.size());
    const u32 index = static_cast<u32>(&location - m.locations.data());
    t.now.at[index] = which;
    ViewNumber carries = releases(order) ? keep(t.now) : t.released;
    if (releases(order)) ++t.now.clock[m.current];
    if (also) {  // what a read-modify-write replaces goes on being released
        View both = m.views[also];
        if (carries) join(both, m.views[carries]);
        carries = keep(both);
    }
    location.stores.push_back({value, carries});
    __real_memcpy(const_cast<char*>(location.address), &value, location.bytes ? location.bytes : 8);
}

void store(void* at, u32 bytes, u64 value, memory_order order) {
    point();
    append_ordered(location_of(at, static_cast<char*>(at), bytes), value, order);
}

template <class Change>
u64 modify(void* at, u32 bytes, memory_order order, Change change) {
    point();
    Location& location = location_of(at, static_cast<char*>(at), bytes);
    const Store old = read_from(location, static_cast<u32>(location.stores.size() - 1), order);
    append_ordered(location, change(old.value), order, old.carries);
    return old.value;
}

bool compare_exchange(void* at, u32 bytes, u64& expected, u64 desired, memory_order success, memory_order failure) {
    point();
    Location& location = location_of(at, static_cast<char*>(at), bytes);
    u32 which = choose(location);
    if (location.stores[which].value == expected) which = static_cast<u32>(location.stores.size() - 1);
    const bool equal = location.stores[which].value == expected;
    const Store old = read_from(location, which, equal ? success : failure);
    if (equal) append_ordered(location, desired, success, old.carries);
    else expected = old.value;
    return equal;
}

// Two variables side by side. The compiler's builtin is a full barrier in name; what is relied upon is
// what the instruction of any machine gives: acquire and release.
bool compare_exchange_pair(void* at, const u64 expected[2], const u64 desired[2]) {
    point();
    char* const base = static_cast<char*>(at);
    Location* const both[2] = {&location_of(base, base, 8), &location_of(base + 8, base + 8, 8)};
    if (both[0]->stores.back().value != expected[0] || both[1]->stores.back().value != expected[1]) return false;
    ViewNumber carried[2];
    for (int i = 0; i < 2; ++i) carried[i] = read_from(*both[i], static_cast<u32>(both[i]->stores.size() - 1), memory_order::acq_rel).carries;
    for (int i = 0; i < 2; ++i) me().now.at[static_cast<u32>(both[i] - m.locations.data())]++;
    for (int i = 0; i < 2; ++i) append_ordered(*both[i], desired[i], memory_order::acq_rel, carried[i]);
    return true;
}

void fence_of(u32 thread, memory_order order) {
    Thread& t = m.thread[thread];
    if (acquires(order)) join(t.now, t.heard);
    if (order == memory_order::seq_cst) {
        join(m.strong, t.now, false);
        join(t.now, m.strong, false);
    }
    if (releases(order)) {
        t.released = keep(t.now);
        ++t.now.clock[thread];
    }
}

void fence(memory_order order) {
    point();
    fence_of(m.current, order);
}

// ---- messages -------------------------------------------------------------------------------------

bool watched(const void* at) {
    const auto from = reinterpret_cast<std::uintptr_t>(at) - reinterpret_cast<std::uintptr_t>(m.plan.messages);
    return from < 2 * m.plan.message_bytes;
}

void race(const char* how, const char* at) {
    found(std::string("race: ") + how + " byte " + std::to_string(at - static_cast<const char*>(m.plan.messages)));
}

// Eight bytes at a time. A copy is interrupted between them, a single access is not.
template <class Each>
void pieces(const void* at, std::size_t bytes, bool copies, Each each) {
    if (!copies) point(false);
    const char* const base = static_cast<const char*>(m.plan.messages);
    for (const char* p = static_cast<const char*>(at); bytes;) {
        const std::size_t from = static_cast<std::size_t>(p - base) % m.plan.message_bytes;
        const u32 offset = static_cast<u32>(from % 8), n = static_cast<u32>(std::min<std::size_t>(8 - offset, bytes));
        if (copies) point(false);
        each(location_of(base + from - offset, base + from - offset, 0), const_cast<char*>(p), offset, n);
        p += n, bytes -= n;
    }
}

bool before(const Location& location) { return location.writer == no_thread || me().now.clock[location.writer] >= location.written; }

u64 read_plain(Location& location, const char* at) {
    if (!before(location)) race("read of a written", at);
    location.read[m.current] = me().now.clock[m.current];
    return read_from(location, static_cast<u32>(location.stores.size() - 1), memory_order::relaxed).value;
}

void write_plain(Location& location, const char* at) {
    if (!before(location)) race("overwriting a written", at);
    for (u32 i = 0; i < m.threads; ++i)
        if (me().now.clock[i] < location.read[i]) race("overwriting a", at);
    location.writer = m.current, location.written = me().now.clock[m.current];
    location.read.fill(0);
}

// The load or the store itself follows the hook, and nobody comes in between.
void before_read(const void* at, std::size_t bytes, bool unsure) {
    pieces(at, bytes, false, [&](Location& location, char* p, u32 offset, u32 n) {
        const u64 value = unsure ? read_from(location, choose(location), memory_order::relaxed).value : read_plain(location, p);
        __real_memcpy(p, reinterpret_cast<const char*>(&value) + offset, n);
    });
}

void before_write(void* at, std::size_t bytes) {
    pieces(at, bytes, false, [&](Location& location, char* p, u32 offset, u32 n) {
        write_plain(location, p);
        me().pending.push_back({&location, p, offset, n});
    });
}

void plain(const void* at, std::size_t bytes, bool writes, bool unsure = false) {
    if (!m.on || !watched(at)) return;
    if (writes) before_write(const_cast<void*>(at), bytes);
    else before_read(at, bytes, unsure);
}

// ---- sleeping -------------------------------------------------------------------------------------

long sleep_at(const void* at, u32 value, u32 bits) {
    point();
    Location& location = location_of(at, static_cast<const char*>(at), 4);
    if (location.stores.back().value != value) return errno = EAGAIN, -1;
    Thread& t = me();
    t.state = State::asleep, t.sleeps_at = at, t.bits = bits, t.timed_out = false;
    if (const u32 next = pick(); next != no_thread) {
        switch_to(next);
    } else {
        swapcontext(&t.context, &m.outside);
    }
    if (t.timed_out) return errno = ETIMEDOUT, -1;
    return 0;
}

long wake_at(const void* at, u32 most, u32 bits) {
    point();
    u32 woken = 0;
    const u32 first = static_cast<u32>(random());
    for (u32 i = 0; i < m.threads && woken < most; ++i) {
        Thread& t = m.thread[(first + i) % m.threads];
        if (t.state == State::asleep && t.sleeps_at == at && t.bits & bits) t.state = State::ready, ++woken;
    }
    return static_cast<long>(woken);
}

void barrier() {
    point();
    fence_of(m.current, memory_order::seq_cst);
    for (u32 i = 0; i < m.threads; ++i)
        if (i != m.current && m.thread[i].state != State::dead) fence_of(i, memory_order::seq_cst);
    fence_of(m.current, memory_order::seq_cst);
}

void begin() {
    me().work();
    settle();
    me().state = State::done;
    const u32 next = pick();
    if (next == no_thread) swapcontext(&me().context, &m.outside);
    else switch_to(next);
    std::abort();
}

}  // namespace

// ---- what a test calls ----------------------------------------------------------------------------

const std::vector<Site>& sites() { return all_sites; }
void weaken(int site) { weakened = site; }

std::string run(const Plan& plan, std::vector<std::function<void()>> threads, const std::function<void()>& after) {
    m.plan = plan;
    m.random = (plan.seed + 1) * 0x9e3779b97f4a7c15;
    for (int i = 0; i < 4; ++i) random();
    m.steps = 0, m.time = 0, m.used = 0, m.views_used = 1, m.cut = false;
    m.index.clear();
    m.locations.resize(most_locations);
    if (m.views.empty()) m.views.emplace_back();
    m.strong = {};
    m.finding.clear();
    m.switches_one_in = std::array<u32, 4>{2, 3, 8, 24}[random() % 4];
    m.newest_of_8 = std::array<u32, 3>{3, 5, 7}[random() % 3];
    m.death = random() % std::array<u32, 4>{16, 64, 64, 256}[random() % 4];
    threads.push_back(after);  // the last one runs alone, when all others are through
    m.threads = static_cast<u32>(threads.size());
    for (u32 i = 0; i < m.threads; ++i) {
        Thread& t = m.thread[i];
        if (!t.stack) t.stack.reset(new char[256 * 1024]);
        getcontext(&t.context);
        t.context.uc_stack.ss_sp = t.stack.get();
        t.context.uc_stack.ss_size = 256 * 1024;
        t.context.uc_link = nullptr;
        makecontext(&t.context, begin, 0);
        t.work = std::move(threads[i]);
        t.now = {}, t.heard = {}, t.released = 0;
        t.now.clock[i] = 1;
        t.state = i + 1 < m.threads ? State::ready : State::dead;
        t.pending.clear();
        t.sleeps_at = nullptr;
    }
    weigh();
    m.on = true;
    for (bool last = false; m.finding.empty() && !m.cut;) {
        m.current = pick();
        if (m.current == no_thread) {  // all are through, or asleep
            bool any = false;
            for (u32 i = 0; i < m.threads; ++i)
                if (m.thread[i].state == State::asleep) any = m.thread[i].timed_out = true, m.thread[i].state = State::ready;
            if (any && !plan.cap) m.finding = "all sleep";
            if (any) continue;
            if (last) break;
            last = true;
            m.thread[m.threads - 1].state = State::ready;
            continue;
        }
        const u32 next = m.current;
        swapcontext(&m.outside, &m.thread[next].context);
    }
    m.on = false;
    m.current = no_thread;
    ++totals().runs, totals().steps += m.steps, totals().cut += m.cut;
    return m.cut && m.finding.empty() ? "" : m.finding;
}

void found(const std::string& what) {
    m.finding = what;
    leave(State::dead);
    std::abort();
}

void yield() {
    point();
    switch_to(pick());
}

bool dead(u32 thread) {
    point();
    if (m.thread[thread].state != State::dead) return false;
    join(me().now, m.thread[thread].now);
    return true;
}

bool gone(u32 thread) { return m.thread[thread].state == State::dead; }

void sees_all() {
    settle();
    for (u32 i = 0; i < m.threads; ++i)
        if (i != m.current) join(me().now, m.thread[i].now);
}

Totals& totals() {
    static Totals all;
    return all;
}
u64 random_below(u64 n) { return random() % n; }

}  // namespace weak

// ---- labels -----------------------------------------------------------------------------------------

namespace shmq::detail::order {
std::memory_order at(std::memory_order as_it_is, const char* label, const char* file, int line, const char* function) noexcept;
std::memory_order at(std::memory_order as_it_is, const char* label, const char* file, int line, const char* function) noexcept {
    static std::unordered_map<std::uint64_t, std::size_t> known;
    const auto key = reinterpret_cast<std::uintptr_t>(file) * 64 + reinterpret_cast<std::uintptr_t>(label) * 31 + static_cast<std::uint64_t>(line);
    auto found = known.find(key);
    if (found == known.end()) {  // an inline function is compiled more than once
        std::string name = file;
        name.erase(0, name.rfind('/') + 1);
        std::size_t i = 0;
        while (i < weak::all_sites.size() && !(weak::all_sites[i].line == line && weak::all_sites[i].file == name && weak::all_sites[i].label == label)) ++i;
        if (i == weak::all_sites.size()) weak::all_sites.push_back({label, name, function, line});
        found = known.emplace(key, i).first;
    }
    return static_cast<int>(found->second) == weak::weakened ? std::memory_order::relaxed : as_it_is;
}
}  // namespace shmq::detail::order

// ---- what the compiler calls ------------------------------------------------------------------------

using weak::m;
using weak::u32;
using weak::u64;

namespace {

std::memory_order order_of(int order) { return static_cast<std::memory_order>(order & 7); }

}  // namespace

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_read_range(void* at, std::size_t bytes) { weak::plain(at, bytes, false); }
void __tsan_write_range(void* at, std::size_t bytes) { weak::plain(at, bytes, true); }
void __tsan_atomic_signal_fence(int) {}
void __tsan_atomic_thread_fence(int order) {
    if (m.on) weak::fence(order_of(order));
    else std::atomic_thread_fence(std::memory_order_seq_cst);
}

#define ACCESSES(n) \
    void __tsan_read##n(void* at) { weak::plain(at, n, false); } \
    void __tsan_write##n(void* at) { weak::plain(at, n, true); } \
    void __tsan_read_write##n(void* at) { weak::plain(at, n, true); } \
    void __tsan_unaligned_read##n(void* at) { weak::plain(at, n, false); } \
    void __tsan_unaligned_write##n(void* at) { weak::plain(at, n, true); } \
    void __tsan_unaligned_read_write##n(void* at) { weak::plain(at, n, true); } \
    void __tsan_volatile_read##n(void* at) { weak::plain(at, n, false, true); } \
    void __tsan_volatile_write##n(void* at) { weak::plain(at, n, true); } \
    void __tsan_unaligned_volatile_read##n(void* at) { weak::plain(at, n, false, true); } \
    void __tsan_unaligned_volatile_write##n(void* at) { weak::plain(at, n, true); }
ACCESSES(1) ACCESSES(2) ACCESSES(4) ACCESSES(8) ACCESSES(16)

#define MODIFY(bits, name, expression) \
    std::uint##bits##_t __tsan_atomic##bits##_##name(volatile std::uint##bits##_t* at, std::uint##bits##_t value, int order) { \
        using T = std::uint##bits##_t; \
        const auto change = [&](u64 given) -> T { const T old = static_cast<T>(given); return static_cast<T>(expression); }; \
        if (!m.on) { const T old = *at; *at = change(old); return old; } \
        return static_cast<T>(weak::modify(const_cast<T*>(at), sizeof(T), order_of(order), change)); \
    }
#define ATOMICS(bits) \
    std::uint##bits##_t __tsan_atomic##bits##_load(const volatile std::uint##bits##_t* at, int order) { \
        if (!m.on) return *at; \
        return static_cast<std::uint##bits##_t>(weak::load(const_cast<const std::uint##bits##_t*>(at), bits / 8, order_of(order))); \
    } \
    void __tsan_atomic##bits##_store(volatile std::uint##bits##_t* at, std::uint##bits##_t value, int order) { \
        if (m.on) weak::store(const_cast<std::uint##bits##_t*>(at), bits / 8, value, order_of(order)); \
        else *at = value; \
    } \
    MODIFY(bits, exchange, (static_cast<void>(old), value)) \
    MODIFY(bits, fetch_add, old + value) \
    MODIFY(bits, fetch_sub, old - value) \
    MODIFY(bits, fetch_and, old & value) \
    MODIFY(bits, fetch_or, old | value) \
    MODIFY(bits, fetch_xor, old ^ value) \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile std::uint##bits##_t* at, std::uint##bits##_t* expected, std::uint##bits##_t desired, int success, int failure) { \
        using T = std::uint##bits##_t; \
        u64 there = *expected; \
        bool done; \
        if (m.on) done = weak::compare_exchange(const_cast<T*>(at), sizeof(T), there, desired, order_of(success), order_of(failure)); \
        else if (done = *at == *expected; done) *at = desired; \
        else there = *at; \
        if (!done) *expected = static_cast<T>(there); \
        return done; \
    } \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile std::uint##bits##_t* at, std::uint##bits##_t* expected, std::uint##bits##_t desired, int success, int failure) { \
        return __tsan_atomic##bits##_compare_exchange_strong(at, expected, desired, success, failure); \
    } \
    std::uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(volatile std::uint##bits##_t* at, std::uint##bits##_t expected, std::uint##bits##_t desired, int success, int failure) { \
        __tsan_atomic##bits##_compare_exchange_strong(at, &expected, desired, success, failure); \
        return expected; \
    }
ATOMICS(8) ATOMICS(16) ATOMICS(32) ATOMICS(64)

__extension__ typedef unsigned __int128 Wide;
int __tsan_atomic128_compare_exchange_strong(volatile Wide* at, Wide* expected, Wide desired, int, int) {
    u64 from[2], to[2];
    __real_memcpy(from, expected, sizeof from);
    __real_memcpy(to, &desired, sizeof to);
    if (m.on) return weak::compare_exchange_pair(const_cast<Wide*>(at), from, to);
    if (*at != *expected) return false;
    *at = desired;
    return true;
}
Wide __tsan_atomic128_compare_exchange_val(volatile Wide* at, Wide expected, Wide desired, int success, int failure) {
    return __tsan_atomic128_compare_exchange_strong(at, &expected, desired, success, failure) ? expected : ~expected;
}

// The sanitizer sees copies by intercepting them; so do we (--wrap).
void* __wrap_memcpy(void* to, const void* from, std::size_t bytes) {
    if (!m.on || !bytes) return __real_memcpy(to, from, bytes);
    if (weak::watched(from)) {
        char* target = static_cast<char*>(to);
        weak::pieces(from, bytes, true, [&](weak::Location& location, char* p, u32 offset, u32 n) {
            const u64 value = weak::read_plain(location, p);
            __real_memcpy(target, reinterpret_cast<const char*>(&value) + offset, n);
            target += n;
        });
        return to;
    }
    if (!weak::watched(to)) return __real_memcpy(to, from, bytes);
    const char* source = static_cast<const char*>(from);
    weak::pieces(to, bytes, true, [&](weak::Location& location, char* p, u32 offset, u32 n) {
        weak::write_plain(location, p);
        __real_memcpy(p, source, n);
        weak::me().pending.push_back({&location, p, offset, n});
        source += n;
    });
    return to;
}

// The kernel, as far as the ring knows it.
long syscall(long number, ...) {
    using Call = long (*)(long, ...);
    static const Call real = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "syscall"));
    va_list args;
    va_start(args, number);
    long a[6];
    for (long& one : a) one = va_arg(args, long);
    va_end(args);
    if (!m.on) return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (number == SYS_membarrier) {
        if (m.plan.membarrier == weak::Membarrier::missing) return errno = ENOSYS, -1;
        if (m.plan.membarrier == weak::Membarrier::works) weak::barrier();
        return 0;
    }
    if (number != SYS_futex) std::abort();
    const auto* const word = reinterpret_cast<const void*>(a[0]);
    if (a[1] == FUTEX_WAIT_BITSET) return weak::sleep_at(word, static_cast<u32>(a[2]), static_cast<u32>(a[5]));
    if (a[1] == FUTEX_WAKE_BITSET) return weak::wake_at(word, static_cast<u32>(a[2]), static_cast<u32>(a[5]));
    std::abort();
}
int nanosleep(const timespec*, timespec*) {
    if (m.on) weak::yield();
    return 0;
}
int clock_nanosleep(clockid_t, int, const timespec*, timespec*) { return nanosleep(nullptr, nullptr); }
int clock_gettime(clockid_t clock, timespec* time) noexcept {
    using Call = int (*)(clockid_t, timespec*);
    static const Call real = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "clock_gettime"));
    if (!m.on) return real(clock, time);
    m.time += 2'000'000;  // whoever asks finds that some time has passed
    time->tv_sec = static_cast<time_t>(1000 + m.time / 1'000'000'000), time->tv_nsec = static_cast<long>(m.time % 1'000'000'000);
    return 0;
}

}  // extern "C"
