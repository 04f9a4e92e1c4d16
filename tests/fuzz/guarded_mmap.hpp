// Puts the library's mappings between stretches of address space where every access faults. Sanitizers
// know nothing about the bytes next to a shared mapping; so a read or a write outside of one would hit
// whatever the kernel put there. Link with -Wl,--wrap=mmap,--wrap=munmap.
#pragma once

#include <cstddef>

// The newest reservation of the library that is still mapped.
struct Reserved {
    const std::byte *begin = nullptr, *end = nullptr;
    bool holds(const void* at, std::size_t bytes) const {
        const auto* const p = static_cast<const std::byte*>(at);
        return p >= begin && p <= end && bytes <= static_cast<std::size_t>(end - p);
    }
};
Reserved newest_reservation() noexcept;
std::size_t reservations() noexcept;  // still mapped
