// Threads at once on private memory: every policy, every way in and out, some that die and come back.
// Built twice: into the unit tests, and with the library's core under ThreadSanitizer.
#include <doctest/doctest.h>

#include <cstdio>
#include <thread>

#include "support.hpp"
#include "waiter.hpp"

using namespace test;

#ifdef __SANITIZE_THREAD__
constexpr bool under_tsan = true;
#else
constexpr bool under_tsan = false;
#endif

TEST_SUITE_BEGIN("stress");

namespace {

struct Plan {
    Policy policy;
    u32 producers = 1, consumers = 1;
    bool fixed = false, timestamps = false;
    u64 capacity = 16;
    u32 mortal_producers = 0, mortal_consumers = 0;  // of these, how many die again and again
    Waiting waiting = Waiting::adaptive;
    u32 messages = under_tsan ? 2000 : 5000;        // of each producer
};

// Who runs: entries 0.. are producers, 20.. are consumers.
constexpr u32 first_consumer = 20;

class Stress {
public:
    explicit Stress(const Plan& plan)
        : plan_(plan), r_({.capacity = plan.capacity, .slot_size = 64, .fixed = plan.fixed, .one_producer = plan.policy.one_producer, .one_consumer = plan.policy.one_consumer,
                           .timestamps = plan.timestamps, .participants = 64}),
          committed_(plan.producers * std::size_t{plan.messages}), delivered_(committed_.size()) {
        r_.waiting = plan.waiting;
        register_for_barrier();
    }

    void run() {
        std::vector<std::thread> threads;
        for (u32 i = 0; i < plan_.consumers; ++i) threads.emplace_back([this, i] { consume(i); });
        for (u32 i = 0; i < plan_.producers; ++i) threads.emplace_back([this, i] { produce(i); });
        for (u32 i = 0; i < plan_.producers; ++i) threads[plan_.consumers + i].join();
        r_.producer(first_consumer - 1)->end();
        for (u32 i = 0; i < plan_.consumers; ++i) threads[i].join();

        CHECK(damaged_ == 0);
        CHECK(disordered_ == 0);
        CHECK(refused_ == 0);
        u64 lost = 0, twice = 0, forged = 0;
        for (std::size_t i = 0; i < committed_.size(); ++i) {
            lost += committed_[i] && !delivered_[i];
            twice += delivered_[i] > 1;
            forged += delivered_[i] && !committed_[i];
        }
        CHECK(lost == 0);
        CHECK(twice == 0);
        CHECK(forged == 0);
        CHECK(r_.ring.pending() == 0);
        if (!plan_.mortal_producers) {
            u64 pushed = 0, popped = 0;
            for (u32 i = 0; i < 64; ++i) pushed += r_.ring.entries[i].pushed, popped += r_.ring.entries[i].popped;
            CHECK(pushed == committed_.size());
            if (!plan_.mortal_consumers) CHECK(popped == pushed);
        }
    }

private:
    u64 next_random(u64& seed) const { return seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17; }
    std::size_t size_of(u32 number) const { return plan_.fixed ? 64 : 8 + number * 37 % 200; }
    void fence(Core& core) const {
        if (under_tsan) core.alert().fetch_or(alert_fence);  // it does not know membarrier
    }

    // REQUIRES: the core is not used any more. What it announced stays until the entry is taken again.
    template <class CorePtr>
    void die(CorePtr& core, u32 entry) {
        core.reset();
        r_.kill(entry);
        for (int i = 0; i < 20; ++i) std::this_thread::yield();
    }

