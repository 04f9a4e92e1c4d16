// Segments written by early programs of format version 1, kept in golden/ (README.md there tells of each). Every
// later program that says it reads version 1 must look at them, take over what was left half done in them,
// and go on. Two are looked at here through the library, the others by golden_commands.sh.
//
// A change that makes this fail changes the format: raise format_version, keep these files (they must
// then be refused as `other_version`), and write new ones beside them:
//   shmq_hostile --no-skip -tc='write the golden segments'      into tests/fuzz/golden, as v2-*.ring
#include <doctest/doctest.h>

#include <functional>

#include "spoil.hpp"

using namespace test;

namespace {

const Options variable{.slots = 64, .slot_size = 64, .max_message = 1000, .timestamps = true, .participants = 4, .record = "id:u32,note:text"};
const Options fixed{.slots = 50, .slot_size = 24, .fixed = true, .producers = one, .consumers = one, .timestamps = true, .participants = 4};

constexpr u32 author = 77;
std::size_t variable_size(u32 number) { return 8 + number * 5 % 150; }

// The state that is kept, variable: messages 0 to 24 pushed, a claim abandoned after 3; 0 to 9 consumed,
// 10 held by a consumer that gave it up, 11 consumed out of order, the rest to be read.
void fill_variable(const std::string& name) {
    create(name, variable);
    Producer producer(name);
    {
        Consumer consumer(name), other(name);
        for (u32 i = 0; i < 25; ++i) {
            if (i == 4) (void)producer.try_claim(200);
            REQUIRE(producer.try_push(payload(variable_size(i), author, i)) == Outcome::ok);
            if (i < 10) REQUIRE(consumer.try_pop().release() == Outcome::ok);
        }
        Message given_up = consumer.try_pop();
        REQUIRE(given_up);
        REQUIRE(other.try_pop().release() == Outcome::ok);
    }
}
// Fixed: 0 to 79 pushed, 0 to 44 consumed, so that the rest comes round the end; then the stream ended.
void fill_fixed(const std::string& name) {
    create(name, fixed);
    Producer producer(name);
    Consumer consumer(name);
    for (u32 i = 0; i < 80; ++i) {
        if (i >= 30 && i < 75) REQUIRE(consumer.try_pop().release() == Outcome::ok);
        REQUIRE(producer.try_push(payload(24, author, i)) == Outcome::ok);
    }
    REQUIRE(producer.end() == Outcome::ok);
}

// ---- what else a ring can be left in: looked at by golden_commands.sh -----------------------------

std::string words(u32 number) { return "number " + std::to_string(number); }
void push(Producer& producer, u32 from, u32 to) {
    for (u32 i = from; i <= to; ++i) REQUIRE(producer.try_push(bytes(words(i))) == Outcome::ok);
}
bool take(Consumer& consumer, u32 from, u32 to) {
    for (u32 i = from; i <= to; ++i) {
        Message message = consumer.try_pop();
        if (!message || text(message.bytes()) != words(i) || message.release() != Outcome::ok) return false;
    }
    return true;
}
// Attached as a T, and where `work` calls stand(true) it stands until it is killed.
template <class T>
Child caught(const std::string& name, const std::function<void(T&, const std::function<void(bool)>& stand)>& work) {
    Child child([&](const Child::Line& line) {
        T handle(name);
        work(handle, [&](bool good) { line.say(good ? 'r' : 'w'), line.hear(); });
        return 0;
    });
    REQUIRE(child.hear() == 'r');
    return child;
}

// Broadcast: 0 to 59 read by all. Of 60 to 73 a reader read four and another nine; a third one, which read
// twelve, left when those were all there was. Then the two were killed, the slow one with a message in hand.
void fill_broadcast(const std::string& name) {
    create(name, {.slots = 16, .broadcast = true, .participants = 5});
    Producer producer(name);
    std::optional<Consumer> reader(name);
    for (u32 i = 0; i < 60; i += 10) {
        push(producer, i, i + 9);
        REQUIRE(take(*reader, i, i + 9));
    }
    push(producer, 60, 71);
    Child slow = caught<Consumer>(name, [](Consumer& c, auto& stand) {
        const bool good = take(c, 60, 63);
        Message held = c.try_pop();
        stand(good && held);
    });
    Child quick = caught<Consumer>(name, [](Consumer& c, auto& stand) {
        stand(take(c, 60, 68));
    });
    REQUIRE(take(*reader, 60, 71));
    reader.reset();
    push(producer, 72, 73);
    slow.kill(), quick.kill();
}

// Overwrite, 8 messages: 0 and 1 popped, then 62 where 2 to 61 were gone; the last is 99.
void fill_overwrite(const std::string& name) {
    create(name, {.slots = 8, .overwrite = true, .participants = 4});
    Producer producer(name);
    Consumer consumer(name);
    push(producer, 0, 7);
    REQUIRE(take(consumer, 0, 1));
    push(producer, 8, 69);
    REQUIRE(take(consumer, 62, 62));
    push(producer, 70, 99);
}

// Behind 0 to 3, of which the last is its own, a producer was killed that had claimed three slots and filled
// part of them; behind 4 to 6 one that had claimed one. 0 is consumed.
void fill_dead_producer(const std::string& name) {
    create(name, {.slots = 16, .participants = 5});
    Producer producer(name);
    Consumer consumer(name);
    push(producer, 0, 2);
    REQUIRE(take(consumer, 0, 0));
    Child first = caught<Producer>(name, [](Producer& p, auto& stand) {
        push(p, 3, 3);
        Claim claim = p.try_claim(150);
        if (claim) std::memset(claim.bytes().data(), '?', 100);
        stand(bool(claim));
    });
    push(producer, 4, 6);
    Child second = caught<Producer>(name, [](Producer& p, auto& stand) {
        Claim claim = p.try_claim(20);
        stand(bool(claim));
    });
    first.kill(), second.kill();
}

// Of 0 to 6 a consumer consumed 0 and was killed with 1 and 2; another consumed 3 before.
void fill_dead_consumer(const std::string& name) {
    create(name, {.slots = 16, .participants = 5});
    Producer producer(name);
    push(producer, 0, 6);
    Child dead = caught<Consumer>(name, [](Consumer& c, auto& stand) {
        const bool good = take(c, 0, 0);
        Batch held = c.pop_batch(2, no_wait);
        stand(good && held.size() == 2);
    });
    {
        Consumer other(name);
        REQUIRE(take(other, 3, 3));
    }
    dead.kill();
}

// With times: 0 to 4, of which 0 and 1 are consumed.
void fill_times(const std::string& name) {
    create(name, {.slots = 16, .timestamps = true, .participants = 4});
    Producer producer(name);
    Consumer consumer(name);
    push(producer, 0, 4);
    REQUIRE(take(consumer, 0, 1));
}

// With a record layout: three structs.
struct Tick {
    std::int32_t id;
    double price;
    char symbol[8];
};
void fill_record(const std::string& name) {
    create(name, {.slots = 8, .slot_size = sizeof(Tick), .fixed = true, .participants = 4, .record = "id:i32,price:f64,symbol:char[8]"});
    const Tick ticks[] = {{1, 3.25, "ABC"}, {-2, 0.1, {'E', 'I', 'G', 'H', 'T', 'C', 'H', 'R'}}, {2147483647, 1e300, ""}};
    Producer producer(name);
    for (const Tick& tick : ticks) REQUIRE(producer.try_push(std::as_bytes(std::span(&tick, 1))) == Outcome::ok);
}

// A copy in the tests' directory.
class Golden {
public:
    explicit Golden(const char* file) : name(NamedRing::fresh()) {
        const auto image = contents(std::string(SHMQ_GOLDEN_DIR "/") + file);
        write_at(path(), 0, image.data(), image.size(), O_CREAT | O_EXCL);
    }
    Golden(const Golden&) = delete;
    ~Golden() { ::unlink(path().c_str()); }
    std::string path() const { return path_of(name); }
    const std::string name;
};

std::string words_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}
bool says(const std::string& text, const char* what) { return text.find(what) != std::string::npos; }

