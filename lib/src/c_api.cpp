// shmq.h on top of shmq.hpp: exceptions become numbers and a text, objects become handles.
#include <shmq/shmq.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <shmq/shmq.hpp>

// A handle and the one claim or message that it may hold, which must go first.
struct shmq_producer {
    shmq::Producer handle;
    std::optional<shmq::Claim> claim = {};
};
struct shmq_consumer {
    shmq::Consumer handle;
    std::optional<shmq::Message> message = {};
};

namespace {

using shmq::Errc, shmq::IfExists, shmq::Outcome, shmq::Waiting;

constexpr int result(Outcome outcome) noexcept { return static_cast<int>(outcome); }
constexpr int result(Errc code) noexcept { return SHMQ_NO_SUCH_RING + static_cast<int>(code); }
static_assert(result(Outcome::ok) == SHMQ_OK && result(Outcome::full) == SHMQ_FULL && result(Outcome::empty) == SHMQ_EMPTY &&
              result(Outcome::timed_out) == SHMQ_TIMED_OUT && result(Outcome::ended) == SHMQ_ENDED && result(Outcome::removed) == SHMQ_REMOVED &&
              result(Outcome::too_long) == SHMQ_TOO_LONG && result(Outcome::interrupted) == SHMQ_INTERRUPTED &&
              result(Outcome::corrupt) == SHMQ_CORRUPT && result(Outcome::forked) == SHMQ_FORKED);
static_assert(result(Errc::no_such_ring) == SHMQ_NO_SUCH_RING && result(Errc::exists) == SHMQ_EXISTS && result(Errc::not_a_ring) == SHMQ_NOT_A_RING &&
              result(Errc::other_version) == SHMQ_OTHER_VERSION && result(Errc::other_geometry) == SHMQ_OTHER_GEOMETRY &&
              result(Errc::corrupt) == SHMQ_CORRUPT_RING && result(Errc::permission) == SHMQ_PERMISSION && result(Errc::in_use) == SHMQ_IN_USE &&
              result(Errc::role_taken) == SHMQ_ROLE_TAKEN && result(Errc::table_full) == SHMQ_TABLE_FULL &&
              result(Errc::removed) == SHMQ_REMOVED_MEANWHILE && result(Errc::bad_name) == SHMQ_BAD_NAME && result(Errc::bad_option) == SHMQ_BAD_OPTION &&
              result(Errc::no_room) == SHMQ_NO_ROOM && result(Errc::unsupported) == SHMQ_UNSUPPORTED && result(Errc::system) == SHMQ_SYSTEM);
static_assert(static_cast<int>(IfExists::fail) == SHMQ_FAIL && static_cast<int>(IfExists::keep) == SHMQ_KEEP && static_cast<int>(IfExists::replace) == SHMQ_REPLACE &&
              static_cast<int>(IfExists::replace_force) == SHMQ_REPLACE_FORCE && static_cast<int>(IfExists::reopen) == SHMQ_REOPEN);
static_assert(static_cast<int>(Waiting::adaptive) == SHMQ_WAITING_ADAPTIVE - 1 && static_cast<int>(Waiting::block) == SHMQ_WAITING_BLOCK - 1 &&
              static_cast<int>(Waiting::spin) == SHMQ_WAITING_SPIN - 1);
static_assert(static_cast<int>(shmq::RingState::open) == SHMQ_STATE_OPEN && static_cast<int>(shmq::RingState::ended) == SHMQ_STATE_ENDED &&
              static_cast<int>(shmq::RingState::removed) == SHMQ_STATE_REMOVED);

void say(const char* text, char* to, std::size_t room) noexcept {
    if (!to || !room) return;
    const std::size_t length = std::min(std::strlen(text), room - 1);
    std::memcpy(to, text, length);
    to[length] = 0;
}

// Does what may throw, and tells of it with C's means.
template <class Action>
int told(char* text, std::size_t room, Action action) noexcept {
    try {
        action();
        say("", text, room);
        return SHMQ_OK;
    } catch (const shmq::Error& error) {
        say(error.what(), text, room);
        return result(error.code());
    } catch (const std::bad_alloc&) {
        say("out of memory", text, room);
    } catch (const std::exception& error) {
        say(error.what(), text, room);
    } catch (...) {
        say("unknown error", text, room);
    }
    return SHMQ_SYSTEM;
}

[[noreturn]] void refuse(const std::string& what) { throw shmq::Error(Errc::bad_option, what); }

// A struct as its caller's header has it: what it lacks is 0, what it has more must be.
template <class Struct>
Struct read(const Struct* given) {
    Struct options{};
    options.struct_size = sizeof options;
    if (!given) return options;
    const std::size_t size = given->struct_size;
    if (size < sizeof size) refuse("struct_size: found " + std::to_string(size) + ", expected " + std::to_string(sizeof options));
    const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
    if (size > sizeof options && std::any_of(bytes + sizeof options, bytes + size, [](unsigned char byte) { return byte != 0; }))
        refuse("options that this version of the library does not know");
    std::memcpy(&options, given, std::min(size, sizeof options));
    return options;
}

// The other way round. False where the caller did not say how long his is.
template <class Struct>
bool write(Struct answer, Struct* to) noexcept {
    const std::size_t size = to->struct_size;
    if (size < sizeof size) return false;
    answer.struct_size = size;
    if (size > sizeof answer) std::memset(reinterpret_cast<unsigned char*>(to) + sizeof answer, 0, size - sizeof answer);
    std::memcpy(to, &answer, std::min(size, sizeof answer));
    return true;
}

bool flag(std::uint32_t value, const char* name) {
    if (value > 1) refuse(std::string(name) + ": found " + std::to_string(value) + ", expected 0 or 1");
    return value;
}

std::optional<Waiting> waiting_of(std::uint32_t value) {
    if (value > SHMQ_WAITING_SPIN) refuse("waiting: found " + std::to_string(value) + ", expected at most " + std::to_string(SHMQ_WAITING_SPIN));
    if (value == SHMQ_WAITING_DEFAULT) return {};
    return static_cast<Waiting>(value - 1);
}

shmq::Options options_of(const shmq_options* given) {
    const shmq_options in = read(given);
    shmq::Options options;
    if (in.slots) options.slots = in.slots;
    if (in.slot_size) options.slot_size = in.slot_size;
    options.max_message = in.max_message;
    if (in.participants) options.participants = in.participants;
    if (in.mode > 0777) refuse("mode: found " + std::to_string(in.mode) + ", expected at most 511 (0777)");
    if (in.mode) options.mode = in.mode;
    if (flag(in.set_group, "set_group")) options.group = in.group;
    if (in.record) options.record = in.record;
    options.waiting = waiting_of(in.waiting).value_or(options.waiting);
    if (in.if_exists > SHMQ_REOPEN) refuse("if_exists: found " + std::to_string(in.if_exists) + ", expected at most " + std::to_string(SHMQ_REOPEN));
    options.if_exists = static_cast<IfExists>(in.if_exists);
    options.fixed = flag(in.fixed, "fixed");
    if (flag(in.one_producer, "one_producer")) options.producers = shmq::one;
    if (flag(in.one_consumer, "one_consumer")) options.consumers = shmq::one;
    options.broadcast = flag(in.broadcast, "broadcast");
    options.overwrite = flag(in.overwrite, "overwrite");
    options.timestamps = flag(in.timestamps, "timestamps");
    options.ephemeral = flag(in.ephemeral, "ephemeral");
    options.duplex = flag(in.duplex, "duplex");
    options.lock_memory = flag(in.lock_memory, "lock_memory");
    if (in.reserved) refuse("reserved: found " + std::to_string(in.reserved) + ", expected 0");
    return options;
}

shmq::AttachOptions options_of(const shmq_attach_options* given) {
    const shmq_attach_options in = read(given);
    shmq::AttachOptions options;
    options.waiting = waiting_of(in.waiting);
    if (in.expect_slots) options.expect_slots = in.expect_slots;
    if (in.expect_slot_size) options.expect_slot_size = in.expect_slot_size;
    if (flag(in.from_newest, "from_newest")) options.from = shmq::From::newest;
    options.prefault = flag(in.prefault, "prefault");
    if (in.reserved) refuse("reserved: found " + std::to_string(in.reserved) + ", expected 0");
    return options;
}

std::string_view named(const char* name) noexcept { return name ? name : ""; }

shmq::Deadline until(std::int64_t timeout_ns) noexcept {
    if (timeout_ns < 0) return shmq::forever;
    return timeout_ns ? shmq::after(std::chrono::nanoseconds(timeout_ns)) : shmq::no_wait;
}

}  // namespace

