#include "bench/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bench {
namespace {

constexpr std::size_t width = 80;

// Lines of at most 80 columns, broken at spaces, the later ones indented.
std::string folded(std::string_view text, std::size_t indent) {
    std::string result;
    for (std::size_t room = width; text.size() > room; room = width - indent) {
        auto cut = text.rfind(' ', room);
        if (cut == std::string_view::npos || cut < room / 2) cut = room;
        result += std::string(text.substr(0, cut)) + '\n' + std::string(indent, ' ');
        text.remove_prefix(std::min(text.size(), cut + 1));
    }
    return result + std::string(text) + '\n';
}

// "one call a message, ...": what all cases of a kind share, and how many processes each type has.
std::string shared_by(const std::vector<Result>& results, Kind kind) {
    std::string processes;
    for (const Result& result : results) {
        const Case& about = result.about;
        const std::string one = fmt::format("{} {}+{}", about.type(), about.producers, about.consumers);
        if (about.kind == kind && processes.find(one) == std::string::npos) processes += (processes.empty() ? "" : ", ") + one;
    }
    for (const Result& result : results) {
        const Case& about = result.about;
        if (about.kind != kind || about.channel != ChannelKind::shmq) continue;
        std::string text = processes + " processes";
        if (kind != Kind::round_trip) text += about.batch > 1 ? fmt::format(", batches of {}", about.batch) : ", one call a message";
        if (about.rate) text += fmt::format(", {} a second", short_rate(static_cast<double>(about.rate)));
        return text + ", " + name_of(about.waiting);
    }
    return "";
}

// A figure that the spread leaves open carries a question mark.
std::string ratio_cell(const Result* ours, const Result& result) {
    if (!ours || result.about.channel == ChannelKind::shmq) return "";
    const Ratio times = ratio(*ours, result);
    if (times.value == 0) return "-";
    const char* const doubt = times.conclusive() ? "" : "?";
    if (times.value >= 9999.5) return std::string(">9999x") + doubt;
    return fmt::format("{:.{}f}x{}", times.value, times.value < 9.95 ? 2 : times.value < 99.5 ? 1 : 0, doubt);
}

// Of a row whose last cells are empty.
std::string without_trailing(std::string row) {
    row.erase(row.find_last_not_of(" \n") + 1);
    return row + '\n';
}

std::string runs_cell(const Result& result) {
    const std::size_t aside = result.set_aside();
    return aside ? fmt::format("{}/{}", result.samples.size() - aside, result.samples.size()) : std::to_string(result.samples.size());
}

bool measured(const Report& report, Kind kind) {
    return std::ranges::any_of(report.results, [&](const Result& result) { return result.about.kind == kind; });
}

std::string throughput_table(const Report& report) {
    std::string text = folded("THROUGHPUT, messages a second: " + shared_by(report.results, Kind::throughput), 2);
    text += fmt::format("{:<5} {:<4} {:<6} {:>9} {:>9} {:>9} {:>9} {:>6} {:>9}\n", "SIZE", "TYPE", "VIA", "MEDIAN", "LOW", "HIGH", "BYTES/S", "RUNS", "SHMQ IS");
    const Result* ours = nullptr;
    for (const Result& result : report.results) {
        if (result.about.kind != Kind::throughput) continue;
        if (result.about.channel == ChannelKind::shmq) ours = &result;
        const Interval spread = result.spread(Metric::throughput);
        const double value = result.value(Metric::throughput);
        text += without_trailing(fmt::format("{:<5} {:<4} {:<6} {:>9} {:>9} {:>9} {:>9} {:>6} {:>9}\n", short_size(result.about.size), result.about.type(), name_of(result.about.channel), short_rate(value),
                            short_rate(spread.low), short_rate(spread.high), short_rate(value * static_cast<double>(result.about.size)), runs_cell(result), ratio_cell(ours, result)));
    }
    return text;
}

std::string latency_table(const Report& report, Kind kind) {
    const bool paced = std::ranges::any_of(report.results, [](const Result& result) { return result.about.rate != 0; });
    std::string text = folded((kind == Kind::round_trip ? "ROUND TRIP: " : paced ? "ONE WAY: " : "ONE WAY, in bursts: ") + shared_by(report.results, kind), 2);
    text += fmt::format("{:<5} {:<4} {:<6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>13} {:>5} {:>7}\n", "SIZE", "TYPE", "VIA", "p50", "p90", "p99", "p99.9", "max", "p50 OF A RUN", "RUNS", "SHMQ IS");
    const Result* ours = nullptr;
    for (const Result& result : report.results) {
        if (result.about.kind != kind) continue;
        if (result.about.channel == ChannelKind::shmq) ours = &result;
        const Interval spread = result.spread(Metric::p50);
        const auto time = [&](Metric metric) { return short_time(result.value(metric)); };
        text += without_trailing(fmt::format("{:<5} {:<4} {:<6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>13} {:>5} {:>7}\n", short_size(result.about.size), result.about.type(), name_of(result.about.channel), time(Metric::p50),
                            time(Metric::p90), time(Metric::p99), time(Metric::p999), time(Metric::max), short_time(spread.low) + "-" + short_time(spread.high), runs_cell(result),
                            ratio_cell(ours, result)));
    }
    return text;
}

}  // namespace

