// Names, creating, attaching, removing; and what lies there instead of a ring.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "segment.hpp"
#include "support.hpp"

using namespace test;

TEST_SUITE_BEGIN("files");

namespace {

Errc code_of_attach(const std::string& name) { return error_of([&] { Producer p(name); }).value_or(static_cast<Errc>(-1)); }
Errc code_of_stat(const std::string& name) { return error_of([&] { (void)shmq::stat(name); }).value_or(static_cast<Errc>(-1)); }

// Something at a ring's path that is no ring.
struct Squatter {
    explicit Squatter(const std::function<void(const std::string&)>& make) : name(NamedRing::fresh()) { make(path_of(name)); }
    ~Squatter() { std::filesystem::remove_all(path_of(name)); }
    const std::string name;
};

Header header_of(const std::string& path) {
    Header header{};
    std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(&header), sizeof header);
    return header;
}
void write_at(const std::string& path, u64 offset, const void* what, std::size_t bytes) {
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0);
    REQUIRE(pwrite(fd, what, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes));
    close(fd);
}
// As the library computes it: a hostile creator can do so too.
void seal(Header& header, std::string_view record = {}) {
    u64 hash = 0xcbf29ce484222325;
    const auto add = [&](const void* data, std::size_t bytes) {
        for (std::size_t i = 0; i < bytes; ++i) hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3;
    };
    add(&header, offsetof(Header, checksum));
    add(record.data(), record.size());
    header.checksum = hash;
}
void mark_removed(const std::string& name) {
    const Header h = header_of(path_of(name));
    const u32 removed = state_removed;
    write_at(path_of(name), h.lines_offset + offsetof(Lines, events) + offsetof(Events, state), &removed, sizeof removed);
}

}  // namespace

TEST_CASE("a name is letters, digits, dots, underscores and hyphens, and begins with a letter or digit") {
    for (const std::string good : {"a", "0", "jobs", "Jobs.2024-01_x", "/jobs", "a..", "a/"})
        if (good != "a/") CHECK(error_of([&] { (void)path_of(good); }) == std::nullopt);
    CHECK(path_of("/jobs") == path_of("jobs"));
    CHECK(path_of("jobs") == directory() + "/shmq.jobs");
    for (const std::string bad : {"", "/", "//a", "a/c", "a/b/a", "../a", ".a", "-a", "_a", "a b", "a\n", "a\tb", "\x1b[2J", "a*", "ä", "a:b", "a/"})
        CHECK(error_of([&] { (void)path_of(bad); }) == Errc::bad_name);
    CHECK(error_of([&] { (void)path_of(std::string("a\0b", 3)); }) == Errc::bad_name);
    CHECK(error_of([&] { (void)path_of(std::string(200, 'x')); }) == std::nullopt);
    CHECK(error_of([&] { (void)path_of("/" + std::string(200, 'x')); }) == std::nullopt);
    CHECK(error_of([&] { (void)path_of(std::string(201, 'x')); }) == Errc::bad_name);
    for (const auto& call : std::vector<std::function<void()>>{[] { create("a/b"); }, [] { Producer p("a/c"); }, [] { Consumer c("a/c"); }, [] { Viewer v("a/c"); },
                                                             [] { (void)shmq::stat("a/c"); }, [] { shmq::remove("a/c", true); }})
        CHECK(error_of(call) == Errc::bad_name);
    try {
        (void)path_of("bell\a\x1b");
    } catch (const Error& e) {
        const std::string what = e.what();
        CHECK(std::all_of(what.begin(), what.end(), [](char c) { return c >= 0x20 && c != 0x7f; }));  // nothing a terminal obeys
    }
}

TEST_CASE("the longest name makes a ring") {
    const std::string name(200, 'n');
    create(name, {.slots = 1});
    CHECK(Producer(name).push(Bytes(), no_wait) == Outcome::ok);
    shmq::remove(name);
}

TEST_CASE("a ring that is not there is no such ring, for everybody") {
    const std::string name = NamedRing::fresh();
    for (const auto& call : std::vector<std::function<void()>>{[&] { Producer p(name); }, [&] { Consumer c(name); }, [&] { Viewer v(name); }, [&] { (void)shmq::stat(name); },
                                                             [&] { shmq::remove(name); }, [&] { shmq::remove(name, true); }})
        CHECK(error_of(call) == Errc::no_such_ring);
}

TEST_CASE("rings are listed by name, sorted") {
    NamedRing b, a;
    Squatter odd([](const std::string& path) { std::ofstream(path) << "x"; });
    std::ofstream(directory() + "/other-file") << "x";
    auto names = list();
    CHECK(std::is_sorted(names.begin(), names.end()));
    for (const auto& name : {a.name, b.name, odd.name}) CHECK(std::count(names.begin(), names.end(), name) == 1);
    for (const auto& name : names) CHECK(name.find("other") == std::string::npos);
    unlink((directory() + "/other-file").c_str());
}

// ---- creating -----------------------------------------------------------------------------------

TEST_CASE("options that make no ring are refused, each at once") {
    const std::string name = NamedRing::fresh();
    const std::vector<Options> bad{
        {.slots = 0}, {.slots = ~u64{0}}, {.slot_size = 0}, {.slot_size = 31}, {.slot_size = ~u64{0}}, {.participants = 0}, {.participants = 65536},
        {.slots = 4, .max_message = 4 * 64 - 15}, {.slots = 4, .max_message = ~u64{0}}, {.slot_size = 10, .fixed = true, .max_message = 9},
        {.slots = u64{1} << 40, .slot_size = u64{1} << 30}, {.record = std::string(3585, 'r')}};
    for (const auto& options : bad) CHECK(error_of([&] { create(name, options); }) == Errc::bad_option);
    CHECK(error_of([&] { create(name, {.slots = u64{1} << 36, .slot_size = 64}); }) == Errc::no_room);
    CHECK(list() == list());
    CHECK(code_of_stat(name) == Errc::no_such_ring);  // and nothing is left
    create(name, {.slots = 4, .max_message = 4 * 64 - 16, .record = std::string(3584, 'r')});
    CHECK(shmq::stat(name).record.size() == 3584);
    CHECK(Producer(name).record() == std::string(3584, 'r'));
    shmq::remove(name);
}

