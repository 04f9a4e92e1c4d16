// C structs as the compiler lays them out, next to the record layouts that say the same.
//
//   record_structs check            size and offset of each member are those that parse_record finds
//   record_structs list             NAME LAYOUT of each
//   record_structs size NAME        its size
//   record_structs push NAME RING   two structs, the second with extreme values
//   record_structs pop NAME RING    takes two, which must be those
//   record_structs back NAME RING   takes one and gives it back
//   record_structs make LAYOUT RING [SIZE]   a ring with any text for a layout, of messages of that size or of any
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "common/cli.hpp"
#include "common/record.hpp"

using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using f32 = float;
using f64 = double;

namespace {

// Value of the nth member, different in each, so that a wrong offset shows; or the last it can hold.
template <class T>
void fill(T& member, std::size_t nth, bool extreme) {
    if constexpr (std::is_array_v<T>) {
        for (auto& element : member) fill(element, nth++, extreme);
    } else if constexpr (std::is_same_v<T, char>) {
        member = static_cast<char>(extreme ? 'Z' : 'a' + nth % 26);
    } else if constexpr (std::is_same_v<T, bool>) {
        member = extreme || nth % 2;
    } else if constexpr (std::is_floating_point_v<T>) {
        member = extreme ? (nth % 2 ? std::numeric_limits<T>::denorm_min() : std::numeric_limits<T>::lowest()) : static_cast<T>(nth) + static_cast<T>(0.1);
    } else {
        member = static_cast<T>(extreme ? (nth % 2 ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min()) : static_cast<T>(nth + 1));
    }
}

bool all_true = true;
void expect(bool truth, const std::string& what) {
    if (!truth) std::printf("not true: %s\n", what.c_str()), all_true = false;
}

struct Case {
    const char *name, *layout;
    std::size_t size;
    void (*check)(const Record& record, const char* name);
    void (*fill)(void* at, bool extreme);
};

// M(type, name, extent, layout) for each member.
#define MEMBER(type, name, extent, layout) type name extent;
#define LAYOUT(type, name, extent, layout) "," #name ":" layout
#define CHECK(type, name_, extent, layout)                                                     \
    expect(record.fields.at(i).name == #name_, std::string(name) + ": the next is " #name_);   \
    expect(record.fields.at(i++).offset == offsetof(S, name_), std::string(name) + "." #name_);
#define FILL(type, name, extent, layout) fill(s.name, nth, extreme), nth += sizeof s.name;
#define STRUCT(NAME, MEMBERS)                                                                 \
    struct NAME { MEMBERS(MEMBER) };                                                           \
    void check_##NAME(const Record& record, const char* name) {                                \
        using S = NAME;                                                                        \
        std::size_t i = 0;                                                                     \
        expect(record.size == sizeof(S), std::string(name) + ": size");                        \
        expect(record.alignment == alignof(S), std::string(name) + ": alignment");             \
        MEMBERS(CHECK)                                                                         \
        expect(i == record.fields.size(), std::string(name) + ": no more members");            \
    }                                                                                          \
    void fill_##NAME(void* at, bool extreme) {                                                 \
        auto& s = *static_cast<NAME*>(at);                                                     \
        std::size_t nth = 0;                                                                   \
        MEMBERS(FILL)                                                                          \
    }
#define ROW(NAME, MEMBERS) {#NAME, &(MEMBERS(LAYOUT))[1], sizeof(NAME), check_##NAME, fill_##NAME},

#define TICK(M) M(u32, id, , "u32") M(f64, px, , "f64") M(char, sym, [8], "char[8]")
#define BYTE(M) M(u8, only, , "u8")
#define FLAGS(M) M(bool, a, , "bool") M(u16, b, , "u16") M(bool, c, , "bool") M(bool, d, , "bool") M(u32, e, , "u32") M(bool, f, , "bool")
#define LADDER(M) M(i8, a, , "i8") M(i16, b, , "i16") M(i32, c, , "i32") M(i64, d, , "i64") M(u8, e, , "u8") M(u16, f, , "u16") M(u32, g, , "u32") M(u64, h, , "u64")
#define DOWN(M) M(u64, a, , "u64") M(f32, b, , "f32") M(u16, c, , "u16") M(u8, d, , "u8")
#define TAIL(M) M(f64, a, , "f64") M(u8, b, , "u8")
#define TEXTS(M) M(char, a, [1], "char[1]") M(char, b, [3], "char[3]") M(u16, c, , "u16") M(char, d, [5], "char[5]") M(f32, e, , "f32") M(char, f, [9], "char[9]")
#define ARRAYS(M) M(u8, a, [3], "u8[3]") M(u16, b, [3], "u16[3]") M(f64, c, [2], "f64[2]") M(bool, d, [7], "bool[7]") M(f32, e, [1], "f32[1]") M(i64, f, [2], "i64[2]") M(char, g, [2], "char[2]")
#define ODD(M) M(bool, a, , "bool") M(f64, b, , "f64") M(char, c, [3], "char[3]") M(u16, d, , "u16") M(u8, e, , "u8") M(f32, f, , "f32") M(bool, g, [2], "bool[2]") M(u64, h, , "u64") M(i8, i, , "i8")
#define LONG_ONE(M) M(char, head, [13], "char[13]") M(f64, samples, [500], "f64[500]") M(u8, foot, , "u8")
#define CLOSE_MEMBERS(M) M(char, a, [3], "char[3]@0") M(u32, b, , "u32@3") M(f64, c, , "f64@7") M(bool, d, , "bool@15")

STRUCT(tick, TICK)
STRUCT(byte, BYTE)
STRUCT(flags, FLAGS)
STRUCT(ladder, LADDER)
STRUCT(down, DOWN)
STRUCT(tail, TAIL)
STRUCT(texts, TEXTS)
STRUCT(arrays, ARRAYS)
STRUCT(odd, ODD)
STRUCT(long_one, LONG_ONE)

// Packed: a member cannot be referred to where it is not aligned.
struct [[gnu::packed]] close_members { CLOSE_MEMBERS(MEMBER) };
void check_close_members(const Record& record, const char* name) {
    using S = close_members;
    std::size_t i = 0;
    expect(record.size == sizeof(S) && record.alignment == 1, std::string(name) + ": size");
    CLOSE_MEMBERS(CHECK)
}
void fill_close_members(void* at, bool extreme) {
    auto& s = *static_cast<close_members*>(at);
    std::memcpy(s.a, "xyz", 3);
    s.b = extreme ? 4294967295u : 1;
    s.c = 0.1;
    s.d = extreme;
}

constexpr Case cases[] = {ROW(tick, TICK) ROW(byte, BYTE) ROW(flags, FLAGS) ROW(ladder, LADDER) ROW(down, DOWN) ROW(tail, TAIL) ROW(texts, TEXTS)
                          ROW(arrays, ARRAYS) ROW(odd, ODD) ROW(long_one, LONG_ONE) ROW(close_members, CLOSE_MEMBERS)};

// All of a struct, padding zero, as messages are compared byte by byte.
std::string sample(const Case& c, bool extreme) {
    alignas(std::max_align_t) static std::byte memory[8192];
    std::memset(memory, 0, sizeof memory);
    c.fill(memory, extreme);
    return {reinterpret_cast<const char*>(memory), c.size};
}

Exit run(int argc, char** argv) {
    const std::string what = argc > 1 ? argv[1] : "", name = argc > 2 ? argv[2] : "", ring = argc > 3 ? argv[3] : "";
    if (what == "back") expect(bool(shmq::Consumer(ring).try_pop()), "there was one");
    if (what == "make") {
        shmq::Options options{.slots = 16, .record = name};
        if (argc > 4) options.fixed = true, options.slot_size = std::stoul(argv[4]);
        shmq::create(ring, options);
    }
    for (const Case& c : cases) {
        if (what == "check") c.check(parse_record(c.layout), c.name);
        if (what == "list") std::printf("%s %s\n", c.name, c.layout);
        if (name != c.name) continue;
        if (what == "size") std::printf("%zu\n", c.size);
        if (what == "push") {
            shmq::Producer out(ring, {.expect_slot_size = c.size, .expect_fixed = true});
            for (const bool extreme : {false, true}) expect(out.push(shmq::bytes(sample(c, extreme))) == shmq::Outcome::ok, "pushed");
        }
        if (what == "pop") {
            shmq::Consumer in(ring, {.expect_slot_size = c.size, .expect_fixed = true});
            for (const bool extreme : {false, true}) {
                auto message = in.try_pop();
                expect(message && shmq::text(message.bytes()) == sample(c, extreme), name + (extreme ? ": the extreme one" : ": the first") + " is as it was");
                if (message) expect(message.release() == shmq::Outcome::ok, "released");
            }
        }
    }
    return all_true ? Exit::ok : Exit::no;
}

}  // namespace

int main(int argc, char** argv) { return guarded_main("record_structs", argc, argv, run); }