    void produce(u32 me) {
        u64 seed = 88172645463325252 + me;
        auto core = r_.producer(me);
        fence(*core);
        std::vector<std::byte> buffer(4096);
        for (u32 number = 0; number < plan_.messages;) {
            const auto said_ok = [&](Outcome outcome) { if (outcome != Outcome::ok) refuse("push", outcome); };
            switch (me < plan_.mortal_producers && next_random(seed) % 16 == 0 ? 4 + next_random(seed) % 4 : next_random(seed) % 4) {
                case 0: {
                    const auto bytes = std::span(buffer).first(size_of(number));
                    fill(bytes, me, number);
                    commit(me, number, 1);
                    said_ok(core->push(bytes, patience()));
                    ++number;
                    break;
                }
                case 1: {
                    auto claim = core->claim(plan_.fixed ? 64 : size_of(number) + next_random(seed) % 100, patience());
                    if (!claim) { refuse("claim", claim.outcome()); break; }
                    if (next_random(seed) % 8 == 0) break;  // dropped
                    const std::size_t used = size_of(number);
                    fill(claim.bytes().first(used), me, number);
                    commit(me, number++, 1);
                    said_ok(claim.commit(used));
                    break;
                }
                case 2: {
                    const u32 count = std::min<u32>(plan_.messages - number, 1 + static_cast<u32>(next_random(seed) % 20));
                    std::vector<std::vector<std::byte>> store;
                    for (u32 i = 0; i < count; ++i) store.push_back(payload(size_of(number + i), me, number + i));
                    const std::vector<Bytes> span(store.begin(), store.end());
                    commit(me, number, count);
                    number += count;
                    said_ok(core->push(span, patience()).outcome);
                    break;
                }
                case 3: {
                    auto batch = core->claim_batch(1 + next_random(seed) % 8, plan_.fixed ? 64 : 100, patience());
                    if (!batch) { refuse("claim_batch", batch.outcome()); break; }
                    const u32 first = number;
                    while (number < plan_.messages) {
                        const auto place = batch.next(size_of(number));
                        if (!place.data()) break;
                        fill(place, me, number++);
                    }
                    commit(me, first, number - first);
                    said_ok(batch.commit());
                    break;
                }
                // Deaths.
                case 4:  // announced
                    r_.announce(me, r_.write_position() & ~end_bit, 1);
                    die(core, me);
                    break;
                case 5: {  // claimed, half filled
                    const Frozen<Claim> claim(core->claim(size_of(number), patience()));
                    fill(claim.value.bytes().first(claim.value.bytes().size() / 2 / 8 * 8), me, number);
                    die(core, me);
                    break;
                }
                case 6: {  // a batch filled, not committed, or only its beginning
                    const Frozen<ClaimBatch> frozen(core->claim_batch(4, plan_.fixed ? 64 : 40, patience()));
                    auto& batch = const_cast<ClaimBatch&>(frozen.value);
                    const u64 begin = r_.ring.entries[me].claim_position;
                    u32 filled = 0;
                    const u64 n = plan_.fixed ? 1 : r_.ring.slots_for(40);
                    while (number + filled < plan_.messages) {
                        const auto place = batch.next(plan_.fixed ? 64 : 40);
                        if (!place.data()) break;
                        fill(place, me, number + filled++);
                    }
                    const u32 out = filled ? static_cast<u32>(next_random(seed) % (filled + 1)) : 0;
                    commit(me, number, out);
                    for (u32 i = 0; i < out; ++i)
                        r_.ring.word(begin + i * n).store(r_.ring.lap_tag(begin + i * n) | word_ready, std::memory_order_release);
                    number += out;
                    die(core, me);
                    break;
                }
                case 7: {  // committed, not withdrawn
                    const auto bytes = std::span(buffer).first(size_of(number));
                    fill(bytes, me, number);
                    commit(me, number++, 1);
                    said_ok(core->push(bytes, patience()));
                    r_.announce(me, r_.write_position() & ~end_bit, 1);
                    die(core, me);
                    break;
                }
            }
            if (!core) fence(*(core = r_.producer(me)));
        }
    }

