// --wait-ring: open a ring now, or as soon as there is one of that name.
#pragma once

#include <optional>
#include <string>

#include "common/cli.hpp"

// Tells when a file appeared in the directory of the rings, or, for `everything`, when one was removed
// or let go by a participant, killed ones included: it is their last reference to the file that tells.
// wait() answers true also from time to time, and false at the deadline; throws Stopped.
class Arrivals {
public:
    enum class Of { rings, everything };
    explicit Arrivals(Of what = Of::rings);
    ~Arrivals();
    Arrivals(const Arrivals&) = delete;
    Arrivals& operator=(const Arrivals&) = delete;
    bool wait(shmq::Deadline deadline);

private:
    int fd_;
    std::chrono::seconds longest_;
};

template <class Open>
auto open_ring(const std::string& name, bool wait, std::optional<std::chrono::nanoseconds> time_out, Open open) {
    const shmq::Deadline deadline = wait && time_out ? shmq::after(*time_out) : shmq::forever;
    for (std::optional<Arrivals> arrivals;;) {
        try {
            return open();
        } catch (const shmq::Error& error) {
            if (!wait || error.code() != shmq::Errc::no_such_ring) throw;
        }
        // Having begun to watch, look again first: it may have come in between.
        if (!arrivals) arrivals.emplace();
        else if (!arrivals->wait(deadline)) throw Failure(Exit::timed_out, name + ": timed out: still no such ring");
    }
}
