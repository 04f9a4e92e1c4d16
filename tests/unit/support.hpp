// What the unit tests share: a ring on private memory, peers whose death is a switch, payload that
// knows whether it is whole, and child processes that cannot outlive a test.
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <shmq/shmq.hpp>

namespace test {

using namespace shmq;
using namespace shmq::detail;
using namespace std::chrono_literals;

// A guard against hanging, never an expectation of speed.
inline Deadline patience() { return Clock::now() + 60s; }

// ---- payload ------------------------------------------------------------------------------------

// Bytes that can be checked from any copy of them: author and number in front, the rest follows from
// them and from the length. A torn, mixed or shifted message does not pass.
inline std::byte pattern(u32 author, u32 number, std::size_t size, std::size_t i) {
    return static_cast<std::byte>((author * 131 + number * 31 + size * 7 + i * 13 + (number >> 8)) & 0xff);
}
inline void fill(std::span<std::byte> to, u32 author, u32 number) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = pattern(author, number, to.size(), i);
    if (to.size() >= 8) std::memcpy(to.data(), &author, 4), std::memcpy(to.data() + 4, &number, 4);
}
inline std::vector<std::byte> payload(std::size_t size, u32 author = 0, u32 number = 0) {
    std::vector<std::byte> bytes(size);
    fill(bytes, author, number);
    return bytes;
}
// REQUIRES: at least 8 bytes.
inline bool whole(Bytes bytes, u32& author, u32& number) {
    if (bytes.size() < 8) return false;
    std::memcpy(&author, bytes.data(), 4), std::memcpy(&number, bytes.data() + 4, 4);
    for (std::size_t i = 8; i < bytes.size(); ++i)
        if (bytes[i] != pattern(author, number, bytes.size(), i)) return false;
    return true;
}
inline bool same(Bytes a, Bytes b) { return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin()); }

// ---- a ring without files -----------------------------------------------------------------------

class FakePeers final : public Peers {
public:
    bool alive(u32 entry) noexcept override {
        asked_.fetch_add(1, std::memory_order_relaxed);
        return entry < alive_.size() && alive_[entry].load(std::memory_order_acquire);
    }
    Standing standing() noexcept override { return standing_.load(std::memory_order_acquire); }
    Standing inspect() noexcept override { return standing(); }
    void live(u32 entry) { alive_.at(entry).store(true, std::memory_order_release); }
    void die(u32 entry) { alive_.at(entry).store(false, std::memory_order_release); }
    void stand(Standing standing) { standing_.store(standing, std::memory_order_release); }
    u64 asked() const { return asked_.load(std::memory_order_relaxed); }

private:
    std::array<std::atomic<bool>, 64> alive_{};
    std::atomic<Standing> standing_{Standing::attached};
    std::atomic<u64> asked_{0};
};

struct Shape {
    u64 capacity = 8, slot_size = 64;
    bool fixed = false, one_producer = false, one_consumer = false, timestamps = false;
    u64 max_message = 0;  // 0: as create() does
    u32 participants = 16;
    u64 start = 0;  // every position begins here, the words as they would be after that many slots
    bool broadcast = false, overwrite = false;
};

// Keeps something that must neither be committed nor given back: its owner is dead.
template <class T>
union Frozen {
    T value;
    explicit Frozen(T&& from) noexcept : value(std::move(from)) {}
    Frozen(const Frozen&) = delete;
    ~Frozen() {}
};

