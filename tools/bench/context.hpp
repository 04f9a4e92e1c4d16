// The machine that the figures are of.
#pragma once

#include <vector>

#include "bench/results.hpp"

namespace bench {

// The CPUs this process may run on, those that share a core with an earlier one last.
std::vector<int> usable_cpus();
Context context_now(const std::vector<int>& cpus);

}  // namespace bench
