// Two processes, each on a processor of its own, and what passes between them: how many messages in a
// second, how long there and back. Every message carries a number, which the receiver checks.
//
// A channel is anything with
//     Channel();                                 made before the processes are, so in memory they share
//     void open_sender(), open_receiver();       once in each process
//     void send(const std::byte* message);
//     void finish();                             after the last one: sends what it kept, and the end
//     void flush();                              many_rate() only: sends what it kept
//     bool receive(std::byte* message);          false: the end
// whose messages all have the `bytes` that it is measured with, 8 at least.
#pragma once

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <vector>

namespace speed {

using u64 = std::uint64_t;

inline double sample_seconds = 0.05;
inline u64 least_samples = 1000;  // of round trips

[[noreturn]] inline void die(const char* what) {
    std::perror(what);
    std::_Exit(1);
}

inline u64 now_ns() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<u64>(t.tv_sec) * 1'000'000'000 + static_cast<u64>(t.tv_nsec);
}

// Zeroed, there in every process that is forked afterwards.
inline std::byte* shared_bytes(std::size_t bytes) {
    void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (at == MAP_FAILED) die("mmap");
    return static_cast<std::byte*>(at);
}
template <class T>
struct Shared {
    Shared() : at(new (shared_bytes(sizeof(T))) T) {}
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    ~Shared() { munmap(at, sizeof(T)); }
    T* operator->() const { return at; }
    T* at;
};

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

// Runs each in a process of its own, in turn on the first and the second processor, and waits for all.
inline void run(const std::vector<std::function<void()>>& sides) {
    std::vector<pid_t> children;
    for (std::size_t i = 0; i < sides.size(); ++i) {
        std::fflush(nullptr);
        const pid_t child = fork();
        if (child < 0) die("fork");
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            cpu_set_t set;
            CPU_ZERO(&set);
            CPU_SET(i % 2, &set);
            (void)sched_setaffinity(0, sizeof set, &set);  // one processor only: both run there
            sides[i]();
            std::_Exit(0);
        }
        children.push_back(child);
    }
    bool good = true;
    for (const pid_t child : children) {
        int status = 0;
        good &= waitpid(child, &status, 0) == child && status == 0;
    }
    if (!good) {
        std::fprintf(stderr, "speed: a side failed\n");
        std::exit(1);
    }
}

struct Start {
    std::atomic<int> there{0};
    void wait_for(int sides) {
        for (there.fetch_add(1); there.load() < sides;) usleep(20);
    }
};

inline void must_be(u64 found, u64 expected) {
    if (found == expected) return;
    std::fprintf(stderr, "speed: message %llu came where %llu was due\n", static_cast<unsigned long long>(found), static_cast<unsigned long long>(expected));
    std::_Exit(1);
}

