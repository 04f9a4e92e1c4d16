// The ring on private memory: what push, claim, pop and batches promise while everybody lives.
#include <doctest/doctest.h>

#include "support.hpp"

using namespace test;

TEST_SUITE_BEGIN("ring");

namespace {

// `count` messages of 8 bytes, numbered from `first`.
void push_numbers(ProducerCore& producer, u32 first, u32 count) {
    for (u32 i = first; i < first + count; ++i) REQUIRE(producer.push(payload(8, 0, i), no_wait) == Outcome::ok);
}
u32 number_of(Bytes bytes) {
    u32 author = 0, number = 0;
    return whole(bytes, author, number) ? number : ~0u;
}

}  // namespace

TEST_CASE("what is pushed is popped, in order, whole, round the ring many times, under every policy") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.capacity = 5, .slot_size = 64, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        u32 next = 0;
        for (u32 i = 0; i < 5000; ++i) {
            REQUIRE(p->push(payload(8 + i % 100, 7, i), no_wait) == Outcome::ok);
            if (i % 3 == 0) continue;  // sometimes two, sometimes one in the ring
            while (auto message = c->pop(no_wait)) {
                u32 author = 0, number = 0;
                REQUIRE(whole(message.bytes(), author, number));
                REQUIRE(author == 7);
                REQUIRE(number == next++);
                REQUIRE_FALSE(message.redelivered());
                REQUIRE(message.release() == Outcome::ok);
            }
        }
        CHECK(next == 5000);
        CHECK(r.ring.pending() == 0);
        CHECK(c->pop(no_wait).outcome() == Outcome::empty);
    }
}

TEST_CASE("of every length all bytes are copied and none beyond, one by one and in batches") {
    for (std::size_t size = 1; size <= 300; ++size) {
        CAPTURE(size);
        PrivateRing r({.capacity = 4, .slot_size = size, .fixed = true});  // slot by slot without a gap
        auto p = r.producer(0);
        auto c = r.consumer(1);
        u32 pushed = 0, popped = 0;
        const auto push = [&](u32 count) {
            std::vector<std::vector<std::byte>> messages;
            for (u32 i = 0; i < count; ++i) messages.push_back(payload(size, 1, pushed++));
            const std::vector<Bytes> batch(messages.begin(), messages.end());
            if (count == 1) REQUIRE(p->push(batch[0], no_wait) == Outcome::ok);
            else REQUIRE(p->push(batch, no_wait).count == count);
        };
        const auto pop = [&] {
            auto message = c->pop(no_wait);
            REQUIRE(message);
            CHECK(same(message.bytes(), payload(size, 1, popped++)));
            REQUIRE(message.release() == Outcome::ok);
        };
        push(1), push(1), push(2);
        while (popped < 20) {
            pop(), pop();  // the two behind are still to be read
            if (popped % 4) push(2);
            else push(1), push(1);
        }
    }
}

TEST_CASE("a message of no bytes is a message") {
    PrivateRing r;
    auto p = r.producer(0);
    auto c = r.consumer(1);
    REQUIRE(p->push(Bytes(), no_wait) == Outcome::ok);
    CHECK(r.ring.pending() == 1);
    {
        auto message = c->pop(no_wait);
        REQUIRE(message);
        CHECK(message.bytes().empty());
        CHECK(message.release() == Outcome::ok);
    }
    const std::vector<Bytes> span(3);
    REQUIRE(p->push(span, no_wait).count == 3);
    const auto copied = c->pop(std::span<std::byte>(), no_wait);
    CHECK(copied.outcome == Outcome::ok);
    CHECK(copied.size == 0);
    auto batch = c->pop_batch(2, no_wait);
    REQUIRE(batch);
    for (auto& message : batch) CHECK(message.bytes().empty());
    CHECK(batch.release() == Outcome::ok);
}

TEST_CASE("push({}) pushes an empty message, not none") {
    NamedRing ring;
    Producer out(ring.name);
    Consumer in(ring.name);
    REQUIRE(out.push({}) == Outcome::ok);
    REQUIRE(out.push({}, no_wait) == Outcome::ok);
    REQUIRE(out.push({std::byte{7}}) == Outcome::ok);
    for (const std::size_t size : {0, 0, 1}) {
        auto message = in.try_pop();
        REQUIRE(message);
        CHECK(message.bytes().size() == size);
        REQUIRE(message.release() == Outcome::ok);
    }
    CHECK(in.try_pop().outcome() == Outcome::empty);
}

TEST_CASE("the longest message fills the ring, and one byte more is too long") {
    for (const bool timestamps : {false, true}) {
        PrivateRing r({.capacity = 6, .slot_size = 64, .timestamps = timestamps});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        const u64 longest = 6 * 64 - (timestamps ? 24 : 16);
        REQUIRE(r.ring.max_message == longest);
        for (u32 i = 0; i < 50; ++i) {  // wherever it begins, it lies in one piece
            const auto bytes = payload(longest, 1, i);
            REQUIRE(p->push(bytes, no_wait) == Outcome::ok);
            CHECK(r.ring.pending() == 6);
            CHECK(p->push(payload(1), no_wait) == Outcome::full);
            auto message = c->pop(no_wait);
            REQUIRE(message);
            CHECK(same(message.bytes(), bytes));
            REQUIRE(message.release() == Outcome::ok);
            REQUIRE(p->push(payload(8, 1, i), no_wait) == Outcome::ok);  // so that the next begins one further
            REQUIRE(c->pop(no_wait).release() == Outcome::ok);
        }
        CHECK(p->push(payload(longest + 1), no_wait) == Outcome::too_long);
        CHECK(p->claim(longest + 1, no_wait).outcome() == Outcome::too_long);
        CHECK(p->claim_batch(1, longest + 1, no_wait).outcome() == Outcome::too_long);
        CHECK(p->claim(~std::size_t{0}, no_wait).outcome() == Outcome::too_long);
        CHECK(r.ring.pending() == 0);
    }
}

