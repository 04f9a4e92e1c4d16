#include "segment.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <thread>

#include <shmq/detail/retry.hpp>

#include "names.hpp"
#include "waiter.hpp"

namespace shmq {
namespace detail {
namespace {

std::string number(u64 value) { return std::to_string(value); }

u64 round_up(u64 value, u64 unit) noexcept { return (value + unit - 1) / unit * unit; }

u64 checksum_of(const Header& header, std::string_view record) noexcept {
    u64 hash = 0xcbf29ce484222325;
    const auto add = [&](const void* data, std::size_t bytes) {
        for (std::size_t i = 0; i < bytes; ++i) hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3;
    };
    add(&header, offsetof(Header, checksum));
    add(record.data(), record.size());
    return hash;
}

// ---- geometry -----------------------------------------------------------------------------------

u64 prefix_of(const Header& header) noexcept {
    if (header.incompatible & feature_fixed) return 0;
    return message_header_bytes + (header.incompatible & feature_timestamps ? message_time_bytes : 0);
}

// Where everything lies, from what the user asked for. `page` is the file system's: 2 MiB on hugetlbfs.
void lay_out(Header& header, u64 page) noexcept {
    const bool fixed = header.incompatible & feature_fixed;
    header.slots = std::bit_ceil(header.capacity + (header.incompatible & feature_overwrite ? spare_slots(header.capacity) : 0));
    if (!fixed) {
        // The mirror needs whole pages; slot_size is a power of two times something odd.
        while (header.slots * header.slot_size % page) header.slots *= 2;
    }
    header.lines_offset = 4096;
    header.entries_offset = 8192;
    u64 at = header.entries_offset + header.participants * sizeof(Entry);
    header.words_offset = at = round_up(at, 4096);
    at += header.slots * sizeof(u64);
    header.times_offset = 0;
    if (fixed && header.incompatible & feature_timestamps) {
        header.times_offset = at = round_up(at, 4096);
        at += header.slots * sizeof(u64);
    }
    header.data_offset = round_up(at, page);
    header.data_bytes = round_up(header.slots * header.slot_size, page);
    header.total_bytes = header.data_offset + header.data_bytes;
}

Geometry geometry_of(const Header& header) noexcept {
    return {header.capacity, header.slots, header.slot_size, header.max_message, header.participants,
            (header.incompatible & feature_fixed) != 0, (header.incompatible & feature_one_producer) != 0,
            (header.incompatible & feature_one_consumer) != 0, (header.incompatible & feature_timestamps) != 0,
            (header.incompatible & feature_broadcast) != 0, (header.incompatible & feature_overwrite) != 0};
}

Header header_for(const Options& options) {
    const auto bad = [](const std::string& what) { return Error(Errc::bad_option, what); };
    if (options.slots < 1 || options.slots > max_slots) throw bad("slots: found " + number(options.slots) + ", expected 1 to " + number(max_slots));
    if (options.slot_size < 1 || options.slot_size > max_slot_size) throw bad("slot size: found " + number(options.slot_size) + ", expected 1 to " + number(max_slot_size) + " bytes");
    if (options.participants < 1 || options.participants > max_participants) throw bad("participants: found " + number(options.participants) + ", expected 1 to " + number(max_participants));
    if (options.record.size() > max_record_text) throw bad("record layout: found " + number(options.record.size()) + " bytes, expected at most " + number(max_record_text));
    if (!options.fixed && options.slot_size < min_slot_size) throw bad("slot size: found " + number(options.slot_size) + ", expected at least " + number(min_slot_size) + " bytes (or a ring of fixed-size messages)");

    Header header{};
    std::memcpy(header.magic, magic, sizeof magic);
    header.byte_order = byte_order_mark;
    header.version = format_version;
    if (options.fixed) header.incompatible |= feature_fixed;
    if (options.broadcast) header.incompatible |= feature_broadcast;
    if (options.overwrite) header.incompatible |= feature_overwrite;
    if (options.timestamps) header.incompatible |= feature_timestamps;
    if (options.producers == one) header.incompatible |= feature_one_producer;
    if (options.consumers == one) header.incompatible |= feature_one_consumer;
    if (!options.record.empty()) header.compatible |= feature_record;
    if (options.ephemeral) header.compatible |= feature_ephemeral;
    if (options.lock_memory) header.compatible |= feature_lock_memory;
    header.capacity = options.slots;
    header.requested_slot_size = options.slot_size;
    header.slot_size = options.fixed ? options.slot_size : round_up(options.slot_size, options.slot_size > 4096 ? 4096 : 8);
    header.participants = options.participants;
    header.waiting = static_cast<u32>(options.waiting);
    header.record_bytes = static_cast<u32>(options.record.size());
    const u64 longest = header.capacity * header.slot_size - prefix_of(header);
    header.max_message = options.fixed ? header.slot_size : std::min<u64>(longest, ~u32{0});
    if (options.max_message) {
        if (options.fixed && options.max_message != header.slot_size) throw bad("longest message: found " + number(options.max_message) + ", but every message of this ring is " + number(header.slot_size) + " bytes");
        if (options.max_message > header.max_message) throw bad("longest message: found " + number(options.max_message) + ", expected at most " + number(header.max_message) + " bytes, which is all that fits");
        header.max_message = options.max_message;
    }
    if (header.slots > max_slots || static_cast<double>(std::bit_ceil(header.capacity)) * static_cast<double>(header.slot_size) > 1e18) throw bad("the ring would be larger than any memory");
    return header;
}

// ---- making -------------------------------------------------------------------------------------

Fd make_unnamed(const Header& wanted, const Options& options, const std::string& path, Header& header) {
    Fd fd(retry_interrupted([] { return open(directory().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); }));
    if (!fd) {
        const int error = errno;
        if (error == EACCES || error == EROFS) throw_errno(Errc::permission, directory() + ": cannot make a file there", error);
        if (error == EOPNOTSUPP || error == EISDIR) throw_errno(Errc::unsupported, directory() + ": this file system cannot make unnamed files (O_TMPFILE)", error);
        throw_errno(error == ENOSPC ? Errc::no_room : Errc::system, directory(), error);
    }
    if (options.group && retry_interrupted([&] { return fchown(fd.get(), static_cast<uid_t>(-1), *options.group); }) != 0) {
        const int error = errno;
        throw_errno(error == EPERM ? Errc::permission : Errc::system, path + ": cannot give it to group " + number(*options.group), error);
    }
    if (retry_interrupted([&] { return fchmod(fd.get(), options.mode); }) != 0) {
        const int error = errno;
        throw_errno(Errc::system, path + ": cannot set its mode", error);
    }

    header = wanted;
    lay_out(header, page_of(fd.get()));
    const auto allocate = [&] { return (errno = posix_fallocate(fd.get(), 0, static_cast<off_t>(header.total_bytes))) ? -1 : 0; };
    if (retry_interrupted(allocate) != 0) {
        const int error = errno;
        struct statvfs fs {};
        const u64 available = retry_interrupted([&] { return statvfs(directory().c_str(), &fs); }) == 0 ? u64{fs.f_bavail} * fs.f_frsize : 0;
        throw_errno(Errc::no_room, directory() + ": no room for the ring: " + number(header.total_bytes) + " bytes needed, " + number(available) + " free", error);
    }

    const auto random = [](u64 (&id)[2]) {
        if (retry_interrupted([&] { return getrandom(id, sizeof id, 0); }) != sizeof id) {
            id[0] = static_cast<u64>(getpid()), id[1] = static_cast<u64>(Clock::now().time_since_epoch().count());
        }
    };
    random(header.id);
    header.creator_pid = static_cast<u32>(getpid());
    header.creator_uid = geteuid();
    header.creator_gid = getegid();
    header.created_ns = wall_clock_ns();
    header.checksum = checksum_of(header, options.record);

    // Only what is not zero has to be written: the header and the registers.
    const std::size_t bytes = header.words_offset;
    const std::size_t mapped = round_up(bytes, page_of(fd.get()));
    void* const at = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (at == MAP_FAILED) throw_errno(Errc::system, path + ": cannot map it", errno);
    auto* const base = static_cast<std::byte*>(at);
    std::memcpy(base, &header, sizeof header);
    std::memcpy(base + header_bytes, options.record.data(), options.record.size());
    clear_entries(make_ring(geometry_of(header), base + header.lines_offset, base + header.entries_offset, nullptr, nullptr, nullptr));
    munmap(at, mapped);
    return fd;
}

// 0 or an errno.
int give_name(int fd, const std::string& path) {
    const std::string self = "/proc/self/fd/" + number(static_cast<u64>(fd));
    if (retry_interrupted([&] { return linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW); }) == 0) return 0;
    int error = errno;
    if (error == ENOENT) {  // /proc is not mounted
        if (retry_interrupted([&] { return linkat(fd, "", AT_FDCWD, path.c_str(), AT_EMPTY_PATH); }) == 0) return 0;
        error = errno;
    }
    // One that was interrupted may have given it all the same.
    struct stat ours {}, there {};
    const bool ours_is_there = error == EEXIST && retry_interrupted([&] { return fstat(fd, &ours); }) == 0 &&
                               retry_interrupted([&] { return lstat(path.c_str(), &there); }) == 0 && id_of(ours) == id_of(there);
    return ours_is_there ? 0 : error;
}

// ---- checking -----------------------------------------------------------------------------------

void check(const SegmentFile& file, std::string_view record) {
    const Header& h = file.header;
    const auto corrupt = [&](const std::string& what) { return Error(Errc::corrupt, file.name + ": corrupt ring: " + what); };
    if (h.checksum != checksum_of(h, record)) throw corrupt("its header's checksum does not match");
    // The checksum is right, so a program wrote this on purpose; it may still be a hostile one.
    const u64 size = static_cast<u64>(file.stat.st_size);
    if (h.total_bytes != size) throw corrupt("its size is " + number(size) + " bytes, its header says " + number(h.total_bytes));
    const bool fixed = h.incompatible & feature_fixed;
    if (h.capacity < 1 || h.slots > max_slots || h.capacity > h.slots || !std::has_single_bit(h.slots) || h.slot_size < 1 || h.slot_size > max_slot_size ||
        (!fixed && (h.slot_size < min_slot_size || h.slot_size % 8)) || h.participants < 1 || h.participants > max_participants ||
        (h.incompatible & feature_overwrite && h.slots - h.capacity < spare_slots(h.capacity)) || h.waiting > static_cast<u32>(Waiting::spin) || (fixed ? h.max_message != h.slot_size : h.max_message > std::min<u64>(h.capacity * h.slot_size - prefix_of(h), ~u32{0})))
        throw corrupt("impossible geometry");
    const auto within = [&](u64 offset, u64 bytes, u64 alignment) { return offset % alignment == 0 && offset >= 4096 && offset <= size && bytes <= size - offset; };
    const u64 page = page_of(file.fd.get());
    if (!within(h.lines_offset, sizeof(Lines), line_bytes) || !within(h.entries_offset, h.participants * sizeof(Entry), line_bytes) ||
        !within(h.words_offset, h.slots * 8, 8) || (h.times_offset && !within(h.times_offset, h.slots * 8, 8)) ||
        (fixed && h.incompatible & feature_timestamps && !h.times_offset) || !within(h.data_offset, h.data_bytes, page) ||
        h.data_bytes % page || h.slots > h.data_bytes / h.slot_size || (!fixed && h.slots * h.slot_size != h.data_bytes) || h.data_offset + h.data_bytes != size)
        throw corrupt("its parts do not fit into it");
    // No two parts share bytes.
    const u64 begins[] = {h.lines_offset, h.entries_offset, h.words_offset, h.data_offset};
    const u64 ends[] = {h.lines_offset + sizeof(Lines), h.entries_offset + h.participants * sizeof(Entry), h.words_offset + h.slots * 8};
    for (std::size_t i = 0; i < 3; ++i)
        if (ends[i] > begins[i + 1]) throw corrupt("its parts overlap");
}

}  // namespace

u64 page_of(int fd) noexcept {
    struct statfs fs {};
    if (retry_interrupted([&] { return fstatfs(fd, &fs); }) == 0 && fs.f_type == HUGETLBFS_MAGIC) return static_cast<u64>(fs.f_bsize);
    return static_cast<u64>(sysconf(_SC_PAGESIZE));
}

void throw_errno(Errc code, const std::string& what, int error) { throw Error(code, what + ": " + std::strerror(error), error); }

void Fd::reset() noexcept {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
}

void require_both_directions(const SegmentFile& file) {
    if (is_side(file.ring) && !is_there(other_side(file.ring)))
        throw Error(Errc::no_such_ring, file.name + ": only one direction of this duplex ring is there (shmq-create -D " + std::string(without_side(file.name)) + " completes it)");
}

SegmentFile open_segment(std::string_view name, Access access, Direction direction) {
    SegmentFile file;
    file.name = checked_name(name);
    file.path = file_of(file.name, direction);
    file.ring = is_side(file.name) && direction == Direction::pop ? other_side(file.name) : file.name;
    // O_NONBLOCK: a fifo in place of the ring must not hang us. Never O_CREAT (fs.protected_regular).
    const int flags = (access == Access::look ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    file.fd = Fd(retry_interrupted([&] { return open(file.path.c_str(), flags); }));
    if (!file.fd) {
        const int error = errno;
        if (error == ENOENT || error == ENOTDIR) {
            const bool duplex = !is_side(file.name) && (is_there(file.name + "/a") || is_there(file.name + "/b"));
            throw Error(Errc::no_such_ring, file.name + ": no such ring" + (duplex ? "; it is a duplex ring, whose sides are " + file.name + "/a and " + file.name + "/b" : ""), error);
        }
        if (error == EACCES || error == EPERM || error == EROFS) throw_errno(Errc::permission, file.name, error);
        if (error == ELOOP || error == EISDIR || error == ENXIO) throw Error(Errc::not_a_ring, file.name + ": not a ring: " + (error == ELOOP ? "a symbolic link" : error == EISDIR ? "a directory" : "a special file"), error);
        throw_errno(Errc::system, file.name, error);
    }
    if (retry_interrupted([&] { return fstat(file.fd.get(), &file.stat); }) != 0) throw_errno(Errc::system, file.name, errno);
    if (!S_ISREG(file.stat.st_mode)) throw Error(Errc::not_a_ring, file.name + ": not a ring: not a regular file");

    // Copied out once and never read again: nobody can change it after it was checked.
    char page[header_bytes + max_record_text]{};
    const ssize_t got = retry_interrupted([&] { return pread(file.fd.get(), page, sizeof page, 0); });
    if (got < 0) throw_errno(Errc::system, file.name, errno);
    if (static_cast<std::size_t>(got) < sizeof(Header)) throw Error(Errc::not_a_ring, file.name + ": not a ring: " + number(static_cast<u64>(file.stat.st_size)) + " bytes, too short for a header");
    std::memcpy(&file.header, page, sizeof(Header));
    const Header& h = file.header;
    if (std::memcmp(h.magic, magic, sizeof magic) != 0) throw Error(Errc::not_a_ring, file.name + ": not a ring: it does not begin with SHMQRING");
    if (h.byte_order == __builtin_bswap32(byte_order_mark)) throw Error(Errc::other_version, file.name + ": a ring of the other byte order");
    if (h.byte_order != byte_order_mark) throw Error(Errc::corrupt, file.name + ": corrupt ring: no byte order mark");
    if (h.version != format_version) throw Error(Errc::other_version, file.name + ": a ring of format version " + number(h.version) + ", expected " + number(format_version));
    const u64 unknown = h.incompatible & ~known_incompatible;
    if (unknown) throw Error(Errc::other_version, file.name + ": a ring with features this version does not know: bits " + number(unknown));
    if (access == Access::attach && h.read_only_compatible) throw Error(Errc::other_version, file.name + ": a ring that this version can only look at: bits " + number(h.read_only_compatible));
    if (h.record_bytes > max_record_text || sizeof page < header_bytes + h.record_bytes || static_cast<std::size_t>(got) < header_bytes + h.record_bytes)
        throw Error(Errc::corrupt, file.name + ": corrupt ring: record layout of " + number(h.record_bytes) + " bytes");
    file.record.assign(page + header_bytes, h.record_bytes);
    check(file, file.record);
    return file;
}

Mapping::Mapping(const SegmentFile& file, Access access, bool prefault) {
    const Header& h = file.header;
    const u64 page = page_of(file.fd.get());
    const bool mirrored = !(h.incompatible & feature_fixed);
    bytes_ = h.total_bytes + (mirrored ? h.data_bytes : 0);
    // One reservation, aligned to the page, then both views into it.
    const std::size_t reserve = bytes_ + (page > 4096 ? page : 0);
    void* const reserved = mmap(nullptr, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) throw_errno(Errc::no_room, file.name + ": no address space for " + number(bytes_) + " bytes", errno);
    const auto begin = reinterpret_cast<std::uintptr_t>(reserved), aligned = round_up(begin, page);
    if (aligned > begin) munmap(reserved, aligned - begin);
    if (begin + reserve > aligned + bytes_) munmap(reinterpret_cast<void*>(aligned + bytes_), begin + reserve - aligned - bytes_);
    base_ = reinterpret_cast<std::byte*>(aligned);

    const int protection = access == Access::look ? PROT_READ : PROT_READ | PROT_WRITE;
    const auto map = [&](std::byte* at, u64 offset, u64 bytes) {
        return mmap(at, bytes, protection, MAP_SHARED | MAP_FIXED, file.fd.get(), static_cast<off_t>(offset)) != MAP_FAILED &&
               madvise(at, bytes, MADV_DONTFORK) == 0;  // a child must not keep our locks alive
    };
    if (!map(base_, 0, h.total_bytes) || (mirrored && !map(base_ + h.total_bytes, h.data_offset, h.data_bytes))) {
        const int error = errno;
        munmap(base_, bytes_);
        throw_errno(Errc::system, file.name + ": cannot map " + number(bytes_) + " bytes", error);
    }
    if (prefault) madvise(base_, bytes_, MADV_POPULATE_WRITE);  // a kernel before 5.14 cannot: then page by page, as they are used
    guarded_ = guard_mapping(base_, bytes_, page);
    ring_ = make_ring(geometry_of(h), base_ + h.lines_offset, base_ + h.entries_offset, base_ + h.words_offset,
                      h.times_offset ? base_ + h.times_offset : nullptr, base_ + h.data_offset);
}

Mapping::~Mapping() {
    if (!guarded_) return;
    release_guard(guarded_);
    munmap(base_, bytes_);
}

std::vector<SegmentFile> open_segments(std::string_view name) {
    std::vector<SegmentFile> files;
    for (const std::string& ring : rings_of(without_side(checked_name(name)))) files.push_back(open_segment(ring, Access::attach));
    return files;
}

void Mapping::lock_memory(const SegmentFile& file) const {
    if (mlock(base_, file.header.total_bytes) == 0) return;
    const int error = errno;
    rlimit limit{};
    getrlimit(RLIMIT_MEMLOCK, &limit);
    throw_errno(Errc::no_room, file.name + ": cannot lock its " + number(file.header.total_bytes) + " bytes into memory" +
                                   (limit.rlim_cur == RLIM_INFINITY ? "" : ", of which a process may lock " + number(limit.rlim_cur) + " (ulimit -l)"), error);
}

bool try_lock(const SegmentFile& file, u64 byte, u64 count) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(byte);
    lock.l_len = static_cast<off_t>(count);
    if (retry_interrupted([&] { return fcntl(file.fd.get(), F_OFD_SETLK, &lock); }) == 0) return true;
    const int error = errno;
    if (error == EAGAIN || error == EACCES) return false;
    throw_errno(Errc::system, file.name + ": cannot lock it", error);
}

void unlock(int fd, u64 byte, u64 count) noexcept {
    struct flock lock {};
    lock.l_type = F_UNLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(byte);
    lock.l_len = static_cast<off_t>(count);
    retry_interrupted([&] { return fcntl(fd, F_OFD_SETLK, &lock); });
}

namespace {

// The lock that is in the way of one of this type; F_UNLCK: none. False: it cannot be asked.
bool ask_for_lock(int fd, short type, u64 byte, u64 count, struct flock& lock) noexcept {
    lock = {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(byte);
    lock.l_len = static_cast<off_t>(count);
    return retry_interrupted([&] { return fcntl(fd, F_OFD_GETLK, &lock); }) == 0;
}

}  // namespace

bool locked(int fd, u64 byte, u64 count) noexcept {
    struct flock lock;
    return !ask_for_lock(fd, F_RDLCK, byte, count, lock) || lock.l_type != F_UNLCK;
}

bool locked_by_reader(int fd, u64 byte, u64 count) noexcept {
    struct flock lock;
    return ask_for_lock(fd, F_WRLCK, byte, count, lock) && lock.l_type == F_RDLCK;
}

bool locked_alone(int fd, u64 byte) noexcept {
    struct flock lock;
    return !ask_for_lock(fd, F_RDLCK, byte, 1, lock) || (lock.l_type != F_UNLCK && lock.l_len == 1);
}

std::string fuser(const SegmentFile& file) { return "fuser " + file.path + " shows who has it open"; }

Error being_removed(const SegmentFile& file) { return Error(Errc::in_use, file.name + ": being removed by another process (" + fuser(file) + ")", EBUSY); }

bool remove_file(const SegmentFile& file, bool forced, const std::function<bool(const Ring&)>& wanted) {
    // Whoever removes holds the removal byte; whoever is attached holds its entry's.
    const int fd = file.fd.get();
    if (!try_lock(file, lock_removal)) {
        if (locked_by_reader(fd, lock_removal)) throw Error(Errc::in_use, file.name + ": a process that reads it has locked it against removal (" + fuser(file) + ")", EBUSY);
        throw being_removed(file);
    }
    if (!forced && !try_lock(file, lock_keeper, max_holders))
        throw Error(Errc::in_use, file.name + (held(fd) ? ": in use" : ": locked by a process that reads it (" + fuser(file) + ")"));
    struct stat now {};
    if (retry_interrupted([&] { return lstat(file.path.c_str(), &now); }) != 0) {
        const int error = errno;
        if (error == ENOENT) return false;
        throw_errno(Errc::system, file.name, error);
    }
    if (id_of(now) != id_of(file.stat)) return false;
    const Mapping mapping(file, Access::attach);
    if (wanted && !wanted(mapping.ring())) return false;
    // The name first: whoever may not take it away must not have told anybody that the ring is removed.
    // Killed in between: the attached notice that the name is gone.
    if (retry_interrupted([&] { return unlink(file.path.c_str()); }) != 0 && errno != ENOENT) {
        const int error = errno;
        throw_errno(error == EACCES || error == EPERM ? Errc::permission : Errc::system, file.name + ": cannot remove it", error);
    }
    const Ring& ring = mapping.ring();
    ring.lines->events.state.store(state_removed, std::memory_order_release);
    for (WaitWord* word : {&ring.lines->data_wait, &ring.lines->room_wait}) {
        word->value.fetch_or(wait_attention, std::memory_order_seq_cst);
        wake_all(*word);
    }
    return true;
}

bool remove_files(std::span<const SegmentFile> files, bool forced, const std::function<bool(std::span<const Ring* const>)>& wanted) {
    std::vector<const Ring*> rings;
    const std::function<bool(std::size_t)> remove_from = [&](std::size_t i) {
        return remove_file(files[i], forced, [&](const Ring& ring) {
            rings.push_back(&ring);
            return i + 1 < files.size() ? remove_from(i + 1) || forced : !wanted || wanted(rings);
        });
    };
    return remove_from(0);
}

}  // namespace detail

using namespace detail;

namespace {

// Its remover was killed before it took the name away, or it is ephemeral and its last user was killed.
bool left_over(const SegmentFile& file) {
    const Mapping mapping(file, Access::look);
    return mapping.ring().lines->events.state.load(std::memory_order_acquire) == state_removed || abandoned(file, mapping.ring());
}

void remove_left_over(const SegmentFile& file, bool last_try) {
    try {
        if (!remove_abandoned(file)) remove_file(file, true, [](const Ring& ring) { return ring.lines->events.state.load(std::memory_order_acquire) == state_removed; });
    } catch (const Error& error) {
        if (error.code() != Errc::in_use || last_try) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));  // somebody else is at it
    }
}

