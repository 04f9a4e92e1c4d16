// Broadcast and overwrite rings: who gets what, who is held back by whom, and what is counted as lost.
// Built twice, as stress_test.cpp.
#include <doctest/doctest.h>

#include <thread>

#include "cursor.hpp"
#include "support.hpp"
#include "waiter.hpp"

using namespace test;

namespace {

#ifdef __SANITIZE_THREAD__
constexpr u32 many_messages = 3000;
#else
constexpr u32 many_messages = 30000;
#endif

// Message `number`, of a size that follows from it: one slot, or several.
std::vector<std::byte> numbered(u32 number, bool fixed, u32 author = 1) { return payload(fixed ? 64 : 8 + number * 37 % 150, author, number); }

void push_numbers(ProducerCore& producer, u32 from, u32 to) {
    for (u32 i = from; i < to; ++i) REQUIRE(producer.push(numbered(i, producer.ring().fixed), no_wait) == Outcome::ok);
}

// The number in the next message, which must be whole; -1: none.
long take(ConsumerCore& consumer, bool* again = nullptr) {
    Message message = consumer.pop(no_wait);
    if (!message) return -1;
    u32 author = 0, number = 0;
    REQUIRE(whole(message.bytes(), author, number));
    if (again) *again = message.redelivered();
    REQUIRE(message.release() == Outcome::ok);
    return number;
}

u64 lost_by(const PrivateRing& r, u32 entry) { return r.ring.entries[entry].lost.load(); }

}  // namespace

TEST_SUITE_BEGIN("cursor");

TEST_CASE("broadcast: every consumer gets every message, where it lies") {
    for (const bool fixed : {false, true}) {
        PrivateRing r({.capacity = 16, .fixed = fixed, .broadcast = true});
        auto producer = r.producer(0);
        auto a = r.consumer(1), b = r.consumer(2);
        const std::byte* const begin = r.ring.data;
        for (u32 i = 0; i < 200; ++i) {
            push_numbers(*producer, i, i + 1);
            for (auto* consumer : {a.get(), b.get()}) {
                Message message = consumer->pop(no_wait);
                REQUIRE(message);
                CHECK(same(message.bytes(), numbered(i, fixed)));
                CHECK(message.bytes().data() >= begin);
                CHECK(message.bytes().data() < begin + 2 * r.ring.slots * r.ring.slot_size);
                CHECK(!message.redelivered());
                CHECK(message.release() == Outcome::ok);
            }
        }
        CHECK(take(*a) == -1);
        CHECK(r.ring.pending() == 0);
    }
}

TEST_CASE("broadcast: the slowest live consumer holds producers back, a dead one does not") {
    PrivateRing r({.capacity = 8, .fixed = true, .broadcast = true});
    auto producer = r.producer(0);
    auto fast = r.consumer(1), slow = r.consumer(2);
    push_numbers(*producer, 0, 8);
    for (u32 i = 0; i < 8; ++i) CHECK(take(*fast) == i);
    CHECK(producer->push(numbered(8, true), no_wait) == Outcome::full);
    CHECK(slow->pending() == 8);
    CHECK(fast->pending() == 0);
    CHECK(take(*slow) == 0);
    push_numbers(*producer, 8, 9);
    CHECK(producer->push(numbered(9, true), no_wait) == Outcome::full);
    r.kill(2);
    push_numbers(*producer, 9, 16);
    CHECK(producer->push(numbered(16, true), no_wait) == Outcome::full);
    for (u32 i = 8; i < 16; ++i) CHECK(take(*fast) == i);
}

TEST_CASE("broadcast: without a consumer the ring keeps its messages and fills") {
    PrivateRing r({.capacity = 8, .fixed = true, .broadcast = true});
    auto producer = r.producer(0);
    push_numbers(*producer, 0, 8);
    CHECK(producer->push(numbered(8, true), no_wait) == Outcome::full);
    auto late = r.consumer(1);
    for (u32 i = 0; i < 8; ++i) CHECK(take(*late) == i);
    push_numbers(*producer, 8, 16);
}

