#include "bench/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <random>
#include <set>

#include "bench/clock.hpp"
#include "bench/context.hpp"
#include "bench/probe.hpp"
#include "bench/workloads.hpp"

namespace bench {
namespace {

constexpr double much_stalled = 0.1;

// One case with what it showed; latencies of each run apart, for only at the end it is known which count.
struct Track {
    Result result;
    std::vector<Distribution> latencies;
    bool out = false;
};

class Session {
public:
    Session(const std::vector<Group>& groups, unsigned runs, const std::vector<int>& cpus, const std::function<void(const std::string&)>& progress)
        : runs_(runs), cpus_(cpus), progress_(progress) {
        for (const Group& group : groups) {
            auto& tracks = groups_.emplace_back();
            for (const Case& about : group) tracks.emplace_back().result.about = about;
        }
        report_.runs = runs;
        report_.context = context_now(cpus);
    }

    Report run() {
        TickClock::calibrate();
        probe();
        // A round in which something was spoilt is repeated, but a machine that never rests ends it too.
        for (unsigned round = 0; round < 2 * runs_; ++round) {
            bool complete = true;
            for (auto& group : groups_) {
                if (rounds_kept(group) >= runs_) continue;
                complete = false;
                run_group(group, round);
            }
            if (complete) break;
        }
        return finish();
    }

private:
    void probe() {
        probed_ = cache_line_round_trip(cpus_);
        if (probed_ == 0) return;
        probes_.push_back(probed_);
        usual_ = median(probes_);
    }

    void run_group(std::vector<Track>& group, unsigned round) {
        // In another order each time: none always follows the same.
        std::vector<Track*> order;
        for (Track& track : group)
            if (!track.out) order.push_back(&track);
        std::ranges::shuffle(order, random_);
        for (Track* track : order) {
            const Case& about = track->result.about;
            progress_(round < runs_ ? fmt::format("run {} of {}: {}", round + 1, runs_, about.describe()) : fmt::format("run {}, for spoilt ones: {}", round + 1, about.describe()));
            Sample sample;
            sample.round = round;
            sample.probe_before = probed_;
            try {
                const Measured measured = measure(about);
                probe();
                sample.probe_after = probed_;
                take(*track, sample, measured);
            } catch (const LeftOut& left) {
                track->out = true;
                report_.left_out.push_back({about, left.why});
            }
        }
    }

    void take(Track& track, Sample& sample, const Measured& measured) {
        const Distribution& latency = measured.latency;
        for (const MetricInfo& each : metrics) {
            if (!measured_by(track.result.about.kind, each.metric)) continue;
            sample.values[static_cast<std::size_t>(each.metric)] = each.rate ? measured.throughput : static_cast<double>(latency.percentile(each.percent));
        }
        sample.messages = measured.messages;
        sample.seconds = measured.seconds;
        sample.stalled = measured.stalled;
        sample.stopped = measured.stalled > much_stalled;
        sample.reached = measured.reached;
        sample.preempted = measured.preempted;
        sample.cpu_seconds = measured.cpu_seconds;
        track.result.depth = measured.depth;
        track.result.samples.push_back(sample);
        track.latencies.push_back(latency);
        judge(track.result);
    }

    void judge(Result& result) const {
        const auto moved = [&](double probe) { return probe > drift_factor * usual_ || probe * drift_factor < usual_; };
        for (Sample& sample : result.samples) sample.drifted = (sample.probe_before > 0 && moved(sample.probe_before)) || (sample.probe_after > 0 && moved(sample.probe_after));
    }

    // Rounds in which every case of the group has a sample that counts.
    std::size_t rounds_kept(std::vector<Track>& group) const {
        std::size_t fewest = runs_;
        std::vector<std::size_t> kept(2 * runs_);
        std::size_t cases = 0;
        for (Track& track : group) {
            if (track.out) continue;
            ++cases;
            judge(track.result);
            for (const Sample& sample : track.result.samples) kept[sample.round] += sample.kept();
        }
        if (cases) fewest = static_cast<std::size_t>(std::ranges::count(kept, cases));
        return fewest;
    }