TEST_CASE("a limit on the length of messages is kept") {
    PrivateRing r({.capacity = 8, .slot_size = 64, .max_message = 100});
    auto p = r.producer(0);
    CHECK(p->push(payload(100), no_wait) == Outcome::ok);
    CHECK(p->push(payload(101), no_wait) == Outcome::too_long);
}

TEST_CASE("exactly as many slots as asked for may be filled, power of two or not") {
    for (const u64 capacity : {1u, 2u, 3u, 5u, 7u, 8u, 9u, 100u}) {
        for (const bool fixed : {false, true}) {
            for (const auto& policy : policies) {
                CAPTURE(capacity);
                CAPTURE(fixed);
                CAPTURE(policy.name);
                PrivateRing r({.capacity = capacity, .slot_size = 64, .fixed = fixed, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
                auto p = r.producer(0);
                auto c = r.consumer(1);
                const std::size_t size = fixed ? 64 : 48;
                for (u32 lap = 0; lap < 5; ++lap) {
                    for (u64 i = 0; i < capacity; ++i) REQUIRE(p->push(payload(size, 0, static_cast<u32>(i)), no_wait) == Outcome::ok);
                    REQUIRE(p->push(payload(size), no_wait) == Outcome::full);
                    REQUIRE(r.ring.pending() == capacity);
                    for (u64 i = 0; i < capacity; ++i) {
                        auto message = c->pop(no_wait);
                        REQUIRE(number_of(message.bytes()) == i);
                        REQUIRE(message.release() == Outcome::ok);
                        if (i == 0) REQUIRE(p->push(payload(size, 0, static_cast<u32>(capacity)), no_wait) == Outcome::ok);  // room at once
                    }
                    REQUIRE(c->pop(no_wait).release() == Outcome::ok);
                }
            }
        }
    }
}

TEST_CASE("a message takes as many slots as header and payload need") {
    for (const u64 slot_size : {40u, 64u, 72u}) {
        CAPTURE(slot_size);
        PrivateRing r({.capacity = 10, .slot_size = slot_size});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        for (u64 size = 0; size <= 10 * slot_size - 16; ++size) {
            const auto bytes = payload(size, 3, static_cast<u32>(size));
            REQUIRE(p->push(bytes, no_wait) == Outcome::ok);
            REQUIRE(r.ring.pending() == (size + 16 + slot_size - 1) / slot_size);
            auto message = c->pop(no_wait);
            REQUIRE(same(message.bytes(), bytes));
            REQUIRE(message.release() == Outcome::ok);
        }
    }
}

TEST_CASE("a fixed ring takes its own size and no other, odd sizes too") {
    for (const u64 size : {1u, 8u, 24u, 25u, 100u, 4096u}) {
        for (const bool timestamps : {false, true}) {
            CAPTURE(size);
            PrivateRing r({.capacity = 5, .slot_size = size, .fixed = true, .timestamps = timestamps});
            auto p = r.producer(0);
            auto c = r.consumer(1);
            CHECK(p->push(payload(size + 1), no_wait) == Outcome::too_long);
            CHECK(p->push(payload(size - 1), no_wait) == Outcome::too_long);
            CHECK(p->claim(size - 1, no_wait).outcome() == Outcome::too_long);
            CHECK(p->claim_batch(2, size + 1, no_wait).outcome() == Outcome::too_long);
            for (u32 i = 0; i < 50; ++i) {
                const auto bytes = payload(size, 2, i);
                REQUIRE(p->push(bytes, no_wait) == Outcome::ok);
                auto message = c->pop(no_wait);
                REQUIRE(same(message.bytes(), bytes));
                CHECK(message.position() == i);
                CHECK(message.sequence() == i);
                REQUIRE(message.release() == Outcome::ok);
            }
        }
    }
}

TEST_CASE("with timestamps a message knows when it was pushed, without it does not") {
    for (const bool fixed : {false, true}) {
        const auto wall = [] { return static_cast<u64>(std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count()); };
        PrivateRing with({.slot_size = 64, .fixed = fixed, .timestamps = true}), without({.slot_size = 64, .fixed = fixed});
        auto p = with.producer(0), q = without.producer(0);
        auto c = with.consumer(1), d = without.consumer(1);
        const u64 before = wall();
        REQUIRE(p->push(payload(64), no_wait) == Outcome::ok);
        auto claim = p->claim(64, no_wait);
        REQUIRE(claim.commit() == Outcome::ok);
        auto batch = p->claim_batch(1, 64, no_wait);
        fill(batch.next(64), 0, 0);
        REQUIRE(batch.commit() == Outcome::ok);
        REQUIRE(q->push(payload(64), no_wait) == Outcome::ok);
        const u64 after = wall();
        for (int i = 0; i < 3; ++i) {
            auto message = c->pop(no_wait);
            REQUIRE(message);
            CHECK(message.time_ns() >= before);
            CHECK(message.time_ns() <= after);
            CHECK(message.bytes().size() == 64);
            REQUIRE(message.release() == Outcome::ok);
        }
        auto message = d->pop(no_wait);
        CHECK(message.time_ns() == 0);
    }
}

TEST_CASE("a message knows its producer and that producer's own count") {
    PrivateRing r({.capacity = 16});
    auto p = r.producer(3), q = r.producer(5);
    auto c = r.consumer(1);
    for (u32 i = 0; i < 4; ++i) {
        REQUIRE(p->push(payload(8), no_wait) == Outcome::ok);
        REQUIRE(q->push(payload(8), no_wait) == Outcome::ok);
    }
    for (u32 i = 0; i < 8; ++i) {
        auto message = c->pop(no_wait);
        CHECK(message.producer() == (i % 2 ? 5 : 3));
        CHECK(message.sequence() == i / 2);
        REQUIRE(message.release() == Outcome::ok);
    }
    auto again = r.producer(3);  // the entry's next owner goes on counting
    REQUIRE(again->push(payload(8), no_wait) == Outcome::ok);
    auto message = c->pop(no_wait);
    CHECK(message.sequence() == 4);
}

// ---- claims -------------------------------------------------------------------------------------

TEST_CASE("a claim is filled in place and seen once committed, not before") {
    PrivateRing r;
    auto p = r.producer(0);
    auto c = r.consumer(1);
    auto claim = p->claim(100, no_wait);
    REQUIRE(claim);
    fill(claim.bytes(), 4, 2);
    CHECK(c->pop(no_wait).outcome() == Outcome::empty);
    REQUIRE(claim.commit() == Outcome::ok);
    CHECK_FALSE(claim);
    auto message = c->pop(patience());
    CHECK(same(message.bytes(), payload(100, 4, 2)));
}

TEST_CASE("a claim may be committed shorter, down to nothing, and gives back the rest") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.capacity = 8, .slot_size = 64, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        u32 number = 0;
        for (std::size_t used = 0; used <= 8 * 64 - 16; used += 31) {
            auto claim = p->claim(8 * 64 - 16, no_wait);
            REQUIRE(claim);
            fill(claim.bytes().first(used), 9, number);
            REQUIRE(claim.commit(used) == Outcome::ok);
            auto message = c->pop(no_wait);
            REQUIRE(message);
            REQUIRE(same(message.bytes(), payload(used, 9, number)));
            REQUIRE(message.release() == Outcome::ok);
            REQUIRE(c->pop(no_wait).outcome() == Outcome::empty);
            REQUIRE(r.ring.pending() == 0);
            ++number;
        }
    }
}

