// shmq-stat: what is in the rings and who is attached. Looks only: read-only mappings, no locks.
#include <fmt/format.h>
#include <pwd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/cli.hpp"

namespace {

using shmq::Status;
using Json = nlohmann::ordered_json;

struct Column {
    const char* name;
    const char* key;  // in JSON
    bool right;
    Json (*value)(const Status&);
    bool size = false;  // in bytes: shown human-readable
};

// An id without a name is shown as the number.
std::string user_name(uid_t uid) {
    const auto* const entry = getpwuid(uid);
    return entry ? entry->pw_name : std::to_string(uid);
}

const char* name_of(shmq::RingState state) {
    return state == shmq::RingState::open ? "open" : state == shmq::RingState::ended ? "ended" : "removed";
}
const char* name_of(shmq::Waiting waiting) {
    return waiting == shmq::Waiting::block ? "block" : waiting == shmq::Waiting::spin ? "spin" : "adaptive";
}
std::string type_of(const Status& s) { return fmt::format("{}p{}c", s.producers == shmq::one ? 's' : 'm', s.consumers == shmq::one ? 's' : 'm'); }

// Rounded up, as df does: 0 is empty.
std::uint64_t percent_used(const Status& s) { return (s.used * 100 + s.slots - 1) / s.slots; }

constexpr Column columns[] = {
    {"NAME", "name", false, [](const Status& s) { return Json(s.name); }},
    {"TYPE", "type", false, [](const Status& s) { return Json(type_of(s)); }},
    {"STATE", "state", false, [](const Status& s) { return Json(name_of(s.state)); }},
    {"USED", "used", true, [](const Status& s) { return Json(s.used); }},
    {"SLOTS", "slots", true, [](const Status& s) { return Json(s.slots); }},
    {"USE%", "use_percent", true, [](const Status& s) { return Json(percent_used(s)); }},
    {"MSGS", "messages", true, [](const Status& s) { return Json(s.messages); }},
    {"READERS", "readers", true, [](const Status& s) { return Json(s.readers); }},
    {"WRITERS", "writers", true, [](const Status& s) { return Json(s.writers); }},
    {"LOST", "lost", true, [](const Status& s) { return Json(s.lost); }},
    // The columns above are shown by default.
    {"PUSHED", "pushed", true, [](const Status& s) { return Json(s.pushed); }},
    {"POPPED", "popped", true, [](const Status& s) { return Json(s.popped); }},
    {"REDELIVERED", "redelivered", true, [](const Status& s) { return Json(s.redelivered); }},
    {"ABANDONED", "abandoned", true, [](const Status& s) { return Json(s.abandoned); }},
    {"SIZE", "segment_bytes", true, [](const Status& s) { return Json(s.segment_bytes); }, true},
    {"MODE", "mode", true, [](const Status& s) { return Json(fmt::format("{:04o}", s.mode)); }},
    {"OWNER", "owner", false, [](const Status& s) { return Json(user_name(s.owner)); }},
    {"RECORD", "record", false, [](const Status& s) { return s.record.empty() ? Json() : Json(s.record); }},
};
constexpr std::size_t default_columns = 10;

struct Config : Common {
    bool json = false, raw = false, bytes = false, no_headings = false;
    std::vector<const Column*> shown;
    bool chosen = false;  // by -o: restricts JSON too
    std::vector<std::string> names;
};

std::vector<const Column*> defaults() {
    std::vector<const Column*> result;
    for (std::size_t i = 0; i < default_columns; ++i) result.push_back(&columns[i]);
    return result;
}

// COLUMN,... in any case; a leading + adds to the default.
std::vector<const Column*> parse_columns(std::string_view text) {
    std::vector<const Column*> result;
    if (text.starts_with('+')) {
        result = defaults();
        text.remove_prefix(1);
    }
    for (bool more = true; more;) {
        const auto comma = text.find(',');
        std::string name(text.substr(0, comma));
        std::ranges::transform(name, name.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
        const auto* const column = std::ranges::find(columns, std::string_view(name), [](const Column& c) { return std::string_view(c.name); });
        if (column == std::end(columns)) {
            std::string known;
            for (const Column& c : columns) known += (known.empty() ? "" : ", ") + std::string(c.name);
            refuse(name, "columns out of " + known);
        }
        result.push_back(column);
        more = comma != std::string_view::npos;
        if (more) text.remove_prefix(comma + 1);
    }
    return result;
}

Config parse(int argc, char** argv) {
    Config config;
    config.shown = defaults();
    CommandLine line({.tool = "shmq-stat",
                      .synopsis = "[OPTION]... [NAME]...",
                      .purpose = "Show rings: those named, or all in $SHMQ_DIR.",
                      .examples = "  shmq-stat\n"
                                  "  shmq-stat -r --noheadings -o NAME,MSGS | awk '$2 > 1000'\n"
                                  "  shmq-stat -J jobs | jq '.rings[0].messages'\n",
                      .exits = {Exit::ok, Exit::usage, Exit::no_ring, Exit::os, Exit::io, Exit::not_ring, Exit::permission}},
                     config);
    line.flag("-J,--json", "JSON, all there is to know (or the columns of -o)", config.json);
    line.flag("-r,--raw", "one space between columns, nothing aligned;\nnumbers as with -b", config.raw);
    line.flag("-b,--bytes", "sizes in bytes", config.bytes);
    line.option("-o,--output", "COLUMNS", "which columns; +COLUMNS adds to the default.\nNAME TYPE STATE USED SLOTS USE% MSGS READERS WRITERS LOST\n"
                "(default), PUSHED POPPED REDELIVERED ABANDONED SIZE MODE OWNER RECORD", config.shown, parse_columns);
    line.flag("--noheadings", "no line of headings", config.no_headings);
    config.names = line.read(argc, argv);

    line.at_most_one_of({"--json", "--raw"});
    config.chosen = line.given("--output");
    for (const std::string& name : config.names) shmq::path_of(name);
    return config;
}

std::string human(std::uint64_t bytes) {
    if (bytes < 1024) return std::to_string(bytes) + 'B';
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (value /= 1024; value >= 1023.95 && unit < 5; ++unit) value /= 1024;
    std::string text = fmt::format("{:.1f}", value);
    if (text.ends_with(".0")) text.resize(text.size() - 2);
    return text + "KMGTPE"[unit];
}

// A record layout may be any text that a program gave.
std::string one_word(std::string text) {
    std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; }, '?');
    return text;
}