class PrivateRing {
public:
    explicit PrivateRing(const Shape& shape = {}) {
        const u64 page = static_cast<u64>(sysconf(_SC_PAGESIZE));
        const auto up = [&](u64 n) { return (n + page - 1) / page * page; };
        u64 slots = std::bit_ceil(shape.capacity + (shape.overwrite ? spare_slots(shape.capacity) : 0));
        if (!shape.fixed)
            while (slots * shape.slot_size % page) slots *= 2;
        const u64 entries_at = up(sizeof(Lines)), words_at = entries_at + up(shape.participants * sizeof(Entry));
        const u64 times_at = words_at + up(slots * 8), data_at = times_at + up(slots * 8), data_bytes = up(slots * shape.slot_size);
        const int fd = memfd_create("shmq-unit", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, static_cast<off_t>(data_at + data_bytes)) != 0) throw std::runtime_error("memfd");
        bytes_ = data_at + 2 * data_bytes;
        base_ = static_cast<std::byte*>(mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        mmap(base_, data_at + data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
        if (!shape.fixed) mmap(base_ + data_at + data_bytes, data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(data_at));
        close(fd);
        const u64 prefix = shape.fixed ? 0 : message_header_bytes + (shape.timestamps ? message_time_bytes : 0);
        const u64 longest = shape.fixed ? shape.slot_size : shape.capacity * shape.slot_size - prefix;
        ring = make_ring({shape.capacity, slots, shape.slot_size, shape.max_message ? shape.max_message : longest, shape.participants, shape.fixed,
                          shape.one_producer, shape.one_consumer, shape.timestamps, shape.broadcast, shape.overwrite},
                         base_, base_ + entries_at, base_ + words_at, base_ + times_at, base_ + data_at);
        clear_entries(ring);
        if (shape.start) {
            write_position() = read_position() = free_position() = shape.start;
            for (u64 p = shape.start; p < shape.start + slots; ++p) ring.word(p) = ring.lap_tag(p - slots) | word_done;
        }
    }
    PrivateRing(const PrivateRing&) = delete;
    ~PrivateRing() { munmap(base_, bytes_); }

    // As an Attachment takes an entry: first it is alive, then the old owner's register goes.
    std::unique_ptr<ProducerCore> producer(u32 entry) {
        attach(entry, role_producer);
        return std::make_unique<ProducerCore>(ring, peers, entry, waiting);
    }
    std::unique_ptr<ConsumerCore> consumer(u32 entry, From from = From::oldest) {
        attach(entry, role_consumer);
        auto copy = ring.overwrite ? std::make_unique<std::byte[]>(ring.prefix + ring.max_message) : nullptr;
        return std::make_unique<ConsumerCore>(ring, peers, entry, waiting, from, std::move(copy));
    }
    void attach(u32 entry, Role role) {
        peers.live(entry);
        Entry& e = ring.entries[entry];
        e.role.store(role_none, std::memory_order_release);
        e.claim_position.store(no_position, std::memory_order_release);
        u32 used = ring.lines->events.entries_used.load();
        while (used < entry + 1 && !ring.lines->events.entries_used.compare_exchange_weak(used, entry + 1)) {}
        e.role.store(role, std::memory_order_release);
    }
    // Killed: what it announced stays.
    void kill(u32 entry) { peers.die(entry); }

    // What a process writes on its way, step by step.
    void announce(u32 entry, u64 position, u64 slots) {
        ring.entries[entry].claim_slots = slots;
        ring.entries[entry].claim_position = position;
    }
    void withdraw(u32 entry) { ring.entries[entry].claim_position = no_position; }
    void write_message(u64 position, Bytes message, u32 entry = 0, u64 sequence = 0) {
        if (!ring.fixed) {
            const MessageHeader header{static_cast<u32>(message.size()), 0, static_cast<u16>(entry), sequence};
            std::memcpy(ring.slot(position), &header, sizeof header);
        }
        std::memcpy(ring.slot(position) + ring.prefix, message.data(), message.size());
    }
    void commit(u64 position) { ring.word(position) = ring.lap_tag(position) | word_ready; }

    std::atomic<u64>& write_position() { return ring.lines->write_position.value; }
    std::atomic<u64>& read_position() { return ring.lines->read_position.value; }
    std::atomic<u64>& free_position() { return ring.lines->free_position.value; }

    Ring ring;
    FakePeers peers;
    Waiting waiting = Waiting::adaptive;

private:
    std::byte* base_;
    std::size_t bytes_;
};

// Every policy: one or many on each side.
struct Policy {
    bool one_producer, one_consumer;
    const char* name;
};
inline constexpr Policy policies[] = {{true, true, "one to one"}, {false, true, "many to one"}, {true, false, "one to many"}, {false, false, "many to many"}};

// Until the ring has looked at the dead again: a poller asks the kernel at most once a millisecond.
inline Message pop_soon(ConsumerCore& consumer) { return consumer.pop(patience()); }

// ---- processes ----------------------------------------------------------------------------------

// A child that runs `work` and ends with its answer. Dies with this object or with its parent.
class Child {
public:
    class Line {  // one end of a conversation in single bytes
    public:
        Line(int in, int out) : in_(in), out_(out) {}
        void say(char what) const { if (write(out_, &what, 1) != 1) _exit(97); }
        // 0: nothing came within a minute, or the other end is gone.
        char hear() const {
            pollfd p{in_, POLLIN, 0};
            char what = 0;
            while (poll(&p, 1, 60'000) < 0 && errno == EINTR) {}
            return p.revents & POLLIN && read(in_, &what, 1) == 1 ? what : '\0';
        }
        int in_, out_;
    };

    explicit Child(const std::function<int(const Line&)>& work) : line_(-1, -1) {
        int down[2], up[2];
        if (pipe(down) != 0 || pipe(up) != 0) throw std::runtime_error("pipe");
        const pid_t parent = getpid();
        pid_ = fork();
        if (pid_ < 0) throw std::runtime_error("fork");
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent) _exit(98);
            for (int s : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT}) signal(s, SIG_DFL);  // not doctest's
            close(down[1]), close(up[0]);
            int answer = 99;
            try {
                answer = work(Line(down[0], up[1]));
            } catch (const std::exception& e) {
                const std::string what = std::string("child: ") + e.what() + "\n";
                if (write(2, what.data(), what.size()) < 0) answer = 96;
            }
            _exit(answer);
        }
        close(down[0]), close(up[1]);
        line_ = Line(up[0], down[1]);
    }
    Child(Child&& other) noexcept : line_(other.line_), pid_(std::exchange(other.pid_, -1)), status_(other.status_), ended_(other.ended_) {}
    Child& operator=(Child&& other) noexcept {
        std::swap(line_, other.line_), std::swap(pid_, other.pid_), std::swap(status_, other.status_), std::swap(ended_, other.ended_);
        return *this;
    }
    ~Child() {
        if (pid_ < 0) return;
        if (!ended_) kill();
        close(line_.in_), close(line_.out_);
    }
    pid_t pid() const { return pid_; }
    void say(char what) { line_.say(what); }
    char hear() { return line_.hear(); }
    void signal_with(int number) { ::kill(pid_, number); }
    void kill() {
        ::kill(pid_, SIGKILL);
        wait();
    }
    // SIGSTOP, and only back when it stands still.
    void stop() {
        ::kill(pid_, SIGSTOP);
        int status = 0;
        waitpid(pid_, &status, WUNTRACED);
    }
    // Exit code, or 1000 + signal.
    int wait() {
        if (!ended_) waitpid(pid_, &status_, 0), ended_ = true;
        return WIFEXITED(status_) ? WEXITSTATUS(status_) : 1000 + WTERMSIG(status_);
    }

private:
    Line line_;
    pid_t pid_;
    int status_ = 0;
    bool ended_ = false;
};

