// shmq-stat: what is in the rings and who is attached. Looks only: read-only mappings, no locks.
#include <fmt/format.h>

#include "stat/rings.hpp"
#include "stat/until.hpp"

namespace {

struct Config : Common {
    bool json = false;
    Style style;
    RingColumns shown;
    bool chosen = false;  // by -o: restricts JSON too
    std::optional<shmq::Condition> until;
    std::optional<std::chrono::nanoseconds> time_out;
    std::vector<std::string> names;
};

Config parse(int argc, char** argv) {
    Config config;
    config.shown = default_ring_columns();
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
                "(default), PUSHED POPPED REDELIVERED ABANDONED SIZE MODE OWNER AGE DELAY\nRECORD", config.shown, parse_ring_columns);
    line.flag("--noheadings", "no line of headings", config.style.no_headings);
    line.option("--until", "STATE", "show nothing, but wait until the rings NAME... are\nempty, nonempty or full, have a reader or a writer,\nor until their stream is at its end (end)", config.until, parse_condition);
    line.option("-t,--timeout", "TIME", "with --until: fail when that takes longer", config.time_out, parse_duration);
    config.names = line.read(argc, argv);

    line.at_most_one_of({"--json", "--raw"});
    for (const char* shows : {"--json", "--raw", "--bytes", "--output", "--noheadings"}) line.at_most_one_of({"--until", shows});
    if (config.until && config.names.empty()) throw Failure(Exit::usage, "--until needs a NAME");
    if (config.time_out && !config.until) throw Failure(Exit::usage, "--timeout needs --until");
    config.chosen = line.given("--output");
    for (const std::string& name : config.names) shmq::path_of(name);
    return config;
}

Exit run(const Config& config) {
    if (config.until) return wait_until(*config.until, config.names, config.time_out);
    Exit exit = Exit::ok;
    std::vector<shmq::Status> rings;
    const bool all = config.names.empty();
    const std::vector<std::string> names = all ? shmq::list() : config.names;
    for (const std::string& name : names) {
        try {
            rings.push_back(shmq::stat(name));
        } catch (const shmq::Error& error) {
            // Nobody asked for this one by name: gone in the meantime, somebody else's, or not a ring.
            if (all && (error.code() == shmq::Errc::no_such_ring || config.quiet)) continue;
            const Exit failed = complain(error);
            if ((!all || failed == Exit::os) && exit == Exit::ok) exit = failed;
        }
    }
    if (config.json) {
        Json document{{"format", 1}, {"rings", Json::array()}};
        for (const shmq::Status& status : rings) document["rings"].push_back(config.chosen ? ring_as_json(status, config.shown) : ring_as_json(status));
        print(document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
    } else if (all || !rings.empty()) {
        print(as_table(rings, config.shown, config.style));
    }
    if (config.verbose) complain(fmt::format("{} of {} rings shown", rings.size(), names.size()));
    return exit;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("shmq-stat", argc, argv, [](int c, char** v) { return run(parse(c, v)); });
}
