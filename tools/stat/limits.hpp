// --limits: what the system and the library allow, as ipcs -l tells it.
#pragma once

#include "stat/table.hpp"

std::string limits_as_text(const Style& style);
Json limits_as_json();
