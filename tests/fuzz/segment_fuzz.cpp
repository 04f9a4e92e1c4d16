// A whole segment image, chosen and spoilt by the input, through everything that the library does with
// one. The input is a small program: its first byte chooses a valid segment, the rest are commands that
// either spoil bytes of the file as a hostile peer would (also between a claim and its commit) or use
// the library. Nothing may crash, leave the mapping, leak it, or take longer than a look at every slot.
//
//   SHMQ_DIR=/dev/shm/somewhere segment_fuzz [-runs=0] corpus     (run_fuzz does the rest)
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include <shmq/shmq.hpp>

#include "guarded_mmap.hpp"

namespace {

using namespace shmq;
using namespace shmq::detail;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "FOUND: %s\n", what);
    std::abort();
}

// ---- the input ----------------------------------------------------------------------------------

class Input {
public:
    Input(const u8* data, std::size_t size) : at_(data), end_(data + size) {}
    bool done() const { return at_ == end_; }
    u8 byte() { return done() ? u8{0} : *at_++; }
    u64 raw(int bytes) {
        u64 value = 0;
        for (int i = 0; i < bytes; ++i) value |= u64{byte()} << (8 * i);
        return value;
    }
    // Small, raw, or next to a power of two or to something of this ring.
    u64 number(std::initializer_list<u64> known = {}) {
        const u8 how = byte();
        if (how < 64) return how;
        if (how < 80) return raw(1);
        if (how < 96) return raw(2);
        if (how < 104) return raw(4);
        if (how < 112) return raw(8);
        if (how < 176 || known.size() == 0) {
            const u64 power = u64{1} << (byte() & 63);
            return power + static_cast<u64>(static_cast<std::int64_t>(how & 7) - 3);
        }
        const u64 base = known.begin()[(how >> 3) % known.size()];
        return base + static_cast<u64>(static_cast<std::int64_t>(how & 7) - 3);
    }

private:
    const u8 *at_, *end_;
};

// ---- the segments to begin with -----------------------------------------------------------------

constexpr const char* name = "fuzzed";
std::vector<std::vector<char>> images;

std::vector<char> read_all(const std::string& path) {
    struct stat s {};
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &s) != 0) fail("cannot read a segment of our own");
    std::vector<char> all(static_cast<std::size_t>(s.st_size));
    if (pread(fd, all.data(), all.size(), 0) != s.st_size) fail("cannot read a segment of our own");
    close(fd);
    return all;
}

void make_images() {
    const Options all[] = {
        {.slots = 8, .slot_size = 64, .participants = 4},
        {.slots = 64, .slot_size = 64, .producers = one, .consumers = one, .participants = 3},
        {.slots = 13, .slot_size = 40, .timestamps = true, .participants = 4},
        {.slots = 8, .slot_size = 24, .fixed = true, .participants = 4},
        {.slots = 6, .slot_size = 1, .fixed = true, .producers = one, .consumers = one, .timestamps = true, .participants = 2},
        {.slots = 1, .slot_size = 4096, .participants = 2},
        {.slots = 3, .slot_size = 4104, .max_message = 9000, .waiting = Waiting::block, .participants = 4, .record = "id:u32,price:f64"},
        {.slots = 16, .slot_size = 4096, .fixed = true, .producers = one, .waiting = Waiting::spin, .participants = 17, .record = "x:bytes[4096]"},
        {.slots = 8, .slot_size = 64, .broadcast = true, .participants = 4},
        {.slots = 6, .slot_size = 24, .fixed = true, .broadcast = true, .timestamps = true, .participants = 4},
        {.slots = 8, .slot_size = 64, .overwrite = true, .participants = 4},
        {.slots = 1, .slot_size = 32, .fixed = true, .consumers = one, .overwrite = true, .timestamps = true, .participants = 3},
        {.slots = 5, .slot_size = 40, .producers = one, .broadcast = true, .overwrite = true, .timestamps = true, .participants = 4},
    };
    for (const Options& options : all) {
        for (const bool used : {false, true}) {
            create(name, options);
            if (used) {
                // Once round and half: some consumed, one abandoned, one redelivered.
                Producer producer(name);
                Consumer consumer(name);
                std::vector<std::byte> message(options.fixed ? options.slot_size : std::min<u64>(options.slot_size, 30), std::byte{'m'});
                for (u64 i = 0; i < options.slots + options.slots / 2; ++i) {
                    if (i == 1) (void)producer.try_claim(message.size());
                    (void)producer.try_push(message);
                    if (i % 2 || i > options.slots / 2) (void)consumer.try_pop().release();
                }
            }
            images.push_back(read_all(path_of(name)));
            shmq::remove(name);
        }
    }
}

