#include "common/sweeping.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "common/signals.hpp"
#include "common/wait_ring.hpp"

using namespace std::chrono_literals;

namespace {

// What lies there and is no ring is nobody's business, unless it was named.
bool foreign(const shmq::Swept& swept, const shmq::SweepOptions& options) {
    return swept.fate == shmq::Fate::failed && swept.error == shmq::Errc::not_a_ring && options.names.empty();
}

bool missing(const shmq::Swept& swept) { return swept.fate == shmq::Fate::failed && swept.error == shmq::Errc::no_such_ring; }

shmq::Error error_of(const shmq::Swept& swept) { return {swept.error, swept.name + ": " + swept.why}; }

// Events come in bursts, and the first tells of a lock that is dropped only just after it.
void let_things_settle() {
    poll(nullptr, 0, 200);
    if (signals::caught()) throw Stopped();
}

}  // namespace

Exit sweep_once(const shmq::SweepOptions& options, const Common& common, bool ignore_missing) {
    const std::vector<shmq::Swept> all = shmq::sweep(options);
    Exit exit = Exit::ok;
    std::string would;
    for (const shmq::Swept& swept : all) {
        if (missing(swept) && ignore_missing) continue;
        if (swept.fate == shmq::Fate::failed && !foreign(swept, options)) {
            const Exit failed = complain(error_of(swept));
            if (exit == Exit::ok) exit = failed;
        } else if (swept.fate != shmq::Fate::removed && common.verbose) {
            complain(fmt::format("{}: stays: {}", swept.name, swept.why));
        } else if (swept.fate == shmq::Fate::removed && options.dry_run) {
            would += swept.name + '\n';
        }
    }
    print(would);
    const auto removed = std::ranges::count(all, shmq::Fate::removed, &shmq::Swept::fate);
    if (common.verbose) complain(fmt::format("{} of {} rings {}removed", removed, all.size(), options.dry_run ? "would be " : ""));
    return exit;
}

Exit keep_sweeping(const shmq::SweepOptions& wanted, const Common& common, bool ignore_missing) {
    shmq::SweepOptions options = wanted;
    Arrivals events(Arrivals::Of::everything);  // before the first look: nothing is missed in between
    std::set<std::string> told;                 // an error that stays is said once
    for (bool first = true;; first = false) {
        auto next = shmq::Clock::now() + 10s;  // who looks needs no event for what is seen now and then
        const std::vector<shmq::Swept> all = shmq::sweep(options);
        for (const shmq::Swept& swept : all) {
            using enum shmq::Fate;
            if (swept.fate == removed && common.verbose) complain(fmt::format("{}: removed: {}", swept.name, swept.why));
            if (swept.fate == used_lately) next = std::min(next, shmq::after(options.idle - swept.unused));
            if (!wanted.names.empty() && (swept.fate == removed || (missing(swept) && (!first || ignore_missing)))) {
                std::erase(options.names, swept.name);
                if (options.names.empty()) return Exit::ok;
            } else if (swept.fate == failed && !foreign(swept, options)) {
                if (!wanted.names.empty()) throw error_of(swept);  // it would wait for ever
                if (told.insert(swept.name + ": " + swept.why).second) complain(error_of(swept));
            }
        }
        events.wait(next);
        let_things_settle();
    }
}
