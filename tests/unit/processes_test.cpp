// The whole library between several processes, some of which are killed, stopped or forked.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/syscall.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "sigbus.hpp"
#include "support.hpp"

using namespace test;

TEST_SUITE_BEGIN("processes");

namespace {

u32 number_of(Bytes bytes) {
    u32 author = 0, number = 0;
    return whole(bytes, author, number) ? number : ~0u;
}

bool names_ring(const char* maps, const std::string& path) {
    std::ifstream in(maps);
    for (std::string line; std::getline(in, line);)
        if (line.find(path) != std::string::npos) return true;
    return false;
}

int descriptors_of(pid_t pid, const std::string& path) {
    int count = 0;
    for (const auto& fd : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
        std::error_code gone;
        count += std::filesystem::read_symlink(fd, gone) == path;
    }
    return count;
}

// One that holds a claim, or the oldest message, until the test lets it go or kills it.
Child holding_claim(const std::string& name, std::size_t bytes) {
    Child child([&](const Child::Line& line) {
        Producer mine(name);
        auto claim = mine.claim(bytes);
        line.say('r');
        line.hear();
        return 0;
    });
    REQUIRE(child.hear() == 'r');
    return child;
}
Child holding_message(const std::string& name) {
    Child child([&](const Child::Line& line) {
        Consumer mine(name);
        auto message = mine.pop(patience());
        line.say('r');
        line.hear();
        return 0;
    });
    REQUIRE(child.hear() == 'r');
    return child;
}

// How long a thread that sleeps in `wait` sleeps on after `change`, of which nobody wakes it.
std::chrono::nanoseconds sleeps_on(const std::function<void()>& wait, const std::function<void()>& change) {
    std::atomic<pid_t> id{0};
    Clock::time_point noticed;
    std::thread sleeper([&] {
        id = static_cast<pid_t>(syscall(SYS_gettid));
        wait();
        noticed = Clock::now();
    });
    int asleep = 0;  // looks in a row
    const bool sleeps = eventually([&] {
        std::ifstream in("/proc/self/task/" + std::to_string(id) + "/stat");
        std::string text;
        std::getline(in, text);
        const auto at = text.rfind(") ");
        asleep = at != std::string::npos && text.compare(at, 3, ") S") == 0 ? asleep + 1 : 0;
        return asleep >= 10;
    });
    const auto then = Clock::now();
    change();
    sleeper.join();
    CHECK(sleeps);
    return noticed - then;
}

// The shortest of some tries, which a busy machine does not lengthen.
template <class Try>
std::chrono::nanoseconds shortest_of(Try one_try) {
    std::chrono::nanoseconds shortest = one_try();
    for (int i = 1; i < 50 && shortest >= 500ms; ++i) shortest = std::min<std::chrono::nanoseconds>(shortest, one_try());
    return shortest;
}

}  // namespace

TEST_CASE("between processes, under every policy, everything arrives once, whole, in each producer's order") {
    constexpr u32 each = 5000;
    for (const auto& policy : policies) {
        for (const bool fixed : {false, true}) {
            for (const Waiting waiting : {Waiting::adaptive, Waiting::block}) {
                CAPTURE(policy.name);
                CAPTURE(fixed);
                NamedRing ring({.slots = 50, .slot_size = 64, .fixed = fixed, .producers = policy.one_producer ? one : many, .consumers = policy.one_consumer ? one : many, .timestamps = true, .waiting = waiting});
                const u32 producers = policy.one_producer ? 1 : 2, consumers = policy.one_consumer ? 1 : 2;
                Common<std::atomic<u32>> seen(producers * each);
                std::vector<Child> children;
                for (u32 c = 0; c < consumers; ++c) {
                    children.emplace_back([&, c](const Child::Line&) {
                        Consumer in(ring.name);
                        std::vector<u32> next(producers, 0);
                        const auto accept = [&](const Message& m) {
                            u32 author = 0, number = 0;
                            if (!whole(m.bytes(), author, number) || author >= producers || number >= each || m.redelivered() || !m.time_ns()) return false;
                            if (number < next[author]) return false;
                            next[author] = number + 1;
                            ++seen[author * each + number];
                            return true;
                        };
                        for (u32 i = 0;; ++i) {
                            if (i % 3 == 0) {
                                auto batch = in.pop_batch(8, patience());
                                if (!batch) return batch.outcome() == Outcome::ended ? 0 : 2;
                                for (auto& m : batch)
                                    if (!accept(m)) return 1;
                                if (batch.release() != Outcome::ok) return 3;
                            } else {
                                auto m = in.pop(patience());
                                if (!m) return m.outcome() == Outcome::ended ? 0 : 2;
                                if (!accept(m)) return 1;
                                if (m.release() != Outcome::ok) return 3;
                            }
                        }
                    });
                }
                std::vector<Child> authors;
                for (u32 p = 0; p < producers; ++p) {
                    authors.emplace_back([&, p](const Child::Line&) {
                        Producer out(ring.name);
                        for (u32 i = 0; i < each; ++i)
                            if (out.push(payload(fixed ? 64 : 8 + i % 150, p, i), patience()) != Outcome::ok) return 1;
                        return 0;
                    });
                }
                for (auto& author : authors) CHECK(author.wait() == 0);
                REQUIRE(Producer(ring.name).end() == Outcome::ok);
                for (auto& child : children) CHECK(child.wait() == 0);
                u32 wrong = 0;
                for (u32 i = 0; i < producers * each; ++i) wrong += seen[i] != 1;
                CHECK(wrong == 0);
                const Status status = shmq::stat(ring.name);
                CHECK(status.pushed == producers * each);
                CHECK(status.popped == producers * each);
                CHECK(status.used == 0);
                CHECK(status.producers_ended_badly == 0);
                CHECK(status.consumers_ended_badly == 0);
            }
        }
    }
}