// ---- the hostile peer ---------------------------------------------------------------------------

struct Field {
    std::size_t offset, bytes;
};
#define FIELD(member) Field{offsetof(Header, member), sizeof(Header::member)}
constexpr Field header_fields[] = {
    FIELD(magic), FIELD(byte_order), FIELD(version), FIELD(incompatible), FIELD(read_only_compatible), FIELD(compatible), FIELD(total_bytes),
    FIELD(capacity), FIELD(slots), FIELD(slot_size), FIELD(max_message), FIELD(lines_offset), FIELD(entries_offset), FIELD(words_offset),
    FIELD(times_offset), FIELD(data_offset), FIELD(data_bytes), FIELD(participants), FIELD(waiting), FIELD(record_bytes), FIELD(creator_pid),
    FIELD(created_ns), FIELD(id), FIELD(requested_slot_size), FIELD(reserved)};
#undef FIELD

class Segment {
public:
    explicit Segment(const std::vector<char>& image) : size_(image.size()) {
        std::memcpy(&header_, image.data(), sizeof header_);
        fd_ = open(path_of(name).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd_ < 0 || pwrite(fd_, image.data(), image.size(), 0) != static_cast<ssize_t>(image.size())) fail("cannot write the segment");
    }
    ~Segment() {
        close(fd_);
        ::unlink(path_of(name).c_str());
    }
    Segment(const Segment&) = delete;
    const Header& header() const { return header_; }  // before it was spoilt
    // The library may have put a new ring under the name: follow it there.
    void follow() {
        struct stat ours {}, there {};
        const int fd = open(path_of(name).c_str(), O_RDWR | O_CLOEXEC);
        if (fd < 0) return;
        if (fstat(fd_, &ours) != 0 || fstat(fd, &there) != 0 || ours.st_ino == there.st_ino) {
            close(fd);
            return;
        }
        close(fd_);
        fd_ = fd, size_ = static_cast<u64>(there.st_size), header_ = get<Header>(0);
    }

    template <class T>
    T get(u64 offset) const {
        T value{};
        if (pread(fd_, &value, sizeof value, static_cast<off_t>(offset)) < 0) fail("cannot read the segment");
        return value;
    }
    void put(u64 offset, const void* data, std::size_t bytes) const {
        struct stat s {};
        if (fstat(fd_, &s) != 0 || offset > static_cast<u64>(s.st_size) || bytes > static_cast<u64>(s.st_size) - offset) return;
        if (pwrite(fd_, data, bytes, static_cast<off_t>(offset)) < 0) fail("cannot write the segment");
    }
    void put64(u64 offset, u64 value) const { put(offset, &value, sizeof value); }

