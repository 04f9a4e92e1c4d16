// --until: waiting for a state of rings.
#pragma once

#include <optional>

#include "common/cli.hpp"

shmq::Condition parse_condition(std::string_view text);

// ok when the condition is true of all of them at once, timed_out, or what keeps it from ever being so.
Exit wait_until(shmq::Condition condition, const std::vector<std::string>& names, std::optional<std::chrono::nanoseconds> time_out);