TEST_CASE("broadcast: who joins begins with the oldest or the newest message there is") {
    PrivateRing r({.capacity = 8, .broadcast = true});
    auto producer = r.producer(0);
    for (u32 i = 0; i < 4; ++i) REQUIRE(producer->push(payload(20, 1, i), no_wait) == Outcome::ok);
    auto oldest = r.consumer(1), newest = r.consumer(2, From::newest);
    CHECK(take(*oldest) == 0);
    CHECK(take(*newest) == 3);
    CHECK(take(*newest) == -1);
    auto nothing_yet = r.consumer(3, From::newest);
    CHECK(take(*nothing_yet) == 3);
    REQUIRE(producer->push(payload(20, 1, 4), no_wait) == Outcome::ok);
    for (auto* consumer : {newest.get(), nothing_yet.get()}) CHECK(take(*consumer) == 4);
}

TEST_CASE("broadcast: a message handed back comes again, flagged, to that consumer alone") {
    PrivateRing r({.capacity = 8, .broadcast = true});
    auto producer = r.producer(0);
    auto a = r.consumer(1), b = r.consumer(2);
    push_numbers(*producer, 0, 2);
    CHECK(a->pop(no_wait));  // and dropped
    bool again = false;
    CHECK(take(*a, &again) == 0);
    CHECK(again);
    CHECK(take(*a, &again) == 1);
    CHECK(!again);
    CHECK(take(*b, &again) == 0);
    CHECK(!again);
    CHECK(r.ring.entries[1].redelivered == 1);
}

TEST_CASE("broadcast: what a dead producer claimed is stepped over, and its room comes back") {
    PrivateRing r({.capacity = 8, .fixed = true, .broadcast = true});
    auto dead = r.producer(0);
    auto producer = r.producer(3);
    auto a = r.consumer(1), b = r.consumer(2);
    Frozen<Claim> claim(dead->claim(64, no_wait));
    push_numbers(*producer, 0, 3);
    CHECK(take(*a) == -1);  // it lives
    r.kill(0);
    usleep(2000);           // a live owner is not asked about again at once
    for (auto* consumer : {a.get(), b.get()})
        for (u32 i = 0; i < 3; ++i) CHECK(take(*consumer) == i);
    for (u32 i = 3; i < 50; ++i) {
        push_numbers(*producer, i, i + 1);
        for (auto* consumer : {a.get(), b.get()}) CHECK(take(*consumer) == i);
    }
}

TEST_CASE("broadcast: batches are released together, or one by one in order") {
    for (const bool fixed : {false, true}) {
        PrivateRing r({.capacity = 64, .fixed = fixed, .broadcast = true});
        auto producer = r.producer(0);
        auto a = r.consumer(1), b = r.consumer(2);
        push_numbers(*producer, 0, 6);
        {
            Batch batch = a->pop_batch(4, no_wait);
            REQUIRE(batch.size() == 4);
            u32 i = 0;
            for (auto& message : batch) CHECK(same(message.bytes(), numbered(i++, fixed)));
            CHECK(i == 4);
            CHECK(batch.release() == Outcome::ok);
        }
        CHECK(take(*a) == 4);
        {
            Batch batch = b->pop_batch(4, no_wait);
            REQUIRE(batch.size() == 4);
            u32 i = 0;
            for (auto& message : batch)
                if (i++ < 2) message.release();
        }  // the other two are handed back
        Batch batch = b->pop_batch(6, no_wait);
        REQUIRE(batch);
        bool first = true;
        for (auto& message : batch) {
            if (first) CHECK(same(message.bytes(), numbered(2, fixed)));
            if (first) CHECK(message.redelivered());
            first = false;
        }
        CHECK(batch.release() == Outcome::ok);
    }
}