bool is_message(Bytes bytes, u32 number, std::size_t size) {
    u32 by = 0, which = 0;
    return bytes.size() == size && whole(bytes, by, which) && by == author && which == number;
}

}  // namespace

TEST_SUITE_BEGIN("golden");

TEST_CASE("a variable ring of format version 1 is looked at without being touched") {
    const Golden ring("v1-variable.ring");
    const auto before = contents(ring.path());
    const Status s = stat(ring.name);
    CHECK(s.format_version == 1);
    CHECK(s.state == RingState::open);
    CHECK(s.slots == 64);
    CHECK(s.slot_size == 64);
    CHECK(s.max_message == 1000);
    CHECK(s.record == variable.record);
    CHECK(s.timestamps);
    CHECK(!s.fixed);
    CHECK(s.pushed == 25);
    CHECK(s.popped == 11);
    CHECK(s.messages == 14);  // 10 and 12 to 24
    CHECK(s.readers + s.writers == 0);
    CHECK(s.producers_ended_badly + s.consumers_ended_badly == 0);

    Viewer viewer(ring.name);
    std::vector<std::byte> message;
    Viewer::Info info{};
    for (u32 i : {10u, 12u, 13u, 14u, 15u, 16u, 17u, 18u, 19u, 20u, 21u, 22u, 23u, 24u}) {
        REQUIRE(viewer.next(message, info));
        CHECK(is_message(message, i, variable_size(i)));
        CHECK(info.time_ns > 1'700'000'000'000'000'000);
    }
    CHECK(!viewer.next(message, info));
    CHECK(contents(ring.path()) == before);
}

