// shmq-unlink: remove rings.
#include <fmt/format.h>

#include <cerrno>
#include <optional>

#include "common/cli.hpp"
#include "common/signals.hpp"
#include "common/sweeping.hpp"

namespace {

struct Config : Common {
    bool force = false, all = false, stale = false, watch = false, dry_run = false;
    std::optional<std::chrono::nanoseconds> idle;
    std::vector<std::string> names;
};

Config parse(int argc, char** argv) {
    Config config;
    CommandLine line({.tool = "shmq-unlink",
                      .synopsis = "[OPTION]... NAME... | --all | --stale [NAME]...",
                      .purpose = "Remove rings. One that somebody is attached to stays, unless -f is given.",
                      .examples = "  shmq-unlink jobs\n"
                                  "  shmq-unlink -f jobs       # those attached drain it and end with 69\n"
                                  "  shmq-unlink --all --dry-run\n"
                                  "  shmq-unlink --stale --idle 10m\n",
                      .exits = {Exit::ok, Exit::usage, Exit::no_ring, Exit::unavailable, Exit::os, Exit::io, Exit::not_ring, Exit::permission}},
                     config);
    line.flag("-f,--force", "also what is in use or not a (readable) ring;\na ring that is not there is no error", config.force);
    line.flag("--all", "every ring in $SHMQ_DIR", config.all);
    line.flag("--stale", "only what nobody has used for a while and holds no messages\n(with -f: also messages), never what is in use", config.stale);
    line.option("--idle", "TIME", "with --stale: for how long (60s)", config.idle, parse_duration);
    line.flag("--watch", "as --stale, again and again; with NAME, until it is gone", config.watch);
    line.flag("--dry-run", "print the names of what would be removed, one a line", config.dry_run);
    config.names = line.read(argc, argv);

    line.at_most_one_of({"--all", "--stale"});
    line.at_most_one_of({"--all", "--watch"});
    line.at_most_one_of({"--watch", "--dry-run"});
    config.stale |= config.watch;
    if (config.idle && !config.stale) throw Failure(Exit::usage, "--idle goes with --stale");
    if (config.all && !config.names.empty()) throw Failure(Exit::usage, "--all takes no NAME, found '" + config.names[0] + "'");
    if (!config.all && !config.stale && config.names.empty()) throw Failure(Exit::usage, "missing NAME");
    for (const std::string& name : config.names) shmq::path_of(name);
    return config;
}

// Throws what remove() would throw.
void try_remove(const std::string& name, bool force) {
    using enum shmq::Errc;
    const shmq::Swept found = shmq::sweep({.idle = {}, .with_messages = true, .dry_run = true, .names = {name}}).at(0);
    const bool there = found.error == not_a_ring || found.error == other_version || found.error == corrupt;
    if (found.fate == shmq::Fate::in_use && !force) throw shmq::Error(in_use, name + ": in use");
    if (found.fate == shmq::Fate::failed && !(force && there)) throw shmq::Error(found.error, name + ": " + found.why);
}

Exit sweep(const Config& config) {
    shmq::SweepOptions options{.with_messages = config.force, .dry_run = config.dry_run, .names = config.names};
    if (config.idle) options.idle = *config.idle;
    if (!config.watch) return sweep_once(options, config, config.force);
    return until_signalled([&] { return keep_sweeping(options, config, config.force); });
}

Exit run(const Config& config) {
    if (config.stale) return sweep(config);
    Exit exit = Exit::ok;
    std::size_t removed = 0;
    std::string would;
    const std::vector<std::string> names = config.all ? shmq::list() : config.names;
    for (const std::string& name : names) {
        try {
            if (config.dry_run) try_remove(name, config.force);
            else shmq::remove(name, config.force);
            ++removed;
            if (config.dry_run) would += name + '\n';
        } catch (const shmq::Error& error) {
            // What --all listed may be gone since.
            if (error.code() == shmq::Errc::no_such_ring && (config.force || config.all)) continue;
            const bool force_helps = error.code() == shmq::Errc::in_use && error.system_errno() != EBUSY;
            const Exit failed = force_helps ? complain(Failure(Exit::unavailable, error.what() + std::string(" (-f removes it all the same)"))) : complain(error);
            if (exit == Exit::ok) exit = failed;
        }
    }
    print(would);
    if (config.verbose) complain(fmt::format("{} of {} rings {}removed", removed, names.size(), config.dry_run ? "would be " : ""));
    return exit;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("shmq-unlink", argc, argv, [](int c, char** v) { return run(parse(c, v)); });
}
