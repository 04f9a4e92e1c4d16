#include "stat/proc_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <shmq/detail/retry.hpp>

using shmq::detail::retry_interrupted;

std::string proc_file(const std::string& path) {
    std::string text;
    const int fd = retry_interrupted([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); });
    if (fd < 0) return text;
    char part[4096];
    ssize_t got = 0;
    while ((got = retry_interrupted([&] { return read(fd, part, sizeof part); })) > 0) text.append(part, static_cast<std::size_t>(got));
    close(fd);
    return got == 0 ? text : std::string();
}
