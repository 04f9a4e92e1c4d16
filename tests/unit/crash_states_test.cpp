// What a process leaves behind that dies between two steps, written by hand, and what the others make of it.
#include <doctest/doctest.h>

#include "support.hpp"

using namespace test;

TEST_SUITE_BEGIN("crash_states");

namespace {

constexpr u32 dead = 0, consumer = 1, other = 2;

u32 number_of(Bytes bytes) {
    u32 author = 0, number = 0;
    return whole(bytes, author, number) ? number : ~0u;
}
void push_number(ProducerCore& producer, u32 number) { REQUIRE(producer.push(payload(8, 0, number), no_wait) == Outcome::ok); }
void expect(ConsumerCore& from, u32 number, bool redelivered = false) {
    auto message = from.pop(patience());
    REQUIRE(message.outcome() == Outcome::ok);
    REQUIRE(number_of(message.bytes()) == number);
    CHECK(message.redelivered() == redelivered);
    REQUIRE(message.release() == Outcome::ok);
}
// Nothing to read, nothing held, all room free again.
void expect_clean(PrivateRing& r, ConsumerCore& by) {
    CHECK(eventually([&] { return by.pop(no_wait).outcome() == Outcome::empty && r.ring.pending() == 0; }));
    CHECK(r.write_position() == r.read_position());
    CHECK(r.free_position() == r.read_position());
}

}  // namespace

// ---- producers ----------------------------------------------------------------------------------

TEST_CASE("a producer that died after announcing took nothing") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto c = r.consumer(consumer);
        r.attach(dead, role_producer);
        r.announce(dead, 0, 3);
        r.kill(dead);
        CHECK(c->pop(no_wait).outcome() == Outcome::empty);
        auto p = r.producer(other);
        push_number(*p, 1);
        expect(*c, 1);
        expect_clean(r, *c);
    }
}