TEST_CASE("a dropped claim is never seen, holds nobody up and counts as no message") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.capacity = 8, .slot_size = 64, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        for (u32 i = 0; i < 100; ++i) {
            { auto dropped = p->claim(i % 7 * 64, no_wait); REQUIRE(dropped); }
            REQUIRE(p->push(payload(8, 0, i), no_wait) == Outcome::ok);
            auto message = c->pop(no_wait);
            REQUIRE(number_of(message.bytes()) == i);
            CHECK(message.sequence() == i);
            REQUIRE(message.release() == Outcome::ok);
        }
        CHECK(c->pop(no_wait).outcome() == Outcome::empty);
        CHECK(r.ring.pending() == 0);
    }
}

TEST_CASE("dropped claims that fill the ring give their room back without any consumer") {
    PrivateRing r({.capacity = 4, .slot_size = 64});
    auto p = r.producer(0);
    for (u32 i = 0; i < 20; ++i) { auto dropped = p->claim(4 * 64 - 16, no_wait); REQUIRE(dropped); }
    CHECK(p->push(payload(4 * 64 - 16), no_wait) == Outcome::ok);
}

TEST_CASE("a claim that is assigned over or moved is abandoned or kept, once") {
    PrivateRing r;
    auto p = r.producer(0);
    auto c = r.consumer(1);
    {
        auto first = p->claim(8, no_wait);
        auto moved = std::move(first);
        CHECK_FALSE(first);
        fill(moved.bytes(), 0, 1);
        REQUIRE(moved.commit() == Outcome::ok);
        CHECK(moved.commit() == Outcome::ok);  // nothing left to do
    }
    CHECK(number_of(c->pop(no_wait).bytes()) == 1);
}

TEST_CASE("a batch of claims is filled in place and published together") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.capacity = 16, .slot_size = 64, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        u32 pushed = 0, popped = 0;
        for (u32 round = 0; round < 50; ++round) {
            auto batch = p->claim_batch(5, 100, no_wait);
            REQUIRE(batch);
            const u32 fills = round % 6;  // from none to all
            for (u32 i = 0; i < fills; ++i) {
                const auto place = batch.next(8 + 23 * i);
                REQUIRE(place.data());
                fill(place, 0, pushed++);
            }
            CHECK(batch.size() == fills);
            CHECK(c->pop(no_wait).outcome() == Outcome::empty);
            REQUIRE(batch.commit() == Outcome::ok);
            for (u32 i = 0; i < fills; ++i) {
                auto message = c->pop(patience());
                REQUIRE(message);
                REQUIRE(number_of(message.bytes()) == popped);
                REQUIRE(message.sequence() == popped++);
                REQUIRE(message.release() == Outcome::ok);
            }
            REQUIRE(c->pop(no_wait).outcome() == Outcome::empty);
            REQUIRE(r.ring.pending() == 0);
        }
    }
}

