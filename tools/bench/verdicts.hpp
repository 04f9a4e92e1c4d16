// Questions that end in an exit code: is it slower than the baseline, is a condition true. Each is answered
// yes or no where the spread allows it, and inconclusive where it does not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/results.hpp"

namespace bench {

const char* name_of(Verdict verdict, const char* yes, const char* no) noexcept;

// ---- --baseline ---------------------------------------------------------------------------------

struct Comparison {
    const Result* now;
    Metric metric;
    double before, after;
    Verdict regression;
};

struct Compared {
    std::vector<Comparison> all;
    std::string caution;  // why the two machines cannot be compared; empty: they can
};

// What the baseline and the planned cases have in common must not be nothing: Failure(data).
void check_common(const Report& baseline, const std::vector<Case>& planned);
Compared compare(const Report& baseline, const Report& now, double max_regress_percent);

// ---- --fail-if ----------------------------------------------------------------------------------

struct Condition {
    std::string text;     // as given
    bool ratio = false;   // how many times better than a peer, else
    Metric metric = Metric::p50;
    bool above = true;    // > or >=, else < or <=
    bool or_equal = false;
    double limit = 0;     // ns, messages a second, times
};

// METRIC>VALUE, several behind commas. Throws Failure(usage).
std::vector<Condition> parse_conditions(std::string_view text);
// Whether it will be measured at all: Failure(usage) if not.
void check_measured(const Condition& condition, const std::vector<Case>& planned);

struct Finding {
    const Condition* condition;
    const Result* result;
    const Result* peer;   // for a ratio
    double value;
    Interval sure;
    Verdict holds;
    bool known() const noexcept { return !peer || value != 0; }  // false: no run of the peer that counts had one of ours beside it
    std::string sentence() const;
};
std::vector<Finding> judge(const std::vector<Condition>& conditions, const Report& report);

}  // namespace bench
