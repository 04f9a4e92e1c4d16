#include "bench/case.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

namespace bench {
namespace {

constexpr const char* kinds[] = {"throughput", "round-trip", "one-way"};
constexpr const char* channels[] = {"shmq", "pipe", "fifo", "unix", "mqueue"};

template <class Enum, std::size_t count>
std::optional<Enum> find(const char* const (&names)[count], std::string_view name) noexcept {
    const auto* const at = std::ranges::find(names, name, [](const char* known) { return std::string_view(known); });
    if (at == std::end(names)) return {};
    return static_cast<Enum>(at - names);
}

// Three digits that count, and a unit of one step in a thousand.
std::string three_digits(double value, const char* const* units, std::size_t count) {
    std::size_t unit = 0;
    for (; unit + 1 < count && value >= 999.5; ++unit) value /= 1000;
    const int decimals = unit == 0 && value == std::floor(value) ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f}{}", value, decimals, units[unit]);
}

}  // namespace

const char* name_of(Kind kind) noexcept { return kinds[static_cast<std::size_t>(kind)]; }
const char* name_of(ChannelKind kind) noexcept { return channels[static_cast<std::size_t>(kind)]; }
const char* name_of(shmq::Waiting waiting) noexcept { return waiting == shmq::Waiting::block ? "block" : waiting == shmq::Waiting::spin ? "spin" : "adaptive"; }
std::optional<Kind> kind_named(std::string_view name) noexcept { return find<Kind>(kinds, name); }
std::optional<ChannelKind> channel_named(std::string_view name) noexcept { return find<ChannelKind>(channels, name); }

bool Case::oversubscribed() const noexcept {
    std::set<int> used;
    for (unsigned i = 0; i < processes(); ++i) used.insert(cpu_of(i));
    return used.size() < processes();
}

std::string Case::key() const {
    return fmt::format("{} {} {} {} B {}+{} batch {} rate {} {}", name_of(kind), name_of(channel), type(), size, producers, consumers, batch, rate,
                       channel == ChannelKind::shmq ? fmt::format("{} slots {}", slots, name_of(waiting)) : "");
}

std::string Case::describe() const { return fmt::format("{} {} {} {}", name_of(kind), long_size(size), type(), name_of(channel)); }

std::string short_size(std::uint64_t bytes) {
    constexpr std::uint64_t units[] = {1u << 30, 1u << 20, 1u << 10};
    for (std::size_t i = 0; i < 3; ++i)
        if (bytes && bytes % units[i] == 0) return std::to_string(bytes / units[i]) + "GMK"[i];
    return std::to_string(bytes);
}

std::string long_size(std::uint64_t bytes) {
    const std::string text = short_size(bytes);
    return text.back() >= '0' && text.back() <= '9' ? text + " B" : fmt::format("{} {}iB", text.substr(0, text.size() - 1), text.back());
}

std::string short_time(double nanoseconds) {
    static constexpr const char* units[] = {"ns", "us", "ms", "s"};
    return three_digits(nanoseconds, units, 4);
}

std::string short_rate(double a_second) {
    static constexpr const char* units[] = {"", "K", "M", "G", "T"};
    return three_digits(a_second, units, 5);
}

}  // namespace bench