// ---- roles and the table ------------------------------------------------------------------------

TEST_CASE("a second producer or consumer of a single side is refused while the first lives, and admitted once it is killed") {
    NamedRing ring({.slots = 4, .producers = one, .consumers = one});
    for (int round = 0; round < 5; ++round) {
        {
            Child child = holder<Producer>(ring.name);
            REQUIRE(child.hear() == 'r');
            CHECK(error_of([&] { Producer p(ring.name); }) == Errc::role_taken);
            child.stop();
            CHECK(error_of([&] { Producer p(ring.name); }) == Errc::role_taken);  // stopped is not dead
            Consumer other_side(ring.name);
            child.kill();
            CHECK(error_of([&] { Producer p(ring.name); }) == std::nullopt);
        }
        Child child = holder<Consumer>(ring.name);
        REQUIRE(child.hear() == 'r');
        CHECK(error_of([&] { Consumer c(ring.name); }) == Errc::role_taken);
        child.kill();
        CHECK(error_of([&] { Consumer c(ring.name); }) == std::nullopt);
    }
    {
        Producer first(ring.name);
        CHECK(error_of([&] { Producer p(ring.name); }) == Errc::role_taken);  // in one process as well
    }
    Producer next(ring.name);
}

TEST_CASE("a single side's successor goes on where the killed one stopped") {
    NamedRing ring({.slots = 8, .producers = one, .consumers = one});
    for (u32 round = 0; round < 6; ++round) {
        Child producer([&](const Child::Line& line) {
            Producer out(ring.name);
            if (out.push(payload(8, 0, 2 * round)) != Outcome::ok) return 1;
            auto claim = out.claim(100);
            line.say('r');
            line.hear();
            return 0;
        });
        REQUIRE(producer.hear() == 'r');
        producer.kill();
        Child consumer([&](const Child::Line& line) {
            Consumer in(ring.name);
            auto message = in.pop(patience());
            line.say(number_of(message.bytes()) == 2 * round ? 'r' : 'x');
            line.hear();
            return 0;
        });
        REQUIRE(consumer.hear() == 'r');
        consumer.kill();
        Producer out(ring.name);
        REQUIRE(out.push(payload(8, 0, 2 * round + 1), patience()) == Outcome::ok);
        Consumer in(ring.name);
        for (u32 i = 0; i < 2; ++i) {
            auto message = in.pop(patience());
            REQUIRE(number_of(message.bytes()) == 2 * round + i);
            CHECK(message.redelivered() == (i == 0));
            REQUIRE(message.release() == Outcome::ok);
        }
        CHECK(in.try_pop().outcome() == Outcome::empty);
    }
    CHECK(shmq::stat(ring.name).producers_ended_badly == 6);
    CHECK(shmq::stat(ring.name).consumers_ended_badly == 6);
}

TEST_CASE("a table full of the living is full, a table full of the dead is empty") {
    NamedRing ring({.slots = 4, .participants = 3});
    {
        std::vector<Child> children;
        for (int i = 0; i < 3; ++i) {
            children.push_back(i % 2 ? holder<Producer>(ring.name) : holder<Consumer>(ring.name));
            REQUIRE(children.back().hear() == 'r');
        }
        CHECK(error_of([&] { Producer p(ring.name); }) == Errc::table_full);
        CHECK(error_of([&] { Consumer c(ring.name); }) == Errc::table_full);
        CHECK(shmq::stat(ring.name).participants.size() == 3);
        children[1].kill();
        CHECK(error_of([&] { Consumer c(ring.name); }) == std::nullopt);
        for (auto& child : children) child.kill();
    }
    std::vector<Producer> three;
    for (int i = 0; i < 3; ++i) three.emplace_back(ring.name);
    CHECK(error_of([&] { Producer p(ring.name); }) == Errc::table_full);
    CHECK(shmq::stat(ring.name).writers == 3);
    CHECK(shmq::stat(ring.name).producers_ended_badly == 1);
    CHECK(shmq::stat(ring.name).consumers_ended_badly == 2);
}