TEST_CASE("a claim abandoned by a dead producer is skipped") {
    for (const auto& policy : policies) {
        for (const u64 slots : {1u, 2u, 5u}) {
            for (const bool wrote_payload : {false, true}) {
                CAPTURE(policy.name);
                CAPTURE(slots);
                PrivateRing r({.one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
                auto c = r.consumer(consumer);
                r.attach(dead, role_producer);
                r.announce(dead, 0, slots);
                r.write_position() = slots;
                if (wrote_payload) r.write_message(0, payload(slots * 64 - 16, 0, 9));
                r.kill(dead);
                auto p = r.producer(other);
                push_number(*p, 1);
                expect(*c, 1);
                expect_clean(r, *c);
                CHECK(r.ring.entries[consumer].abandoned == slots);
            }
        }
    }
}

TEST_CASE("a claim abandoned with nothing behind it does not keep the ring from being empty, or ended") {
    PrivateRing r;
    auto c = r.consumer(consumer);
    r.attach(dead, role_producer);
    r.announce(dead, 0, 4);
    r.write_position() = 4;
    CHECK(c->pop(no_wait).outcome() == Outcome::empty);  // it lives: wait for it
    CHECK(r.ring.pending() == 4);
    r.kill(dead);
    expect_clean(r, *c);
    auto p = r.producer(other);
    REQUIRE(p->end() == Outcome::ok);
    CHECK(c->pop(patience()).outcome() == Outcome::ended);
}

TEST_CASE("a dead producer's claim before the end bit does not keep the stream from ending") {
    PrivateRing r;
    auto c = r.consumer(consumer);
    auto p = r.producer(other);
    r.attach(dead, role_producer);
    r.announce(dead, 0, 4);
    r.write_position() = 4;
    REQUIRE(p->end() == Outcome::ok);
    CHECK(c->pop(after(5ms)).outcome() == Outcome::timed_out);
    r.kill(dead);
    CHECK(c->pop(patience()).outcome() == Outcome::ended);
}

TEST_CASE("a producer that died right after its commit pushed a message, withdrawn or not") {
    for (const bool withdrawn : {false, true}) {
        PrivateRing r;
        auto c = r.consumer(consumer);
        r.attach(dead, role_producer);
        r.announce(dead, 0, 1);
        r.write_position() = 1;
        r.write_message(0, payload(8, 0, 7), dead);
        r.commit(0);
        if (withdrawn) r.withdraw(dead);
        r.kill(dead);
        expect(*c, 7);
        expect_clean(r, *c);
    }
}

TEST_CASE("of a batch that its producer died in, what was committed is delivered and the rest is skipped") {
    for (const auto& policy : policies) {
        for (u32 committed = 0; committed <= 4; ++committed) {
            CAPTURE(policy.name);
            CAPTURE(committed);
            PrivateRing r({.capacity = 16, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
            auto c = r.consumer(consumer);
            r.attach(dead, role_producer);
            r.announce(dead, 0, 8);  // four messages of two slots
            r.write_position() = 8;
            for (u32 i = 0; i < 4; ++i) r.write_message(i * 2, payload(100, 0, i), dead, i);
            for (u32 i = 0; i < committed; ++i) r.commit(i * 2);
            r.kill(dead);
            auto p = r.producer(other);
            push_number(*p, 99);
            for (u32 i = 0; i < committed; ++i) expect(*c, i);
            expect(*c, 99);
            expect_clean(r, *c);
        }
    }
}

TEST_CASE("claims of several dead producers are skipped, those of the living between them waited for") {
    PrivateRing r({.capacity = 16});
    auto c = r.consumer(consumer);
    // 0-1 dead, 2-3 alive, 4 dead, 5-7 alive, 8 committed
    const struct { u32 entry; u64 at, slots; bool dies; } claims[] = {{3, 0, 2, true}, {4, 2, 2, false}, {5, 4, 1, true}, {6, 5, 3, false}};
    for (const auto& claim : claims) {
        r.attach(claim.entry, role_producer);
        r.announce(claim.entry, claim.at, claim.slots);
        if (claim.dies) r.kill(claim.entry);
    }
    r.write_position() = 8;
    auto p = r.producer(other);
    push_number(*p, 8);
    for (int i = 0; i < 10; ++i) CHECK(c->pop(no_wait).outcome() == Outcome::empty);
    CHECK(r.read_position() == 2);  // the dead one's went, the living one's stay
    r.write_message(2, payload(100, 0, 2), 4);
    r.commit(2), r.withdraw(4);
    expect(*c, 2);
    CHECK(c->pop(after(20ms)).outcome() == Outcome::timed_out);
    CHECK(r.read_position() == 5);
    r.kill(6);
    expect(*c, 8);
    expect_clean(r, *c);
}

TEST_CASE("a claim of the whole ring by a dead producer is taken back by the next producer, without any consumer") {
    for (const u64 capacity : {1u, 5u, 8u, 600u, 2000u}) {
        for (const bool fixed : {false, true}) {
            CAPTURE(capacity);
            CAPTURE(fixed);
            PrivateRing r({.capacity = capacity, .slot_size = 64, .fixed = fixed});
            r.attach(dead, role_producer);
            r.announce(dead, 0, capacity);
            r.write_position() = capacity;
            auto p = r.producer(other);
            const auto message = payload(fixed ? 64 : 48, 0, 3);
            CHECK(p->push(message, no_wait) == Outcome::full);  // it lives
            r.kill(dead);
            CHECK(p->push(message, patience()) == Outcome::ok);
            auto c = r.consumer(consumer);
            expect(*c, 3);
            expect_clean(r, *c);
        }
    }
}

TEST_CASE("an abandoned claim in the middle of a full ring is met by the consumer in its turn") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.capacity = 8, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto c = r.consumer(consumer);
        {
            auto p = r.producer(other);
            for (u32 i = 0; i < 3; ++i) push_number(*p, i);
        }
        r.kill(other);
        r.attach(dead, role_producer);
        r.announce(dead, 3, 3);
        r.write_position() = 6;
        r.kill(dead);
        auto p = r.producer(other);
        push_number(*p, 3);
        push_number(*p, 4);
        CHECK(p->push(payload(8), no_wait) == Outcome::full);
        for (u32 i = 0; i < 5; ++i) expect(*c, i);
        expect_clean(r, *c);
    }
}

TEST_CASE("a claim shortened by its producer, who died between giving back the rest and the commit, is skipped whole") {
    PrivateRing r;
    auto c = r.consumer(consumer);
    r.attach(dead, role_producer);
    r.announce(dead, 0, 4);
    r.write_position() = 4;
    for (const u64 p : {2, 3}) r.ring.word(p) = r.ring.lap_tag(p) | word_abandoned;
    r.kill(dead);
    auto p = r.producer(other);
    push_number(*p, 5);
    expect(*c, 5);
    expect_clean(r, *c);
    CHECK(r.ring.entries[consumer].abandoned == 2);
}

TEST_CASE("a repairer that died after some of its work left work that the next one finishes") {
    for (u64 done = 0; done <= 4; ++done) {
        for (u64 stepped = 0; stepped <= done; ++stepped) {
            PrivateRing r;
            auto c = r.consumer(consumer);
            r.attach(dead, role_producer);
            r.announce(dead, 0, 4);
            r.write_position() = 4;
            r.kill(dead);
            for (u64 p = 0; p < done; ++p) r.ring.word(p) = r.ring.lap_tag(p) | word_abandoned;
            r.read_position() = stepped;
            auto p = r.producer(other);
            push_number(*p, 1);
            expect(*c, 1);
            expect_clean(r, *c);
        }
    }
}

TEST_CASE("a producer that is stopped, not dead, is never robbed") {
    PrivateRing r;
    auto c = r.consumer(consumer);
    auto p = r.producer(other);
    auto stopped = r.producer(3);
    auto claim = stopped->claim(100, no_wait);
    REQUIRE(claim);
    for (u32 i = 0; i < 6; ++i) push_number(*p, i);
    for (int i = 0; i < 20; ++i) CHECK(c->pop(after(1ms)).outcome() == Outcome::timed_out);
    CHECK(p->push(payload(8), after(5ms)) == Outcome::timed_out);
    CHECK(r.ring.word(0) == 0);
    fill(claim.bytes(), 0, 77);
    REQUIRE(claim.commit() == Outcome::ok);
    expect(*c, 77);
    for (u32 i = 0; i < 6; ++i) expect(*c, i);
    expect_clean(r, *c);
}

TEST_CASE("an entry taken again with the dead producer's register still in it does not protect the old claim") {
    PrivateRing r;
    auto c = r.consumer(consumer);
    r.attach(dead, role_producer);
    r.announce(dead, 0, 3);
    r.write_position() = 3;
    r.kill(dead);
    // The new owner holds the lock and has not cleared the register yet: the claim looks alive.
    r.peers.live(dead);
    CHECK(c->pop(no_wait).outcome() == Outcome::empty);
    auto p = r.producer(dead);  // now it has
    push_number(*p, 4);
    expect(*c, 4);
    expect_clean(r, *c);
}

TEST_CASE("an entry that a dead producer had and a consumer takes does not protect the old claim") {
    PrivateRing r;
    r.attach(dead, role_producer);
    r.announce(dead, 0, 3);
    r.write_position() = 3;
    r.kill(dead);
    auto c = r.consumer(dead);
    auto p = r.producer(other);
    push_number(*p, 4);
    expect(*c, 4);
    expect_clean(r, *c);
}

TEST_CASE("words of older laps are not messages of this one") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.capacity = 64, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        REQUIRE(r.ring.slots == 64);
        auto c = r.consumer(consumer);
        {
            auto p = r.producer(other);
            for (u32 i = 0; i < 640; ++i) push_number(*p, i), expect(*c, i);  // every word READY of lap 10
        }
        r.kill(other);
        r.attach(dead, role_producer);
        r.announce(dead, 640, 10);
        r.write_position() = 650;
        r.kill(dead);
        auto p = r.producer(other);
        push_number(*p, 1000);
        expect(*c, 1000);
        expect_clean(r, *c);
        CHECK(r.read_position() == 651);
    }
}

