#include "common/io.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <shmq/detail/retry.hpp>
#include <string>

#include "common/signals.hpp"

namespace {

void stop_if_signalled() {
    if (signals::caught()) throw Stopped();
}

// Somebody made our descriptor non-blocking; it may be shared, so it is not ours to change.
void wait_until_ready(int fd, short events) {
    pollfd one{fd, events, 0};
    poll(&one, 1, -1);
}

[[noreturn]] void fail(const char* what, int error) { throw Failure(Exit::io, std::string(what) + ": " + std::strerror(error)); }

[[noreturn]] void nobody_reads() {
    if (signals::reader_gone()) throw Stopped();
    fail("stdout", EPIPE);
}

}  // namespace

void WidePipe::look(int fd) noexcept {
    const auto now = Clock::now();
    const bool quick = now - std::exchange(since_, now) < short_time;
    left_ = quick ? SIZE_MAX : much;
    if (!quick) return;
    const int size = fcntl(fd, F_GETPIPE_SZ);  // -1: no pipe
    if (size >= 0 && size < wide) fcntl(fd, F_SETPIPE_SZ, wide);  // fails where this user has enough of them
}

std::size_t Input::read(std::span<std::byte> into) {
    for (;;) {
        stop_if_signalled();
        const ssize_t got = ::read(fd_, into.data(), into.size());
        if (got >= 0) {
            pipe_.moved(fd_, static_cast<std::size_t>(got));
            return static_cast<std::size_t>(got);
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) wait_until_ready(fd_, POLLIN);
        else if (errno != EINTR) fail("stdin", errno);
    }
}

bool Input::fill(std::size_t most) {
    if (begin_ == end_) begin_ = end_ = 0;
    if (begin_ > 0) {
        std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
        end_ -= std::exchange(begin_, 0);
    }
    if (end_ * 2 >= capacity_) {  // a message of more than half a buffer: a longer one
        const std::size_t capacity = std::max(first_capacity, capacity_ * 2);
        auto longer = std::make_unique_for_overwrite<std::byte[]>(capacity);
        if (end_) std::memcpy(longer.get(), buffer_.get(), end_);
        buffer_ = std::move(longer);
        capacity_ = capacity;
    }
    const std::size_t got = read({buffer_.get() + end_, std::min(most, capacity_ - end_)});
    end_ += got;
    return got > 0;
}

bool Input::seekable() const noexcept { return lseek(fd_, 0, SEEK_CUR) >= 0; }

void Input::give_back() noexcept {
    if (begin_ < end_) lseek(fd_, -static_cast<off_t>(end_ - begin_), SEEK_CUR);
}

// The kernel answers in an int; of a file that has more than 4 GiB left, what remains of the number
// will do.
std::size_t Input::waiting() const noexcept {
    int bytes = 0;
    return ioctl(fd_, FIONREAD, &bytes) == 0 ? static_cast<unsigned>(bytes) : 0;
}

void Output::make_room() {
    if (!buffer_) {
        buffer_ = std::make_unique_for_overwrite<std::byte[]>(size);
        capacity_ = size;
    } else {
        flush();
    }
}

void Output::put_large(shmq::Bytes bytes) {
    flush();
    write_all(bytes);
}

void Output::flush() {
    const std::size_t bytes = std::exchange(used_, 0);
    write_all({buffer_.get(), bytes});
}

void Output::write_all(shmq::Bytes bytes) {
    if (fd_ == nowhere) {
        accepted_ += bytes.size();
        return;
    }
    while (!bytes.empty()) {
        stop_if_signalled();
        const ssize_t wrote = ::write(fd_, bytes.data(), bytes.size());
        if (wrote >= 0) {
            accepted_ += static_cast<std::size_t>(wrote);
            pipe_.moved(fd_, static_cast<std::size_t>(wrote));
            bytes = bytes.subspan(static_cast<std::size_t>(wrote));
        } else if (errno == EPIPE) {
            nobody_reads();
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            wait_until_ready(fd_, POLLOUT);
        } else if (errno != EINTR) {
            fail("stdout", errno);
        }
    }
}

void Output::watch_reader() noexcept {
    struct stat out {};
    tells_ = shmq::detail::retry_interrupted([&] { return fstat(fd_, &out); }) == 0 && (S_ISFIFO(out.st_mode) || S_ISSOCK(out.st_mode));
}

void Output::check_reader() const {
    pollfd out{fd_, 0, 0};
    if (tells_ && poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLHUP)) nobody_reads();
}

std::string counted(std::uint64_t count, std::string_view unit) {
    std::string text = std::to_string(count) + ' ' + std::string(unit);
    if (count != 1) text += 's';
    return text;
}