TEST_CASE("producers that end badly are counted: killed or said so, once each, entry reused or not") {
    NamedRing ring;
    Consumer in(ring.name);
    { Producer orderly(ring.name); }
    CHECK(in.producers_ended_badly() == 0);
    Child child = holder<Producer>(ring.name);
    REQUIRE(child.hear() == 'r');
    CHECK(in.producers_attached() == 1);
    CHECK(in.producers_ended_badly() == 0);
    child.kill();
    CHECK(in.producers_attached() == 0);
    CHECK(in.producers_ended_badly() == 1);
    CHECK(shmq::stat(ring.name).producers_ended_badly == 1);
    {
        Producer reuses(ring.name);
        CHECK(reuses.entry() == 1);
        CHECK(in.producers_ended_badly() == 1);
        reuses.leave_badly();
        CHECK(in.producers_ended_badly() == 1);  // not yet left
    }
    CHECK(in.producers_ended_badly() == 2);
    CHECK(in.producers_ever() == 3);
    CHECK(shmq::stat(ring.name).producers_ended_badly == 2);
    CHECK(shmq::stat(ring.name).writers == 0);
    CHECK(shmq::stat(ring.name).readers == 1);
}

// ---- kills --------------------------------------------------------------------------------------

TEST_CASE("what a killed consumer held comes again, flagged, the same; what it had released does not") {
    NamedRing ring({.slots = 32});
    Producer out(ring.name);
    Consumer in(ring.name);
    for (u32 i = 0; i < 12; ++i) REQUIRE(out.push(payload(8, 0, i)) == Outcome::ok);
    Child child([&](const Child::Line& line) {
        Consumer mine(ring.name);
        if (mine.pop().release() != Outcome::ok) return 1;  // 0
        auto batch = mine.pop_batch(4);                      // 1, or 1 to 4
        u32 i = 0;
        for (auto& m : batch)
            if (i++ == 0 && m.release() != Outcome::ok) return 1;
        line.say(static_cast<char>('0' + batch.size()));
        line.hear();
        return 0;
    });
    const u32 held = static_cast<u32>(child.hear() - '0');
    REQUIRE(held == 4);
    child.stop();
    for (u32 i = 5; i < 8; ++i) {
        auto message = in.pop(patience());
        REQUIRE(number_of(message.bytes()) == i);
        CHECK_FALSE(message.redelivered());
        REQUIRE(message.release() == Outcome::ok);
    }
    child.kill();
    std::vector<u32> again, fresh;
    while (again.size() + fresh.size() < 7) {
        auto message = in.pop(patience());
        REQUIRE(message);
        (message.redelivered() ? again : fresh).push_back(number_of(message.bytes()));
        CHECK(message.sequence() == number_of(message.bytes()));
        REQUIRE(message.release() == Outcome::ok);
    }
    CHECK(again == std::vector<u32>{2, 3, 4});
    CHECK(fresh == std::vector<u32>{8, 9, 10, 11});
    CHECK(in.try_pop().outcome() == Outcome::empty);
    CHECK(in.empty());
}

TEST_CASE("a stopped consumer keeps its message, and loses it when killed") {
    NamedRing ring;
    Producer out(ring.name);
    Consumer in(ring.name);
    REQUIRE(out.push(payload(8, 0, 1)) == Outcome::ok);
    Child child = holding_message(ring.name);
    child.stop();
    CHECK(in.pop(after(250ms)).outcome() == Outcome::timed_out);  // longer than any nap
    CHECK(out.end() == Outcome::ok);
    CHECK(in.pop(after(150ms)).outcome() == Outcome::timed_out);  // not drained, not ended
    child.kill();
    auto message = in.pop(patience());
    REQUIRE(message);
    CHECK(message.redelivered());
    REQUIRE(message.release() == Outcome::ok);
    CHECK(in.pop(patience()).outcome() == Outcome::ended);
}

TEST_CASE("who waits learns of the death of what it waited for") {
    NamedRing ring({.slots = 4});
    Child producer = holding_claim(ring.name, 4 * 64 - 16);
    Child waits([&](const Child::Line& line) {
        Producer mine(ring.name);
        line.say('r');
        return mine.push(payload(8, 0, 1), patience()) == Outcome::ok ? 0 : 1;
    });
    Child reads([&](const Child::Line& line) {
        Consumer mine(ring.name);
        line.say('r');
        auto message = mine.pop(patience());
        return number_of(message.bytes()) == 1 && message.release() == Outcome::ok ? 0 : 1;
    });
    REQUIRE(waits.hear() == 'r');
    REQUIRE(reads.hear() == 'r');
    producer.kill();
    CHECK(waits.wait() == 0);
    CHECK(reads.wait() == 0);
}