// ---- consumers ----------------------------------------------------------------------------------

TEST_CASE("a consumer that died after announcing took nothing, and the message is not called redelivered") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(other);
        push_number(*p, 1);
        r.attach(dead, role_consumer);
        r.announce(dead, 0, 1);
        r.kill(dead);
        auto c = r.consumer(consumer);
        expect(*c, 1);
        expect_clean(r, *c);
    }
}

TEST_CASE("a message claimed by a dead consumer is delivered again, flagged, with the same number") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
        auto p = r.producer(other);
        push_number(*p, 1);
        push_number(*p, 2);
        r.attach(dead, role_consumer);
        r.announce(dead, 0, 1);
        r.read_position() = 1;
        std::unique_ptr<ConsumerCore> c;
        if (!policy.one_consumer) {
            c = r.consumer(consumer);
            expect(*c, 2);
            CHECK(c->pop(no_wait).outcome() == Outcome::empty);  // its holder lives
            r.kill(dead);
        } else {
            r.kill(dead);
            c = r.consumer(consumer);
        }
        auto message = c->pop(patience());
        REQUIRE(number_of(message.bytes()) == 1);
        CHECK(message.redelivered());
        CHECK(message.sequence() == 0);
        CHECK(message.position() == 0);
        CHECK(message.release() == Outcome::ok);
        if (policy.one_consumer) expect(*c, 2);
        expect_clean(r, *c);
    }
}