TEST_CASE("a batch of claims is smaller where there is less room, and at least one message") {
    for (const bool fixed : {false, true}) {
        CAPTURE(fixed);
        PrivateRing r({.capacity = 8, .slot_size = 64, .fixed = fixed});
        auto p = r.producer(0);
        for (u32 i = 0; i < 5; ++i) REQUIRE(p->push(payload(64 - r.ring.prefix), no_wait) == Outcome::ok);
        const std::size_t size = 64 - r.ring.prefix;
        {
            auto batch = p->claim_batch(1000, size, no_wait);
            REQUIRE(batch);
            for (u32 i = 0; i < 3; ++i) CHECK(batch.next(size).data());
            CHECK_FALSE(batch.next(size).data());
            CHECK(batch.size() == 3);
            CHECK(batch.commit() == Outcome::ok);
        }
        CHECK(r.ring.pending() == 8);
        CHECK(p->claim_batch(1, size, no_wait).outcome() == Outcome::full);
        CHECK(p->claim_batch(0, size, no_wait).outcome() != Outcome::ok);
    }
}

TEST_CASE("a dropped batch of claims is never seen and holds nobody up") {
    PrivateRing r({.capacity = 8});
    auto p = r.producer(0);
    auto c = r.consumer(1);
    for (u32 i = 0; i < 30; ++i) {
        {
            auto batch = p->claim_batch(3, 48, no_wait);
            REQUIRE(batch);
            fill(batch.next(48), 0, 999);
        }
        push_numbers(*p, i, 1);
        auto message = c->pop(no_wait);
        REQUIRE(number_of(message.bytes()) == i);
        REQUIRE(message.release() == Outcome::ok);
    }
}

TEST_CASE("next() of a batch of claims refuses what is too long without spending room") {
    PrivateRing r({.capacity = 8, .slot_size = 64});
    auto p = r.producer(0);
    auto batch = p->claim_batch(2, 48, no_wait);
    CHECK_FALSE(batch.next(3 * 64).data());
    CHECK_FALSE(batch.next(~std::size_t{0}).data());
    CHECK(batch.next(48).data());
    CHECK(batch.next(48).data());
    CHECK_FALSE(batch.next(0).data());
}

// ---- spans --------------------------------------------------------------------------------------

TEST_CASE("a span larger than the ring is pushed as far as there is room, and the count says how far") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.capacity = 8, .slot_size = 64, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        std::vector<std::vector<std::byte>> store;
        std::vector<Bytes> span;
        for (u32 i = 0; i < 100; ++i) store.push_back(payload(8 + i % 90, 0, i));
        for (const auto& m : store) span.emplace_back(m);
        std::size_t done = 0;
        u32 next = 0;
        while (done < span.size()) {
            const auto pushed = p->push(std::span<const Bytes>(span).subspan(done), no_wait);
            REQUIRE((pushed.outcome == Outcome::ok || pushed.outcome == Outcome::full));
            REQUIRE(pushed.count > 0);
            done += pushed.count;
            CHECK((pushed.outcome == Outcome::ok) == (done == span.size()));
            while (auto message = c->pop(no_wait)) {
                REQUIRE(number_of(message.bytes()) == next);
                REQUIRE(message.sequence() == next++);
                REQUIRE(message.release() == Outcome::ok);
            }
        }
        CHECK(next == 100);
    }
}

TEST_CASE("a span stops before a message that is too long, and what came before is in the ring") {
    PrivateRing r({.capacity = 8, .slot_size = 64});
    auto p = r.producer(0);
    const auto good = payload(8, 0, 1), bad = payload(8 * 64);
    const std::vector<Bytes> span{good, good, bad, good};
    const auto pushed = p->push(span, no_wait);
    CHECK(pushed.outcome == Outcome::too_long);
    CHECK(pushed.count == 2);
    CHECK(r.ring.pending() == 2);
    CHECK(p->push(std::span<const Bytes>{}, no_wait).outcome == Outcome::ok);
}

TEST_CASE("spans of a fixed ring go in and come out as arrays") {
    PrivateRing r({.capacity = 12, .slot_size = 25, .fixed = true});  // 16 slots: arrays end at the end of memory
    auto p = r.producer(0);
    auto c = r.consumer(1);
    u32 pushed = 0, popped = 0;
    for (u32 round = 0; round < 60; ++round) {
        std::vector<std::vector<std::byte>> store;
        std::vector<Bytes> span;
        for (u32 i = 0; i < 7; ++i) store.push_back(payload(25, 1, pushed + i));
        for (const auto& m : store) span.emplace_back(m);
        const auto done = p->push(span, no_wait);
        REQUIRE(done.outcome == Outcome::ok);
        pushed += 7;
        while (popped < pushed) {
            auto batch = c->pop_batch(100, no_wait);
            REQUIRE(batch);
            REQUIRE(batch.size() >= 1);
            REQUIRE(batch.size() <= 3);  // a quarter of the ring
            REQUIRE(batch.array().size() == batch.size() * 25);
            for (std::size_t i = 0; i < batch.size(); ++i) REQUIRE(same(batch.array().subspan(i * 25, 25), payload(25, 1, popped++)));
            REQUIRE(batch.release() == Outcome::ok);
        }
    }
    CHECK(r.ring.pending() == 0);
}