TEST_CASE("what a killed producer had pushed is there, and its claim is not") {
    for (const bool batch : {false, true}) {
        NamedRing ring({.slots = 16});
        Child child([&](const Child::Line& line) {
            Producer mine(ring.name);
            for (u32 i = 0; i < 3; ++i)
                if (mine.push(payload(8, 0, i)) != Outcome::ok) return 1;
            if (batch) {
                auto claims = mine.claim_batch(4, 100);
                fill(claims.next(100), 0, 99);
                line.say('r'), line.hear();
            } else {
                auto claim = mine.claim(200);
                fill(claim.bytes(), 0, 99);
                line.say('r'), line.hear();
            }
            return 0;
        });
        REQUIRE(child.hear() == 'r');
        Producer out(ring.name);
        REQUIRE(out.push(payload(8, 0, 3)) == Outcome::ok);
        child.kill();
        Consumer in(ring.name);
        for (u32 i = 0; i < 4; ++i) {
            auto message = in.pop(patience());
            REQUIRE(number_of(message.bytes()) == i);
            REQUIRE(message.release() == Outcome::ok);
        }
        CHECK(in.try_pop().outcome() == Outcome::empty);
        CHECK(in.empty());
        CHECK(shmq::stat(ring.name).abandoned > 0);
    }
}

// Whose entry is taken by somebody who does nothing there, its claim must not look like the new owner's.
TEST_CASE("what a dead producer claimed holds up nobody, though an idle one has its entry") {
    for (const bool fixed : {false, true}) {
        NamedRing ring({.slots = 16, .slot_size = 64, .fixed = fixed});
        Child dies = holding_claim(ring.name, 64);
        dies.kill();
        Producer idle(ring.name);
        REQUIRE(idle.entry() == 0);
        Producer out(ring.name);
        REQUIRE(out.push(payload(64, 0, 1), patience()) == Outcome::ok);
        Consumer in(ring.name);
        auto message = in.pop(patience());
        REQUIRE(message.outcome() == Outcome::ok);
        CHECK(number_of(message.bytes()) == 1);
        CHECK(message.release() == Outcome::ok);
        CHECK(in.producers_attached() == 2);
    }
}

TEST_CASE("what a dead consumer held comes again, though an idle one has its entry") {
    for (const bool fixed : {false, true}) {
        NamedRing ring({.slots = 16, .slot_size = 64, .fixed = fixed});
        Producer out(ring.name);
        REQUIRE(out.push(payload(64, 0, 1), patience()) == Outcome::ok);
        Child dies = holding_message(ring.name);
        dies.kill();
        Consumer idle(ring.name);
        REQUIRE(idle.entry() == 1);
        Consumer in(ring.name);
        auto message = in.pop(patience());
        REQUIRE(message.outcome() == Outcome::ok);
        CHECK(number_of(message.bytes()) == 1);
        CHECK(message.redelivered());
        CHECK(message.release() == Outcome::ok);
        CHECK(in.consumers_attached() == 2);
    }
}

// ---- end and removal ----------------------------------------------------------------------------

TEST_CASE("an end told in one process wakes those who wait in others") {
    NamedRing ring({.slots = 2});
    Producer out(ring.name);
    REQUIRE(out.push(payload(8)) == Outcome::ok);
    REQUIRE(out.push(payload(8)) == Outcome::ok);
    Child pushes([&](const Child::Line& line) {
        Producer mine(ring.name);
        line.say('r');
        return static_cast<int>(mine.push(payload(8), patience()));
    });
    REQUIRE(pushes.hear() == 'r');
    REQUIRE(out.end() == Outcome::ok);
    CHECK(pushes.wait() == static_cast<int>(Outcome::ended));
    Child pops([&](const Child::Line& line) {
        Consumer mine(ring.name);
        for (int i = 0; i < 2; ++i)
            if (mine.pop(patience()).release() != Outcome::ok) return 100;
        line.say('r');
        return static_cast<int>(mine.pop(patience()).outcome());
    });
    REQUIRE(pops.hear() == 'r');
    CHECK(pops.wait() == static_cast<int>(Outcome::ended));
    CHECK(shmq::stat(ring.name).state == RingState::ended);
    create(ring.name, {.slots = 2, .if_exists = IfExists::reopen});
    CHECK(shmq::stat(ring.name).state == RingState::open);
    CHECK(Producer(ring.name).push(payload(8), patience()) == Outcome::ok);
}

