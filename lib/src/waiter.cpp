#include "waiter.hpp"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

namespace shmq::detail {
namespace {

std::atomic<int> registered{0};  // 0: not tried, 1: yes, -1: not possible

// Never FUTEX_PRIVATE: the other side is another process.
long futex(std::atomic<u32>& word, int operation, u32 value, const timespec* timeout, u32 bits) noexcept {
    return syscall(SYS_futex, reinterpret_cast<u32*>(&word), operation, value, timeout, nullptr, bits);
}

constexpr u32 bit_sleeper = 1, bit_watcher = 2;

}  // namespace

bool register_for_barrier() noexcept {
    int state = registered.load(std::memory_order_acquire);
    if (state == 0) {
        state = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0 ? 1 : -1;
        registered.store(state, std::memory_order_release);
    }
    return state > 0;
}

void wake_one(WaitWord& word) noexcept {
    u32 value = word.value.load(std::memory_order_relaxed);
    while (value & (wait_sleeping | wait_watching)) {
        const u32 next = (value + wait_count) & ~u32{wait_sleeping | wait_watching};
        if (word.value.compare_exchange_weak(value, next, std::memory_order_seq_cst, std::memory_order_relaxed)) {
            if (value & wait_sleeping) futex(word.value, FUTEX_WAKE_BITSET, 1, nullptr, bit_sleeper);
            if (value & wait_watching) futex(word.value, FUTEX_WAKE_BITSET, INT_MAX, nullptr, bit_watcher);
            return;
        }
    }
}

void wake_all(WaitWord& word) noexcept {
    u32 value = word.value.load(std::memory_order_relaxed);
    while (!word.value.compare_exchange_weak(value, (value + wait_count) & ~u32{wait_sleeping | wait_watching}, std::memory_order_seq_cst, std::memory_order_relaxed)) {}
    futex(word.value, FUTEX_WAKE_BITSET, INT_MAX, nullptr, bit_sleeper | bit_watcher);
}

bool wake_after_commit(WaitWord& word, bool fence) noexcept {
    u32 value = word.value.load(std::memory_order_relaxed);
    if (fence || value & wait_attention) {
        std::atomic_thread_fence(order::P6);  // instead of the sleeper's membarrier
        value = word.value.load(std::memory_order_relaxed);
    }
    if (value & (wait_sleeping | wait_watching)) wake_one(word);
    return value & wait_attention;
}

void wake_watchers(WaitWord& word) noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    u32 value = word.value.load(std::memory_order_relaxed);
    while (value & wait_watching) {
        if (!word.value.compare_exchange_weak(value, (value + wait_count) & ~u32{wait_watching}, std::memory_order_seq_cst, std::memory_order_relaxed)) continue;
        futex(word.value, FUTEX_WAKE_BITSET, INT_MAX, nullptr, bit_watcher);
        return;
    }
}

Outcome Waiter::give_up() const noexcept {
    if (core_.interrupted_.load(std::memory_order_relaxed)) return Outcome::interrupted;
    if (deadline_ != forever && Clock::now() >= deadline_) return Outcome::timed_out;
    return Outcome::ok;
}

u32 Waiter::prepare(WaitWord& word) const noexcept {
    const u32 flag = wake_ == Wake::one ? wait_sleeping : wait_watching;
    const u32 value = word.value.fetch_or(flag, std::memory_order_seq_cst) | flag;
    // O6: pairs with P6, the look at the flag after every commit.
    if (core_.alert_.load(std::memory_order_relaxed) & alert_fence || syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0)
        std::atomic_thread_fence(order::O6);
    return value;
}

bool Waiter::sleep(WaitWord& word, u32 value) const noexcept {
    using std::chrono::nanoseconds;
    nanoseconds wait = sleep_cap;
    if (deadline_ != forever) wait = std::clamp<nanoseconds>(deadline_ - Clock::now(), nanoseconds::zero(), wait);
    // FUTEX_WAIT_BITSET takes an absolute time of the monotonic clock.
    timespec until{};
    clock_gettime(CLOCK_MONOTONIC, &until);
    const auto ns = until.tv_nsec + wait.count();
    until.tv_sec += ns / 1'000'000'000;
    until.tv_nsec = ns % 1'000'000'000;
    return futex(word.value, FUTEX_WAIT_BITSET, value, &until, wake_ == Wake::one ? bit_sleeper : bit_watcher) == 0;
}

void Waiter::rest() const noexcept {
    const timespec wait{0, static_cast<long>(rest_.count()) * 1000};
    nanosleep(&wait, nullptr);
}

// The CPUs that are there, not those this process may use: the other side may be pinned elsewhere.
bool spinning_helps() noexcept {
    static const bool several = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    return several;
}

}  // namespace shmq::detail