TEST_CASE("a message that was committed is not delivered again, whenever its consumer died after") {
    for (const bool withdrawn : {false, true}) {
        for (const bool in_order : {false, true}) {
            CAPTURE(withdrawn);
            CAPTURE(in_order);
            PrivateRing r;
            auto p = r.producer(other);
            auto c = r.consumer(consumer);
            push_number(*p, 1);
            push_number(*p, 2);
            auto held = in_order ? c->pop_batch(0, no_wait) : c->pop_batch(1, no_wait);  // the older one, or nothing
            const u64 mine = in_order ? 0 : 1;
            r.attach(dead, role_consumer);
            r.announce(dead, mine, 1);
            r.read_position() = mine + 1;
            if (in_order) r.free_position() = 1;
            else r.ring.word(1) = r.ring.lap_tag(1) | word_done;
            if (withdrawn) r.withdraw(dead);
            r.kill(dead);
            if (in_order) expect(*c, 2);
            else CHECK(held.release() == Outcome::ok);
            expect_clean(r, *c);
            CHECK(r.ring.entries[consumer].redelivered == 0);
        }
    }
}

TEST_CASE("what a consumer had not committed of its batch when it died is delivered again, in order, before newer messages") {
    for (const auto& policy : policies) {
        for (u32 done = 0; done <= 4; ++done) {
            CAPTURE(policy.name);
            CAPTURE(done);
            PrivateRing r({.capacity = 16, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer});
            auto p = r.producer(other);
            for (u32 i = 0; i < 8; ++i) REQUIRE(p->push(payload(100, 0, i), no_wait) == Outcome::ok);
            r.attach(dead, role_consumer);
            r.announce(dead, 0, 8);
            r.read_position() = 8;
            for (u32 i = 0; i < done; ++i) r.ring.word(i * 2) = r.ring.lap_tag(i * 2) | word_done;
            r.kill(dead);
            auto c = r.consumer(consumer);
            for (u32 i = done; i < 8; ++i) expect(*c, i, i < 4);
            expect_clean(r, *c);
            CHECK(r.ring.entries[consumer].redelivered == 4 - done);
        }
    }
}

TEST_CASE("one who took over a dead consumer's message and died too leaves it to the next") {
    PrivateRing r;
    auto p = r.producer(other);
    push_number(*p, 1);
    r.attach(dead, role_consumer);
    r.announce(dead, 0, 1);
    r.read_position() = 1;
    r.kill(dead);
    r.attach(3, role_consumer);
    SUBCASE("after announcing") { r.announce(3, 0, 1); }
    SUBCASE("after the CAS") {
        r.announce(3, 0, 1);
        r.ring.word(0) = word_next_attempt(r.ring.word(0));
    }
    SUBCASE("after handing it back") { r.ring.word(0) = word_next_attempt(r.ring.word(0)); }
    r.kill(3);
    auto c = r.consumer(consumer);
    expect(*c, 1, true);
    expect_clean(r, *c);
}