TEST_CASE("a forced removal is told to both sides as they wait, and consumers drain first") {
    NamedRing full({.slots = 2}), empty({.slots = 2});
    CHECK(Producer(full.name).push(payload(8, 0, 1)) == Outcome::ok);
    CHECK(Producer(full.name).push(payload(8, 0, 2)) == Outcome::ok);
    Child pushes([&](const Child::Line& line) {
        Producer mine(full.name);
        line.say('r');
        const Outcome outcome = mine.push(payload(8), patience());
        return mine.push(payload(8), forever) == outcome ? static_cast<int>(outcome) : 100;
    });
    Child pops([&](const Child::Line& line) {
        Consumer mine(empty.name);
        line.say('r');
        return static_cast<int>(mine.pop(patience()).outcome());
    });
    Child drains([&](const Child::Line& line) {
        Consumer mine(full.name);
        line.say('r');
        if (line.hear() != 'g') return 100;
        if (mine.pop(forever).release() != Outcome::ok || mine.pop(forever).release() != Outcome::ok) return 101;
        return static_cast<int>(mine.pop(forever).outcome());
    });
    REQUIRE(pushes.hear() == 'r');
    REQUIRE(pops.hear() == 'r');
    REQUIRE(drains.hear() == 'r');
    CHECK(error_of([&] { shmq::remove(full.name); }) == Errc::in_use);
    CHECK(error_of([&] { shmq::remove(empty.name); }) == Errc::in_use);
    shmq::remove(full.name, true);
    shmq::remove(empty.name, true);
    CHECK(pushes.wait() == static_cast<int>(Outcome::removed));
    CHECK(pops.wait() == static_cast<int>(Outcome::removed));
    drains.say('g');
    CHECK(drains.wait() == static_cast<int>(Outcome::removed));
    CHECK(error_of([&] { Consumer c(full.name); }) == Errc::no_such_ring);
    CHECK(error_of([&] { shmq::remove(full.name); }) == Errc::no_such_ring);
}

TEST_CASE("a producer that is busy learns of the removal") {
    NamedRing ring({.slots = 1024});
    Producer out(ring.name);
    Consumer in(ring.name);
    REQUIRE(out.push(payload(8)) == Outcome::ok);
    REQUIRE(in.pop().release() == Outcome::ok);
    shmq::remove(ring.name, true);
    Outcome outcome = Outcome::ok;
    for (int i = 0; i < 10 && outcome == Outcome::ok; ++i) outcome = out.try_push(payload(8));
    CHECK(outcome == Outcome::removed);
    while (auto message = in.pop(forever)) CHECK(message.release() == Outcome::ok);
    CHECK(in.pop(forever).outcome() == Outcome::removed);
}

TEST_CASE("a ring whose file was removed by hand, or replaced, is noticed by those who wait") {
    for (const bool replaced : {false, true}) {
        NamedRing ring({.slots = 1});
        Child pops([&](const Child::Line& line) {
            Consumer mine(ring.name);
            line.say('r');
            return static_cast<int>(mine.pop(patience()).outcome());
        });
        REQUIRE(pops.hear() == 'r');
        NamedRing second({.slots = 1});
        if (replaced) REQUIRE(::rename(second.path().c_str(), ring.path().c_str()) == 0);
        else REQUIRE(unlink(ring.path().c_str()) == 0);
        CHECK(pops.wait() == static_cast<int>(Outcome::removed));
        if (!replaced) create(second.name, {.slots = 1, .if_exists = IfExists::keep});
        const std::string& name = replaced ? ring.name : second.name;
        CHECK(Producer(name).push(payload(8)) == Outcome::ok);
        Child pushes([&](const Child::Line& line) {
            Producer mine(name);
            line.say('r');
            return static_cast<int>(mine.push(payload(8), patience()));
        });
        REQUIRE(pushes.hear() == 'r');
        REQUIRE(unlink(path_of(name).c_str()) == 0);
        CHECK(pushes.wait() == static_cast<int>(Outcome::removed));
    }
}

TEST_CASE("a ring can be removed when all who were attached are dead") {
    NamedRing ring;
    Child child = holder<Producer>(ring.name);
    REQUIRE(child.hear() == 'r');
    CHECK(error_of([&] { shmq::remove(ring.name); }) == Errc::in_use);
    child.kill();
    CHECK(error_of([&] { shmq::remove(ring.name); }) == std::nullopt);
}

// ---- fork ---------------------------------------------------------------------------------------