    // Two bars an octave: enough to see a shape.
    static std::vector<Bar> histogram(const Distribution& latency) {
        std::vector<Bar> bars;
        for (const auto& [value, count] : latency.values()) {
            const std::uint64_t octave = std::bit_floor(std::max<std::uint64_t>(value, 2)), half = octave / 2;
            const bool upper = value >= octave + half;
            const Bar bar{value < 2 ? 0 : upper ? octave + half : octave, value < 2 ? 2 : upper ? 2 * octave : octave + half, count};
            if (!bars.empty() && bars.back().from == bar.from) bars.back().count += count;
            else bars.push_back(bar);
        }
        return bars;
    }

    void settle(Track& track) {
        Result& result = track.result;
        judge(result);
        result.unsettled = std::ranges::none_of(result.samples, &Sample::kept);
        Distribution all;
        for (std::size_t i = 0; i < result.samples.size(); ++i)
            if (result.samples[i].kept() || result.unsettled) all.add(track.latencies[i]);
        for (const MetricInfo& each : metrics) {
            if (!measured_by(result.about.kind, each.metric)) continue;
            result.values[static_cast<std::size_t>(each.metric)] = each.rate ? median(result.kept(each.metric)) : static_cast<double>(all.percentile(each.percent));
        }
        result.histogram = histogram(all);
    }

    Report finish() {
        std::size_t drifted = 0, stalled = 0, unsettled = 0;
        unsigned most_processes = 0;
        double least_reached = 1;
        report_.context.probe_ns = usual_;
        for (auto& group : groups_) {
            for (Track& track : group) {
                if (track.out) continue;
                settle(track);
                unsettled += track.result.unsettled;
                for (const Sample& sample : track.result.samples) {
                    drifted += sample.drifted, stalled += sample.stopped && !sample.drifted;
                    least_reached = std::min(least_reached, sample.reached);
                }
                if (track.result.about.oversubscribed()) most_processes = std::max(most_processes, track.result.about.processes());
                report_.results.push_back(std::move(track.result));
            }
        }
        const auto note = [this]<class... Args>(fmt::format_string<Args...> format, Args&&... args) { report_.notes.push_back(fmt::format(format, std::forward<Args>(args)...)); };
        const unsigned cores = report_.context.cores;
        if (most_processes) note("fewer cores than processes ({} on {}): they take turns, and the scheduler is measured too", most_processes, std::set<int>(cpus_.begin(), cpus_.end()).size());
        if (report_.context.load[0] > 0.5 * cores) note("load average {:.2f} on {} cores at the start: others are at work here, expect noise", report_.context.load[0], cores);
        if (drifted) note("samples set aside because the cores drifted: {} (a cache line took {:.0f} to {:.0f} ns there and back, mostly {:.0f})", drifted, lowest(probes_), highest(probes_), usual_);
        if (stalled) note("samples set aside because a core was taken away for over {:.0f} % of their time: {}", much_stalled * 100, stalled);
        if (unsettled) note("cases of which every sample was spoilt, shown all the same: {}", unsettled);
        if (least_reached < 0.99) note("the rate was not kept: {:.1f} % of the intended messages were sent in time; latency counts from the intention", least_reached * 100);
        for (const Left& left : report_.left_out) note("{} left out: {}", left.about.describe(), left.why);
        return std::move(report_);
    }

    unsigned runs_;
    std::vector<int> cpus_;
    std::function<void(const std::string&)> progress_;
    std::vector<std::vector<Track>> groups_;
    std::minstd_rand random_{1};
    std::vector<double> probes_;
    double probed_ = 0, usual_ = 0;
    Report report_;
};

}  // namespace

Report run_session(const std::vector<Group>& groups, unsigned runs, const std::vector<int>& cpus, const std::function<void(const std::string&)>& progress) {
    return Session(groups, runs, cpus, progress).run();
}

}  // namespace bench
