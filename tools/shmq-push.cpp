// shmq-push: input -> messages -> ring.
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "common/cli.hpp"
#include "common/framing.hpp"
#include "common/io.hpp"
#include "common/record.hpp"
#include "common/signals.hpp"
#include "common/wait_ring.hpp"

namespace {

using shmq::Bytes;
using shmq::Outcome;

struct Config : Common {
    std::string ring;
    const Framing* framing = &find_framing("line");
    std::vector<std::string> data;
    std::optional<std::uint64_t> count;
    std::optional<std::chrono::nanoseconds> time_out;
    std::optional<shmq::Waiting> waiting;
    bool no_wait = false, end = false, wait_ring = false, skip_oversize = false;
};

Config parse(int argc, char** argv) {
    Config config;
    bool nul = false, whole = false, json = false;
    CommandLine line({.tool = "shmq-push", .synopsis = "[OPTION]... [NAME]",
                      .purpose = "Push messages, one a line of stdin, into the ring NAME (default: $SHMQ_RING).",
                      .examples = "  seq 1000 | shmq-push jobs\n"
                                  "  shmq-push -d 'one message' -d another jobs\n"
                                  "  tar c . | shmq-push -F chunk -e backup\n",
                      .exits = {Exit::ok, Exit::no, Exit::usage, Exit::data, Exit::no_ring, Exit::unavailable, Exit::os, Exit::io, Exit::not_ring, Exit::permission, Exit::timed_out}}, config);
    line.option("-F,--framing", "FRAMING", ("how stdin is cut into messages: " + framing_names()).c_str(), config.framing, [](const std::string& name) { return &find_framing(name); });
    line.flag("-z,--nul", "messages end with a NUL byte (-F nul)", nul);
    line.flag("-w,--whole", "all of stdin is one message (-F whole)", whole);
    line.flag("-J,--json", "one JSON object a line, {\"data\":...} or {\"base64\":...}", json);
    line.option("-d,--data", "TEXT", "push TEXT and do not read stdin; may be repeated", config.data);
    line.option("-c,--count", "N", "stop after N messages", config.count, parse_count);
    line.flag("-n,--no-wait", "fail (1) when the ring is full", config.no_wait);
    line.option("-t,--timeout", "TIME", "fail (124) when one message had to wait so long", config.time_out, parse_duration);
    line.flag("-e,--end", "mark the end of the stream behind the last message", config.end);
    line.flag("--wait-ring", "wait until there is a ring of that name", config.wait_ring);
    line.option("--waiting", "HOW", "wait for room: adaptive, block or spin", config.waiting, parse_waiting);
    line.flag("--skip-oversize", "leave out messages that can never fit", config.skip_oversize);
    config.ring = ring_operand(line.read(argc, argv), " (messages come from stdin, or -d TEXT)");
    line.at_most_one_of({"--framing", "--nul", "--whole", "--json"});
    line.at_most_one_of({"--no-wait", "--timeout"});
    if (nul || whole || json) config.framing = &find_framing(nul ? "nul" : whole ? "whole" : "json");
    return config;
}

// Messages on their way into the ring, and everything that can stop them.
class Feed {
public:
    Feed(shmq::Producer& ring, const Config& config) : ring_(ring), config_(config), left_(config.count.value_or(UINT64_MAX)) {}

    bool done() const noexcept { return left_ == 0 || exit_ != Exit::ok; }
    std::uint64_t left() const noexcept { return left_; }
    std::size_t limit() const noexcept { return ring_.max_message(); }

    void push(std::span<const Bytes> messages) {
        messages = messages.first(std::min<std::uint64_t>(messages.size(), left_));
        while (!messages.empty() && !done()) {
            if (signals::caught()) throw Stopped();
            const shmq::Pushed pushed = push_some(messages);
            count(messages.first(pushed.count));
            messages = messages.subspan(pushed.count);
            if (pushed.outcome == Outcome::too_long) {
                too_long(messages[0].size());
                messages = messages.subspan(1);
            } else if (pushed.outcome != Outcome::ok) {
                stop(pushed.outcome);
            }
        }
    }
    // Straight from stdin into the ring. REQUIRES: n <= limit().
    bool push_from(Input& input, std::size_t n) {
        shmq::Claim claim = ring_.claim(n, deadline());
        if (!claim) return stop(claim.outcome()), false;
        const std::size_t got = input.read(claim.bytes());
        if (got == 0) return false;
        if (const Outcome outcome = claim.commit(got); outcome != Outcome::ok) return stop(outcome), false;
        ++pushed_, --left_, bytes_ += got;
        return true;
    }
    void too_long(std::size_t found, const char* or_more = "") {
        const std::string what = number() + " has " + counted(found, "byte") + or_more + ", the ring takes " + (ring_.fixed() ? "exactly " : "at most ") + std::to_string(limit());
        if (!config_.skip_oversize) throw Failure(Exit::data, config_.ring + ": " + what + so_far());
        if (++skipped_ == 1 && !config_.quiet) complain(config_.ring + ": skipped: " + what);
    }
    [[noreturn]] void bad(const std::string& why) { throw Failure(Exit::data, config_.ring + ": " + number() + ": " + why + so_far()); }