TEST_CASE("in a forked child every handle answers forked, and the parent's ring is not touched") {
    NamedRing ring({.slots = 8});
    Producer out(ring.name);
    Consumer in(ring.name);
    for (u32 i = 0; i < 3; ++i) REQUIRE(out.push(payload(8, 0, i)) == Outcome::ok);
    auto message = in.pop();
    auto claim = out.claim(8);
    {
        Child child([&](const Child::Line&) {
            auto mine = std::move(claim);
            if (mine.commit() != Outcome::forked) return 1;
            if (message.release() != Outcome::forked) return 2;
            if (out.push(payload(8)) != Outcome::forked || out.try_push(payload(8)) != Outcome::forked) return 3;
            const auto bytes = payload(8);
            const std::vector<Bytes> span{bytes, bytes};
            if (out.push(span).outcome != Outcome::forked) return 4;
            if (out.claim(8).outcome() == Outcome::ok && out.claim(8).commit() != Outcome::forked) return 5;
            if (in.pop().outcome() != Outcome::forked || in.try_pop().outcome() != Outcome::forked || in.pop_batch(4).outcome() != Outcome::forked) return 6;
            if (out.end() != Outcome::forked) return 7;
            Producer gone = std::move(out);
            Consumer gone_too = std::move(in);
            return 0;
        });
        CHECK(child.wait() == 0);
    }
    fill(claim.bytes(), 0, 3);
    CHECK(claim.commit() == Outcome::ok);
    CHECK(message.release() == Outcome::ok);
    for (u32 i = 1; i < 4; ++i) {
        auto next = in.pop(patience());
        CHECK(number_of(next.bytes()) == i);
        CHECK_FALSE(next.redelivered());
        REQUIRE(next.release() == Outcome::ok);
    }
    CHECK_FALSE(in.ended());
    CHECK(in.producers_attached() == 1);
}

TEST_CASE("a forked child does not keep its parent's participant alive") {
    NamedRing ring({.slots = 8, .producers = one, .consumers = one});
    auto out = std::make_unique<Producer>(ring.name);
    auto in = std::make_unique<Consumer>(ring.name);
    Child child([](const Child::Line& line) {
        line.say('r');
        line.hear();
        return 0;
    });
    REQUIRE(child.hear() == 'r');
    out.reset(), in.reset();
    CHECK(error_of([&] { Producer p(ring.name); }) == std::nullopt);
    CHECK(error_of([&] { Consumer c(ring.name); }) == std::nullopt);
    CHECK(error_of([&] { shmq::remove(ring.name); }) == std::nullopt);
}

TEST_CASE("a child that outlives its killed parent does not keep the parent's participant alive") {
    NamedRing ring({.slots = 8, .producers = one});
    Child parent([&](const Child::Line& line) {
        Producer out(ring.name);
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            line.say('r');
            line.hear();  // until the test closes the line
            _exit(0);
        }
        pause();
        return 0;
    });
    REQUIRE(parent.hear() == 'r');
    CHECK(error_of([&] { Producer p(ring.name); }) == Errc::role_taken);
    parent.kill();
    CHECK(error_of([&] { Producer p(ring.name); }) == std::nullopt);
}

// fork() runs the library's handlers, which replace what a child has of a ring. clone() does not: then the
// kernel alone keeps the mapping, and so the lock, from the child.
TEST_CASE("a child made without the C library's fork() has nothing of a ring") {
    for (const bool fixed : {false, true}) {
        CAPTURE(fixed);
        NamedRing ring({.slots = 64, .slot_size = 64, .fixed = fixed, .producers = one});
        Child parent([&](const Child::Line& line) {
            Producer out(ring.name);
            if (!names_ring("/proc/self/maps", ring.path())) return 1;
            if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) {
                for (;;) {  // says so whenever it is asked, until the test closes the line
                    line.say(names_ring("/proc/self/maps", ring.path()) ? 'x' : 'n');
                    if (!line.hear()) _exit(0);
                }
            }
            pause();
            return 0;
        });
        CHECK(parent.hear() == 'n');
        CHECK(error_of([&] { Producer p(ring.name); }) == Errc::role_taken);
        parent.kill();
        CHECK(error_of([&] { Producer p(ring.name); }) == std::nullopt);
        parent.say('?');
        CHECK(parent.hear() == 'n');  // the child lives
    }
}

TEST_CASE("forks of other threads while attaching keep no lock alive") {
    NamedRing ring({.slots = 8, .producers = one});
    std::atomic<bool> stop{false};
    std::vector<Child> children;
    std::thread forks([&] {
        while (!stop && children.size() < 60)
            children.emplace_back([](const Child::Line& line) { line.hear(); return 0; });
    });
    int refused = 0;
    for (int i = 0; i < 200; ++i) refused += error_of([&] { Producer p(ring.name); }).has_value();
    stop = true;
    forks.join();
    CHECK(refused == 0);
}

