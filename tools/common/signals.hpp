// Dying of a signal in order: the handle is interrupted, leaves its ring, and only then the signal does
// what it was sent for.
//
//   return until_signalled([&] {
//       shmq::Consumer ring(name);
//       const Interrupts interrupts(ring);  // SIGINT, SIGTERM and SIGHUP end its waits
//       ...                                 // throws Stopped where it notices
//   });
#pragma once

#include "common/cli.hpp"

namespace signals {

// SIGINT, SIGTERM and SIGHUP unless they were ignored, and SIGPIPE becomes an answer of write(2).
void catch_them() noexcept;
int caught() noexcept;                     // the signal to die of, or 0
bool reader_gone() noexcept;               // EPIPE was seen: to die of SIGPIPE, unless that was ignored (false)
void tell(void (*interrupt)(void*), void* whom) noexcept;  // called from the handler; nullptr: nobody

}  // namespace signals

struct Stopped {};  // thrown: there is a signal to die of

template <class Handle>
class Interrupts {
public:
    explicit Interrupts(Handle& handle) noexcept {
        signals::tell([](void* whom) { static_cast<Handle*>(whom)->interrupt(); }, &handle);
        if (signals::caught()) handle.interrupt();  // it came before we were to be told
    }
    ~Interrupts() { signals::tell(nullptr, nullptr); }
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;
};

template <class Work>
Exit until_signalled(Work work) {
    signals::catch_them();
    Exit exit = Exit::ok;
    try {
        exit = work();
    } catch (const Stopped&) {
    }
    if (signals::caught()) die_of(signals::caught());
    return exit;
}
