// Runs the cases in rounds, those that are compared within seconds of each other, and sets aside what the
// machine spoilt.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/results.hpp"

namespace bench {

using Group = std::vector<Case>;  // one kind, type and size: shmq, then its peers

// `progress` is told what is about to run. Throws Failure, Stopped.
Report run_session(const std::vector<Group>& groups, unsigned runs, const std::vector<int>& cpus, const std::function<void(const std::string&)>& progress);

}  // namespace bench
