// What a message says: who sent it and its number, so that a lost, doubled, reordered or damaged one fails
// the benchmark.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "common/cli.hpp"

namespace bench {

inline constexpr unsigned number_bits = 48;
inline std::uint64_t word_of(unsigned producer, std::uint64_t number) noexcept { return std::uint64_t{producer} << number_bits | number; }
inline unsigned producer_of(std::uint64_t word) noexcept { return static_cast<unsigned>(word >> number_bits); }
inline std::uint64_t number_of(std::uint64_t word) noexcept { return word & ((std::uint64_t{1} << number_bits) - 1); }

inline std::uint64_t first_word(const std::byte* message) noexcept {
    std::uint64_t word;
    std::memcpy(&word, message, sizeof word);
    return word;
}

// Every byte written: the word over and over.
inline void fill(std::byte* message, std::uint64_t size, std::uint64_t word) noexcept {
    std::uint64_t i = 0;
    for (; i + sizeof word <= size; i += sizeof word) std::memcpy(message + i, &word, sizeof word);
    std::memcpy(message + i, &word, size - i);
}

// Every byte read: the word, or a Failure if any differs.
inline std::uint64_t read_whole(const std::byte* message, std::uint64_t size) {
    const std::uint64_t word = first_word(message);
    std::uint64_t differs = 0, i = sizeof word;
    for (; i + sizeof word <= size; i += sizeof word) {
        std::uint64_t next;
        std::memcpy(&next, message + i, sizeof next);
        differs |= next ^ word;
    }
    if (differs || std::memcmp(message + i, &word, size - i) != 0) [[unlikely]]
        throw Failure(Exit::not_ring, "message " + std::to_string(number_of(word)) + " arrived damaged");
    return word;
}

// Messages to be copied by the channel. Several in turn, numbered ahead of time: a copy of a line right
// behind a narrow store to it would stall the core and hide what the channel costs.
class Outgoing {
public:
    Outgoing(std::uint64_t size, unsigned producer)
        : turns_(size <= 1024 ? 16 : 1), ahead_(turns_ / 2), stride_((size + 63) & ~std::uint64_t{63}), producer_(producer),
          data_(static_cast<std::byte*>(std::aligned_alloc(64, turns_ * stride_)), &std::free) {
        if (!data_) throw std::bad_alloc();
        std::memset(data_.get(), 'x', turns_ * stride_);
        for (std::uint64_t i = 0; i < ahead_; ++i) number(i);
    }
    const std::byte* message(std::uint64_t i) noexcept {
        number(i + ahead_);
        return at(i);
    }

private:
    std::byte* at(std::uint64_t i) const noexcept { return data_.get() + (i & (turns_ - 1)) * stride_; }
    void number(std::uint64_t i) noexcept {
        const std::uint64_t word = word_of(producer_, i);
        std::memcpy(at(i), &word, sizeof word);
    }
    std::uint64_t turns_, ahead_, stride_;
    unsigned producer_;
    std::unique_ptr<std::byte, decltype(&std::free)> data_;
};

// What one consumer got: of each producer in order, and all of it where there is no other consumer.
class Incoming {
public:
    Incoming(unsigned producers, unsigned consumers) : next_(producers), alone_(consumers == 1) {}
    void check(std::uint64_t word) {
        const unsigned producer = producer_of(word);
        const std::uint64_t number = number_of(word);
        if (producer >= next_.size() || (alone_ ? number != next_[producer] : number < next_[producer])) [[unlikely]] wrong(producer, number);
        next_[producer] = number + 1;
        sum_ += word;
        ++count_;
    }
    std::uint64_t sum() const noexcept { return sum_; }
    std::uint64_t count() const noexcept { return count_; }

private:
    [[noreturn]] void wrong(unsigned producer, std::uint64_t number) const {
        if (producer >= next_.size()) throw Failure(Exit::not_ring, "a message arrived that nobody sent");
        throw Failure(Exit::not_ring, "message " + std::to_string(number) + " arrived, expected " + std::to_string(next_[producer]));
    }
    std::vector<std::uint64_t> next_;
    bool alone_;
    std::uint64_t sum_ = 0, count_ = 0;
};

}  // namespace bench
