#include "bench/verdicts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "common/cli.hpp"

namespace bench {

const char* name_of(Verdict verdict, const char* yes, const char* no) noexcept { return verdict == Verdict::yes ? yes : verdict == Verdict::no ? no : "inconclusive"; }

// ---- --baseline ---------------------------------------------------------------------------------

namespace {

const Result* find(const Report& baseline, const Case& about) {
    const auto at = std::ranges::find(baseline.results, about.key(), [](const Result& result) { return result.about.key(); });
    return at == baseline.results.end() ? nullptr : &*at;
}

std::string machine_differs(const Context& before, const Context& now) {
    if (before.cpu != now.cpu) return fmt::format("it is of another CPU ({}, this is {})", before.cpu, now.cpu);
    if (before.cores != now.cores) return fmt::format("it is of {} cores, these are {}", before.cores, now.cores);
    return "";
}

}  // namespace

void check_common(const Report& baseline, const std::vector<Case>& planned) {
    if (std::ranges::any_of(planned, [&](const Case& about) { return about.channel == ChannelKind::shmq && find(baseline, about); })) return;
    std::string holds = "nothing";
    if (!baseline.results.empty()) holds = baseline.results[0].about.key() + (baseline.results.size() > 1 ? ", ..." : "");
    throw Failure(Exit::data, fmt::format("the baseline and this run have no case in common: found {}, expected {}{}", holds, planned[0].key(), planned.size() > 1 ? ", ..." : ""));
}

Compared compare(const Report& baseline, const Report& now, double max_regress_percent) {
    Compared compared;
    compared.caution = machine_differs(baseline.context, now.context);
    // The whole machine is slower, shared memory with it: no change of ours.
    const bool further = baseline.context.probe_ns > 0 && now.context.probe_ns > 1.5 * baseline.context.probe_ns;
    if (compared.caution.empty() && further)
        compared.caution = fmt::format("the cores are further apart now: a cache line takes {:.0f} ns there and back, in the baseline {:.0f} ns", now.context.probe_ns, baseline.context.probe_ns);
    for (const Result& result : now.results) {
        const Result* const before = result.about.channel == ChannelKind::shmq ? find(baseline, result.about) : nullptr;
        if (!before) continue;
        for (const MetricInfo& each : metrics) {
            if (!each.compared || !measured_by(result.about.kind, each.metric)) continue;
            constexpr double least = 0.5;  // ns; nothing is divided by zero
            const auto at_least = [&](Interval of) { return Interval{std::max(of.low, least), std::max(of.high, least)}; };
            const Interval old_sure = at_least(before->sure(each.metric)), new_sure = at_least(result.sure(each.metric));
            // How many times worse; a rate cannot fall by more than 100 %.
            const Interval worse = each.rate ? Interval{old_sure.low / new_sure.high, old_sure.high / new_sure.low} : Interval{new_sure.low / old_sure.high, new_sure.high / old_sure.low};
            const double share = max_regress_percent / 100;
            const double limit = !each.rate ? 1 + share : share < 1 ? 1 / (1 - share) : std::numeric_limits<double>::infinity();
            Verdict regression = above(worse, limit);
            if (!compared.caution.empty() && (!further || regression == Verdict::yes)) regression = Verdict::inconclusive;
            compared.all.push_back({&result, each.metric, before->value(each.metric), result.value(each.metric), regression});
        }
    }
    return compared;
}

// ---- --fail-if ----------------------------------------------------------------------------------

namespace {

constexpr Choice<double> time_units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"", 1e9}};
constexpr Choice<double> rate_units[] = {{"", 1}, {"/s", 1}, {"K/s", 1e3}, {"M/s", 1e6}, {"G/s", 1e9}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}};
constexpr Choice<double> plain_units[] = {{"", 1}, {"x", 1}};

std::string known_metrics() {
    std::string names;
    for (const MetricInfo& each : metrics) names += fmt::format("{}, ", each.name);
    return names + "ratio";
}

template <std::size_t count>
double value_of(std::string_view text, const Choice<double> (&units)[count], const char* expected) {
    double value = 0;
    if (text.empty() || !((text[0] >= '0' && text[0] <= '9') || text[0] == '.')) refuse(text, expected);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{}) refuse(text, expected);
    const std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
    const auto* const unit = std::ranges::find(units, rest, &Choice<double>::name);
    if (unit == std::end(units)) refuse(text, expected);
    return value * unit->value;
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

