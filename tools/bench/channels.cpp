#include "bench/channels.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <shmq/detail/retry.hpp>

using shmq::detail::retry_interrupted;

namespace bench {

void fail(shmq::Outcome outcome) { throw Failure(outcome == shmq::Outcome::corrupt ? Exit::not_ring : Exit::os, shmq::describe(outcome)); }
void fail_of_errno(const char* what) { throw Failure(Exit::os, fmt::format("{}: {}", what, std::strerror(errno))); }

namespace {

std::string private_name(int number) { return fmt::format("bench.{}.{}", getpid(), number); }

}  // namespace

// ---- shmq ---------------------------------------------------------------------------------------

ShmqChannel::ShmqChannel(const Case& about, int number) : about_(about), name_(private_name(number)) {
    shmq::Options options;
    options.slots = about.slots;
    options.slot_size = about.size;
    options.fixed = true;
    options.producers = about.producer_side;
    options.consumers = about.consumer_side;
    options.waiting = about.waiting;
    options.if_exists = shmq::IfExists::replace;  // left by a killed one of our pid
    shmq::create(name_, options);
}

ShmqChannel::~ShmqChannel() {
    try {
        shmq::remove(name_, true);
    } catch (const shmq::Error&) {
        // somebody else removed it
    }
}

// ---- pipe, fifo ---------------------------------------------------------------------------------

void Ends::close(int& fd) noexcept {
    if (fd >= 0) ::close(fd);
    fd = -1;
}

namespace {

void open_fifo(Ends& ends) {
    const char* const set = getenv("TMPDIR");
    std::string directory = fmt::format("{}/shmq-bench.XXXXXX", set && *set ? set : "/tmp");
    if (!mkdtemp(directory.data())) fail_of_errno(directory.c_str());
    const std::string path = directory + "/fifo";
    // Nobody needs its name once both ends are open, so nothing can stay behind.
    const bool made = mkfifo(path.c_str(), 0600) == 0;
    const int in = made ? open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    const int out = in >= 0 ? open(path.c_str(), O_WRONLY | O_CLOEXEC) : -1;
    const int error = errno;
    unlink(path.c_str());
    rmdir(directory.c_str());
    ends.set(out, in);
    errno = error;
    if (out < 0 || fcntl(in, F_SETFL, 0) != 0) fail_of_errno(path.c_str());
}

void open_pipe(Ends& ends) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) fail_of_errno("pipe");
    ends.set(fds[1], fds[0]);
}

}  // namespace

PipeChannel::PipeChannel(const Case& about, int) : about_(about) {
    if (about.processes() > 2 && about.size > PIPE_BUF)
        throw LeftOut{fmt::format("where several processes write or read, messages over PIPE_BUF ({} bytes) would mix", PIPE_BUF)};
    about.channel == ChannelKind::fifo ? open_fifo(ends_) : open_pipe(ends_);
}

PipeChannel::Producer::Producer(const PipeChannel& channel)
    : ends_(&channel.ends_), size_(channel.about_.size),
      at_once_(channel.about_.processes() > 2 ? std::clamp<std::uint64_t>(PIPE_BUF / size_, 1, channel.about_.batch) : channel.about_.batch),
      buffer_(size_ * channel.about_.batch) {
    ends_->close_in();
}

void PipeChannel::Producer::write_all(const std::byte* from, std::uint64_t bytes) {
    while (bytes) {
        const auto wrote = retry_interrupted([&] { return write(ends_->out(), from, bytes); });
        if (wrote < 0) fail_of_errno("write");
        from += wrote;
        bytes -= static_cast<std::uint64_t>(wrote);
    }
}

PipeChannel::Consumer::Consumer(const PipeChannel& channel) : ends_(&channel.ends_), size_(channel.about_.size), buffer_(size_ * channel.about_.batch) { ends_->close_out(); }

bool PipeChannel::Consumer::receive(std::byte* buffer) {
    for (std::uint64_t have = 0; have < size_;) {
        const auto got = retry_interrupted([&] { return read(ends_->in(), buffer + have, size_ - have); });
        if (got < 0) fail_of_errno("read");
        if (got == 0) {
            if (have) throw Failure(Exit::os, "a message was cut short");
            return false;
        }
        have += static_cast<std::uint64_t>(got);
    }
    return true;
}

bool PipeChannel::Consumer::more() {
    while (have_ < size_) {
        const auto got = retry_interrupted([&] { return read(ends_->in(), buffer_.data() + have_, buffer_.size() - have_); });
        if (got < 0) fail_of_errno("read");
        if (got == 0) {
            if (have_) throw Failure(Exit::os, "a message was cut short");
            return false;
        }
        have_ += static_cast<std::uint64_t>(got);
    }
    return true;
}

void PipeChannel::Consumer::keep_from(std::uint64_t at) noexcept {
    have_ -= at;
    if (have_) std::memmove(buffer_.data(), buffer_.data() + at, have_);
}

// ---- unix ---------------------------------------------------------------------------------------

