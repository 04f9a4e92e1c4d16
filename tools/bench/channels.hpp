// The channels, all of one shape. A channel is made in the parent (throws LeftOut where it cannot do the
// case), its two ends are opened in the processes that use them:
//
//   Channel channel(a_case, number);     // number: distinguishes the two of a round trip
//   channel.forked();                    // in the parent: it has no end
//   Channel::Producer out(channel);      out.send(message);            // copied
//                                        out.send_batch(n, fill);      // fill(place) n times, in place or in one call
//                                        out.finish(last);             // last: of all producers
//   Channel::Consumer in(channel);       in.receive(buffer)            // false at the end
//                                        in.receive_batch(n, each)     // each(message), 1 to n times; false at the end
#pragma once

#include <mqueue.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/case.hpp"
#include "common/cli.hpp"

namespace bench {

[[noreturn]] void fail(shmq::Outcome outcome);
[[noreturn]] void fail_of_errno(const char* what);

// ---- shmq ---------------------------------------------------------------------------------------

class ShmqChannel {
public:
    ShmqChannel(const Case& about, int number);
    ~ShmqChannel();
    ShmqChannel(const ShmqChannel&) = delete;
    ShmqChannel& operator=(const ShmqChannel&) = delete;
    void forked() noexcept {}
    std::uint64_t depth() const noexcept { return about_.slots; }

    class Producer {
    public:
        explicit Producer(const ShmqChannel& channel) : ring_(channel.name_, channel.options()), size_(channel.about_.size) {}
        void send(const std::byte* message) {
            if (const auto outcome = ring_.push({message, size_}); outcome != shmq::Outcome::ok) [[unlikely]] fail(outcome);
        }
        template <class Fill>
        void send_batch(std::uint64_t count, Fill fill) {
            while (count) {
                auto claim = ring_.claim_batch(count, size_);
                if (!claim) [[unlikely]] fail(claim.outcome());
                for (; count; --count) {
                    const auto place = claim.next(size_);
                    if (!place.data()) break;
                    fill(place.data());
                }
                if (const auto outcome = claim.commit(); outcome != shmq::Outcome::ok) [[unlikely]] fail(outcome);
            }
        }
        void finish(bool last) {
            if (!last) return;
            if (const auto outcome = ring_.end(); outcome != shmq::Outcome::ok) fail(outcome);
        }

    private:
        shmq::Producer ring_;
        std::uint64_t size_;
    };

    class Consumer {
    public:
        explicit Consumer(const ShmqChannel& channel) : ring_(channel.name_, channel.options()), size_(channel.about_.size) {}
        bool receive(std::byte* buffer) {
            const auto copied = ring_.pop(std::span(buffer, size_));
            return copied ? true : ended(copied.outcome);
        }
        template <class Each>
        bool receive_batch(std::uint64_t count, Each each) {
            auto batch = ring_.pop_batch(count);
            if (!batch) [[unlikely]] return ended(batch.outcome());
            const std::byte* at = batch.array().data();
            for (std::size_t i = 0, n = batch.size(); i < n; ++i, at += size_) each(at);
            if (const auto outcome = batch.release(); outcome != shmq::Outcome::ok) [[unlikely]] fail(outcome);
            return true;
        }

    private:
        static bool ended(shmq::Outcome outcome) {
            if (outcome != shmq::Outcome::ended) fail(outcome);
            return false;
        }
        shmq::Consumer ring_;
        std::uint64_t size_;
    };

private:
    shmq::AttachOptions options() const { return {.waiting = about_.waiting}; }
    Case about_;
    std::string name_;
};

// ---- file descriptors ---------------------------------------------------------------------------

// One end each for all producers and all consumers; the stream ends when the last producer closes.
class Ends {
public:
    Ends() = default;
    ~Ends() { close_both(); }
    Ends(const Ends&) = delete;
    Ends& operator=(const Ends&) = delete;
    void set(int out, int in) noexcept { out_ = out, in_ = in; }
    int out() const noexcept { return out_; }
    int in() const noexcept { return in_; }
    void close_out() const noexcept { close(out_); }
    void close_in() const noexcept { close(in_); }
    void close_both() const noexcept { close_out(), close_in(); }

private:
    static void close(int& fd) noexcept;
    mutable int out_ = -1, in_ = -1;
};

// A byte stream; messages are told apart by their size.
class PipeChannel {
public:
    PipeChannel(const Case& about, int number);
    void forked() noexcept { ends_.close_both(); }
    std::uint64_t depth() const noexcept { return 0; }

    class Producer {
    public:
        explicit Producer(const PipeChannel& channel);
        void send(const std::byte* message) { write_all(message, size_); }
        template <class Fill>
        void send_batch(std::uint64_t count, Fill fill) {
            while (count) {
                const std::uint64_t n = std::min(count, at_once_);
                for (std::uint64_t i = 0; i < n; ++i) fill(buffer_.data() + i * size_);
                write_all(buffer_.data(), n * size_);
                count -= n;
            }
        }
        void finish(bool) noexcept { ends_->close_out(); }

