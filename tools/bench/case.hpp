// What is measured: one kind of run over one channel.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <shmq/shmq.hpp>

namespace bench {

enum class Kind { throughput, round_trip, one_way };
enum class ChannelKind { shmq, pipe, fifo, unix_socket, mqueue };

const char* name_of(Kind kind) noexcept;         // throughput, round-trip, one-way
const char* name_of(ChannelKind kind) noexcept;  // shmq, pipe, fifo, unix, mqueue
const char* name_of(shmq::Waiting waiting) noexcept;
std::optional<Kind> kind_named(std::string_view name) noexcept;
std::optional<ChannelKind> channel_named(std::string_view name) noexcept;

struct Case {
    Kind kind = Kind::throughput;
    ChannelKind channel = ChannelKind::shmq;
    shmq::Sides producer_side = shmq::one, consumer_side = shmq::one;
    std::uint64_t size = 64;                         // of each message, in bytes; at least 8
    unsigned producers = 1, consumers = 1;           // round trip: one each, whatever is asked
    std::uint64_t batch = 1;                         // 1: a call a message, copied in and out; more: in place
    std::uint64_t slots = 1024;                      // shmq and mqueue; the others are what the kernel gives
    std::uint64_t rate = 0;                          // messages a second of all producers; 0: as fast as it goes
    shmq::Waiting waiting = shmq::Waiting::adaptive; // of shmq; the others sleep in the kernel
    std::chrono::nanoseconds duration{};
    std::vector<int> cpus;                           // where the processes go, in turn

    unsigned processes() const noexcept { return producers + consumers; }
    bool oversubscribed() const noexcept;            // fewer cores than processes
    std::string type() const { return std::string() + (producer_side == shmq::one ? 's' : 'm') + 'p' + (consumer_side == shmq::one ? 's' : 'm') + 'c'; }
    // Producers and consumers in turn, so that neighbours talk; the second time round the other way.
    int cpu_of(unsigned process) const noexcept { return cpus[(process ^ (process / cpus.size() & 1)) % cpus.size()]; }
    // What must agree for two results to be comparable.
    std::string key() const;
    std::string describe() const;                    // "round-trip 64 B spsc pipe"
};

// This channel cannot do that case here; not an error.
struct LeftOut {
    std::string why;
};

std::string short_size(std::uint64_t bytes);         // 64, 1K, 1536
std::string long_size(std::uint64_t bytes);          // 64 B, 1 KiB, 1536 B
std::string short_time(double nanoseconds);          // 120ns, 3.4us, 1.2ms
std::string short_rate(double a_second);             // 12.3M, 980K

}  // namespace bench
