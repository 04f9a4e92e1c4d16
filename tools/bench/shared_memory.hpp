// Memory that a process shares with those it forks, gone when the last of them is.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include "common/cli.hpp"

namespace bench {

// Zeroed; touched pages only cost memory.
template <class T>
class SharedArray {
public:
    explicit SharedArray(std::size_t count) : count_(count) {
        void* const at = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED) throw Failure(Exit::os, "no memory for " + std::to_string(bytes()) + " bytes of samples: " + std::strerror(errno));
        data_ = static_cast<T*>(at);
        std::uninitialized_value_construct_n(data_, constructs() ? count_ : 0);
    }
    ~SharedArray() { munmap(data_, bytes()); }
    SharedArray(const SharedArray&) = delete;
    SharedArray& operator=(const SharedArray&) = delete;

    T& operator[](std::size_t i) const noexcept { return data_[i]; }
    T* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return count_; }
    // In the process that will write there: so that no page fault is measured.
    void populate(std::size_t first, std::size_t count) const noexcept {
        const auto begin = reinterpret_cast<std::uintptr_t>(data_ + first) & ~std::uintptr_t{4095};
        const auto end = reinterpret_cast<std::uintptr_t>(data_ + first + count);
#ifdef MADV_POPULATE_WRITE
        if (madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_WRITE) == 0) return;
#endif
        for (auto at = begin; at < end; at += 4096) *reinterpret_cast<volatile char*>(at) = 0;
    }

private:
    static constexpr bool constructs() noexcept { return !std::is_trivially_default_constructible_v<T>; }
    std::size_t bytes() const noexcept { return (count_ ? count_ : 1) * sizeof(T); }
    T* data_;
    std::size_t count_;
};

}  // namespace bench
