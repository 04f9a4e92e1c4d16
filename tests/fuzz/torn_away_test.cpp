// The file of a ring is truncated, punched, unlinked or removed at every point of every operation. The
// answer is `corrupt` or `removed`, and the process lives. A SIGBUS of somebody else is somebody else's.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>

#include <functional>
#include <random>
#include <thread>

#include "guarded_mmap.hpp"
#include "spoil.hpp"

using namespace test;

namespace {

// ---- what is done to the file -------------------------------------------------------------------

// Emptied: zeros where zeros may be. Messages are lost and nobody can know; nothing else may happen.
enum class Kind { truncated, punched, emptied, unlinked, removed };
struct Cut {
    const char* name;
    Kind kind;
    std::function<void(const std::string& ring)> make;
};

void truncate_to(const std::string& ring, off_t bytes) {
    if (::truncate(path_of(ring).c_str(), bytes) != 0) throw std::runtime_error("truncate");
}
void punch(const std::string& ring, u64 from, u64 bytes) {
    const int fd = open(path_of(ring).c_str(), O_RDWR | O_CLOEXEC);
    const bool good = fd >= 0 && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from), static_cast<off_t>(bytes)) == 0;
    if (fd >= 0) close(fd);
    if (!good) throw std::runtime_error("punch");
}

// The parts of all rings below: header, lines, entries, words a page each, then (times and) data.
const Cut cuts[] = {
    {"truncated to nothing", Kind::truncated, [](const std::string& r) { truncate_to(r, 0); }},
    {"truncated to 1 byte", Kind::truncated, [](const std::string& r) { truncate_to(r, 1); }},
    {"truncated to a page", Kind::truncated, [](const std::string& r) { truncate_to(r, 4096); }},
    {"truncated inside the lines", Kind::truncated, [](const std::string& r) { truncate_to(r, 4096 + 3 * 128 + 1); }},
    {"truncated to two pages", Kind::truncated, [](const std::string& r) { truncate_to(r, 8192); }},
    {"truncated to three pages", Kind::truncated, [](const std::string& r) { truncate_to(r, 12288); }},
    {"truncated inside the words", Kind::truncated, [](const std::string& r) { truncate_to(r, 12288 + 77); }},
    {"truncated to four pages", Kind::truncated, [](const std::string& r) { truncate_to(r, 16384); }},
    {"truncated inside the data", Kind::truncated, [](const std::string& r) { truncate_to(r, 16384 + 4096 + 4001); }},
    {"all of it punched", Kind::punched, [](const std::string& r) { punch(r, 0, 1 << 20); }},
    {"the header punched", Kind::punched, [](const std::string& r) { punch(r, 0, 4096); }},
    {"the lines punched", Kind::punched, [](const std::string& r) { punch(r, 4096, 4096); }},
    {"the entries punched", Kind::punched, [](const std::string& r) { punch(r, 8192, 4096); }},
    {"the words punched", Kind::emptied, [](const std::string& r) { punch(r, 12288, 4096); }},
    {"the data punched", Kind::emptied, [](const std::string& r) { punch(r, 16384, 1 << 20); }},
    {"unlinked", Kind::unlinked, [](const std::string& r) { ::unlink(path_of(r).c_str()); }},
    {"removed", Kind::removed, [](const std::string& r) { shmq::remove(r, true); }},
    {"replaced", Kind::unlinked, [](const std::string& r) {
         ::unlink(path_of(r).c_str());
         create(r, {.slots = 4});
     }},
};

// ---- what is being done at that moment ----------------------------------------------------------

enum class Made { variable, fixed, broadcast, overwrite, latest };
constexpr const char* made_names[] = {"variable", "fixed", "broadcast", "overwrite", "broadcast and overwrite"};
const char* describe(Made made) { return made_names[static_cast<std::size_t>(made)]; }

Options geometry(Made made) {
    if (made == Made::fixed) return {.slots = 16, .slot_size = 512, .fixed = true, .producers = one, .consumers = one, .participants = 4};
    return {.slots = 16, .slot_size = 512, .broadcast = made == Made::broadcast || made == Made::latest, .overwrite = made == Made::overwrite || made == Made::latest, .participants = 4};
}

