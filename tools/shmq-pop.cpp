// shmq-pop: ring -> messages -> output. A message is committed when write(2) has taken all of it.
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "common/cli.hpp"
#include "common/each.hpp"
#include "common/framing.hpp"
#include "common/io.hpp"
#include "common/record.hpp"
#include "common/signals.hpp"
#include "common/wait_ring.hpp"

namespace {

using namespace std::chrono_literals;
using shmq::Outcome;

struct Config : Common {
    std::string ring;
    const Framing* framing = &find_framing("line");
    std::string each;
    std::optional<std::uint64_t> count;
    std::optional<std::chrono::nanoseconds> time_out;
    std::optional<shmq::Waiting> waiting;
    shmq::From from = shmq::From::oldest;
    bool all = false, no_wait = false, end = false, peek = false, wait_ring = false;
};

shmq::From parse_from(std::string_view text) {
    static constexpr Choice<shmq::From> ends[] = {{"oldest", shmq::From::oldest}, {"newest", shmq::From::newest}};
    return choose(text, ends);
}

Config parse(int argc, char** argv) {
    Config config;
    bool nul = false, whole = false, json = false;
    CommandLine line({.tool = "shmq-pop", .synopsis = "[OPTION]... [NAME]",
                      .purpose = "Write the messages of the ring NAME (default: $SHMQ_RING) to stdout, until the stream is ended.",
                      .examples = "  shmq-pop jobs | while read -r job; do ...; done\n"
                                  "  while job=$(shmq-pop -c 1 jobs); do ...; done\n"
                                  "  shmq-pop -e -F chunk backup | tar x\n",
                      .exits = {Exit::ok, Exit::no, Exit::usage, Exit::data, Exit::no_ring, Exit::unavailable, Exit::os, Exit::io, Exit::not_ring, Exit::permission, Exit::timed_out}}, config);
    line.option("-F,--framing", "FRAMING", ("how messages are told apart on stdout: " + framing_names()).c_str(), config.framing, [](const std::string& name) { return &find_framing(name); });
    line.flag("-z,--nul", "messages end with a NUL byte (-F nul)", nul);
    line.flag("-w,--whole", "one message, as it is (-F whole)", whole);
    line.flag("-J,--json", "one JSON object a line", json);
    line.option("-c,--count", "N", "stop after N messages", config.count, parse_count);
    line.flag("-a,--all", "stop when the ring is empty; also then 0", config.all);
    line.flag("-n,--no-wait", "stop where it would have to wait: 1 if nothing was read", config.no_wait);
    line.option("-t,--timeout", "TIME", "fail (124) when a message does not come in time", config.time_out, parse_duration);
    line.flag("-e,--end", "also stop when all is read and no producer is left; 69 if one died", config.end);
    line.option("--each", "COMMAND", "run COMMAND for each message, with the message on its\nstdin; it is consumed when COMMAND exits with 0, else it\nstays in the ring and we end with 1", config.each);
    line.flag("-p,--peek", "print what is there, without consuming it", config.peek);
    line.option("--from", "WHERE", "where to begin, with -p or in a broadcast ring: with the\noldest message there is or with the newest (oldest)", config.from, parse_from);
    line.flag("--wait-ring", "wait until there is a ring of that name", config.wait_ring);
    line.option("--waiting", "HOW", "wait for messages: adaptive, block or spin", config.waiting, parse_waiting);
    config.ring = ring_operand(line.read(argc, argv));
    line.at_most_one_of({"--framing", "--nul", "--whole", "--json"});
    line.at_most_one_of({"--count", "--all"});
    line.at_most_one_of({"--no-wait", "--timeout"});
    line.at_most_one_of({"--peek", "--end"});
    line.at_most_one_of({"--peek", "--each"});
    if (line.given("--each") && config.each.empty()) throw Failure(Exit::usage, "--each: found '', expected a command");
    if (nul || whole || json) config.framing = &find_framing(nul ? "nul" : whole ? "whole" : "json");
    if (!config.each.empty()) {  // as it is, unless a framing was asked for
        if (!nul && !json && !line.given("--framing")) config.framing = &find_framing("whole");
    } else if (config.framing->single && !config.count && !config.all) config.count = 1;
    return config;
}

// The layout that -J follows.
template <class Ring>
std::optional<Record> record_of(const Ring& ring, const Config& config) {
    if (config.framing->name != "json" || ring.record().empty()) return std::nullopt;
    return record_of_ring(config.ring, ring.record(), ring.fixed(), shmq::stat(config.ring).slot_size);
}

Shape shape_of(const Config& config, const std::optional<Record>& record) {
    return {0, config.framing->name == "fixed" ? shmq::stat(config.ring).slot_size : 0, record ? &*record : nullptr};
}

// Messages on their way out of the ring.
class Drain {
public:
    Drain(const Config& config, std::optional<Record> record)
        : config_(config), framing_(*config.framing), record_(std::move(record)), shape_(shape_of(config, record_)), out_(STDOUT_FILENO), left_(config.count.value_or(UINT64_MAX)) {}
    Drain(const Drain&) = delete;  // shape_ points into it
    Drain& operator=(const Drain&) = delete;

