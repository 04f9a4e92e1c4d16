// When a side keeps away from the other, and when it does not.
#include <shmq/detail/pace.hpp>

#include <doctest/doctest.h>

using shmq::detail::Pace, shmq::detail::u64;

namespace {

// In a ring as it is made without options.
constexpr u64 capacity = 65536, slot_size = 64;

Pace streaming(u64 of_capacity = capacity, u64 of_slot_size = slot_size) {
    Pace pace(of_capacity, of_slot_size, true);
    for (int i = 0; i < 1000; ++i) pace.waited(0, 1);
    return pace;
}

// As many more slots with every look.
auto growing(u64 by, u64& looks) {
    return [by, &looks, ahead = u64{0}]() mutable { return ++looks, ahead += by; };
}

}  // namespace

TEST_SUITE_BEGIN("pace");

TEST_CASE("waits that end at once, one after the other, are a stream") {
    Pace pace(capacity, slot_size, true);
    CHECK_FALSE(pace.streaming());
    for (int i = 0; i < 8; ++i) pace.waited(1, 1);
    CHECK_FALSE(pace.streaming());
    for (int i = 0; i < 8; ++i) pace.waited(1, 1);
    CHECK(pace.streaming());
    CHECK(pace.too_near(0));
    CHECK(pace.too_near(-5));
    CHECK_FALSE(pace.too_near(100'000));
    pace.waited(50, 1);
    CHECK_FALSE(pace.streaming());
    CHECK_FALSE(pace.too_near(0));
}

TEST_CASE("a round trip is none, though now and then fewer messages are found than looked for") {
    Pace pace(capacity, slot_size, true);
    for (int i = 0; i < 1000; ++i) {
        pace.waited(4, 1);
        CHECK_FALSE(pace.streaming());
        pace.caught_up();
        CHECK_FALSE(pace.streaming());
    }
}

TEST_CASE("batches are one, though each is waited for") {
    Pace pace(capacity, slot_size, true);
    for (int i = 0; i < 100; ++i) pace.waited(20, 64);
    CHECK(pace.streaming());
}

TEST_CASE("who comes now and then sleeps in between: no stream, though each message is all that was there") {
    Pace pace(capacity, slot_size, true);
    for (int i = 0; i < 1000; ++i) {
        pace.waited_long();
        pace.caught_up();
        CHECK_FALSE(pace.streaming());
    }
}

TEST_CASE("who may not spin does not linger") {
    Pace pace(capacity, slot_size, false);
    for (int i = 0; i < 1000; ++i) pace.waited(0, 1);
    CHECK_FALSE(pace.too_near(0));
}

TEST_CASE("small rings and large slots have no room to keep away in") {
    CHECK_FALSE(streaming(16).streaming());
    CHECK_FALSE(streaming(128, 65536).streaming());
    CHECK(streaming(1024).streaming());
    CHECK(streaming(1024, 1024).streaming());
}

TEST_CASE("lingering ends when there is enough, and the stream goes on") {
    Pace pace = streaming();
    u64 looks = 0;
    pace.linger(growing(100, looks));
    CHECK(looks > 1);
    CHECK(looks < 20);
    CHECK(pace.streaming());
}

TEST_CASE("lingering ends soon where nothing comes, and is believed less each time") {
    Pace pace = streaming();
    for (u64 doubt = 1, last = 0; doubt < 8; ++doubt) {
        u64 looks = 0;
        pace.linger([&] { return ++looks, u64{3}; });
        CHECK(looks < 20);
        CHECK_FALSE(pace.streaming());
        u64 waits = 0;
        while (!pace.streaming()) pace.waited(0, 1), ++waits;
        CHECK(waits > last);
        last = waits;
    }
    // And at once again when it pays.
    u64 looks = 0;
    pace.linger(growing(100, looks));
    pace.waited(100, 1);
    u64 waits = 0;
    while (!pace.streaming()) pace.waited(0, 1), ++waits;
    CHECK(waits <= 16);
}

TEST_CASE("whatever another process writes there, lingering ends") {
    for (const u64 by : {u64{1}, u64{0} - 1, u64{1} << 63}) {
        Pace pace = streaming();
        u64 looks = 0;
        pace.linger(growing(by, looks));
        CHECK(looks < 100);
    }
}

TEST_SUITE_END();
