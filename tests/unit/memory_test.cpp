// What is in memory: prefaulted and locked mappings.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "support.hpp"

using namespace test;

TEST_SUITE_BEGIN("memory");

namespace {

// KiB of this process's mappings of a file, as /proc/self/smaps has it: "Rss" is what the page tables hold.
u64 kib(const std::string& path, const std::string& what) {
    std::ifstream maps("/proc/self/smaps");
    u64 sum = 0;
    bool ours = false;
    for (std::string line; std::getline(maps, line);) {
        if (line.find('-') < line.find(' ')) ours = line.ends_with(path);  // begin-end rights offset device inode path
        else if (ours && line.starts_with(what + ":")) sum += std::stoull(line.substr(what.size() + 1));
    }
    return sum;
}

bool kernel_can_populate() {
    void* const page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const bool can = madvise(page, 4096, MADV_POPULATE_WRITE) == 0;
    munmap(page, 4096);
    return can;
}

}  // namespace

TEST_CASE("a prefaulted mapping is in the page tables as a whole, both halves of the mirror; another one is not") {
    NamedRing ring({.slots = 65536, .slot_size = 64});
    const std::string path = path_of(ring.name);
    {
        Producer plain(ring.name);
        CHECK(kib(path, "Size") > 8192);
        CHECK(kib(path, "Rss") < 4096);
    }
    if (!kernel_can_populate()) {
        MESSAGE("not tested: this kernel has no MADV_POPULATE_WRITE");
        return;
    }
    AttachOptions options;
    options.prefault = true;
    Consumer in(ring.name, options);
    CHECK(kib(path, "Rss") == kib(path, "Size"));
    CHECK(kib(path, "Locked") == 0);
    Producer out(ring.name);
    CHECK(out.push(bytes("as always")) == Outcome::ok);
    auto message = in.pop();
    CHECK(text(message.bytes()) == "as always");
    CHECK(message.release() == Outcome::ok);
}

TEST_SUITE_END();
