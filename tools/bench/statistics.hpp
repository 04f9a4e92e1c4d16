// Exact percentiles, medians, and how sure one may be of them.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace bench {

// Every sample, in whole nanoseconds: each value that occurred with its count, so percentiles are those of
// the samples themselves, however many runs are added.
class Distribution {
public:
    void add(std::vector<std::uint64_t> nanoseconds);
    void add(const Distribution& other);
    std::uint64_t count() const noexcept { return count_; }
    bool empty() const noexcept { return count_ == 0; }
    // The nearest rank: the smallest sample that at least this share of all samples does not exceed.
    std::uint64_t percentile(double percent) const noexcept;
    std::uint64_t max() const noexcept { return values_.empty() ? 0 : values_.back().first; }
    const std::vector<std::pair<std::uint64_t, std::uint64_t>>& values() const noexcept { return values_; }

private:
    std::vector<std::pair<std::uint64_t, std::uint64_t>> values_;  // ascending
    std::uint64_t count_ = 0;
};

double median(std::vector<double> values);  // NaN of none
double lowest(std::span<const double> values);
double highest(std::span<const double> values);

// Where the true median lies, as far as some runs tell.
struct Interval {
    double low, high;
    Interval including(double value) const noexcept { return {value < low ? value : low, value > high ? value : high}; }
};
// Of five runs and more the narrowest pair of order statistics that holds the median with 90 %; of three
// or four, lowest and highest. Fewer show no spread: half to double is assumed.
Interval interval(std::vector<double> values);

enum class Verdict { no, yes, inconclusive };
// Is what lies within `of` above the limit?
Verdict above(Interval of, double limit) noexcept;
Verdict below(Interval of, double limit) noexcept;

}  // namespace bench
