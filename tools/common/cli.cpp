#include "common/cli.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <numeric>
#include <shmq/detail/retry.hpp>
#include <utility>

#include "common/signals.hpp"

namespace {

const char* tool_name = "shmq";
bool printed = false;

struct Finished {};  // --help or --version has been printed

// How many letters are wrong, missing, too many or exchanged with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before, last(b.size() + 1), row(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            row[j + 1] = std::min({last[j] + (a[i] != b[j]), last[j + 1] + 1, row[j] + 1});
            if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j]) row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
        }
        before = std::exchange(last, row);
    }
    return last.back();
}

char small(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
std::string small(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char c) { return small(c); });
    return result;
}

// What somebody meant who wrote `text`; empty where nothing is near. More than two letters wrong, or half
// of them, is another word; whether they are large or small matters least.
std::string nearest(std::string_view text, const std::vector<std::string>& words) {
    std::string result;
    std::size_t best = 3;
    for (const std::string& word : words) {
        const std::size_t wrong = std::min(distance(word, text), 1 + distance(small(word), small(text)));
        if (wrong < best && 2 * wrong < word.size()) best = wrong, result = word;
    }
    return result;
}

std::string did_you_mean(const std::string& meant) { return meant.empty() ? "" : " (did you mean " + meant + "?)"; }

// Behind the message that there is no such ring, or that this is no name: the file of one will do as well.
std::string ring_meant(std::string_view what) noexcept {
    constexpr std::string_view unknown = ": no such ring", bad = "bad ring name '", file = "shmq.";
    try {
        std::string_view name;
        if (what.ends_with(unknown)) {
            name = what.substr(0, what.size() - unknown.size());
        } else if (what.starts_with(bad)) {
            name = what.substr(bad.size(), what.find('\'', bad.size()) - bad.size());
            name.remove_prefix(name.rfind('/') + 1);
            if (!name.starts_with(file)) return {};
        } else {
            return {};
        }
        const std::vector<std::string> rings = shmq::list();
        if (name.starts_with(file) && std::ranges::find(rings, name.substr(file.size())) != rings.end()) name.remove_prefix(file.size());
        return did_you_mean(nearest(name, rings));
    } catch (const std::exception&) {
        return {};  // a directory that cannot be read offers nothing
    }
}

// A descriptor that is closed at the start would be given to the next file opened: a ring, say, which
// then receives what is meant for stdout. One that can do nothing takes its place: EBADF, as before.
bool occupy_standard_descriptors() noexcept {
    for (int fd = 0; fd <= 2; ++fd)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && shmq::detail::retry_interrupted([] { return open("/", O_PATH); }) < 0) return false;
    return true;
}

// A limit on the size of files (ulimit -f) is to be an error, EFBIG, that can be told. A handler, not
// SIG_IGN: that would be inherited by a program we start.
void survive_file_size_limit() noexcept {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGXFSZ, &action, nullptr);
}

Failure stdout_failure(int error) { return Failure(Exit::io, fmt::format("stdout: {}", std::strerror(error))); }

// Somebody made stdout non-blocking; it may be shared, so it is not ours to change.
void wait_for_room() noexcept {
    pollfd out{STDOUT_FILENO, POLLOUT, 0};
    poll(&out, 1, -1);
}

// Again where it is interrupted; but a signal to die of does not wait for who reads stderr.
void say(const char* text, std::size_t size) noexcept {
    while (write(STDERR_FILENO, text, size) < 0 && errno == EINTR && !signals::caught()) {}
}

// What was written may still be refused when it is closed: a quota, a network file system.
void close_stdout() {
    if (printed && close(STDOUT_FILENO) != 0 && errno != EINTR) throw stdout_failure(errno);
}

Exit guarded(int argc, char** argv, Exit (*run)(int, char**)) {
    try {
        Exit exit = Exit::ok;
        try {
            exit = run(argc, argv);
        } catch (const Finished&) {
        }
        close_stdout();
        return exit;
    } catch (const shmq::Error& error) {
        const std::string_view what = error.what();
        constexpr std::string_view unknown = ": no such ring";
        if (!what.ends_with(unknown)) return complain(error);
        const std::string meant = ring_meant(what);
        complain(meant.empty() ? fmt::format("{} (create it with shmq-create {})", what, what.substr(0, what.size() - unknown.size())) : error.what() + meant);
        return Exit::no_ring;
    } catch (const std::exception& error) {
        return complain(error);
    }
}

}  // namespace