SocketChannel::SocketChannel(const Case& about, int) : about_(about) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) fail_of_errno("socketpair");
    ends_.set(fds[1], fds[0]);
    int room = 0;
    socklen_t length = sizeof room;
    const auto enough = [&] { return getsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &room, &length) == 0 && static_cast<std::uint64_t>(room) >= about.size + 64; };
    if (enough()) return;
    const int wanted = static_cast<int>(std::min<std::uint64_t>(about.size + 4096, INT_MAX));
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
    if (!enough()) throw LeftOut{fmt::format("its send buffer takes {} bytes (/proc/sys/net/core/wmem_max)", room)};
}

SocketChannel::Vector::Vector(std::uint64_t count, std::uint64_t size) : size_(size), buffer_(count * size), parts_(count), headers_(count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        parts_[i] = {place(i), size};
        headers_[i] = {};
        headers_[i].msg_hdr.msg_iov = &parts_[i];
        headers_[i].msg_hdr.msg_iovlen = 1;
    }
}

SocketChannel::Producer::Producer(const SocketChannel& channel)
    : ends_(&channel.ends_), size_(channel.about_.size), vector_(std::min<std::uint64_t>(channel.about_.batch, IOV_MAX), size_) { ends_->close_in(); }

void SocketChannel::Producer::send(const std::byte* message) {
    if (retry_interrupted([&] { return ::send(ends_->out(), message, size_, MSG_NOSIGNAL); }) < 0) fail_of_errno("send");
}

void SocketChannel::Producer::send_vector(std::uint64_t count) {
    for (std::uint64_t sent = 0; sent < count;) {
        const int n = retry_interrupted([&] { return sendmmsg(ends_->out(), vector_.headers() + sent, static_cast<unsigned>(count - sent), MSG_NOSIGNAL); });
        if (n < 0) fail_of_errno("sendmmsg");
        sent += static_cast<std::uint64_t>(n);
    }
}

SocketChannel::Consumer::Consumer(const SocketChannel& channel)
    : ends_(&channel.ends_), size_(channel.about_.size), vector_(std::min<std::uint64_t>(channel.about_.batch, IOV_MAX), size_) { ends_->close_out(); }

bool SocketChannel::Consumer::receive(std::byte* buffer) {
    const auto got = retry_interrupted([&] { return recv(ends_->in(), buffer, size_, 0); });
    if (got < 0) fail_of_errno("recv");
    return got > 0;
}

std::uint64_t SocketChannel::Consumer::receive_vector() {
    const int got = retry_interrupted([&] { return recvmmsg(ends_->in(), vector_.headers(), static_cast<unsigned>(vector_.capacity()), MSG_WAITFORONE, nullptr); });
    if (got < 0) fail_of_errno("recvmmsg");
    std::uint64_t n = 0;
    while (n < static_cast<std::uint64_t>(got) && vector_.headers()[n].msg_len) ++n;
    return n;
}

// ---- mqueue -------------------------------------------------------------------------------------

namespace {

std::uint64_t mqueue_limit(const char* which) {
    std::uint64_t value = 0;
    std::ifstream(std::string("/proc/sys/fs/mqueue/") + which) >> value;
    return value;
}

}  // namespace

MqueueChannel::MqueueChannel(const Case& about, int number) : about_(about), queue_(-1) {
    const std::string name = "/shmq-" + private_name(number);
    // Who may exceed the limits is for the kernel to say: ask for all, then for less and less.
    depth_ = std::min<std::uint64_t>(about.slots, 65536);
    for (; depth_ > 0; depth_ /= 2) {
        mq_attr attributes{};
        attributes.mq_maxmsg = static_cast<long>(depth_);
        attributes.mq_msgsize = static_cast<long>(about.size);
        queue_ = mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
        if (queue_ != -1) {
            mq_unlink(name.c_str());
            return;
        }
        if (errno != EINVAL && errno != EMFILE && errno != ENOMEM && errno != ENOSPC) break;
    }
    const int error = errno;
    if (const std::uint64_t most = mqueue_limit("msgsize_max"); most && about.size > most)
        throw LeftOut{fmt::format("messages of {} bytes, /proc/sys/fs/mqueue/msgsize_max is {}", about.size, most)};
    throw LeftOut{fmt::format("mq_open: {}{}", std::strerror(error), error == EMFILE || error == ENOMEM ? " (ulimit -q)" : "")};
}

MqueueChannel::~MqueueChannel() {
    if (queue_ != -1) mq_close(queue_);
}

void MqueueChannel::Producer::send(const std::byte* message, std::size_t size) {
    if (retry_interrupted([&] { return mq_send(channel_->queue_, reinterpret_cast<const char*>(message), size, 0); }) != 0) fail_of_errno("mq_send");
}

bool MqueueChannel::Consumer::receive(std::byte* buffer) {
    const auto got = retry_interrupted([&] { return mq_receive(channel_->queue_, reinterpret_cast<char*>(buffer), channel_->about_.size, nullptr); });
    if (got < 0) fail_of_errno("mq_receive");
    return got > 0;
}

}  // namespace bench
