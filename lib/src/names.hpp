// Names of rings and where their files are.
//
//   NAME             shmq.NAME
//   NAME/a, NAME/b   the sides of a duplex ring, which is two: a pushes into shmq.NAME~ab and pops from
//                    shmq.NAME~ba, b the other way round. Where nothing is said about the direction, a side
//                    means the ring that it pushes into.
#pragma once

#include <string>
#include <string_view>

#include <shmq/shmq.hpp>

namespace shmq::detail {

inline constexpr std::string_view file_prefix = "shmq.";
inline constexpr std::string_view duplex_ab = "~ab", duplex_ba = "~ba";  // equally long
inline constexpr std::size_t max_name = longest_name;

enum class Direction { push, pop };

// Without the leading '/', checked; throws Error bad_name.
std::string checked_name(std::string_view name);
// The same for a name that must not be a side.
std::string checked_bare_name(std::string_view name);
bool valid_name(std::string_view name) noexcept;  // no side
std::string file_of(std::string_view checked_name, Direction direction = Direction::push);

// The two rings of a duplex ring, by the side that pushes into each; of anything else, nothing.
bool is_side(std::string_view checked_name) noexcept;
std::string_view without_side(std::string_view checked_name) noexcept;
std::string other_side(std::string_view side);
bool is_there(std::string_view checked_name) noexcept;  // is there a file of that name

}  // namespace shmq::detail
