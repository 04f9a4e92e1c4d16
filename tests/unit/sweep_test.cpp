// Removing what nobody uses: what goes, what stays and why, and that nobody loses a ring he has.
#include <doctest/doctest.h>

#include <fcntl.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "segment.hpp"
#include "support.hpp"

using namespace test;

TEST_SUITE_BEGIN("sweep");

namespace {

constexpr SweepOptions at_once{.idle = 0s}, soon{.idle = 1ns}, later{.idle = 1h};

Swept sweep_one(const std::string& name, SweepOptions options) {
    options.names = {name};
    auto all = sweep(options);
    REQUIRE(all.size() == 1);
    CHECK(all[0].name == name);
    CHECK_FALSE(all[0].why.empty());
    return all[0];
}
Fate fate(const std::string& name, const SweepOptions& options) { return sweep_one(name, options).fate; }
bool there(const std::string& name) { return std::filesystem::exists(std::filesystem::symlink_status(path_of(name))); }
SweepOptions dry(SweepOptions options) {
    options.dry_run = true;
    return options;
}
SweepOptions forced(SweepOptions options) {
    options.with_messages = true;
    return options;
}

template <class Change>
void change(const std::string& name, Change change) {
    const SegmentFile file = open_segment(name, Access::attach);
    const Mapping mapping(file, Access::attach);
    change(mapping.ring());
}

}  // namespace

TEST_CASE("a ring that nobody uses goes, once it was unused for long enough") {
    NamedRing ring;
    CHECK(fate(ring.name, later) == Fate::used_lately);
    CHECK(fate(ring.name, dry(soon)) == Fate::removed);
    CHECK(there(ring.name));
    CHECK(fate(ring.name, soon) == Fate::removed);
    CHECK_FALSE(there(ring.name));
    const Swept missing = sweep_one(ring.name, soon);
    CHECK(missing.fate == Fate::failed);
    CHECK(missing.error == Errc::no_such_ring);
    CHECK(sweep_one("no name", soon).error == Errc::bad_name);
}

TEST_CASE("a ring that somebody is attached to stays, stopped or not, whatever is asked for") {
    NamedRing ring;
    for (const bool stopped : {false, true}) {
        Child child = holder<Consumer>(ring.name);
        REQUIRE(child.hear() == 'r');
        if (stopped) child.stop();
        CHECK(fate(ring.name, forced(at_once)) == Fate::in_use);
        CHECK(fate(ring.name, dry(forced(at_once))) == Fate::in_use);
        CHECK(there(ring.name));
        child.kill();
    }
    CHECK(fate(ring.name, at_once) == Fate::removed);
}

TEST_CASE("a ring with messages stays, unless they are to go too; held and handed back ones count") {
    NamedRing ring({.slots = 16});
    {
        Producer out(ring.name);
        for (u32 i = 0; i < 2; ++i) REQUIRE(out.push(payload(100, 0, i)) == Outcome::ok);
    }
    CHECK(fate(ring.name, at_once) == Fate::holds_messages);
    {
        Child child([&](const Child::Line& line) {
            Consumer in(ring.name);
            Frozen<Message> first(in.pop());
            line.say('r');
            line.hear();
            return 0;
        });
        REQUIRE(child.hear() == 'r');
        child.kill();
    }
    CHECK(shmq::stat(ring.name).messages == 2);
    CHECK(fate(ring.name, at_once) == Fate::holds_messages);
    {
        Consumer in(ring.name);
        for (int i = 0; i < 2; ++i) {
            auto message = in.pop(patience());
            REQUIRE(message);
            CHECK(message.release() == Outcome::ok);
        }
    }
    CHECK(fate(ring.name, dry(at_once)) == Fate::removed);
    REQUIRE(Producer(ring.name).push(payload(8)) == Outcome::ok);
    CHECK(fate(ring.name, forced(at_once)) == Fate::removed);
}

TEST_CASE("what a dead producer claimed and never committed is no message") {
    NamedRing ring({.slots = 16});
    Child child([&](const Child::Line& line) {
        Producer out(ring.name);
        Frozen<Claim> claim(out.claim(100));
        line.say('r');
        line.hear();
        return 0;
    });
    REQUIRE(child.hear() == 'r');
    child.kill();
    CHECK(shmq::stat(ring.name).used > 0);
    CHECK(fate(ring.name, at_once) == Fate::removed);
}

