// A record layout: what a C struct in a ring looks like, and its way into a JSON object and back.
//
//   id:u32,px:f64,sym:char[8]        NAME:TYPE[N][@OFFSET],...
//
// Fields lie where this platform's C compiler puts the members of a struct. shmq-create(1) has the grammar
// and the rules, shmq-push(1) and shmq-pop(1) what the fields are in JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <shmq/shmq.hpp>

struct Record {
    enum class Kind { i8, i16, i32, i64, u8, u16, u32, u64, f32, f64, boolean, text };
    struct Field {
        std::string name;
        Kind kind;
        bool array = false;      // of `count` elements; text is not one
        std::size_t count = 1;   // elements; of text, bytes
        std::size_t offset = 0;
    };
    std::vector<Field> fields;
    std::size_t size = 0, alignment = 1;
};

// Both throw Failure(data).
Record parse_record(std::string_view layout);
// The layout that a ring keeps, if any. It has to describe the ring's messages.
std::optional<Record> record_of_ring(const std::string& name, std::string_view layout, bool fixed, std::size_t slot_size);

// The layout as it is kept: no blanks, and offsets only where they are not the natural ones.
std::string layout_text(const Record& record);

// A JSON object as the bytes of a record; what is between the fields is zero. Empty, or why it is none.
// REQUIRES: to.size() == record.size.
std::string encode(const Record& record, std::string_view object, std::span<std::byte> to);
// Appends the fields, `"id":1,"px":2.5`, for braces to be put around. REQUIRES: bytes.size() == record.size.
void decode(const Record& record, shmq::Bytes bytes, std::string& fields);