// A child that holds a handle and does nothing until it is told to go.
template <class HandleType>
Child holder(const std::string& name) {
    return Child([name](const Child::Line& line) {
        HandleType handle(name);
        line.say('r');
        line.hear();
        return 0;
    });
}

template <class Call>
std::optional<Errc> error_of(Call call) {
    try {
        call();
    } catch (const Error& e) {
        if (std::string(e.what()).empty()) throw std::logic_error("an error without words");
        return e.code();
    }
    return std::nullopt;
}

// True as soon as `done` is; false after a minute.
template <class Done>
bool eventually(Done done) {
    for (const auto until = patience(); Clock::now() < until; usleep(1000))
        if (done()) return true;
    return false;
}

}  // namespace test

// doctest prints these instead of bytes in angle brackets.
namespace shmq {
inline std::ostream& operator<<(std::ostream& out, Outcome outcome) { return out << describe(outcome); }
inline std::ostream& operator<<(std::ostream& out, Errc code) { return out << "Errc " << static_cast<int>(code); }
inline std::ostream& operator<<(std::ostream& out, std::optional<Errc> code) { return code ? out << *code : out << "no error"; }
}  // namespace shmq

// ---- rings by name ------------------------------------------------------------------------------

namespace test {

// A ring of its own for a test; gone afterwards, whatever state it is in.
class NamedRing {
public:
    explicit NamedRing(const Options& options = {.slots = 16}) : name(fresh()) { create(name, options); }
    NamedRing(const NamedRing&) = delete;
    ~NamedRing() { ::unlink(path_of(name).c_str()); }
    std::string path() const { return path_of(name); }
    static std::string fresh() {
        static int count = 0;
        return "ring-" + std::to_string(getpid()) + "-" + std::to_string(++count);
    }
    const std::string name;
};

// Memory that a test and its children see alike.
template <class T>
class Common {
public:
    explicit Common(std::size_t count) : bytes_(count * sizeof(T)), at_(static_cast<T*>(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
        if (at_ == MAP_FAILED) throw std::runtime_error("mmap");
    }
    Common(const Common&) = delete;
    ~Common() { munmap(at_, bytes_); }
    T& operator[](std::size_t i) { return at_[i]; }

private:
    std::size_t bytes_;
    T* at_;
};

}  // namespace test