struct Scene {
    std::string ring;
    std::function<void()> cut;
    Made made;
    const std::atomic<bool>* torn = nullptr;  // by now; null: whoever asks comes after the cut
    std::size_t size() const { return made == Made::fixed ? 512 : 700; }  // variable: more than one slot
    bool overwrites() const { return made == Made::overwrite || made == Made::latest; }
};
constexpr auto soon = 3s;  // only where nothing is noticed at once; a look at the file comes every 100 ms

volatile unsigned sink;
void read(Bytes bytes) {
    unsigned sum = 0;
    for (std::byte b : bytes) sum += static_cast<unsigned>(b);
    sink = sum;
}

// Goes on until it is told that it cannot: as a program would that has not noticed. Where it is told
// nothing, until it must have been: nobody who overwrites ever waits, but ten times a second it looks.
template <class Call>
Outcome go_on(const Scene& scene, Call call) {
    std::optional<Deadline> end;
    for (int i = 0;; ++i) {
        const bool torn = i >= 100'000 && (!scene.torn || scene.torn->load());
        if (torn && !end) end = scene.overwrites() ? after(300ms) : no_wait;
        const bool last = torn && Clock::now() >= *end;
        if (const Outcome outcome = call(); outcome != Outcome::ok || last) return outcome;
    }
}
Outcome push_on(Producer& producer, const Scene& scene) {
    const auto message = payload(scene.size());
    return go_on(scene, [&] { return producer.push(message, after(soon)); });
}
Outcome pop_on(Consumer& consumer, const Scene& scene) {
    return go_on(scene, [&] {
        Message message = consumer.pop(after(soon));
        if (!message) return message.outcome();
        read(message.bytes());
        return message.release();
    });
}
void fill(Producer& producer, const Scene& scene, int count = 5) {
    for (int i = 0; i < count; ++i)
        if (producer.try_push(payload(scene.size())) != Outcome::ok) throw std::runtime_error("no room");
}
Outcome first_bad(Outcome a, Outcome b) { return a == Outcome::ok ? b : a; }

