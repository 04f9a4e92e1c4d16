// Keeping away from the other side in a fast stream.
//
// Whoever has caught up with the other side works on lines that the other one is writing: each look and each
// message takes them away from it, and both go at the speed of one trip between two caches after the other.
// Some messages behind, both go at the speed of their memory, two to five times as fast. So where waits end
// at once, one after the other, a side waits a moment longer, until there is enough to keep it away; where
// that brought nothing the stream was none, and it takes twice as long to be believed the next time.
//
// In a round trip no wait ends at once: there nothing changes.
#pragma once

#include <shmq/detail/layout.hpp>

#include <algorithm>

namespace shmq::detail {

inline void pause_briefly() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb" ::: "memory");
#endif
}

bool spinning_helps() noexcept;  // is there another processor on which the other side can go on?

class Pace {
public:
    // `may_spin`: else it never lingers. The distance, in slots, is a part of the ring at most, or the other side
    // would stand still meanwhile.
    Pace(u64 capacity, u64 slot_size, bool may_spin) noexcept
        : distance_(may_spin ? std::min({most_slots, most_bytes / slot_size, capacity / part_of_ring}) : 0) {}

    // A wait has ended after so many looks, and so many messages had been moved since the one before.
    void waited(u32 looks, u64 messages) noexcept { short_waits_ = looks <= looks_a_message * messages ? short_waits_ + 1 : 0; }
    void waited_long() noexcept { short_waits_ = 0; }
    // Fewer messages were there than looked for: no wait, but the other side is at work right here.
    void caught_up() noexcept { ++short_waits_; }
    bool streaming() const noexcept { return short_waits_ >= believed_ && distance_ >= worth_it; }
    // Time to linger? `ahead`: slots to the other side as last seen; less than 0: it has never been looked at here.
    bool too_near(std::int64_t ahead) const noexcept { return streaming() && ahead < static_cast<std::int64_t>(distance_ / 2); }

    // Waits until ahead() says that there are slots enough, for about ten microseconds at most, and only as
    // long as they come so fast: whoever pushes some millions a second is not made to wait for twenty.
    template <class Ahead>
    void linger(Ahead ahead) noexcept {
        if (!spinning_helps()) return static_cast<void>(distance_ = 0);  // asked here only: it reads a file
        const u64 before = ahead();
        u64 now = before;
        for (u64 round = 0; now < distance_ && round <= rounds && rounds * (now - before) + 2 * distance_ > round * distance_; ++round) {
            for (u32 i = 0; i < pauses; ++i) pause_briefly();
            now = ahead();
        }
        if (now >= distance_) {
            believed_ = fast_stream;
        } else {
            short_waits_ = 0;
            believed_ = std::min(2 * believed_, hardly);
        }
    }

private:
    // Found by trial, with messages of 8 bytes to 1 KiB in rings of 256 KiB to 8 MiB.
    static constexpr u64 most_slots = 256, most_bytes = 32 * 1024, part_of_ring = 8, worth_it = 4, looks_a_message = 2, rounds = 12;
    static constexpr u32 fast_stream = 16, hardly = 4096, pauses = 24;  // about a microsecond

    u64 distance_;
    u32 short_waits_ = 0;  // in a row, that ended at once
    u32 believed_ = fast_stream;
};

}  // namespace shmq::detail
