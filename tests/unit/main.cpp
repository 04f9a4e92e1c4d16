// Runs the tests in a process of their own, with a directory of rings of their own, and clears it away
// whatever becomes of them.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

int main(int argc, char** argv) {
    char directory[] = "/dev/shm/shmq-unit.XXXXXX";
    if (!mkdtemp(directory)) return std::perror(directory), 2;
    chmod(directory, 0755);
    const pid_t parent = getpid(), tests = fork();
    if (tests == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(2);
        setenv("SHMQ_DIR", directory, 1);  // before the library looks: it looks once
        doctest::Context context(argc, argv);
        const int answer = context.run();
        std::fflush(nullptr);
        return answer;
    }
    for (int s : {SIGINT, SIGTERM, SIGHUP}) signal(s, SIG_IGN);  // the tests die of it, we clear away
    int status = 0;
    while (waitpid(tests, &status, 0) < 0 && errno == EINTR) {}
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
    if (WIFSIGNALED(status)) std::fprintf(stderr, "the tests died of signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
