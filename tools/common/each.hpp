// shmq-pop --each: a command for each message, which has been handled when it exits with 0.
#pragma once

#include <functional>
#include <string>

#include "common/framing.hpp"
#include "common/io.hpp"

// Runs `command` by sh(1), with what `put_input` writes on its stdin, and says how it ended: "" where it exited with 0,
// else words for people. Signals that reach us meanwhile wait until it has ended. Throws Failure(os).
std::string run_each(const std::string& command, const std::function<void(Output&)>& put_input, const std::string& ring, const Origin& origin);