TEST_CASE("rings of every shape keep what they were given") {
    for (const u64 slots : {1u, 3u, 1000u}) {
        for (const u64 size : {32u, 33u, 40u, 72u, 100u, 4096u, 5000u}) {
            for (const bool fixed : {false, true}) {
                CAPTURE(slots);
                CAPTURE(size);
                CAPTURE(fixed);
                NamedRing ring({.slots = slots, .slot_size = size, .fixed = fixed, .timestamps = true});
                Producer out(ring.name, {.expect_slots = slots, .expect_slot_size = size, .expect_fixed = fixed});
                Consumer in(ring.name);
                const std::size_t length = fixed ? size : out.max_message() / (slots > 3 ? 300 : 1);
                CHECK(out.capacity() == slots);
                for (u32 i = 0; i < 2 * slots + 3; ++i) {
                    REQUIRE(out.try_push(payload(length, 1, i)) == Outcome::ok);
                    auto message = in.try_pop();
                    REQUIRE(same(message.bytes(), payload(length, 1, i)));
                    REQUIRE(message.release() == Outcome::ok);
                }
                const Status status = shmq::stat(ring.name);
                CHECK(status.slots == slots);
                CHECK(status.slot_size == size);
                CHECK(status.fixed == fixed);
                CHECK(status.popped == 2 * slots + 3);
            }
        }
    }
}

TEST_CASE("a ring that exists is refused, kept if it is the same, or replaced, as asked") {
    NamedRing ring({.slots = 10});
    const auto id = [&] { return shmq::stat(ring.name).id[0]; };
    const u64 before = id();
    CHECK(error_of([&] { create(ring.name, {.slots = 10}); }) == Errc::exists);
    REQUIRE(Producer(ring.name).push(payload(8)) == Outcome::ok);

    create(ring.name, {.slots = 10, .if_exists = IfExists::keep});
    CHECK(id() == before);
    CHECK(shmq::stat(ring.name).messages == 1);
    const std::vector<Options> others{{.slots = 11}, {.slots = 10, .slot_size = 72}, {.slots = 10, .fixed = true}, {.slots = 10, .max_message = 5}, {.slots = 10, .producers = one},
                                      {.slots = 10, .consumers = one}, {.slots = 10, .timestamps = true}, {.slots = 10, .participants = 9}, {.slots = 10, .record = "u32 x"}};
    for (Options options : others) {
        for (const IfExists how : {IfExists::keep, IfExists::reopen}) {
            options.if_exists = how;
            CHECK(error_of([&] { create(ring.name, options); }) == Errc::other_geometry);
        }
    }
    CHECK(id() == before);
    {
        Producer attached(ring.name);
        CHECK(error_of([&] { create(ring.name, {.slots = 10, .if_exists = IfExists::replace}); }) == Errc::in_use);
        CHECK(id() == before);
        CHECK(attached.push(payload(8)) == Outcome::ok);
        create(ring.name, {.slots = 12, .if_exists = IfExists::replace_force});
        CHECK(id() != before);
        Outcome outcome = Outcome::ok;
        for (int i = 0; i < 3 && outcome == Outcome::ok; ++i) outcome = attached.try_push(payload(8));
        CHECK(outcome == Outcome::removed);
    }
    CHECK(shmq::stat(ring.name).slots == 12);
    CHECK(shmq::stat(ring.name).messages == 0);
    create(ring.name, {.slots = 13, .if_exists = IfExists::replace});
    CHECK(shmq::stat(ring.name).slots == 13);
    for (const IfExists how : {IfExists::keep, IfExists::replace, IfExists::replace_force, IfExists::reopen}) {
        shmq::remove(ring.name);
        create(ring.name, {.slots = 14, .if_exists = how});  // where there is none, all make one
        CHECK(shmq::stat(ring.name).slots == 14);
    }
}

TEST_CASE("an ended ring takes messages again once reopened, and keeps those it has") {
    NamedRing ring({.slots = 4});
    Producer out(ring.name);
    REQUIRE(out.push(payload(8)) == Outcome::ok);
    REQUIRE(out.end() == Outcome::ok);
    CHECK(out.try_push(payload(8)) == Outcome::ended);
    create(ring.name, {.slots = 4, .if_exists = IfExists::keep});
    CHECK(out.try_push(payload(8)) == Outcome::ended);
    create(ring.name, {.slots = 4, .if_exists = IfExists::reopen});
    CHECK(out.try_push(payload(8)) == Outcome::ok);
    CHECK_FALSE(out.ended());
    CHECK(shmq::stat(ring.name).messages == 2);
}

TEST_CASE("a ring marked removed, whose remover was killed before it took the name away, is out of everybody's way") {
    for (const IfExists how : {IfExists::fail, IfExists::keep, IfExists::replace, IfExists::replace_force, IfExists::reopen}) {
        NamedRing ring({.slots = 4});
        mark_removed(ring.name);
        CHECK(code_of_attach(ring.name) == Errc::no_such_ring);
        CHECK(shmq::stat(ring.name).state == RingState::removed);
        create(ring.name, {.slots = 5, .if_exists = how});
        CHECK(shmq::stat(ring.name).slots == 5);
        CHECK(Producer(ring.name).push(payload(8)) == Outcome::ok);
    }
    NamedRing ring({.slots = 4});
    mark_removed(ring.name);
    shmq::remove(ring.name);
    CHECK(code_of_stat(ring.name) == Errc::no_such_ring);
}

