// Names of rings and where their files are.
#pragma once

#include <string>
#include <string_view>

#include <shmq/shmq.hpp>

namespace shmq::detail {

inline constexpr std::string_view file_prefix = "shmq.";
inline constexpr std::size_t max_name = longest_name;

// Without the leading '/', checked; throws Error bad_name.
std::string checked_name(std::string_view name);
bool valid_name(std::string_view name) noexcept;
std::string file_of(std::string_view checked_name);

}  // namespace shmq::detail