TEST_CASE("a variable ring of format version 1 is taken over where it was left, and goes on") {
    const Golden ring("v1-variable.ring");
    Consumer consumer(ring.name);
    for (u32 i : {10u, 12u, 13u, 14u, 15u, 16u, 17u, 18u, 19u, 20u, 21u, 22u, 23u, 24u}) {
        Message message = consumer.try_pop();
        REQUIRE(message);
        CHECK(is_message(message.bytes(), i, variable_size(i)));
        CHECK(message.redelivered() == (i == 10));
        CHECK(message.sequence() == i);
        CHECK(message.time_ns() > 1'700'000'000'000'000'000);
        CHECK(message.release() == Outcome::ok);
    }
    CHECK(consumer.try_pop().outcome() == Outcome::empty);
    CHECK(consumer.available() == 64);
    Producer producer(ring.name);
    for (u32 i = 25; i < 500; ++i) {
        REQUIRE(producer.try_push(payload(variable_size(i), author, i)) == Outcome::ok);
        Message message = consumer.try_pop();
        REQUIRE(message);
        CHECK(is_message(message.bytes(), i, variable_size(i)));
        CHECK(message.release() == Outcome::ok);
    }
    CHECK(stat(ring.name).pushed == 500);
}

TEST_CASE("a fixed ring of format version 1 is drained to its end, and reopened") {
    const Golden ring("v1-fixed.ring");
    CHECK(stat(ring.name).state == RingState::ended);
    CHECK(stat(ring.name).messages == 35);
    {
        Consumer consumer(ring.name);
        u32 i = 45;
        while (Batch batch = consumer.pop_batch(10, no_wait)) {
            for (auto& message : batch) {
                CHECK(message.position() == i);
                CHECK(message.time_ns() > 1'700'000'000'000'000'000);
                CHECK(is_message(message.bytes(), i++, 24));
            }
            CHECK(batch.release() == Outcome::ok);
        }
        CHECK(i == 80);
        CHECK(consumer.try_pop().outcome() == Outcome::ended);
        CHECK(Producer(ring.name).try_push(payload(24)) == Outcome::ended);
    }
    Options again = fixed;
    again.if_exists = IfExists::reopen;
    create(ring.name, again);
    Producer producer(ring.name);
    Consumer consumer(ring.name);
    for (u32 i = 80; i < 300; ++i) {
        REQUIRE(producer.try_push(payload(24, author, i)) == Outcome::ok);
        Message message = consumer.try_pop();
        REQUIRE(message);
        CHECK(is_message(message.bytes(), i, 24));
        CHECK(message.release() == Outcome::ok);
    }
}

