// Name <-> mapped, validated memory: make, open, mark removed, take the name away.
#pragma once

#include <sys/stat.h>

#include <functional>

#include <shmq/shmq.hpp>

#include "names.hpp"
#include "sigbus.hpp"

namespace shmq::detail {

// A file descriptor that closes itself.
class Fd {
public:
    explicit Fd(int fd = -1) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~Fd() { reset(); }
    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int release() noexcept { return std::exchange(fd_, -1); }
    void reset() noexcept;

private:
    int fd_;
};

// Which file: what is compared to notice a removal or a replacement.
struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const FileId&) const = default;
};
inline FileId id_of(const struct stat& s) noexcept { return {s.st_dev, s.st_ino}; }

enum class Access { look, attach };

// An opened, not yet mapped segment: the header copied out and checked against the file.
struct SegmentFile {
    std::string name, path;  // as it was asked for
    std::string ring;        // the name that means this file when one pushes: of the direction into chat/a, chat/b
    Fd fd;
    struct stat stat{};
    Header header{};
    std::string record;
};
// Throws no_such_ring, permission, not_a_ring, other_version, corrupt, ...
SegmentFile open_segment(std::string_view name, Access access, Direction direction = Direction::push);
// All that NAME, or a side of it, consists of: one ring, or of a duplex ring the directions that are there.
std::vector<SegmentFile> open_segments(std::string_view name);
// To take part in a side of a duplex ring its other direction must be there too. Throws no_such_ring.
void require_both_directions(const SegmentFile& file);

// Makes a ring, or the two of a duplex ring. No descriptor in an answer: that one existed and is kept. With
// feature_kept among the `compatible` bits the keeper's lock is held before anybody can find the ring.
std::vector<SegmentFile> create_segments(std::string_view name, const Options& options, u64 compatible);

// A mapped segment, both halves of the mirror, not inherited by children. Keeps the description that
// it was mapped through alive, and with it that description's locks.
class Mapping {
public:
    Mapping() = default;
    // `prefault`: with the page tables filled in, or as far as the kernel can.
    Mapping(const SegmentFile& file, Access access, bool prefault = false);
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();
    const Ring& ring() const noexcept { return ring_; }
    // Keeps the ring in memory for as long as it is mapped. Once is enough, not in the mirror too.
    void lock_memory(const SegmentFile& file) const;
    void tell(std::atomic<u32>* alert) noexcept {
        guarded_->alert.store(alert);
        if (guarded_->patched.load()) alert->fetch_or(alert_broken, std::memory_order_relaxed);
    }
    bool patched() const noexcept { return guarded_->patched.load(); }  // a fault was patched over

private:
    std::byte* base_ = nullptr;
    std::size_t bytes_ = 0;
    Guarded* guarded_ = nullptr;
    Ring ring_;
};

// Of the file system's memory, and so of a mapping: 2 MiB, say, on hugetlbfs.
u64 page_of(int fd) noexcept;

[[noreturn]] void throw_errno(Errc code, const std::string& what, int error);

// Kernel locks on single bytes, owned by the open file description. False where somebody else holds one;
// throws where the kernel cannot lock at all. REQUIRES, and so does whatever locks: a ForkLock, until the
// descriptor is closed. A child's copy of it would keep the lock.
bool try_lock(const SegmentFile& file, u64 byte, u64 count = 1);
void unlock(int fd, u64 byte, u64 count = 1) noexcept;
// Is any of these bytes locked for writing by another description? Reading locks do not count: a
// reader must not be able to look alive.
bool locked(int fd, u64 byte, u64 count = 1) noexcept;
// Why try_lock() may fail though nobody is attached: who may only read the file can lock it for reading.
bool locked_by_reader(int fd, u64 byte, u64 count = 1) noexcept;
// Is this byte locked for writing, and no other by the same lock? So is a participant's; a remover takes all at once.
bool locked_alone(int fd, u64 byte) noexcept;

// Is anybody attached, or keeping it?
inline bool held(int fd) noexcept { return locked(fd, lock_keeper, max_holders); }
// An ephemeral ring that was used, and that nobody holds any more: as good as removed.
bool abandoned(const SegmentFile& file, const Ring& ring) noexcept;
// Takes the name of such a ring away, if it still is one, under the lock that keeps others from attaching.
bool remove_abandoned(const SegmentFile& file);
// The same for a ring that its caller has just left, if it is ephemeral and he was the last.
void leave_ephemeral(const std::string& name, FileId id) noexcept;

// Takes the ring's name away, then marks it removed and tells whoever waits in it. Throws in_use while
// somebody is attached, unless forced; and, forced or not, with EBUSY while another removes it. Not forced,
// it holds the lock of every entry meanwhile: nobody can attach, and `wanted`, asked about the ring then,
// has the last word. False, and nothing done: the name means another file by now, or it is not wanted.
bool remove_file(const SegmentFile& file, bool forced, const std::function<bool(const Ring&)>& wanted = {});
// The same for all that a ring consists of, or for none: the later ones under the locks of those before.
bool remove_files(std::span<const SegmentFile> files, bool forced, const std::function<bool(std::span<const Ring* const>)>& wanted = {});

// Where to look for who is in the way. The kernel does not tell whose a description's lock is: its l_pid is -1.
std::string fuser(const SegmentFile& file);
// What to say to whom it is in the way of, and how often to look again before that, 1 ms apart. It can take for
// ever where the remover is stopped, and nobody may do its work: going on, it would take the name of
// another ring away.
Error being_removed(const SegmentFile& file);
inline constexpr int removal_tries = 1000;

struct Found {
    u64 position, word, size, end;
};
// The first whole message from p on and before `to` that is committed and not yet consumed: steps over
// holes and over what is done. None where the two are further apart than the ring is long.
bool find_message(const Ring& ring, u64 p, u64 to, Found& found) noexcept;

}  // namespace shmq::detail
