// shmq-stat: what is in the rings and who is attached. Looks only: read-only mappings, no locks.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "stat/limits.hpp"
#include "stat/participants.hpp"
#include "stat/rates.hpp"
#include "stat/rings.hpp"
#include "stat/until.hpp"
#include "stat/view.hpp"

namespace {

struct Config : Common {
    bool json = false;
    Style style;
    bool participants = false, limits = false;
    std::string columns;  // of -o
    RingColumns ring_columns;
    MemberColumns member_columns;
    bool chosen = false;  // by -o: restricts JSON too
    std::optional<std::chrono::nanoseconds> interval;
    std::uint64_t samples = 0;  // 0: for ever
    std::optional<shmq::Condition> until;
    std::optional<std::chrono::nanoseconds> time_out;
    std::vector<std::string> names;
};

Config parse(int argc, char** argv) {
    Config config;
    config.ring_columns = default_ring_columns();
    config.member_columns = default_member_columns();
    CommandLine line({.tool = "shmq-stat",
                      .synopsis = "[OPTION]... [NAME]...",
                      .purpose = "Show rings: those named, or all in $SHMQ_DIR.",
                      .examples = "  shmq-stat\n"
                                  "  shmq-stat -r --noheadings -o NAME,MSGS | awk '$2 > 1000'\n"
                                  "  shmq-stat -J jobs | jq '.rings[0].messages'\n"
                                  "  shmq-stat --until empty -t 10 jobs && shmq-unlink jobs\n",
                      .exits = {Exit::ok, Exit::usage, Exit::no_ring, Exit::unavailable, Exit::os, Exit::io, Exit::not_ring, Exit::permission, Exit::timed_out}},
                     config);
    line.flag("-J,--json", "JSON, all there is to know (or the columns of -o)", config.json);
    line.flag("-r,--raw", "one space between columns, nothing aligned;\nsizes in bytes, durations in nanoseconds", config.style.raw);
    line.flag("-b,--bytes", "sizes in bytes", config.style.bytes);
    line.option("-o,--output", "COLUMNS", "which columns; +COLUMNS adds to the default.\nNAME TYPE STATE USED SLOTS USE% MSGS READERS WRITERS LOST\n"
                "(default), PUSHED POPPED REDELIVERED ABANDONED SIZE MODE OWNER GROUP\n"
                "CREATOR CGROUP CPID LPID PUSHPID POPPID DPID CTIME ATIME DTIME\n"
                "PUSHTIME POPTIME NATTCH WAIT AGE DELAY RECORD, PUSH/S POP/S IN/S OUT/S\n"
                "(with -i); with -P RING PID USER COMMAND\n"
                "ROLE STATE HOLDS MESSAGES BYTES LOST (default), ENTRY REDELIVERED\n"
                "ABANDONED ATTACHED", config.columns);
    line.flag("--noheadings", "no line of headings", config.style.no_headings);
    line.flag("-P,--participants", "a line for each participant of the rings", config.participants);
    line.option("-i,--interval", "TIME", "again and again, with rates; on a terminal a view that\nredraws itself and obeys keys (? shows them)", config.interval, parse_duration);
    line.option("-c,--count", "N", "with -i: so many times", config.samples, parse_count);
    line.flag("--limits", "what the system allows: room, memory, numbers", config.limits);
    line.option("--until", "STATE", "show nothing, but wait until the rings NAME... are\nempty, nonempty or full, have a reader or a writer,\nor until their stream is at its end (end)", config.until, parse_condition);
    line.option("-t,--timeout", "TIME", "with --until: fail when that takes longer", config.time_out, parse_duration);
    config.names = line.read(argc, argv);

    line.at_most_one_of({"--json", "--raw"});
    line.at_most_one_of({"--participants", "--limits"});
    line.at_most_one_of({"--interval", "--limits"});
    if (line.given("--count") && !config.interval) throw Failure(Exit::usage, "--count needs --interval");
    if (line.given("--count") && !config.samples) throw Failure(Exit::usage, "--count: found '0', expected at least 1");
    if (config.interval && config.interval->count() == 0) throw Failure(Exit::usage, "--interval: found '0', expected more than no time");
    if (config.interval) config.ring_columns = default_ring_columns(true);
    line.at_most_one_of({"--output", "--limits"});
    if (config.limits && !config.names.empty()) throw Failure(Exit::usage, "--limits takes no NAME, found '" + config.names[0] + "'");
    for (const char* shows : {"--json", "--raw", "--bytes", "--output", "--noheadings", "--participants", "--limits", "--interval"}) line.at_most_one_of({"--until", shows});
    if (config.until && config.names.empty()) throw Failure(Exit::usage, "--until needs a NAME");
    if (config.time_out && !config.until) throw Failure(Exit::usage, "--timeout needs --until");
    config.chosen = line.given("--output");
    if (config.chosen) try {
            if (config.participants) config.member_columns = parse_member_columns(config.columns);
            else config.ring_columns = parse_ring_columns(config.columns);
        } catch (const Failure& failure) {
            throw Failure(failure.exit(), std::string("--output: ") + failure.what());
        }
    for (const std::string& name : config.names) shmq::path_of(name);
    return config;
}

struct Found {
    std::vector<RingRow> rings;
    std::size_t names = 0;
    Exit exit = Exit::ok;
};

// again: not for the first time; what has gone since is no failure.
Found look(const Config& config, bool again = false) {
    Found found;
    const bool all = config.names.empty();
    std::vector<std::string> names = all ? shmq::list() : std::vector<std::string>();
    for (const std::string& name : config.names) std::ranges::move(shmq::rings_of(name), std::back_inserter(names));  // both directions of a duplex ring
    found.names = names.size();
    for (const std::string& name : names) {
        try {
            found.rings.push_back({shmq::stat(name), shmq::Clock::now(), {}});
        } catch (const shmq::Error& error) {
            if (again) continue;
            // Nobody asked for this one by name: gone in the meantime, somebody else's, or not a ring.
            if (all && (error.code() == shmq::Errc::no_such_ring || config.quiet)) continue;
            const Exit failed = complain(error);
            if ((!all || failed == Exit::os) && found.exit == Exit::ok) found.exit = failed;
        }
    }
    return found;
}

Json as_json(const std::vector<RingRow>& rings, const Config& config) {
    Json document{{"format", 1}};
    Json& list = document[config.participants ? "participants" : "rings"] = Json::array();
    if (config.participants) {
        for (const Member& member : members_of(rings)) list.push_back(config.chosen ? as_object(member, config.member_columns) : member_as_json(member));
    } else {
        for (const RingRow& ring : rings) list.push_back(config.chosen ? as_object(ring, config.ring_columns) : ring_as_json(ring));
    }
    return document;
}

std::string as_text(const std::vector<RingRow>& rings, const Config& config) {
    return config.participants ? as_table(members_of(rings), config.member_columns, config.style) : as_table(rings, config.ring_columns, config.style);
}

std::string text_of(const Json& document, int indent = 2) { return document.dump(indent, ' ', false, Json::error_handler_t::replace) + '\n'; }

Exit show_limits(const Config& config) {
    print(config.json ? text_of({{"format", 1}, {"limits", limits_as_json()}}) : limits_as_text(config.style));
    return Exit::ok;
}

// Until the time has come. Whoever reads may go away meanwhile.
void pause_until(shmq::Deadline next) {
    for (auto now = shmq::Clock::now(); now < next; now = shmq::Clock::now()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::min<std::chrono::nanoseconds>(next - now, std::chrono::hours(1)));
        pollfd out{STDOUT_FILENO, 0, 0};
        if (poll(&out, 1, static_cast<int>(left.count())) > 0 && out.revents & POLLERR) die_of(SIGPIPE);
        else if (out.revents) std::this_thread::sleep_for(left);  // closed, or a terminal hung up: the next write tells
    }
}