// ---- batches out --------------------------------------------------------------------------------

TEST_CASE("a batch has at most as many as asked for, a quarter of the ring, and what is there") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.capacity = 32, .slot_size = 64, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        REQUIRE(c->pop(no_wait).outcome() == Outcome::empty);
        CHECK(c->pop_batch(5, no_wait).outcome() == Outcome::empty);
        push_numbers(*p, 0, 20);
        CHECK_FALSE(c->pop_batch(0, no_wait));
        u32 next = 0;
        for (const std::size_t expected : {3u, 8u, 8u, 1u}) {
            auto batch = c->pop_batch(next == 0 ? 3 : 100, no_wait);
            REQUIRE(batch.size() == expected);
            u32 n = next;
            for (auto& message : batch) CHECK(number_of(message.bytes()) == n++);
            n = next;
            for (auto& message : batch) CHECK(number_of(message.bytes()) == n++);  // as often as one likes
            next = n;
            REQUIRE(batch.release() == Outcome::ok);
        }
        CHECK(next == 20);
        CHECK(r.ring.pending() == 0);
    }
}

TEST_CASE("a message longer than a quarter of the ring still comes out in a batch") {
    PrivateRing r({.capacity = 8, .slot_size = 64});
    auto p = r.producer(0);
    auto c = r.consumer(1);
    REQUIRE(c->pop(no_wait).outcome() == Outcome::empty);
    const auto big = payload(7 * 64, 1, 1);
    REQUIRE(p->push(big, no_wait) == Outcome::ok);
    auto batch = c->pop_batch(10, no_wait);
    REQUIRE(batch.size() == 1);
    CHECK(same(batch.begin()->bytes(), big));
    CHECK(batch.release() == Outcome::ok);
}

TEST_CASE("a dropped batch is handed back and delivered again, flagged, as far as it was not released") {
    for (const auto& policy : policies) {
        for (const u32 released : {0u, 1u, 3u, 4u}) {
            CAPTURE(policy.name);
            CAPTURE(released);
            PrivateRing r({.capacity = 16, .slot_size = 64, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
            auto p = r.producer(0);
            auto c = r.consumer(1);
            REQUIRE(c->pop(no_wait).outcome() == Outcome::empty);
            push_numbers(*p, 0, 4);
            {
                auto batch = c->pop_batch(4, no_wait);
                REQUIRE(batch.size() == 4);
                u32 i = 0;
                for (auto& message : batch)
                    if (i++ < released) CHECK(message.release() == Outcome::ok);
            }
            for (u32 i = released; i < 4; ++i) {
                auto message = c->pop(patience());
                REQUIRE(message);
                CHECK(number_of(message.bytes()) == i);
                CHECK(message.redelivered());
                CHECK(message.sequence() == i);
                REQUIRE(message.release() == Outcome::ok);
            }
            CHECK(c->pop(no_wait).outcome() == Outcome::empty);
            CHECK(r.ring.pending() == 0);
        }
    }
}

TEST_CASE("what is handed back comes again before anything newer") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.capacity = 32, .slot_size = 64, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        REQUIRE(c->pop(no_wait).outcome() == Outcome::empty);
        push_numbers(*p, 0, 20);
        { auto batch = c->pop_batch(5, no_wait); REQUIRE(batch.size() == 5); }
        for (u32 i = 0; i < 20; ++i) {
            auto message = c->pop(patience());
            REQUIRE(number_of(message.bytes()) == i);
            CHECK(message.redelivered() == (i < 5));
            REQUIRE(message.release() == Outcome::ok);
        }
    }
}

TEST_CASE("released singly, out of order, the rest of a batch is still delivered again") {
    PrivateRing r({.capacity = 16, .slot_size = 64});
    auto p = r.producer(0);
    auto c = r.consumer(1);
    REQUIRE(c->pop(no_wait).outcome() == Outcome::empty);
    push_numbers(*p, 0, 4);
    {
        auto batch = c->pop_batch(4, no_wait);
        REQUIRE(batch.size() == 4);
        for (auto& message : batch)
            if (number_of(message.bytes()) % 2) CHECK(message.release() == Outcome::ok);
    }
    for (const u32 expected : {0u, 2u}) {
        auto message = c->pop(patience());
        CHECK(number_of(message.bytes()) == expected);
        CHECK(message.redelivered());
        REQUIRE(message.release() == Outcome::ok);
    }
    CHECK(c->pop(no_wait).outcome() == Outcome::empty);
    CHECK(r.ring.pending() == 0);
}