TEST_CASE("many who create one name at once make one ring") {
    for (const IfExists how : {IfExists::fail, IfExists::keep}) {
        const std::string name = NamedRing::fresh();
        std::vector<Child> children;
        for (int i = 0; i < 8; ++i)
            children.emplace_back([&](const Child::Line& line) {
                line.hear();
                const auto error = error_of([&] { create(name, {.slots = 100, .if_exists = how}); });
                if (error) return *error == Errc::exists ? 1 : 2;
                Producer out(name);
                return out.push(payload(8)) == Outcome::ok ? 0 : 3;
            });
        for (auto& child : children) child.say('g');
        int made = 0, refused = 0;
        for (auto& child : children) {
            const int answer = child.wait();
            made += answer == 0;
            refused += answer == 1;
        }
        CHECK(made == (how == IfExists::fail ? 1 : 8));
        CHECK(made + refused == 8);
        CHECK(shmq::stat(name).messages == static_cast<u64>(made));
        shmq::remove(name);
    }
}

TEST_CASE("the mode is exactly what was asked for, whatever the umask") {
    for (const mode_t mask : {0u, 022u, 077u, 0777u}) {
        for (const mode_t mode : {0600u, 0640u, 0660u, 0666u}) {
            const mode_t before = umask(mask);
            NamedRing ring({.slots = 4, .mode = mode});
            umask(before);
            struct ::stat now {};
            REQUIRE(::stat(ring.path().c_str(), &now) == 0);
            CHECK((now.st_mode & 07777) == mode);
            CHECK(shmq::stat(ring.name).mode == mode);
        }
    }
}

TEST_CASE("a ring has all its memory from the beginning") {
    NamedRing ring({.slots = 10000, .slot_size = 64});
    struct ::stat now {};
    REQUIRE(::stat(ring.path().c_str(), &now) == 0);
    CHECK(static_cast<u64>(now.st_blocks) * 512 >= static_cast<u64>(now.st_size));
    CHECK(shmq::stat(ring.name).segment_bytes == static_cast<u64>(now.st_size));
}

// ---- attaching ----------------------------------------------------------------------------------

TEST_CASE("a ring of another geometry than expected is refused") {
    NamedRing ring({.slots = 10, .slot_size = 33});
    CHECK(error_of([&] { Producer p(ring.name, {.expect_slots = 10, .expect_slot_size = 33, .expect_fixed = false}); }) == std::nullopt);
    CHECK(error_of([&] { Producer p(ring.name, {.expect_slots = 16}); }) == Errc::other_geometry);
    CHECK(error_of([&] { Consumer c(ring.name, {.expect_slot_size = 40}); }) == Errc::other_geometry);
    CHECK(error_of([&] { Consumer c(ring.name, {.expect_fixed = true}); }) == Errc::other_geometry);
    CHECK(error_of([&] { Producer p(ring.name); Producer q(ring.name); }) == std::nullopt);
}

TEST_CASE("how to wait is the ring's or the handle's own") {
    NamedRing ring({.slots = 4, .waiting = Waiting::block});
    CHECK(Producer(ring.name).waiting() == Waiting::block);
    CHECK(Producer(ring.name, {.waiting = Waiting::spin}).waiting() == Waiting::spin);
}

TEST_CASE("handles know the figures of their ring") {
    NamedRing ring({.slots = 5, .slot_size = 64, .record = "u64 id"});
    Producer out(ring.name);
    Consumer in(ring.name);
    CHECK(out.capacity() == 5);
    CHECK(out.slot_size() == 64);
    CHECK(out.max_message() == 5 * 64 - 16);
    CHECK_FALSE(out.fixed());
    CHECK(in.record() == "u64 id");
    CHECK(in.empty());
    CHECK(in.available() == 5);
    for (u64 i = 1; i <= 5; ++i) {
        REQUIRE(out.push(payload(8)) == Outcome::ok);
        CHECK(in.pending() == i);
    }
    CHECK(out.full());
    CHECK(out.available() == 0);
    CHECK_FALSE(out.ended());
}

// ---- what is no ring ----------------------------------------------------------------------------

TEST_CASE("a link, a pipe, a directory, a socket, an empty or a foreign file in a ring's place is not a ring, and hangs nobody") {
    NamedRing real({.slots = 4});
    const std::vector<std::function<void(const std::string&)>> makers{
        [&](const std::string& path) { CHECK(symlink(real.path().c_str(), path.c_str()) == 0); },
        [](const std::string& path) { CHECK(symlink("/nowhere", path.c_str()) == 0); },
        [](const std::string& path) { CHECK(mkfifo(path.c_str(), 0666) == 0); },
        [](const std::string& path) { CHECK(mkdir(path.c_str(), 0777) == 0); },
        [](const std::string& path) {
            const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            sockaddr_un address{AF_UNIX, {}};
            std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
            CHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
            close(fd);
        },
        [](const std::string& path) { std::ofstream{path}; },
        [](const std::string& path) { std::ofstream(path) << "hello"; },
        [](const std::string& path) { std::ofstream(path) << std::string(100000, 'x'); },
        [](const std::string& path) { std::ofstream(path) << std::string(100000, '\0'); },
    };
    for (std::size_t i = 0; i < makers.size(); ++i) {
        CAPTURE(i);
        Squatter squatter(makers[i]);
        CHECK(code_of_attach(squatter.name) == Errc::not_a_ring);
        CHECK(code_of_stat(squatter.name) == Errc::not_a_ring);
        CHECK(error_of([&] { Viewer v(squatter.name); }) == Errc::not_a_ring);
        CHECK(error_of([&] { create(squatter.name); }) == Errc::exists);
        CHECK(error_of([&] { create(squatter.name, {.if_exists = IfExists::keep}); }) == Errc::not_a_ring);
        CHECK(error_of([&] { shmq::remove(squatter.name); }) == Errc::not_a_ring);
        struct ::stat there {};
        CHECK(lstat(path_of(squatter.name).c_str(), &there) == 0);  // nobody took it away
        const bool directory = S_ISDIR(there.st_mode);
        CHECK(error_of([&] { shmq::remove(squatter.name, true); }).has_value() == directory);
        CHECK((lstat(path_of(squatter.name).c_str(), &there) == 0) == directory);
    }
    CHECK(shmq::stat(real.name).slots == 4);  // the link's target is untouched
}