int guarded_main(const char* tool, int argc, char** argv, Exit (*run)(int, char**)) {
    tool_name = tool;
    if (!occupy_standard_descriptors()) {
        complain(fmt::format("cannot occupy a closed standard descriptor: {}", std::strerror(errno)));
        return static_cast<int>(Exit::os);
    }
    survive_file_size_limit();
    shmq::install_sigbus_handler();
    return static_cast<int>(guarded(argc, argv, run));
}

void print(std::string_view text) {
    printed = printed || !text.empty();
    while (!text.empty()) {
        const ssize_t wrote = write(STDOUT_FILENO, text.data(), text.size());
        if (wrote >= 0) text.remove_prefix(static_cast<std::size_t>(wrote));
        else if (errno == EPIPE) die_of(SIGPIPE);
        else if (errno == EAGAIN || errno == EWOULDBLOCK) wait_for_room();
        else if (errno != EINTR) throw stdout_failure(errno);
    }
}

void complain(std::string_view message) noexcept {
    // One write, so that the lines of several processes do not mix; cut rather than allocate.
    char line[2048];
    std::size_t size = 0;
    const auto add = [&](std::string_view part) {
        for (const char c : part.substr(0, sizeof line - 1 - size)) line[size++] = static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    };
    add(tool_name);
    add(": ");
    add(message);
    line[size++] = '\n';
    say(line, size);
}

Exit complain(const std::exception& error) noexcept {
    if (dynamic_cast<const std::bad_alloc*>(&error)) {
        complain("out of memory");
        return Exit::os;
    }
    if (const auto* ring = dynamic_cast<const shmq::Error*>(&error)) {
        complain(error.what() + ring_meant(error.what()));
        return exit_for(ring->code());
    }
    complain(error.what());
    const auto* failure = dynamic_cast<const Failure*>(&error);
    if (!failure) return Exit::os;
    if (failure->exit() == Exit::usage) {
        char hint[64];
        const auto end = fmt::format_to_n(hint, sizeof hint, "Try '{} --help'.\n", tool_name);
        say(hint, std::min(end.size, sizeof hint));
    }
    return failure->exit();
}