TEST_CASE("broadcast: ended, for each when it has read all") {
    PrivateRing r({.capacity = 8, .broadcast = true});
    auto producer = r.producer(0);
    auto a = r.consumer(1), b = r.consumer(2);
    push_numbers(*producer, 0, 1);
    CHECK(take(*a) == 0);
    CHECK(producer->end() == Outcome::ok);
    CHECK(a->pop(no_wait).outcome() == Outcome::ended);
    CHECK(take(*b) == 0);
    CHECK(b->pop(no_wait).outcome() == Outcome::ended);
}

TEST_CASE("broadcast: whoever announces an old position holds producers back until it has noticed") {
    PrivateRing r({.capacity = 4, .fixed = true, .broadcast = true});
    auto producer = r.producer(0);
    auto a = r.consumer(1);
    for (u32 i = 0; i < 6; ++i) {
        push_numbers(*producer, i, i + 1);
        CHECK(take(*a) == i);
    }
    // It read free_position at 4, and was slow to say so: by now it is 6.
    r.attach(2, role_none);
    r.ring.entries[2].reading_position = 4;
    r.ring.entries[2].role = role_consumer;
    CHECK(released_by_all(r.ring, r.peers, 8) == 4);
    auto joined = r.consumer(2);
    CHECK(r.ring.entries[2].reading_position == 6);
    push_numbers(*producer, 6, 10);
    CHECK(take(*joined) == 6);
}

TEST_CASE("overwrite: a producer never waits, and what went unseen is counted exactly") {
    struct Kind {
        const char* name;
        bool broadcast, one_consumer;
    };
    for (const Kind kind : {Kind{"many consumers", false, false}, Kind{"one consumer", false, true}, Kind{"broadcast", true, false}})
        for (const bool fixed : {false, true})
            for (const u64 capacity : {u64{1}, u64{5}, u64{16}}) {
                CAPTURE(kind.name);
                CAPTURE(fixed);
                CAPTURE(capacity);
                PrivateRing r({.capacity = capacity, .slot_size = 256, .fixed = fixed, .one_consumer = kind.one_consumer, .broadcast = kind.broadcast, .overwrite = true});
                auto producer = r.producer(0);
                auto consumer = r.consumer(1);
                u32 pushed = 0, seen = 0;
                const auto push = [&](u32 n) {
                    for (; n; --n, ++pushed) REQUIRE(producer->push(payload(fixed ? 256 : 8 + pushed * 37 % 200, 1, pushed), no_wait) == Outcome::ok);
                };
                for (const u32 burst : {1, 2, 3, 50, 1, 200, 7, 1}) {
                    push(burst);
                    const u64 lost_before = lost_by(r, 1);
                    bool first = true;
                    for (;;) {
                        Message message = consumer->pop(no_wait);
                        if (!message) break;
                        u32 author = 0, number = 0;
                        REQUIRE(whole(message.bytes(), author, number));
                        const u32 expected = first && burst > capacity ? pushed - static_cast<u32>(capacity) : seen;
                        CHECK(number == expected);
                        CHECK(message.lost() == number - seen);
                        seen = number + 1, first = false;
                        message.release();
                    }
                    CHECK(seen == pushed);  // the newest is there
                    CHECK(lost_by(r, 1) - lost_before == (burst > capacity ? burst - capacity : 0));
                }
                CHECK(lost_by(r, 1) + r.ring.entries[1].popped == pushed);
            }
}

TEST_CASE("overwrite: the newest stays while the next one is written, and when that one is dropped") {
    PrivateRing r({.capacity = 1, .overwrite = true});
    auto producer = r.producer(0);
    push_numbers(*producer, 0, 1);
    for (int round = 0; round < 3; ++round) {
        auto reader = r.consumer(1);
        Claim claim = producer->claim(40, no_wait);
        REQUIRE(claim);
        CHECK(r.ring.pending() == 1);
        auto other = r.producer(2);
        Claim second = other->claim(40, no_wait);
        REQUIRE(second);
        CHECK(r.ring.ready(r.ring.word(r.ring.oldest()).load(), r.ring.oldest()));
    }
    auto reader = r.consumer(1);
    CHECK(take(*reader) == 0);
}