    void spoil(Input& in) {
        const Header& h = header_;
        const u64 line = h.lines_offset;
        const u64 w = get<u64>(line), r = get<u64>(line + line_bytes), f = get<u64>(line + 2 * line_bytes);
        switch (in.byte() % 14) {
            case 0: {  // one field of the header, the checksum right again
                const Field& field = header_fields[in.byte() % std::size(header_fields)];
                const u64 value = in.number({h.slots, h.total_bytes, h.data_offset, h.data_bytes, h.capacity, h.slot_size, h.words_offset, h.entries_offset});
                put(field.offset, &value, std::min<std::size_t>(field.bytes, 8));
                sign();
                break;
            }
            case 1: {  // another geometry that holds together
                const Header now = get<Header>(0);
                const int shift = in.byte() % 12;
                u64 slots = now.slots, slot_size = now.slot_size;
                if (in.byte() % 2) slots >>= shift, slot_size <<= shift;
                else slots <<= shift, slot_size >>= shift;
                put64(offsetof(Header, slots), slots), put64(offsetof(Header, slot_size), slot_size);
                const u64 capacity = in.number({slots});
                put64(offsetof(Header, capacity), capacity);
                put64(offsetof(Header, max_message), now.incompatible & feature_fixed ? slot_size : in.number({capacity * slot_size, capacity * slot_size - 16}));
                sign();
                break;
            }
            case 2: {  // a word that means something at some position
                const u64 p = in.number({w, r, f, w - h.slots, r + h.slots, f + h.slots});
                const u64 shift = static_cast<u64>(std::countr_zero(h.slots | (u64{1} << 63)));
                const u64 lap = (p >> shift) + static_cast<u64>(static_cast<std::int64_t>(in.byte() % 3) - 1) + 1;
                put64(h.words_offset + (p & (h.slots - 1)) * 8, lap << 16 | u64{in.byte()} % 3 << 8 | in.byte() % 5);
                break;
            }
            case 3: put64(h.words_offset + in.byte() % h.slots * 8, in.number()); break;
            case 4: put64(line + in.byte() % 3 * line_bytes + (in.byte() % 8 == 7 ? offsetof(Position, ordinal) : 0), in.number({w, r, f, w + h.slots, r + h.slots, f + h.slots, f - h.slots, w | end_bit})); break;
            case 5: {  // the head of a message
                const u64 at = h.data_offset + in.byte() % h.slots * h.slot_size;
                const auto length = static_cast<u32>(in.number({h.max_message, h.slot_size, h.data_bytes}));
                put(at, &length, sizeof length);
                break;
            }
            case 6: {  // an entry: register, role, counters
                const u64 at = h.entries_offset + in.byte() % h.participants * sizeof(Entry);
                static constexpr std::size_t often[] = {offsetof(Entry, claim_position), offsetof(Entry, claim_slots), offsetof(Entry, role), offsetof(Entry, pushed), offsetof(Entry, reading_position)};
                const u8 which = in.byte();
                const std::size_t offset = which < 128 ? often[which % std::size(often)] : which % (sizeof(Entry) / 8) * 8;
                put64(at + offset, in.number({w, r, f, no_position, h.slots}));
                break;
            }
            case 7: {  // wait words, events
                const u64 value = in.number({h.participants});
                put(line + 3 * line_bytes + in.byte() % (3 * line_bytes / 4) * 4, &value, 4);
                break;
            }
            case 8: {  // anything anywhere
                const u64 value = in.raw(4);
                put(in.raw(3) % size_, &value, 1 + in.byte() % 4);
                break;
            }
            case 9: {  // every position moved to where few rings ever come, the words with them
                static constexpr u64 starts[] = {u64{1} << 32, u64{1} << 47, u64{1} << 48, (u64{1} << 63) - 64, u64{1} << 63, ~u64{0} - 63, ~u64{0} - 7, u64{1} << 56};
                const u64 start = starts[in.byte() % std::size(starts)] - (in.byte() & 15);
                const u8 state = in.byte() % 4;
                const u64 shift = static_cast<u64>(std::countr_zero(h.slots));
                for (u64 p = start; p != start + h.slots; ++p) put64(h.words_offset + (p & (h.slots - 1)) * 8, ((p >> shift) + (state == word_ready)) << 16 | state);
                put64(line, state == word_ready ? start + h.slots : start), put64(line + line_bytes, start), put64(line + 2 * line_bytes, start);
                break;
            }
            case 10: (void)!ftruncate(fd_, static_cast<off_t>(in.number({size_, size_ / 2, h.data_offset, h.words_offset, 4096, 8192}) % (2 * size_))); break;
            case 11: {
                const u64 from = in.raw(2) % size_;
                (void)!fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from), static_cast<off_t>(1 + in.raw(2)));
                break;
            }
            case 12: in.byte() % 2 ? (void)::unlink(path_of(name).c_str()) : put64(line + 5 * line_bytes, in.byte() % 3); break;
            case 13: {  // the whole image is another's
                const auto& image = images[in.byte() % images.size()];
                put(0, image.data(), std::min(image.size(), size_));
                break;
            }
        }
    }

private:
    void sign() const {
        Header h = get<Header>(0);
        char record[max_record_text]{};
        const std::size_t bytes = std::min<std::size_t>(h.record_bytes, max_record_text);
        if (pread(fd_, record, bytes, header_bytes) < 0) fail("cannot read the segment");
        u64 hash = 0xcbf29ce484222325;
        const auto add = [&](const void* data, std::size_t n) {
            for (std::size_t i = 0; i < n; ++i) hash = (hash ^ static_cast<const u8*>(data)[i]) * 0x100000001b3;
        };
        add(&h, offsetof(Header, checksum)), add(record, bytes);
        put64(offsetof(Header, checksum), hash);
    }
    Header header_{};
    std::size_t size_;
    int fd_ = -1;
};

// ---- the library's user -------------------------------------------------------------------------

std::array<std::byte, 70000> buffer;
volatile unsigned sink;

// A handle, and where what it returns must lie.
template <class Handle>
struct User {
    std::optional<Handle> handle;
    Reserved mapped;
    const std::byte* data = nullptr;
    bool copies = false;  // messages are in memory of the handle's own, which the sanitizer knows

