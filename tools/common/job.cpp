#include "common/job.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <shmq/detail/retry.hpp>

using shmq::detail::retry_interrupted;

namespace {

constexpr int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGCONT};

sigset_t waited_for() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : passed_on) sigaddset(&set, signal);
    sigaddset(&set, SIGCHLD);
    return set;
}

sigset_t before;

// In the child: never returns.
[[noreturn]] void become(char* const* argv, int report) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    execvp(argv[0], argv);
    const int error = errno;
    [[maybe_unused]] const ssize_t wrote = write(report, &error, sizeof error);
    _exit(127);
}

}  // namespace

Job::Job() {
    // With SIGCHLD ignored, as one may inherit it, there would be nothing to wait for.
    signal(SIGCHLD, SIG_DFL);
    const sigset_t set = waited_for();
    sigprocmask(SIG_BLOCK, &set, &before);
}

Exit Job::run(const std::vector<std::string>& command) {
    std::vector<char*> argv;
    for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);

    // Told to end before it began.
    sigset_t pending;
    sigpending(&pending);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
        if (sigismember(&pending, signal) == 1) return static_cast<Exit>(128 + signal);

    int report[2];  // closed by a successful exec, else it has the errno
    if (pipe2(report, O_CLOEXEC) != 0) throw Failure(Exit::os, fmt::format("pipe: {}", std::strerror(errno)));
    const pid_t child = fork();
    if (child == 0) become(argv.data(), report[1]);
    const int fork_error = errno;
    close(report[1]);
    int error = 0;
    const bool failed = child > 0 && retry_interrupted([&] { return read(report[0], &error, sizeof error); }) == sizeof error;
    close(report[0]);
    if (child < 0) throw Failure(Exit::os, fmt::format("fork: {}", std::strerror(fork_error)));

    const sigset_t set = waited_for();
    for (int status = 0;;) {
        const pid_t ended = retry_interrupted([&] { return waitpid(child, &status, failed ? 0 : WNOHANG); });
        if (ended == child) {
            if (failed) break;
            return static_cast<Exit>(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
        }
        siginfo_t info{};
        const int signal = sigwaitinfo(&set, &info);
        // What a terminal sends comes from the kernel, and to the whole foreground group: the command has
        // it already.
        if (signal > 0 && signal != SIGCHLD && info.si_code <= 0) kill(child, signal);
    }
    complain(fmt::format("{}: {}", command[0], std::strerror(error)));
    return error == ENOENT ? Exit::not_found : Exit::not_executable;
}