TEST_CASE("overwrite: a message stays whole in the hands of who took it") {
    PrivateRing r({.capacity = 2, .slot_size = 256, .broadcast = true, .overwrite = true});
    auto producer = r.producer(0);
    auto consumer = r.consumer(1);
    push_numbers(*producer, 0, 1);
    Message message = consumer->pop(no_wait);
    REQUIRE(message);
    push_numbers(*producer, 1, 40);
    CHECK(same(message.bytes(), numbered(0, false)));
    message.release();
}

TEST_CASE("overwrite: a stopped producer's place is stepped over, not written") {
    for (const bool fixed : {false, true}) {
        PrivateRing r({.capacity = 4, .fixed = fixed, .overwrite = true});
        auto stopped = r.producer(0), producer = r.producer(1);
        auto consumer = r.consumer(2);
        push_numbers(*producer, 0, 2);
        Claim claim = stopped->claim(64, no_wait);
        REQUIRE(claim);
        const auto content = payload(64, 9, 9);
        std::memcpy(claim.bytes().data(), content.data(), content.size());
        for (u32 i = 2; i < 100; ++i) REQUIRE(producer->push(payload(64, 1, i), no_wait) == Outcome::ok);
        CHECK(same(claim.bytes(), content));
        u32 author = 0, number = 0, last = 0;
        while (Message message = consumer->pop(no_wait)) {
            CHECK(whole(message.bytes(), author, number));
            CHECK(author == 1);
            last = number;
            message.release();
        }
        CHECK(last == 99);
        CHECK(claim.commit() == Outcome::ok);  // a lap or more too late
        for (u32 i = 100; i < 150; ++i) {
            REQUIRE(producer->push(payload(64, 1, i), no_wait) == Outcome::ok);
            Message message = consumer->pop(no_wait);
            REQUIRE(message);
            CHECK(whole(message.bytes(), author, number));
            CHECK(author == 1);
            CHECK(number == i);
            message.release();
        }
    }
}

TEST_CASE("overwrite: a place whose holder died is written again") {
    PrivateRing r({.capacity = 4, .fixed = true, .overwrite = true});
    auto dead = r.producer(0), producer = r.producer(1);
    auto consumer = r.consumer(2);
    Frozen<Claim> claim(dead->claim(64, no_wait));
    r.kill(0);
    push_numbers(*producer, 0, 3);
    for (u32 i = 0; i < 3; ++i) CHECK(take(*consumer) == i);
    const u64 before = r.ring.entries[1].abandoned;
    push_numbers(*producer, 3, 100);
    CHECK(r.ring.entries[1].abandoned == before);  // nothing had to be stepped over
}

TEST_CASE("overwrite: abandoned slots at the end do not make the ring look full of something") {
    PrivateRing r({.capacity = 4, .fixed = true, .overwrite = true});
    auto producer = r.producer(0);
    auto consumer = r.consumer(1);
    push_numbers(*producer, 0, 1);
    CHECK(producer->claim(64, no_wait));  // and dropped
    CHECK(take(*consumer) == 0);
    CHECK(take(*consumer) == -1);
    CHECK(r.ring.pending() == 0);
}

TEST_CASE("overwrite: killed between commit and retirement, the next one retires for both") {
    PrivateRing r({.capacity = 2, .fixed = true, .overwrite = true});
    auto producer = r.producer(0);
    auto consumer = r.consumer(1);
    push_numbers(*producer, 0, 2);
    const u64 f = r.free_position();
    push_numbers(*producer, 2, 3);
    r.free_position() = f;  // as if it had been killed before
    CHECK(r.ring.pending() <= r.ring.capacity);
    push_numbers(*producer, 3, 4);
    CHECK(take(*consumer) == 2);
    CHECK(lost_by(r, 1) == 2);
}

TEST_CASE("overwrite: a ring that was lapped before anything was retired is read from what is left") {
    PrivateRing r({.capacity = 2, .fixed = true, .overwrite = true});
    auto producer = r.producer(0);
    auto consumer = r.consumer(1);
    push_numbers(*producer, 0, 50);
    r.free_position() = 0;
    const long first = take(*consumer);
    CHECK(first >= 50 - static_cast<long>(r.ring.slots));
    CHECK(lost_by(r, 1) == static_cast<u64>(first));
}