    Output& out() noexcept { return out_; }
    std::uint64_t left() const noexcept { return left_; }
    bool done() const noexcept { return left_ == 0; }
    bool nothing() const noexcept { return popped_ == 0; }

    // Gives a message to the command, and commits it if that has handled it.
    void hand_over(shmq::Batch batch) {
        for (shmq::Message& message : batch) {
            const Origin from = origin(message);
            const auto put = [&](Output& out) { framing_.put(framing_, message.bytes(), from, shape_, out); };
            if (const std::string end = run_each(config_.each, put, config_.ring, from); !end.empty())
                throw Failure(Exit::no, config_.ring + ": message " + std::to_string(from.position) + " stays in the ring: the command " + end);
            bytes_ += message.bytes().size(), redelivered_ += from.redelivered, lost_ += from.lost;
        }
        commit(batch);
    }
    // Writes the batch, then commits it; if it cannot be written, what was taken of it.
    void write(shmq::Batch batch) {
        const std::uint64_t before = out_.accepted();
        try {
            for (const shmq::Message& message : batch) put(message.bytes(), origin(message));
            out_.flush();
        } catch (...) {
            release_written(batch, out_.accepted() - before);
            throw;
        }
        commit(batch);
    }
    void write(shmq::Bytes message, const Origin& origin) {
        put(message, origin);
        ++popped_, --left_;
    }
    void summary() const {
        if (!config_.verbose) return;
        std::string line = config_.ring + ": " + (config_.peek ? "printed " : "popped ") + counted(popped_, "message") + ", " + counted(bytes_, "byte") + ", " + std::to_string(redelivered_) + " redelivered";
        if (lost_) line += ", " + std::to_string(lost_) + " lost";
        if (damaged_) line += ", " + std::to_string(damaged_) + " that -F " + std::string(framing_.name) + " cannot carry";
        complain(line);
    }

private:
    void commit(shmq::Batch& batch) {
        const std::size_t size = batch.size();
        if (const Outcome outcome = batch.release(); outcome != Outcome::ok) throw Failure(exit_for(outcome), config_.ring + ": " + shmq::describe(outcome));
        popped_ += size, left_ -= size;
    }
    Origin origin(const shmq::Message& message) const noexcept {
        return {message.position(), timed_ ? message.time_ns() : 0, message.redelivered(), message.lost()};
    }
    void put(shmq::Bytes message, const Origin& origin) {
        bytes_ += message.size(), redelivered_ += origin.redelivered, lost_ += origin.lost;
        if (!framing_.put(framing_, message, origin, shape_, out_)) [[unlikely]] tell_damaged();
    }
    void tell_damaged() {
        if (++damaged_ == 1 && !config_.quiet) complain(config_.ring + ": some messages contain what -F " + std::string(framing_.name) + " cannot carry (-F u32 and -J carry everything)");
    }
    // Which messages lie in the first `accepted` bytes: put them again, to nowhere, and count.
    void release_written(shmq::Batch& batch, std::uint64_t accepted) {
        Output again(Output::nowhere);
        for (shmq::Message& message : batch) {
            framing_.put(framing_, message.bytes(), origin(message), shape_, again);
            if (again.total() > accepted) break;
            (void)message.release();
            ++popped_;
        }
    }

    const Config& config_;
    const Framing& framing_;
    const bool timed_ = framing_.name == "json";  // the only one that shows the time
    const std::optional<Record> record_;
    const Shape shape_;
    Output out_;
    std::uint64_t left_, popped_ = 0, bytes_ = 0, redelivered_ = 0, lost_ = 0, damaged_ = 0;
};

// -e: have the producers come and gone? To be asked when the ring is empty; it costs system calls.
class Producers {
public:
    explicit Producers(shmq::Consumer& ring) : ring_(ring), ever_(ring.producers_ever()), badly_(ring.producers_ended_badly()) {}

