// The results for people: tables and bars of at most 80 columns.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/results.hpp"
#include "bench/verdicts.hpp"

namespace bench {

std::string result_tables(const Report& report);
std::string baseline_table(const std::string& file, const Report& baseline, const Compared& compared);
std::string condition_table(const std::vector<Finding>& findings);

// Bars of what --save kept, of one file or several: throughput by size, latencies by how often they were.
std::string plot(const std::vector<std::pair<std::string, Report>>& files);

}  // namespace bench
