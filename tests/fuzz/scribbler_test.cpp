// A hostile process writes into every part of live segments while others work in them. They may refuse,
// see nonsense and be told `corrupt`; they may not crash, leave their mapping, or outstay a deadline.
#include <doctest/doctest.h>

#include <random>

#include "guarded_mmap.hpp"
#include "spoil.hpp"

using namespace test;

namespace {

struct Shared {
    std::atomic<bool> stop{false};
    std::atomic<u64> attached{0}, refused{0}, moved{0}, corrupt{0}, scribbled{0}, longest_ns{0};
};

bool long_run() {
    const char* const set = getenv("SHMQ_LONG");
    return set && *set && std::strcmp(set, "0") != 0;
}

void note_longest(Shared& shared, Deadline since) {
    const auto took = static_cast<u64>((Clock::now() - since).count());
    for (u64 now = shared.longest_ns; took > now && !shared.longest_ns.compare_exchange_weak(now, took);) {}
}

// The library's user: attaches, works until it is told that it cannot go on, attaches again.
template <class Work>
int keep_at(Shared& shared, Work work) {
    install_sigbus_handler();
    while (!shared.stop) {
        const auto since = Clock::now();
        try {
            work(since);
        } catch (const Error&) {
            ++shared.refused;
            usleep(100);
        }
        if (reservations()) return 2;
    }
    return 0;
}

volatile unsigned sink;
struct Room {
    Reserved mapped = newest_reservation();
    void read(Bytes bytes) const {
        if (!bytes.empty() && !mapped.holds(bytes.data(), bytes.size())) _exit(3);
        unsigned sum = 0;
        for (std::byte b : bytes) sum += static_cast<unsigned>(b);
        sink = sum;
    }
    void write(std::span<std::byte> bytes) const {
        if (!bytes.empty() && !mapped.holds(bytes.data(), bytes.size())) _exit(3);
        if (!bytes.empty()) std::memset(bytes.data(), 'w', bytes.size());
    }
};

// False: attach again.
bool goes_on(Shared& shared, Outcome outcome) {
    if (outcome == Outcome::ok) ++shared.moved;
    if (outcome == Outcome::corrupt) ++shared.corrupt;
    return outcome == Outcome::ok || outcome == Outcome::full || outcome == Outcome::empty || outcome == Outcome::timed_out || outcome == Outcome::too_long;
}

int produce(Shared& shared, const std::string& name, unsigned seed) {
    std::mt19937 random(seed);
    return keep_at(shared, [&](Deadline since) {
        Producer producer(name);
        ++shared.attached;
        const Room room;
        std::vector<std::byte> message(std::min<u64>(producer.max_message(), 500));
        for (bool good = true; good && !shared.stop && random() % 2000;) {
            const std::size_t size = producer.fixed() ? producer.slot_size() : random() % (message.size() + 1);
            const auto deadline = random() % 4 ? no_wait : after(5ms);
            since = Clock::now();
            switch (random() % 4) {
                case 0: good = goes_on(shared, producer.push(Bytes(message).first(size), deadline)); break;
                case 1: {
                    const std::vector<Bytes> batch(random() % 9, Bytes(message).first(size));
                    good = goes_on(shared, producer.push(batch, deadline).outcome);
                    break;
                }
                case 2: {
                    Claim claim = producer.claim(size, deadline);
                    good = goes_on(shared, claim.outcome());
                    if (!claim) break;
                    room.write(claim.bytes());
                    if (random() % 4) good = goes_on(shared, claim.commit());
                    break;
                }
                case 3: {
                    ClaimBatch batch = producer.claim_batch(1 + random() % 8, size, deadline);
                    good = goes_on(shared, batch.outcome());
                    for (int i = 0; batch && i < 6; ++i) room.write(batch.next(size));
                    if (batch && random() % 4) good = goes_on(shared, batch.commit());
                    break;
                }
            }
            note_longest(shared, since);
        }
        if (random() % 8 == 0) (void)producer.producers_ended_badly();
    });
}

// Messages of an overwrite ring are copies, not in the mapping.
int consume(Shared& shared, const std::string& name, bool copies, unsigned seed) {
    std::mt19937 random(seed);
    return keep_at(shared, [&](Deadline since) {
        Consumer consumer(name);
        ++shared.attached;
        const Room room;
        std::vector<std::byte> buffer(600);
        for (bool good = true; good && !shared.stop && random() % 2000;) {
            const auto deadline = random() % 4 ? no_wait : after(5ms);
            since = Clock::now();
            switch (random() % 3) {
                case 0: {
                    Message message = consumer.pop(deadline);
                    good = goes_on(shared, message.outcome());
                    if (!message) break;
                    if (!copies) room.read(message.bytes());
                    sink = static_cast<unsigned>(message.sequence() + message.time_ns() + message.producer());
                    if (random() % 8) good = goes_on(shared, message.release());
                    break;
                }
                case 1: good = goes_on(shared, consumer.pop(buffer, deadline).outcome); break;
                case 2: {
                    Batch batch = consumer.pop_batch(1 + random() % 64, deadline);
                    good = goes_on(shared, batch.outcome());
                    if (!batch) break;
                    if (!copies) room.read(batch.array());
                    u64 seen = 0;
                    for (auto& message : batch) {
                        if (!copies) room.read(message.bytes());
                        if (random() % 4 == 0) (void)message.release();
                        if (++seen > consumer.capacity()) _exit(4);
                    }
                    if (random() % 8) good = goes_on(shared, batch.release());
                    break;
                }
            }
            note_longest(shared, since);
        }
    });
}

int look(Shared& shared, const std::string& name, unsigned seed) {
    std::mt19937 random(seed);
    return keep_at(shared, [&](Deadline since) {
        sink = static_cast<unsigned>(stat(name).messages);
        Viewer viewer(name);
        ++shared.attached;
        std::vector<std::byte> message;
        Viewer::Info info{};
        for (int i = 0; i < 50 && !shared.stop; ++i) {
            if (random() % 4 == 0) viewer.to_newest();
            if (random() % 4 == 0) viewer.rewind();
            for (int n = 0; n < 1000 && viewer.next(message, info); ++n) {}
        }
        note_longest(shared, since);
    });
}

int scribble(Shared& shared, const std::string& path, unsigned seed) {
    std::mt19937_64 random(seed);
    const auto good = contents(path);
    const Header h = header_of(path);
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    auto* const base = static_cast<std::byte*>(mmap(nullptr, good.size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    if (fd < 0 || base == MAP_FAILED) return 9;
    const auto at64 = [&](u64 offset) -> std::atomic<u64>& { return *reinterpret_cast<std::atomic<u64>*>(base + offset); };
    const auto at32 = [&](u64 offset) -> std::atomic<u32>& { return *reinterpret_cast<std::atomic<u32>*>(base + offset); };
    auto& written = at64(h.lines_offset);
    const auto nasty = [&]() -> u64 {
        switch (random() % 8) {
            case 0: return 0;
            case 1: return ~u64{0} - random() % 70;
            case 2: return u64{1} << random() % 64;
            case 3: return random();
            case 4: return random() % 300;
            default: return written + random() % (4 * h.slots) - 2 * h.slots;
        }
    };
    while (!shared.stop) {
        switch (random() % 12) {
            case 0: {  // the header, now and then so that it looks right
                const u64 offset = random() % 31 * 8;
                at64(offset) = random() % 2 ? nasty() : at64(offset) ^ u64{1} << random() % 64;
                if (random() % 2) {
                    Header now{};
                    std::memcpy(&now, base, sizeof now);
                    at64(offsetof(Header, checksum)) = checksum_of(now, base + header_bytes);
                }
                if (random() % 2) usleep(50);
                std::memcpy(base, good.data(), header_bytes);
                break;
            }
            case 1: at64(h.lines_offset + random() % 3 * line_bytes) = nasty(); break;
            case 2: at64(h.lines_offset + random() % 3 * line_bytes).fetch_add(random() % 5 - 2); break;
            case 3: at32(h.lines_offset + 3 * line_bytes + random() % 2 * line_bytes) = static_cast<u32>(nasty()); break;
            case 4: at64(h.lines_offset + 5 * line_bytes + 8 + random() % 7 * 8) = nasty(); break;  // not "removed": all would go home
            case 5: case 6: at64(h.words_offset + random() % h.slots * 8) = random() % 2 ? nasty() : (written / h.slots + random() % 3) << 16 | random() % 3 << 8 | random() % 5; break;
            case 7: case 8: at64(h.data_offset + random() % h.slots * h.slot_size / 8 * 8) = random() % 2 ? nasty() : random() % (2 * h.max_message); break;
            case 9: case 10: at64(h.entries_offset + random() % h.participants * sizeof(Entry) + random() % (sizeof(Entry) / 8) * 8) = nasty(); break;
            case 11:  // well again, so that the others get on
                if (random() % 4 == 0) std::memcpy(base + h.lines_offset, good.data() + h.lines_offset, good.size() - h.lines_offset);
                break;
        }
        ++shared.scribbled;
        if (random() % 4 == 0) usleep(static_cast<useconds_t>(random() % 100));
    }
    return 0;
}

}  // namespace

TEST_SUITE_BEGIN("scribbler");

TEST_CASE("whatever a peer writes into a live ring, others only refuse") {
    const auto time = long_run() ? 75s : 2s;
    struct Kind {
        Policy policy;
        bool broadcast, overwrite;
    };
    std::vector<Kind> kinds;
    for (const Policy& policy : policies) kinds.push_back({policy, false, false});
    for (const Policy& policy : {policies[0], policies[3]})
        for (const int kind : {1, 2, 3}) kinds.push_back({policy, kind % 2 == 1, kind / 2 == 1});
    for (const auto& [policy, broadcast, overwrite] : kinds) {
        for (const bool fixed : {false, true}) {
            const std::string what = std::string(policy.name) + (broadcast ? ", broadcast" : "") + (overwrite ? ", overwrite" : "") + (fixed ? ", fixed" : "");
            CAPTURE(what);
            const bool copies = overwrite;
            const NamedRing ring({.slots = 64, .slot_size = fixed ? u64{24} : u64{64}, .fixed = fixed, .producers = policy.one_producer ? one : many,
                                  .consumers = policy.one_consumer ? one : many, .broadcast = broadcast, .overwrite = overwrite, .timestamps = true, .participants = 8});
            Common<Shared> memory(1);
            Shared& shared = *new (&memory[0]) Shared;
            std::vector<Child> workers;
            unsigned seed = static_cast<unsigned>(Clock::now().time_since_epoch().count());
            MESSAGE("seed " << seed << ", " << what);
            const auto start = [&](auto work) {
                workers.emplace_back([&, mine = seed++](const Child::Line&) {
                    alarm(static_cast<unsigned>(time.count()) + 90);  // a hang dies of it
                    return work(mine);
                });
            };
            for (int i = 0; i < (policy.one_producer ? 1 : 2); ++i) start([&](unsigned s) { return produce(shared, ring.name, s); });
            for (int i = 0; i < (policy.one_consumer ? 1 : 2); ++i) start([&](unsigned s) { return consume(shared, ring.name, copies, s); });
            start([&](unsigned s) { return look(shared, ring.name, s); });
            start([&](unsigned s) { return scribble(shared, ring.path(), s); });
            // On a busy machine the hostile one may not have got a turn.
            for (const auto begun = Clock::now(); Clock::now() < begun + time || (shared.scribbled < 1000 && Clock::now() < begun + time + 30s);) usleep(10'000);
            shared.stop = true;
            for (Child& worker : workers) CHECK(worker.wait() == 0);  // 1011: crashed, 1014: hung, 3: outside of the mapping
            MESSAGE(shared.scribbled.load() << " scribbles, " << shared.moved.load() << " moved, " << shared.corrupt.load() << " corrupt, " << shared.attached.load() << " attached, "
                                            << shared.refused.load() << " refused, longest call " << shared.longest_ns.load() / 1000 << " us");
            CHECK(shared.scribbled > 100);
            CHECK(shared.moved > 0);
            CHECK(shared.longest_ns < 10'000'000'000);
        }
    }
}

TEST_SUITE_END();
