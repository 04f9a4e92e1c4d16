#include "common/each.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <shmq/detail/retry.hpp>

#include "common/cli.hpp"

namespace {

// A file in memory, not a pipe: a command need not read what it is given, and whoever reads slowly or not
// at all does not hold us up.
class File {
public:
    explicit File(const std::function<void(Output&)>& put) : fd_(memfd_create("message", MFD_CLOEXEC)) {
        if (fd_ < 0) throw Failure(Exit::os, std::string("cannot make a file in memory: ") + std::strerror(errno));
        try {
            Output out(fd_);
            put(out);
            out.flush();
            if (lseek(fd_, 0, SEEK_SET) != 0) throw Failure(Exit::os, std::string("a file in memory: ") + std::strerror(errno));
        } catch (...) {
            close(fd_);
            throw;
        }
    }
    ~File() { close(fd_); }
    File(const File&) = delete;
    int fd() const noexcept { return fd_; }

private:
    int fd_;
};

std::vector<std::string> environment(const std::string& ring, const Origin& origin) {
    std::vector<std::string> all{"SHMQ_RING=" + ring, "SHMQ_SEQ=" + std::to_string(origin.position), std::string("SHMQ_REDELIVERED=") + (origin.redelivered ? "1" : "0")};
    for (char** variable = environ; *variable; ++variable) {
        const std::string_view text = *variable;
        if (!text.starts_with("SHMQ_RING=") && !text.starts_with("SHMQ_SEQ=") && !text.starts_with("SHMQ_REDELIVERED=")) all.emplace_back(text);
    }
    return all;
}

}  // namespace

std::string run_each(const std::string& command, const std::function<void(Output&)>& put_input, const std::string& ring, const Origin& origin) {
    const File file(put_input);
    std::vector<std::string> variables = environment(ring, origin);
    std::vector<char*> pointers;
    for (std::string& variable : variables) pointers.push_back(variable.data());
    pointers.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, file.fd(), STDIN_FILENO);
    sigset_t ours;  // what we ignore to get an answer of write(2) instead is not to be inherited
    sigemptyset(&ours);
    sigaddset(&ours, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &ours);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);

    std::string shell = "sh", option = "-c", text = command;
    char* const arguments[] = {shell.data(), option.data(), text.data(), nullptr};
    pid_t child = 0;
    const int error = posix_spawn(&child, "/bin/sh", &actions, &attributes, arguments, pointers.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error) throw Failure(Exit::os, std::string("/bin/sh: ") + std::strerror(error));

    int status = 0;
    if (shmq::detail::retry_interrupted([&] { return waitpid(child, &status, 0); }) < 0)
        throw Failure(Exit::os, std::string("cannot wait for the command: ") + std::strerror(errno));
    if (WIFSIGNALED(status)) return "died of signal " + std::to_string(WTERMSIG(status));
    return WEXITSTATUS(status) == 0 ? "" : "exited with " + std::to_string(WEXITSTATUS(status));
}
