// What a command says when it ends: one table for all of them, printed by --help, explained in shmq(1).
#pragma once

#include <shmq/shmq.hpp>

enum class Exit : int {
    ok = 0,            // done, including a clean end of stream
    no = 1,            // the ordinary no: full or empty with -n, fewer than -c messages, condition false
    usage = 64,        // the command line
    data = 65,         // message too long, or a bad frame, JSON document or record layout
    no_ring = 66,      // no such ring
    unavailable = 69,  // ring closed, in use or removed, role taken, or the peers died
    os = 71,           // operating system error, no room
    exists = 73,       // exists already
    io = 74,           // reading stdin or writing stdout failed
    not_ring = 76,     // not a ring, other version, other geometry, corrupt
    permission = 77,   // permission denied
    timed_out = 124,
    not_executable = 126,  // -- COMMAND: there, but it cannot be run
    not_found = 127,       // -- COMMAND: not there
};

Exit exit_for(shmq::Errc code) noexcept;
Exit exit_for(shmq::Outcome outcome) noexcept;  // `ended` as a push sees it: a pop's clean end is its own `ok`
const char* meaning(Exit exit) noexcept;
