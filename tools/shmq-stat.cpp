// shmq-stat: what is in the rings and who is attached. Looks only: read-only mappings, no locks.
#include <fmt/format.h>

#include "stat/limits.hpp"
#include "stat/participants.hpp"
#include "stat/rings.hpp"
#include "stat/until.hpp"

namespace {

struct Config : Common {
    bool json = false;
    Style style;
    bool participants = false, limits = false;
    std::string columns;  // of -o
    RingColumns ring_columns;
    MemberColumns member_columns;
    bool chosen = false;  // by -o: restricts JSON too
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
                "PUSHTIME POPTIME NATTCH WAIT AGE DELAY RECORD; with -P RING PID USER COMMAND\n"
                "ROLE STATE HOLDS MESSAGES BYTES LOST (default), ENTRY REDELIVERED\n"
                "ABANDONED ATTACHED", config.columns);
    line.flag("--noheadings", "no line of headings", config.style.no_headings);
    line.flag("-P,--participants", "a line for each participant of the rings", config.participants);
    line.flag("--limits", "what the system allows: room, memory, numbers", config.limits);
    line.option("--until", "STATE", "show nothing, but wait until the rings NAME... are\nempty, nonempty or full, have a reader or a writer,\nor until their stream is at its end (end)", config.until, parse_condition);
    line.option("-t,--timeout", "TIME", "with --until: fail when that takes longer", config.time_out, parse_duration);
    config.names = line.read(argc, argv);

    line.at_most_one_of({"--json", "--raw"});
    line.at_most_one_of({"--participants", "--limits"});
    line.at_most_one_of({"--output", "--limits"});
    if (config.limits && !config.names.empty()) throw Failure(Exit::usage, "--limits takes no NAME, found '" + config.names[0] + "'");
    for (const char* shows : {"--json", "--raw", "--bytes", "--output", "--noheadings", "--participants", "--limits"}) line.at_most_one_of({"--until", shows});
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
    std::vector<shmq::Status> rings;
    std::size_t names = 0;
    Exit exit = Exit::ok;
};

Found look(const Config& config) {
    Found found;
    const bool all = config.names.empty();
    const std::vector<std::string> names = all ? shmq::list() : config.names;
    found.names = names.size();
    for (const std::string& name : names) {
        try {
            found.rings.push_back(shmq::stat(name));
        } catch (const shmq::Error& error) {
            // Nobody asked for this one by name: gone in the meantime, somebody else's, or not a ring.
            if (all && (error.code() == shmq::Errc::no_such_ring || config.quiet)) continue;
            const Exit failed = complain(error);
            if ((!all || failed == Exit::os) && found.exit == Exit::ok) found.exit = failed;
        }
    }
    return found;
}

std::vector<Member> all_members(const std::vector<shmq::Status>& rings) {
    std::vector<Member> members;
    for (const shmq::Status& ring : rings) {
        std::vector<Member> some = members_of(ring);
        std::ranges::move(some, std::back_inserter(members));
    }
    return members;
}

Json as_json(const std::vector<shmq::Status>& rings, const Config& config) {
    Json document{{"format", 1}};
    Json& list = document[config.participants ? "participants" : "rings"] = Json::array();
    if (config.participants) {
        for (const Member& member : all_members(rings)) list.push_back(config.chosen ? member_as_json(member, config.member_columns) : member_as_json(member));
    } else {
        for (const shmq::Status& ring : rings) list.push_back(config.chosen ? ring_as_json(ring, config.ring_columns) : ring_as_json(ring));
    }
    return document;
}

std::string as_text(const std::vector<shmq::Status>& rings, const Config& config) {
    return config.participants ? as_table(all_members(rings), config.member_columns, config.style) : as_table(rings, config.ring_columns, config.style);
}

std::string text_of(const Json& document, int indent = 2) { return document.dump(indent, ' ', false, Json::error_handler_t::replace) + '\n'; }

Exit show_limits(const Config& config) {
    print(config.json ? text_of({{"format", 1}, {"limits", limits_as_json()}}) : limits_as_text(config.style));
    return Exit::ok;
}

Exit run(const Config& config) {
    if (config.until) return wait_until(*config.until, config.names, config.time_out);
    if (config.limits) return show_limits(config);
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