TEST_CASE("room given back by part of a batch may be used again before the batch is released") {
    for (const bool fixed : {false, true}) {
        CAPTURE(fixed);
        const u64 size = fixed ? 64 : 48;
        PrivateRing r({.capacity = 8, .slot_size = 64, .fixed = fixed});
        CHECK(r.ring.slots == (fixed ? 8u : 64u));
        auto p = r.producer(0);
        auto c = r.consumer(1);
        REQUIRE(c->pop(no_wait).outcome() == Outcome::empty);
        u32 pushed = 0, popped = 0;
        const auto push = [&] { REQUIRE(p->push(payload(size, 0, pushed++), no_wait) == Outcome::ok); };
        // Enough laps for the reused slot to be one of the batch's own.
        for (u32 round = 0; round < 200; ++round) {
            while (r.ring.pending() < 8) push();
            auto batch = c->pop_batch(2, no_wait);
            REQUIRE(batch.size() == 2);
            u32 in_batch = 0;
            for (auto& message : batch) {
                REQUIRE(number_of(message.bytes()) == popped + in_batch);
                if (in_batch++ == 0) REQUIRE(message.release() == Outcome::ok);
            }
            push();  // the producer finds the room of the first
            REQUIRE(batch.release() == Outcome::ok);
            popped += 2;
        }
        while (popped < pushed) {
            auto message = c->pop(no_wait);
            REQUIRE(message);
            REQUIRE(number_of(message.bytes()) == popped++);
            REQUIRE_FALSE(message.redelivered());
            REQUIRE(message.release() == Outcome::ok);
        }
    }
}

TEST_CASE("a batch released message by message and then as a whole takes nothing newer with it") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        // As many slots as the capacity: what is pushed meanwhile lies where the batch was.
        PrivateRing r({.capacity = 64, .slot_size = 64, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        REQUIRE(r.ring.slots == 64);
        auto p = r.producer(0);
        auto c = r.consumer(1);
        REQUIRE(c->pop(no_wait).outcome() == Outcome::empty);
        push_numbers(*p, 0, 64);
        auto batch = c->pop_batch(16, no_wait);
        REQUIRE(batch.size() == 16);
        for (auto& message : batch) REQUIRE(message.release() == Outcome::ok);
        push_numbers(*p, 64, 16);
        REQUIRE(batch.release() == Outcome::ok);
        for (u32 i = 16; i < 80; ++i) {
            auto message = c->pop(patience());
            REQUIRE(message);
            REQUIRE(number_of(message.bytes()) == i);
            REQUIRE(message.release() == Outcome::ok);
        }
        CHECK(r.ring.pending() == 0);
        CHECK(r.ring.entries[1].popped == 80);
    }
}

TEST_CASE("walking a batch again after some of it was released shows nothing that is not of the batch") {
    PrivateRing r({.capacity = 64, .slot_size = 64});
    auto p = r.producer(0);
    auto c = r.consumer(1);
    REQUIRE(c->pop(no_wait).outcome() == Outcome::empty);
    push_numbers(*p, 0, 64);
    {
        auto batch = c->pop_batch(4, no_wait);
        REQUIRE(batch.size() == 4);
        u32 i = 0;
        for (auto& message : batch)
            if (i++ < 2) REQUIRE(message.release() == Outcome::ok);
        REQUIRE(p->push(payload(60, 0, 64), no_wait) == Outcome::ok);  // two slots: over what two messages left
        for (auto& message : batch) {
            if (!message) continue;
            CHECK(number_of(message.bytes()) >= 2);
            CHECK(number_of(message.bytes()) <= 3);
            CHECK(message.release() == Outcome::ok);
        }
    }
    for (u32 i = 4; i < 65; ++i) {
        auto message = c->pop(patience());
        REQUIRE(number_of(message.bytes()) == i);
        CHECK_FALSE(message.redelivered());
        REQUIRE(message.release() == Outcome::ok);
    }
}

// ---- messages -----------------------------------------------------------------------------------

TEST_CASE("a message dropped without release is delivered again, flagged, the same") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        push_numbers(*p, 0, 2);
        u64 position = 0;
        {
            auto message = c->pop(no_wait);
            REQUIRE(message);
            CHECK_FALSE(message.redelivered());
            position = message.position();
        }
        auto message = c->pop(patience());
        REQUIRE(message);
        CHECK(message.redelivered());
        CHECK(message.position() == position);
        CHECK(message.sequence() == 0);
        CHECK(number_of(message.bytes()) == 0);
        REQUIRE(message.release() == Outcome::ok);
        CHECK(r.ring.entries[1].redelivered == 1);
        auto next = c->pop(no_wait);
        CHECK(number_of(next.bytes()) == 1);
        CHECK_FALSE(next.redelivered());
    }
}

TEST_CASE("an exception hands the message back") {
    PrivateRing r;
    auto p = r.producer(0);
    auto c = r.consumer(1);
    push_numbers(*p, 0, 1);
    try {
        auto message = c->pop(no_wait);
        throw std::runtime_error("output failed");
    } catch (const std::runtime_error&) {}
    auto message = c->pop(patience());
    REQUIRE(message);
    CHECK(message.redelivered());
    CHECK(message.release() == Outcome::ok);
}

TEST_CASE("a message handed back by one consumer goes to another who waits") {
    PrivateRing r;
    auto p = r.producer(0);
    auto c = r.consumer(1), d = r.consumer(2);
    push_numbers(*p, 0, 1);
    {
        auto message = c->pop(no_wait);
        REQUIRE(message);
        CHECK(d->pop(no_wait).outcome() == Outcome::empty);
        message.hand_back();
        CHECK_FALSE(message);
    }
    auto message = d->pop(patience());
    REQUIRE(message);
    CHECK(message.redelivered());
    CHECK(message.release() == Outcome::ok);
    CHECK(c->pop(no_wait).outcome() == Outcome::empty);
}

