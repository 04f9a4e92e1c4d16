// What tests do to the file of a ring behind the library's back.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "../unit/support.hpp"

namespace test {

inline std::vector<std::byte> contents(const std::string& path) {
    struct stat s {};
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &s) != 0) throw std::runtime_error(path + ": cannot be read");
    std::vector<std::byte> all(static_cast<std::size_t>(s.st_size));
    const bool good = pread(fd, all.data(), all.size(), 0) == s.st_size;
    close(fd);
    if (!good) throw std::runtime_error(path + ": cannot be read");
    return all;
}
inline void write_at(const std::string& path, u64 offset, const void* data, std::size_t bytes, int flags = 0) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0600);
    const bool good = fd >= 0 && pwrite(fd, data, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
    if (fd >= 0) close(fd);
    if (!good) throw std::runtime_error(path + ": cannot be written");
}
inline Header header_of(const std::string& path) {
    const auto all = contents(path);
    Header header{};
    if (all.size() < sizeof header) throw std::runtime_error(path + ": too short");
    std::memcpy(&header, all.data(), sizeof header);
    return header;
}
// FNV-1a, as shmq(5) has it; written a second time on purpose.
inline u64 checksum_of(const Header& header, const std::byte* record) {
    u64 hash = 14695981039346656037u;
    const auto add = [&](const std::byte* data, std::size_t bytes) {
        for (std::size_t i = 0; i < bytes; ++i) hash ^= static_cast<u64>(data[i]), hash *= 1099511628211u;
    };
    add(reinterpret_cast<const std::byte*>(&header), offsetof(Header, checksum));
    add(record, std::min<std::size_t>(header.record_bytes, max_record_text));
    return hash;
}
// Changes the header as somebody would who knows how: the checksum is right again.
template <class Change>
void forge_header(const std::string& path, Change change) {
    const auto all = contents(path);
    Header header{};
    std::memcpy(&header, all.data(), sizeof header);
    change(header);
    header.checksum = checksum_of(header, all.data() + header_bytes);
    write_at(path, 0, &header, sizeof header);
}

}  // namespace test