    void attach(const Segment& segment, Input& in) {
        AttachOptions options;
        if (const u8 how = in.byte() % 8; how < 3) options.waiting = static_cast<Waiting>(how);
        else if (how == 3) options.expect_slots = segment.header().capacity;
        else if (how == 4) options.from = From::newest;
        const Header before = segment.get<Header>(0);
        handle.emplace(name, options);
        mapped = newest_reservation();
        data = mapped.begin + before.data_offset;
        copies = std::is_same_v<Handle, Consumer> && before.incompatible & feature_overwrite;
        if (!mapped.holds(data, before.data_bytes)) fail("the data is not inside the mapping");
    }
    void check(const void* at, std::size_t bytes) const {
        if (bytes && !copies && (at < data || !mapped.holds(at, bytes))) fail("a span outside the ring's data");
    }
    void read(Bytes bytes) const {
        check(bytes.data(), bytes.size());
        unsigned sum = 0;
        for (std::byte b : bytes) sum += static_cast<unsigned>(b);
        sink = sum;
    }
    void write(std::span<std::byte> bytes) const {
        check(bytes.data(), bytes.size());
        if (!bytes.empty()) std::memset(bytes.data(), 'w', bytes.size());
    }
    void ask() const {
        sink = static_cast<unsigned>(handle->pending() + handle->available() + handle->empty() + handle->full() + handle->ended() + handle->producers_attached() +
                                     handle->producers_ever() + handle->producers_ended_badly() + handle->record().size());
    }
};
struct Pusher : User<Producer> {
    std::optional<Claim> claim;
    std::optional<ClaimBatch> batch;
    bool free() const { return handle && !claim && !batch; }
    void leave() { claim.reset(), batch.reset(), handle.reset(); }
};
struct Popper : User<Consumer> {
    std::optional<Message> message;
    std::optional<Batch> batch;
    bool free() const { return handle && !message && !batch; }
    void leave() { message.reset(), batch.reset(), handle.reset(); }
    void look(const Message& m) const {
        read(m.bytes());
        sink = static_cast<unsigned>(m.position() + m.sequence() + m.producer() + m.time_ns() + m.redelivered() + m.lost());
    }
};

class Session {
public:
    explicit Session(Segment& segment) : segment_(segment) {}
    ~Session() {
        for (auto& p : pushers_) p.leave();
        for (auto& c : poppers_) c.leave();
    }