TEST_CASE("a moved message is released once") {
    PrivateRing r;
    auto p = r.producer(0);
    auto c = r.consumer(1);
    push_numbers(*p, 0, 2);
    auto message = c->pop(no_wait);
    auto moved = std::move(message);
    CHECK_FALSE(message);
    REQUIRE(moved);
    CHECK(moved.release() == Outcome::ok);
    CHECK(moved.release() == Outcome::ok);
    moved = c->pop(no_wait);
    CHECK(number_of(moved.bytes()) == 1);
}

TEST_CASE("popping into a buffer copies and commits, and a buffer too small leaves the message") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        const auto bytes = payload(100, 1, 5);
        REQUIRE(p->push(bytes, no_wait) == Outcome::ok);
        std::vector<std::byte> buffer(100);
        auto copied = c->pop(std::span(buffer).first(99), no_wait);
        CHECK(copied.outcome == Outcome::too_long);
        CHECK(copied.size == 100);
        copied = c->pop(buffer, patience());
        CHECK(copied.outcome == Outcome::ok);
        CHECK(copied.size == 100);
        CHECK(copied.position == 0);
        CHECK(same(buffer, bytes));
        CHECK(c->pop(buffer, no_wait).outcome == Outcome::empty);
        CHECK(r.ring.pending() == 0);
    }
}

TEST_CASE("messages released out of order free their room in order") {
    PrivateRing r({.capacity = 4, .slot_size = 64});
    auto p = r.producer(0);
    auto a = r.consumer(1), b = r.consumer(2), c = r.consumer(3);
    push_numbers(*p, 0, 4);
    auto first = a->pop(no_wait), second = b->pop(no_wait), third = c->pop(no_wait);
    REQUIRE(third);
    REQUIRE(third.release() == Outcome::ok);
    REQUIRE(second.release() == Outcome::ok);
    CHECK(p->push(payload(8), no_wait) == Outcome::full);  // the oldest is still held
    REQUIRE(first.release() == Outcome::ok);
    CHECK(r.ring.pending() == 1);
    push_numbers(*p, 4, 3);
    CHECK(p->push(payload(8), no_wait) == Outcome::full);
}

// ---- end, deadline, interrupt -------------------------------------------------------------------

TEST_CASE("after the end no push of any producer is taken, and consumers drain before they are told") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        push_numbers(*p, 0, 3);
        REQUIRE(p->end() == Outcome::ok);
        CHECK(r.ring.ended());
        CHECK(p->push(payload(8), no_wait) == Outcome::ended);
        CHECK(p->claim(8, forever).outcome() == Outcome::ended);
        CHECK(p->claim_batch(2, 8, forever).outcome() == Outcome::ended);
        const auto one_message = payload(8);
        const std::vector<Bytes> span{one_message};
        CHECK(p->push(span, forever).outcome == Outcome::ended);
        auto q = r.producer(2);
        CHECK(q->push(payload(8), no_wait) == Outcome::ended);
        for (u32 i = 0; i < 3; ++i) CHECK(c->pop(forever).release() == Outcome::ok);
        CHECK(c->pop(forever).outcome() == Outcome::ended);
        CHECK(c->pop(no_wait).outcome() == Outcome::ended);
        CHECK(c->pop_batch(4, no_wait).outcome() == Outcome::ended);
        CHECK(p->end() == Outcome::ok);
    }
}

TEST_CASE("an ended ring is drained only when nobody holds a message of it any more") {
    PrivateRing r;
    auto p = r.producer(0);
    auto c = r.consumer(1), d = r.consumer(2);
    push_numbers(*p, 0, 1);
    REQUIRE(p->end() == Outcome::ok);
    auto message = c->pop(no_wait);
    REQUIRE(message);
    CHECK(d->pop(no_wait).outcome() == Outcome::empty);
    CHECK(d->pop(after(10ms)).outcome() == Outcome::timed_out);
    SUBCASE("it is committed: ended") {
        REQUIRE(message.release() == Outcome::ok);
        CHECK(d->pop(patience()).outcome() == Outcome::ended);
    }
    SUBCASE("it is handed back: the other gets it") {
        message.hand_back();
        CHECK(d->pop(patience()).release() == Outcome::ok);
        CHECK(d->pop(patience()).outcome() == Outcome::ended);
    }
    SUBCASE("its holder dies: the other gets it") {
        const Frozen<Message> held(std::move(message));
        r.kill(1);
        CHECK(d->pop(patience()).release() == Outcome::ok);
        CHECK(d->pop(patience()).outcome() == Outcome::ended);
    }
}

TEST_CASE("a claim taken before the end can still be committed, and is waited for") {
    PrivateRing r;
    auto p = r.producer(0), q = r.producer(2);
    auto c = r.consumer(1);
    auto claim = p->claim(8, no_wait);
    REQUIRE(q->end() == Outcome::ok);
    CHECK(c->pop(no_wait).outcome() == Outcome::empty);
    fill(claim.bytes(), 0, 1);
    REQUIRE(claim.commit() == Outcome::ok);
    CHECK(number_of(c->pop(patience()).bytes()) == 1);
}