TEST_CASE("whoever takes a lock does so only where no fork can copy it") {
    const std::string fresh = NamedRing::fresh();
    std::optional<ScopedRing> scoped;
    const std::pair<std::string, std::function<void(const std::string&)>> ways[] = {
        {"attaching", [](const std::string& name) { Producer p(name); }},
        {"removing", [](const std::string& name) { shmq::remove(name); }},
        {"replacing", [](const std::string& name) { create(name, {.slots = 8, .if_exists = IfExists::replace}); }},
        {"sweeping", [](const std::string& name) { sweep({.idle = {}, .names = {name}}); }},
        {"making one for a scope", [&](const std::string&) { scoped.emplace(fresh); }},
        {"and removing that", [&](const std::string&) { scoped.reset(); }},
    };
    for (const auto& [what, take] : ways) {
        CAPTURE(what);
        NamedRing ring({.slots = 8});
        std::atomic<bool> done{false};
        std::thread other;
        {
            const ForkLock guard;  // as fork() takes it
            other = std::thread([&] {
                take(ring.name);
                done = true;
            });
            usleep(100'000);
            CHECK(!done);
        }
        other.join();
    }
}

// ---- exec ---------------------------------------------------------------------------------------

TEST_CASE("a process that executes another program is as good as dead: its role is free, its claim a hole, its message comes again") {
    // Takes its turn on the line as a program that knows nothing of rings.
    const auto execute = [](const Child::Line& line) {
        dup2(line.in_, 0), dup2(line.out_, 1);
        execl("/bin/sh", "sh", "-c", "printf r; read line; exit 7", nullptr);
        return 1;
    };
    for (const bool single : {false, true}) {
        CAPTURE(single);
        const Sides sides = single ? one : many;
        NamedRing ring({.slots = 16, .producers = sides, .consumers = sides});
        std::optional<Producer> out;
        std::optional<Consumer> in;
        if (!single) out.emplace(ring.name), in.emplace(ring.name);  // who keeps to its own entry
        Child producer([&](const Child::Line& line) {
            Producer mine(ring.name);
            if (mine.push(payload(8, 0, 0)) != Outcome::ok) return 2;
            auto claim = mine.claim(100);
            return execute(line);
        });
        REQUIRE(producer.hear() == 'r');
        Child consumer([&](const Child::Line& line) {
            Consumer mine(ring.name);
            auto message = mine.pop(patience());
            if (number_of(message.bytes()) != 0) return 2;
            return execute(line);
        });
        REQUIRE(consumer.hear() == 'r');
        if (single) {
            REQUIRE(error_of([&] { out.emplace(ring.name); }) == std::nullopt);
            REQUIRE(error_of([&] { in.emplace(ring.name); }) == std::nullopt);
        }
        REQUIRE(out->push(payload(8, 0, 1), patience()) == Outcome::ok);
        std::vector<u32> again, fresh;
        for (u32 i = 0; i < 2; ++i) {
            auto message = in->pop(patience());
            REQUIRE(message.outcome() == Outcome::ok);
            (message.redelivered() ? again : fresh).push_back(number_of(message.bytes()));
            REQUIRE(message.release() == Outcome::ok);
        }
        CHECK(again == std::vector<u32>{0});
        CHECK(fresh == std::vector<u32>{1});
        CHECK(in->producers_attached() == 1);
        CHECK(in->consumers_attached() == 1);
        CHECK(shmq::stat(ring.name).producers_ended_badly == 1);
        CHECK(shmq::stat(ring.name).consumers_ended_badly == 1);
        for (Child* child : {&producer, &consumer}) {
            CHECK(descriptors_of(child->pid(), ring.path()) == 0);
            child->say('\n');
            CHECK(child->wait() == 7);  // it was there all the time
        }
    }
}

// ---- descriptors --------------------------------------------------------------------------------

TEST_CASE("closing all descriptors, and their numbers in use for other files, lets nobody look dead") {
    NamedRing ring({.slots = 8});
    Producer out(ring.name);
    Consumer holds(ring.name);
    REQUIRE(out.push(payload(8, 0, 1)) == Outcome::ok);
    auto held = holds.pop();
    REQUIRE(held);
    for (const bool reused : {false, true}) {
        Child child([&](const Child::Line& line) {
            std::vector<int> others;
            {
                Consumer mine(ring.name);
                const int top = open("/dev/null", O_RDONLY);
                for (int fd = 3; fd <= top + 10; ++fd)
                    if (fd != line.in_ && fd != line.out_) close(fd);
                while (reused && others.size() < 30) others.push_back(open("/dev/null", O_RDWR));
                if (mine.pop(after(300ms)).outcome() != Outcome::timed_out) return 1;  // no false death
                if (mine.producers_attached() != 1) return 2;
            }
            for (const int fd : others)
                if (fcntl(fd, F_GETFD) < 0) return 3;  // nor is somebody else's descriptor closed
            return 0;
        });
        CHECK(child.wait() == 0);
    }
    CHECK(held.release() == Outcome::ok);
    CHECK(held.bytes().size() == 8);
}

TEST_CASE("a handle that goes closes nobody's descriptor but its own") {
    NamedRing ring({.slots = 8});
    Child child([&](const Child::Line& line) {
        std::vector<int> others;
        {
            Consumer mine(ring.name);
            const int top = open("/dev/null", O_RDONLY);
            for (int fd = 3; fd <= top + 10; ++fd)
                if (fd != line.in_ && fd != line.out_) close(fd);
            while (others.size() < 30) others.push_back(open("/dev/null", O_RDWR));
        }
        for (const int fd : others)
            if (fcntl(fd, F_GETFD) < 0) return 1;
        return 0;
    });
    CHECK(child.wait() == 0);
}

TEST_CASE("two handles of one ring in one process know each other alive") {
    NamedRing ring({.slots = 8});
    Producer out(ring.name);
    Consumer first(ring.name), second(ring.name);
    REQUIRE(out.push(payload(8, 0, 1)) == Outcome::ok);
    auto held = first.pop();
    CHECK(second.pop(after(150ms)).outcome() == Outcome::timed_out);
    CHECK(held.release() == Outcome::ok);
    CHECK(first.producers_attached() == 1);
    CHECK(first.entry() != second.entry());
    { auto claim = out.claim(8); CHECK(second.pop(after(5ms)).outcome() == Outcome::timed_out); }
    CHECK(second.try_pop().outcome() == Outcome::empty);
    CHECK(second.empty());
}

TEST_CASE("a handle can be moved and goes on") {
    NamedRing ring;
    Producer out(ring.name);
    Producer moved = std::move(out);
    CHECK(moved.push(payload(8)) == Outcome::ok);
    Consumer in(ring.name);
    std::vector<Consumer> handles;
    handles.push_back(std::move(in));
    CHECK(handles[0].pop().release() == Outcome::ok);
}

// ---- interruption -------------------------------------------------------------------------------

TEST_CASE("a wait is interrupted from another thread") {
    for (const Waiting waiting : {Waiting::adaptive, Waiting::block, Waiting::spin}) {
        NamedRing ring({.slots = 1});
        Consumer in(ring.name, {.waiting = waiting});
        Producer out(ring.name, {.waiting = waiting});
        std::thread other([&] { usleep(20000), in.interrupt(), out.interrupt(); });
        CHECK(in.pop(forever).outcome() == Outcome::interrupted);
        Outcome outcome = Outcome::ok;
        while (outcome == Outcome::ok) outcome = out.push(payload(8), forever);
        CHECK(outcome == Outcome::interrupted);
        other.join();
    }
}

namespace {
Consumer* to_interrupt = nullptr;
}
TEST_CASE("a wait is interrupted from a signal handler") {
    NamedRing ring;
    Child child([&](const Child::Line& line) {
        Consumer in(ring.name);
        to_interrupt = &in;
        struct sigaction action {};
        action.sa_handler = [](int) { to_interrupt->interrupt(); };
        sigaction(SIGUSR1, &action, nullptr);
        line.say('r');
        return static_cast<int>(in.pop(forever).outcome());
    });
    REQUIRE(child.hear() == 'r');
    usleep(20000);
    child.signal_with(SIGUSR1);
    CHECK(child.wait() == static_cast<int>(Outcome::interrupted));
}

// ---- the cap ------------------------------------------------------------------------------------
// What is promised is 100 ms. Of sleeps that nobody ends, one of many must not be much longer.

TEST_CASE("a message whose wake was lost is found by who sleeps") {
    const auto delay = shortest_of([] {
        PrivateRing ring;
        ring.waiting = Waiting::block;
        auto in = ring.consumer(1);
        return sleeps_on([&] { CHECK(in->pop(patience()).release() == Outcome::ok); },
                         [&] {
                             ring.write_message(0, payload(8));
                             ring.commit(0);
                             ring.write_position() = 1;
                         });
    });
    CHECK(delay < 500ms);
}

TEST_CASE("a file that is removed by hand is missed by who sleeps") {
    const auto delay = shortest_of([] {
        NamedRing ring;
        Consumer in(ring.name, {.waiting = Waiting::block});
        return sleeps_on([&] { CHECK(in.pop(patience()).outcome() == Outcome::removed); }, [&] { CHECK(unlink(ring.path().c_str()) == 0); });
    });
    CHECK(delay < 500ms);
}

TEST_CASE("a death is noticed by who sleeps at the hole, or has no room for it") {
    const auto at_hole = shortest_of([] {
        NamedRing ring;
        Child dies = holding_claim(ring.name, 100);
        Producer out(ring.name);
        Consumer in(ring.name, {.waiting = Waiting::block});
        REQUIRE(out.push(payload(8)) == Outcome::ok);
        return sleeps_on([&] { CHECK(in.pop(patience()).release() == Outcome::ok); }, [&] { dies.kill(); });
    });
    CHECK(at_hole < 500ms);
    const auto without_room = shortest_of([] {
        NamedRing ring({.slots = 4});
        Child dies = holding_claim(ring.name, 4 * 64 - 16);
        Producer out(ring.name, {.waiting = Waiting::block});
        return sleeps_on([&] { CHECK(out.push(payload(8), patience()) == Outcome::ok); }, [&] { dies.kill(); });
    });
    CHECK(without_room < 500ms);
}

TEST_SUITE_END();