    // As a fifo's reader does not, we wait for the first one; a message is as good.
    bool gone(bool got_messages) {
        const bool any = ring_.producers_attached() > 0;
        seen_ = seen_ || any || got_messages || ring_.producers_ever() != ever_;
        return seen_ && !any && ring_.empty();  // in this order: what the last one pushed is in the ring by now
    }
    bool one_ended_badly() const { return ring_.producers_ended_badly() != badly_; }

private:
    shmq::Consumer& ring_;
    std::uint64_t ever_, badly_;
    bool seen_ = false;
};

class Stream {
public:
    Stream(shmq::Consumer& ring, const Config& config) : ring_(ring), config_(config), drain_(config, record_of(ring, config)) {
        if (config.end) producers_.emplace(ring);
        drain_.out().watch_reader();
    }

    Exit run() {
        Exit exit = Exit::ok;
        while (!drain_.done()) {
            if (signals::caught()) throw Stopped();
            shmq::Batch batch = next();
            if (batch) {
                config_.each.empty() ? drain_.write(std::move(batch)) : drain_.hand_over(std::move(batch));
            } else {
                exit = stop(batch.outcome());
                break;
            }
        }
        drain_.summary();
        return exit;
    }

private:
    // The next messages, or why there are no more: `ended` also where the producers have gone.
    shmq::Batch next() {
        const std::size_t most = config_.each.empty() ? std::min<std::uint64_t>(drain_.left(), 1024) : 1;
        shmq::Batch batch = ring_.pop_batch(most, shmq::no_wait);
        if (batch || batch.outcome() != Outcome::empty || config_.all) return batch;

        if (config_.no_wait) {
            gone_ = producers_ && producers_->gone(!drain_.nothing());
            return batch;
        }
        // The reader's end and the producers' do not wake us: look from time to time, at first often,
        // since a producer leaves right after its last message.
        const shmq::Deadline deadline = config_.time_out ? shmq::after(*config_.time_out) : shmq::forever;
        const bool look = producers_ || drain_.out().has_reader();
        for (std::chrono::nanoseconds slice = producers_ ? 250us : 100ms;; slice = std::min<std::chrono::nanoseconds>(slice * 2, 100ms)) {
            const shmq::Deadline until = look ? std::min(deadline, shmq::after(slice)) : deadline;
            batch = ring_.pop_batch(most, until);
            if (batch || batch.outcome() != Outcome::timed_out) return batch;
            drain_.out().check_reader();
            gone_ = producers_ && producers_->gone(!drain_.nothing());
            if (gone_ || until == deadline) return batch;
        }
    }

    Exit stop(Outcome outcome) {
        if (outcome == Outcome::interrupted) throw Stopped();
        const bool end = gone_ || outcome == Outcome::ended;
        if (end && producers_ && producers_->one_ended_badly()) throw Failure(Exit::unavailable, config_.ring + ": a producer died or failed before the end of the stream");
        if (end) return config_.count ? Exit::no : Exit::ok;  // fewer than were asked for
        if (outcome == Outcome::empty) return config_.all || (!config_.count && !drain_.nothing()) ? Exit::ok : Exit::no;
        if (outcome != Outcome::timed_out || !config_.quiet) complain(config_.ring + ": " + shmq::describe(outcome));
        return exit_for(outcome);
    }

    shmq::Consumer& ring_;
    const Config& config_;
    Drain drain_;
    std::optional<Producers> producers_;
    bool gone_ = false;
};

Exit pop(const Config& config) {
    auto ring = open_ring(config.ring, config.wait_ring, config.time_out, [&] { return shmq::Consumer(config.ring, {.waiting = config.waiting, .from = config.from}); });
    const Interrupts interrupts(ring);
    return Stream(ring, config).run();
}

Exit peek(const Config& config) {
    auto ring = open_ring(config.ring, config.wait_ring, config.time_out, [&] { return shmq::Viewer(config.ring); });
    if (config.from == shmq::From::newest) ring.to_newest();
    Drain drain(config, record_of(ring, config));
    std::vector<std::byte> message;
    shmq::Viewer::Info info{};
    while (!drain.done() && ring.next(message, info)) drain.write(message, {info.position, info.time_ns, info.redelivered});
    drain.out().flush();
    drain.summary();
    return drain.nothing() && (config.count || config.no_wait) ? Exit::no : Exit::ok;
}

Exit run(const Config& config) {
    return until_signalled([&] { return config.peek ? peek(config) : pop(config); });
}

}  // namespace

int main(int argc, char** argv) {
    return guarded_main("shmq-pop", argc, argv, [](int c, char** v) { return run(parse(c, v)); });
}