Condition parse_condition(std::string_view text) {
    Condition condition;
    condition.text = text;
    const auto at = text.find_first_of("<>");
    if (at == std::string_view::npos) refuse(text, "a condition such as p99>20us or throughput<5M/s");
    const std::string_view name = trimmed(text.substr(0, at));
    condition.above = text[at] == '>';
    condition.or_equal = text.substr(at + 1).starts_with('=');
    const std::string_view value = trimmed(text.substr(at + 1 + condition.or_equal));
    if (name == "ratio") {
        condition.ratio = true;
        condition.limit = value_of(value, plain_units, "a number such as 5 or 1.5x");
        return condition;
    }
    const auto* const metric = std::ranges::find(metrics, name, &MetricInfo::name);
    if (metric == std::end(metrics)) refuse(name, "a metric: " + known_metrics());
    condition.metric = metric->metric;
    condition.limit = metric->rate ? value_of(value, rate_units, "messages a second, such as 5000000, 5M/s or 800K/s") : value_of(value, time_units, "a time such as 800ns, 20us, 1.5ms or 2s");
    return condition;
}

Verdict holds(const Condition& condition, Interval sure) {
    if (!condition.above) sure = {-sure.high, -sure.low};
    const double limit = condition.above ? condition.limit : -condition.limit;
    if (condition.or_equal ? sure.low >= limit : sure.low > limit) return Verdict::yes;
    return (condition.or_equal ? sure.high < limit : sure.high <= limit) ? Verdict::no : Verdict::inconclusive;
}

std::string shown(const Condition& condition, double value) {
    return condition.ratio ? fmt::format("{:.2f}x", value) : info(condition.metric).rate ? short_rate(value) + "/s" : short_time(value);
}

}  // namespace

std::vector<Condition> parse_conditions(std::string_view text) {
    std::vector<Condition> conditions;
    for (bool more = true; more;) {
        const auto comma = text.find(',');
        conditions.push_back(parse_condition(trimmed(text.substr(0, comma))));
        more = comma != std::string_view::npos;
        if (more) text.remove_prefix(comma + 1);
    }
    return conditions;
}

void check_measured(const Condition& condition, const std::vector<Case>& planned) {
    const bool there = std::ranges::any_of(planned, [&](const Case& about) { return condition.ratio ? about.channel != ChannelKind::shmq : measured_by(about.kind, condition.metric); });
    if (there) return;
    if (condition.ratio) refuse(condition.text, "--against with it: ratio is how many times better than those");
    refuse(condition.text, fmt::format("a metric of what is measured: {} is of {}", info(condition.metric).name, info(condition.metric).rate ? "throughput" : "latency"));
}

std::string Finding::sentence() const {
    const std::string name = condition->ratio ? fmt::format("ratio to {}", name_of(peer->about.channel)) : info(condition->metric).name;
    const std::string what = fmt::format("{}: {} {} {}: {} is ", condition->text, name_of(result->about.kind), result->about.type(), long_size(result->about.size), name);
    if (!known()) return what + "not known";
    return fmt::format("{}{} ({} to {}{})", what, shown(*condition, value), shown(*condition, sure.low), shown(*condition, sure.high), result->guessed() ? ", assumed" : "");
}

std::vector<Finding> judge(const std::vector<Condition>& conditions, const Report& report) {
    std::vector<Finding> findings;
    for (const Condition& condition : conditions) {
        const Result* ours = nullptr;
        for (const Result& result : report.results) {
            const bool peer = result.about.channel != ChannelKind::shmq;
            if (!peer) ours = &result;
            if (peer != condition.ratio || !ours || !(condition.ratio || measured_by(result.about.kind, condition.metric))) continue;
            Finding finding{&condition, ours, peer ? &result : nullptr, 0, {}, Verdict::inconclusive};
            if (peer) {
                const Ratio times = ratio(*ours, result);
                finding.value = times.value, finding.sure = times.sure;
            } else {
                finding.value = result.value(condition.metric), finding.sure = result.sure(condition.metric);
            }
            if (finding.known()) finding.holds = holds(condition, finding.sure);
            findings.push_back(finding);
        }
    }
    return findings;
}

}  // namespace bench
