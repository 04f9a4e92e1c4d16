#include "common/signals.hpp"

#include <signal.h>
#include <sys/time.h>

#include <atomic>

namespace signals {
namespace {

std::atomic<int> death{0};
std::atomic<void (*)(void*)> interrupt_it{nullptr};
std::atomic<void*> it{nullptr};
bool pipe_ignored = false;

void act_on(int signal, void (*handler)(int)) noexcept {
    struct sigaction action {};
    action.sa_handler = handler;  // without SA_RESTART: a blocking read(2) or write(2) must come back
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
}

void interrupt() noexcept {
    void* const whom = it.load();
    if (const auto call = interrupt_it.load(); call && whom) call(whom);
}

void on_alarm(int) { interrupt(); }

// A signal that comes just before a system call blocks would not interrupt it: knock again and again
// until we have died.
void on_signal(int signal) {
    int none = 0;
    if (death.compare_exchange_strong(none, signal)) {
        act_on(SIGALRM, on_alarm);
        constexpr timeval soon{0, 20'000};
        const itimerval knocks{soon, soon};
        setitimer(ITIMER_REAL, &knocks, nullptr);
    }
    interrupt();
}

bool ignored(int signal) noexcept {
    struct sigaction action {};
    return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

void catch_them() noexcept {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP})
        if (!ignored(signal)) act_on(signal, on_signal);
    pipe_ignored = ignored(SIGPIPE);
    act_on(SIGPIPE, SIG_IGN);
}

int caught() noexcept { return death.load(std::memory_order_relaxed); }

bool reader_gone() noexcept {
    int none = 0;
    if (!pipe_ignored) death.compare_exchange_strong(none, SIGPIPE);
    return !pipe_ignored;
}

void tell(void (*interrupt)(void*), void* whom) noexcept {
    it.store(nullptr);  // never one's function with another's object
    interrupt_it.store(interrupt);
    it.store(whom);
}

}  // namespace signals
