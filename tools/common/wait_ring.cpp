#include "common/wait_ring.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <shmq/detail/retry.hpp>

#include "common/signals.hpp"

using namespace std::chrono_literals;

Arrivals::Arrivals(Of what) : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), longest_(what == Of::everything ? 10s : 1s) {
    const std::uint32_t events = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | (what == Of::everything ? IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM : 0);
    if (fd_ >= 0 && shmq::detail::retry_interrupted([&] { return inotify_add_watch(fd_, shmq::directory().c_str(), events); }) < 0) close(std::exchange(fd_, -1));
}

Arrivals::~Arrivals() {
    if (fd_ >= 0) close(fd_);
}

// Without a watch (no such directory, none left) by looking ten times a second.
bool Arrivals::wait(shmq::Deadline deadline) {
    if (signals::caught()) throw Stopped();
    const auto now = shmq::Clock::now();
    if (now >= deadline) return false;
    const std::chrono::nanoseconds longest = fd_ >= 0 ? std::chrono::nanoseconds(longest_) : 100ms;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::min<std::chrono::nanoseconds>(longest, deadline - now));
    pollfd one{fd_, POLLIN, 0};
    poll(&one, 1, static_cast<int>(wait.count()));
    if (signals::caught()) throw Stopped();
    char events[4096];
    while (fd_ >= 0 && read(fd_, events, sizeof events) > 0) {}
    return true;
}
