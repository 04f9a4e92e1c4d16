// A system call that a signal interrupted is made again. Some file systems, of a network or in user space,
// answer EINTR where others never do: to open, fstat, link, unlink. Not for close(2): the descriptor is
// gone whatever it answers, and may be somebody else's by then.
#pragma once

#include <cerrno>
#include <type_traits>

namespace shmq::detail {

template <class Call>
auto retry_interrupted(Call call) {
    for (;;) {
        errno = 0;  // readdir(3) and getpwuid(3) leave it alone when there is none
        const auto answer = call();
        bool failed = false;
        if constexpr (std::is_pointer_v<decltype(call())>) failed = answer == nullptr;
        else failed = answer == -1;
        if (!failed || errno != EINTR) return answer;
    }
}

}  // namespace shmq::detail
