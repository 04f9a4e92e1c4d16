// Sleeping and waking between processes.
//
// Why no wake is lost. A sleeper sets the flag in the wait word, passes a barrier, looks again at what
// it waits for, and only then sleeps on the value it set. A waker commits, then looks at the flag. One
// of them sees the other: were the commit missed by the second look, then the sleeper's barrier came
// before the commit reached memory, hence the waker's load of the flag came after it and saw the flag.
// The barrier is membarrier(GLOBAL_EXPEDITED), which runs a full barrier in every running thread of
// all participants, so the waker's side needs none. A participant that cannot register for it fences
// for itself and sets `wait_attention`, which makes everybody else fence too.
//
// The flag is not a count: a sleeper that died costs one spurious wake. The woken one sets the flag
// again and, if there is more, wakes the next. A waker killed between its commit and its wake, or a
// sleeper killed between its wake and its claim, is healed by the cap alone: nobody sleeps longer.
//
// A watcher sleeps in the same way under a flag and a futex bit of its own. A wake wakes all watchers
// besides the one sleeper, never in its stead, so a watcher has nothing to pass on.
#pragma once

#include <shmq/detail/ring.hpp>

#include <utility>

namespace shmq::detail {

inline constexpr std::chrono::milliseconds sleep_cap{100};
static_assert(sleep_cap <= std::chrono::milliseconds(100), "promised: shmq(5), shmq(7), README.md");

// Registers this process, once; false where the kernel or a filter forbids it.
bool register_for_barrier() noexcept;
void wake_one(WaitWord& word) noexcept;
void wake_all(WaitWord& word) noexcept;
// The rest of wake(): after a commit saw something in the wait word. True if `wait_attention` is set.
bool wake_after_commit(WaitWord& word, bool fence) noexcept;
void wake_watchers(WaitWord& word) noexcept;  // and nobody else; passes the barrier itself

// Who is to be woken with us: one of those who sleep as we do is enough, or each must see for itself.
enum class Wake { one, all };

// Waits until look() answers something other than `pending`.
//   poll()         may it be worth looking? Reads one line that the other side writes, and no other.
//   quick()        does what was waited for if it can be done at once; true: done.
//   look(thorough) the whole look; thorough: after the cap, when the name and the dead are looked at too.
//   word()         where to sleep; it may change with what is waited for.
class Waiter {
public:
    // rest: who was woken for nothing stays away so long before it asks to be woken again, so that
    // others do not pay a system call for every message.
    Waiter(Core& core, Deadline deadline, Outcome pending, Wake wake = Wake::one, std::chrono::microseconds rest = {}) noexcept
        : core_(core), deadline_(deadline), pending_(pending), wake_(wake), rest_(rest) {}

    template <class Poll, class Quick, class Look, class Word>
    Outcome wait(Poll poll, Quick quick, Look look, Word word) noexcept {
        if (deadline_ != no_wait && core_.waiting_ != Waiting::block && spinning_helps() && spin_briefly(poll, quick)) return Outcome::ok;
        if (const Outcome outcome = look(false); outcome != pending_ || deadline_ == no_wait) return outcome;
        if (core_.waiting_ == Waiting::spin) return spin_for_ever(poll, quick, look);
        for (bool woken = false;;) {
            WaitWord& at = word();
            if (const Outcome outcome = give_up(); outcome != Outcome::ok) {
                if (woken && wake_ == Wake::one) pass_on(at, [] { return true; });  // the wake was for somebody who stays
                return outcome;
            }
            const u32 value = prepare(at);
            if (const Outcome outcome = look(false); outcome != pending_) {
                woken_ = woken;  // before we set the flag again, more may have come than what we found
                return outcome;
            }
            if (&word() != &at) continue;  // what is waited for has changed
            const auto asleep = Clock::now();
            woken = sleep(at, value);
            if (const Outcome outcome = look(!woken); outcome != pending_) {
                if (core_.spin_ < longest_spin / 2 && Clock::now() - asleep < short_sleep) core_.spin_ = longest_spin;
                woken_ = woken;
                return outcome;
            }
            if (woken && rest_.count()) rest();
        }
    }
    // After ok: this participant was woken by another, so others may sleep who were not.
    bool woken() const noexcept { return woken_; }
    // Sets the flag again for those who still sleep, and if there is more for them, wakes one.
    template <class More>
    void pass_on(WaitWord& at, More more) const noexcept {
        prepare(at);
        if (more()) wake_one(at);
    }

private:
    template <class Poll, class Quick>
    bool spin_briefly(Poll poll, Quick quick) noexcept {
        u32& budget = core_.spin_;
        if (budget == 0) budget = longest_spin;
        for (u32 i = 0; i < budget; ++i) {
            if (poll()) {
                if (!quick()) return false;
                const u64 moved = core_.moved();
                core_.pace_.waited(i, moved - std::exchange(core_.waited_at_, moved));
                budget = budget * 2 < longest_spin ? budget * 2 : longest_spin;
                return true;
            }
            pause_briefly();
        }
        core_.pace_.waited_long();
        budget = budget / 2 > shortest_spin ? budget / 2 : shortest_spin;
        return false;
    }
    template <class Poll, class Quick, class Look>
    Outcome spin_for_ever(Poll poll, Quick quick, Look look) noexcept {
        auto next_thorough = Clock::now() + sleep_cap;
        for (;;) {
            for (u32 i = 0; i < 4096; ++i) {
                if (poll()) {
                    if (quick()) return Outcome::ok;
                    break;
                }
                pause_briefly();
            }
            if (const Outcome outcome = give_up(); outcome != Outcome::ok) return outcome;
            const auto now = Clock::now();
            const bool thorough = now >= next_thorough;
            if (thorough) next_thorough = now + sleep_cap;
            if (const Outcome outcome = look(thorough); outcome != pending_) return outcome;
        }
    }
    Outcome give_up() const noexcept;
    u32 prepare(WaitWord& word) const noexcept;
    bool sleep(WaitWord& word, u32 value) const noexcept;
    void rest() const noexcept;

    // In polls: the longest spin is about what a sleep and a wake across cores cost, some 20 us.
    static constexpr u32 shortest_spin = 64, longest_spin = 1024;
    // A sleep no longer than that was not worth it: the next spin is a long one. Else two who wake each other for
    // every few messages of a small ring would both go on sleeping.
    static constexpr std::chrono::microseconds short_sleep{30};

    Core& core_;
    Deadline deadline_;
    Outcome pending_;
    Wake wake_;
    std::chrono::microseconds rest_;
    bool woken_ = false;
};

}  // namespace shmq::detail