    void consume(u32 index) {
        const u32 me = first_consumer + index;
        u64 seed = 521288629 + index;
        auto core = r_.consumer(me);
        fence(*core);
        std::vector<u32> newest(plan_.producers, 0);
        std::vector<std::byte> buffer(4096);
        const auto seen = [&](Bytes bytes, bool redelivered, bool released) {
            u32 author = 0, number = 0;
            if (!whole(bytes, author, number) || author >= plan_.producers || number >= plan_.messages) {
                ++damaged_;
                return;
            }
            if (!redelivered) {
                if (number < newest[author]) ++disordered_;
                newest[author] = number;
            }
            if (released) delivered_[author * std::size_t{plan_.messages} + number].fetch_add(1, std::memory_order_relaxed);
        };
        for (;;) {
            Outcome outcome = Outcome::ok;
            const bool dies = index < plan_.mortal_consumers && next_random(seed) % 16 == 0;
            switch (next_random(seed) % 3) {
                case 0: {
                    Frozen<Message> frozen(core->pop(patience()));
                    Message& message = frozen.value;
                    outcome = message.outcome();
                    if (!message) break;
                    if (dies) {
                        seen(message.bytes(), message.redelivered(), false);
                        die(core, me);
                        break;
                    }
                    const bool back = next_random(seed) % 32 == 0;
                    seen(message.bytes(), message.redelivered(), !back);
                    if (back) message.hand_back();
                    else outcome = message.release();
                    break;
                }
                case 1: {
                    Frozen<Batch> frozen(core->pop_batch(1 + next_random(seed) % 10, patience()));
                    Batch& batch = frozen.value;
                    outcome = batch.outcome();
                    if (!batch) break;
                    const u64 how = next_random(seed) % 8;
                    u64 i = 0;
                    for (auto& message : batch) {
                        const bool single = how == 0 || (how == 1 && i % 2) || (how == 2 && i < 2);
                        seen(message.bytes(), message.redelivered(), single || (how > 1 && !dies));
                        if (single) (void)message.release();
                        ++i;
                    }
                    if (dies) die(core, me);
                    else if (how > 1) outcome = batch.release();
                    else batch.hand_back();
                    break;
                }
                case 2: {
                    const auto copied = core->pop(std::span(buffer).first(next_random(seed) % 16 ? buffer.size() : 20), patience());
                    outcome = copied.outcome == Outcome::too_long ? Outcome::ok : copied.outcome;
                    if (copied.outcome == Outcome::ok) seen(std::span(buffer).first(copied.size), copied.redelivered, true);
                    break;
                }
            }
            if (!core) fence(*(core = r_.consumer(me)));
            if (outcome == Outcome::ended) return;
            if (outcome != Outcome::ok) {
                refuse("pop", outcome);
                return;
            }
        }
    }

    // The first refusal tells how things stood: a stall is over by the time anybody looks.
    void refuse(const char* where, Outcome outcome) {
        if (refused_++) return;
        const auto at = [](const auto& value) { return static_cast<unsigned long long>(value.load()); };
        const u64 f = r_.free_position(), h = r_.read_position(), w = r_.write_position() & ~end_bit;
        std::fprintf(stderr, "%s: %s; free %llu read %llu write %llu%s\n", where, describe(outcome), f + 0ULL, h + 0ULL, w + 0ULL, r_.ring.ended() ? " ended" : "");
        std::fprintf(stderr, "wait words: data %x room %x\n", r_.ring.lines->data_wait.value.load(), r_.ring.lines->room_wait.value.load());
        for (u64 p = f; p < w && p < f + r_.ring.slots; ++p)
            if (const u64 word = r_.ring.word(p); r_.ring.age(word, p) >= 0 || p == h)
                std::fprintf(stderr, "  %llu: state %llu attempt %llu age %lld length %llu\n", p + 0ULL, word_state(word) + 0ULL, word_attempt(word) + 0ULL, r_.ring.age(word, p) / 65536LL, r_.ring.length_at(p) + 0ULL);
        for (u32 i = 0; i < 64; ++i)
            if (const Entry& e = r_.ring.entries[i]; e.role)
                std::fprintf(stderr, "  entry %u role %u %s: %llu + %llu\n", i, e.role.load(), r_.peers.alive(i) ? "alive" : "dead", at(e.claim_position), at(e.claim_slots));
    }

