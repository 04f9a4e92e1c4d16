// Attaching: an entry of the table, held by a kernel lock for as long as this process could write.
//
// The lock belongs to the open file description through which the segment was mapped. The descriptor is
// closed at once; the mapping keeps the description, and so the lock, until the very last moment at
// which this process could still write. The kernel drops it when the address space is gone: on exit, on
// exec, on SIGKILL, before a parent has reaped anything, and not while stopped. A second description,
// opened for looking only, asks about others.
#pragma once

#include "segment.hpp"

namespace shmq::detail {

class Attachment final : public Peers {
public:
    Attachment(std::string_view name, Role role, const AttachOptions& options);
    ~Attachment();
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;

    ProducerCore* producer() noexcept { return producer_ ? &*producer_ : nullptr; }
    ConsumerCore* consumer() noexcept { return consumer_ ? &*consumer_ : nullptr; }
    WatcherCore* watcher() noexcept { return watcher_ ? &*watcher_ : nullptr; }
    std::string_view record() const noexcept { return record_; }
    void leave_badly() noexcept { leaves_badly_ = true; }

    bool alive(u32 entry) noexcept override;
    Standing standing() noexcept override;
    Standing inspect() noexcept override;

    u64 attached(Role role) noexcept;  // alive now
    u64 producers_ever() const noexcept;
    u64 producers_ended_badly() noexcept;

private:
    bool prober_is_ours() noexcept;
    Core& core() noexcept;

    std::string name_, ring_name_, path_, record_;  // names: SegmentFile
    FileId id_;
    off_t bytes_ = 0;       // the file's size
    blkcnt_t blocks_ = 0;   // on a tmpfs: what it holds of it; 0: not known
    Role role_;
    u32 entry_ = 0;
    bool gone_ = false;  // the name is not this file's any more
    bool leaves_badly_ = false;
    bool ephemeral_ = false;
    Fd prober_;
    std::optional<Mapping> mapping_;
    std::optional<ProducerCore> producer_;
    std::optional<ConsumerCore> consumer_;
    std::optional<WatcherCore> watcher_;
};

}  // namespace shmq::detail
