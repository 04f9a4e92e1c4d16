// A fault under one of our mappings (the file was truncated or punched) must not kill the process, and
// a fork must not leave the child with holes where rings were. Both need to know all mappings of this
// process without a lock: a list of blocks that only grows.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace shmq::detail {

struct Guarded {
    std::atomic<std::uintptr_t> begin{0}, end{0};
    std::atomic<std::atomic<std::uint32_t>*> alert{nullptr};  // where to set Alert bits; null: not ours to tell
    std::atomic<std::size_t> page{0};
    std::atomic<bool> patched{false};  // a fault was; also before there was anybody to tell
};

// Registers a mapping; never null. Give back with release_guard before unmapping.
Guarded* guard_mapping(void* at, std::size_t bytes, std::size_t page);
void release_guard(Guarded* guarded) noexcept;

// Held while a lock-bearing descriptor is open: fork() waits, so that no child gets a copy of it.
void lock_forks();
void unlock_forks() noexcept;
struct ForkLock {
    ForkLock() { lock_forks(); }
    ~ForkLock() { unlock_forks(); }
    ForkLock(const ForkLock&) = delete;
};

}  // namespace shmq::detail
