// Rings that go by themselves: with their last participant, or with the object that made them.
#include <doctest/doctest.h>

#include <barrier>
#include <filesystem>
#include <thread>

#include "segment.hpp"
#include "support.hpp"

using namespace test;

TEST_SUITE_BEGIN("ephemeral");

namespace {

constexpr Options ephemeral() { return {.slots = 16, .ephemeral = true}; }
bool there(const std::string& name) { return std::filesystem::exists(path_of(name)); }
Errc refusal(const std::string& name) { return error_of([&] { Producer out(name); }).value_or(static_cast<Errc>(-1)); }

template <class Side>
void come_and_die(const std::string& name) {
    Child child = holder<Side>(name);
    REQUIRE(child.hear() == 'r');
    child.kill();
}

}  // namespace

TEST_CASE("an ephemeral ring waits for its first participant and goes with its last, messages or not") {
    NamedRing ring(ephemeral());
    CHECK(shmq::stat(ring.name).ephemeral);
    CHECK(shmq::stat(ring.name).state == RingState::open);
    create(ring.name, {.slots = 16, .ephemeral = true, .if_exists = IfExists::keep});  // is no participant
    CHECK(error_of([&] { create(ring.name, {.slots = 16, .if_exists = IfExists::keep}); }) == Errc::other_geometry);
    {
        Producer first(ring.name);
        {
            Consumer second(ring.name);
            { Consumer third(ring.name); }
            CHECK(first.push(payload(8)) == Outcome::ok);
        }
        CHECK(there(ring.name));
        CHECK(shmq::stat(ring.name).messages == 1);
        CHECK(error_of([&] { shmq::remove(ring.name); }) == Errc::in_use);
    }
    CHECK_FALSE(there(ring.name));
    NamedRing stays({.slots = 16});
    { Producer out(stays.name); }
    CHECK(there(stays.name));
    CHECK_FALSE(shmq::stat(stays.name).ephemeral);
}

TEST_CASE("a handle that moves is still the same participant") {
    NamedRing ring(ephemeral());
    {
        Producer first(ring.name);
        Producer second(std::move(first));
        CHECK(second.push(payload(8)) == Outcome::ok);
    }
    CHECK_FALSE(there(ring.name));
}

TEST_CASE("killed, the last participant leaves a ring that is gone for whoever comes next") {
    using enum IfExists;
    const auto leave_one = [](const std::string& name) {
        create(name, ephemeral());
        come_and_die<Producer>(name);
        CHECK(there(name));  // nobody has looked yet
        CHECK(shmq::stat(name).state == RingState::removed);
    };
    const std::string name = NamedRing::fresh();
    leave_one(name);
    CHECK(refusal(name) == Errc::no_such_ring);
    CHECK_FALSE(there(name));
    for (const IfExists how : {fail, keep, replace, replace_force, reopen}) {
        leave_one(name);
        create(name, {.slots = 5, .if_exists = how});
        CHECK(shmq::stat(name).slots == 5);
        CHECK(shmq::stat(name).state == RingState::open);
        shmq::remove(name);
    }
    leave_one(name);
    shmq::remove(name);
    CHECK_FALSE(there(name));
    leave_one(name);
    CHECK(sweep({.idle = 1h, .dry_run = true, .names = {name}}).at(0).fate == Fate::removed);
    CHECK(there(name));
    CHECK(sweep({.idle = 1h, .names = {name}}).at(0).fate == Fate::removed);
    CHECK_FALSE(there(name));
}

TEST_CASE("while one participant lives, the others' deaths do not matter") {
    NamedRing ring(ephemeral());
    {
        Producer out(ring.name);
        come_and_die<Consumer>(ring.name);
        CHECK(shmq::stat(ring.name).state == RingState::open);
        { Consumer in(ring.name); }
        CHECK(sweep({.idle = 0s, .with_messages = true, .names = {ring.name}}).at(0).fate == Fate::in_use);
        CHECK(out.push(payload(8)) == Outcome::ok);
    }
    CHECK_FALSE(there(ring.name));
}

TEST_CASE("who leaves a ring that was replaced does not take away the new one") {
    NamedRing ring(ephemeral());
    {
        Producer out(ring.name);
        create(ring.name, {.slots = 5, .ephemeral = true, .if_exists = IfExists::replace_force});
    }
    CHECK(shmq::stat(ring.name).slots == 5);
}

TEST_CASE("in a forked child a handle takes nothing away") {
    NamedRing ring(ephemeral());
    {
        auto out = std::make_unique<Producer>(ring.name);
        Child child([&](const Child::Line&) {
            out.reset();
            return 0;
        });
        CHECK(child.wait() == 0);
        CHECK(there(ring.name));
        CHECK(out->push(payload(8)) == Outcome::ok);
    }
    CHECK_FALSE(there(ring.name));
}

// ---- races --------------------------------------------------------------------------------------

TEST_CASE("of several who leave at once, one takes the ring away") {
    const std::string name = NamedRing::fresh();
    constexpr int threads = 3, rounds = 1000;
    std::barrier step(threads + 1);
    const auto leaver = [&] {
        for (int i = 0; i < rounds; ++i) {
            step.arrive_and_wait();
            std::optional<Producer> mine(name);
            step.arrive_and_wait();
            mine.reset();
            step.arrive_and_wait();
        }
    };
    std::vector<std::jthread> all;
    for (int i = 0; i < threads; ++i) all.emplace_back(leaver);
    int left_over = 0;
    for (int i = 0; i < rounds; ++i) {
        create(name, ephemeral());
        step.arrive_and_wait();  // all attach
        step.arrive_and_wait();  // all leave
        step.arrive_and_wait();
        if (there(name)) ++left_over, ::unlink(path_of(name).c_str());
    }
    CHECK(left_over == 0);
}

