// Watchers: who waits for a state of a ring and takes no part in it.
#include <doctest/doctest.h>

#include <linux/futex.h>
#include <sys/syscall.h>

#include <thread>

#include "support.hpp"
#include "waiter.hpp"

using namespace test;

TEST_SUITE_BEGIN("watching");

namespace {

constexpr Condition all_conditions[] = {Condition::empty, Condition::nonempty, Condition::full, Condition::reader, Condition::writer, Condition::ended};

// The conditions that hold, by asking a watcher and by looking.
std::vector<Condition> true_of(const std::string& name) {
    std::vector<Condition> now;
    for (const Condition condition : all_conditions) {
        Watcher watcher(name);
        const Outcome outcome = watcher.wait(condition, no_wait);
        CHECK((outcome == Outcome::ok) == holds(shmq::stat(name), condition));
        if (outcome == Outcome::ok) now.push_back(condition);
    }
    return now;
}

using Conditions = std::vector<Condition>;

// A child that waits for a condition and ends with the outcome; it says so before.
Child waits_for(const std::string& name, Condition condition) {
    Child child([=](const Child::Line& line) {
        Watcher watcher(name);
        if (watcher.wait(condition, no_wait) == Outcome::ok) return 90;
        line.say('r');
        return static_cast<int>(watcher.wait(condition, patience()));
    });
    REQUIRE(child.hear() == 'r');
    return child;
}

}  // namespace

namespace doctest {
template <>
struct StringMaker<Conditions> {
    static String convert(const Conditions& conditions) {
        std::string text;
        for (const Condition condition : conditions) text += std::to_string(static_cast<int>(condition)) + ' ';
        return text.c_str();
    }
};
}  // namespace doctest

TEST_CASE("each condition is what it says, for a watcher and for who only looks") {
    for (const bool fixed : {false, true}) {
        CAPTURE(fixed);
        NamedRing ring({.slots = 3, .fixed = fixed});
        CHECK(true_of(ring.name) == Conditions{Condition::empty});
        {
            Producer out(ring.name);
            CHECK(true_of(ring.name) == Conditions{Condition::empty, Condition::writer});
            {
                auto claim = out.claim(64 - (fixed ? 0 : 16));
                CHECK(true_of(ring.name) == Conditions{Condition::empty, Condition::writer});  // what is not committed is no message
                REQUIRE(claim.commit() == Outcome::ok);
            }
            CHECK(true_of(ring.name) == Conditions{Condition::nonempty, Condition::writer});
            for (int i = 0; i < 2; ++i) REQUIRE(out.push(payload(fixed ? 64 : 8)) == Outcome::ok);
            CHECK(true_of(ring.name) == Conditions{Condition::nonempty, Condition::full, Condition::writer});
            REQUIRE(out.end() == Outcome::ok);
        }
        Consumer in(ring.name);
        auto message = in.pop();
        REQUIRE(message.release() == Outcome::ok);
        CHECK(true_of(ring.name) == Conditions{Condition::nonempty, Condition::reader, Condition::ended});
        auto batch = in.pop_batch(2);
        for (auto& one_of_them : batch) REQUIRE(one_of_them.release() == Outcome::ok);
        REQUIRE(batch.release() == Outcome::ok);
        if (auto last = in.try_pop()) {
            CHECK(true_of(ring.name) == Conditions{Condition::nonempty, Condition::reader, Condition::ended});  // held is not yet consumed
            REQUIRE(last.release() == Outcome::ok);
        }
        CHECK(true_of(ring.name) == Conditions{Condition::empty, Condition::reader, Condition::ended});
        CHECK(Watcher(ring.name).wait(Condition::nonempty) == Outcome::ended);  // it never will be
        CHECK(Watcher(ring.name).wait(Condition::full) == Outcome::ended);
    }
}

TEST_CASE("a watcher hears of what it waits for, whoever brings it about") {
    NamedRing ring({.slots = 2});
    {
        Child watcher = waits_for(ring.name, Condition::writer);
        Producer out(ring.name);
        CHECK(watcher.wait() == static_cast<int>(Outcome::ok));
        Child other = waits_for(ring.name, Condition::nonempty);
        REQUIRE(out.push(payload(8)) == Outcome::ok);
        CHECK(other.wait() == static_cast<int>(Outcome::ok));
        Child third = waits_for(ring.name, Condition::full);
        REQUIRE(out.push(payload(8)) == Outcome::ok);
        CHECK(third.wait() == static_cast<int>(Outcome::ok));
    }
    {
        Child watcher = waits_for(ring.name, Condition::reader);
        Consumer in(ring.name);
        CHECK(watcher.wait() == static_cast<int>(Outcome::ok));
        Child other = waits_for(ring.name, Condition::empty);
        for (int i = 0; i < 2; ++i) REQUIRE(in.pop().release() == Outcome::ok);
        CHECK(other.wait() == static_cast<int>(Outcome::ok));
    }
    Child watcher = waits_for(ring.name, Condition::ended);
    REQUIRE(Producer(ring.name).end() == Outcome::ok);
    CHECK(watcher.wait() == static_cast<int>(Outcome::ok));
}