TEST_CASE("a consumer that is stopped, not dead, is never robbed, and nothing is delivered twice") {
    for (const bool fixed : {false, true}) {
        PrivateRing r({.capacity = 4, .slot_size = 64, .fixed = fixed});
        auto p = r.producer(other);
        auto c = r.consumer(consumer), stopped = r.consumer(3);
        const u64 size = fixed ? 64 : 48;
        for (u32 i = 0; i < 4; ++i) REQUIRE(p->push(payload(size, 0, i), no_wait) == Outcome::ok);
        auto held = stopped->pop(no_wait);
        REQUIRE(number_of(held.bytes()) == 0);
        for (u32 i = 1; i < 4; ++i) expect(*c, i);
        for (int i = 0; i < 20; ++i) CHECK(c->pop(after(1ms)).outcome() == Outcome::timed_out);
        CHECK(p->push(payload(size), after(5ms)) == Outcome::timed_out);
        CHECK(number_of(held.bytes()) == 0);
        REQUIRE(held.release() == Outcome::ok);
        expect_clean(r, *c);
    }
}

TEST_CASE("a consumer's entry taken again with the old register still in it gives up the old claim") {
    PrivateRing r;
    auto p = r.producer(other);
    push_number(*p, 1);
    r.attach(dead, role_consumer);
    r.announce(dead, 0, 1);
    r.read_position() = 1;
    r.kill(dead);
    auto c = r.consumer(consumer);
    r.peers.live(dead);  // somebody has taken the entry and not yet cleared it
    CHECK(c->pop(no_wait).outcome() == Outcome::empty);
    SUBCASE("to a consumer") {
        auto again = r.consumer(dead);
        expect(*again, 1, true);
        CHECK(eventually([&] { return r.ring.pending() == 0; }));
    }
    SUBCASE("to a producer") {
        auto again = r.producer(dead);
        expect(*c, 1, true);
    }
    SUBCASE("which the same consumer notices") {
        r.attach(dead, role_consumer);
        expect(*c, 1, true);
    }
    expect_clean(r, *c);
}

TEST_CASE("messages held by the dead on both sides of what the living hold come back without touching those") {
    PrivateRing r({.capacity = 16});
    auto p = r.producer(other);
    for (u32 i = 0; i < 5; ++i) push_number(*p, i);
    auto living = r.consumer(3);
    r.attach(4, role_consumer), r.announce(4, 0, 2), r.read_position() = 2, r.kill(4);
    Frozen<Message> held(living->pop(no_wait));  // takes over 0: it looks there first
    REQUIRE(number_of(held.value.bytes()) == 0);
    auto c = r.consumer(consumer);
    expect(*c, 1, true);
    for (u32 i = 2; i < 5; ++i) expect(*c, i);
    CHECK(c->pop(after(5ms)).outcome() == Outcome::timed_out);
    CHECK(held.value.release() == Outcome::ok);
    expect_clean(r, *c);
}

TEST_CASE("a dead consumer's message keeps the ring full until a consumer comes, and then no longer") {
    PrivateRing r({.capacity = 2});
    auto p = r.producer(other);
    push_number(*p, 0), push_number(*p, 1);
    r.attach(dead, role_consumer), r.announce(dead, 0, 1), r.read_position() = 1, r.kill(dead);
    CHECK(p->push(payload(8), after(5ms)) == Outcome::timed_out);  // promised to be kept
    auto c = r.consumer(consumer);
    expect(*c, 0, true);
    push_number(*p, 2);
    expect(*c, 1), expect(*c, 2);
    expect_clean(r, *c);
}

TEST_CASE("a message delivered again ever so often stays marked so, and its attempts go round") {
    PrivateRing r;
    auto p = r.producer(other);
    auto c = r.consumer(consumer);
    push_number(*p, 5);
    for (u32 i = 0; i < 600; ++i) {
        auto message = c->pop(patience());
        REQUIRE(number_of(message.bytes()) == 5);
        REQUIRE(message.redelivered() == (i > 0));
    }
    CHECK(word_attempt(r.ring.word(0)) == (599 - 1) % 255 + 1);
    CHECK(word_attempt(word_next_attempt(r.ring.lap_tag(0) | 0xff00 | word_ready)) == 1);
    CHECK((word_next_attempt(r.ring.lap_tag(0) | 0xff00 | word_ready) & ~word_attempt_mask) == (r.ring.lap_tag(0) | word_ready));
    expect(*c, 5, true);
    expect_clean(r, *c);
}

// ---- long lives ---------------------------------------------------------------------------------

