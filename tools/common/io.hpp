// stdin and stdout as push and pop use them: read(2) and write(2) with large buffers of their own. All
// throw Failure(io) on an error, and Stopped when a signal came.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <shmq/shmq.hpp>

// A pipe holds 64 KiB, which a quick reader or writer empties or fills in some microseconds: then they sleep
// and are woken for every few messages. One through which so much goes in so short a time is made as large as
// anybody may make it. Any other stays small: what lies in a pipe is out of the ring, and nobody else can have it.
class WidePipe {
public:
    void moved(int fd, std::size_t bytes) noexcept {
        if (bytes < left_) left_ -= bytes;
        else look(fd);
    }

private:
    using Clock = std::chrono::steady_clock;
    void look(int fd) noexcept;
    static constexpr std::size_t much = 8 << 20;
    static constexpr std::chrono::milliseconds short_time{80};
    static constexpr int wide = 1 << 20;  // the kernel's default for pipe-max-size, proc_sys_fs(5)
    std::size_t left_ = much;
    Clock::time_point since_ = Clock::now();
};

// What was read and not yet used, contiguous.
class Input {
public:
    explicit Input(int fd) noexcept : fd_(fd) {}

    std::span<std::byte> unread() const noexcept { return {buffer_.get() + begin_, end_ - begin_}; }
    void drop(std::size_t bytes) noexcept { begin_ += bytes; }
    // One read(2) of at most that many bytes behind what is unread; false at the end of the input.
    bool fill(std::size_t most = SIZE_MAX);
    // The same into somebody else's memory.
    std::size_t read(std::span<std::byte> into);

    bool seekable() const noexcept;
    void give_back() noexcept;                // seekable: what is unread is left to the next program
    std::size_t waiting() const noexcept;     // bytes that can be read without blocking, as far as known

private:
    static constexpr std::size_t first_capacity = 256 * 1024;
    int fd_;
    WidePipe pipe_;
    std::unique_ptr<std::byte[]> buffer_;
    std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

// Gathers small pieces, writes large ones from where they lie.
class Output {
public:
    static constexpr int nowhere = -1;  // only counts
    explicit Output(int fd) noexcept : fd_(fd) {}

    void put(shmq::Bytes bytes) {
        if (bytes.size() >= large) return put_large(bytes);
        std::byte* const at = room(bytes.size());
        std::memcpy(at, bytes.data(), bytes.size());
        used_ += bytes.size();
    }
    void put(char c) {
        *room(1) = static_cast<std::byte>(c);
        ++used_;
    }
    // Small pieces can also be written in place: fill room(n), then add(n). REQUIRES: n <= large.
    std::byte* room(std::size_t bytes) {
        if (bytes > capacity_ - used_) [[unlikely]] make_room();
        return buffer_.get() + used_;
    }
    void add(std::size_t bytes) noexcept { used_ += bytes; }
    void flush();

    std::uint64_t total() const noexcept { return accepted_ + used_; }   // bytes put
    std::uint64_t accepted() const noexcept { return accepted_; }        // of those, taken by write(2)
    // Throws Stopped, or Failure, when nobody will ever read what is written. Only pipes and sockets tell.
    void check_reader() const;
    bool has_reader() const noexcept { return tells_; }  // check_reader() can tell something
    void watch_reader() noexcept;                        // find out whether it can

    static constexpr std::size_t large = 16 * 1024;

private:
    void make_room();
    void put_large(shmq::Bytes bytes);
    void write_all(shmq::Bytes bytes);

    static constexpr std::size_t size = 128 * 1024;
    int fd_;
    WidePipe pipe_;
    bool tells_ = false;
    std::unique_ptr<std::byte[]> buffer_;
    std::size_t capacity_ = 0, used_ = 0;
    std::uint64_t accepted_ = 0;
};

std::string counted(std::uint64_t count, std::string_view unit);  // "1 message", "2 messages"