TEST_CASE("overwrite: timestamps, sequences and batches of one") {
    for (const bool fixed : {false, true}) {
        PrivateRing r({.capacity = 4, .slot_size = 128, .fixed = fixed, .timestamps = true, .broadcast = true, .overwrite = true});
        auto producer = r.producer(0);
        auto consumer = r.consumer(1);
        const std::size_t size = fixed ? 128 : 64;
        for (u32 i = 0; i < 3; ++i) REQUIRE(producer->push(payload(size, 1, i), no_wait) == Outcome::ok);
        for (u32 i = 0; i < 3; ++i) {
            Batch batch = consumer->pop_batch(10, no_wait);
            REQUIRE(batch);
            CHECK(batch.size() == 1);
            for (auto& message : batch) {
                CHECK(same(message.bytes(), payload(size, 1, i)));
                CHECK(message.time_ns() > 1'000'000'000'000'000'000u);
                CHECK(message.sequence() == (fixed ? message.position() : i));
            }
            if (fixed) CHECK(same(batch.array(), payload(size, 1, i)));
            CHECK(batch.release() == Outcome::ok);
        }
        ClaimBatch claim = producer->claim_batch(5, size, no_wait);
        REQUIRE(claim);
        CHECK(claim.next(size).data() != nullptr);
        CHECK(claim.next(size).data() == nullptr);
        CHECK(claim.commit() == Outcome::ok);
    }
}

TEST_CASE("overwrite: a batch is one message, whatever its room would hold, and whatever lies in its place since") {
    PrivateRing r({.capacity = 4, .slot_size = 64, .broadcast = true, .overwrite = true});
    auto producer = r.producer(0);
    auto consumer = r.consumer(1);
    ClaimBatch claim = producer->claim_batch(5, 200, no_wait);
    REQUIRE(claim);
    CHECK(claim.next(8).data() != nullptr);
    CHECK(claim.next(8).data() == nullptr);
    CHECK(claim.commit() == Outcome::ok);
    CHECK(consumer->pop(no_wait).release() == Outcome::ok);
    CHECK(consumer->pop(no_wait).outcome() == Outcome::empty);

    REQUIRE(producer->push(payload(100, 1, 1), no_wait) == Outcome::ok);
    Batch batch = consumer->pop_batch(10, no_wait);
    REQUIRE(batch);
    for (u64 i = 0; i < 2 * r.ring.slots; ++i) REQUIRE(producer->push(payload(8, 1, 2), no_wait) == Outcome::ok);
    std::size_t count = 0;
    for (auto& message : batch) count += same(message.bytes(), payload(100, 1, 1));
    CHECK(count == 1);
    CHECK(batch.release() == Outcome::ok);
}

TEST_CASE("overwrite: where stopped producers leave no place, a push is refused and nothing is invalidated") {
    PrivateRing r({.capacity = 8, .fixed = false, .overwrite = true});  // 64 slots: see the mirror
    const std::size_t longest = r.ring.max_message;
    std::vector<std::unique_ptr<ProducerCore>> stopped;
    std::vector<Claim> claims;
    auto producer = r.producer(0);
    auto consumer = r.consumer(1);
    // One slot held in every eight.
    for (u32 i = 0; i < r.ring.slots / 8; ++i) {
        stopped.push_back(r.producer(2 + i));
        claims.push_back(stopped.back()->claim(8, no_wait));
        REQUIRE(claims.back());
        REQUIRE(producer->push(payload(r.ring.slot_size * 7 - r.ring.prefix, 1, i), no_wait) == Outcome::ok);
    }
    const u64 w = r.write_position();
    CHECK(producer->push(payload(longest, 1, 99), no_wait) == Outcome::full);
    CHECK(producer->push(payload(longest, 1, 99), Clock::now() + 5ms) == Outcome::timed_out);
    CHECK(r.write_position() == w);
    CHECK(take(*consumer) >= 0);
    claims.pop_back();  // it lets go
    REQUIRE(producer->push(payload(longest, 1, 100), patience()) == Outcome::ok);
    CHECK(take(*consumer) == 100);
}

