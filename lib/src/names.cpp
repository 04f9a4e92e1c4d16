#include "names.hpp"

#include <dirent.h>
#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace shmq {
namespace detail {

bool valid_name(std::string_view name) noexcept {
    const auto letter_or_digit = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    return !name.empty() && name.size() <= max_name && letter_or_digit(name[0]) &&
           std::ranges::all_of(name, [&](char c) { return letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

std::string checked_name(std::string_view name) {
    std::string_view bare = name;
    if (bare.starts_with('/')) bare.remove_prefix(1);
    if (valid_name(bare)) return std::string(bare);
    std::string why;
    if (bare.empty()) why = "is empty";
    else if (bare.size() > max_name) why = "has " + std::to_string(bare.size()) + " characters, at most " + std::to_string(max_name) + " are allowed";
    else why = "must begin with a letter or digit and hold only letters, digits, '.', '_' and '-'";
    // Shown short and without what a terminal would obey.
    std::string shown(name.substr(0, 40));
    for (char& c : shown)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    throw Error(Errc::bad_name, "bad ring name '" + shown + (name.size() > 40 ? "...'" : "'") + ": it " + why);
}

std::string file_of(std::string_view checked) { return directory() + "/" + std::string(file_prefix) + std::string(checked); }

}  // namespace detail

const std::string& directory() {
    static const std::string value = [] {
        const char* const set = secure_getenv("SHMQ_DIR");
        return std::string(set && *set ? set : "/dev/shm");
    }();
    return value;
}

std::string path_of(std::string_view name) { return detail::file_of(detail::checked_name(name)); }

std::vector<std::string> list() {
    std::vector<std::string> names;
    DIR* const dir = opendir(directory().c_str());
    if (!dir) {
        const int error = errno;
        throw Error(error == EACCES ? Errc::permission : Errc::system, directory() + ": " + std::strerror(error), error);
    }
    for (;;) {
        errno = 0;
        const dirent* const entry = readdir(dir);
        if (!entry) break;
        const std::string_view file = entry->d_name;
        if (file.starts_with(detail::file_prefix) && detail::valid_name(file.substr(detail::file_prefix.size())))
            names.emplace_back(file.substr(detail::file_prefix.size()));
    }
    const int error = errno;
    closedir(dir);
    if (error) throw Error(Errc::system, directory() + ": " + std::strerror(error), error);
    std::ranges::sort(names);
    return names;
}

}  // namespace shmq