void die_of(int signal) noexcept {
    ::signal(signal, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    raise(signal);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    _exit(128 + signal);
}

// ---- exit codes ---------------------------------------------------------------------------------

Exit exit_for(shmq::Errc code) noexcept {
    using enum shmq::Errc;
    switch (code) {
        case no_such_ring: return Exit::no_ring;
        case exists: return Exit::exists;
        case not_a_ring:
        case other_version:
        case other_geometry:
        case corrupt: return Exit::not_ring;
        case permission: return Exit::permission;
        case in_use:
        case role_taken:
        case table_full:
        case removed: return Exit::unavailable;
        case bad_name:
        case bad_option: return Exit::usage;
        case no_room:
        case unsupported:
        case system: break;
    }
    return Exit::os;
}

Exit exit_for(shmq::Outcome outcome) noexcept {
    using enum shmq::Outcome;
    switch (outcome) {
        case ok: return Exit::ok;
        case full:
        case empty: return Exit::no;
        case timed_out: return Exit::timed_out;
        case ended:
        case removed: return Exit::unavailable;
        case too_long: return Exit::data;
        case corrupt: return Exit::not_ring;
        case interrupted:
        case forked: break;
    }
    return Exit::os;
}

const char* meaning(Exit exit) noexcept {
    switch (exit) {
        case Exit::ok: return "done";
        case Exit::no: return "the ordinary no";
        case Exit::usage: return "usage";
        case Exit::data: return "message too long, or bad data";
        case Exit::no_ring: return "no such ring";
        case Exit::unavailable: return "ring ended, in use or removed, role taken, or the peers died";
        case Exit::os: return "operating system error, no room";
        case Exit::exists: return "exists already";
        case Exit::io: return "reading stdin or writing stdout failed";
        case Exit::not_ring: return "not a ring, other version, other geometry, corrupt";
        case Exit::permission: return "permission denied";
        case Exit::timed_out: return "timed out";
        case Exit::not_executable: return "the command cannot be run";
        case Exit::not_found: return "the command is not there";
    }
    return "";
}

// ---- options ------------------------------------------------------------------------------------

// CLI11 classifies the arguments and keeps the table of options; values are taken as text and parsed
// here, once it is known that nobody asked for --help.
struct CommandLine::Parser : CLI::App {
    struct Taker {
        CLI::Option* option;
        std::function<void(const std::string&)> take;
    };
    About about;
    std::vector<Taker> takers;
    std::vector<std::string> given, command;

    explicit Parser(About&& about_) : CLI::App(about_.purpose, about_.tool), about(std::move(about_)) { set_help_flag(); }

    static bool takes_value(const CLI::Option* option) { return option && option->get_items_expected_max() > 0; }

    // The option whose value the next argument is, if this argument is one that needs it.
    const CLI::Option* open_option(const std::string& argument) const {
        if (argument.starts_with("--")) {
            const auto* const option = argument.size() > 2 ? get_option_no_throw(argument) : nullptr;
            return takes_value(option) ? option : nullptr;
        }
        if (!argument.starts_with('-')) return nullptr;
        for (std::size_t i = 1; i < argument.size(); ++i) {
            const auto* const option = get_option_no_throw(std::string{'-', argument[i]});
            if (!option) return nullptr;
            if (takes_value(option)) return i + 1 == argument.size() ? option : nullptr;
        }
        return nullptr;
    }

    // The arguments, last first as CLI11 wants them, without what it gets wrong: for `--data=` it would
    // take the next argument; an empty value is meant. Its complaints about values are not for people.
    std::vector<std::string> arguments(int argc, char** argv) {
        given.assign(argv, argv + argc);
        std::vector<std::string> result;
        const CLI::Option* open = nullptr;
        int i = 1;
        for (; i < argc; ++i) {
            std::string argument = argv[i];
            if (open) {
                open = nullptr;
            } else if (argument == "--") {
                if (!about.runs_command) break;
                command.assign(argv + i + 1, argv + argc);
                if (command.empty()) throw Failure(Exit::usage, "missing COMMAND behind --");
                argc = i;
            } else if (const auto equals = argument.find('='); argument.starts_with("--") && equals != std::string::npos) {
                const std::string name = argument.substr(0, equals);
                const auto* const option = get_option_no_throw(name);
                if (option && !takes_value(option)) throw Failure(Exit::usage, name + " takes no value");
                if (option && equals + 1 == argument.size()) {
                    result.push_back(name);
                    argument.clear();
                }
            } else {
                open = open_option(argument);
            }
            result.push_back(std::move(argument));
        }
        if (open) throw Failure(Exit::usage, fmt::format("{} needs a value: {}", open->get_name(), open->get_option_text()));
        for (; i < argc; ++i) result.emplace_back(argv[i]);
        std::reverse(result.begin(), result.end());
        return result;
    }

    // A long option that was meant by `name`, which has no dashes.
    std::string long_option_near(std::string_view name) const {
        std::vector<std::string> words;
        for (const auto* option : get_options())
            for (const std::string& word : option->get_lnames()) words.push_back(word);
        const auto begins = std::ranges::find_if(words, [&](const std::string& word) { return word.starts_with(name); });
        if (begins != words.end()) return *begins;
        const std::string near = nearest(name, words);
        if (!near.empty()) return near;
        const auto ends = std::ranges::find_if(words, [&](const std::string& word) { return word.ends_with("-" + std::string(name)); });
        return ends != words.end() ? *ends : "";
    }

    [[noreturn]] void unknown(std::string_view argument) const {
        std::string name(argument.substr(0, argument.find('='))), meant;
        if (name.starts_with("--")) {
            if (name.size() > 3) meant = long_option_near(name.substr(2));
        } else {
            // A long one with one dash, out of which the letters before this one were taken?
            for (const std::string& whole : given)
                if (whole.size() > 2 && whole.ends_with(name.substr(1)) && !whole.starts_with("--") && get_option_no_throw("-" + whole)) name = whole, meant = whole.substr(1);
            const std::string other{'-', static_cast<char>(name[1] ^ 0x20)};
            if (meant.empty() && name.size() == 2 && get_option_no_throw(other)) throw Failure(Exit::usage, "unknown option " + name + did_you_mean(other));
        }
        throw Failure(Exit::usage, "unknown option " + name + did_you_mean(meant.empty() ? "" : "--" + meant));
    }

    // -count 3 is -c with the value "ount".
    std::string long_one_meant(const CLI::Option* option) const {
        for (const std::string& name : option->get_lnames())
            if (std::ranges::find(given, "-" + name) != given.end()) return did_you_mean("--" + name);
        return {};
    }

    // CLI11 leaves the operands, with what it did not know, as the arguments "missing" a place.
    std::vector<std::string> operands() const {
        std::vector<std::string> result;
        for (const auto& [kind, text] : missing_) {
            if (kind == CLI::detail::Classifier::LONG || kind == CLI::detail::Classifier::SHORT) unknown(text);
            if (kind == CLI::detail::Classifier::NONE) result.push_back(text);
        }
        return result;
    }

    // Words in lines of a terminal's width, all but the first behind `indent` spaces.
    static std::string wrapped(std::string_view text, std::size_t indent) {
        constexpr std::size_t width = 80;
        std::string result;
        std::size_t column = indent;
        while (!text.empty()) {
            const std::string_view word = text.substr(0, text.find_first_of(" \n"));
            text.remove_prefix(std::min(text.size(), word.size() + 1));
            if (column > indent && column + 1 + word.size() > width) result += "\n" + std::string(indent, ' '), column = indent;
            else if (column > indent) result += ' ', ++column;
            result += word;
            column += word.size();
        }
        return result;
    }

    std::string help_text() const {
        std::string text = "Usage: " + wrapped(fmt::format("{} {}", about.tool, about.synopsis), 7) + "\n" + wrapped(about.purpose, 0) + "\n\nOptions:\n";
        for (const auto* option : get_options()) {
            std::string names = option->get_snames().empty() ? "    " : "-" + option->get_snames()[0] + (option->get_lnames().empty() ? "" : ", ");
            if (!option->get_lnames().empty()) names += "--" + option->get_lnames()[0];
            if (takes_value(option)) names += " " + option->get_option_text();
            text += fmt::format("  {:<26}{}{}\n", names, names.size() < 26 ? "" : "\n" + std::string(28, ' '), wrapped(option->get_description(), 28));
        }
        text += fmt::format("\nExamples:\n{}\nExit status:\n", about.examples);
        for (const Exit exit : about.exits) text += fmt::format("  {:>3}  {}\n", static_cast<int>(exit), meaning(exit));
        return text + fmt::format("\nSee {}(1).\n", about.tool);
    }
};

CommandLine::CommandLine(About about, Common& common) : parser_(new Parser(std::move(about))), common_(&common) {}
CommandLine::~CommandLine() = default;

void CommandLine::flag(const char* names, const char* help, bool& field) { parser_->add_flag(names, field, help); }

void CommandLine::option(const char* names, const char* value, const char* help, std::function<void(const std::string&)> take) {
    parser_->takers.push_back({parser_->add_option(names, CLI::callback_t{}, help)->take_all()->option_text(value), std::move(take)});
}

const std::vector<std::string>& CommandLine::command() const { return parser_->command; }

bool CommandLine::given(const char* name) const { return parser_->get_option(name)->count() > 0; }

void CommandLine::at_most_one_of(std::initializer_list<const char*> names) const {
    const char* first = nullptr;
    for (const char* name : names) {
        if (!given(name)) continue;
        if (first) throw Failure(Exit::usage, fmt::format("{} and {} exclude each other", first, name));
        first = name;
    }
}

std::vector<std::string> CommandLine::read(int argc, char** argv) {
    parser_->add_flag("-q,--quiet", common_->quiet, "errors only");
    parser_->add_flag("-v,--verbose", common_->verbose, "one closing summary on stderr");
    parser_->set_help_flag("-h,--help", "print this help and exit");
    parser_->set_version_flag("-V,--version", SHMQ_VERSION, "print the version and exit");
    parser_->allow_extras();
    try {
        parser_->parse(parser_->arguments(argc, argv));
        for (const auto& taker : parser_->takers)
            for (const std::string& text : taker.option->results()) try {
                    taker.take(text);
                } catch (const Failure& failure) {
                    throw Failure(failure.exit(), taker.option->get_name() + ": " + failure.what() + parser_->long_one_meant(taker.option));
                }
        return parser_->operands();
    } catch (const CLI::CallForHelp&) {
        print(parser_->help_text());
    } catch (const CLI::CallForVersion&) {
        print(fmt::format("{} {}\n", parser_->about.tool, SHMQ_VERSION));
    } catch (const CLI::Error& error) {
        throw Failure(Exit::usage, error.what());
    }
    throw Finished();
}

std::string ring_operand(const std::vector<std::string>& operands, std::string_view hint) {
    if (operands.size() > 1)
        throw Failure(Exit::usage, fmt::format("extra operand '{}': found {}, expected one NAME{}", operands[1], operands.size(), hint));
    const char* const preset = std::getenv("SHMQ_RING");
    if (operands.empty() && (!preset || !*preset)) throw Failure(Exit::usage, "missing NAME, and SHMQ_RING is not set");
    std::string name = operands.empty() ? preset : operands[0];
    shmq::path_of(name);
    return name;
}

// ---- values -------------------------------------------------------------------------------------

void refuse(std::string_view found, std::string_view expected) { throw Failure(Exit::usage, fmt::format("found '{}', expected {}", found, expected)); }
void refuse(std::string_view found, std::string_view expected, const std::vector<std::string>& words) {
    refuse(found, fmt::format("{} {}{}", expected, fmt::join(words, ", "), did_you_mean(nearest(found, words))));
}

namespace {

bool digit(char c) noexcept { return c >= '0' && c <= '9'; }

// The whole number that `text` begins with; the rest stays in `text`.
std::uint64_t leading_number(std::string_view& text, const char* expected) {
    const std::string_view all = text;
    if (text.empty() || !digit(text[0])) refuse(all, expected);
    if (text.size() > 1 && text[0] == '0' && digit(text[1])) refuse(all, fmt::format("{}, without leading zeros", expected));
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) refuse(all, fmt::format("{}, at most {}", expected, std::numeric_limits<std::uint64_t>::max()));
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

}  // namespace

std::uint64_t parse_count(std::string_view text) {
    constexpr const char* expected = "a whole number";
    std::string_view rest = text;
    const std::uint64_t value = leading_number(rest, expected);
    if (!rest.empty()) refuse(text, expected);
    return value;
}

std::uint64_t parse_size(std::string_view text) {
    constexpr const char* expected = "a number such as 64, 4K (4096) or 4KB (4000)";
    std::string_view rest = text;
    std::uint64_t value = leading_number(rest, expected);
    if (rest.empty()) return value;
    const auto power = std::string_view("KMGTPE").find(static_cast<char>(rest[0] & ~0x20));
    const std::string_view unit = rest.substr(1);
    if (power == std::string_view::npos || !(unit.empty() || unit == "B" || unit == "iB")) refuse(text, expected);
    for (std::size_t i = 0; i <= power; ++i)
        if (__builtin_mul_overflow(value, unit == "B" ? 1000u : 1024u, &value)) refuse(text, fmt::format("{}, at most {}", expected, std::numeric_limits<std::uint64_t>::max()));
    return value;
}

std::chrono::nanoseconds parse_duration(std::string_view text) {
    constexpr const char* expected = "a time such as 1.5 (seconds), 20ms, 5us, 2m or 1h";
    // Only digits and a point may begin it: from_chars would also take a sign, inf and nan.
    if (text.empty() || !(digit(text[0]) || text[0] == '.')) refuse(text, expected);
    if (text.size() > 1 && text[0] == '0' && digit(text[1])) refuse(text, fmt::format("{}, without leading zeros", expected));
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error == std::errc::invalid_argument) refuse(text, expected);
    constexpr Choice<double> units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"m", 60e9}, {"h", 3600e9}};
    const std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
    const auto* const unit = std::ranges::find(units, rest, &Choice<double>::name);
    if (unit == std::end(units)) refuse(text, expected);
    const double nanoseconds = std::ceil(value * unit->value);  // up: a wait of a little is not no wait
    if (error != std::errc{} || !(nanoseconds < 9.2e18)) refuse(text, "a time below 292 years");
    return std::chrono::nanoseconds(static_cast<std::int64_t>(nanoseconds));
}

shmq::Waiting parse_waiting(std::string_view text) {
    static constexpr Choice<shmq::Waiting> choices[] = {{"adaptive", shmq::Waiting::adaptive}, {"block", shmq::Waiting::block}, {"spin", shmq::Waiting::spin}};
    return choose(text, choices);
}