    // Noted before it can be seen: what is delivered and was not meant to be is a forgery.
    void commit(u32 author, u32 first, u32 count) {
        for (u32 i = 0; i < count; ++i) committed_[author * std::size_t{plan_.messages} + first + i].store(1, std::memory_order_relaxed);
    }

    Plan plan_;
    PrivateRing r_;
    std::vector<std::atomic<unsigned char>> committed_, delivered_;
    std::atomic<u64> damaged_{0}, disordered_{0}, refused_{0};
};

}  // namespace

TEST_CASE("one thread to one thread: everything arrives once, whole, in order") {
    for (const auto& policy : policies)
        for (const bool fixed : {false, true})
            for (const Waiting waiting : {Waiting::adaptive, Waiting::block}) Stress({.policy = policy, .fixed = fixed, .waiting = waiting}).run();
}

TEST_CASE("two threads to two threads, where the policy allows: everything arrives once, whole, in each producer's order") {
    for (const auto& policy : policies)
        for (const bool fixed : {false, true})
            for (const u64 capacity : {8u, 64u})
                Stress({.policy = policy, .producers = policy.one_producer ? 1u : 2u, .consumers = policy.one_consumer ? 1u : 2u, .fixed = fixed, .timestamps = true, .capacity = capacity}).run();
}

TEST_CASE("producers that die and come back lose only what they had not committed") {
    for (const auto& policy : policies)
        for (const bool fixed : {false, true})
            Stress({.policy = policy, .producers = policy.one_producer ? 1u : 3u, .consumers = policy.one_consumer ? 1u : 2u, .fixed = fixed, .capacity = 32,
                    .mortal_producers = policy.one_producer ? 1u : 2u}).run();
}

TEST_CASE("consumers that die and come back take nothing with them") {
    for (const auto& policy : policies)
        for (const bool fixed : {false, true})
            Stress({.policy = policy, .producers = policy.one_producer ? 1u : 2u, .consumers = policy.one_consumer ? 1u : 3u, .fixed = fixed, .capacity = 32,
                    .mortal_consumers = policy.one_consumer ? 1u : 2u}).run();
}

TEST_CASE("on both sides somebody dies all the time") {
    for (const auto& policy : policies)
        for (const u64 capacity : {9u, 64u})
            Stress({.policy = policy, .producers = policy.one_producer ? 1u : 2u, .consumers = policy.one_consumer ? 1u : 2u, .capacity = capacity,
                    .mortal_producers = 1, .mortal_consumers = 1, .waiting = Waiting::block}).run();
}

TEST_CASE("who sleeps without end is woken by a push, by room, by the end and by an interruption") {
    PrivateRing r({.capacity = 1});
    r.waiting = Waiting::block;
    register_for_barrier();
    const auto fence = [](Core& core) { if (under_tsan) core.alert().fetch_or(alert_fence); };
    for (int round = 0; round < 20; ++round) {
        auto p = r.producer(0);
        auto c = r.consumer(1);
        fence(*p), fence(*c);
        Outcome first = Outcome::empty, second = Outcome::empty, third = Outcome::empty;
        std::thread reader([&] {
            first = c->pop(forever).release();
            second = c->pop(forever).release();
            third = c->pop(forever).outcome();
        });
        CHECK(p->push(payload(8), forever) == Outcome::ok);
        CHECK(p->push(payload(8), forever) == Outcome::ok);
        if (round % 2) CHECK(p->end() == Outcome::ok);
        else c->interrupt();
        reader.join();
        CHECK(first == Outcome::ok);
        if (round % 2) CHECK(second == Outcome::ok);
        CHECK((third == (round % 2 ? Outcome::ended : Outcome::interrupted)));
        r.write_position().fetch_and(~end_bit);
        auto rest = r.consumer(1);
        while (auto message = rest->pop(no_wait)) CHECK(message.release() == Outcome::ok);
    }
}

TEST_SUITE_END();
