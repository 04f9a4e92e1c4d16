#include "bench/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bench {

void Distribution::add(std::vector<std::uint64_t> nanoseconds) {
    std::ranges::sort(nanoseconds);
    Distribution other;
    for (const std::uint64_t value : nanoseconds) {
        if (other.values_.empty() || other.values_.back().first != value) other.values_.emplace_back(value, 0);
        ++other.values_.back().second;
    }
    other.count_ = nanoseconds.size();
    add(other);
}

void Distribution::add(const Distribution& other) {
    decltype(values_) all;
    all.reserve(values_.size() + other.values_.size());
    auto a = values_.begin();
    for (auto b = other.values_.begin(); a != values_.end() || b != other.values_.end();) {
        if (b == other.values_.end() || (a != values_.end() && a->first < b->first)) {
            all.push_back(*a++);
        } else if (a == values_.end() || b->first < a->first) {
            all.push_back(*b++);
        } else {
            all.emplace_back(a->first, a->second + b->second);
            ++a, ++b;
        }
    }
    values_ = std::move(all);
    count_ += other.count_;
}

std::uint64_t Distribution::percentile(double percent) const noexcept {
    // Hundredths of a percent in whole numbers: 99.9 is not exactly a double.
    const auto share = static_cast<std::uint64_t>(std::llround(percent * 100));
    const std::uint64_t rank = std::max<std::uint64_t>(1, (count_ * share + 9999) / 10000);
    std::uint64_t seen = 0;
    for (const auto& [value, count] : values_)
        if ((seen += count) >= rank) return value;
    return max();
}

double median(std::vector<double> values) {
    if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double lowest(std::span<const double> values) { return values.empty() ? std::numeric_limits<double>::quiet_NaN() : *std::ranges::min_element(values); }
double highest(std::span<const double> values) { return values.empty() ? std::numeric_limits<double>::quiet_NaN() : *std::ranges::max_element(values); }

Interval interval(std::vector<double> values) {
    if (values.size() < 3) return {lowest(values) / 2, highest(values) * 2};
    std::ranges::sort(values);
    // The k-th from either end misses the median when fewer than k of n fall on one side of it.
    const auto n = static_cast<double>(values.size());
    double probability = std::pow(0.5, n), outside = 2 * probability;
    std::size_t k = 0;
    while (k + 1 < values.size() / 2) {
        probability *= (n - static_cast<double>(k)) / static_cast<double>(k + 1);
        if (outside + 2 * probability > 0.1) break;
        outside += 2 * probability;
        ++k;
    }
    return {values[k], values[values.size() - 1 - k]};
}

Verdict above(Interval of, double limit) noexcept { return of.low > limit ? Verdict::yes : of.high <= limit ? Verdict::no : Verdict::inconclusive; }
Verdict below(Interval of, double limit) noexcept { return of.high < limit ? Verdict::yes : of.low >= limit ? Verdict::no : Verdict::inconclusive; }

}  // namespace bench