TEST_CASE("whoever is attached keeps the ring, however others leave it and are killed") {
    const std::string name = NamedRing::fresh();
    const auto visit = [&](const Child::Line& line) {
        pollfd stop{line.in_, POLLIN, 0};
        while (poll(&stop, 1, 0) == 0) {
            try {
                Consumer in(name);
            } catch (const Error& error) {
                if (error.code() != Errc::no_such_ring && error.code() != Errc::removed) throw;
            }
        }
        return 0;
    };
    std::vector<Child> visitors;
    for (int i = 0; i < 2; ++i) visitors.emplace_back(visit);
    u64 attached = 0, late = 0;
    for (u32 i = 0; i < 2000 || (attached < 100 && i < 100'000); ++i) {
        if (i % 50 == 49) visitors[1].kill(), visitors[1] = Child(visit);
        create(name, {.slots = 16, .ephemeral = true, .if_exists = IfExists::keep});
        std::optional<Producer> out;
        if (const auto error = error_of([&] { out.emplace(name); })) {
            REQUIRE((*error == Errc::no_such_ring || *error == Errc::removed));
            ++late;
            continue;
        }
        ++attached;
        REQUIRE(out->push(payload(8, 1, i)) == Outcome::ok);
        Consumer in(name);  // the name still leads to this ring
        auto message = in.pop(patience());
        REQUIRE(message);
        CHECK(same(message.bytes(), payload(8, 1, i)));
        REQUIRE(message.release() == Outcome::ok);
    }
    for (auto& child : visitors) {
        child.say('s');
        CHECK(child.wait() == 0);
    }
    MESSAGE(attached, " attached, ", late, " came late");
    CHECK(attached >= 100);
    if (there(name)) CHECK(refusal(name) == Errc::no_such_ring);  // left by one that was killed
    CHECK_FALSE(there(name));
}

// ---- rings of a scope ---------------------------------------------------------------------------

TEST_CASE("a scoped ring is there for as long as its object, used or not") {
    const std::string name = NamedRing::fresh();
    {
        ScopedRing ring(name, {.slots = 16});
        CHECK(error_of([&] { create(name); }) == Errc::exists);
        { Producer(name).push(payload(8)); }  // NOLINT: the message stays, though nobody is attached
        CHECK(shmq::stat(name).messages == 1);
        CHECK(shmq::stat(name).state == RingState::open);
        CHECK(error_of([&] { shmq::remove(name); }) == Errc::in_use);
        CHECK(sweep({.idle = 0s, .with_messages = true, .names = {name}}).at(0).fate == Fate::in_use);
        ScopedRing moved(std::move(ring));
        CHECK(there(name));
    }
    CHECK_FALSE(there(name));
    for (const IfExists how : {IfExists::keep, IfExists::reopen})
        CHECK(error_of([&] { ScopedRing ring(name, {.slots = 16, .if_exists = how}); }) == Errc::bad_option);
    CHECK_FALSE(there(name));
    create(name, {.slots = 4});
    CHECK(error_of([&] { ScopedRing ring(name, {.slots = 16}); }) == Errc::exists);
    { ScopedRing ring(name, {.slots = 16, .if_exists = IfExists::replace}); }
    CHECK_FALSE(there(name));
}

TEST_CASE("who is attached when a scoped ring goes drains it and is told") {
    const std::string name = NamedRing::fresh();
    std::optional<ScopedRing> ring(std::in_place, name, Options{.slots = 16});
    Producer out(name);
    Consumer in(name);
    REQUIRE(out.push(payload(8)) == Outcome::ok);
    ring.reset();
    CHECK_FALSE(there(name));
    CHECK(in.pop(patience()).release() == Outcome::ok);
    CHECK(in.pop(patience()).outcome() == Outcome::removed);
}

TEST_CASE("a scoped ring takes away itself alone, and a forked child nothing") {
    const std::string name = NamedRing::fresh();
    {
        ScopedRing ring(name, {.slots = 16});
        shmq::remove(name, true);
        create(name, {.slots = 5});
    }
    CHECK(shmq::stat(name).slots == 5);
    shmq::remove(name);
    std::optional<ScopedRing> ring(std::in_place, name, Options{.slots = 16});
    Child child([&](const Child::Line& line) {
        ring.reset();
        line.say('r');
        line.hear();
        return 0;
    });
    REQUIRE(child.hear() == 'r');
    CHECK(there(name));
    ring.reset();
    CHECK_FALSE(there(name));
}

TEST_CASE("killed, the maker of a scoped ring leaves it to those who are attached, and to nobody after them") {
    const std::string name = NamedRing::fresh();
    const auto make = [&](const Child::Line& line) {
        ScopedRing ring(name, {.slots = 16});
        line.say('r');
        line.hear();
        return 0;
    };
    {
        Child child(make);
        REQUIRE(child.hear() == 'r');
        std::optional<Producer> out(name);
        child.kill();
        CHECK(out->push(payload(8)) == Outcome::ok);
        CHECK(shmq::stat(name).state == RingState::open);
        out.reset();
        CHECK_FALSE(there(name));
    }
    Child child(make);
    REQUIRE(child.hear() == 'r');
    child.kill();
    CHECK(shmq::stat(name).state == RingState::removed);  // though nobody was ever attached
    create(name, {.slots = 5});
    CHECK(shmq::stat(name).slots == 5);
    shmq::remove(name);
}

TEST_SUITE_END();