TEST_CASE("a ring of a future version, of unknown features or of the other byte order is another version") {
    NamedRing ring({.slots = 4});
    const Header good = header_of(ring.path());
    const auto with = [&](const std::function<void(Header&)>& change) {
        Header h = good;
        change(h);
        seal(h);
        write_at(ring.path(), 0, &h, sizeof h);
    };
    with([](Header& h) { h.version = 2; });
    CHECK(code_of_attach(ring.name) == Errc::other_version);
    CHECK(code_of_stat(ring.name) == Errc::other_version);
    with([](Header& h) { h.byte_order = __builtin_bswap32(byte_order_mark); });
    CHECK(code_of_attach(ring.name) == Errc::other_version);
    for (int bit = 6; bit < 64; ++bit) {
        with([&](Header& h) { h.incompatible |= u64{1} << bit; });
        CHECK(code_of_attach(ring.name) == Errc::other_version);
        CHECK(code_of_stat(ring.name) == Errc::other_version);
    }
    with([](Header& h) { h.read_only_compatible = 1; });
    CHECK(code_of_attach(ring.name) == Errc::other_version);
    CHECK(shmq::stat(ring.name).slots == 4);  // looking is allowed
    with([](Header& h) { h.compatible |= u64{1} << 63; });
    CHECK(Producer(ring.name).push(payload(8)) == Outcome::ok);
    with([](Header&) {});
    CHECK(Producer(ring.name).push(payload(8)) == Outcome::ok);
}

TEST_CASE("with any one byte of the header or of the record layout changed a ring is refused") {
    const std::string record = "u64 id\nf64 price\n";
    NamedRing ring({.slots = 4, .record = record});
    std::vector<char> page(header_bytes + record.size());
    std::ifstream(ring.path(), std::ios::binary).read(page.data(), static_cast<std::streamsize>(page.size()));
    for (std::size_t i = 0; i < page.size(); ++i) {
        if (i >= sizeof(Header) && i < header_bytes) continue;  // between them is nothing
        for (const int flip : {0x01, 0x80, 0xff}) {
            const char changed = static_cast<char>(page[i] ^ flip);
            write_at(ring.path(), i, &changed, 1);
            const Errc attach = code_of_attach(ring.name), look = code_of_stat(ring.name);
            CAPTURE(i);
            CHECK((attach == Errc::not_a_ring || attach == Errc::other_version || attach == Errc::corrupt));
            CHECK((look == Errc::not_a_ring || look == Errc::other_version || look == Errc::corrupt));
            if (i < sizeof magic) CHECK(attach == Errc::not_a_ring);
            if (i >= offsetof(Header, total_bytes)) CHECK(attach == Errc::corrupt);
            write_at(ring.path(), i, &page[i], 1);
        }
    }
    CHECK(Producer(ring.name).push(payload(8)) == Outcome::ok);
}

TEST_CASE("a ring cut short or grown is refused") {
    NamedRing ring({.slots = 4});
    const off_t size = static_cast<off_t>(std::filesystem::file_size(ring.path()));
    for (const off_t other : {off_t{0}, off_t{1}, off_t{255}}) {
        REQUIRE(truncate(ring.path().c_str(), other) == 0);
        CHECK(code_of_attach(ring.name) == Errc::not_a_ring);
    }
    NamedRing second({.slots = 4});
    for (const off_t other : {size + 4096, size + 1, size - 1, size - 4096, off_t{8192}, off_t{4096}, off_t{512}}) {
        REQUIRE(truncate(second.path().c_str(), other) == 0);
        CHECK(code_of_attach(second.name) == Errc::corrupt);
        CHECK(code_of_stat(second.name) == Errc::corrupt);
    }
}

TEST_CASE("a geometry that cannot be is refused though its checksum is right, or does no harm") {
    NamedRing ring({.slots = 8, .slot_size = 64, .timestamps = true, .participants = 4});
    NamedRing fixed({.slots = 8, .slot_size = 64, .fixed = true, .timestamps = true, .participants = 4});
    for (NamedRing* which : {&ring, &fixed}) {
        const Header good = header_of(which->path());
        const u64 values[] = {0, 1, 2, 3, 7, 8, 32, 63, 64, 65, 128, 4096, 4097, 8192, 1 << 20, u64{1} << 31, u64{1} << 32, u64{1} << 40, (u64{1} << 40) + 1, u64{1} << 58, u64{1} << 63, ~u64{0}, ~u64{0} - 4095};
        for (std::size_t at = offsetof(Header, incompatible); at < offsetof(Header, checksum); at += 4) {
            if (at / 8 == offsetof(Header, compatible) / 8) continue;  // no geometry, and an ephemeral ring goes
            for (const u64 value : values) {
                for (const std::size_t width : {4u, 8u}) {
                    if (width == 8 && at % 8) continue;
                    Header h = good;
                    std::memcpy(reinterpret_cast<char*>(&h) + at, &value, width);
                    seal(h);
                    write_at(which->path(), 0, &h, sizeof h);
                    CAPTURE(at);
                    CAPTURE(value);
                    const auto error = error_of([&] {
                        Producer out(which->name, {.waiting = Waiting::block});
                        Consumer in(which->name, {.waiting = Waiting::block});
                        (void)out.try_push(payload(out.fixed() ? out.slot_size() : std::min<u64>(40, out.max_message())));
                        if (auto m = in.try_pop()) (void)m.release();
                        (void)shmq::stat(which->name);
                    });
                    if (error) CHECK((error == Errc::corrupt || error == Errc::other_version || error == Errc::role_taken || error == Errc::table_full));
                }
            }
        }
        write_at(which->path(), 0, &good, sizeof good);
    }
}