    Exit finish() {
        if (exit_ == Exit::ok && config_.end) {
            if (const Outcome outcome = ring_.end(); outcome != Outcome::ok) stop(outcome);
        }
        if (skipped_ > 1 && !config_.quiet) complain(config_.ring + ": skipped " + counted(skipped_, "message") + " that can never fit");
        if (config_.verbose) complain(config_.ring + ": pushed " + counted(pushed_, "message") + ", " + counted(bytes_, "byte") + (skipped_ ? ", skipped " + std::to_string(skipped_) : ""));
        // No room is an answer. In the middle of the input it also cuts the stream short.
        if (exit_ != Exit::ok && pushed_ > 0) ring_.leave_badly();
        return exit_;
    }

private:
    shmq::Deadline deadline() const noexcept { return config_.no_wait ? shmq::no_wait : config_.time_out ? shmq::after(*config_.time_out) : shmq::forever; }
    // A time-out is one message's: take what fits, then wait for the first that did not.
    shmq::Pushed push_some(std::span<const Bytes> messages) {
        if (!config_.time_out) return ring_.push(messages, deadline());
        const shmq::Pushed pushed = ring_.push(messages, shmq::no_wait);
        if (pushed.outcome != Outcome::full || pushed.count > 0) return {pushed.outcome == Outcome::full ? Outcome::ok : pushed.outcome, pushed.count};
        return ring_.push(messages.first(1), deadline());
    }
    void count(std::span<const Bytes> messages) noexcept {
        pushed_ += messages.size(), left_ -= messages.size();
        if (config_.verbose)
            for (const Bytes message : messages) bytes_ += message.size();
    }
    void stop(Outcome outcome) {
        if (outcome == Outcome::interrupted) throw Stopped();
        if (outcome != Outcome::full && outcome != Outcome::timed_out) throw Failure(exit_for(outcome), config_.ring + ": " + shmq::describe(outcome) + so_far());
        exit_ = exit_for(outcome);
        if (!config_.quiet && (pushed_ > 0 || outcome == Outcome::timed_out)) complain(config_.ring + ": " + shmq::describe(outcome) + so_far());
    }
    std::string number() const { return (config_.framing->delimiter == '\n' && config_.data.empty() ? "line " : "message ") + std::to_string(pushed_ + skipped_ + 1); }
    std::string so_far() const { return pushed_ == 0 ? "" : " (after " + counted(pushed_, "message") + ")"; }

