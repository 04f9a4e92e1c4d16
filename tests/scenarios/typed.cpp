// A message that is a C struct, from a program to a shell and back.
//
//   typed write RING    creates the ring and writes the message
//   typed read RING     waits for one message, says what is in it and ends
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <shmq/shmq.hpp>

struct Statement {
    char text[20];
    std::int32_t numerator, denominator;
    double value;
    char farewell[8];
};
// The same in words; what the compiler makes of them is the same too.
constexpr const char* layout = "text:char[20],numerator:i32,denominator:i32,value:f64,farewell:char[8]";
static_assert(sizeof(Statement) == 48 && offsetof(Statement, value) == 32);

static void write(const std::string& ring) {
    shmq::create(ring, {.slots = 16, .slot_size = sizeof(Statement), .fixed = true, .record = layout});
    Statement s{.text = "PI is defined as: ", .numerator = 22, .denominator = 7, .value = 22.0 / 7, .farewell = "goodbye"};
    shmq::Producer(ring).push(std::as_bytes(std::span(&s, 1)));
}

static void read(const std::string& ring) {
    shmq::Consumer in(ring, {.expect_slot_size = sizeof(Statement), .expect_fixed = true});
    if (in.record() != layout) throw std::runtime_error(ring + ": other records");
    auto message = in.pop();
    if (!message) throw std::runtime_error(ring + ": " + shmq::describe(message.outcome()));
    Statement s;
    std::memcpy(&s, message.bytes().data(), sizeof s);
    std::printf("%.20s%d/%d==%g\n%.8s\n", s.text, s.numerator, s.denominator, s.value, s.farewell);
    message.release();
}

int main(int argc, char** argv) try {
    if (argc != 3) return 64;
    const std::string what = argv[1], ring = argv[2];
    what == "write" ? write(ring) : read(ring);
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
