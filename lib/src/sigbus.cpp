#include "sigbus.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <mutex>

#include <shmq/shmq.hpp>

namespace shmq {
namespace detail {
namespace {

struct Block {
    std::array<Guarded, 64> all;
    std::atomic<Block*> next{nullptr};
};
Block first_block;
std::mutex fork_mutex;

template <class Visit>
void for_each_guarded(Visit visit) noexcept {
    for (Block* block = &first_block; block; block = block->next.load(std::memory_order_acquire))
        for (auto& one : block->all)
            if (one.begin.load(std::memory_order_acquire) > 1) visit(one);
}

// In the child the mappings are not there (MADV_DONTFORK). Put zero pages in their place and tell the
// handles, so that a call answers `forked` where it would have crashed.
void after_fork_in_child() noexcept {
    for_each_guarded([](Guarded& one) {
        const auto begin = one.begin.load(std::memory_order_relaxed);
        mmap(reinterpret_cast<void*>(begin), one.end.load(std::memory_order_relaxed) - begin, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        if (auto* const alert = one.alert.load(std::memory_order_relaxed)) alert->fetch_or(alert_forked, std::memory_order_relaxed);
    });
    fork_mutex.unlock();
}

void watch_forks() {
    static const int once = pthread_atfork([] { fork_mutex.lock(); }, [] { fork_mutex.unlock(); }, after_fork_in_child);
    (void)once;
}

struct sigaction previous;

void on_sigbus(int signal, siginfo_t* info, void* context) {
    const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
    bool ours = false;
    for_each_guarded([&](Guarded& one) {
        const auto begin = one.begin.load(std::memory_order_relaxed), end = one.end.load(std::memory_order_relaxed);
        // Sent by kill(), a signal has no address, but a number in its place.
        if (ours || info->si_code <= 0 || at < begin || at >= end) return;
        const auto page = one.page.load(std::memory_order_relaxed);
        if (mmap(reinterpret_cast<void*>(at / page * page), page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) return;
        one.patched.store(true);
        if (auto* const alert = one.alert.load()) alert->fetch_or(alert_broken, std::memory_order_relaxed);
        ours = true;
    });
    if (ours) return;
    // Not ours: whoever was there before gets it.
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signal, info, context);
    } else if (previous.sa_handler == SIG_DFL || (previous.sa_handler == SIG_IGN && info->si_code > 0)) {
        ::signal(SIGBUS, SIG_DFL);  // the instruction faults again, and now it kills
        if (info->si_code <= 0) raise(SIGBUS);
    } else if (previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal);
    }
}

}  // namespace

Guarded* guard_mapping(void* at, std::size_t bytes, std::size_t page) {
    watch_forks();
    const auto begin = reinterpret_cast<std::uintptr_t>(at);
    for (Block* block = &first_block;;) {
        for (auto& one : block->all) {
            std::uintptr_t vacant = 0;
            if (!one.begin.compare_exchange_strong(vacant, 1)) continue;  // 1: taken, not yet to be looked at
            one.end.store(begin + bytes);
            one.page.store(page);
            one.patched.store(false);
            one.begin.store(begin, std::memory_order_release);
            return &one;
        }
        Block* next = block->next.load(std::memory_order_acquire);
        if (!next) {
            auto* const fresh = new Block;
            if (block->next.compare_exchange_strong(next, fresh)) next = fresh;
            else delete fresh;
        }
        block = next;
    }
}

void release_guard(Guarded* guarded) noexcept {
    guarded->alert.store(nullptr);
    guarded->begin.store(0, std::memory_order_release);
}

void lock_forks() {
    watch_forks();
    fork_mutex.lock();
}
void unlock_forks() noexcept { fork_mutex.unlock(); }

}  // namespace detail

void install_sigbus_handler() {
    static const int once = [] {
        struct sigaction action {};
        action.sa_sigaction = detail::on_sigbus;
        action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
        sigemptyset(&action.sa_mask);
        return sigaction(SIGBUS, &action, &detail::previous);
    }();
    (void)once;
}

}  // namespace shmq
