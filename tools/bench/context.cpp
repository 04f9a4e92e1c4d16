#include "bench/context.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include <algorithm>
#include <ctime>
#include <fstream>

namespace bench {
namespace {

std::string first_line(const std::string& path) {
    std::string line;
    std::ifstream file(path);
    std::getline(file, line);
    return line;
}

std::string cpu_model(const utsname& system) {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        const auto colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
    }
    return system.machine;
}

// Is it the first hardware thread of its core? Where nobody knows, yes.
bool leads_its_core(int cpu) {
    const std::string siblings = first_line(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
    return siblings.empty() || atoi(siblings.c_str()) == cpu;
}

}  // namespace

std::vector<int> usable_cpus() {
    std::vector<int> cpus;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
            if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) cpus.push_back(cpu);
    if (cpus.empty()) cpus.push_back(0);
    std::stable_partition(cpus.begin(), cpus.end(), leads_its_core);
    return cpus;
}

Context context_now(const std::vector<int>& cpus) {
    Context context;
    utsname system{};
    uname(&system);
    context.version = SHMQ_VERSION;
    context.cpu = cpu_model(system);
    context.kernel = fmt::format("{} {}", system.sysname, system.release);
    context.governor = first_line(fmt::format("/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor", cpus[0]));
    context.cores = static_cast<unsigned>(usable_cpus().size());
    context.cpus = cpus;
    getloadavg(context.load, 3);
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    context.date = text;
    return context;
}

}  // namespace bench
