// What the commands share: the guard around main, one way to declare options, and parsers that refuse
// what they cannot represent.
//
//   struct Config : Common { std::uint64_t count = 0; std::string ring; };
//
//   Config parse(int argc, char** argv) {
//       Config config;
//       CommandLine line({.tool = "shmq-pop", .synopsis = "[OPTION]... [NAME]", .purpose = "...", ...}, config);
//       line.option("-c,--count", "N", "stop after N messages", config.count, parse_count);
//       config.ring = ring_operand(line.read(argc, argv));
//       return config;
//   }
//   Exit run(const Config& config);
//   int main(int argc, char** argv) {
//       return guarded_main("shmq-pop", argc, argv, [](int c, char** v) { return run(parse(c, v)); });
//   }
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/exit_status.hpp"

// A tool's own error: what to say, without the tool's name, and how to end.
class Failure : public std::runtime_error {
public:
    Failure(Exit exit, const std::string& what) : std::runtime_error(what), exit_(exit) {}
    Exit exit() const noexcept { return exit_; }

private:
    Exit exit_;
};

// Everything a command does happens in here: exceptions become one line on stderr and an exit code.
int guarded_main(const char* tool, int argc, char** argv, Exit (*run)(int, char**));

// Writes to stdout, all of it or Failure(io); where the reader is gone, dies of SIGPIPE. No buffer:
// hand over whole documents.
void print(std::string_view text);
// One line on stderr in one write, behind the tool's name; control characters become '?'.
void complain(std::string_view message) noexcept;
// The same for an exception the command survives; returns the code to end with.
Exit complain(const std::exception& error) noexcept;
[[noreturn]] void die_of(int signal) noexcept;  // with the default action, whatever was inherited

// ---- options ------------------------------------------------------------------------------------

struct Common {
    bool quiet = false;    // -q: errors only
    bool verbose = false;  // -v: one closing summary on stderr
};

struct About {
    const char* tool;
    const char* synopsis;  // "[OPTION]... NAME..."
    const char* purpose;   // one sentence
    const char* examples;  // a line each, indented by two
    std::vector<Exit> exits;
    bool runs_command = false;  // `--` begins a command with its arguments
};

// CLI11 behind it. An option may be repeated: the last one wins, a vector collects. -h, -V, -q and -v
// come by themselves.
class CommandLine {
public:
    CommandLine(About about, Common& common);
    ~CommandLine();

    void flag(const char* names, const char* help, bool& field);
    // field = parser(text), or field.push_back(text) where there is no parser.
    template <class Field, class Parser>
    void option(const char* names, const char* value, const char* help, Field& field, Parser parser) {
        option(names, value, help, [&field, parser](const std::string& text) { field = parser(text); });
    }
    void option(const char* names, const char* value, const char* help, std::vector<std::string>& field) {
        option(names, value, help, [&field](const std::string& text) { field.push_back(text); });
    }
    void option(const char* names, const char* value, const char* help, std::string& field) {
        option(names, value, help, [&field](const std::string& text) { field = text; });
    }
    void option(const char* names, const char* value, const char* help, std::function<void(const std::string&)> take);
    bool given(const char* name) const;                        // after read(): was `--name` there
    void at_most_one_of(std::initializer_list<const char*> names) const;  // after read(): else a usage error

    // Fills the fields and answers the operands. --help and --version end the command here.
    std::vector<std::string> read(int argc, char** argv);
    const std::vector<std::string>& command() const;  // after read(): what was behind `--`

private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
    Common* common_;
};

// The one ring of push and pop: the operand, else $SHMQ_RING. Validated, not opened. The hint is for
// whoever gave more operands.
std::string ring_operand(const std::vector<std::string>& operands, std::string_view hint = {});

// ---- values -------------------------------------------------------------------------------------
// All refuse (64) what is empty, negative, too big, has a leading zero or anything behind it.

[[noreturn]] void refuse(std::string_view found, std::string_view expected);
[[noreturn]] void refuse(std::string_view found, std::string_view expected, const std::vector<std::string>& words);  // and which of them is near
template <class Row, std::size_t count>
[[noreturn]] void refuse(std::string_view found, std::string_view expected, const Row (&table)[count]) {  // a name that no row has
    std::vector<std::string> names;
    for (const Row& row : table) names.emplace_back(row.name);
    refuse(found, expected, names);
}

std::uint64_t parse_count(std::string_view text);                // 0, 1, 2, ...
std::uint64_t parse_size(std::string_view text);                 // as coreutils: 64, 4K = 4KiB = 4096, 4KB = 4000, M, G, ...
std::chrono::nanoseconds parse_duration(std::string_view text);  // 1.5 (seconds), 20ms, 5us, 2s, 3m, 1h
shmq::Waiting parse_waiting(std::string_view text);

template <class Value>
struct Choice {
    const char* name;
    Value value;
};
template <class Value, std::size_t count>
Value choose(std::string_view text, const Choice<Value> (&choices)[count]) {
    for (const auto& choice : choices)
        if (text == choice.name) return choice.value;
    refuse(text, "one of", choices);
}