TEST_CASE("the lap in a word goes round after 2^48 laps without a message lost, on one slot") {
    for (const auto& policy : policies) {
        CAPTURE(policy.name);
        PrivateRing r({.capacity = 1, .slot_size = 4096, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer, .start = (u64{1} << 48) - 20});
        REQUIRE(r.ring.slots == 1);
        auto c = r.consumer(consumer);
        auto p = r.producer(other);
        for (u32 i = 0; i < 40; ++i) {
            push_number(*p, i);
            REQUIRE(p->push(payload(8), no_wait) == Outcome::full);
            if (i % 3 == 1) { auto dropped = c->pop(no_wait); REQUIRE(dropped); }
            expect(*c, i, i % 3 == 1);
            if (i % 4 == 0) { auto dropped = p->claim(8, no_wait); REQUIRE(dropped); }
        }
        expect_clean(r, *c);
    }
}

TEST_CASE("a claim of a dead producer across the turn of laps is skipped") {
    for (u64 before = 0; before < 4; ++before) {
        PrivateRing r({.capacity = 1, .slot_size = 4096, .start = (u64{1} << 48) - 3 + before});
        const u64 at = r.write_position();
        auto c = r.consumer(consumer);
        r.attach(dead, role_producer);
        r.announce(dead, at, 1);
        r.write_position() = at + 1;
        r.kill(dead);
        auto p = r.producer(other);
        REQUIRE(p->push(payload(8, 0, 3), patience()) == Outcome::ok);
        expect(*c, 3);
        expect_clean(r, *c);
    }
}

TEST_CASE("positions just below the end bit work") {
    PrivateRing r({.capacity = 8, .start = end_bit - 1000});
    auto c = r.consumer(consumer);
    auto p = r.producer(other);
    for (u32 i = 0; i < 100; ++i) push_number(*p, i), expect(*c, i);
    REQUIRE(p->end() == Outcome::ok);
    CHECK(c->pop(forever).outcome() == Outcome::ended);
}

TEST_SUITE_END();

// ---- what no operation leads to -----------------------------------------------------------------

TEST_SUITE_BEGIN("corrupt");

namespace {

// Everything a participant can ask for, on a ring whose content is anything: it must come back.
void exercise(PrivateRing& r) {
    auto p = r.producer(other);
    auto c = r.consumer(consumer);
    const auto message = payload(r.ring.fixed ? r.ring.slot_size : 20, 0, 1);
    const std::vector<Bytes> span(5, message);
    std::vector<std::byte> buffer(1000);
    u64 read = 0;
    for (int i = 0; i < 2; ++i) {
        (void)p->push(message, no_wait);
        (void)p->push(span, no_wait);
        if (auto claim = p->claim(message.size(), no_wait)) (void)claim.commit();
        if (auto batch = p->claim_batch(3, message.size(), no_wait)) {
            if (const auto place = batch.next(message.size()); place.data()) fill(place, 0, 1);
            (void)batch.commit();
        }
        if (auto m = c->pop(no_wait)) {
            for (const auto b : m.bytes()) read += static_cast<u64>(b);
            (void)m.time_ns(), (void)m.sequence(), (void)m.producer();
            (void)m.release();
        }
        if (auto batch = c->pop_batch(5, no_wait)) {
            int singly = 0;
            for (auto& m : batch) {
                for (const auto b : m.bytes()) read += static_cast<u64>(b);
                if (singly++ % 2) (void)m.release();
            }
            for (const auto b : batch.array()) read += static_cast<u64>(b);
            if (i % 2) (void)batch.release();
        }
        (void)c->pop(buffer, no_wait);
        if (i == 0) (void)c->pop(after(1ms)), (void)p->push(message, after(1ms));
        (void)r.ring.pending();
    }
    CHECK(read != ~u64{0});
}

}  // namespace

TEST_CASE("a word of a state that does not exist is corrupt") {
    for (const u64 state : {4u, 17u, 255u}) {
        PrivateRing r;
        r.write_position() = 1;
        r.ring.word(0) = r.ring.lap_tag(0) | state;
        auto c = r.consumer(consumer);
        CHECK(c->pop(patience()).outcome() == Outcome::corrupt);
        CHECK(c->pop(patience()).outcome() == Outcome::corrupt);
    }
}

