#include "bench/processes.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <shmq/detail/retry.hpp>

#include "bench/clock.hpp"
#include "common/signals.hpp"

namespace bench {
namespace {

void pin_to(int cpu) {
    if (cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) throw Failure(Exit::os, fmt::format("CPU {}: {}", cpu, std::strerror(errno)));
}

// The first to fail is the cause; the others fail of it.
void report(Control& control, Exit exit, const char* role, const char* what) noexcept {
    if (control.failed.exchange(1) != 0) return;
    std::snprintf(control.what, sizeof control.what, "%s: %s", role, what);
    control.exit = static_cast<int>(exit);
}

[[noreturn]] void be(const Member& member, Control& control, pid_t parent) noexcept {
    // The parent alone decides how all of this ends; without it, so do we.
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    prctl(PR_SET_TIMERSLACK, 1UL);
    try {
        pin_to(member.cpu);
        member.body();
        _exit(0);
    } catch (const Failure& failure) {
        report(control, failure.exit(), member.role, failure.what());
    } catch (const shmq::Error& error) {
        report(control, exit_for(error.code()), member.role, error.what());
    } catch (const std::exception& error) {
        report(control, Exit::os, member.role, error.what());
    }
    _exit(1);
}

// Those that still run; kills and reaps them when it goes.
class Children {
public:
    Children() = default;
    ~Children() {
        for (const Child& child : running_) kill(child.pid, SIGKILL);
        while (!running_.empty()) {
            int status = 0;
            shmq::detail::retry_interrupted([&] { return waitpid(running_.back().pid, &status, 0); });
            forget(running_.size() - 1);
        }
    }
    Children(const Children&) = delete;
    Children& operator=(const Children&) = delete;

    void add(const Member& member, Control& control) {
        const pid_t parent = getpid();
        const pid_t pid = fork();
        if (pid < 0) throw Failure(Exit::os, std::string("cannot make a process: ") + std::strerror(errno));
        if (pid == 0) be(member, control, parent);
        // Nobody else waits for it, so the pid is its own until we do.
        running_.push_back({pid, static_cast<int>(syscall(SYS_pidfd_open, pid, 0)), member.role});
        if (running_.back().fd < 0) throw Failure(Exit::os, std::string("cannot watch a process: ") + std::strerror(errno));
    }
    bool empty() const noexcept { return running_.empty(); }

    // Waits that long for one to end. Throws if it failed, or a signal came.
    void wait(int milliseconds, const Control& control, Usage& usage) {
        std::vector<pollfd> fds;
        for (const Child& child : running_) fds.push_back({child.fd, POLLIN, 0});
        poll(fds.data(), fds.size(), milliseconds);
        if (signals::caught()) throw Stopped();
        for (std::size_t i = running_.size(); i-- > 0;) {
            int status = 0;
            rusage used{};
            if (wait4(running_[i].pid, &status, WNOHANG, &used) != running_[i].pid) continue;
            const char* const role = running_[i].role;
            forget(i);
            usage.preempted += static_cast<std::uint64_t>(used.ru_nivcsw);
            usage.cpu_seconds += static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
            if (WIFSIGNALED(status)) throw Failure(Exit::os, fmt::format("a {} was killed by signal {}", role, WTERMSIG(status)));
            if (status != 0) throw Failure(control.exit ? static_cast<Exit>(control.exit) : Exit::os, control.exit ? control.what : std::string("a ") + role + " failed");
        }
    }

private:
    struct Child {
        pid_t pid;
        int fd;
        const char* role;
    };
    void forget(std::size_t i) noexcept {
        if (running_[i].fd >= 0) close(running_[i].fd);
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    std::vector<Child> running_;
};

}  // namespace

std::uint64_t Control::start() noexcept {
    ready.fetch_add(1);
    std::uint64_t begin;
    while (!(begin = go.load())) usleep(20);
    return begin;
}

Usage run_together(Control& control, const std::vector<Member>& team, double seconds, const std::function<void()>& forked) {
    Usage usage;
    Children children;
    for (const Member& member : team) children.add(member, control);
    forked();
    const std::uint64_t limit = monotonic_ns() + static_cast<std::uint64_t>(seconds * 1e9);
    while (!children.empty()) {
        const bool started = control.go.load() != 0;
        if (!started && control.ready.load() == team.size()) control.go = TickClock::now();
        children.wait(started ? 1000 : 1, control, usage);
        if (monotonic_ns() > limit) throw Failure(Exit::timed_out, fmt::format("the processes did not end within {:.0f} s", seconds));
    }
    return usage;
}

}  // namespace bench