    void step(Input& in) {
        const u8 command = in.byte();
        if (command >= 128) return segment_.spoil(in);
        Pusher& p = pushers_[command & 1];
        Popper& c = poppers_[command & 1];
        const auto deadline = [&] { return in.byte() % 8 ? no_wait : after(std::chrono::microseconds(in.byte() % 2 * 50)); };
        const auto size = [&]() -> std::size_t {
            if (p.handle->fixed() && in.byte() % 8) return p.handle->slot_size();
            return static_cast<std::size_t>(in.number({p.handle->max_message(), p.handle->slot_size()}) % 66000);
        };
        switch (command >> 1 & 31) {
            case 0: p.leave(), p.attach(segment_, in); break;
            case 1: c.leave(), c.attach(segment_, in); break;
            case 2: p.leave(); break;
            case 3: c.leave(); break;
            case 4: case 5:
                if (p.free()) sink = static_cast<unsigned>(p.handle->push(Bytes(buffer).first(size()), deadline()));
                break;
            case 6:
                if (p.free()) {
                    std::vector<Bytes> all(in.byte() % 20);
                    const std::size_t each = size();
                    for (Bytes& one : all) one = Bytes(buffer).first(in.byte() % 2 ? each : size());
                    const Pushed pushed = p.handle->push(all, deadline());
                    if (pushed.count > all.size() || (pushed && pushed.count != all.size())) fail("pushed more or less than there was");
                }
                break;
            case 7: case 8:
                if (p.free()) {
                    p.claim.emplace(p.handle->claim(size(), deadline()));
                    if (*p.claim) p.write(p.claim->bytes());
                    else p.claim.reset();
                }
                break;
            case 9:
                if (p.claim) {
                    p.write(p.claim->bytes());
                    const std::size_t room = p.claim->bytes().size();
                    sink = static_cast<unsigned>(p.handle->fixed() ? p.claim->commit() : p.claim->commit(room ? in.number({room}) % (room + 1) : 0));
                    p.claim.reset();
                }
                break;
            case 10: p.claim.reset(), p.batch.reset(); break;
            case 11:
                if (p.free()) {
                    const std::size_t count = in.number() % 1000, each = size();
                    p.batch.emplace(p.handle->claim_batch(count, each, deadline()));
                    if (!*p.batch) p.batch.reset();
                }
                break;
            case 12:
                if (p.batch) {
                    for (int i = in.byte() % 16; i > 0; --i) p.write(p.batch->next(size()));
                }
                break;
            case 13:
                if (p.batch) (void)p.batch->commit(), p.batch.reset();
                break;
            case 14: case 15: case 16:
                if (c.free()) {
                    c.message.emplace(c.handle->pop(deadline()));
                    if (*c.message) c.look(*c.message);
                    else c.message.reset();
                }
                break;
            case 17:
                if (c.message) c.look(*c.message), (void)c.message->release(), c.message.reset();
                break;
            case 18: c.message.reset(), c.batch.reset(); break;
            case 19: case 20:
                if (c.free()) {
                    c.batch.emplace(c.handle->pop_batch(in.number(), deadline()));
                    if (!*c.batch) c.batch.reset();
                    else if (c.batch->size() == 0) fail("an empty batch");
                }
                break;
            case 21:
                if (c.batch) {
                    const u8 release = in.byte();
                    u64 seen = 0;
                    for (Message& m : *c.batch) {
                        c.look(m);
                        if ((release >> (seen & 7) & 1) && seen < 64) (void)m.release();
                        if (++seen > c.handle->capacity()) fail("more messages in a batch than slots in the ring");
                        if (in.byte() % 16 == 1) segment_.spoil(in);
                    }
                }
                break;
            case 22:
                if (c.batch) c.read(c.batch->array()), (void)c.batch->release(), c.batch.reset();
                break;
            case 23:
                if (c.free()) {
                    const std::span<std::byte> room(buffer.data(), in.raw(2));
                    const Copied copied = c.handle->pop(room, deadline());
                    if (copied && copied.size > room.size()) fail("copied more than there was room for");
                }
                break;
            case 24: viewer_.reset(), viewer_.emplace(name); break;
            case 25: case 26:
                if (viewer_) {
                    if (const u8 how = in.byte() % 8; how == 0) viewer_->rewind();
                    else if (how == 1) viewer_->to_newest();
                    std::vector<std::byte> message;
                    Viewer::Info info{};
                    u64 last = 0;
                    for (u32 seen = 0; viewer_->next(message, info); ++seen) {
                        if (seen && info.position <= last) fail("a viewer goes backwards");
                        if (seen > 70000) fail("a viewer never ends");
                        last = info.position;
                    }
                }
                break;
            case 27:
                switch (in.byte() % 4) {
                    case 0: sink = static_cast<unsigned>(sweep({.idle = std::chrono::seconds(in.byte() % 2), .with_messages = in.byte() % 2 == 1, .dry_run = in.byte() % 2 == 1}).size()); break;
                    case 1: sink = static_cast<unsigned>(Watcher(name).wait(static_cast<Condition>(in.byte() % 6), deadline())); break;
                    default: sink = static_cast<unsigned>(stat(name).participants.size()); break;
                }
                break;
            case 28:
                if (p.handle && in.byte() % 4 == 0) sink = static_cast<unsigned>(p.handle->end());
                if (p.handle) p.ask();
                if (c.handle) c.ask();
                if (in.byte() % 4 == 0 && p.handle) p.handle->leave_badly();
                break;
            case 29: shmq::remove(name, in.byte() % 2); break;
            case 30: {
                Options options{.slots = 8, .slot_size = 64, .participants = 4};
                options.if_exists = static_cast<IfExists>(in.byte() % 5);
                create(name, options);
                segment_.follow();
                break;
            }
            case 31:
                if (p.handle && in.byte() % 4 == 0) p.handle->interrupt();
                else if (c.handle && in.byte() % 4 == 0) c.handle->interrupt();
                break;
        }
    }

private:
    Segment& segment_;
    std::array<Pusher, 2> pushers_;
    std::array<Popper, 2> poppers_;
    std::optional<Viewer> viewer_;
};

// Of this thread: others on the machine do not count.
double seconds() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
    static const bool ready = [] {
        if (!std::getenv("SHMQ_DIR")) fail("set SHMQ_DIR to a directory of its own");
        install_sigbus_handler();
        make_images();
        return true;
    }();
    (void)ready;
    const auto next_descriptor = [] {
        const int fd = dup(0);
        close(fd);
        return fd;
    };
    const int before_all = next_descriptor();

    Input in(data, size);
    {
        Segment segment(images[in.byte() % images.size()]);
        Session session(segment);
        for (int steps = 0; !in.done() && steps < 256; ++steps) {
            const double before = seconds();
            try {
                session.step(in);
            } catch (const Error& error) {
                if (!*error.what()) fail("an error without words");
            }
            if (seconds() - before > 2) fail("one call took more than two seconds");
        }
    }
    if (reservations()) fail("a mapping was not given back");
    if (next_descriptor() != before_all) fail("a descriptor was not given back");
    return 0;
}
