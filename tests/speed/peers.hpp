// What the ring is measured by: the least that memory between two processors costs, a ring that promises
// nothing, and the queues that people take.
#pragma once

#include "two_sides.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>

#if __has_include(<boost/interprocess/ipc/message_queue.hpp>)
#define SHMQ_SPEED_HAS_BOOST
#include <boost/interprocess/ipc/message_queue.hpp>
#endif

namespace speed {

inline constexpr u64 end_mark = ~u64{0};
// For queues that know no end: its number is end_mark.
template <std::size_t bytes>
struct EndMessage {
    alignas(64) std::byte data[bytes];
    EndMessage() { std::memset(data, 0xff, bytes); }
};

// Long ones by the library's memcpy: what the compiler makes of a constant length is some times slower.
template <std::size_t bytes>
void copy(std::byte* to, const std::byte* from) {
    std::size_t n = bytes;
    if constexpr (bytes > 128) asm("" : "+r"(n));
    std::memcpy(to, from, n);
}

// A line of memory that one side writes and the other waits for. One message at a time.
class Line {
public:
    void open_sender() {}
    void open_receiver() {}
    void send(const std::byte* message) { word_->store(number_of(message) + 2, std::memory_order_release); }
    void finish() { word_->store(1, std::memory_order_release); }
    bool receive(std::byte* message) {
        u64 value;
        while ((value = word_->load(std::memory_order_acquire)) == seen_) pause();
        seen_ = value;
        value -= 2;
        std::memcpy(message, &value, sizeof value);
        return value != end_mark;
    }

private:
    Shared<std::atomic<u64>> word_;
    u64 seen_ = 0;
};

// The same, asleep until it is written.
class Futex {
public:
    void open_sender() {}
    void open_receiver() {}
    void send(const std::byte* message) { put(static_cast<std::uint32_t>(number_of(message)) + 2); }
    void finish() { put(1); }
    bool receive(std::byte* message) {
        std::uint32_t value;
        while ((value = word_->load(std::memory_order_acquire)) == seen_) syscall(SYS_futex, word_.at, FUTEX_WAIT, seen_, nullptr, nullptr, 0);
        seen_ = value;
        const u64 number = value - 2;
        std::memcpy(message, &number, sizeof number);
        return value != 1;
    }

private:
    void put(std::uint32_t value) {
        word_->store(value, std::memory_order_release);
        syscall(SYS_futex, word_.at, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    }
    Shared<std::atomic<std::uint32_t>> word_;
    std::uint32_t seen_ = 0;
};

// A ring for one sender and one receiver with nothing but two positions, each told after every
// `publish_every` messages: no safety at all, so that nothing which copies can be much faster.
template <std::size_t bytes, std::size_t slots, u64 publish_every>
class BareRing {
public:
    BareRing() : data_(shared_bytes(bytes * slots)) {}
    BareRing(const BareRing&) = delete;
    BareRing& operator=(const BareRing&) = delete;
    ~BareRing() { munmap(data_, bytes * slots); }
    void open_sender() {}
    void open_receiver() {}
    void send(const std::byte* message) {
        if (next_ - limit_ == slots) {
            publish();
            while (next_ - (limit_ = control_->tail.load(std::memory_order_acquire)) == slots) pause();
        }
        copy<bytes>(data_ + next_ % slots * bytes, message);
        if (++next_ - told_ >= publish_every) publish();
    }
    void finish() {
        publish();
        control_->end.store(next_ + 1, std::memory_order_release);
    }
    bool receive(std::byte* message) {
        if (next_ == limit_) {
            release();
            while ((limit_ = control_->head.load(std::memory_order_acquire)) == next_) {
                if (control_->end.load(std::memory_order_acquire) == next_ + 1) return false;
                pause();
            }
        }
        copy<bytes>(message, data_ + next_ % slots * bytes);
        if (++next_ - told_ >= publish_every) release();
        return true;
    }

private:
    struct Control {
        alignas(128) std::atomic<u64> head{0};
        alignas(128) std::atomic<u64> tail{0};
        alignas(128) std::atomic<u64> end{0};
    };
    void publish() { control_->head.store(told_ = next_, std::memory_order_release); }
    void release() { control_->tail.store(told_ = next_, std::memory_order_release); }

    Shared<Control> control_;
    std::byte* data_;
    u64 next_ = 0, told_ = 0, limit_ = 0;
};

// Dmitry Vyukov's bounded queue for many producers and many consumers, as everybody writes it.
template <std::size_t bytes, std::size_t slots>
class Vyukov {
public:
    Vyukov() {
        for (u64 i = 0; i < slots; ++i) queue_->cells[i].turn.store(i, std::memory_order_relaxed);
    }
    void open_sender() {}
    void open_receiver() {}
    void send(const std::byte* message) {
        Cell& cell = take(queue_->head, 0);
        copy<bytes>(cell.data, message);
        cell.turn.store(position_ + 1, std::memory_order_release);
    }
    void finish() {
        send(EndMessage<bytes>().data);
    }
    bool receive(std::byte* message) {
        Cell& cell = take(queue_->tail, 1);
        copy<bytes>(message, cell.data);
        cell.turn.store(position_ + slots, std::memory_order_release);
        return number_of(message) != end_mark;
    }

private:
    struct alignas(64) Cell {
        std::atomic<u64> turn;
        std::byte data[bytes];
    };
    struct Queue {
        alignas(128) std::atomic<u64> head{0};
        alignas(128) std::atomic<u64> tail{0};
        alignas(128) Cell cells[slots];
    };
    Cell& take(std::atomic<u64>& end, u64 ahead) {
        for (position_ = end.load(std::memory_order_relaxed);;) {
            Cell& cell = queue_->cells[position_ % slots];
            const u64 turn = cell.turn.load(std::memory_order_acquire);
            if (turn == position_ + ahead) {
                if (end.compare_exchange_weak(position_, position_ + 1, std::memory_order_relaxed)) return cell;
            } else {
                if (static_cast<std::int64_t>(turn - position_ - ahead) < 0) pause();
                position_ = end.load(std::memory_order_relaxed);
            }
        }
    }
    Shared<Queue> queue_;
    u64 position_ = 0;
};

#ifdef SHMQ_SPEED_HAS_BOOST
// Boost.Interprocess: a mutex and two conditions; sleeps when idle.
template <std::size_t bytes, std::size_t slots>
class BoostQueue {
    using Queue = boost::interprocess::message_queue;

public:
    BoostQueue() : name_("shmq-speed-" + std::to_string(getpid())) {
        Queue::remove(name_.c_str());
        queue_ = std::make_unique<Queue>(boost::interprocess::create_only, name_.c_str(), slots, bytes);
    }
    BoostQueue(const BoostQueue&) = delete;
    BoostQueue& operator=(const BoostQueue&) = delete;
    ~BoostQueue() { Queue::remove(name_.c_str()); }
    void open_sender() {}
    void open_receiver() {}
    void send(const std::byte* message) { queue_->send(message, bytes, 0); }
    void flush() {}
    void finish() {
        for (int receiver = 0; receiver < 2; ++receiver) send(EndMessage<bytes>().data);
    }
    bool receive(std::byte* message) {
        Queue::size_type size = 0;
        unsigned priority = 0;
        queue_->receive(message, bytes, size, priority);
        return number_of(message) != end_mark;
    }

private:
    std::string name_;
    std::unique_ptr<Queue> queue_;
};
#endif

}  // namespace speed
