#include "stat/until.hpp"

#include <fmt/format.h>

#include <thread>

#include "common/signals.hpp"

namespace {

using namespace std::chrono_literals;
using shmq::Condition;
using shmq::Deadline;
using shmq::Errc;
using shmq::Outcome;

constexpr Choice<Condition> conditions[] = {{"empty", Condition::empty},   {"nonempty", Condition::nonempty}, {"full", Condition::full},
                                            {"reader", Condition::reader}, {"writer", Condition::writer},     {"end", Condition::ended}};

// One of the rings. Who may not attach (a read-only ring, a full table) looks ten times a second.
class Watched {
public:
    Watched(const std::string& name, Condition condition) : name_(name), condition_(condition) {
        try {
            watcher_.emplace(name);
        } catch (const shmq::Error& error) {
            if (error.code() != Errc::permission && error.code() != Errc::table_full && error.code() != Errc::in_use) throw;
            const shmq::Status status = shmq::stat(name);
            id_[0] = status.id[0], id_[1] = status.id[1];
        }
    }

    Outcome wait(Deadline deadline) { return watcher_ ? watch(deadline) : look(deadline); }

private:
    Outcome watch(Deadline deadline) {
        const Interrupts interrupts(*watcher_);
        const Outcome outcome = watcher_->wait(condition_, deadline);
        if (outcome == Outcome::interrupted) throw Stopped();
        return outcome;
    }
    Outcome look(Deadline deadline) const {
        for (;;) {
            if (signals::caught()) throw Stopped();
            try {
                const shmq::Status status = shmq::stat(name_);
                if (status.state == shmq::RingState::removed || status.id[0] != id_[0] || status.id[1] != id_[1]) return Outcome::removed;
                if (shmq::holds(status, condition_)) return Outcome::ok;
                const bool needs_pushes = condition_ == Condition::nonempty || condition_ == Condition::full;
                if (needs_pushes && status.state == shmq::RingState::ended) return Outcome::ended;
            } catch (const shmq::Error& error) {
                if (error.code() != Errc::no_such_ring) throw;
                return Outcome::removed;
            }
            const auto now = shmq::Clock::now();
            if (now >= deadline) return Outcome::timed_out;
            std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(100ms, deadline - now));
        }
    }

    std::string name_;
    Condition condition_;
    std::optional<shmq::Watcher> watcher_;
    std::uint64_t id_[2]{};
};

}  // namespace

Condition parse_condition(std::string_view text) { return choose(text, conditions); }

Exit wait_until(Condition condition, const std::vector<std::string>& names, std::optional<std::chrono::nanoseconds> time_out) {
    return until_signalled([&] {
        const Deadline deadline = time_out ? shmq::after(*time_out) : shmq::forever;
        std::vector<Watched> rings;
        rings.reserve(names.size());
        for (const std::string& name : names) rings.emplace_back(name, condition);
        // Round and round until it was true of each without waiting.
        for (std::size_t true_of = 0, i = 0; true_of < rings.size(); i = (i + 1) % rings.size()) {
            Outcome outcome = rings[i].wait(shmq::no_wait);
            ++true_of;
            if (outcome == Outcome::timed_out) {
                outcome = rings[i].wait(deadline);
                true_of = 1;
            }
            if (outcome == Outcome::ok) continue;

            throw Failure(exit_for(outcome), fmt::format("{}: {}", names[i], shmq::describe(outcome)));
        }
        return Exit::ok;
    });
}