extern "C" {

const char* shmq_describe(int what) {
    if (what >= result(Outcome::ok) && what <= result(Outcome::forked)) return describe(static_cast<Outcome>(what));
    switch (what) {
        case SHMQ_MISUSED: return "the calls of the handle came in a wrong order";
        case SHMQ_NO_SUCH_RING: return "no such ring";
        case SHMQ_EXISTS: return "the ring exists already";
        case SHMQ_NOT_A_RING: return "not a ring";
        case SHMQ_OTHER_VERSION: return "a ring of another version";
        case SHMQ_OTHER_GEOMETRY: return "a ring of another geometry";
        case SHMQ_CORRUPT_RING: return "a corrupt ring";
        case SHMQ_PERMISSION: return "permission denied";
        case SHMQ_IN_USE: return "the ring is in use";
        case SHMQ_ROLE_TAKEN: return "the ring's one producer or consumer is attached already";
        case SHMQ_TABLE_FULL: return "all participants are attached";
        case SHMQ_REMOVED_MEANWHILE: return "the ring was removed meanwhile";
        case SHMQ_BAD_NAME: return "not a name of a ring";
        case SHMQ_BAD_OPTION: return "an impossible option";
        case SHMQ_NO_ROOM: return "no room for the ring";
        case SHMQ_UNSUPPORTED: return "the file system cannot hold rings";
        case SHMQ_SYSTEM: return "a system call failed";
        default: return "unknown result";
    }
}

int shmq_create(const char* name, const shmq_options* options, char* error, size_t error_size) {
    return told(error, error_size, [&] { shmq::create(named(name), options_of(options)); });
}

int shmq_remove(const char* name, int force, char* error, size_t error_size) {
    return told(error, error_size, [&] { shmq::remove(named(name), force != 0); });
}

int shmq_stat(const char* name, shmq_status* status, char* error, size_t error_size) {
    return told(error, error_size, [&] {
        const shmq::Status s = shmq::stat(named(name));
        shmq_status answer{};
        answer.slots = s.slots, answer.slot_size = s.slot_size, answer.max_message = s.max_message, answer.segment_bytes = s.segment_bytes, answer.page_size = s.page_size;
        answer.used = s.used, answer.messages = s.messages;
        answer.pushed = s.pushed, answer.popped = s.popped, answer.redelivered = s.redelivered, answer.abandoned = s.abandoned, answer.lost = s.lost;
        answer.pushed_bytes = s.pushed_bytes, answer.popped_bytes = s.popped_bytes;
        answer.readers = s.readers, answer.writers = s.writers;
        answer.producers_ended_badly = s.producers_ended_badly, answer.consumers_ended_badly = s.consumers_ended_badly;
        answer.created_ns = s.created_ns, answer.last_push_ns = s.last_push_ns, answer.last_pop_ns = s.last_pop_ns;
        answer.oldest_ns = s.oldest_ns, answer.delay_ns = s.delay_ns;
        answer.state = static_cast<std::uint32_t>(s.state);
        answer.fixed = s.fixed, answer.one_producer = s.producers == shmq::one, answer.one_consumer = s.consumers == shmq::one;
        answer.broadcast = s.broadcast, answer.overwrite = s.overwrite, answer.timestamps = s.timestamps, answer.ephemeral = s.ephemeral, answer.lock_memory = s.lock_memory;
        if (!write(answer, status)) refuse("struct_size: expected " + std::to_string(sizeof answer));
    });
}

int shmq_producer_open(shmq_producer** producer, const char* name, const shmq_attach_options* options, char* error, size_t error_size) {
    *producer = nullptr;
    return told(error, error_size, [&] { *producer = new shmq_producer{shmq::Producer(named(name), options_of(options))}; });
}

void shmq_producer_close(shmq_producer* producer) { delete producer; }

int shmq_producer_push(shmq_producer* producer, const void* data, size_t size, int64_t timeout_ns) {
    if (producer->claim) return SHMQ_MISUSED;
    return result(producer->handle.push({static_cast<const std::byte*>(data), size}, until(timeout_ns)));
}

int shmq_producer_claim(shmq_producer* producer, size_t size, void** data, int64_t timeout_ns) {
    *data = nullptr;
    if (producer->claim) return SHMQ_MISUSED;
    shmq::Claim claim = producer->handle.claim(size, until(timeout_ns));
    if (!claim) return result(claim.outcome());
    *data = claim.bytes().data();
    producer->claim.emplace(std::move(claim));
    return SHMQ_OK;
}

int shmq_producer_commit(shmq_producer* producer, size_t used) {
    if (!producer->claim) return SHMQ_MISUSED;
    const std::size_t claimed = producer->claim->bytes().size();
    if (used > claimed || (producer->handle.fixed() && used != claimed)) return SHMQ_MISUSED;
    const Outcome outcome = producer->claim->commit(used);
    producer->claim.reset();
    return result(outcome);
}

int shmq_producer_abandon(shmq_producer* producer) {
    if (!producer->claim) return SHMQ_MISUSED;
    producer->claim.reset();
    return SHMQ_OK;
}

int shmq_producer_end(shmq_producer* producer) { return producer->claim ? SHMQ_MISUSED : result(producer->handle.end()); }
uint64_t shmq_producer_pending(const shmq_producer* producer) { return producer->handle.pending(); }
uint64_t shmq_producer_available(const shmq_producer* producer) { return producer->handle.available(); }
void shmq_producer_interrupt(shmq_producer* producer) { producer->handle.interrupt(); }
void shmq_producer_leave_badly(shmq_producer* producer) { producer->handle.leave_badly(); }

int shmq_consumer_open(shmq_consumer** consumer, const char* name, const shmq_attach_options* options, char* error, size_t error_size) {
    *consumer = nullptr;
    return told(error, error_size, [&] { *consumer = new shmq_consumer{shmq::Consumer(named(name), options_of(options))}; });
}

void shmq_consumer_close(shmq_consumer* consumer) { delete consumer; }

int shmq_consumer_copy(shmq_consumer* consumer, void* buffer, size_t buffer_size, size_t* size, int64_t timeout_ns) {
    *size = 0;
    if (consumer->message) return SHMQ_MISUSED;
    const shmq::Copied copied = consumer->handle.pop(std::span(static_cast<std::byte*>(buffer), buffer_size), until(timeout_ns));
    if (copied || copied.outcome == Outcome::too_long) *size = copied.size;
    return result(copied.outcome);
}

int shmq_consumer_pop(shmq_consumer* consumer, const void** data, size_t* size, int64_t timeout_ns) {
    *data = nullptr, *size = 0;
    if (consumer->message) return SHMQ_MISUSED;
    shmq::Message message = consumer->handle.pop(until(timeout_ns));
    if (!message) return result(message.outcome());
    *data = message.bytes().data(), *size = message.bytes().size();
    consumer->message.emplace(std::move(message));
    return SHMQ_OK;
}

int shmq_consumer_release(shmq_consumer* consumer) {
    if (!consumer->message) return SHMQ_MISUSED;
    const Outcome outcome = consumer->message->release();
    consumer->message.reset();
    return result(outcome);
}

int shmq_consumer_hand_back(shmq_consumer* consumer) {
    if (!consumer->message) return SHMQ_MISUSED;
    consumer->message.reset();
    return SHMQ_OK;
}

int shmq_consumer_message(const shmq_consumer* consumer, shmq_message* message) {
    if (!consumer->message) return SHMQ_MISUSED;
    const shmq::Message& held = *consumer->message;
    shmq_message answer{};
    answer.position = held.position(), answer.time_ns = held.time_ns(), answer.sequence = held.sequence(), answer.lost = held.lost();
    answer.producer = held.producer(), answer.redelivered = held.redelivered();
    return write(answer, message) ? SHMQ_OK : SHMQ_MISUSED;
}

uint64_t shmq_consumer_pending(const shmq_consumer* consumer) { return consumer->handle.pending(); }
uint64_t shmq_consumer_available(const shmq_consumer* consumer) { return consumer->handle.available(); }
void shmq_consumer_interrupt(shmq_consumer* consumer) { consumer->handle.interrupt(); }
void shmq_consumer_leave_badly(shmq_consumer* consumer) { consumer->handle.leave_badly(); }

}  // extern "C"