TEST_CASE("slots and slot size whose product overflows are refused") {
    NamedRing ring({.slots = 8, .slot_size = 64, .fixed = true, .participants = 4});
    Header h = header_of(ring.path());
    h.slots = h.capacity = u64{1} << 40;
    h.slot_size = h.max_message = h.requested_slot_size = u64{1} << 24;  // 2^64 bytes, or none
    h.data_offset = (h.words_offset + h.slots * 8 + 4095) / 4096 * 4096;
    h.data_bytes = 0;
    h.total_bytes = h.data_offset;
    seal(h);
    write_at(ring.path(), 0, &h, sizeof h);
    if (truncate(ring.path().c_str(), static_cast<off_t>(h.total_bytes)) != 0) return;  // no such large files here
    CHECK(code_of_stat(ring.name) == Errc::corrupt);
    CHECK(code_of_attach(ring.name) == Errc::corrupt);
}

// ---- who may ------------------------------------------------------------------------------------

TEST_CASE("without permission it is said so at once, and reading is enough for looking") {
    if (geteuid() != 0) {
        MESSAGE("not tried: only root can become another user");
        return;
    }
    NamedRing closed({.slots = 4, .mode = 0600}), readable({.slots = 4, .mode = 0644}), open_to_all({.slots = 4, .mode = 0666});
    REQUIRE(Producer(readable.name).push(payload(8)) == Outcome::ok);
    Child nobody([&](const Child::Line&) {
        if (setgid(65534) != 0 || setuid(65534) != 0) return 100;
        if (code_of_attach(closed.name) != Errc::permission || code_of_stat(closed.name) != Errc::permission) return 1;
        if (error_of([&] { Viewer v(closed.name); }) != Errc::permission) return 2;
        if (error_of([&] { shmq::remove(closed.name); }) != Errc::permission || error_of([&] { shmq::remove(closed.name, true); }) != Errc::permission) return 3;
        if (code_of_attach(readable.name) != Errc::permission) return 4;
        if (shmq::stat(readable.name).messages != 1) return 5;
        Viewer viewer(readable.name);
        std::vector<std::byte> message;
        Viewer::Info info{};
        if (!viewer.next(message, info) || message.size() != 8) return 6;
        if (Producer(open_to_all.name).push(payload(8)) != Outcome::ok) return 7;
        if (error_of([&] { create(NamedRing::fresh()); }) != Errc::permission) return 8;
        if (error_of([&] { create(closed.name); }) != Errc::permission && error_of([&] { create(closed.name); }) != Errc::exists) return 9;
        if (error_of([&] { shmq::remove(open_to_all.name); }) != Errc::permission) return 10;  // the directory is not ours
        return 0;
    });
    CHECK(nobody.wait() == 0);
    CHECK(Producer(open_to_all.name).try_push(payload(8)) == Outcome::ok);  // a removal that was not permitted removed nothing
}

TEST_CASE("a reader's lock makes nobody look alive") {
    NamedRing ring({.slots = 4});
    const int fd = open(ring.path().c_str(), O_RDONLY | O_CLOEXEC);
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_start = static_cast<off_t>(lock_entries);
    lock.l_len = 1;
    REQUIRE(fcntl(fd, F_OFD_SETLK, &lock) == 0);
    Consumer in(ring.name);  // takes the next entry
    CHECK(in.entry() == 1);
    CHECK(shmq::stat(ring.name).participants.size() == 1);
    close(fd);
}

TEST_CASE("without descriptors left it is an error with an errno, not a crash") {
    NamedRing ring({.slots = 4});
    Child child([&](const Child::Line& line) {
        rlimit limit{static_cast<rlim_t>(std::max(line.in_, line.out_) + 1), static_cast<rlim_t>(std::max(line.in_, line.out_) + 1)};
        setrlimit(RLIMIT_NOFILE, &limit);
        while (open("/dev/null", O_RDONLY) >= 0) {}
        try {
            Producer p(ring.name);
        } catch (const Error& e) {
            return e.code() == Errc::system && e.system_errno() == EMFILE ? 0 : 1;
        }
        return 2;
    });
    CHECK(child.wait() == 0);
}

TEST_SUITE_END();

// ---- truncation ---------------------------------------------------------------------------------

TEST_SUITE_BEGIN("sigbus");

TEST_CASE("a ring truncated under its handles answers corrupt, and the process lives") {
    for (const off_t size : {0, 4096, 8192, 8192 + 4096, 8192 + 8192}) {
        for (const bool fixed : {false, true}) {
            CAPTURE(size);
            CAPTURE(fixed);
            NamedRing ring({.slots = 64, .slot_size = 64, .fixed = fixed, .participants = 16});
            Child child([&](const Child::Line&) {
                install_sigbus_handler();
                Producer out(ring.name);
                Consumer in(ring.name);
                const auto message = payload(fixed ? 64 : 40);
                for (int i = 0; i < 5; ++i)
                    if (out.push(message) != Outcome::ok) return 1;
                auto held = in.pop();
                if (truncate(ring.path().c_str(), size) != 0) return 2;
                unsigned sum = 0;
                for (const auto b : held.bytes()) sum += static_cast<unsigned>(b);
                (void)held.release();
                Outcome outcome = Outcome::ok;
                for (int i = 0; i < 200 && outcome != Outcome::corrupt; ++i) outcome = out.try_push(message);
                if (outcome != Outcome::corrupt) return 3;
                outcome = Outcome::ok;
                for (int i = 0; i < 200 && outcome != Outcome::corrupt; ++i) {
                    auto m = in.try_pop();
                    outcome = m ? m.release() : m.outcome();
                }
                if (outcome != Outcome::corrupt) return 4;
                if (out.push(message, forever) != Outcome::corrupt || in.pop(forever).outcome() != Outcome::corrupt || out.end() != Outcome::corrupt) return 5;
                (void)out.pending(), (void)in.producers_attached(), (void)in.producers_ended_badly();
                return sum < ~0u ? 0 : 6;
            });
            CHECK(child.wait() == 0);
        }
    }
}

