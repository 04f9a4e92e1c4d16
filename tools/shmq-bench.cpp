// shmq-bench: how fast this machine passes messages, next to what the kernel has to offer.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>

#include "bench/context.hpp"
#include "bench/results.hpp"
#include "bench/session.hpp"
#include "bench/tables.hpp"
#include "bench/verdicts.hpp"
#include "common/cli.hpp"
#include "common/signals.hpp"

namespace {

using namespace bench;

struct Type {
    shmq::Sides producers, consumers;
};
constexpr Choice<Type> types[] = {{"spsc", {shmq::one, shmq::one}}, {"mpsc", {shmq::many, shmq::one}}, {"spmc", {shmq::one, shmq::many}}, {"mpmc", {shmq::many, shmq::many}}};
constexpr Choice<ChannelKind> peers[] = {{"pipe", ChannelKind::pipe}, {"fifo", ChannelKind::fifo}, {"unix", ChannelKind::unix_socket}, {"mqueue", ChannelKind::mqueue}};

struct Config : Common {
    std::vector<Kind> kinds;
    std::vector<std::uint64_t> sizes = {8, 64, 1024, 65536};
    std::vector<Type> types;
    std::uint64_t producers = 1, consumers = 1, batch = 1, slots = 0, runs = 5, rate = 0;
    std::chrono::nanoseconds duration = std::chrono::milliseconds(250);
    std::vector<int> cpus;
    shmq::Waiting waiting = shmq::Waiting::adaptive;
    std::vector<ChannelKind> against;
    bool json = false, plot = false;
    std::string save, baseline;
    double max_regress = 10;
    std::vector<Condition> fail_if;
    std::vector<std::string> files;  // to plot
};

// ---- the command line ---------------------------------------------------------------------------

// The parts of a list, each through a parser; given twice, a part counts once.
template <class Parser>
auto parse_list(std::string_view text, Parser parser) {
    std::vector<decltype(parser(text))> values;
    for (bool more = true; more;) {
        const auto comma = text.find(',');
        values.push_back(parser(text.substr(0, comma)));
        more = comma != std::string_view::npos;
        if (more) text.remove_prefix(comma + 1);
    }
    return values;
}

std::uint64_t number_within(std::string_view text, std::uint64_t least, std::uint64_t most, std::uint64_t (*parser)(std::string_view) = parse_count) {
    const std::uint64_t value = parser(text);
    if (value < least || value > most) refuse(text, fmt::format("{} to {}", least, most));
    return value;
}

std::uint64_t parse_message_size(std::string_view text) {
    const std::uint64_t value = parse_size(text);
    constexpr std::uint64_t least = 8, most = 256u << 20;  // it carries its number
    if (value < least || value > most) refuse(text, "sizes from 8 to 256M: a message carries its number");
    return value;
}

std::vector<int> parse_cpus(std::string_view text) {
    const std::vector<int> usable = usable_cpus();
    std::vector<int> cpus;
    for (const std::string_view part : parse_list(text, [](std::string_view one) { return one; })) {
        const auto dash = part.find('-');
        const std::uint64_t first = parse_count(part.substr(0, dash)), last = dash == std::string_view::npos ? first : parse_count(part.substr(dash + 1));
        if (first > last) refuse(part, "a range such as 0-3");
        for (std::uint64_t cpu = first; cpu <= last; ++cpu) {
            if (std::ranges::find(usable, static_cast<int>(std::min<std::uint64_t>(cpu, 1u << 30))) == usable.end()) {
                auto sorted = usable;
                std::ranges::sort(sorted);
                refuse(std::to_string(cpu), fmt::format("CPUs out of {}", fmt::join(sorted, ",")));
            }
            cpus.push_back(static_cast<int>(cpu));
        }
    }
    return cpus;
}

double parse_percent(std::string_view text) {
    std::string_view number = text;
    if (number.ends_with('%')) number.remove_suffix(1);
    const auto digits = [](std::string_view part) { return !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string_view::npos; };
    const auto point = number.find('.');
    if (!digits(number.substr(0, point)) || (point != std::string_view::npos && !digits(number.substr(point + 1)))) refuse(text, "a percentage such as 10 or 2.5");
    return std::stod(std::string(number));
}

std::vector<ChannelKind> parse_against(std::string_view text) {
    std::vector<ChannelKind> chosen;
    for (const ChannelKind one : parse_list(text, [](std::string_view name) { return choose(name, peers); }))
        if (std::ranges::find(chosen, one) == chosen.end()) chosen.push_back(one);
    return chosen;
}

Config parse(int argc, char** argv) {
    Config config;
    CommandLine line({.tool = "shmq-bench",
                      .synopsis = "[OPTION]... [throughput|latency|all]\n   or: shmq-bench --plot FILE...",
                      .purpose = "Measure rings on this machine: throughput, latency (round trip and one way), or all.\n"
                                 "Processes of their own, pinned and warmed up; rings of fixed-size messages. Runs take\n"
                                 "turns with those of --against; a ratio of 3x says that shmq is three times as fast.",
                      .examples = "  shmq-bench throughput -s 64,1K --batch 16 --against pipe,unix\n"
                                  "  shmq-bench latency -s 64 --rate 1000 --waiting block\n"
                                  "  shmq-bench --save new.json && shmq-bench --plot old.json new.json\n"
                                  "In CI, with the figures of the main branch, and a bound that no machine changes:\n"
                                  "  shmq-bench -s 64 --runs 9 --baseline old.json --max-regress 20 --save new.json\n"
                                  "  shmq-bench throughput -s 64 --against pipe --fail-if 'ratio<5'\n",
                      .exits = {Exit::ok, Exit::no, Exit::usage, Exit::data, Exit::os, Exit::io, Exit::not_ring, Exit::permission, Exit::timed_out}},
                     config);
    const auto counted = [](std::uint64_t most) { return [most](std::string_view text) { return number_within(text, 1, most); }; };
    line.option("-s,--sizes", "SIZES", "bytes of a message, a list (8,64,1K,64K)", config.sizes, [](std::string_view text) { return parse_list(text, parse_message_size); });
    line.option("-T,--type", "TYPES", "spsc, mpsc, spmc, mpmc, a list (spsc, or what\n--producers and --consumers need)", config.types,
                [](std::string_view text) { return parse_list(text, [](std::string_view name) { return choose(name, types); }); });
    line.option("--producers", "N", "processes that push, where the type allows (1)", config.producers, counted(64));
    line.option("--consumers", "N", "processes that pop, where the type allows (1)", config.consumers, counted(64));
    line.option("--batch", "N", "messages a claim, written and read in place\n(1: one call a message, copied in and out)", config.batch, counted(65536));
    line.option("-N,--slots", "N", "slots of a ring (512 KiB of messages, 16 to 8192)", config.slots, counted(std::uint64_t{1} << 32));
    line.option("--duration", "TIME", "of each run, after its warm-up (250ms)", config.duration, [](std::string_view text) {
        const auto time = parse_duration(text);
        if (time < std::chrono::milliseconds(1) || time > std::chrono::hours(1)) refuse(text, "1ms to 1h");
        return time;
    });
    line.option("--runs", "N", "how often each case is run (5); spoilt runs are repeated", config.runs, counted(1000));
    line.option("--cpus", "LIST", "pin the processes to these in turn, as 0,2-3 (all)", config.cpus, parse_cpus);
    line.option("--rate", "N", "messages a second of all producers; latency counts from\nthe time a message was meant to leave", config.rate, counted(1'000'000'000));
    line.option("--waiting", "HOW", "adaptive (default), block or spin", config.waiting, parse_waiting);
    line.option("--against", "LIST", "compare with pipe, fifo, unix, mqueue", config.against, parse_against);
    line.flag("-J,--json", "JSON, every sample", config.json);
    line.option("--save", "FILE", "the same into a file", config.save);
    line.option("--baseline", "FILE", "compare with what --save kept; 1 on a regression", config.baseline);
    line.option("--max-regress", "PCT", "how much worse than the baseline is a regression (10)", config.max_regress, parse_percent);
    line.option("--fail-if", "EXPR", "1 if this is true of any case: METRIC>VALUE or\nMETRIC<VALUE, several behind commas. METRIC: p50, p90,\n"
                "p99, p99.9, max (ns, us, ms, s), throughput (5M/s),\nratio (times better than each of --against)",
                [&config](const std::string& text) { std::ranges::copy(parse_conditions(text), std::back_inserter(config.fail_if)); });
    line.flag("--plot", "show what --save kept as bars", config.plot);
    auto operands = line.read(argc, argv);

    if (config.plot) {
        if (operands.empty()) throw Failure(Exit::usage, "missing FILE: found nothing to plot, expected what --save wrote");
        config.files = std::move(operands);
        return config;
    }
    if (operands.size() > 1) throw Failure(Exit::usage, fmt::format("extra operand '{}': found {}, expected one of throughput, latency, all", operands[1], operands.size()));
    static const Choice<std::vector<Kind>> kinds[] = {{"all", {Kind::throughput, Kind::round_trip, Kind::one_way}}, {"throughput", {Kind::throughput}}, {"latency", {Kind::round_trip, Kind::one_way}}};
    config.kinds = choose(operands.empty() ? "all" : operands[0], kinds);
    for (const char* name : {"--save", "--baseline"})
        if (line.given(name) && (name == std::string("--save") ? config.save : config.baseline).empty()) throw Failure(Exit::usage, fmt::format("{}: found '', expected a file", name));
    if (line.given("--max-regress") && config.baseline.empty()) throw Failure(Exit::usage, "--max-regress needs --baseline: there is nothing to be worse than");
    if (config.types.empty()) config.types = {{config.producers > 1 ? shmq::many : shmq::one, config.consumers > 1 ? shmq::many : shmq::one}};
    const auto someone_takes = [&](shmq::Sides Type::*side) { return std::ranges::any_of(config.types, [&](const Type& type) { return type.*side == shmq::many; }); };
    if (config.producers > 1 && !someone_takes(&Type::producers)) throw Failure(Exit::usage, fmt::format("--producers: found {}, but every -T has one producer", config.producers));
    if (config.consumers > 1 && !someone_takes(&Type::consumers)) throw Failure(Exit::usage, fmt::format("--consumers: found {}, but every -T has one consumer", config.consumers));
    if (config.cpus.empty()) config.cpus = usable_cpus();
    return config;
}

// ---- the plan -----------------------------------------------------------------------------------

std::vector<Group> plan(const Config& config) {
    std::vector<Group> groups;
    for (const Kind kind : config.kinds) {
        for (const Type& type : config.types) {
            for (const std::uint64_t size : config.sizes) {
                Case about;
                about.kind = kind;
                about.producer_side = type.producers, about.consumer_side = type.consumers;
                about.size = size;
                if (kind != Kind::round_trip) {
                    if (type.producers == shmq::many) about.producers = static_cast<unsigned>(config.producers);
                    if (type.consumers == shmq::many) about.consumers = static_cast<unsigned>(config.consumers);
                    about.batch = config.batch;
                }
                about.slots = config.slots ? config.slots : std::clamp<std::uint64_t>(std::bit_floor((512u << 10) / size), 16, 8192);
                about.rate = config.rate;
                about.waiting = config.waiting;
                about.duration = config.duration;
                about.cpus = config.cpus;
                Group group{about};
                for (const ChannelKind peer : config.against) {
                    about.channel = peer;
                    group.push_back(about);
                }
                groups.push_back(std::move(group));
            }
        }
    }
    return groups;
}

// ---- running ------------------------------------------------------------------------------------

// One line that is written over, for a person who waits.
class ProgressLine {
public:
    explicit ProgressLine(bool shown) : shown_(shown && isatty(STDERR_FILENO)) {}
    ~ProgressLine() { show(""); }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;
    void show(const std::string& text) const {
        if (!shown_) return;
        const std::string line = "\r\033[K" + text;
        [[maybe_unused]] const ssize_t wrote = write(STDERR_FILENO, line.data(), line.size());
    }

private:
    bool shown_;
};

void plot_files(const Config& config) {
    std::vector<std::pair<std::string, Report>> files;
    for (const std::string& name : config.files) files.emplace_back(name, read_report(name));
    print(plot(files));
}

Json to_json(const Compared& compared, const Config& config) {
    Json json{{"file", config.baseline}, {"max_regress_percent", config.max_regress}, {"caution", compared.caution.empty() ? Json() : Json(compared.caution)}, {"comparisons", Json::array()}};
    for (const Comparison& each : compared.all)
        json["comparisons"].push_back({{"kind", name_of(each.now->about.kind)}, {"type", each.now->about.type()}, {"size", each.now->about.size}, {"metric", info(each.metric).key},
                                       {"baseline", each.before}, {"now", each.after}, {"verdict", name_of(each.regression, "regression", "ok")}});
    return json;
}

Json to_json(const std::vector<Finding>& findings) {
    Json json = Json::array();
    for (const Finding& each : findings) {
        json.push_back({{"condition", each.condition->text}, {"kind", name_of(each.result->about.kind)}, {"type", each.result->about.type()}, {"size", each.result->about.size},
                        {"against", each.peer ? Json(name_of(each.peer->about.channel)) : Json()}, {"value", each.known() ? Json(each.value) : Json()}, {"verdict", name_of(each.holds, "failed", "ok")}});
    }
    return json;
}

constexpr const char* wide_spread = "the spread is wider than the question";

// Failures are errors and always said; what is inconclusive unless -q asks for errors only.
struct Outcome {
    std::vector<std::string> failed, inconclusive;
    void add(Verdict verdict, const std::string& what, const char* unknown = wide_spread) {
        if (verdict == Verdict::yes) failed.push_back(what);
        if (verdict == Verdict::inconclusive) inconclusive.push_back(what + ": " + unknown);
    }
    const char* name() const noexcept { return !failed.empty() ? "failed" : !inconclusive.empty() ? "inconclusive" : "ok"; }
};

Exit measure_all(const Config& config) {
    const auto began = std::chrono::steady_clock::now();
    const std::vector<Group> groups = plan(config);
    std::vector<Case> planned;
    for (const Group& group : groups) std::ranges::copy(group, std::back_inserter(planned));
    // What cannot work is said before the long run, not behind it.
    for (const Condition& condition : config.fail_if) check_measured(condition, planned);
    if (!config.save.empty()) check_savable(config.save);
    Report baseline;
    if (!config.baseline.empty()) {
        baseline = read_report(config.baseline);
        check_common(baseline, planned);
    }

    Report report;
    {
        const ProgressLine progress(!config.quiet);
        report = run_session(groups, static_cast<unsigned>(config.runs), config.cpus, [&](const std::string& what) { progress.show(what); });
    }

    Outcome outcome;
    Compared compared;
    if (!config.baseline.empty()) {
        compared = compare(baseline, report, config.max_regress);
        for (const Comparison& each : compared.all)
            outcome.add(each.regression, fmt::format("{} {} {}: {} was {}, is {}", name_of(each.now->about.kind), each.now->about.type(), long_size(each.now->about.size), info(each.metric).name,
                                                     info(each.metric).rate ? short_rate(each.before) : short_time(each.before), info(each.metric).rate ? short_rate(each.after) : short_time(each.after)));
    }
    const std::vector<Finding> findings = judge(config.fail_if, report);
    for (const Finding& finding : findings)
        outcome.add(finding.holds, finding.sentence(), finding.known() ? wide_spread : "never were both measured at once without a sample being set aside");

    if (config.json || !config.save.empty()) {
        Json json = to_json(report);
        json["baseline"] = config.baseline.empty() ? Json() : to_json(compared, config);
        json["conditions"] = to_json(findings);
        json["verdict"] = outcome.name();
        const std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
        if (!config.save.empty()) save(config.save, text);
        if (config.json) print(text);
    }
    if (!config.json) {
        std::string text = result_tables(report);
        if (!config.baseline.empty()) text += '\n' + baseline_table(config.baseline, baseline, compared);
        if (!findings.empty()) text += '\n' + condition_table(findings);
        print(text);
    }
    for (const std::string& what : outcome.failed) complain("FAILED: " + what);
    if (!config.quiet)
        for (const std::string& what : outcome.inconclusive) complain("INCONCLUSIVE: " + what);
    if (config.verbose) {
        std::size_t samples = 0, aside = 0;
        for (const Result& result : report.results) samples += result.samples.size(), aside += result.set_aside();
        complain(fmt::format("{} cases, {} samples, {} set aside, {:.1f} s", report.results.size(), samples, aside, std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count()));
    }
    return outcome.failed.empty() ? Exit::ok : Exit::no;
}

Exit run(const Config& config) {
    if (config.plot) {
        plot_files(config);
        return Exit::ok;
    }
    return until_signalled([&] { return measure_all(config); });
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("shmq-bench", argc, argv, [](int c, char** v) { return run(parse(c, v)); });
}