std::string policy_text(const Header& h) {
    return number(h.capacity) + " slots of " + number(h.requested_slot_size) + " bytes" + (h.incompatible & feature_fixed ? ", fixed" : "") +
           (h.incompatible & feature_one_producer ? ", one producer" : ", many producers") + (h.incompatible & feature_one_consumer ? ", one consumer" : ", many consumers") +
           (h.incompatible & feature_broadcast ? ", broadcast" : "") + (h.incompatible & feature_overwrite ? ", overwrite" : "") +
           (h.incompatible & feature_timestamps ? ", timestamps" : "") + ", longest message " + number(h.max_message) + ", " + number(h.participants) + " participants" +
           (h.compatible & feature_ephemeral ? ", ephemeral" : "") + (h.compatible & feature_lock_memory ? ", locked into memory" : "") + (h.record_bytes ? ", with a record layout" : "");
}

std::string octal(mode_t mode) {
    const char digits[] = {'0', static_cast<char>('0' + (mode >> 6 & 7)), static_cast<char>('0' + (mode >> 3 & 7)), static_cast<char>('0' + (mode & 7)), 0};
    return digits;
}

// Somebody else may have been first with our name, to read what we push: his ring is as good as ours
// only where others were to have access anyway, and no more of them than we asked for.
void require_trusted(const SegmentFile& there, const Options& options) {
    const mode_t mode = there.stat.st_mode & 0777;
    if (there.stat.st_uid == geteuid()) return;
    if ((options.mode & 077) && !(mode & ~options.mode) && (!options.group || there.stat.st_gid == *options.group)) return;
    throw Error(Errc::permission, there.name + ": exists, but belongs to user " + number(there.stat.st_uid) + ", group " + number(there.stat.st_gid) + ", with mode " + octal(mode) +
                                      "; expected our own or mode " + octal(options.mode) + (options.group ? " and group " + number(*options.group) : ""));
}