std::string result_tables(const Report& report) {
    const Context& context = report.context;
    std::string head = fmt::format("shmq {} on {}, {} cores, {}", context.version, context.cpu, context.cores, context.kernel);
    if (!context.governor.empty()) head += ", governor " + context.governor;
    head += fmt::format(", load {:.2f}", context.load[0]);
    if (context.probe_ns > 0) head += fmt::format("; a cache line takes {:.0f} ns there and back", context.probe_ns);
    std::string text = folded(head, 2);
    if (measured(report, Kind::throughput)) text += '\n' + throughput_table(report);
    for (const Kind kind : {Kind::round_trip, Kind::one_way})
        if (measured(report, kind)) text += '\n' + latency_table(report, kind);
    if (text.find("x?") != std::string::npos) text += '\n' + folded("? INCONCLUSIVE which is faster: the spread is wider than the difference.", 2);
    if (!report.notes.empty()) text += '\n';
    for (const std::string& note : report.notes) text += folded("- " + note, 2);
    return text;
}

std::string baseline_table(const std::string& file, const Report& baseline, const Compared& compared) {
    std::string text = folded(fmt::format("BASELINE {} of {}, shmq {}", file, baseline.context.date, baseline.context.version), 2);
    text += fmt::format("{:<10} {:<5} {:<4} {:<10} {:>9} {:>9} {:>8}  {}\n", "KIND", "SIZE", "TYPE", "METRIC", "BASELINE", "NOW", "CHANGE", "VERDICT");
    for (const Comparison& each : compared.all) {
        const bool rate = info(each.metric).rate;
        const auto shown = [&](double value) { return rate ? short_rate(value) : short_time(value); };
        const double change = each.before > 0 ? (each.after / each.before - 1) * 100 : 0;
        text += fmt::format("{:<10} {:<5} {:<4} {:<10} {:>9} {:>9} {:>7}%  {}\n", name_of(each.now->about.kind), short_size(each.now->about.size), each.now->about.type(), info(each.metric).name,
                            shown(each.before), shown(each.after), std::abs(change) < 999.5 ? fmt::format("{:+.0f}", change) : change > 0 ? ">+999" : "<-999",
                            name_of(each.regression, "REGRESSION", "ok"));
    }
    if (!compared.caution.empty()) text += folded("INCONCLUSIVE: " + compared.caution, 2);
    return text;
}

std::string condition_table(const std::vector<Finding>& findings) {
    std::string text = "FAIL IF\n";
    for (const Finding& finding : findings) text += folded(fmt::format("{:<13} {}", name_of(finding.holds, "FAILED", "ok"), finding.sentence()), 14);
    return text;
}