TEST_CASE("who sleeps on a ring that is truncated wakes and answers corrupt") {
    for (const off_t size : {0, 8192}) {
        NamedRing ring({.slots = 64, .participants = 16});
        Child child([&](const Child::Line& line) {
            install_sigbus_handler();
            Consumer in(ring.name);
            line.say('r');
            return static_cast<int>(in.pop(patience()).outcome());
        });
        REQUIRE(child.hear() == 'r');
        usleep(20000);
        REQUIRE(truncate(ring.path().c_str(), size) == 0);
        CHECK(child.wait() == static_cast<int>(Outcome::corrupt));
    }
}

namespace {
volatile sig_atomic_t chained = 0;
void* volatile their_page = nullptr;
void on_their_sigbus(int, siginfo_t* info, void*) {
    if (info->si_addr != their_page) _exit(50);
    chained = chained + 1;
    mmap(their_page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}
// A mapping of a file that has become shorter.
char* broken_page() {
    const int fd = memfd_create("theirs", MFD_CLOEXEC);
    if (ftruncate(fd, 4096) != 0) return nullptr;
    void* const at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ftruncate(fd, 0) != 0) return nullptr;
    close(fd);
    their_page = at;
    return static_cast<char*>(at);
}
}  // namespace

TEST_CASE("somebody else's fault goes to the handler that was there before") {
    NamedRing ring({.slots = 64});
    Child child([&](const Child::Line&) {
        struct sigaction action {};
        action.sa_sigaction = on_their_sigbus;
        action.sa_flags = SA_SIGINFO;
        sigaction(SIGBUS, &action, nullptr);
        install_sigbus_handler();
        install_sigbus_handler();  // once is enough, twice does no harm
        Producer out(ring.name);
        *const_cast<volatile char*>(broken_page()) = 1;
        if (chained != 1) return 1;
        if (out.push(payload(8)) != Outcome::ok) return 2;
        if (truncate(ring.path().c_str(), 0) != 0) return 3;
        Outcome outcome = Outcome::ok;
        for (int i = 0; i < 200 && outcome != Outcome::corrupt; ++i) outcome = out.try_push(payload(8));
        return outcome == Outcome::corrupt && chained == 1 ? 0 : 4;
    });
    CHECK(child.wait() == 0);
}

TEST_CASE("without a handler before, somebody else's fault still kills") {
    NamedRing ring({.slots = 64});
    Child child([&](const Child::Line&) {
        rlimit none{0, 0};
        setrlimit(RLIMIT_CORE, &none);
        install_sigbus_handler();
        Producer out(ring.name);
        *const_cast<volatile char*>(broken_page()) = 1;
        return 0;
    });
    CHECK(child.wait() == 1000 + SIGBUS);
    Child sent([&](const Child::Line&) {
        rlimit none{0, 0};
        setrlimit(RLIMIT_CORE, &none);
        install_sigbus_handler();
        kill(getpid(), SIGBUS);
        usleep(1000);
        return 0;
    });
    CHECK(sent.wait() == 1000 + SIGBUS);
}

TEST_CASE("truncation while looking is an error or an end, not a death") {
    for (const off_t size : {0, 4096, 8192}) {
        NamedRing ring({.slots = 64});
        {
            Producer out(ring.name);
            for (int i = 0; i < 10; ++i) REQUIRE(out.push(payload(40)) == Outcome::ok);
        }
        Child child([&](const Child::Line& line) {
            install_sigbus_handler();
            Viewer viewer(ring.name);
            std::vector<std::byte> message;
            Viewer::Info info{};
            if (!viewer.next(message, info)) return 1;
            line.say('r');
            line.hear();
            const auto error = error_of([&] { for (int i = 0; i < 100 && viewer.next(message, info); ++i) {} viewer.rewind(); viewer.to_newest(); (void)viewer.next(message, info); });
            return !error || *error == Errc::corrupt ? 0 : 2;
        });
        REQUIRE(child.hear() == 'r');
        REQUIRE(truncate(ring.path().c_str(), size) == 0);
        child.say('g');
        CHECK(child.wait() == 0);
    }
}

TEST_SUITE_END();

// ---- looking ------------------------------------------------------------------------------------

TEST_SUITE_BEGIN("looking");