void require_same(const SegmentFile& there, const Header& wanted, const Options& options) {
    const Header& h = there.header;
    require_trusted(there, options);
    if (h.capacity != wanted.capacity || h.requested_slot_size != wanted.requested_slot_size || h.incompatible != wanted.incompatible || h.max_message != wanted.max_message ||
        (h.compatible ^ wanted.compatible) & (feature_ephemeral | feature_lock_memory) || h.participants != wanted.participants || there.record != options.record)
        throw Error(Errc::other_geometry, there.name + ": exists with another geometry: found " + policy_text(h) + "; expected " + policy_text(wanted));
}

}  // namespace

std::uint64_t page_size() {
    const Fd dir(retry_interrupted([] { return open(directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    return page_of(dir.get());
}

std::uint64_t size_of(const Options& options) {
    Header header = header_for(options);
    lay_out(header, page_size());
    return header.total_bytes;
}

namespace {

SegmentFile create_segment(const std::string& checked, const Options& options, u64 compatible) {
    const std::string path = file_of(checked);
    Header wanted = header_for(options);
    wanted.compatible |= compatible;
    SegmentFile made{checked, path, checked, Fd(), {}, {}, options.record};
    Fd& fd = made.fd;
    // Somebody else may remove or create at any moment: try again, but not for ever.
    constexpr int most_tries = 100;
    for (int tries = 0; tries < most_tries; ++tries) {
        if (options.if_exists != IfExists::fail || tries > 0) {
            try {
                const SegmentFile there = open_segment(checked, Access::attach);
                if (left_over(there)) {
                    remove_left_over(there, tries + 1 == most_tries);
                } else if (options.if_exists == IfExists::fail) {
                    throw Error(Errc::exists, checked + ": exists already");
                } else if (options.if_exists == IfExists::keep || options.if_exists == IfExists::reopen) {
                    require_same(there, wanted, options);
                    if (options.if_exists == IfExists::reopen) {
                        const Mapping mapping(there, Access::attach);
                        mapping.ring().lines->write_position.value.fetch_and(~end_bit, std::memory_order_acq_rel);
                        wake_all(mapping.ring().lines->data_wait);
                    }
                    fd.reset();
                    return made;
                } else {
                    remove_file(there, options.if_exists == IfExists::replace_force);
                }
            } catch (const Error& error) {
                if (error.code() != Errc::no_such_ring) throw;
            }
        }
        if (!fd) {
            fd = make_unnamed(wanted, options, path, made.header);
            if (options.lock_memory) Mapping(made, Access::attach).lock_memory(made);  // fail now rather than in whoever attaches
            if (compatible & feature_kept && !try_lock(made, lock_keeper)) throw Error(Errc::system, checked + ": cannot lock it");
            retry_interrupted([&] { return fstat(fd.get(), &made.stat); });
        }
        const int error = give_name(fd.get(), path);
        if (error == 0) return made;
        if (error != EEXIST) throw_errno(error == EACCES || error == EROFS ? Errc::permission : Errc::system, checked + ": cannot give it its name", error);
        if (options.if_exists == IfExists::fail && tries == 0) {
            // Only what is left over of a ring is out of the way; anything else, a ring or not, exists.
            try {
                if (left_over(open_segment(checked, Access::attach))) continue;
            } catch (const Error& other) {
                if (other.code() == Errc::no_such_ring) continue;
            }
            throw Error(Errc::exists, checked + ": exists already", EEXIST);
        }
    }
    throw Error(Errc::system, checked + ": other processes keep creating and removing it");
}

void remove_ring(std::string_view name, bool force) {
    try {
        remove_files(open_segments(name), force);
    } catch (const Error& error) {
        const bool unreadable = error.code() == Errc::not_a_ring || error.code() == Errc::other_version || error.code() == Errc::corrupt;
        if (!force || !unreadable) throw;
        for (const std::string& ring : rings_of(without_side(checked_name(name)))) {
            const std::string path = path_of(ring);
            struct stat there {};
            if (retry_interrupted([&] { return lstat(path.c_str(), &there); }) == 0 && S_ISDIR(there.st_mode)) throw;
            if (retry_interrupted([&] { return unlink(path.c_str()); }) != 0 && errno != ENOENT) throw_errno(errno == EACCES || errno == EPERM ? Errc::permission : Errc::system, path, errno);
        }
    }
}

// Both directions. Whoever makes the second one has made the ring: of several who try at once, one. What
// somebody left who died after the first is completed.
std::vector<SegmentFile> create_both(const std::string& checked, const Options& options, u64 compatible) {
    const std::string sides[] = {checked + "/a", checked + "/b"};
    const auto there = [&](int side) { return is_there(sides[side]); };
    const bool replaces = options.if_exists == IfExists::replace || options.if_exists == IfExists::replace_force;
    const bool anew = replaces || (compatible & feature_kept && there(0) != there(1));
    if (anew && (there(0) || there(1))) remove_ring(checked, options.if_exists == IfExists::replace_force);
    if (options.if_exists == IfExists::fail && there(0) && there(1)) throw Error(Errc::exists, checked + ": exists already");
    Options completing = options;
    if (options.if_exists == IfExists::fail || replaces) completing.if_exists = IfExists::keep;
    const bool made = !there(0);
    std::vector<SegmentFile> both;
    both.push_back(create_segment(sides[0], completing, compatible));
    try {
        both.push_back(create_segment(sides[1], there(1) ? completing : options, compatible));
    } catch (const Error& error) {
        if (made && error.code() == Errc::no_room) remove_file(open_segment(sides[0], Access::attach), true);
        throw;
    }
    return both;
}

}  // namespace

namespace detail {

std::vector<SegmentFile> create_segments(std::string_view name, const Options& options, u64 compatible) {
    const std::string checked = checked_bare_name(name);
    const auto refuse = [&](const char* what) { throw Error(Errc::exists, checked + ": exists already, as a" + what + " ring"); };
    if (options.duplex && is_there(checked)) refuse("n ordinary");
    if (!options.duplex && (is_there(checked + "/a") || is_there(checked + "/b"))) refuse(" duplex");
    if (options.duplex) return create_both(checked, options, compatible);
    std::vector<SegmentFile> one;
    one.push_back(create_segment(checked, options, compatible));
    return one;
}

}  // namespace detail

void create(std::string_view name, const Options& options) {
    const ForkLock guard;
    create_segments(name, options, 0);
}

void remove(std::string_view name, bool force) {
    for (int tries = 0;; ++tries) {
        try {
            const ForkLock guard;
            return remove_ring(name, force);
        } catch (const Error& error) {
            if (tries > 0 && error.code() == Errc::no_such_ring) return;  // whoever was at it has done it
            if (!force || error.code() != Errc::in_use || tries >= removal_tries) throw;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace shmq