Exit repeat(const Config& config) {
    Rates rates;
    Found found = look(config);
    if (!config.names.empty() && found.rings.empty()) return found.exit;
    bool first = true;
    const auto sample = [&] {
        if (!std::exchange(first, false)) found.rings = look(config, true).rings;
        rates.add_to(found.rings);
        return found.rings;
    };
    if (!config.json && !config.style.raw && can_show_view()) {
        show_view({*config.interval, config.samples, config.participants, config.ring_columns, config.member_columns, config.style, sample});
        return found.exit;
    }
    Config now = config;
    auto next = shmq::Clock::now();
    for (std::uint64_t n = 1;; ++n) {
        const std::vector<RingRow> rings = sample();
        print(config.json ? text_of(as_json(rings, config), -1) : as_text(rings, now));
        if (n == config.samples) return found.exit;
        now.style.no_headings |= config.style.raw;  // once is enough for awk
        next += *config.interval;
        if (next < shmq::Clock::now()) next = shmq::Clock::now();
        pause_until(next);
    }
}

Exit run(const Config& config) {
    if (config.until) return wait_until(*config.until, config.names, config.time_out);
    if (config.limits) return show_limits(config);
    if (config.interval) return repeat(config);
    const Found found = look(config);
    if (config.json) print(text_of(as_json(found.rings, config)));
    else if (config.names.empty() || !found.rings.empty()) print(as_text(found.rings, config));
    if (config.verbose) complain(fmt::format("{} of {} rings shown", found.rings.size(), found.names));
    return found.exit;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("shmq-stat", argc, argv, [](int c, char** v) { return run(parse(c, v)); });
}
