#include "guarded_mmap.hpp"

#include <sys/mman.h>
#include <sys/types.h>

#include <array>
#include <mutex>

namespace {

constexpr std::size_t guard = std::size_t{1} << 30;
struct Taken {
    std::byte* at;
    std::size_t bytes;
};
std::array<Taken, 256> taken;
std::size_t count = 0;
std::mutex mutex;

}  // namespace

Reserved newest_reservation() noexcept {
    const std::lock_guard lock(mutex);
    if (!count) return {};
    return {taken[count - 1].at, taken[count - 1].at + taken[count - 1].bytes};
}
std::size_t reservations() noexcept {
    const std::lock_guard lock(mutex);
    return count;
}

extern "C" {
void* __real_mmap(void* at, std::size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void* at, std::size_t bytes);

void* __wrap_mmap(void* at, std::size_t bytes, int protection, int flags, int fd, off_t offset) {
    // How the library reserves: nothing else asks for inaccessible memory anywhere.
    if (at || protection != PROT_NONE || fd != -1) return __real_mmap(at, bytes, protection, flags, fd, offset);
    if (bytes > (std::size_t{1} << 46)) return MAP_FAILED;
    void* const all = __real_mmap(nullptr, bytes + 2 * guard, protection, flags, fd, offset);
    if (all == MAP_FAILED) return all;
    const std::lock_guard lock(mutex);
    if (count == taken.size()) __builtin_trap();
    taken[count++] = {static_cast<std::byte*>(all) + guard, bytes};
    return static_cast<std::byte*>(all) + guard;
}
int __wrap_munmap(void* at, std::size_t bytes) {
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < count; ++i) {
        if (taken[i].at != at) continue;
        if (taken[i].bytes != bytes) __builtin_trap();  // a part of it, or more than it
        for (; i + 1 < count; ++i) taken[i] = taken[i + 1];
        --count;
        return __real_munmap(static_cast<std::byte*>(at) - guard, bytes + 2 * guard);
    }
    return __real_munmap(at, bytes);
}
}