TEST_CASE("after a kill, time counts from when a sweep first saw the ring unused") {
    NamedRing ring;
    const auto kill_one = [&] {
        Child child = holder<Producer>(ring.name);
        REQUIRE(child.hear() == 'r');
        child.kill();
    };
    kill_one();
    CHECK(fate(ring.name, dry(soon)) == Fate::used_lately);
    CHECK(fate(ring.name, soon) == Fate::used_lately);  // nobody noted anything before: not even a dry run
    CHECK(sweep_one(ring.name, later).unused > 0ns);
    const auto noted = sweep_one(ring.name, later).unused;
    usleep(1000);
    CHECK(sweep_one(ring.name, later).unused >= noted + 1ms);  // it is noted once
    kill_one();  // the note is void
    CHECK(sweep_one(ring.name, dry(later)).unused == 0ns);
    CHECK(fate(ring.name, soon) == Fate::used_lately);
    { Consumer in(ring.name); }  // one that leaves in order takes the dead one's place
    CHECK(fate(ring.name, dry(soon)) == Fate::removed);
    kill_one();
    CHECK(fate(ring.name, at_once) == Fate::removed);  // no time is always long enough
}

TEST_CASE("what counts as use: coming, working and leaving, but not being looked at") {
    NamedRing ring;
    usleep(20'000);
    (void)shmq::stat(ring.name);
    std::vector<std::byte> none;
    Viewer::Info info{};
    CHECK_FALSE(Viewer(ring.name).next(none, info));
    CHECK(sweep_one(ring.name, later).unused >= 20ms);
    { Producer out(ring.name); }
    const u64 left = shmq::stat(ring.name).created_ns;
    change(ring.name, [&](const Ring& r) { CHECK(r.lines->events.last_detach_ns > left); });
    const u64 future = ~u64{0};
    change(ring.name, [&](const Ring& r) { r.entries[0].active_ns = future; });
    CHECK(sweep_one(ring.name, soon).fate == Fate::used_lately);  // a clock that was set back
    CHECK(sweep_one(ring.name, at_once).fate == Fate::removed);
}

TEST_CASE("a ring marked removed that kept its name goes at once") {
    NamedRing ring;
    REQUIRE(Producer(ring.name).push(payload(8)) == Outcome::ok);
    change(ring.name, [](const Ring& r) { r.lines->events.state = state_removed; });
    CHECK(fate(ring.name, later) == Fate::removed);
    CHECK_FALSE(there(ring.name));
}

TEST_CASE("what is no ring stays, and does not keep the others; what cannot be counted may hold messages") {
    NamedRing good, forged, cut;
    const std::string text = NamedRing::fresh(), link = NamedRing::fresh(), dir = NamedRing::fresh();
    std::ofstream(path_of(text)) << "text";
    std::filesystem::create_symlink(good.path(), path_of(link));
    std::filesystem::create_directory(path_of(dir));
    change(forged.name, [](const Ring& r) { r.lines->write_position.value = 1'000'000; });
    std::filesystem::resize_file(cut.path(), 8192);

    std::vector<Swept> all = sweep(at_once);
    std::map<std::string, Swept> by_name;
    for (const Swept& one : all) by_name[one.name] = one;
    CHECK(by_name[good.name].fate == Fate::removed);
    CHECK(by_name[forged.name].fate == Fate::holds_messages);
    CHECK(by_name[cut.name].error == Errc::corrupt);
    for (const auto& name : {text, link, dir}) {
        CHECK(by_name[name].fate == Fate::failed);
        CHECK(by_name[name].error == Errc::not_a_ring);
        CHECK(there(name));
        std::filesystem::remove_all(path_of(name));
    }
    CHECK(fate(forged.name, forced(at_once)) == Fate::removed);
}

TEST_CASE("a reader's lock keeps a ring from being swept, and it is said") {
    NamedRing ring;
    const int fd = open(ring.path().c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    struct flock lock {};
    lock.l_type = F_RDLCK, lock.l_whence = SEEK_SET, lock.l_start = static_cast<off_t>(lock_entries + 7), lock.l_len = 1;
    REQUIRE(fcntl(fd, F_OFD_SETLK, &lock) == 0);
    const Swept swept = sweep_one(ring.name, at_once);
    CHECK(swept.fate == Fate::in_use);
    CHECK(swept.why.find("reads it") != std::string::npos);
    close(fd);
    CHECK(fate(ring.name, at_once) == Fate::removed);
}

// ---- races --------------------------------------------------------------------------------------

namespace {

// Sweeps that name until told to stop; its answer through shared memory: how often it removed.
Child sweeper(const std::string& name, Common<std::atomic<u64>>& removed, std::size_t index) {
    return Child([name, &removed, index](const Child::Line& line) {
        pollfd stop{line.in_, POLLIN, 0};
        while (poll(&stop, 1, 0) == 0)
            for (const Swept& one : sweep({.idle = 0s, .with_messages = true, .names = {name}})) {
                removed[index] += one.fate == Fate::removed;
                if (one.fate == Fate::failed && one.error != Errc::no_such_ring) return 1;
            }
        return 0;
    });
}

}  // namespace

TEST_CASE("whoever is attached keeps the ring, however sweeps race with creating and attaching") {
    const std::string name = NamedRing::fresh();
    Common<std::atomic<u64>> removed(2);
    Child sweepers[] = {sweeper(name, removed, 0), sweeper(name, removed, 1)};
    u64 attached = 0, late = 0;
    for (u32 i = 0; i < 2000 || (attached < 100 && i < 100'000); ++i) {
        create(name, {.slots = 16, .if_exists = IfExists::keep});
        std::optional<Producer> out;
        if (const auto error = error_of([&] { out.emplace(name); })) {
            // Swept between the two calls. Never anything but that.
            REQUIRE((*error == Errc::no_such_ring || *error == Errc::removed));
            ++late;
            continue;
        }
        ++attached;
        REQUIRE(out->push(payload(8, 1, i)) == Outcome::ok);
        // The name still leads to this ring: another one finds what we pushed.
        Consumer in(name);
        auto message = in.pop(patience());
        REQUIRE(message);
        CHECK(same(message.bytes(), payload(8, 1, i)));
        REQUIRE(message.release() == Outcome::ok);
    }
    for (auto& child : sweepers) {
        child.say('s');
        CHECK(child.wait() == 0);
    }
    MESSAGE(attached, " attached, ", late, " came late, ", removed[0] + removed[1], " swept");
    CHECK(attached >= 100);
    CHECK(removed[0] + removed[1] > 0);
    ::unlink(path_of(name).c_str());
}

TEST_CASE("each ring is removed by one sweep alone, and never one that was made anew meanwhile") {
    const std::string name = NamedRing::fresh();
    Common<std::atomic<u64>> removed(3);
    Child sweepers[] = {sweeper(name, removed, 0), sweeper(name, removed, 1), sweeper(name, removed, 2)};
    constexpr u64 rings = 2000;
    for (u64 i = 0; i < rings; ++i) {
        // Only a ring that is away makes room for the next: a sweep that took away a newer one than it
        // judged would be counted for both.
        REQUIRE(eventually([&] { return !error_of([&] { create(name, {.slots = 4}); }); }));
    }
    REQUIRE(eventually([&] { return !there(name); }));
    for (auto& child : sweepers) {
        child.say('s');
        CHECK(child.wait() == 0);
    }
    CHECK(removed[0] + removed[1] + removed[2] == rings);
}

TEST_CASE("a sweep killed at any moment leaves a whole ring or none") {
    const std::string name = NamedRing::fresh();
    for (int i = 0; i < 100; ++i) {
        create(name, {.slots = 256, .if_exists = IfExists::keep});
        Common<std::atomic<u64>> removed(1);
        Child child = sweeper(name, removed, 0);
        usleep(static_cast<useconds_t>(i * 20));
        child.kill();
        create(name, {.slots = 256, .if_exists = IfExists::keep});
        Producer out(name);
        CHECK(out.try_push(payload(8)) == Outcome::ok);
    }
    ::unlink(path_of(name).c_str());
}

TEST_SUITE_END();