    private:
        void write_all(const std::byte* from, std::uint64_t bytes);
        const Ends* ends_;
        std::uint64_t size_, at_once_;
        std::vector<std::byte> buffer_;
    };

    class Consumer {
    public:
        explicit Consumer(const PipeChannel& channel);
        bool receive(std::byte* buffer);
        template <class Each>
        bool receive_batch(std::uint64_t, Each each) {
            if (!more()) return false;
            std::uint64_t at = 0;
            for (; have_ - at >= size_; at += size_) each(buffer_.data() + at);
            keep_from(at);
            return true;
        }

    private:
        bool more();  // until there is at least one message in buffer_
        void keep_from(std::uint64_t at) noexcept;
        const Ends* ends_;
        std::uint64_t size_, have_ = 0;
        std::vector<std::byte> buffer_;
    };

private:
    Case about_;
    Ends ends_;
};

// SOCK_SEQPACKET: it keeps messages apart, as the others do, for any number of readers.
class SocketChannel {
public:
    SocketChannel(const Case& about, int number);
    void forked() noexcept { ends_.close_both(); }
    std::uint64_t depth() const noexcept { return 0; }

    // As many messages as sendmmsg and recvmmsg take in one call.
    class Vector {
    public:
        Vector(std::uint64_t count, std::uint64_t size);
        std::byte* place(std::uint64_t i) noexcept { return buffer_.data() + i * size_; }
        mmsghdr* headers() noexcept { return headers_.data(); }
        std::uint64_t capacity() const noexcept { return headers_.size(); }

    private:
        std::uint64_t size_;
        std::vector<std::byte> buffer_;
        std::vector<iovec> parts_;
        std::vector<mmsghdr> headers_;
    };

    class Producer {
    public:
        explicit Producer(const SocketChannel& channel);
        void send(const std::byte* message);
        template <class Fill>
        void send_batch(std::uint64_t count, Fill fill) {
            while (count) {
                const std::uint64_t n = std::min(count, vector_.capacity());
                for (std::uint64_t i = 0; i < n; ++i) fill(vector_.place(i));
                send_vector(n);
                count -= n;
            }
        }
        void finish(bool) noexcept { ends_->close_out(); }

    private:
        void send_vector(std::uint64_t count);
        const Ends* ends_;
        std::uint64_t size_;
        Vector vector_;
    };

    class Consumer {
    public:
        explicit Consumer(const SocketChannel& channel);
        bool receive(std::byte* buffer);
        template <class Each>
        bool receive_batch(std::uint64_t, Each each) {
            const std::uint64_t n = receive_vector();
            for (std::uint64_t i = 0; i < n; ++i) each(vector_.place(i));
            return n != 0;
        }

    private:
        std::uint64_t receive_vector();
        const Ends* ends_;
        std::uint64_t size_;
        Vector vector_;
    };

private:
    Case about_;
    Ends ends_;
};

// One call a message, also for batches: it knows no other. An empty message is the end, one a consumer.
class MqueueChannel {
public:
    MqueueChannel(const Case& about, int number);
    ~MqueueChannel();
    MqueueChannel(const MqueueChannel&) = delete;
    MqueueChannel& operator=(const MqueueChannel&) = delete;
    void forked() noexcept {}
    std::uint64_t depth() const noexcept { return depth_; }

    class Producer {
    public:
        explicit Producer(const MqueueChannel& channel) : channel_(&channel), buffer_(channel.about_.size) {}
        void send(const std::byte* message) { send(message, channel_->about_.size); }
        template <class Fill>
        void send_batch(std::uint64_t count, Fill fill) {
            for (; count; --count) {
                fill(buffer_.data());
                send(buffer_.data(), buffer_.size());
            }
        }
        void finish(bool last) {
            for (unsigned i = 0; last && i < channel_->about_.consumers; ++i) send(buffer_.data(), 0);
        }

    private:
        void send(const std::byte* message, std::size_t size);
        const MqueueChannel* channel_;
        std::vector<std::byte> buffer_;
    };

    class Consumer {
    public:
        explicit Consumer(const MqueueChannel& channel) : channel_(&channel), buffer_(channel.about_.size) {}
        bool receive(std::byte* buffer);
        template <class Each>
        bool receive_batch(std::uint64_t, Each each) {
            if (!receive(buffer_.data())) return false;
            each(buffer_.data());
            return true;
        }

    private:
        const MqueueChannel* channel_;
        std::vector<std::byte> buffer_;
    };

private:
    Case about_;
    std::uint64_t depth_ = 0;
    mqd_t queue_;
};

}  // namespace bench