    shmq::Producer& ring_;
    const Config& config_;
    Exit exit_ = Exit::ok;
    std::uint64_t pushed_ = 0, skipped_ = 0, bytes_ = 0, left_;
};

// Past a message that is too long, without keeping it; then it is known how long it was.
void skip(Input& input, const Framing& framing, const Cut& cut, Feed& feed) {
    std::size_t left = cut.skip, found = 0;
    for (bool more = true; more;) {
        const auto unread = input.unread();
        std::size_t drop = std::min(left, unread.size());
        if (left != Cut::all) left -= drop;
        found += drop;
        if (left == 0 && framing.delimiter != Framing::no_delimiter) {
            const auto* const begin = unread.data() + drop;
            const auto* const delimiter = static_cast<const std::byte*>(std::memchr(begin, framing.delimiter, unread.size() - drop));
            found += delimiter ? static_cast<std::size_t>(delimiter - begin) : unread.size() - drop;
            drop = delimiter ? static_cast<std::size_t>(delimiter - unread.data()) + 1 : unread.size();
            more = !delimiter;
        } else {
            more = left > 0;
        }
        input.drop(drop);
        if (more) more = input.fill();
    }
    feed.too_long(cut.skip == Cut::all || framing.delimiter != Framing::no_delimiter ? found : cut.partial);
}

void push_messages(Input& input, const Framing& framing, const Shape& shape, const Config& config, Feed& feed) {
    std::vector<Bytes> messages;
    std::vector<std::byte> room;
    // With -c, what comes behind the last message is the next program's: put back, or not read at all.
    const bool seekable = config.count && input.seekable(), frugal = config.count && !seekable && !framing.single;
    Cut cut = framing.cut(framing, {}, shape, messages);
    const std::size_t least = cut.need;
    for (bool more = true; more && !feed.done();) {
        more = input.fill(frugal ? cut.need + least * std::min<std::uint64_t>(feed.left() - 1, 1 << 20) : SIZE_MAX);
        do {
            messages.clear();
            cut = framing.cut(framing, {input.unread(), cut.seen, !more, feed.left(), &room}, shape, messages);
            feed.push(messages);
            input.drop(cut.used);
        } while (cut.again && !feed.done());
        if (feed.done()) break;
        if (cut.partial > feed.limit()) {
            if (!config.skip_oversize) feed.too_long(cut.partial, framing.delimiter != Framing::no_delimiter || framing.single ? " or more" : "");
            skip(input, framing, cut, feed);
            if (framing.single) break;  // the one message there was
            cut = {.need = least};
        } else if (!cut.bad.empty()) {
            feed.bad(cut.bad);
        }
    }
    if (seekable) input.give_back();
}

// A byte stream, read(2) straight into the ring. Only what is there already: a claim that waits for
// input would hold up the other producers. For the rest a buffer waits.
void push_stream(Input& input, shmq::Producer& ring, Feed& feed) {
    const std::size_t chunk = std::min<std::uint64_t>({64 * 1024, ring.max_message(), std::max<std::uint64_t>(16, ring.capacity() * ring.slot_size() / 8)});
    while (!feed.done()) {
        if (const std::size_t there = std::min(input.waiting(), chunk); there > 0) {
            if (!feed.push_from(input, there)) break;
        } else {
            if (!input.fill(chunk)) break;
            const Bytes message = input.unread();
            feed.push({&message, 1});
            input.drop(message.size());
        }
    }
}

void push_data(const Config& config, const Shape& shape, Feed& feed) {
    std::vector<Bytes> messages;
    if (config.framing->name != "json") {
        for (const std::string& text : config.data) messages.push_back(shmq::bytes(text));
        return feed.push(messages);
    }
    std::vector<std::byte> room;
    for (std::string text : config.data) {
        if (text.empty()) feed.bad("not a JSON document");
        Cut cut{.again = true};
        for (auto rest = std::as_writable_bytes(std::span(text)); cut.again && !feed.done(); rest = rest.subspan(cut.used)) {
            messages.clear();
            cut = config.framing->cut(*config.framing, {rest, 0, true, feed.left(), &room}, shape, messages);
            feed.push(messages);
            if (!cut.bad.empty() && !feed.done()) feed.bad(cut.bad);
        }
    }
}

Exit feed_ring(shmq::Producer& ring, const Config& config) {
    Feed feed(ring, config);
    std::optional<Record> record;
    if (config.framing->name == "json") record = record_of_ring(config.ring, ring.record(), ring.fixed(), ring.slot_size());
    const Shape shape{ring.max_message(), config.framing->name == "fixed" ? shmq::stat(config.ring).slot_size : ring.slot_size(), record ? &*record : nullptr};
    if (!config.data.empty()) {
        push_data(config, shape, feed);
    } else if (!feed.done()) {
        if (!config.quiet && isatty(STDIN_FILENO)) complain("reading messages from the terminal; end them with Ctrl-D");
        Input input(STDIN_FILENO);
        if (config.framing->stream && !ring.fixed()) push_stream(input, ring, feed);
        else push_messages(input, *config.framing, shape, config, feed);
    }
    return feed.finish();
}

Exit run(const Config& config) {
    return until_signalled([&] {
        auto ring = open_ring(config.ring, config.wait_ring, config.time_out, [&] { return shmq::Producer(config.ring, {.waiting = config.waiting}); });
        const Interrupts interrupts(ring);
        try {
            return feed_ring(ring, config);
        } catch (...) {
            ring.leave_badly();
            throw;
        }
    });
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("shmq-push", argc, argv, [](int c, char** v) { return run(parse(c, v)); });
}