// Counts messages and the time they took, without the spells in which a processor was not given to us:
// between two looks at the clock, some microseconds apart, nothing else takes so long.
class Meter {
public:
    void count() {
        if (++since_ < every_) return;
        const u64 now = now_ns(), took = now - last_;
        last_ = now;
        all_.add(since_, took);
        if (took < spell_ns) undisturbed_.add(since_, took);
        if (took < 4'000 && every_ < 1024) every_ *= 2;
        if (took > 100'000 && every_ > 1) every_ /= 2;
        since_ = 0;
    }
    double per_second() const { return undisturbed_.ns ? undisturbed_.per_second() : all_.per_second(); }

private:
    struct Sum {
        u64 messages = 0, ns = 0;
        void add(u64 more, u64 took) { messages += more, ns += took; }
        double per_second() const { return static_cast<double>(messages) * 1e9 / static_cast<double>(std::max<u64>(ns, 1)); }
    };
    static constexpr u64 spell_ns = 400'000;
    u64 last_ = now_ns(), every_ = 1, since_ = 0;
    Sum all_, undisturbed_;
};

// Several messages in turn, numbered ahead of time: a line copied right after a narrow store to it
// stalls the processor, and that is nothing a channel could help.
class Messages {
public:
    explicit Messages(std::size_t bytes) : stride_((bytes + 63) / 64 * 64), turns_(bytes > 1024 ? 1 : 16), at_(static_cast<std::byte*>(std::aligned_alloc(64, stride_ * turns_))) {
        std::memset(at_.get(), 'x', stride_ * turns_);
        for (u64 i = 0; i < turns_; ++i) number(i);
    }
    const std::byte* message(u64 n) {
        number(n + turns_ / 2);
        return at_.get() + n % turns_ * stride_;
    }

    std::byte* first() { return at_.get(); }  // to receive into

private:
    struct Free {
        void operator()(std::byte* at) const { std::free(at); }
    };
    void number(u64 n) { std::memcpy(at_.get() + n % turns_ * stride_, &n, sizeof n); }
    std::size_t stride_;
    u64 turns_;
    std::unique_ptr<std::byte, Free> at_;
};

inline u64 number_of(const std::byte* message) {
    u64 n;
    std::memcpy(&n, message, sizeof n);
    return n;
}

// Messages in a second from one side to the other.
template <class Channel>
double rate(std::size_t bytes) {
    struct Page : Start {
        double rate = 0;
    };
    Shared<Page> page;
    Channel channel;
    run({[&] {
             channel.open_sender();
             Messages messages(bytes);
             page->wait_for(2);
             const u64 until = now_ns() + static_cast<u64>(sample_seconds * 1e9), look_every = bytes <= 64 ? 1024 : bytes <= 1024 ? 64 : 1;
             for (u64 n = 0; n % look_every || now_ns() < until; ++n) channel.send(messages.message(n));
             channel.finish();
             page->wait_for(4);
         },
         [&] {
             channel.open_receiver();
             Messages to(bytes);
             auto* const message = to.first();
             page->wait_for(2);
             Meter meter;
             for (u64 n = 0; channel.receive(message); ++n, meter.count()) must_be(number_of(message), n);
             page->rate = meter.per_second();
             page->wait_for(4);
         }});
    return page->rate;
}

// The median of nanoseconds there and back, one message after the other; `idle_ns` between them.
template <class Channel>
double round_trip(std::size_t bytes, u64 idle_ns = 0) {
    struct Page : Start {
        double median = 0;
    };
    Shared<Page> page;
    Channel there, back;
    run({[&] {
             there.open_sender(), back.open_receiver();
             Messages messages(bytes), to(bytes);
             auto* const answer = to.first();
             page->wait_for(2);
             const u64 until = now_ns() + static_cast<u64>(sample_seconds * 1e9), least = idle_ns ? 10 : least_samples;
             std::vector<u64> samples;
             samples.reserve(1 << 20);
             for (u64 n = 0; n < least || (now_ns() < until && samples.size() < samples.capacity()); ++n) {
                 if (idle_ns) {
                     const timespec t{0, static_cast<long>(idle_ns)};
                     nanosleep(&t, nullptr);
                 }
                 const std::byte* const message = messages.message(n);
                 const u64 from = now_ns();
                 there.send(message);
                 if (!back.receive(answer)) die("no answer");
                 samples.push_back(now_ns() - from);
                 must_be(number_of(answer), n);
             }
             there.finish();
             std::ranges::nth_element(samples, samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2));
             page->median = static_cast<double>(samples[samples.size() / 2]);
             page->wait_for(4);
         },
         [&] {
             there.open_receiver(), back.open_sender();
             Messages to(bytes);
             auto* const message = to.first();
             page->wait_for(2);
             while (there.receive(message)) back.send(message);
             page->wait_for(4);
         }});
    return page->median;
}

// Messages in a second from two senders to two receivers, one of each on either processor.
template <class Channel>
double many_rate(std::size_t bytes) {
    struct Page : Start {
        std::atomic<int> sending{2};
        std::atomic<u64> sent{0}, received{0}, last_ns{0};
        u64 first_ns = 0;
    };
    Shared<Page> page;
    Channel channel;
    const auto sender = [&] {
        channel.open_sender();
        Messages messages(bytes);
        page->wait_for(4);
        page->first_ns = now_ns();
        const u64 until = page->first_ns + static_cast<u64>(sample_seconds * 1e9);
        u64 n = 0;
        for (; n % 64 || now_ns() < until; ++n) channel.send(messages.message(n));
        channel.flush();
        page->sent.fetch_add(n);
        if (page->sending.fetch_sub(1) == 1) channel.finish();
    };
    const auto receiver = [&] {
        channel.open_receiver();
        Messages to(bytes);
        auto* const message = to.first();
        page->wait_for(4);
        u64 n = 0;
        while (channel.receive(message)) ++n;
        page->received.fetch_add(n);
        for (u64 last = page->last_ns.load(), now = now_ns(); last < now && !page->last_ns.compare_exchange_weak(last, now);) {}
    };
    run({sender, sender, receiver, receiver});
    must_be(page->received.load(), page->sent.load());
    return static_cast<double>(page->received.load()) * 1e9 / static_cast<double>(page->last_ns.load() - page->first_ns);
}

}  // namespace speed
