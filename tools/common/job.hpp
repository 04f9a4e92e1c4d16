// shmq-create NAME... -- COMMAND: a command that has rings for as long as it runs.
#pragma once

#include <string>
#include <vector>

#include "common/cli.hpp"

class Job {
public:
    // From here on signals that would end us wait: they are for the command.
    Job();
    // Runs the command, passes on to it the signals that were sent to us, and answers its exit code: 128+n
    // where it died of signal n; 126 and 127, as env(1) does, where it could not be run or was not found.
    Exit run(const std::vector<std::string>& command);
};