TEST_CASE("overwrite: not ended before those are done who claimed before the end") {
    PrivateRing r({.capacity = 1, .fixed = true, .overwrite = true});
    auto slow = r.producer(0), other = r.producer(1);
    auto consumer = r.consumer(2);
    push_numbers(*other, 0, 3);
    CHECK(take(*consumer) == 2);
    Claim claim = slow->claim(64, no_wait);
    REQUIRE(claim);
    fill(claim.bytes(), 1, 3);
    r.free_position() = r.write_position() - 1;  // as another would have retired
    CHECK(other->end() == Outcome::ok);
    CHECK(consumer->pop(no_wait).outcome() == Outcome::empty);
    CHECK(claim.commit() == Outcome::ok);
    CHECK(take(*consumer) == 3);
    CHECK(consumer->pop(no_wait).outcome() == Outcome::ended);
}

#ifndef __SANITIZE_THREAD__  // with files
TEST_CASE("broadcast: when the last consumer leaves, what it had read is gone, the rest stays") {
    NamedRing ring({.slots = 8, .slot_size = 64, .broadcast = true});
    Producer producer(ring.name);
    {
        Consumer a(ring.name), b(ring.name);
        for (u32 i = 0; i < 4; ++i) REQUIRE(producer.try_push(payload(20, 1, i)) == Outcome::ok);
        REQUIRE(a.try_pop().release() == Outcome::ok);
        for (int i = 0; i < 3; ++i) REQUIRE(b.try_pop().release() == Outcome::ok);
    }
    CHECK(stat(ring.name).messages == 3);  // what b had read and a not is still there
    Consumer late(ring.name);
    Message message = late.try_pop();
    REQUIRE(message);
    CHECK(same(message.bytes(), payload(20, 1, 1)));
}

TEST_CASE("broadcast: what only one consumer had not read goes with it, and who waits for an empty ring is told") {
    NamedRing ring({.slots = 8, .slot_size = 64, .broadcast = true});
    Producer producer(ring.name);
    Consumer fast(ring.name);
    Watcher watcher(ring.name);
    {
        Consumer slow(ring.name);
        for (u32 i = 0; i < 4; ++i) REQUIRE(producer.try_push(payload(20, 1, i)) == Outcome::ok);
        REQUIRE(slow.try_pop().release() == Outcome::ok);
        for (int i = 0; i < 3; ++i) REQUIRE(fast.try_pop().release() == Outcome::ok);
    }
    CHECK(stat(ring.name).messages == 1);
    REQUIRE(fast.try_pop().release() == Outcome::ok);
    CHECK(watcher.wait(Condition::empty, no_wait) == Outcome::ok);
}

TEST_CASE("only consumers of a broadcast ring can begin with the newest message") {
    NamedRing ring;
    CHECK(error_of([&] { Consumer(ring.name, {.from = From::newest}); }) == Errc::bad_option);
    CHECK(error_of([&] { Producer(ring.name, {.from = From::newest}); }) == Errc::bad_option);
}

TEST_CASE("looking sees the latest value of an overwrite ring, and never half of it") {
    NamedRing ring({.slots = 1, .slot_size = 1024, .fixed = true, .overwrite = true});
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        Producer producer(ring.name);
        for (u32 i = 0; !stop; ++i) producer.push(payload(1024, 1, i));
    });
    CHECK(eventually([&] { return stat(ring.name).pushed > 0; }));
    long last = -1;
    std::vector<std::byte> value;
    Viewer::Info info{};
    for (u32 i = 0; i < many_messages / 10; ++i) {
        Viewer viewer(ring.name);
        viewer.to_newest();
        if (!viewer.next(value, info)) continue;  // overtaken each time it looked
        u32 author = 0, number = 0;
        CHECK(whole(value, author, number));
        CHECK(static_cast<long>(number) >= last);
        last = number;
    }
    CHECK(last > 0);
    stop = true;
    writer.join();
}

