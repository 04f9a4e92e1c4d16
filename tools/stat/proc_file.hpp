// A file of /proc as text. Nothing where it cannot be read to its end: a process may be gone between
// open(2) and any read(2), which then fails.
#pragma once

#include <string>

std::string proc_file(const std::string& path);