struct Operation {
    const char* name;
    Outcome (*run)(Scene&);  // what ended it
};
const Operation operations[] = {
    {"push", [](Scene& s) {
         Producer producer(s.ring);
         fill(producer, s);
         s.cut();
         return push_on(producer, s);
     }},
    {"first push", [](Scene& s) {
         Producer producer(s.ring);
         s.cut();
         return push_on(producer, s);
     }},
    {"push of a batch", [](Scene& s) {
         Producer producer(s.ring);
         fill(producer, s);
         s.cut();
         const auto message = payload(s.size());
         const std::vector<Bytes> batch(3, message);
         return go_on(s, [&] { return producer.push(batch, after(soon)).outcome; });
     }},
    {"claim", [](Scene& s) {
         Producer producer(s.ring);
         Claim claim = producer.try_claim(s.size());
         s.cut();
         std::memset(claim.bytes().data(), 'x', claim.bytes().size());
         return first_bad(claim.commit(), push_on(producer, s));
     }},
    {"filled claim", [](Scene& s) {
         Producer producer(s.ring);
         Claim claim = producer.try_claim(s.size());
         std::memset(claim.bytes().data(), 'x', claim.bytes().size());
         s.cut();
         return first_bad(claim.commit(), push_on(producer, s));
     }},
    {"abandoned claim", [](Scene& s) {
         Producer producer(s.ring);
         Claim claim = producer.try_claim(s.size());
         s.cut();
         claim.abandon();
         return push_on(producer, s);
     }},
    {"claim of a batch", [](Scene& s) {
         Producer producer(s.ring);
         ClaimBatch batch = producer.claim_batch(4, s.size(), no_wait);
         s.cut();
         for (int i = 0; i < 3; ++i)
             if (const auto bytes = batch.next(s.size()); bytes.data()) std::memset(bytes.data(), 'x', bytes.size());
         return first_bad(batch.commit(), push_on(producer, s));
     }},
    {"wait for room", [](Scene& s) {
         Producer producer(s.ring);
         for (int i = 0; i < 100 && producer.try_push(payload(s.size())) == Outcome::ok; ++i) {}
         std::atomic<bool> torn = false;
         s.torn = &torn;
         std::thread cutter([&] { usleep(20'000), s.cut(), torn = true; });
         const Outcome outcome = push_on(producer, s);  // where it overwrites, all the time
         cutter.join();
         return outcome;
     }},
    {"pop", [](Scene& s) {
         Producer producer(s.ring);
         fill(producer, s);
         Consumer consumer(s.ring);
         s.cut();
         return pop_on(consumer, s);
     }},
    {"message in hand", [](Scene& s) {
         Producer producer(s.ring);
         fill(producer, s);
         Consumer consumer(s.ring);
         Message message = consumer.try_pop();
         s.cut();
         read(message.bytes());
         sink = static_cast<unsigned>(message.sequence());
         return first_bad(message.release(), pop_on(consumer, s));
     }},
    {"message given up", [](Scene& s) {
         Producer producer(s.ring);
         fill(producer, s);
         Consumer consumer(s.ring);
         Message message = consumer.try_pop();
         s.cut();
         message.hand_back();
         return pop_on(consumer, s);
     }},
    {"pop into a buffer", [](Scene& s) {
         Producer producer(s.ring);
         fill(producer, s);
         Consumer consumer(s.ring);
         std::vector<std::byte> buffer(1000);
         (void)consumer.pop(buffer, no_wait);
         s.cut();
         for (;;)
             if (const Copied copied = consumer.pop(buffer, after(soon)); !copied) return copied.outcome;
     }},
    {"batch in hand", [](Scene& s) {
         Producer producer(s.ring);
         fill(producer, s);
         Consumer consumer(s.ring);
         (void)consumer.try_pop().release();
         Batch batch = consumer.pop_batch(3, no_wait);
         s.cut();
         read(batch.array());
         for (auto& message : batch) {
             read(message.bytes());
             (void)message.release();
         }
         return first_bad(batch.release(), pop_on(consumer, s));
     }},
    {"pop of a batch", [](Scene& s) {
         Producer producer(s.ring);
         fill(producer, s);
         Consumer consumer(s.ring);
         (void)consumer.try_pop().release();
         s.cut();
         for (;;) {
             Batch batch = consumer.pop_batch(3, after(soon));
             if (!batch) return batch.outcome();
             for (auto& message : batch) read(message.bytes());
             if (const Outcome outcome = batch.release(); outcome != Outcome::ok) return outcome;
         }
     }},
    {"wait for a message", [](Scene& s) {
         Consumer consumer(s.ring);
         std::thread cutter([&] { usleep(20'000), s.cut(); });
         const Outcome outcome = consumer.pop(after(soon)).outcome();
         cutter.join();
         return outcome;
     }},
    {"spinning wait for a message", [](Scene& s) {
         Consumer consumer(s.ring, {.waiting = Waiting::spin});
         std::thread cutter([&] { usleep(20'000), s.cut(); });
         const Outcome outcome = consumer.pop(after(soon)).outcome();
         cutter.join();
         return outcome;
     }},
    {"end", [](Scene& s) {
         Producer producer(s.ring);
         Consumer consumer(s.ring);
         fill(producer, s);
         s.cut();
         const Outcome ended = producer.end();
         const Outcome outcome = pop_on(consumer, s);
         return ended == Outcome::ok && outcome == Outcome::ended ? Outcome::removed : outcome;  // in time, and drained
     }},
    {"questions", [](Scene& s) {
         Producer producer(s.ring);
         Consumer consumer(s.ring);
         fill(producer, s);
         s.cut();
         sink = static_cast<unsigned>(consumer.pending() + consumer.producers_attached() + consumer.producers_ended_badly() + consumer.producers_ever() + consumer.ended());
         return first_bad(push_on(producer, s), pop_on(consumer, s));
     }},
    {"leaving", [](Scene& s) {
         {
             Producer producer(s.ring);
             Consumer consumer(s.ring);
             fill(producer, s);
             Claim claim = producer.try_claim(s.size());
             Message message = consumer.try_pop();
             producer.leave_badly();
             s.cut();
         }
         return Outcome::corrupt;
     }},
};

// Those that end in words: what may be said is up to the moment, but it must be an Error.
const Operation lookers[] = {
    {"attach", [](Scene& s) {
         s.cut();
         Producer producer(s.ring);
         Consumer consumer(s.ring);
         (void)producer.push(payload(s.size()), after(10ms));
         (void)consumer.pop(after(10ms)).release();
         return Outcome::ok;
     }},
    {"stat", [](Scene& s) {
         s.cut();
         (void)stat(s.ring);
         return Outcome::ok;
     }},
    {"peek", [](Scene& s) {
         Producer producer(s.ring);
         fill(producer, s);
         Viewer viewer(s.ring);
         std::vector<std::byte> message;
         Viewer::Info info{};
         (void)viewer.next(message, info);
         s.cut();
         for (int i = 0; i < 1000 && viewer.next(message, info); ++i) {}
         viewer.to_newest();
         viewer.rewind();
         for (int i = 0; i < 1000 && viewer.next(message, info); ++i) {}
         return Outcome::ok;
     }},
    {"first peek", [](Scene& s) {
         s.cut();
         Viewer viewer(s.ring);
         std::vector<std::byte> message;
         Viewer::Info info{};
         while (viewer.next(message, info)) {}
         return Outcome::ok;
     }},
    {"remove", [](Scene& s) {
         s.cut();
         shmq::remove(s.ring, true);
         return Outcome::ok;
     }},
    {"create", [](Scene& s) {
         s.cut();
         create(s.ring, {.slots = 64, .if_exists = IfExists::reopen});
         return Outcome::ok;
     }},
};

// ---- SIGBUS -------------------------------------------------------------------------------------

sigjmp_buf back;
volatile sig_atomic_t seen = 0;
void jump_back(int) { seen = seen + 1, siglongjmp(back, 1); }
void jump_back_with_info(int, siginfo_t*, void*) { seen = seen + 1, siglongjmp(back, 1); }
void count(int) { seen = seen + 1; }

// A mapping of no ring, with nothing behind it.
volatile char* fault() {
    const int fd = memfd_create("not a ring", MFD_CLOEXEC);
    void* const at = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return static_cast<volatile char*>(at);
}
void handle(void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_NODEFER;
    sigaction(SIGBUS, &action, nullptr);
}
bool ring_survives_truncation() {
    const NamedRing ring(geometry(Made::variable));
    Producer producer(ring.name);
    if (::truncate(ring.path().c_str(), 0) != 0) return false;
    return producer.push(payload(10), after(3s)) == Outcome::corrupt;
}
struct sigaction before_us;

}  // namespace

TEST_SUITE_BEGIN("torn_away");

// The handler is installed in children only: once a process, and a Child begins with the default.

TEST_CASE("a ring torn away under any operation answers corrupt or removed, and the process lives") {
    struct Note {
        char text[200];
    };
    Common<Note> notes(std::size(cuts) * std::size(made_names));
    std::vector<Child> children;
    std::vector<std::size_t> ids;
    for (std::size_t m = 0; m < std::size(made_names); ++m) {
        const Made made = static_cast<Made>(m);
        for (std::size_t c = 0; c < std::size(cuts); ++c) {
            const std::size_t id = std::size(made_names) * c + m;
            ids.push_back(id);
            children.emplace_back([&, c, id, made](const Child::Line&) {
                alarm(300);
                install_sigbus_handler();
                const auto note = [&](const char* operation, const char* what) { std::snprintf(notes[id].text, sizeof notes[id].text, "%s, %s ring, during %s: %s", cuts[c].name, describe(made), operation, what); };
                const auto scene = [&](const std::string& name) { return Scene{name, [&, name] { cuts[c].make(name); }, made}; };
                for (const Operation& operation : operations) {
                    const NamedRing ring(geometry(made));
                    Scene s = scene(ring.name);
                    note(operation.name, "died");
                    const Outcome outcome = operation.run(s);
                    const bool gone = cuts[c].kind == Kind::unlinked || cuts[c].kind == Kind::removed;
                    const bool unseen = cuts[c].kind == Kind::emptied && (outcome == Outcome::timed_out || (s.overwrites() && outcome == Outcome::ok));
                    const bool right = gone ? outcome == Outcome::removed || operation.name == std::string("leaving") : outcome == Outcome::corrupt || unseen;
                    // What was in the ring may be drained whole before anything is missed; then the look at
                    // the file comes first, or an end that was pushed in time.
                    if (!right && !(operation.name == std::string("end") && (outcome == Outcome::ended || outcome == Outcome::removed))) return note(operation.name, describe(outcome)), 1;
                    if (reservations()) return note(operation.name, "left a mapping"), 1;
                }
                for (const Operation& operation : lookers) {
                    const NamedRing ring(geometry(made));
                    Scene s = scene(ring.name);
                    note(operation.name, "died");
                    const auto error = error_of([&] { (void)operation.run(s); });
                    // A message that lies before the cut may be seen.
                    const bool unseen = operation.name == std::string("remove") || (operation.name == std::string("peek") && cuts[c].name == std::string("truncated inside the data"));
                    if (cuts[c].kind == Kind::truncated && !error && !unseen) return note(operation.name, "no error"), 1;
                    if (error && *error != Errc::corrupt && *error != Errc::not_a_ring && *error != Errc::no_such_ring && *error != Errc::removed && *error != Errc::other_geometry)
                        return note(operation.name, ("Errc " + std::to_string(static_cast<int>(*error))).c_str()), 1;
                    if (reservations()) return note(operation.name, "left a mapping"), 1;
                }
                return 0;
            });
        }
    }
    for (std::size_t i = 0; i < children.size(); ++i) {
        const int answer = children[i].wait();
        CHECK_MESSAGE(answer == 0, answer << ": " << notes[ids[i]].text);
    }
}

TEST_CASE("a ring torn away at any instant: whoever is inside an operation lives") {
    const char* const set = getenv("SHMQ_LONG");
    const auto until = Clock::now() + (set && *set && *set != '0' ? 120s : 4s);
    std::mt19937 random(static_cast<unsigned>(Clock::now().time_since_epoch().count()));
    u64 rounds = 0;
    while (Clock::now() < until) {
        const Made made = static_cast<Made>(random() % std::size(made_names));
        const bool fixed = made == Made::fixed;
        const NamedRing ring(geometry(made));
        Common<std::atomic<bool>> torn(1);
        const Scene scene{ring.name, {}, made, &torn[0]};
        // Each ends only when it is told to; a new look at the ring between calls, as many as possible.
        const auto said = [&](auto work) {
            return Child([&, work](const Child::Line& line) {
                alarm(60);
                install_sigbus_handler();
                line.say('r');
                try {
                    return static_cast<int>(work());
                } catch (const Error& error) {  // it came too late to attach
                    const Errc code = error.code();
                    return static_cast<int>(code == Errc::no_such_ring || code == Errc::removed ? Outcome::removed : code == Errc::corrupt || code == Errc::not_a_ring ? Outcome::corrupt : Outcome::too_long);
                }
            });
        };
        std::vector<Child> children;
        children.push_back(said([&] {
            Producer producer(ring.name);
            return push_on(producer, scene);
        }));
        children.push_back(said([&] {
            Consumer consumer(ring.name);
            return pop_on(consumer, scene);
        }));
        children.push_back(said([&] {
            for (const auto end = after(1s); Clock::now() < end;) {
                std::optional<Producer> producer;
                if (!fixed) producer.emplace(ring.name);  // there the one producer is at work
                Viewer viewer(ring.name);
                std::vector<std::byte> message;
                Viewer::Info info{};
                for (int i = 0; i < 5 && viewer.next(message, info); ++i) {}
                (void)stat(ring.name);
            }
            return Outcome::corrupt;  // a hole that others filled again cannot be seen here
        }));
        for (Child& child : children) child.hear();
        usleep(static_cast<useconds_t>(random() % 3000));
        const Cut& cut = cuts[random() % (std::size(cuts) - 1)];  // not replaced: whoever comes late would find a ring
        CAPTURE(std::string(cut.name));
        cut.make(ring.name);
        torn[0] = true;
        for (std::size_t i = 0; i < children.size(); ++i) {
            CAPTURE(i);
            const int answer = children[i].wait();
            // ok: it went on at full speed all the time; only who waits looks at the file.
            const bool unnoticed = (cut.kind != Kind::truncated && cut.kind != Kind::removed) || cut.name == std::string("truncated inside the data");  // nor is a page's rest missed
            const bool right = answer == static_cast<int>(Outcome::corrupt) || answer == static_cast<int>(Outcome::removed) ||
                               (unnoticed && (answer == static_cast<int>(Outcome::timed_out) || answer == static_cast<int>(Outcome::ok)));
            CHECK_MESSAGE(right, answer);
        }
        ++rounds;
    }
    MESSAGE(rounds << " rounds");
    CHECK(rounds > 0);
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("foreign_sigbus");

TEST_CASE("a fault of the program's own reaches the handler that was there before ours") {
    for (const bool with_info : {false, true}) {
        Child child([&](const Child::Line&) {
            if (with_info) {
                struct sigaction action {};
                action.sa_sigaction = jump_back_with_info;
                action.sa_flags = SA_SIGINFO | SA_NODEFER;
                sigaction(SIGBUS, &action, nullptr);
            } else {
                handle(jump_back);
            }
            install_sigbus_handler();
            volatile char* const foreign = fault();
            for (int i = 0; i < 3; ++i)
                if (sigsetjmp(back, 1) == 0) return static_cast<int>(*foreign) + 50;
            if (seen != 3) return 1;
            return ring_survives_truncation() && seen == 3 ? 0 : 2;
        });
        CHECK(child.wait() == 0);
    }
}

TEST_CASE("a handler installed after ours gets its faults, and can pass ours on") {
    Child child([](const Child::Line&) {
        install_sigbus_handler();
        struct sigaction action {};
        action.sa_sigaction = [](int signal, siginfo_t* info, void* context) {
            seen = seen + 1;
            before_us.sa_sigaction(signal, info, context);
        };
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigaction(SIGBUS, &action, &before_us);
        if (!(before_us.sa_flags & SA_SIGINFO)) return 1;
        if (!ring_survives_truncation() || seen == 0) return 2;
        const NamedRing ring(geometry(Made::fixed));
        Producer producer(ring.name);
        handle(jump_back);  // one that passes nothing on
        seen = 0;
        volatile char* const foreign = fault();
        if (sigsetjmp(back, 1) == 0) return static_cast<int>(*foreign) + 50;
        return seen == 1 && producer.try_push(payload(512)) == Outcome::ok ? 0 : 3;
    });
    CHECK(child.wait() == 0);
}

TEST_CASE("a foreign fault that nobody handles kills, as it would without us") {
    for (const bool ignored : {false, true}) {
        Child child([&](const Child::Line&) {
            handle(ignored ? SIG_IGN : SIG_DFL);
            install_sigbus_handler();
            return static_cast<int>(*fault()) + 50;
        });
        CHECK(child.wait() == 1000 + SIGBUS);
    }
}

TEST_CASE("a SIGBUS that was sent is no fault: the old handler, the default, or nothing") {
    Child handled([](const Child::Line&) {
        handle(count);
        install_sigbus_handler();
        return ::kill(getpid(), SIGBUS) == 0 && seen == 1 && ring_survives_truncation() ? 0 : 1;
    });
    CHECK(handled.wait() == 0);
    Child ignored([](const Child::Line&) {
        handle(SIG_IGN);
        install_sigbus_handler();
        return ::kill(getpid(), SIGBUS) == 0 && ring_survives_truncation() ? 0 : 1;
    });
    CHECK(ignored.wait() == 0);
    Child killed([](const Child::Line&) {
        handle(SIG_DFL);
        install_sigbus_handler();
        ::kill(getpid(), SIGBUS);
        return 1;
    });
    CHECK(killed.wait() == 1000 + SIGBUS);
}

TEST_SUITE_END();