std::string cell(const Column& column, const Status& status, const Config& config) {
    const Json value = column.value(status);
    if (value.is_null()) return "-";
    if (value.is_string()) return one_word(value.get<std::string>());
    const auto number = value.get<std::uint64_t>();
    return column.size && !config.bytes && !config.raw ? human(number) : std::to_string(number);
}

std::string as_table(const std::vector<Status>& rings, const Config& config) {
    std::vector<std::vector<std::string>> rows;
    if (!config.no_headings) {
        auto& row = rows.emplace_back();
        for (const Column* column : config.shown) row.emplace_back(column->name);
    }
    for (const Status& status : rings) {
        auto& row = rows.emplace_back();
        for (const Column* column : config.shown) row.push_back(cell(*column, status, config));
    }
    std::vector<std::size_t> width(config.shown.size());
    if (!config.raw)
        for (const auto& row : rows)
            for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
    std::string text;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (i) text += ' ';
            const bool last = i + 1 == row.size();  // nothing behind the last one
            if (config.shown[i]->right) text += fmt::format("{:>{}}", row[i], width[i]);
            else text += fmt::format("{:<{}}", row[i], last ? 0 : width[i]);
        }
        text += '\n';
    }
    return text;
}

Json as_json(const Status& s, const Config& config) {
    Json ring;
    if (config.chosen) {
        for (const Column* column : config.shown) ring[column->key] = column->value(s);
        return ring;
    }
    for (const Column& column : columns) ring[column.key] = column.value(s);
    ring["path"] = s.path;
    ring["fixed"] = s.fixed;
    ring["timestamps"] = s.timestamps;
    ring["waiting"] = name_of(s.waiting);
    ring["slot_size"] = s.slot_size;
    ring["physical_slots"] = s.physical_slots;
    ring["max_message"] = s.max_message;
    ring["max_participants"] = s.max_participants;
    ring["producers_ended_badly"] = s.producers_ended_badly;
    ring["consumers_ended_badly"] = s.consumers_ended_badly;
    ring["write_position"] = s.write_position;
    ring["read_position"] = s.read_position;
    ring["free_position"] = s.free_position;
    ring["id"] = fmt::format("{:016x}{:016x}", s.id[0], s.id[1]);
    ring["created_ns"] = s.created_ns;
    ring["active_ns"] = s.active_ns;
    ring["creator_pid"] = s.creator_pid;
    ring["creator_uid"] = s.creator_uid;
    ring["creator_gid"] = s.creator_gid;
    ring["uid"] = s.owner;
    ring["gid"] = s.group;
    ring["format_version"] = s.format_version;
    return ring;
}

Exit run(const Config& config) {
    Exit exit = Exit::ok;
    std::vector<Status> rings;
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
        for (const Status& status : rings) document["rings"].push_back(as_json(status, config));
        print(document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
    } else if (all || !rings.empty()) {
        print(as_table(rings, config));
    }
    if (config.verbose) complain(fmt::format("{} of {} rings shown", rings.size(), names.size()));
    return exit;
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("shmq-stat", argc, argv, [](int c, char** v) { return run(parse(c, v)); });
}
