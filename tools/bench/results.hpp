// What was found out: every sample of every case, as kept in memory and in files.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "bench/case.hpp"
#include "bench/statistics.hpp"

namespace bench {

using Json = nlohmann::ordered_json;

enum class Metric { throughput, p50, p90, p99, p999, max };
inline constexpr std::size_t metric_count = 6;

struct MetricInfo {
    Metric metric;
    const char* name;
    const char* key;      // in JSON
    bool rate;            // messages a second, more is better; else nanoseconds, less is better
    double percent;       // of latencies
    bool compared;        // against a baseline: the others are too rare an event
};
inline constexpr MetricInfo metrics[metric_count] = {
    {Metric::throughput, "throughput", "throughput", true, 0, true},
    {Metric::p50, "p50", "p50_ns", false, 50, true},
    {Metric::p90, "p90", "p90_ns", false, 90, false},
    {Metric::p99, "p99", "p99_ns", false, 99, true},
    {Metric::p999, "p99.9", "p99.9_ns", false, 99.9, false},
    {Metric::max, "max", "max_ns", false, 100, false},
};
inline const MetricInfo& info(Metric metric) noexcept { return metrics[static_cast<std::size_t>(metric)]; }
bool measured_by(Kind kind, Metric metric) noexcept;

struct Sample {
    unsigned round = 0;
    double values[metric_count] = {};  // those of its kind
    double probe_before = 0, probe_after = 0;  // cache line round trip, ns
    std::uint64_t messages = 0, preempted = 0;
    double seconds = 0, stalled = 0, reached = 1, cpu_seconds = 0;
    bool drifted = false, stopped = false;     // set aside: the cores moved; a core was taken away

    bool kept() const noexcept { return !drifted && !stopped; }
};

struct Bar {
    std::uint64_t from, below, count;  // latencies in ns
};

struct Result {
    Case about;
    std::uint64_t depth = 0;           // slots; 0: the kernel's default
    std::vector<Sample> samples;
    double values[metric_count] = {};  // percentiles of all kept latencies; the median of the kept throughputs
    std::vector<Bar> histogram;        // for plots only
    bool unsettled = false;            // every sample would have been set aside, so none was
    double cpu_seconds = 0;

    double value(Metric metric) const noexcept { return values[static_cast<std::size_t>(metric)]; }
    std::vector<double> kept(Metric metric) const;                 // of each kept sample
    Interval spread(Metric metric) const;                          // lowest and highest of the kept samples
    Interval sure(Metric metric) const;                            // where the value lies, see interval()
    bool guessed() const;                                          // sure() had too little to go by
    std::size_t set_aside() const noexcept;
};

// How many times better than the other it did, run by run.
struct Ratio {
    double value = 0;
    Interval sure{};
    bool conclusive() const noexcept { return sure.low > 1 || sure.high < 1; }
};
Ratio ratio(const Result& result, const Result& peer);

struct Left {
    Case about;
    std::string why;
};

// The circumstances, without which a figure says little.
struct Context {
    std::string version, date, cpu, governor, kernel;
    unsigned cores = 0;                // that we may use
    std::vector<int> cpus;             // those used, in order
    double load[3] = {};
    double probe_ns = 0;               // the cache line round trip, the median of all probes
};

struct Report {
    Context context;
    unsigned runs = 0;
    std::vector<Result> results;       // what is compared stands together, shmq first
    std::vector<Left> left_out;
    std::vector<std::string> notes;
};

Json to_json(const Report& report);
// What to_json wrote, as far as comparing and plotting need it. Throws Failure(data, ...).
Report read_report(const std::string& path);
// All of it or nothing: beside the file first, then in its place.
void save(const std::string& path, const std::string& text);
// Before a long run: throws Failure where save() could not work.
void check_savable(const std::string& path);

}  // namespace bench