#endif

// How many messages of the two authors, up to the end of the stream, were torn or not as `expected` has it.
template <class Expected>
u32 read_to_the_end(ConsumerCore& consumer, Expected expected) {
    for (u32 bad = 0;;) {
        Message message = consumer.pop(patience());
        if (!message) return bad + (message.outcome() != Outcome::ended);
        u32 author = 0, number = 0;
        bad += !whole(message.bytes(), author, number) || author > 1 || !expected(author, number);
        message.release();
    }
}

TEST_CASE("threads: every consumer of a broadcast ring gets everything, in each producer's order") {
    for (const bool one_producer : {true, false}) {
        const u32 producers = one_producer ? 1 : 2, consumers = 3;
        PrivateRing r({.capacity = 16, .one_producer = one_producer, .broadcast = true});
        register_for_barrier();
        std::vector<std::unique_ptr<ConsumerCore>> readers;
        for (u32 i = 0; i < consumers; ++i) readers.push_back(r.consumer(8 + i));
        std::vector<std::thread> threads;
        std::atomic<u32> bad{0}, complete{0};
        for (u32 i = 0; i < consumers; ++i)
            threads.emplace_back([&, i] {
                u32 next[2] = {0, 0};
                bad += read_to_the_end(*readers[i], [&](u32 author, u32 number) { return number == next[author]++; });
                complete += next[0] == many_messages && (one_producer || next[1] == many_messages);
            });
        std::vector<std::thread> writers;
        for (u32 i = 0; i < producers; ++i)
            writers.emplace_back([&, i] {
                auto producer = r.producer(i);
                for (u32 n = 0; n < many_messages; ++n) bad += producer->push(numbered(n, false, i), patience()) != Outcome::ok;
            });
        for (auto& writer : writers) writer.join();
        r.producer(5)->end();
        for (auto& thread : threads) thread.join();
        CHECK(bad == 0);
        CHECK(complete == consumers);
    }
}

TEST_CASE("threads: an overwrite ring delivers whole messages in order, and loses none uncounted") {
    for (const bool broadcast : {false, true})
        for (const u64 capacity : {u64{1}, u64{8}}) {
            CAPTURE(broadcast);
            CAPTURE(capacity);
            const u32 producers = 2, consumers = 2;
            PrivateRing r({.capacity = capacity, .slot_size = 256, .broadcast = broadcast, .overwrite = true});
            register_for_barrier();
            std::vector<std::unique_ptr<ConsumerCore>> readers;
            for (u32 i = 0; i < consumers; ++i) readers.push_back(r.consumer(8 + i));
            std::atomic<u32> bad{0};
            std::atomic<u64> delivered{0};
            std::vector<std::thread> threads, writers;
            for (u32 i = 0; i < consumers; ++i)
                threads.emplace_back([&, i] {
                    long last[2] = {-1, -1};
                    bad += read_to_the_end(*readers[i], [&](u32 author, u32 number) { return ++delivered, std::exchange(last[author], number) < static_cast<long>(number); });
                    if (broadcast) bad += last[0] != many_messages - 1 && last[1] != many_messages - 1;  // the newest is there
                });
            for (u32 i = 0; i < producers; ++i)
                writers.emplace_back([&, i] {
                    auto producer = r.producer(i);
                    for (u32 n = 0; n < many_messages; ++n) bad += producer->push(payload(8 + n * 37 % 200, i, n), no_wait) != Outcome::ok;
                });
            for (auto& writer : writers) writer.join();
            r.producer(5)->end();
            for (auto& thread : threads) thread.join();
            CHECK(bad == 0);
            CHECK(delivered + lost_by(r, 8) + lost_by(r, 9) == u64{producers} * many_messages * (broadcast ? consumers : 1));
        }
}

TEST_SUITE_END();
