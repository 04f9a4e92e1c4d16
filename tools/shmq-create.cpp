// shmq-create: make named rings.
#include <fmt/format.h>
#include <grp.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <shmq/detail/retry.hpp>

#include "common/cli.hpp"
#include "common/job.hpp"
#include "common/record.hpp"

namespace {

struct Config : Common {
    shmq::Options options;
    std::optional<std::string> group;
    std::vector<std::string> names, command;
};

struct Type {
    shmq::Sides producers, consumers;
};

Type parse_type(std::string_view text) {
    using shmq::many, shmq::one;
    static constexpr Choice<Type> types[] = {{"spsc", {one, one}}, {"mpsc", {many, one}}, {"spmc", {one, many}}, {"mpmc", {many, many}}};
    return choose(text, types);
}

// As chmod takes it: octal, with or without a leading zero.
mode_t parse_mode(std::string_view text) {
    mode_t mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (error != std::errc{} || end != text.data() + text.size() || mode > 0777) refuse(text, "an octal mode, 0 to 777");
    return mode;
}

std::uint32_t parse_participants(std::string_view text) {
    const std::uint64_t count = parse_count(text);
    if (count > std::numeric_limits<std::uint32_t>::max()) refuse(text, "a number, at most " + std::to_string(std::numeric_limits<std::uint32_t>::max()));
    return static_cast<std::uint32_t>(count);
}

bool parse_overflow(std::string_view text) {
    static constexpr Choice<bool> policies[] = {{"block", false}, {"overwrite", true}};
    return choose(text, policies);
}

Config parse(int argc, char** argv) {
    Config config;
    shmq::Options& options = config.options;
    std::optional<std::uint64_t> slots;
    Type type{shmq::many, shmq::many};
    std::optional<Record> record;
    bool exist_ok = false, replace = false, force = false, reopen = false;

    CommandLine line({.tool = "shmq-create",
                      .synopsis = "[OPTION]... NAME... [-- COMMAND [ARG]...]",
                      .purpose = "Create rings in shared memory; with COMMAND, for as long as that runs.",
                      .examples = "  shmq-create jobs\n"
                                  "  shmq-create -N 1M -s 64 --fixed -T spsc samples\n"
                                  "  shmq-create --record 'id:u32,px:f64,sym:char[8]' ticks\n"
                                  "  shmq-create -D chat       # what chat/a pushes chat/b pops, and back\n"
                                  "  shmq-create --broadcast --overflow overwrite -N 1 temperature\n"
                                  "  shmq-create --exist-ok -m 660 -g audio events\n"
                                  "  shmq-create jobs -- ./pipeline.sh    # which finds jobs in $SHMQ_RING\n",
                      .exits = {Exit::ok, Exit::usage, Exit::data, Exit::unavailable, Exit::os, Exit::exists, Exit::not_ring, Exit::permission, Exit::not_executable, Exit::not_found},
                      .runs_command = true},
                     config);
    line.option("-N,--slots", "SLOTS", "slots in the ring (default: as many as make 4 MiB)", slots, parse_size);
    line.option("-s,--slot-size", "SIZE", "bytes a slot; a message takes as many as it needs (64)", options.slot_size, parse_size);
    line.flag("--fixed", "every message is exactly SIZE bytes, one slot", options.fixed);
    line.option("--max-message", "SIZE", "refuse longer messages", options.max_message, parse_size);
    line.option("-T,--type", "TYPE", "spsc, mpsc, spmc or mpmc: single or many producers,\nsingle or many consumers (mpmc)", type, parse_type);
    line.flag("-D,--duplex", "both directions at once, between NAME/a and NAME/b", options.duplex);
    line.flag("--broadcast", "every consumer gets every message", options.broadcast);
    line.option("--overflow", "POLICY", "what a push into a full ring does: block: it waits,\noverwrite: the oldest message goes (block)", options.overwrite, parse_overflow);
    line.option("--record", "LAYOUT", "every message is a C struct that -J shows as JSON:\nNAME:TYPE[N][@OFFSET],...; TYPE: i8 i16 i32 i64 u8 u16\nu32 u64 f32 f64 bool char", record, parse_record);
    line.flag("--timestamps", "keep the time of each message", options.timestamps);
    line.option("--waiting", "HOW", "adaptive, block or spin (adaptive)", options.waiting, parse_waiting);
    line.option("-m,--mode", "MODE", "permissions, in octal (600)", options.mode, parse_mode);
    line.option("-g,--group", "GROUP", "owning group, by name or number", config.group, [](const std::string& text) { return text; });
    line.flag("--exist-ok", "no error if such a ring exists already", exist_ok);
    line.flag("--replace", "remove a ring of that name first, unless in use", replace);
    line.flag("-f,--force", "with --replace: also when in use", force);
    line.flag("--reopen", "as --exist-ok; an ended ring takes messages again", reopen);
    line.flag("--ephemeral", "the ring goes when the last who is attached leaves or dies", options.ephemeral);
    line.flag("--lock-memory", "keep the ring in memory, never in swap: whoever attaches\nlocks it there, within ulimit -l", options.lock_memory);
    line.option("--participants", "N", "how many may be attached at once (256)", options.participants, parse_participants);
    config.names = line.read(argc, argv);

    line.at_most_one_of({"--exist-ok", "--replace", "--reopen"});
    if (force && !replace) throw Failure(Exit::usage, "--force goes with --replace");
    if (config.names.empty()) throw Failure(Exit::usage, "missing NAME");
    config.command = line.command();
    if (!config.command.empty() && (exist_ok || reopen))
        throw Failure(Exit::usage, std::string(exist_ok ? "--exist-ok" : "--reopen") + " goes without COMMAND: its rings are removed when it ends");
    for (const std::string& name : config.names) shmq::path_of(name);

    using If = shmq::IfExists;
    options.if_exists = exist_ok ? If::keep : reopen ? If::reopen : force ? If::replace_force : replace ? If::replace : If::fail;
    options.producers = type.producers, options.consumers = type.consumers;
    if (record) {
        if (line.given("--slot-size") && options.slot_size != record->size)
            throw Failure(Exit::usage, fmt::format("--slot-size: found {}, but a record of this layout has {} bytes", options.slot_size, record->size));
        options.fixed = true, options.slot_size = record->size, options.record = layout_text(*record);
    }
    // The same room whatever the slots' size, but never a ring that one message fills.
    if (slots) options.slots = *slots;
    else if (options.slot_size) options.slots = std::max<std::uint64_t>(4, (4u << 20) / options.slot_size);
    return config;
}

gid_t group_id(const std::string& group) {
    if (const auto* const entry = shmq::detail::retry_interrupted([&] { return getgrnam(group.c_str()); })) return entry->gr_gid;
    gid_t gid = 0;
    const auto [end, error] = std::from_chars(group.data(), group.data() + group.size(), gid);
    // The highest number means "leave it" to chown.
    if (error != std::errc{} || end != group.data() + group.size() || gid == static_cast<gid_t>(-1))
        throw Failure(Exit::usage, fmt::format("--group: no such group '{}'", group));
    return gid;
}

// All rings or none, and no ring that outlives the command.
Exit run_job(const Config& config) {
    Job job;
    std::vector<shmq::ScopedRing> rings;
    std::string names;
    for (const std::string& name : config.names) {
        rings.emplace_back(name, config.options);
        names += (names.empty() ? "" : " ") + name;
    }
    setenv("SHMQ_RING", config.names[0].c_str(), 1);
    setenv("SHMQ_RINGS", names.c_str(), 1);
    Exit exit = job.run(config.command);
    for (shmq::ScopedRing& ring : rings) try {
            ring.remove();
        } catch (const shmq::Error& error) {
            const Exit failed = complain(error);
            if (exit == Exit::ok) exit = failed;
        }
    if (config.verbose) complain(fmt::format("{} rings removed, {} ended with {}", rings.size(), config.command[0], static_cast<int>(exit)));
    return exit;
}

// As mkdir: one name that fails does not keep the others from being made.
Exit run(Config config) {
    if (config.group) config.options.group = group_id(*config.group);
    if (!config.command.empty()) return run_job(config);
    Exit exit = Exit::ok;
    std::size_t made = 0;
    for (const std::string& name : config.names) {
        try {
            shmq::create(name, config.options);
            ++made;
        } catch (const shmq::Error& error) {
            if (error.code() == shmq::Errc::bad_option) throw;  // true of every name
            const Exit failed = complain(error);
            if (exit == Exit::ok) exit = failed;
        }
    }
    if (config.verbose) complain(fmt::format("{} of {} rings ready, {} slots of {} bytes each, pages of {} bytes", made, config.names.size(), config.options.slots, config.options.slot_size, shmq::page_size()));
    return exit;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("shmq-create", argc, argv, [](int c, char** v) { return run(parse(c, v)); });
}