TEST_CASE("a watcher is told when its ring is removed, with and without us") {
    for (const bool by_us : {true, false}) {
        NamedRing ring;
        Child watcher = waits_for(ring.name, Condition::full);
        if (by_us) shmq::remove(ring.name, true);
        else REQUIRE(::unlink(ring.path().c_str()) == 0);
        CHECK(watcher.wait() == static_cast<int>(Outcome::removed));
    }
}

TEST_CASE("a watcher ends at its deadline, and when it is interrupted") {
    NamedRing ring;
    Watcher watcher(ring.name);
    CHECK(watcher.wait(Condition::reader, shmq::after(1ms)) == Outcome::timed_out);
    CHECK(watcher.wait(Condition::reader, no_wait) == Outcome::timed_out);
    std::thread other([&] { watcher.interrupt(); });
    CHECK(watcher.wait(Condition::reader, patience()) == Outcome::interrupted);
    other.join();
}

TEST_CASE("a watcher is neither reader nor writer, takes no single side's place, and is in the table") {
    NamedRing ring({.slots = 4, .producers = one, .consumers = one, .participants = 4});
    Watcher first(ring.name), second(ring.name);
    Producer out(ring.name);
    Consumer in(ring.name);
    CHECK(error_of([&] { Watcher third(ring.name); }) == Errc::table_full);
    CHECK(error_of([&] { shmq::remove(ring.name); }) == Errc::in_use);
    const Status status = shmq::stat(ring.name);
    CHECK(status.readers == 1);
    CHECK(status.writers == 1);
    REQUIRE(status.participants.size() == 4);
    CHECK(status.participants[0].role == role_watcher);
    CHECK(status.participants[1].alive);
    CHECK(in.producers_ever() == 1);
}

TEST_CASE("a killed watcher disturbs nobody") {
    NamedRing ring({.slots = 4, .waiting = Waiting::block, .participants = 6});
    for (const Condition condition : {Condition::full, Condition::nonempty, Condition::reader}) {
        std::vector<Child> watchers;
        for (int i = 0; i < 4; ++i) watchers.push_back(waits_for(ring.name, condition));
        for (auto& watcher : watchers) watcher.kill();
        Child consumer([&](const Child::Line& line) {
            Consumer in(ring.name);
            line.say('r');
            for (int i = 0; i < 100; ++i)
                if (in.pop(patience()).release() != Outcome::ok) return 1;
            return 0;
        });
        REQUIRE(consumer.hear() == 'r');
        Producer out(ring.name);
        for (int i = 0; i < 100; ++i) REQUIRE(out.push(payload(8), patience()) == Outcome::ok);
        CHECK(consumer.wait() == 0);
    }
    const Status status = shmq::stat(ring.name);
    CHECK(status.producers_ended_badly == 0);
    CHECK(status.consumers_ended_badly == 0);
    CHECK(status.used == 0);
    CHECK(error_of([&] { shmq::remove(ring.name); }) == std::nullopt);
}

// ---- wakes --------------------------------------------------------------------------------------
// With futexes that nothing else ends: a wake that goes to the wrong one leaves the right one asleep.

namespace {

class Sleeper {
public:
    Sleeper(WaitWord& word, u32 bits) : thread_([this, &word, bits] {
        const u32 value = word.value.load();
        asleep_ = true;
        while (syscall(SYS_futex, reinterpret_cast<u32*>(&word.value), FUTEX_WAIT_BITSET, value, nullptr, nullptr, bits) != 0 && errno == EINTR) {}
        awake_ = true;
    }) {}
    ~Sleeper() { thread_.join(); }
    bool awake() const { return awake_; }
    // In the kernel, as far as can be told from outside.
    bool asleep() const {
        if (!asleep_ || awake_) return false;
        usleep(5000);
        return !awake_;
    }

private:
    std::atomic<bool> asleep_{false}, awake_{false};
    std::thread thread_;
};

}  // namespace

TEST_CASE("a wake wakes one sleeper and besides all watchers, so no watcher takes a consumer's") {
    for (int round = 0; round < 20; ++round) {
        WaitWord word{};
        word.value = wait_sleeping | wait_watching;
        Sleeper watcher(word, 2), consumer(word, 1), other(word, 2);
        for (const Sleeper* s : {&watcher, &consumer, &other}) REQUIRE(eventually([&] { return s->asleep(); }));
        wake_one(word);
        for (const Sleeper* s : {&watcher, &consumer, &other}) CHECK(eventually([&] { return s->awake(); }));
        CHECK((word.value & (wait_sleeping | wait_watching)) == 0);
        wake_all(word);  // whatever happened above, nobody stays
    }
}

TEST_CASE("news for watchers leaves a sleeping consumer and its flag as they are") {
    WaitWord word{};
    word.value = wait_sleeping | wait_watching;
    Sleeper watcher(word, 2), consumer(word, 1);
    for (const Sleeper* s : {&watcher, &consumer}) REQUIRE(eventually([&] { return s->asleep(); }));
    wake_watchers(word);
    CHECK(eventually([&] { return watcher.awake(); }));
    CHECK(consumer.asleep());
    CHECK((word.value & (wait_sleeping | wait_watching)) == wait_sleeping);
    const u32 value = word.value;
    wake_watchers(word);  // nobody watches any more
    CHECK(word.value == value);
    wake_one(word);
    CHECK(eventually([&] { return consumer.awake(); }));
    wake_all(word);
}

TEST_SUITE_END();
