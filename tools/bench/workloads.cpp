#include "bench/workloads.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <limits>

#include "bench/channels.hpp"
#include "bench/clock.hpp"
#include "bench/message.hpp"
#include "bench/processes.hpp"

namespace bench {
namespace {

struct NothingArrived {};

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

// The stretch of time in which messages count.
struct Window {
    std::uint64_t begin, end;
    Window(const Case& about, std::uint64_t start) noexcept {
        const auto duration = static_cast<double>(about.duration.count());
        begin = start + TickClock::ticks(std::clamp(duration / 10, 2e6, 2e8));
        end = begin + TickClock::ticks(duration);
    }
};

// Leaves room for starting, and for a machine that is busy with others.
double patience(const Case& about) noexcept { return static_cast<double>(about.duration.count()) * 1e-9 * 5 + 30; }

// When the next message is meant to leave: latency counts from there, also when we could not.
class Pace {
public:
    // A producer sends every `producers`-th group of a batch.
    Pace(const Case& about, unsigned producer, std::uint64_t start, std::uint64_t group) noexcept
        : spins_(!about.oversubscribed()), start_(start) {
        if (!about.rate) return;
        step_ = static_cast<double>(TickClock::ticks(1e12)) / 1e3 * static_cast<double>(group) * about.producers / static_cast<double>(about.rate);
        offset_ = step_ * producer / about.producers;
    }
    bool set() const noexcept { return step_ > 0; }
    std::uint64_t wait_for(std::uint64_t group) const noexcept {
        if (!set()) return TickClock::now();
        const std::uint64_t intended = start_ + static_cast<std::uint64_t>(offset_ + step_ * static_cast<double>(group));
        wait_until(intended, spins_);
        return intended;
    }

private:
    bool spins_;
    std::uint64_t start_;
    double step_ = 0, offset_ = 0;
};

// ---- throughput ---------------------------------------------------------------------------------

struct alignas(64) Side {
    std::uint64_t messages, sum;                     // all of them
    std::uint64_t counted, first_tick, last_tick;    // within the window
    double stalled_ticks;                            //   of which in looks that took too long
    std::uint64_t due;                               // producers under a rate: what should have been sent
    double latest_ticks;                             //   and how late the last one was
};

// Counts messages between the first and the last look at the clock within the window, looking only every
// few microseconds. A look that takes long says that the core was taken away.
class Meter {
public:
    explicit Meter(const Window& window) noexcept : window_(window), stall_(TickClock::ticks(400'000)), often_(TickClock::ticks(2'000)), seldom_(TickClock::ticks(100'000)) {}
    void count(std::uint64_t messages) noexcept {
        messages_ += messages;
        if ((since_ += messages) >= every_) look();
    }
    void save(Side& side) const noexcept {
        side.counted = last_count_ - first_count_;
        side.first_tick = first_tick_, side.last_tick = last_tick_;
        const std::uint64_t before = first_tick_ - window_.begin, after = window_.end - last_tick_;
        side.stalled_ticks = stalled_ + (first_tick_ && before > stall_ ? static_cast<double>(before) : 0) + (first_tick_ && after > stall_ ? static_cast<double>(after) : 0);
    }

private:
    void look() noexcept {
        const std::uint64_t now = TickClock::now(), passed = now - looked_;
        if (now >= window_.begin && now <= window_.end) {
            if (!first_tick_) first_tick_ = now, first_count_ = messages_;
            else if (passed > stall_) stalled_ += static_cast<double>(passed);
            last_tick_ = now, last_count_ = messages_;
        }
        if (passed < often_ && every_ < 4096) every_ *= 2;
        if (passed > seldom_ && every_ > 1) every_ /= 2;
        looked_ = now;
        since_ = 0;
    }
    Window window_;
    std::uint64_t stall_, often_, seldom_;
    std::uint64_t messages_ = 0, since_ = 0, every_ = 1, looked_ = 0;
    std::uint64_t first_tick_ = 0, first_count_ = 0, last_tick_ = 0, last_count_ = 0;
    double stalled_ = 0;
};

template <class Channel>
class Producing {
public:
    Producing(const Case& about, const Channel& channel, unsigned index) : about_(about), out_(channel), messages_(about.size, index), index_(index) {}
    // One message, or a batch of them.
    void send() {
        if (about_.batch == 1) {
            out_.send(messages_.message(next_));
            sum_ += word_of(index_, next_++);
        } else {
            out_.send_batch(about_.batch, [&](std::byte* place) {
                const std::uint64_t word = word_of(index_, next_++);
                fill(place, about_.size, word);
                sum_ += word;
            });
        }
    }
    void finish(Control& control, Side& side) {
        side.messages = next_, side.sum = sum_;
        out_.finish(control.producers_done.fetch_add(1) + 1 == about_.producers);
    }
    std::uint64_t sent() const noexcept { return next_; }

private:
    const Case& about_;
    typename Channel::Producer out_;
    Outgoing messages_;
    unsigned index_;
    std::uint64_t next_ = 0, sum_ = 0;
};

template <class Channel>
class Consuming {
public:
    Consuming(const Case& about, const Channel& channel) : about_(about), in_(channel), buffer_(about.size), incoming_(about.producers, about.consumers) {}
    // got(word) for each message that comes; false at the end.
    template <class Got>
    bool receive(Got got) {
        if (about_.batch == 1) {
            if (!in_.receive(buffer_.data())) return false;
            take(first_word(buffer_.data()), got);
            return true;
        }
        return in_.receive_batch(about_.batch, [&](const std::byte* message) { take(read_whole(message, about_.size), got); });
    }
    void save(Side& side) const noexcept { side.messages = incoming_.count(), side.sum = incoming_.sum(); }

private:
    template <class Got>
    void take(std::uint64_t word, Got& got) {
        incoming_.check(word);
        got(word);
    }
    const Case& about_;
    typename Channel::Consumer in_;
    std::vector<std::byte> buffer_;
    Incoming incoming_;
};

// Producers are the first members, consumers the others.
std::vector<Member> team_of(const Case& about, const std::function<void(unsigned)>& produce, const std::function<void(unsigned)>& consume) {
    std::vector<Member> team(about.processes());
    for (unsigned i = 0; i < about.producers; ++i) team[i] = {"producer", 0, [&produce, i] { produce(i); }};
    for (unsigned i = 0; i < about.consumers; ++i) team[about.producers + i] = {"consumer", 0, [&consume, i] { consume(i); }};
    // Pairs of one producer and one consumer side by side, then what is left over.
    const unsigned pairs = std::min(about.producers, about.consumers);
    unsigned next = 0;
    for (unsigned i = 0; i < pairs; ++i) {
        team[i].cpu = about.cpu_of(next++);
        team[about.producers + i].cpu = about.cpu_of(next++);
    }
    for (unsigned i = pairs; i < about.producers; ++i) team[i].cpu = about.cpu_of(next++);
    for (unsigned i = pairs; i < about.consumers; ++i) team[about.producers + i].cpu = about.cpu_of(next++);
    return team;
}

void check_sums(const Case& about, const SharedArray<Side>& sides) {
    std::uint64_t sent = 0, sent_sum = 0, got = 0, got_sum = 0;
    for (unsigned i = 0; i < about.processes(); ++i) {
        (i < about.producers ? sent : got) += sides[i].messages;
        (i < about.producers ? sent_sum : got_sum) += sides[i].sum;
    }
    if (sent != got) throw Failure(Exit::not_ring, fmt::format("{}: {} messages sent, {} received", about.describe(), sent, got));
    if (sent_sum != got_sum) throw Failure(Exit::not_ring, about.describe() + ": other messages received than sent");
}

double share_reached(const Case& about, const SharedArray<Side>& sides) {
    if (!about.rate) return 1;
    std::uint64_t sent = 0, due = 0;
    for (unsigned i = 0; i < about.producers; ++i) sent += std::min(sides[i].messages, sides[i].due), due += sides[i].due;
    return due ? static_cast<double>(sent) / static_cast<double>(due) : 1;
}

std::uint64_t due_until(const Case& about, std::uint64_t start, std::uint64_t end) noexcept {
    return static_cast<std::uint64_t>(TickClock::ns(end - start) * 1e-9 * static_cast<double>(about.rate) / about.producers);
}

void count_window(const Case& about, const SharedArray<Side>& sides, Measured& measured) {
    std::uint64_t first = never, last = 0;
    for (unsigned i = about.producers; i < about.processes(); ++i) {
        const Side& side = sides[i];
        if (!side.first_tick) continue;
        measured.messages += side.counted;
        measured.stalled += side.stalled_ticks;
        first = std::min(first, side.first_tick), last = std::max(last, side.last_tick);
    }
    if (last <= first) throw NothingArrived();
    measured.seconds = TickClock::ns(last - first) * 1e-9;
    measured.throughput = static_cast<double>(measured.messages) / measured.seconds;
    measured.stalled /= static_cast<double>(TickClock::ticks(static_cast<double>(about.duration.count()))) * about.consumers;
}

template <class Channel>
Measured throughput(const Case& about) {
    Channel channel(about, 0);
    SharedArray<Control> control(1);
    SharedArray<Side> sides(about.processes());
    const std::uint64_t look_every = about.size * about.batch <= 4096 ? 32 : 1;
    const std::function<void(unsigned)> produce = [&](unsigned index) {
        Producing<Channel> producing(about, channel, index);
        const std::uint64_t start = control[0].start();
        const Window window(about, start);
        const Pace pace(about, index, start, about.batch);
        for (std::uint64_t i = 0;; ++i) {
            if (pace.set() && pace.wait_for(i) >= window.end) break;
            producing.send();
            if ((pace.set() || i % look_every == 0) && TickClock::now() >= window.end) break;
        }
        sides[index].due = due_until(about, start, window.end);
        producing.finish(control[0], sides[index]);
    };
    const std::function<void(unsigned)> consume = [&](unsigned index) {
        Side& side = sides[about.producers + index];
        Consuming<Channel> consuming(about, channel);
        Meter meter(Window(about, control[0].start()));
        while (consuming.receive([&](std::uint64_t) { meter.count(1); })) {}
        meter.save(side);
        consuming.save(side);
    };
    const Usage usage = run_together(control[0], team_of(about, produce, consume), patience(about), [&] { channel.forked(); });
    check_sums(about, sides);
    Measured measured;
    count_window(about, sides, measured);
    if (about.oversubscribed() || about.rate) measured.stalled = 0;  // processes take turns, or rest
    measured.reached = share_reached(about, sides);
    measured.depth = channel.depth();
    measured.preempted = usage.preempted, measured.cpu_seconds = usage.cpu_seconds;
    return measured;
}

// ---- latency ------------------------------------------------------------------------------------

// How many samples there is room for: more than any channel moves, within reason.
std::uint64_t sample_room(const Case& about) noexcept {
    const double seconds = static_cast<double>(about.duration.count()) * 1e-9 + 0.25;
    const double rate = about.rate ? static_cast<double>(about.rate) * 1.1 : 12e6;
    return static_cast<std::uint64_t>(std::clamp(seconds * rate, 65536.0, 4e6)) + about.batch;
}

template <class Channel>
Measured round_trip(const Case& about) {
    Channel there(about, 0), back(about, 1);
    SharedArray<Control> control(1);
    SharedArray<Side> sides(2);
    const std::uint64_t room = sample_room(about);
    SharedArray<std::uint64_t> samples(room);  // in ticks
    SharedArray<std::uint64_t> taken(1);
    const std::function<void(unsigned)> ping = [&](unsigned) {
        Producing<Channel> out(about, there, 0);
        Consuming<Channel> in(about, back);
        samples.populate(0, room);
        const std::uint64_t start = control[0].start();
        const Window window(about, start);
        const Pace pace(about, 0, start, 1);
        std::uint64_t n = 0, intended = 0;
        for (std::uint64_t i = 0; n < room; ++i) {
            intended = pace.wait_for(i);
            if (intended >= window.end) break;
            out.send();
            std::uint64_t word = never;
            if (!in.receive([&](std::uint64_t got) { word = got; })) throw Failure(Exit::os, "the answer did not come");
            const std::uint64_t now = TickClock::now();
            if (number_of(word) != i) throw Failure(Exit::not_ring, fmt::format("answer {} arrived, expected {}", number_of(word), i));
            if (now >= window.begin) samples[n++] = now - intended;
            if (now >= window.end) break;
        }
        taken[0] = n;
        sides[0].due = due_until(about, start, window.end);
        in.save(sides[1]);
        out.finish(control[0], sides[0]);
        // Lets the other side read the end before ours of the way back is gone.
        while (in.receive([](std::uint64_t) {})) {}
    };
    const std::function<void(unsigned)> echo = [&](unsigned) {
        Consuming<Channel> in(about, there);
        Producing<Channel> out(about, back, 0);
        Control ours;  // the way back has its own last producer
        Side ignored{};
        control[0].start();
        while (in.receive([&](std::uint64_t) { out.send(); })) {}
        out.finish(ours, ignored);
    };
    const auto forked = [&] { there.forked(), back.forked(); };
    const Usage usage = run_together(control[0], team_of(about, ping, echo), patience(about), forked);
    check_sums(about, sides);
    Measured measured;
    std::vector<std::uint64_t> ns(taken[0]);
    for (std::uint64_t i = 0; i < ns.size(); ++i) ns[i] = static_cast<std::uint64_t>(TickClock::ns(samples[i]) + 0.5);
    measured.messages = ns.size();
    measured.latency.add(std::move(ns));
    if (measured.latency.empty()) throw NothingArrived();
    measured.seconds = static_cast<double>(about.duration.count()) * 1e-9;
    measured.throughput = static_cast<double>(measured.messages) / measured.seconds;
    measured.reached = share_reached(about, sides);
    measured.depth = there.depth();
    measured.preempted = usage.preempted, measured.cpu_seconds = usage.cpu_seconds;
    return measured;
}

struct Arrival {
    std::uint64_t word, tick;
};

struct alignas(64) Progress {
    std::atomic<std::uint64_t> messages{0};
};

// Messages that a producer sends in one burst before it waits until all have arrived.
constexpr std::uint64_t burst = 16;

template <class Channel>
Measured one_way(const Case& about) {
    Channel channel(about, 0);
    SharedArray<Control> control(1);
    SharedArray<Side> sides(about.processes());
    SharedArray<Progress> progress(about.processes());  // producers: sent in all; consumers: received
    const std::uint64_t room = sample_room(about), room_each = room / about.producers + about.batch;
    SharedArray<std::uint64_t> sent_at(room_each * about.producers);
    SharedArray<Arrival> arrivals(room_each * about.producers * about.consumers);
    const std::uint64_t most = room_each * about.producers;  // a consumer may get them all
    const bool spins = !about.oversubscribed();
    const std::function<void(unsigned)> produce = [&](unsigned index) {
        Producing<Channel> producing(about, channel, index);
        std::uint64_t* const sent = &sent_at[index * room_each];
        sent_at.populate(index * room_each, room_each);
        const std::uint64_t start = control[0].start();
        const Window window(about, start);
        const Pace pace(about, index, start, about.batch);
        const auto total = [&](unsigned from, unsigned to) {
            std::uint64_t sum = 0;
            for (unsigned i = from; i < to; ++i) sum += progress[i].messages.load(std::memory_order_acquire);
            return sum;
        };
        for (std::uint64_t i = 0; producing.sent() + about.batch <= room_each; ++i) {
            const std::uint64_t tick = pace.wait_for(i);
            if (tick >= window.end || (pace.set() && TickClock::now() >= window.end)) break;
            for (std::uint64_t j = 0; j < about.batch; ++j) sent[producing.sent() + j] = tick;
            producing.send();
            if (pace.set() || producing.sent() % std::max(burst, about.batch) != 0) continue;
            progress[index].messages.store(producing.sent(), std::memory_order_release);
            // Sent first: what is received of it can only be more by the time we look.
            while (TickClock::now() < window.end && total(about.producers, about.processes()) < total(0, about.producers)) {
                if (!spins) sched_yield();
                for (int pause = 0; pause < 16; ++pause) relax();
            }
        }
        sides[index].due = due_until(about, start, window.end);
        producing.finish(control[0], sides[index]);
    };
    const std::function<void(unsigned)> consume = [&](unsigned index) {
        Side& side = sides[about.producers + index];
        auto& received = progress[about.producers + index].messages;
        Arrival* const mine = &arrivals[index * most];
        arrivals.populate(index * most, most / about.consumers);
        Consuming<Channel> consuming(about, channel);
        std::uint64_t n = 0;
        control[0].start();
        while (consuming.receive([&](std::uint64_t word) {
            mine[n++] = {word, TickClock::now()};
            received.store(n, std::memory_order_release);
        })) {}
        consuming.save(side);
    };
    const Usage usage = run_together(control[0], team_of(about, produce, consume), patience(about), [&] { channel.forked(); });
    check_sums(about, sides);
    const Window window(about, control[0].go.load());
    std::vector<std::uint64_t> ns;
    for (unsigned i = 0; i < about.consumers; ++i) {
        for (std::uint64_t n = 0; n < sides[about.producers + i].messages; ++n) {
            const Arrival& arrival = arrivals[i * most + n];
            const std::uint64_t sent = sent_at[producer_of(arrival.word) * room_each + number_of(arrival.word)];
            if (arrival.tick < window.begin) continue;
            // Clocks of two cores may disagree by a few ticks.
            ns.push_back(arrival.tick > sent ? static_cast<std::uint64_t>(TickClock::ns(arrival.tick - sent) + 0.5) : 0);
        }
    }
    Measured measured;
    measured.messages = ns.size();
    measured.latency.add(std::move(ns));
    if (measured.latency.empty()) throw NothingArrived();
    measured.seconds = static_cast<double>(about.duration.count()) * 1e-9;
    measured.throughput = static_cast<double>(measured.messages) / measured.seconds;
    measured.reached = share_reached(about, sides);
    measured.depth = channel.depth();
    measured.preempted = usage.preempted, measured.cpu_seconds = usage.cpu_seconds;
    return measured;
}

template <class Channel>
Measured measure_kind(const Case& about) {
    switch (about.kind) {
        case Kind::throughput: return throughput<Channel>(about);
        case Kind::round_trip: return round_trip<Channel>(about);
        case Kind::one_way: return one_way<Channel>(about);
    }
    return {};
}

template <class Channel>
Measured measure_on(Case about) {
    for (int attempts = 8; attempts > 0; --attempts) {
        try {
            return measure_kind<Channel>(about);
        } catch (const NothingArrived&) {
            about.duration *= 2;
        }
    }
    throw Failure(Exit::os, fmt::format("no message arrived within {}", short_time(static_cast<double>(about.duration.count()) / 2)));
}

}  // namespace

Measured measure(const Case& about) {
    try {
        switch (about.channel) {
            case ChannelKind::shmq: return measure_on<ShmqChannel>(about);
            case ChannelKind::pipe:
            case ChannelKind::fifo: return measure_on<PipeChannel>(about);
            case ChannelKind::unix_socket: return measure_on<SocketChannel>(about);
            case ChannelKind::mqueue: return measure_on<MqueueChannel>(about);
        }
    } catch (const Failure& failure) {
        throw Failure(failure.exit(), std::string(failure.what()).starts_with(name_of(about.kind)) ? failure.what() : about.describe() + ": " + failure.what());
    }
    return {};
}

}  // namespace bench