TEST_CASE("stat counts what is there, what went through, and who is at it") {
    NamedRing ring({.slots = 20, .slot_size = 64, .producers = many, .consumers = one, .timestamps = true, .waiting = Waiting::block, .participants = 9, .mode = 0640, .record = "u8 x"});
    {
        const Status s = shmq::stat(ring.name);
        CHECK(s.name == ring.name);
        CHECK(s.path == ring.path());
        CHECK(s.record == "u8 x");
        CHECK(s.state == RingState::open);
        CHECK(s.producers == many);
        CHECK(s.consumers == one);
        CHECK(s.timestamps);
        CHECK(s.waiting == Waiting::block);
        CHECK(s.slots == 20);
        CHECK(s.physical_slots >= 20);
        CHECK(s.max_participants == 9);
        CHECK(s.creator_pid == static_cast<u32>(getpid()));
        CHECK(s.owner == geteuid());
        CHECK(s.created_ns > 0);
        CHECK(s.participants.empty());
        CHECK((s.pushed == 0 && s.popped == 0 && s.messages == 0 && s.used == 0));
    }
    Producer out(ring.name), second(ring.name);
    Consumer in(ring.name);
    for (int i = 0; i < 5; ++i) REQUIRE(out.push(payload(100)) == Outcome::ok);  // two slots each
    REQUIRE(second.push(payload(8)) == Outcome::ok);
    REQUIRE(in.pop().release() == Outcome::ok);
    { auto dropped = second.claim(8); }
    auto held = in.pop();
    auto claim = out.claim(8);
    const Status s = shmq::stat(ring.name);
    CHECK(s.pushed == 6);
    CHECK(s.popped == 1);
    CHECK(s.messages == 5);  // the held one included
    CHECK(s.used == 4 * 2 + 1 + 1 + 1);
    CHECK(s.abandoned == 1);
    CHECK(s.writers == 2);
    CHECK(s.readers == 1);
    REQUIRE(s.participants.size() == 3);
    CHECK(s.participants[0].role == role_producer);
    CHECK(s.participants[0].messages == 5);
    CHECK(s.participants[0].bytes == 500);
    CHECK(s.participants[0].alive);
    CHECK(s.participants[0].pid == static_cast<u32>(getpid()));
    CHECK(s.participants[0].holds_slots == 1);
    CHECK(s.participants[1].holds_slots == 0);
    CHECK(s.participants[2].role == role_consumer);
    CHECK(s.participants[2].holds_slots == 2);
    CHECK(s.participants[2].holds_position == 2);
    CHECK(s.participants[2].messages == 1);
    CHECK(claim.commit() == Outcome::ok);
    CHECK(held.release() == Outcome::ok);
}

TEST_CASE("stat disturbs nobody: a single side may look at itself, and nothing is attached after") {
    NamedRing ring({.slots = 4, .producers = one, .consumers = one});
    Producer out(ring.name);
    const u64 before = shmq::stat(ring.name).participants.size();
    for (int i = 0; i < 50; ++i) CHECK(shmq::stat(ring.name).writers == 1);
    CHECK(shmq::stat(ring.name).participants.size() == before);
    CHECK(out.push(payload(8)) == Outcome::ok);
}

TEST_CASE("with timestamps stat tells how old the oldest message is and how long the last one stayed") {
    const auto now = [] { return static_cast<u64>(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count()); };
    for (const bool fixed : {false, true})
        for (const bool broadcast : {false, true})
            for (const bool overwrite : {false, true})
                for (const Sides consumers : {many, one}) {
                    if (broadcast && consumers == one) continue;
                    CAPTURE(fixed);
                    CAPTURE(broadcast);
                    CAPTURE(overwrite);
                    CAPTURE(consumers == one);
                    NamedRing ring({.slots = 16, .slot_size = 64, .fixed = fixed, .consumers = consumers, .broadcast = broadcast, .overwrite = overwrite, .timestamps = true});
                    const auto status = [&] { return shmq::stat(ring.name); };
                    Producer out(ring.name);
                    Consumer in(ring.name);
                    CHECK(status().oldest_ns == 0);
                    CHECK(status().delay_ns == 0);
                    u64 before[4], after[4];
                    for (u32 i = 0; i < 4; ++i) {
                        before[i] = now();
                        REQUIRE(out.push(payload(64, 0, i)) == Outcome::ok);
                        after[i] = now();
                    }
                    const auto oldest_is = [&](u32 i) { return status().oldest_ns >= before[i] && status().oldest_ns <= after[i]; };
                    const auto delay_is_of = [&](u32 i, u64 earliest) { return status().delay_ns >= std::max<u64>(1, earliest - after[i]) && status().delay_ns <= now() - before[i]; };
                    CHECK(oldest_is(0));
                    auto held = in.pop();
                    if (!overwrite || broadcast || consumers == one) CHECK(oldest_is(0));
                    u64 earliest = now();
                    REQUIRE(held.release() == Outcome::ok);
                    CHECK(oldest_is(1 * !(overwrite && broadcast)));  // there nobody's reading frees anything
                    CHECK(delay_is_of(0, earliest));

                    auto batch = in.pop_batch(2);
                    REQUIRE(batch);
                    earliest = now();
                    if (batch.size() == 2) {  // not in overwrite rings
                        REQUIRE((*batch.begin()).release() == Outcome::ok);
                        CHECK(delay_is_of(1, earliest));
                    }
                    const u32 last = static_cast<u32>(batch.size());
                    earliest = now();
                    REQUIRE(batch.release() == Outcome::ok);
                    CHECK(delay_is_of(last, earliest));
                    for (u32 i = last; i < 3; ++i) REQUIRE(in.pop().release() == Outcome::ok);
                    if (!(overwrite && broadcast)) CHECK(status().oldest_ns == 0);
                    CHECK(status().delay_ns > 0);
                    CHECK(status().delay_ns <= now() - before[3]);
                }
    NamedRing without({.slots = 16});
    REQUIRE(Producer(without.name).push(payload(8)) == Outcome::ok);
    CHECK(shmq::stat(without.name).oldest_ns == 0);
    REQUIRE(Consumer(without.name).pop().release() == Outcome::ok);
    CHECK(shmq::stat(without.name).delay_ns == 0);
}

