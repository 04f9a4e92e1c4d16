#include "names.hpp"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <shmq/detail/retry.hpp>

namespace shmq {
namespace detail {

bool valid_name(std::string_view name) noexcept {
    const auto letter_or_digit = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    return !name.empty() && name.size() <= max_name && letter_or_digit(name[0]) &&
           std::ranges::all_of(name, [&](char c) { return letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_side(std::string_view name) noexcept { return name.ends_with("/a") || name.ends_with("/b"); }
std::string_view without_side(std::string_view name) noexcept { return is_side(name) ? name.substr(0, name.size() - 2) : name; }
std::string other_side(std::string_view side) { return std::string(without_side(side)) + (side.back() == 'a' ? "/b" : "/a"); }

std::string checked_bare_name(std::string_view name) {
    const std::string checked = checked_name(name);
    if (is_side(checked)) throw Error(Errc::bad_name, "bad ring name '" + checked + "': one side of a duplex ring cannot be made alone (shmq-create -D " + std::string(without_side(checked)) + " makes both)");
    return checked;
}

bool is_there(std::string_view name) noexcept {
    struct stat there {};
    const std::string path = file_of(name);
    return retry_interrupted([&] { return lstat(path.c_str(), &there); }) == 0;
}

std::string checked_name(std::string_view name) {
    std::string_view bare = name;
    if (bare.starts_with('/')) bare.remove_prefix(1);
    if (valid_name(without_side(bare))) return std::string(bare);
    bare = without_side(bare);
    std::string why;
    if (bare.empty()) why = "is empty";
    else if (bare.size() > max_name) why = "has " + std::to_string(bare.size()) + " characters, at most " + std::to_string(max_name) + " are allowed";
    else why = "must begin with a letter or digit and hold only letters, digits, '.', '_' and '-' (a duplex ring's sides are NAME/a and NAME/b)";
    // Shown short and without what a terminal would obey.
    std::string shown(name.substr(0, 40));
    for (char& c : shown)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    throw Error(Errc::bad_name, "bad ring name '" + shown + (name.size() > 40 ? "...'" : "'") + ": it " + why);
}

std::string file_of(std::string_view checked, Direction direction) {
    const std::string path = directory() + "/" + std::string(file_prefix) + std::string(without_side(checked));
    if (!is_side(checked)) return path;
    return path + std::string((checked.back() == 'a') == (direction == Direction::push) ? duplex_ab : duplex_ba);
}

}  // namespace detail

const std::string& directory() {
    static const std::string value = [] {
        const char* const set = secure_getenv("SHMQ_DIR");
        return std::string(set && *set ? set : "/dev/shm");
    }();
    return value;
}

std::vector<std::string> rings_of(std::string_view name) {
    const std::string checked = detail::checked_name(name);
    if (detail::is_side(checked) || detail::is_there(checked)) return {checked};
    std::vector<std::string> rings;
    for (const char* side : {"/a", "/b"})
        if (detail::is_there(checked + side)) rings.push_back(checked + side);
    return rings.empty() ? std::vector{checked} : rings;
}

std::string path_of(std::string_view name) { return detail::file_of(detail::checked_name(name)); }

std::vector<std::string> list() {
    std::vector<std::string> names;
    DIR* const dir = detail::retry_interrupted([] { return opendir(directory().c_str()); });
    if (!dir) {
        const int error = errno;
        throw Error(error == EACCES ? Errc::permission : Errc::system, directory() + ": " + std::strerror(error), error);
    }
    for (;;) {
        const dirent* const entry = detail::retry_interrupted([dir] { return readdir(dir); });
        if (!entry) break;
        const std::string_view file = entry->d_name;
        if (!file.starts_with(detail::file_prefix)) continue;
        std::string_view name = file.substr(detail::file_prefix.size());
        const char* side = "";
        if (name.ends_with(detail::duplex_ab)) side = "/a";
        if (name.ends_with(detail::duplex_ba)) side = "/b";
        if (*side) name.remove_suffix(detail::duplex_ab.size());
        if (detail::valid_name(name)) names.push_back(std::string(name) + side);
    }
    const int error = errno;
    closedir(dir);
    if (error) throw Error(Errc::system, directory() + ": " + std::strerror(error), error);
    std::ranges::sort(names);
    return names;
}

}  // namespace shmq
