#include "bench/results.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "common/cli.hpp"

namespace bench {

bool measured_by(Kind kind, Metric metric) noexcept { return info(metric).rate == (kind == Kind::throughput); }

std::vector<double> Result::kept(Metric metric) const {
    std::vector<double> values_of_kept;
    for (const Sample& sample : samples)
        if (sample.kept() || unsettled) values_of_kept.push_back(sample.values[static_cast<std::size_t>(metric)]);
    return values_of_kept;
}

Interval Result::spread(Metric metric) const {
    const auto all = kept(metric);
    return {lowest(all), highest(all)};
}

Interval Result::sure(Metric metric) const {
    const Interval found = interval(kept(metric)).including(value(metric));
    return unsettled ? Interval{found.low / 2, found.high * 2} : found;
}
bool Result::guessed() const { return unsettled || std::ranges::count_if(samples, &Sample::kept) < 3; }

std::size_t Result::set_aside() const noexcept { return unsettled ? 0 : static_cast<std::size_t>(std::ranges::count_if(samples, [](const Sample& s) { return !s.kept(); })); }

Ratio ratio(const Result& result, const Result& peer) {
    const Metric metric = result.about.kind == Kind::throughput ? Metric::throughput : Metric::p50;
    const auto at = static_cast<std::size_t>(metric);
    std::vector<double> ratios;
    for (const Sample& mine : result.samples) {
        for (const Sample& other : peer.samples) {
            const bool usable = (mine.kept() || result.unsettled) && (other.kept() || peer.unsettled);
            if (!usable || mine.round != other.round || !(mine.values[at] > 0) || !(other.values[at] > 0)) continue;
            ratios.push_back(info(metric).rate ? mine.values[at] / other.values[at] : other.values[at] / mine.values[at]);
        }
    }
    if (ratios.empty()) return {};
    const Interval found = interval(ratios);
    return {median(ratios), result.unsettled || peer.unsettled ? Interval{found.low / 2, found.high * 2} : found};
}

// ---- JSON ---------------------------------------------------------------------------------------

namespace {

// What is a whole number stays one.
Json number(double value) {
    if (!std::isfinite(value)) return nullptr;
    if (value == std::floor(value) && std::abs(value) < 9e15) return static_cast<std::int64_t>(value);
    return value;
}

Json to_json(const Sample& sample, Kind kind) {
    Json json{{"round", sample.round}, {"kept", sample.kept()}};
    if (!sample.kept()) json["why"] = sample.drifted ? "drifted" : "stalled";
    for (const MetricInfo& each : metrics)
        if (measured_by(kind, each.metric)) json[each.key] = number(sample.values[static_cast<std::size_t>(each.metric)]);
    json["messages"] = sample.messages;
    json["seconds"] = sample.seconds;
    json["probe_before_ns"] = sample.probe_before;
    json["probe_after_ns"] = sample.probe_after;
    json["stalled"] = sample.stalled;
    json["preempted"] = sample.preempted;
    json["cpu_seconds"] = sample.cpu_seconds;
    if (sample.reached < 1) json["rate_reached"] = sample.reached;
    return json;
}

Json to_json(const Result& result) {
    const Case& about = result.about;
    const bool ours = about.channel == ChannelKind::shmq;
    Json json{{"kind", name_of(about.kind)}, {"channel", name_of(about.channel)}, {"type", about.type()}, {"size", about.size},
              {"producers", about.producers}, {"consumers", about.consumers}, {"batch", about.batch},
              {"slots", result.depth ? Json(result.depth) : Json()}, {"rate", about.rate ? Json(about.rate) : Json()},
              {"waiting", ours ? Json(name_of(about.waiting)) : Json()}, {"processes", about.processes()}, {"oversubscribed", about.oversubscribed()},
              {"unsettled", result.unsettled}};
    Json values = Json::object();
    for (const MetricInfo& each : metrics) {
        if (!measured_by(about.kind, each.metric)) continue;
        const Interval spread = result.spread(each.metric);
        values[each.key] = {{"value", number(result.value(each.metric))}, {"low", number(spread.low)}, {"high", number(spread.high)}};
    }
    json["metrics"] = std::move(values);
    json["set_aside"] = result.set_aside();
    json["samples"] = Json::array();
    for (const Sample& sample : result.samples) json["samples"].push_back(to_json(sample, about.kind));
    if (!result.histogram.empty()) {
        json["histogram"] = Json::array();
        for (const Bar& bar : result.histogram) json["histogram"].push_back({bar.from, bar.below, bar.count});
    }
    return json;
}

shmq::Waiting waiting_named(const std::string& name) { return name == "block" ? shmq::Waiting::block : name == "spin" ? shmq::Waiting::spin : shmq::Waiting::adaptive; }

[[noreturn]] void not_ours(const std::string& what) { throw Failure(Exit::data, "found " + what + ", expected a file that shmq-bench --save wrote"); }

template <class Value>
Value optional(const Json& json, const char* key, Value otherwise) {
    const auto at = json.find(key);
    return at == json.end() || at->is_null() ? otherwise : at->get<Value>();
}

Result read_result(const Json& json) {
    Result result;
    Case& about = result.about;
    const auto kind = kind_named(json.at("kind").get<std::string>());
    const auto channel = channel_named(json.at("channel").get<std::string>());
    const auto type = json.at("type").get<std::string>();
    if (!kind || !channel || type.size() != 4) not_ours("a result of unknown kind");
    about.kind = *kind, about.channel = *channel;
    about.producer_side = type[0] == 's' ? shmq::one : shmq::many;
    about.consumer_side = type[2] == 's' ? shmq::one : shmq::many;
    about.size = json.at("size").get<std::uint64_t>();
    about.producers = json.at("producers").get<unsigned>();
    about.consumers = json.at("consumers").get<unsigned>();
    about.batch = json.at("batch").get<std::uint64_t>();
    about.rate = optional<std::uint64_t>(json, "rate", 0);
    result.depth = about.slots = optional<std::uint64_t>(json, "slots", 0);
    about.waiting = waiting_named(optional<std::string>(json, "waiting", ""));
    result.unsettled = optional(json, "unsettled", false);
    for (const MetricInfo& each : metrics)
        if (measured_by(about.kind, each.metric)) result.values[static_cast<std::size_t>(each.metric)] = json.at("metrics").at(each.key).at("value").get<double>();
    for (const Json& one : json.at("samples")) {
        Sample sample;
        sample.round = one.at("round").get<unsigned>();
        sample.stopped = !one.at("kept").get<bool>();
        for (const MetricInfo& each : metrics)
            if (measured_by(about.kind, each.metric)) sample.values[static_cast<std::size_t>(each.metric)] = one.at(each.key).get<double>();
        result.samples.push_back(sample);
    }
    for (const Json& bar : optional(json, "histogram", Json::array())) result.histogram.push_back({bar.at(0).get<std::uint64_t>(), bar.at(1).get<std::uint64_t>(), bar.at(2).get<std::uint64_t>()});
    return result;
}

std::string directory_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

[[noreturn]] void cannot_save(const std::string& path) { throw Failure(Exit::io, path + ": " + std::strerror(errno)); }

}  // namespace

Json to_json(const Report& report) {
    const Context& context = report.context;
    Json json{{"format", 1}, {"tool", "shmq-bench"}, {"version", context.version}, {"date", context.date}};
    json["context"] = {{"cpu", context.cpu}, {"cores", context.cores}, {"cpus", context.cpus}, {"governor", context.governor.empty() ? Json() : Json(context.governor)},
                       {"kernel", context.kernel}, {"load_average", context.load}, {"cache_line_round_trip_ns", context.probe_ns}};
    json["runs"] = report.runs;
    json["results"] = Json::array();
    const Result* ours = nullptr;
    for (const Result& result : report.results) {
        Json one = to_json(result);
        if (result.about.channel == ChannelKind::shmq) {
            ours = &result;
        } else if (ours) {
            const Ratio times = ratio(*ours, result);
            one["shmq_is_times_better"] = {{"value", number(times.value)}, {"low", number(times.sure.low)}, {"high", number(times.sure.high)}, {"conclusive", times.conclusive()}};
        }
        json["results"].push_back(std::move(one));
    }
    json["left_out"] = Json::array();
    for (const Left& left : report.left_out)
        json["left_out"].push_back({{"kind", name_of(left.about.kind)}, {"channel", name_of(left.about.channel)}, {"type", left.about.type()}, {"size", left.about.size}, {"why", left.why}});
    json["notes"] = report.notes;
    return json;
}

Report read_report(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw Failure(Exit::usage, fmt::format("{}: {}, expected a file that shmq-bench --save wrote", path, std::strerror(errno)));
    try {
        const Json json = Json::parse(file);
        if (!json.is_object() || json.value("tool", "") != "shmq-bench") not_ours("another JSON document");
        if (json.at("format") != 1) not_ours("format " + json.at("format").dump());
        Report report;
        report.context.version = json.at("version").get<std::string>();
        report.context.date = json.at("date").get<std::string>();
        report.context.cpu = json.at("context").at("cpu").get<std::string>();
        report.context.kernel = json.at("context").at("kernel").get<std::string>();
        report.context.cores = json.at("context").at("cores").get<unsigned>();
        report.context.probe_ns = json.at("context").at("cache_line_round_trip_ns").get<double>();
        report.runs = json.at("runs").get<unsigned>();
        for (const Json& one : json.at("results")) report.results.push_back(read_result(one));
        return report;
    } catch (const Json::exception& error) {
        // Its messages begin with "[json.exception.parse_error.101] ".
        std::string what = error.what();
        what.erase(0, what.find("] ") + 2);
        throw Failure(Exit::data, fmt::format("{}: {}: expected a file that shmq-bench --save wrote", path, what));
    } catch (const Failure& failure) {
        throw Failure(failure.exit(), path + ": " + failure.what());
    }
}

void check_savable(const std::string& path) {
    if (access(directory_of(path).c_str(), W_OK | X_OK) != 0) cannot_save(path);
}

void save(const std::string& path, const std::string& text) {
    std::string temporary = directory_of(path) + "/.shmq-bench.XXXXXX";
    const int fd = mkostemp(temporary.data(), O_CLOEXEC);
    if (fd < 0) cannot_save(path);
    const mode_t mask = umask(0);
    umask(mask);
    bool done = fchmod(fd, 0666 & ~mask) == 0;
    for (std::size_t at = 0; done && at < text.size();) {
        const auto wrote = write(fd, text.data() + at, text.size() - at);
        if (wrote > 0) at += static_cast<std::size_t>(wrote);
        else done = wrote < 0 && errno == EINTR;
    }
    done = done && fsync(fd) == 0;
    done = close(fd) == 0 && done && std::rename(temporary.c_str(), path.c_str()) == 0;
    if (done) return;
    const int error = errno;
    unlink(temporary.c_str());
    errno = error;
    cannot_save(path);
}

}  // namespace bench