TEST_CASE("a viewer sees each message once, the held ones too, and consumes none") {
    for (const bool fixed : {false, true}) {
        NamedRing ring({.slots = 16, .slot_size = 64, .fixed = fixed, .timestamps = true, .record = "r"});
        Producer out(ring.name);
        Consumer in(ring.name);
        const auto bytes = [&](u32 i) { return payload(fixed ? 64 : 8 + i * 20, 0, i); };
        for (u32 i = 0; i < 5; ++i) REQUIRE(out.push(bytes(i)) == Outcome::ok);
        REQUIRE(in.pop().release() == Outcome::ok);
        { auto back = in.pop(); }
        auto held = in.pop(patience());
        REQUIRE(held.redelivered());
        Viewer viewer(ring.name);
        CHECK(viewer.fixed() == fixed);
        CHECK(viewer.record() == "r");
        std::vector<std::byte> message;
        Viewer::Info info{};
        for (int twice = 0; twice < 2; ++twice) {
            for (u32 i = 1; i < 5; ++i) {
                REQUIRE(viewer.next(message, info));
                CHECK(same(message, bytes(i)));
                CHECK(info.redelivered == (i == 1));
                CHECK(info.time_ns > 0);
            }
            CHECK_FALSE(viewer.next(message, info));
            viewer.rewind();
        }
        viewer.to_newest();
        REQUIRE(viewer.next(message, info));
        CHECK(same(message, bytes(4)));
        CHECK_FALSE(viewer.next(message, info));
        auto claim = out.claim(fixed ? 64 : 100);
        CHECK_FALSE(viewer.next(message, info));  // not yet committed
        REQUIRE(out.push(bytes(5)) == Outcome::ok);
        REQUIRE(viewer.next(message, info));      // behind what is not
        CHECK(same(message, bytes(5)));
        CHECK(shmq::stat(ring.name).messages == 5);
        CHECK(held.release() == Outcome::ok);
        CHECK(claim.commit() == Outcome::ok);
    }
}

TEST_CASE("an empty ring shows a viewer nothing until there is something") {
    NamedRing ring;
    Viewer viewer(ring.name);
    std::vector<std::byte> message;
    Viewer::Info info{};
    CHECK_FALSE(viewer.next(message, info));
    viewer.to_newest();
    CHECK_FALSE(viewer.next(message, info));
    REQUIRE(Producer(ring.name).push(payload(8, 0, 4)) == Outcome::ok);
    CHECK(viewer.next(message, info));
    Viewer moved = std::move(viewer);
    CHECK_FALSE(moved.next(message, info));
}

TEST_CASE("a viewer of a busy ring sees whole messages only, in order") {
    for (const auto& policy : policies) {
        for (const bool fixed : {false, true}) {
            CAPTURE(policy.name);
            CAPTURE(fixed);
            NamedRing ring({.slots = 12, .slot_size = 64, .fixed = fixed, .producers = policy.one_producer ? one : many, .consumers = policy.one_consumer ? one : many});
            Child producer([&](const Child::Line&) {
                Producer out(ring.name);
                for (u32 i = 0; i < 30000; ++i)
                    if (out.push(payload(fixed ? 64 : 8 + i % 200, 1, i), patience()) != Outcome::ok) return 1;
                return out.end() == Outcome::ok ? 0 : 2;
            });
            Child consumer([&](const Child::Line&) {
                Consumer in(ring.name);
                for (;;) {
                    auto m = in.pop(patience());
                    if (!m) return m.outcome() == Outcome::ended ? 0 : 1;
                    if (m.release() != Outcome::ok) return 2;
                }
            });
            Viewer viewer(ring.name);
            std::vector<std::byte> message;
            Viewer::Info info{};
            u64 seen = 0, damaged = 0, disordered = 0, last = 0, looks = 0;
            while (shmq::stat(ring.name).state == RingState::open && looks++ < 100000) {
                for (int i = 0; i < 20 && viewer.next(message, info); ++i) {
                    u32 author = 0, number = 0;
                    if (!whole(message, author, number)) ++damaged;
                    if (seen++ && info.position <= last) ++disordered;
                    last = info.position;
                }
                const Status s = shmq::stat(ring.name);
                CHECK(s.used <= 12);
                CHECK(s.messages <= 12);
            }
            CHECK(damaged == 0);
            CHECK(disordered == 0);
            CHECK(producer.wait() == 0);
            CHECK(consumer.wait() == 0);
        }
    }
}

TEST_CASE("the two sides of a duplex ring talk to each other") {
    const std::string name = NamedRing::fresh();
    create(name, {.slots = 16, .duplex = true});
    CHECK(error_of([&] { create(name, {.slots = 16, .duplex = true}); }) == Errc::exists);
    CHECK(rings_of(name) == std::vector{name + "/a", name + "/b"});
    {
        Endpoint a(name, Side::a);
        CHECK(!a.opened());
        Endpoint b(name, Side::b);
        CHECK(a.opened());
        CHECK(a.send(bytes("ping")) == Outcome::ok);
        CHECK(a.available() == 15);
        CHECK(b.pending() == 1);
        CHECK(a.try_receive().outcome() == Outcome::empty);
        {
            Message message = b.receive(patience());
            REQUIRE(message);
            CHECK(text(message.bytes()) == "ping");
            CHECK(b.try_send(bytes("pong")) == Outcome::ok);
            message.release();
        }
        std::byte buffer[8];
        const Copied copied = a.receive(buffer, patience());
        CHECK(copied.outcome == Outcome::ok);
        CHECK(text(Bytes(buffer, copied.size)) == "pong");
        CHECK(a.receive(Clock::now() + 1ms).outcome() == Outcome::timed_out);
        CHECK(error_of([&] { remove(name); }) == Errc::in_use);
        CHECK(b.end() == Outcome::ok);
        CHECK(a.receive().outcome() == Outcome::ended);
    }
    CHECK(error_of([&] { Endpoint(name + "/a", Side::a); }) == Errc::bad_name);
    ::unlink(path_of(name + "/b").c_str());
    CHECK(error_of([&] { Endpoint(name, Side::a); }) == Errc::no_such_ring);
    create(name, {.slots = 16, .duplex = true});
    CHECK(Endpoint(name, Side::b).try_send(bytes("x")) == Outcome::ok);
    remove(name);
    CHECK(!std::ranges::count(list(), name + "/a"));
    CHECK(!std::ranges::count(list(), name + "/b"));
}

TEST_CASE("where the second direction has no room the first is not left behind") {
    const std::string name = NamedRing::fresh();
    CHECK(error_of([&] { create(name, {.slots = u64{1} << 34, .duplex = true}); }) == Errc::no_room);
    CHECK(error_of([&] { remove(name); }) == Errc::no_such_ring);
}

TEST_SUITE_END();