TEST_CASE("a wait ends at its deadline, and a deadline in the past is no wait at all") {
    for (const Waiting waiting : {Waiting::adaptive, Waiting::block, Waiting::spin}) {
        PrivateRing r({.capacity = 1});
        r.waiting = waiting;
        auto p = r.producer(0);
        auto c = r.consumer(1);
        const auto begin = Clock::now();
        CHECK(c->pop(begin + 20ms).outcome() == Outcome::timed_out);
        CHECK(Clock::now() >= begin + 20ms);
        CHECK(c->pop(begin).outcome() == Outcome::timed_out);
        CHECK(c->pop(Deadline::min() + 1ns).outcome() == Outcome::timed_out);
        push_numbers(*p, 0, 1);
        CHECK(p->push(payload(8), after(5ms)) == Outcome::timed_out);
        CHECK(c->pop(begin).release() == Outcome::ok);  // there is one: no need to wait
    }
    CHECK(after(Clock::duration::max()) == forever);
    CHECK(after(-1h) < Clock::now());
}

TEST_CASE("an interrupted handle answers so at every later wait, and still does what needs no wait") {
    PrivateRing r({.capacity = 1});
    auto p = r.producer(0);
    auto c = r.consumer(1);
    c->interrupt();
    CHECK(c->pop(forever).outcome() == Outcome::interrupted);
    CHECK(c->pop(forever).outcome() == Outcome::interrupted);
    push_numbers(*p, 0, 1);
    CHECK(c->pop(forever).release() == Outcome::ok);
    push_numbers(*p, 1, 1);
    p->interrupt();
    CHECK(p->push(payload(8), forever) == Outcome::interrupted);
}

TEST_CASE("how the process stands to its ring is what its operations answer") {
    PrivateRing r({.capacity = 2});
    auto p = r.producer(0);
    auto c = r.consumer(1);
    push_numbers(*p, 0, 2);
    r.peers.stand(Standing::removed);
    CHECK(p->push(payload(8), no_wait) == Outcome::removed);
    CHECK(p->push(payload(8), forever) == Outcome::removed);
    CHECK(c->pop(forever).release() == Outcome::ok);  // what is there is drained first
    CHECK(c->pop(forever).release() == Outcome::ok);
    CHECK(c->pop(forever).outcome() == Outcome::removed);
    r.peers.stand(Standing::corrupt);
    CHECK(p->push(payload(8), forever) == Outcome::corrupt);
    CHECK(c->pop(forever).outcome() == Outcome::corrupt);
    CHECK(p->end() == Outcome::corrupt);
    r.peers.stand(Standing::forked);
    CHECK(p->push(payload(8), forever) == Outcome::forked);
    CHECK(c->pop(forever).outcome() == Outcome::forked);
    CHECK(p->push(payload(8 * 64), no_wait) == Outcome::forked);
}

TEST_CASE("an operation that did nothing leaves nothing announced") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.capacity = 2, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(0);
        auto c = r.consumer(1);
        const auto nothing = [&] { return r.ring.entries[0].claim_position == no_position && r.ring.entries[1].claim_position == no_position; };
        const auto message = payload(8);
        const std::vector<Bytes> span{message, message, message};
        for (int round = 0; round < 3; ++round) {
            CHECK(c->pop(no_wait).outcome() == Outcome::empty);
            CHECK(c->pop(after(1ms)).outcome() == Outcome::timed_out);
            CHECK(c->pop_batch(2, after(1ms)).outcome() == Outcome::timed_out);
            CHECK(nothing());
            CHECK(p->push(span, after(1ms)).count == 2);
            CHECK(nothing());
            CHECK(p->push(message, no_wait) == Outcome::full);
            CHECK(p->push(message, after(1ms)) == Outcome::timed_out);
            CHECK(p->claim_batch(2, 8, after(1ms)).outcome() == Outcome::timed_out);
            CHECK(nothing());
            for (int i = 0; i < 2; ++i) CHECK(c->pop(no_wait).release() == Outcome::ok);
            CHECK(nothing());
        }
    }
}

TEST_CASE("counters count messages and bytes of each participant") {
    PrivateRing r({.capacity = 16});
    auto p = r.producer(0);
    auto c = r.consumer(1);
    const auto small = payload(10), large = payload(100);
    REQUIRE(p->push(small, no_wait) == Outcome::ok);
    const std::vector<Bytes> span{small, large};
    REQUIRE(p->push(span, no_wait).count == 2);
    auto batch = p->claim_batch(2, 20, no_wait);
    fill(batch.next(20), 0, 0);
    REQUIRE(batch.commit() == Outcome::ok);
    { auto dropped = p->claim(100, no_wait); }
    CHECK(r.ring.entries[0].pushed == 4);
    CHECK(r.ring.entries[0].pushed_bytes == 140);
    CHECK(r.ring.entries[0].abandoned == 1 + 2);  // slots
    REQUIRE(c->pop(no_wait).release() == Outcome::ok);
    auto out = c->pop_batch(10, no_wait);
    REQUIRE(out.size() >= 1);
    REQUIRE(out.release() == Outcome::ok);
    while (auto message = c->pop(no_wait)) CHECK(message.release() == Outcome::ok);
    CHECK(r.ring.entries[1].popped == 4);
    CHECK(r.ring.entries[1].popped_bytes == 140);
    CHECK(r.ring.entries[1].redelivered == 0);
}

TEST_CASE("every outcome has words") {
    for (const Outcome outcome : {Outcome::ok, Outcome::full, Outcome::empty, Outcome::timed_out, Outcome::ended, Outcome::removed, Outcome::too_long,
                                  Outcome::interrupted, Outcome::corrupt, Outcome::forked})
        CHECK(std::string(describe(outcome)) != "unknown outcome");
    CHECK(std::string(describe(static_cast<Outcome>(200))) == "unknown outcome");
}

TEST_SUITE_END();
