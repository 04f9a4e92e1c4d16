#include "stat/limits.hpp"

#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <shmq/detail/retry.hpp>
#include <sstream>

#include "stat/proc_file.hpp"

using shmq::detail::retry_interrupted;

namespace {

struct Limit {
    const char* what;
    const char* key;
    Json value;
    Shown shown = Shown::plain;
};

std::string type_of(std::uint64_t magic) {
    constexpr struct {
        std::uint64_t magic;
        const char* name;
    } known[] = {{TMPFS_MAGIC, "tmpfs"}, {HUGETLBFS_MAGIC, "hugetlbfs"}, {RAMFS_MAGIC, "ramfs"}, {EXT4_SUPER_MAGIC, "ext4"}, {XFS_SUPER_MAGIC, "xfs"},
                 {BTRFS_SUPER_MAGIC, "btrfs"}, {OVERLAYFS_SUPER_MAGIC, "overlay"}, {F2FS_SUPER_MAGIC, "f2fs"}, {NFS_SUPER_MAGIC, "nfs"}, {0x2fc12fc1, "zfs"}};
    for (const auto& type : known)
        if (type.magic == magic) return type.name;
    return fmt::format("{:#x}", magic);
}

// Of a directory that has no huge pages of its own: what mmap(MAP_HUGETLB) would give.
Json huge_page() {
    std::istringstream in(proc_file("/proc/meminfo"));
    for (std::string word; in >> word;) {
        std::uint64_t kibibytes = 0;
        if (word == "Hugepagesize:" && in >> kibibytes) return kibibytes * 1024;
    }
    return {};
}

// Slots come in powers of two, and so do the sizes of rings.
std::uint64_t most_slots(std::uint64_t room) {
    std::uint64_t slots = 0;
    for (std::uint64_t next = 1; next <= shmq::detail::max_slots; next *= 2) {
        shmq::Options options;
        options.slots = next;
        if (shmq::size_of(options) > room) break;
        slots = next;
    }
    return slots;
}

std::vector<Limit> limits() {
    const std::string& directory = shmq::directory();
    struct statvfs room {};
    struct statfs type {};
    if (retry_interrupted([&] { return statvfs(directory.c_str(), &room); }) != 0 || retry_interrupted([&] { return statfs(directory.c_str(), &type); }) != 0)
        throw shmq::Error(shmq::Errc::system, directory + ": " + std::strerror(errno), errno);
    rlimit locked{};
    getrlimit(RLIMIT_MEMLOCK, &locked);
    const auto magic = static_cast<std::uint32_t>(type.f_type);
    // A tmpfs without a size of its own ends where the memory does.
    const bool unlimited = room.f_blocks == 0;
    const std::uint64_t size = room.f_blocks * room.f_frsize, free = room.f_bavail * room.f_frsize;
    const std::uint64_t slots = unlimited ? 0 : most_slots(free);
    shmq::Options largest;
    largest.slots = slots;
    return {
        {"directory of the rings", "directory", directory},
        {"file system", "file_system", type_of(magic)},
        {"size", "size_bytes", unlimited ? Json() : Json(size), Shown::size},
        {"free", "free_bytes", unlimited ? Json() : Json(free), Shown::size},
        {"page", "page_bytes", magic == HUGETLBFS_MAGIC ? static_cast<std::uint64_t>(type.f_bsize) : static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)), Shown::size},
        {"huge page", "huge_page_bytes", huge_page(), Shown::size},
        {"memory a process may lock", "locked_memory_bytes", locked.rlim_cur == RLIM_INFINITY ? Json() : Json(locked.rlim_cur), Shown::size},
        {"largest ring now, slots of 64 bytes", "largest_ring_slots", unlimited ? Json() : Json(slots)},
        {"largest ring now, in memory", "largest_ring_bytes", unlimited || !slots ? Json(slots ? Json() : Json(0)) : Json(shmq::size_of(largest)), Shown::size},
        {"slots of a ring", "max_slots", shmq::detail::max_slots},
        {"bytes of a slot", "max_slot_bytes", shmq::detail::max_slot_size, Shown::size},
        {"participants of a ring, at once", "max_participants", shmq::detail::max_participants},
        {"characters of a name", "max_name", shmq::longest_name},
        {"characters of a record layout", "max_record", shmq::detail::max_record_text},
    };
}

}  // namespace

std::string limits_as_text(const Style& style) {
    std::vector<std::vector<std::string>> rows;
    if (!style.no_headings) rows.push_back({"LIMIT", "VALUE"});
    // Raw, a name is one word: that of JSON.
    for (const Limit& limit : limits()) rows.push_back({style.raw ? limit.key : limit.what, cell(limit.value, limit.shown, style)});
    return aligned(rows, {false, false}, style.raw);
}

Json limits_as_json() {
    Json object;
    for (const Limit& limit : limits()) object[limit.key] = limit.value;
    return object;
}
