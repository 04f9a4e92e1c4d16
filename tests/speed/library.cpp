// What the library costs beside the limits of the machine and beside other queues, as the README has it.
//
//   shmq_speed [--reps N] [--seconds S] [--rows TEXT] [--quick]
//
// Every repetition takes each measurement once, in turn forwards and backwards, in two processes on the first
// two processors; a ratio is of two measurements of one repetition. The table has medians, the ratios also
// their quartiles. --quick moves a few messages through everything and judges nothing: that is the test.
// Take it on a quiet machine only.
#include "peers.hpp"

#include <getopt.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <fstream>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <thread>

#include <shmq/shmq.hpp>

namespace {

using namespace speed;
using shmq::Outcome, shmq::Waiting;

// ---- shmq as a channel ------------------------------------------------------------------------------

enum class Room { fixed, variable };

void must(Outcome outcome) {
    if (outcome == Outcome::ok) return;
    std::fprintf(stderr, "speed: %s\n", shmq::describe(outcome));
    std::_Exit(1);
}

shmq::Options options(Room room, shmq::Sides sides, std::size_t bytes, std::size_t messages) {
    shmq::Options o;
    o.fixed = room == Room::fixed;
    o.slot_size = o.fixed ? bytes : 64;
    o.slots = o.fixed ? messages : messages * ((bytes + 16 + 63) / 64);
    o.producers = o.consumers = sides;
    return o;
}

// What all have: a ring that is there as long as the channel, and a handle on each side.
class Ring {
public:
    Ring(const shmq::Options& o, Waiting waiting) : name_("speed-" + std::to_string(count_++)), ring_(name_, o) { attach_.waiting = waiting; }
    void open_sender() { producer_.emplace(name_, attach_); }
    void open_receiver() { consumer_.emplace(name_, attach_); }
    void flush() {}
    void finish() { must(producer_->end()); }

protected:
    bool ended(Outcome outcome) {
        if (outcome != Outcome::ended) must(outcome);
        return outcome == Outcome::ended;
    }
    std::optional<shmq::Producer> producer_;
    std::optional<shmq::Consumer> consumer_;

private:
    static inline int count_ = 0;
    std::string name_;
    shmq::ScopedRing ring_;
    shmq::AttachOptions attach_;
};

// One call a message.
template <std::size_t bytes, std::size_t messages, Room room, shmq::Sides sides, Waiting waiting>
class OneByOne : public Ring {
public:
    OneByOne() : Ring(options(room, sides, bytes, messages), waiting) {}
    void send(const std::byte* message) { must(producer_->push({message, bytes})); }
    bool receive(std::byte* message) {
        const auto copied = consumer_->pop(std::span(message, bytes));
        return copied || !ended(copied.outcome);
    }
};

// Batches, written and read where they lie.
template <std::size_t bytes, std::size_t messages, std::size_t batch, shmq::Sides sides, Waiting waiting>
class Batches : public Ring {
public:
    Batches() : Ring(options(Room::fixed, sides, bytes, messages), waiting) {}
    void send(const std::byte* message) {
        std::span<std::byte> place;
        while (!out_ || !(place = out_->next(bytes)).data()) {
            flush();
            out_.emplace(producer_->claim_batch(batch, bytes));
            must(out_->outcome());
        }
        copy<bytes>(place.data(), message);
        if (out_->size() == batch) flush();
    }
    void flush() {
        if (!out_) return;
        must(out_->commit());
        out_.reset();
    }
    void finish() {
        flush();
        Ring::finish();
    }
    bool receive(std::byte* message) {
        if (left_ == 0) {
            if (in_) must(in_->release());
            in_.reset();  // it would be handed back after the next one is claimed
            in_.emplace(consumer_->pop_batch(batch));
            if (!*in_) return !ended(in_->outcome());
            at_ = in_->array().data(), left_ = in_->size();
        }
        copy<bytes>(message, at_);
        at_ += bytes, --left_;
        return true;
    }

private:
    std::optional<shmq::ClaimBatch> out_;
    std::optional<shmq::Batch> in_;
    const std::byte* at_ = nullptr;
    std::size_t left_ = 0;
};

// Nothing is copied: the sender writes every byte where it lies, the receiver reads them all there.
template <std::size_t bytes, std::size_t messages>
class InPlace : public Ring {
public:
    InPlace() : Ring(options(Room::fixed, shmq::one, bytes, messages), Waiting::spin) {}
    void send(const std::byte* message) {
        auto claim = producer_->claim(bytes);
        must(claim.outcome());
        std::fill_n(reinterpret_cast<u64*>(claim.bytes().data()), bytes / 8, number_of(message));
        must(claim.commit());
    }
    bool receive(std::byte* message) {
        auto found = consumer_->pop();
        if (!found) return !ended(found.outcome());
        const auto* const words = reinterpret_cast<const u64*>(found.bytes().data());
        const u64 number = words[0];
        must_be(std::accumulate(words, words + bytes / 8, u64{0}), number * (bytes / 8));
        must(found.release());
        std::memcpy(message, &number, sizeof number);
        return true;
    }
};

// Processor seconds that a hundred consumers take which wait for ten seconds.
double idle() {
    struct Page : Start {
        double seconds = 0;
    };
    Shared<Page> page;
    const shmq::ScopedRing ring("idle", {});
    run({[&] {
        std::vector<std::thread> waiting;
        std::atomic<bool> stop{false};
        for (int i = 0; i < 100; ++i)
            waiting.emplace_back([&] {
                shmq::Consumer consumer("idle", {.waiting = Waiting::adaptive});
                page->there.fetch_add(1);
                while (!stop) (void)consumer.pop(shmq::Clock::now() + std::chrono::seconds(20));
            });
        while (page->there.load() < 100) usleep(1000);
        usleep(200'000);
        const auto used = [] {
            rusage u{};
            getrusage(RUSAGE_SELF, &u);
            return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
        };
        const double before = used();
        usleep(static_cast<useconds_t>(sample_seconds < 0.01 ? 100'000 : 10'000'000));
        page->seconds = used() - before;
        stop = true;
        shmq::Producer producer("idle");
        must(producer.end());
        for (auto& thread : waiting) thread.join();
    }});
    return page->seconds;
}

// ---- what is measured -------------------------------------------------------------------------------

constexpr auto one = shmq::one, many = shmq::many;
constexpr std::size_t small = 8192, medium = 4096, large = 65536, kilo = 1024, wide = 64 * kilo;

enum class Unit { rate, ns };

struct Measurement {
    const char* name;
    Unit unit;
    double (*take)();
};

const Measurement measurements[] = {
    {"cache line there and back", Unit::ns, [] { return round_trip<Line>(8); }},
    {"bare ring, 8 B there and back", Unit::ns, [] { return round_trip<BareRing<8, small, 1>>(8); }},
    {"bare ring, 64 B there and back", Unit::ns, [] { return round_trip<BareRing<64, medium, 1>>(64); }},
    {"8 B there and back, spinning", Unit::ns, [] { return round_trip<OneByOne<8, small, Room::fixed, one, Waiting::spin>>(8); }},
    {"64 B there and back, spinning", Unit::ns, [] { return round_trip<OneByOne<64, medium, Room::fixed, one, Waiting::spin>>(64); }},
    {"64 B there and back, adaptive", Unit::ns, [] { return round_trip<OneByOne<64, medium, Room::fixed, one, Waiting::adaptive>>(64); }},
    {"futex, one a millisecond", Unit::ns, [] { return round_trip<Futex>(8, 1'000'000); }},
    {"64 B, adaptive, one a millisecond", Unit::ns, [] { return round_trip<OneByOne<64, medium, Room::fixed, one, Waiting::adaptive>>(64, 1'000'000); }},
    {"bare ring, 64 B, each published", Unit::rate, [] { return rate<BareRing<64, medium, 1>>(64); }},
    {"bare ring, 64 B, every 16th published", Unit::rate, [] { return rate<BareRing<64, medium, 16>>(64); }},
    {"64 B, one call a message", Unit::rate, [] { return rate<OneByOne<64, medium, Room::fixed, one, Waiting::spin>>(64); }},
    {"64 B, one call a message, any length", Unit::rate, [] { return rate<OneByOne<64, medium, Room::variable, one, Waiting::spin>>(64); }},
    {"64 B, batches of 16", Unit::rate, [] { return rate<Batches<64, medium, 16, one, Waiting::spin>>(64); }},
    {"64 B, batches of 64", Unit::rate, [] { return rate<Batches<64, medium, 64, one, Waiting::spin>>(64); }},
    {"bare ring of 4 MiB, 64 B, each published", Unit::rate, [] { return rate<BareRing<64, large, 1>>(64); }},
    {"bare ring of 4 MiB, 64 B, every 16th published", Unit::rate, [] { return rate<BareRing<64, large, 16>>(64); }},
    {"4 MiB, 64 B, one call a message", Unit::rate, [] { return rate<OneByOne<64, large, Room::fixed, one, Waiting::spin>>(64); }},
    {"4 MiB, 64 B, one call a message, any length", Unit::rate, [] { return rate<OneByOne<64, large / 2, Room::variable, one, Waiting::spin>>(64); }},
    {"4 MiB, 64 B, batches of 16", Unit::rate, [] { return rate<Batches<64, large, 16, one, Waiting::spin>>(64); }},
    {"4 MiB, 64 B, batches of 64", Unit::rate, [] { return rate<Batches<64, large, 64, one, Waiting::spin>>(64); }},
    {"bare ring, 8 B, each published", Unit::rate, [] { return rate<BareRing<8, small, 1>>(8); }},
    {"bare ring, 8 B, every 16th published", Unit::rate, [] { return rate<BareRing<8, small, 16>>(8); }},
    {"8 B, one call a message", Unit::rate, [] { return rate<OneByOne<8, small, Room::fixed, one, Waiting::spin>>(8); }},
    {"8 B, batches of 64", Unit::rate, [] { return rate<Batches<8, small, 64, one, Waiting::spin>>(8); }},
    {"bare ring, 1 KiB", Unit::rate, [] { return rate<BareRing<kilo, 8 * kilo, 1>>(kilo); }},
    {"1 KiB, one call a message", Unit::rate, [] { return rate<OneByOne<kilo, 8 * kilo, Room::fixed, one, Waiting::spin>>(kilo); }},
    {"1 KiB, batches of 16", Unit::rate, [] { return rate<Batches<kilo, 8 * kilo, 16, one, Waiting::spin>>(kilo); }},
    {"bare ring, 64 KiB", Unit::rate, [] { return rate<BareRing<wide, 128, 1>>(wide); }},
    {"64 KiB, copied", Unit::rate, [] { return rate<OneByOne<wide, 128, Room::fixed, one, Waiting::spin>>(wide); }},
    {"64 KiB, in place", Unit::rate, [] { return rate<InPlace<wide, 128>>(wide); }},
    {"Vyukov's queue, 64 B", Unit::rate, [] { return rate<Vyukov<64, medium>>(64); }},
    {"64 B, many to many, one call a message", Unit::rate, [] { return rate<OneByOne<64, medium, Room::fixed, many, Waiting::spin>>(64); }},
    {"64 B, many to many, batches of 16", Unit::rate, [] { return rate<Batches<64, medium, 16, many, Waiting::spin>>(64); }},
#ifdef SHMQ_SPEED_HAS_BOOST
    {"Boost's message_queue, 2 and 2", Unit::rate, [] { return many_rate<BoostQueue<64, medium>>(64); }},
    {"4 MiB, Boost's message_queue, 2 and 2", Unit::rate, [] { return many_rate<BoostQueue<64, large>>(64); }},
#endif
    {"4 MiB, 64 B, 2 and 2, one call a message", Unit::rate, [] { return many_rate<OneByOne<64, large, Room::fixed, many, Waiting::adaptive>>(64); }},
    {"4 MiB, 64 B, 2 and 2, batches of 16", Unit::rate, [] { return many_rate<Batches<64, large, 16, many, Waiting::adaptive>>(64); }},
    {"64 B, 2 and 2, one call a message", Unit::rate, [] { return many_rate<OneByOne<64, medium, Room::fixed, many, Waiting::adaptive>>(64); }},
    {"64 B, 2 and 2, batches of 16", Unit::rate, [] { return many_rate<Batches<64, medium, 16, many, Waiting::adaptive>>(64); }},
};

// Ours beside what, and the mark: times should be at most so many times as long, rates at least so many
// times as high.
struct Row {
    const char *ours, *beside;
    double mark;
};
const Row rows[] = {
    {"8 B there and back, spinning", "cache line there and back", 1.2},
    {"64 B there and back, spinning", "cache line there and back", 1.2},
    {"8 B there and back, spinning", "bare ring, 8 B there and back", 0},
    {"64 B there and back, spinning", "bare ring, 64 B there and back", 0},
    {"64 B, adaptive, one a millisecond", "futex, one a millisecond", 1.1},
    {"64 B there and back, adaptive", "64 B there and back, spinning", 1.3},
    {"64 B, one call a message", "bare ring, 64 B, each published", 1.5},
    {"64 B, one call a message, any length", "bare ring, 64 B, each published", 0},
    {"64 B, batches of 16", "bare ring, 64 B, every 16th published", 1},
    {"64 B, batches of 64", "bare ring, 64 B, every 16th published", 1.54},
    {"4 MiB, 64 B, one call a message", "bare ring of 4 MiB, 64 B, each published", 1.5},
    {"4 MiB, 64 B, one call a message, any length", "bare ring of 4 MiB, 64 B, each published", 0},
    {"4 MiB, 64 B, batches of 16", "bare ring of 4 MiB, 64 B, every 16th published", 1},
    {"4 MiB, 64 B, batches of 64", "bare ring of 4 MiB, 64 B, every 16th published", 1.54},
    {"8 B, one call a message", "bare ring, 8 B, each published", 0.9},
    {"8 B, batches of 64", "bare ring, 8 B, every 16th published", 0.75},
    {"1 KiB, one call a message", "bare ring, 1 KiB", 0.9},
    {"1 KiB, batches of 16", "bare ring, 1 KiB", 0.9},
    {"64 KiB, copied", "bare ring, 64 KiB", 0.95},
    {"64 KiB, in place", "bare ring, 64 KiB", 1.3},
    {"64 B, many to many, one call a message", "Vyukov's queue, 64 B", 0.67},
    {"64 B, many to many, batches of 16", "64 B, batches of 16", 0.7},
    {"64 B, 2 and 2, one call a message", "Boost's message_queue, 2 and 2", 8},
    {"64 B, 2 and 2, batches of 16", "Boost's message_queue, 2 and 2", 25},
    {"4 MiB, 64 B, 2 and 2, one call a message", "4 MiB, Boost's message_queue, 2 and 2", 8},
    {"4 MiB, 64 B, 2 and 2, batches of 16", "4 MiB, Boost's message_queue, 2 and 2", 25},
};

// ---- the table --------------------------------------------------------------------------------------

const Measurement* find(const char* name) {
    const auto* const found = std::ranges::find_if(measurements, [&](const Measurement& m) { return std::strcmp(m.name, name) == 0; });
    return found == std::end(measurements) ? nullptr : found;
}

double quantile(std::vector<double> values, double q) {
    std::ranges::sort(values);
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

std::string figure(Unit unit, double value) {
    char text[40];
    if (unit == Unit::rate) std::snprintf(text, sizeof text, value < 1e6 ? "%.3f M/s" : "%.1f M/s", value * 1e-6);
    else std::snprintf(text, sizeof text, value < 10'000 ? "%.0f ns" : "%.0f us", value < 10'000 ? value : value * 1e-3);
    return text;
}

void print(const Row& row, std::map<std::string, std::vector<double>>& taken) {
    const Unit unit = find(row.ours)->unit;
    const std::vector<double>&ours = taken[row.ours], &beside = taken[row.beside];
    std::vector<double> ratios;
    for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / beside[i]);
    const double low = quantile(ratios, 0.25), high = quantile(ratios, 0.75);
    const bool most = unit == Unit::ns;
    const char* verdict = "";
    if (row.mark != 0) verdict = (most ? high <= row.mark : low >= row.mark) ? "met" : (most ? low > row.mark : high < row.mark) ? "missed" : "between";
    std::printf("| %s | %s | %s, %s | %.2f (%.2f to %.2f) |", row.ours, figure(unit, quantile(ours, 0.5)).c_str(), row.beside, figure(unit, quantile(beside, 0.5)).c_str(), quantile(ratios, 0.5), low, high);
    if (row.mark != 0) std::printf(" %s %g | %s |\n", most ? "<=" : ">=", row.mark, verdict);
    else std::printf(" | |\n");
}

void print_machine() {
    std::ifstream cpus("/proc/cpuinfo"), load("/proc/loadavg");
    std::string line, model = "unknown processor";
    while (std::getline(cpus, line))
        if (line.starts_with("model name")) model = line.substr(line.find(": ") + 2);
    std::getline(load, line);
    utsname system{};
    uname(&system);
    std::printf("%ld processors (%s), %s %s, load %s\n\n", sysconf(_SC_NPROCESSORS_ONLN), model.c_str(), system.sysname, system.release, line.substr(0, line.find(' ')).c_str());
}

}  // namespace

int main(int argc, char** argv) {
    int reps = 11;
    bool quick = false;
    std::string wanted;
    const option long_options[] = {{"reps", required_argument, nullptr, 'n'}, {"seconds", required_argument, nullptr, 's'}, {"rows", required_argument, nullptr, 'r'}, {"quick", no_argument, nullptr, 'q'}, {}};
    for (int c; (c = getopt_long(argc, argv, "", long_options, nullptr)) != -1;) {
        if (c == 'n') reps = std::max(1, std::atoi(optarg));
        else if (c == 's') sample_seconds = std::atof(optarg);
        else if (c == 'r') wanted = optarg;
        else if (c == 'q') quick = true, reps = 1, sample_seconds = 0.001, least_samples = 20;
        else return 64;
    }
    std::string directory = "/dev/shm/shmq-speed.XXXXXX";
    if (!mkdtemp(directory.data())) die(directory.c_str());
    setenv("SHMQ_DIR", directory.c_str(), 1);

    std::vector<const Row*> shown;
    std::vector<const Measurement*> needed;
    for (const Row& row : rows) {
        if (std::string(row.ours).find(wanted) == std::string::npos && std::string(row.beside).find(wanted) == std::string::npos) continue;
        if (!find(row.ours) || !find(row.beside)) {
            std::printf("%s: not built in (libboost-dev)\n", row.beside);
            continue;
        }
        shown.push_back(&row);
        for (const char* name : {row.ours, row.beside})
            if (std::ranges::find(needed, find(name)) == needed.end()) needed.push_back(find(name));
    }
    print_machine();
    std::map<std::string, std::vector<double>> taken;
    for (int rep = 0; rep < reps; ++rep) {
        for (const Measurement* measurement : needed) taken[measurement->name].push_back(measurement->take());
        std::ranges::reverse(needed);
    }
    if (quick) {
        for (const auto& [name, values] : taken) std::printf("%s: %s\n", name.c_str(), values[0] > 0 ? "moved" : "nothing came");
    } else {
        std::printf("| what | took or moved | beside | ratio | mark | |\n| --- | --- | --- | --- | --- | --- |\n");
        for (const Row* row : shown) print(*row, taken);
    }
    if (wanted.empty() || std::string("idle").find(wanted) != std::string::npos) {
        const double seconds = idle();
        if (quick) std::printf("idle: waited\n");
        else std::printf("| 100 consumers idle for 10 s | %.3f s of processor time | | | <= 0.3 | %s |\n", seconds, seconds <= 0.3 ? "met" : "missed");
    }
    const bool left = rmdir(directory.c_str()) != 0;
    if (left) die(directory.c_str());
    return std::ranges::any_of(taken, [](const auto& each) { return each.second[0] <= 0; });
}
