// How messages look in a stream of bytes. A framing is one row of the table in framing.cpp: its name, how
// a stream is cut into messages, and how a message is put into a stream. Nothing else knows them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <shmq/shmq.hpp>

class Output;
struct Record;

// What a framing may know of the ring.
struct Shape {
    std::size_t max_message;
    std::size_t slot_size;  // as it was asked for: the size of a record under `fixed`
    const Record* record = nullptr;  // its record layout, if it has one and -J is to follow it
};

// Input that has not been cut yet. A JSON envelope is decoded in place, hence not const.
struct Uncut {
    std::span<std::byte> bytes;
    std::size_t seen = 0;   // Cut::seen of the time before
    bool at_end = false;    // nothing more will come; this is said once
    std::size_t most = SIZE_MAX;  // messages wanted
    std::vector<std::byte>* room = nullptr;  // for messages that cannot lie in `bytes`; anew at each cut
};

struct Cut {
    static constexpr std::size_t all = SIZE_MAX;
    std::size_t used = 0;     // bytes that the messages take, with what frames them
    std::size_t seen = 0;     // behind those: need not be looked at again
    std::size_t partial = 0;  // the message that begins there has at least so many bytes,
    std::size_t need = 1;     //   is not whole before so many more have come,
    std::size_t skip = 0;     //   and ends behind so many (`all`: of the input) or, if there is one, at the delimiter
    std::string bad = {};     // or is none, and why
    bool again = false;       // there may be more whole messages: cut again before more is read
};

// What is known of a message on its way out, besides its content.
struct Origin {
    std::uint64_t position, time_ns;  // time_ns 0: none
    bool redelivered;
    std::uint64_t lost = 0;  // messages right before this one that went unseen
};

struct Framing {
    static constexpr int no_delimiter = -1;
    std::string_view name;
    int delimiter;
    // Appends the messages that `input` begins with to `messages`; they lie in `input`, or in its room.
    Cut (*cut)(const Framing& framing, const Uncut& input, const Shape& ring, std::vector<shmq::Bytes>& messages);
    // False: this content cannot be told from another under this framing (it is put all the same).
    bool (*put)(const Framing& framing, shmq::Bytes message, const Origin& origin, const Shape& ring, Output& out);
    bool single = false;  // a stream is one message
    bool stream = false;  // the bytes matter, the messages do not
};

const Framing& find_framing(std::string_view name);  // throws Failure(usage)
std::string framing_names();                    // for --help: "line, nul, ..."