TEST_CASE("a word of a lap that has not come is corrupt") {
    PrivateRing r;
    r.write_position() = 1;
    r.ring.word(0) = r.ring.lap_tag(r.ring.slots) | word_ready;
    auto c = r.consumer(consumer);
    CHECK(c->pop(patience()).outcome() == Outcome::corrupt);
}

TEST_CASE("a message done before anybody read it is corrupt") {
    PrivateRing r;
    r.write_position() = 1;
    r.ring.word(0) = r.ring.lap_tag(0) | word_done;
    auto c = r.consumer(consumer);
    CHECK(c->pop(patience()).outcome() == Outcome::corrupt);
}

TEST_CASE("a length beyond the ring is corrupt, and not read") {
    for (const u32 length : {8u * 64u - 15u, 0x7fffffffu, 0xffffffffu}) {
        PrivateRing r;
        auto p = r.producer(other);
        REQUIRE(p->push(payload(8), no_wait) == Outcome::ok);
        std::memcpy(r.ring.slot(0), &length, sizeof length);
        auto c = r.consumer(consumer);
        CHECK(c->pop(patience()).outcome() == Outcome::corrupt);
    }
}

TEST_CASE("a held message whose length became impossible is corrupt when it is looked for") {
    PrivateRing r;
    auto p = r.producer(other);
    REQUIRE(p->push(payload(8), no_wait) == Outcome::ok);
    r.attach(dead, role_consumer), r.announce(dead, 0, 1), r.read_position() = 1, r.kill(dead);
    const u32 length = 0xffffffff;
    std::memcpy(r.ring.slot(0), &length, sizeof length);
    auto c = r.consumer(consumer);
    CHECK(c->pop(patience()).outcome() == Outcome::corrupt);
}

TEST_CASE("write_position far ahead of what can be is corrupt") {
    for (const u64 w : {u64{65}, u64{1} << 40, end_bit - 1}) {
        PrivateRing r;
        REQUIRE(r.ring.slots == 64);
        r.write_position() = w;
        auto c = r.consumer(consumer);
        auto p = r.producer(other);
        CHECK(c->pop(patience()).outcome() == Outcome::corrupt);
        CHECK(p->push(payload(8), patience()) == Outcome::corrupt);
    }
}

TEST_CASE("write_position behind read_position is corrupt") {
    PrivateRing r({.start = 100});
    r.write_position() = 90;
    auto c = r.consumer(consumer);
    auto p = r.producer(other);
    CHECK(c->pop(patience()).outcome() == Outcome::corrupt);
    CHECK(p->push(payload(8), patience()) == Outcome::corrupt);
}

TEST_CASE("free_position ahead of write_position is corrupt") {
    for (const u64 f : {u64{101}, u64{5000}, ~u64{0}, end_bit}) {
        CAPTURE(f);
        PrivateRing r({.start = 100});
        r.free_position() = f;
        auto c = r.consumer(consumer);
        auto p = r.producer(other);
        CHECK(p->push(payload(8), patience()) == Outcome::corrupt);
        CHECK(c->pop(patience()).outcome() == Outcome::corrupt);
    }
}

TEST_CASE("free_position far behind read_position is corrupt") {
    PrivateRing r({.start = 1000});
    r.free_position() = 10;
    auto c = r.consumer(consumer);
    auto p = r.producer(other);
    CHECK(p->push(payload(8), patience()) == Outcome::corrupt);
    CHECK(c->pop(patience()).outcome() == Outcome::corrupt);
}

TEST_CASE("a register of wild values keeps nobody from working") {
    const u64 wild[] = {0, 1, 63, 64, 1000, end_bit - 1, end_bit, ~u64{0} - 1, ~u64{0} - 63};
    for (const u64 position : wild) {
        for (const u64 slots : wild) {
            for (const Role role : {role_producer, role_consumer, role_watcher, static_cast<Role>(77)}) {
                PrivateRing r({.start = 5000});
                r.attach(3, role);
                r.announce(3, position, slots);
                if (position % 2) r.kill(3);
                auto c = r.consumer(consumer);
                auto p = r.producer(other);
                for (u32 i = 0; i < 20; ++i) push_number(*p, i), expect(*c, i);
                { auto dropped = c->pop(no_wait); }
                expect_clean(r, *c);
            }
        }
    }
}