// ---- plots --------------------------------------------------------------------------------------

namespace {

// In eighths of a column.
std::string bar(double share, std::size_t columns) {
    static constexpr const char* parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const auto eighths = static_cast<std::size_t>(std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(columns) * 8));
    std::string text;
    for (std::size_t i = 0; i < eighths / 8; ++i) text += "█";
    text += parts[eighths % 8];
    return text.empty() && share > 0 ? parts[1] : text;
}

using Files = std::vector<std::pair<std::string, Report>>;

// Where there are several files, which one: by letters, explained at the top.
std::string label(const Files& files, std::size_t file, const Result& result) {
    std::string text = files.size() > 1 ? fmt::format("{} ", static_cast<char>('A' + file % 26)) : "";
    return text + fmt::format("{} {}", name_of(result.about.channel), result.about.type());
}

std::string plot_throughput(const Files& files) {
    double most = 0;
    std::vector<std::uint64_t> sizes;
    for (const auto& [name, report] : files) {
        for (const Result& result : report.results) {
            if (result.about.kind != Kind::throughput) continue;
            most = std::max(most, result.value(Metric::throughput));
            if (std::ranges::find(sizes, result.about.size) == sizes.end()) sizes.push_back(result.about.size);
        }
    }
    if (sizes.empty()) return "";
    std::ranges::sort(sizes);
    std::string text = "\nThroughput by size, messages a second, each size on its own scale\n";
    for (const std::uint64_t size : sizes) {
        most = 0;
        for (const auto& [name, report] : files)
            for (const Result& result : report.results)
                if (result.about.kind == Kind::throughput && result.about.size == size) most = std::max(most, result.value(Metric::throughput));
        text += fmt::format("  {}\n", long_size(size));
        for (std::size_t file = 0; file < files.size(); ++file) {
            for (const Result& result : files[file].second.results) {
                if (result.about.kind != Kind::throughput || result.about.size != size) continue;
                const double value = result.value(Metric::throughput);
                text += fmt::format("    {:<15} {:>7} |{}\n", label(files, file, result), short_rate(value), bar(most > 0 ? value / most : 0, 48));
            }
        }
    }
    return text;
}

std::string plot_latency(const std::string& name, const Result& result) {
    std::uint64_t total = 0, highest = 0;
    for (const Bar& each : result.histogram) total += each.count, highest = std::max(highest, each.count);
    if (!total) return "";
    std::string text = fmt::format("\nLatency, {} {} {}, {} samples\n", name_of(result.about.kind), long_size(result.about.size), name, total);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < result.histogram.size(); ++i) {
        const Bar& each = result.histogram[i];
        Bar row = each;
        // The long tail in one row.
        const bool tail = seen * 10000 >= total * 9999 && i + 1 < result.histogram.size();
        for (std::size_t j = i + 1; tail && j < result.histogram.size(); ++j) row.count += result.histogram[j].count, row.below = result.histogram[j].below;
        seen += row.count;
        text += fmt::format("  {:>6} to {:>6} {:>8.3f}% |{}\n", short_time(static_cast<double>(row.from)), short_time(static_cast<double>(row.below)),
                            100 * static_cast<double>(row.count) / static_cast<double>(total), bar(static_cast<double>(row.count) / static_cast<double>(highest), 48));
        if (tail) break;
    }
    return text;
}

}  // namespace

std::string plot(const Files& files) {
    std::string text;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const Context& context = files[i].second.context;
        text += folded(fmt::format("{}{}: shmq {}, {}, {} cores, {}", files.size() > 1 ? fmt::format("{} ", static_cast<char>('A' + i % 26)) : "", files[i].first, context.version, context.cpu,
                                   context.cores, context.date), 2);
    }
    text += plot_throughput(files);
    for (std::size_t i = 0; i < files.size(); ++i)
        for (const Result& result : files[i].second.results) text += plot_latency(label(files, i, result), result);
    return text;
}

}  // namespace bench
