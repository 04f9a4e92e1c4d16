// Reading without consuming: copy, then check that what was copied had not been freed meanwhile.
#include <shmq/shmq.hpp>

#include "segment.hpp"

namespace shmq {

using namespace detail;

struct Viewer::State {
    explicit State(std::string_view name) : file(open_segment(name, Access::look, Direction::pop)), mapping(file, Access::look) { mapping.tell(&alert); }
    std::atomic<u32> alert{0};  // a truncated ring has no more messages
    SegmentFile file;
    Mapping mapping;
    u64 next = 0;

    const Ring& ring() const noexcept { return mapping.ring(); }
    // What is freed may be overwritten; in an overwrite ring, also what is a whole ring behind.
    u64 oldest() const noexcept {
        const u64 oldest = ring().oldest(), to = end();
        return ring().overwrite && to > ring().slots ? std::max(oldest, to - ring().slots) : oldest;
    }
    u64 end() const noexcept { return ring().lines->write_position.value.load(std::memory_order_acquire) & ~end_bit; }

    void require_whole() const {
        if (alert.load(std::memory_order_relaxed)) throw Error(Errc::corrupt, file.name + ": the ring was truncated");
    }

    bool find(u64 p, Found& found) const noexcept { return find_message(ring(), p, end(), found); }
};

Viewer::Viewer(std::string_view name) : state_(std::make_unique<State>(name)) { rewind(); }
Viewer::Viewer(Viewer&&) noexcept = default;
Viewer& Viewer::operator=(Viewer&&) noexcept = default;
Viewer::~Viewer() = default;

bool Viewer::next(std::vector<std::byte>& message, Info& info) {
    State& s = *state_;
    const Ring& ring = s.ring();
    Found found{};
    for (u64 p = s.next;;) {
        p = std::max(p, s.oldest());
        const bool there = s.find(p, found);
        s.require_whole();
        if (!there) return false;
        const std::byte* const at = ring.slot(found.position);
        message.assign(at + ring.prefix, at + ring.prefix + found.size);
        info = {found.position, ring.time_at(found.position), word_attempt(found.word) != 0};
        s.require_whole();
        std::atomic_thread_fence(std::memory_order_acquire);
        p = found.position;
        if (s.oldest() <= p && (ring.word(p).load(std::memory_order_relaxed) & word_lap_mask) == ring.lap_tag(p)) break;
        ++p;  // it was consumed and its room is being used again
    }
    s.next = found.end;
    return true;
}

void Viewer::rewind() { state_->next = state_->oldest(); }

void Viewer::to_newest() {
    State& s = *state_;
    Found found{};
    u64 p = s.oldest(), newest = p;
    while (s.find(p, found)) newest = found.position, p = found.end;
    s.next = newest;
}

std::string_view Viewer::record() const noexcept { return state_->file.record; }
bool Viewer::fixed() const noexcept { return state_->ring().fixed; }

}  // namespace shmq