TEST_CASE("entries_used beyond the table is not believed") {
    PrivateRing r({.participants = 4});
    auto c = r.consumer(consumer);
    auto p = r.producer(other);
    r.ring.lines->events.entries_used = 0xffffffff;
    r.attach(dead, role_producer), r.announce(dead, 0, 2), r.write_position() = 2, r.kill(dead);
    push_number(*p, 1);
    expect(*c, 1);
}

TEST_CASE("any one word, position or length of nonsense is answered, never hung on, never crashed on") {
    const u64 values[] = {0, 2, 7, 64, 0x10000, 0x10001, 0x10003, 0x20001, 0x1ff01, u64{1} << 32, end_bit - 1, end_bit + 1, end_bit + 70, ~u64{0}};
    for (const bool fixed : {false, true}) {
        for (const auto& policy : policies) {
            for (const u64 value : values) {
                for (int what = 0; what < 9; ++what) {
                    CAPTURE(fixed);
                    CAPTURE(value);
                    CAPTURE(what);
                    PrivateRing r({.capacity = 8, .slot_size = 64, .fixed = fixed, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer, .timestamps = true});
                    {
                        auto p = r.producer(4);
                        auto c = r.consumer(5);
                        for (int i = 0; i < 6; ++i) REQUIRE(p->push(payload(r.ring.fixed ? 64 : 30), no_wait) == Outcome::ok);
                        REQUIRE(c->pop(no_wait).release() == Outcome::ok);
                        const Frozen<Message> held(c->pop(no_wait));
                        REQUIRE(held.value);
                        r.kill(4), r.kill(5);
                    }
                    switch (what) {
                        case 0: r.write_position() = value; break;
                        case 1: r.read_position() = value; break;
                        case 2: r.free_position() = value; break;
                        case 3: r.ring.word(1) = value; break;
                        case 4: r.ring.word(2) = value; break;
                        case 5: r.ring.word(6) = value; break;
                        case 6: std::memcpy(r.ring.slot(1), &value, 8); break;
                        case 7: std::memcpy(r.ring.slot(2), &value, 8); break;
                        case 8: std::memset(static_cast<void*>(&r.ring.lines->data_wait.value), static_cast<int>(value), 4); break;
                    }
                    exercise(r);
                }
            }
        }
    }
}

TEST_CASE("random nonsense all over is answered, never hung on, never crashed on") {
    u64 seed = 0x9e3779b97f4a7c15;
    const auto random = [&] { return seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17; };
    const auto small_or_wild = [&](u64 near) { const u64 k = random() % 8; return k < 5 ? near + random() % 80 - 8 : k == 5 ? random() : k == 6 ? end_bit | (random() % 100) : ~(random() % 100); };
    for (int round = 0; round < 200; ++round) {
        CAPTURE(round);
        const auto& policy = policies[random() % 4];
        PrivateRing r({.capacity = 1 + random() % 20, .slot_size = round % 2 ? 64u : 40u, .fixed = random() % 3 == 0, .one_producer = policy.one_producer, .one_consumer = policy.one_consumer,
                       .timestamps = random() % 2 == 0, .start = 1000});
        for (u64 p = 0; p < r.ring.slots; ++p)
            if (random() % 2) r.ring.word(p) = r.ring.lap_tag(1000 + random() % (3 * r.ring.slots) - r.ring.slots) | (random() % 6) | (random() % 3 ? 0 : word_attempt_one);
        if (random() % 2) r.write_position() = small_or_wild(1000);
        if (random() % 2) r.read_position() = small_or_wild(1000);
        if (random() % 2) r.free_position() = small_or_wild(1000);
        for (u64 i = 0; i < r.ring.slots * r.ring.slot_size / 8; ++i) {
            const u64 bits = random() % 4 ? random() % 600 : random();
            std::memcpy(r.ring.data + i * 8, &bits, 8);
        }
        for (u32 e = 3; e < 8; ++e) {
            r.attach(e, static_cast<Role>(random() % 4));
            r.announce(e, small_or_wild(1000), small_or_wild(0));
            if (random() % 2) r.kill(e);
        }
        exercise(r);
    }
}

TEST_SUITE_END();
