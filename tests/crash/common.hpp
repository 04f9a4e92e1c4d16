// What the crash tests share: messages that prove themselves, pages shared with children, and a
// supervisor that leaves nothing behind, also when a test fails, hangs or is itself killed by a bug.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string>

namespace crash {

using u32 = std::uint32_t;
using u64 = std::uint64_t;
using Seconds = std::chrono::duration<double>;

inline double now() { return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }
inline bool long_run() {
    const char* const set = getenv("SHMQ_LONG");
    return set && *set && std::strcmp(set, "0") != 0;
}
inline u64 from_environment(const char* name, u64 otherwise) {
    const char* const set = getenv(name);
    return set && *set ? std::strtoull(set, nullptr, 10) : otherwise;
}

// ---- messages -----------------------------------------------------------------------------------

// In front of every message; behind it lies content that follows from it. REQUIRES: 24 bytes at least.
struct Stamp {
    u32 producer, length;
    u64 number, sum;
};

inline u64 mix(u64 h, u64 v) { return (std::rotl(h, 23) ^ v) * 0x9e3779b97f4a7c15; }

inline u64 sum_of(const Stamp& s, const std::byte* content, std::size_t bytes) {
    u64 h = mix(mix(s.producer + 1, s.number), s.length);
    for (; bytes >= 8; content += 8, bytes -= 8) {
        u64 v;
        std::memcpy(&v, content, 8);
        h = mix(h, v);
    }
    u64 rest = 0;
    std::memcpy(&rest, content, bytes);
    return mix(h, rest);
}

inline void fill(std::span<std::byte> message, u32 producer, u64 number) {
    Stamp s{producer, static_cast<u32>(message.size()), number, 0};
    std::byte* const content = message.data() + sizeof s;
    const std::size_t bytes = message.size() - sizeof s;
    u64 v = mix(number, producer);
    for (std::size_t i = 0; i < bytes; i += 8) {
        v = v * 6364136223846793005 + 1442695040888963407;
        std::memcpy(content + i, &v, std::min<std::size_t>(8, bytes - i));
    }
    s.sum = sum_of(s, content, bytes);
    std::memcpy(message.data(), &s, sizeof s);
}

inline bool whole(std::span<const std::byte> message, Stamp& s) {
    if (message.size() < sizeof s) return false;
    std::memcpy(&s, message.data(), sizeof s);
    return s.length == message.size() && s.sum == sum_of(s, message.data() + sizeof s, message.size() - sizeof s);
}

// ---- memory shared with children ----------------------------------------------------------------

template <class T>
T* share(std::size_t count = 1) {
    void* const at = mmap(nullptr, sizeof(T) * count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        std::perror("mmap");
        std::abort();
    }
    return static_cast<T*>(at);  // zero bytes are a valid T: only integers and atomics of them are shared
}

// ---- the supervisor -----------------------------------------------------------------------------

inline volatile sig_atomic_t asked_to_stop = 0;

inline int entries_of(const std::string& directory, bool remove_them) {
    int count = 0;
    if (DIR* const dir = opendir(directory.c_str())) {
        while (const dirent* entry = readdir(dir)) {
            const std::string name = entry->d_name;
            if (name == "." || name == "..") continue;
            const std::string path = directory + "/" + name;
            struct stat s {};
            if (lstat(path.c_str(), &s) == 0 && S_ISDIR(s.st_mode)) {  // a tester's own
                count += entries_of(path, remove_them);
                if (remove_them) rmdir(path.c_str());
                continue;
            }
            ++count;
            if (remove_them) unlink(path.c_str());
        }
        closedir(dir);
    }
    return count;
}

inline void end_children() {
    for (int round = 0; round < 200; ++round) {
        std::string path = "/proc/self/task/" + std::to_string(getpid()) + "/children";
        if (FILE* const file = std::fopen(path.c_str(), "r")) {
            int pid = 0;
            while (std::fscanf(file, "%d", &pid) == 1) kill(pid, SIGKILL);
            std::fclose(file);
        }
        while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {}
        if (waitpid(-1, nullptr, WNOHANG | __WALL) < 0 && errno == ECHILD) return;
        usleep(5000);
    }
}

// A supervisor holds a lock on its directory. One that was killed itself could not clean up: whoever
// comes next does.
inline void remove_left_directories() {
    DIR* const dir = opendir("/dev/shm");
    if (!dir) return;
    while (const dirent* entry = readdir(dir)) {
        if (std::strncmp(entry->d_name, "shmq-crash-", 11) != 0) continue;
        const std::string path = std::string("/dev/shm/") + entry->d_name;
        const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat s {};
        // A minute: nobody's directory is so long without its lock.
        if (fd >= 0 && fstat(fd, &s) == 0 && time(nullptr) - s.st_ctime > 60 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            entries_of(path, true);
            rmdir(path.c_str());
        }
        if (fd >= 0) close(fd);
    }
    closedir(dir);
}

// Runs the test in a child with its own SHMQ_DIR. Whatever becomes of it, its children end and its
// directory goes. A file that a successful test left is a failure.
inline int supervised(const char* what, double limit_seconds, int (*test)()) {
    signal(SIGPIPE, SIG_IGN);  // with nobody to read the report there is still to clean up
    remove_left_directories();
    std::string directory = "/dev/shm/shmq-crash-XXXXXX";
    if (!mkdtemp(directory.data()) || chmod(directory.c_str(), 0755) != 0) {
        std::perror(directory.c_str());
        return 1;
    }
    const int held = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    flock(held, LOCK_EX | LOCK_NB);
    setenv("SHMQ_DIR", directory.c_str(), 1);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    struct sigaction stop {};
    stop.sa_handler = [](int) { asked_to_stop = 1; };
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &stop, nullptr);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);

    const double begin = now();
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
        const int result = test();
        std::fflush(nullptr);
        _exit(result);
    }
    int status = 0, result = 1;
    for (;;) {
        const pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child) {
            if (WIFEXITED(status)) result = WEXITSTATUS(status);
            else std::printf("%s: FAILED: the tester died of signal %d\n", what, WTERMSIG(status));
            break;
        }
        if (asked_to_stop || now() - begin > limit_seconds) {
            std::printf("%s: FAILED: %s\n", what, asked_to_stop ? "interrupted" : "did not end in time");
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            break;
        }
        usleep(20000);
    }
    end_children();
    const int left = entries_of(directory, false);
    if (left && result == 0) {
        std::printf("%s: FAILED: %d files left behind\n", what, left);
        result = 1;
    }
    entries_of(directory, true);
    rmdir(directory.c_str());
    close(held);
    std::printf("%s: %s in %.1f s\n", what, result ? "FAILED" : "passed", now() - begin);
    return result;
}

}  // namespace crash