TEST_CASE("segments of other versions are refused by name, whole or with a look") {
    const Golden ring("v1-variable.ring");
    const auto attach = [&] { Producer producer(ring.name); };
    const auto take = [&] { Consumer consumer(ring.name); };
    const auto look = [&] { Viewer viewer(ring.name); };
    const auto ask = [&] { (void)stat(ring.name); };
    const auto refused_to_all = [&](Errc code, const char* saying) {
        for (const std::function<void()>& call : std::initializer_list<std::function<void()>>{attach, take, look, ask, [&] { shmq::remove(ring.name); }}) {
            CHECK(error_of(call) == code);
            CHECK_MESSAGE(says(words_of(call), saying), words_of(call));
            CHECK(says(words_of(call), ring.name.c_str()));
        }
    };
    SUBCASE("another format version") {
        forge_header(ring.path(), [](Header& h) { h.version = 2; });
        refused_to_all(Errc::other_version, "format version 2, expected 1");
    }
    SUBCASE("no format version") {
        forge_header(ring.path(), [](Header& h) { h.version = 0; });
        refused_to_all(Errc::other_version, "format version 0, expected 1");
    }
    SUBCASE("a machine of the other byte order") {
        forge_header(ring.path(), [](Header& h) { h.byte_order = __builtin_bswap32(h.byte_order), h.version = __builtin_bswap32(h.version); });
        refused_to_all(Errc::other_version, "byte order");
    }
    SUBCASE("no byte order at all") {
        forge_header(ring.path(), [](Header& h) { h.byte_order = 0x01010101; });
        refused_to_all(Errc::corrupt, "byte order");
    }
    SUBCASE("an incompatible feature that nobody knows") {
        for (int bit = 6; bit < 64; ++bit) {
            forge_header(ring.path(), [&](Header& h) { h.incompatible = (h.incompatible & 63) | u64{1} << bit; });
            refused_to_all(Errc::other_version, std::to_string(u64{1} << bit).c_str());
        }
    }
    SUBCASE("a read-only compatible feature: a look is allowed") {
        for (int bit : {0, 7, 63}) {
            forge_header(ring.path(), [&](Header& h) { h.read_only_compatible = u64{1} << bit; });
            for (const std::function<void()>& call : std::initializer_list<std::function<void()>>{attach, take}) {
                CHECK(error_of(call) == Errc::other_version);
                CHECK(says(words_of(call), "only look at"));
                CHECK(says(words_of(call), std::to_string(u64{1} << bit).c_str()));
            }
            CHECK(!error_of(look));
            CHECK(!error_of(ask));
        }
    }
    SUBCASE("a compatible feature that nobody knows is ignored") {
        forge_header(ring.path(), [](Header& h) { h.compatible |= u64{1} << 63 | u64{1} << 20; });
        for (const std::function<void()>& call : std::initializer_list<std::function<void()>>{attach, take, look, ask}) CHECK(!error_of(call));
        CHECK(Consumer(ring.name).try_pop().redelivered());
    }
    SUBCASE("a header changed without its checksum") {
        Header h = header_of(ring.path());
        ++h.created_ns;
        write_at(ring.path(), 0, &h, sizeof h);
        refused_to_all(Errc::corrupt, "checksum");
    }
    SUBCASE("something else") {
        forge_header(ring.path(), [](Header& h) { h.magic[7] = '2'; });
        refused_to_all(Errc::not_a_ring, "SHMQRING");
    }
    SUBCASE("a shorter file") {
        REQUIRE(::truncate(ring.path().c_str(), 16384) == 0);
        refused_to_all(Errc::corrupt, "16384");
    }
}

TEST_CASE("write the golden segments" * doctest::skip()) {
    const char* const elsewhere = getenv("SHMQ_GOLDEN_TO");
    const std::string directory = elsewhere ? elsewhere : SHMQ_GOLDEN_DIR;
    const auto keep = [&](const char* file, void (*fill)(const std::string&)) {
        const std::string to = directory + "/v" + std::to_string(format_version) + "-" + file;
        if (::access(to.c_str(), F_OK) == 0) return;  // never over an old one
        const std::string name = NamedRing::fresh();
        fill(name);
        const auto image = contents(path_of(name));
        write_at(to, 0, image.data(), image.size(), O_CREAT | O_EXCL);
        shmq::remove(name);
    };
    keep("variable.ring", fill_variable);
    keep("fixed.ring", fill_fixed);
    keep("broadcast.ring", fill_broadcast);
    keep("overwrite.ring", fill_overwrite);
    keep("dead-producer.ring", fill_dead_producer);
    keep("dead-consumer.ring", fill_dead_consumer);
    keep("times.ring", fill_times);
    keep("record.ring", fill_record);
}

TEST_SUITE_END();
