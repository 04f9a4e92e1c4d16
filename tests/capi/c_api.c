/* Uses shmq.h as a C program does. test: sentences about it. create, push, pop, hold: for capi.sh. */
#include <shmq/shmq.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int failures = 0;
static char text[256];
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "line %d: not true: %s [%s]\n", __LINE__, #condition, text); \
            ++failures; \
        } \
    } while (0)

static void options_and_figures(void) {
    shmq_options options = {.struct_size = sizeof options, .slots = 100, .slot_size = 64, .max_message = 1000, .timestamps = 1, .record = ""};
    shmq_status status = {.struct_size = sizeof status};
    struct {
        shmq_options known;
        uint64_t later;
    } longer = {{.struct_size = sizeof longer, .slots = 7}, 0};
    union {
        shmq_options all;
        struct {
            size_t struct_size;
            uint64_t slots;
        } old;
    } shorter;

    CHECK(shmq_create("ring", &options, text, sizeof text) == SHMQ_OK && text[0] == 0);
    CHECK(shmq_stat("ring", &status, text, sizeof text) == SHMQ_OK);
    CHECK(status.slots == 100 && status.slot_size == 64 && status.max_message == 1000 && status.timestamps == 1);
    CHECK(status.fixed == 0 && status.one_producer == 0 && status.state == SHMQ_STATE_OPEN && status.messages == 0 && status.created_ns > 0);
    CHECK(status.page_size >= 4096 && status.lock_memory == 0 && status.reserved == 0);
    CHECK(shmq_create("ring", &options, text, sizeof text) == SHMQ_EXISTS);
    CHECK(strcmp(text, "ring: exists already") == 0);
    options.if_exists = SHMQ_KEEP;
    CHECK(shmq_create("ring", &options, NULL, 0) == SHMQ_OK);
    options.slots = 101;
    CHECK(shmq_create("ring", &options, text, sizeof text) == SHMQ_OTHER_GEOMETRY);
    options.if_exists = SHMQ_REPLACE;
    options.one_producer = options.one_consumer = options.overwrite = 1;
    CHECK(shmq_create("ring", &options, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_stat("ring", &status, text, sizeof text) == SHMQ_OK);
    CHECK(status.slots == 101 && status.one_producer == 1 && status.one_consumer == 1 && status.overwrite == 1 && status.broadcast == 0);

    /* A program of a later version, and one of an older. */
    CHECK(shmq_create("longer", &longer.known, text, sizeof text) == SHMQ_OK);
    longer.known.if_exists = SHMQ_REPLACE;
    longer.later = 1;
    CHECK(shmq_create("longer", &longer.known, text, sizeof text) == SHMQ_BAD_OPTION);
    memset(&shorter, 0xff, sizeof shorter);
    shorter.old.struct_size = sizeof shorter.old;
    shorter.old.slots = 9;
    CHECK(shmq_create("shorter", &shorter.all, text, sizeof text) == SHMQ_OK);
    status.struct_size = offsetof(shmq_status, slot_size);
    status.slot_size = 4711;
    CHECK(shmq_stat("shorter", &status, text, sizeof text) == SHMQ_OK && status.slots == 9 && status.slot_size == 4711);
    status.struct_size = 0;
    CHECK(shmq_stat("shorter", &status, text, sizeof text) == SHMQ_BAD_OPTION);

    CHECK(shmq_remove("ring", 0, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_remove("longer", 0, NULL, 0) == SHMQ_OK && shmq_remove("shorter", 1, NULL, 0) == SHMQ_OK);
    CHECK(shmq_remove("ring", 0, text, sizeof text) == SHMQ_NO_SUCH_RING);
}

static void errors(void) {
    const shmq_options nothing = {.struct_size = 0};
    const shmq_options flag = {.struct_size = sizeof flag, .fixed = 2};
    const shmq_options waiting = {.struct_size = sizeof waiting, .waiting = 4};
    const shmq_options exists = {.struct_size = sizeof exists, .if_exists = 5};
    const shmq_options small = {.struct_size = sizeof small, .slot_size = 8};
    const shmq_options huge = {.struct_size = sizeof huge, .slots = UINT64_C(1) << 36};
    const shmq_options duplex = {.struct_size = sizeof duplex, .duplex = 7};
    const shmq_attach_options expecting = {.struct_size = sizeof expecting, .expect_slots = 3};
    const shmq_attach_options newest = {.struct_size = sizeof newest, .from_newest = 1};
    const shmq_options one = {.struct_size = sizeof one, .one_producer = 1, .participants = 3, .lock_memory = 1};
    const shmq_options reserved = {.struct_size = sizeof reserved, .reserved = 1};
    shmq_producer *first = NULL, *second = NULL;
    shmq_consumer* in = NULL;
    shmq_status status = {.struct_size = sizeof status};
    char little[6];

    CHECK(shmq_create("no/such name", NULL, text, sizeof text) == SHMQ_BAD_NAME && text[0]);
    CHECK(shmq_create(NULL, NULL, text, sizeof text) == SHMQ_BAD_NAME);
    CHECK(shmq_create("bad", &nothing, text, sizeof text) == SHMQ_BAD_OPTION);
    CHECK(shmq_create("bad", &flag, text, sizeof text) == SHMQ_BAD_OPTION && strstr(text, "fixed"));
    CHECK(shmq_create("bad", &waiting, text, sizeof text) == SHMQ_BAD_OPTION && strstr(text, "waiting"));
    CHECK(shmq_create("bad", &exists, text, sizeof text) == SHMQ_BAD_OPTION && strstr(text, "if_exists"));
    CHECK(shmq_create("bad", &small, text, sizeof text) == SHMQ_BAD_OPTION && strstr(text, "slot size"));
    CHECK(shmq_create("bad", &duplex, text, sizeof text) == SHMQ_BAD_OPTION && strstr(text, "duplex"));
    CHECK(shmq_create("bad", &reserved, text, sizeof text) == SHMQ_BAD_OPTION && strstr(text, "reserved"));
    CHECK(shmq_create("bad", &huge, text, sizeof text) == SHMQ_NO_ROOM && strstr(text, "bytes needed"));
    CHECK(shmq_producer_open(&first, "bad", NULL, little, sizeof little) == SHMQ_NO_SUCH_RING && first == NULL);
    CHECK(strcmp(little, "bad: ") == 0);

    CHECK(shmq_create("one", &one, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_stat("one", &status, text, sizeof text) == SHMQ_OK && status.lock_memory == 1);
    CHECK(shmq_producer_open(&first, "one", NULL, text, sizeof text) == SHMQ_OK && first != NULL);
    CHECK(shmq_producer_open(&second, "one", NULL, text, sizeof text) == SHMQ_ROLE_TAKEN && second == NULL);
    CHECK(shmq_consumer_open(&in, "one", &expecting, text, sizeof text) == SHMQ_OTHER_GEOMETRY && in == NULL);
    CHECK(shmq_consumer_open(&in, "one", &newest, text, sizeof text) == SHMQ_BAD_OPTION && in == NULL);
    CHECK(shmq_remove("one", 0, text, sizeof text) == SHMQ_IN_USE);
    CHECK(shmq_remove("one", 1, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_producer_push(first, "x", 1, SHMQ_FOREVER) == SHMQ_REMOVED);
    shmq_producer_close(first);
    shmq_producer_close(NULL);
    shmq_consumer_close(NULL);

    CHECK(strcmp(shmq_describe(SHMQ_TIMED_OUT), "timed out") == 0 && strcmp(shmq_describe(SHMQ_NO_SUCH_RING), "no such ring") == 0);
    for (int i = SHMQ_OK; i <= SHMQ_FORKED; ++i) CHECK(strcmp(shmq_describe(i), "unknown result") != 0);
    for (int i = SHMQ_NO_SUCH_RING; i <= SHMQ_SYSTEM; ++i) CHECK(strcmp(shmq_describe(i), "unknown result") != 0);
    CHECK(strcmp(shmq_describe(-1), "unknown result") == 0 && strcmp(shmq_describe(SHMQ_SYSTEM + 1), "unknown result") == 0);
}

static void moving(void) {
    const shmq_options options = {.struct_size = sizeof options, .slots = 4, .slot_size = 64, .timestamps = 1};
    const int64_t a_moment = 1000000;
    shmq_producer* out = NULL;
    shmq_consumer* in = NULL;
    shmq_message message = {.struct_size = sizeof message};
    shmq_status status = {.struct_size = sizeof status};
    const void* data = NULL;
    void* room = NULL;
    size_t size = 0;
    char buffer[64];

    CHECK(shmq_create("ring", &options, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_producer_open(&out, "ring", NULL, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_consumer_open(&in, "ring", NULL, text, sizeof text) == SHMQ_OK);
    if (!out || !in) return;

    /* Nothing there. */
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_NO_WAIT) == SHMQ_EMPTY && !data && !size);
    CHECK(shmq_consumer_copy(in, buffer, sizeof buffer, &size, a_moment) == SHMQ_TIMED_OUT);
    CHECK(shmq_consumer_release(in) == SHMQ_MISUSED && shmq_consumer_hand_back(in) == SHMQ_MISUSED);
    CHECK(shmq_consumer_message(in, &message) == SHMQ_MISUSED);
    CHECK(shmq_producer_commit(out, 0) == SHMQ_MISUSED && shmq_producer_abandon(out) == SHMQ_MISUSED);

    /* Full. */
    CHECK(shmq_producer_push(out, "first", 5, SHMQ_FOREVER) == SHMQ_OK);
    CHECK(shmq_producer_pending(out) == 1 && shmq_producer_available(out) == 3);
    CHECK(shmq_producer_push(out, NULL, 0, SHMQ_NO_WAIT) == SHMQ_OK);
    CHECK(shmq_producer_push(out, "third", 5, a_moment) == SHMQ_OK);
    CHECK(shmq_producer_push(out, "fourth", 6, SHMQ_NO_WAIT) == SHMQ_OK);
    CHECK(shmq_producer_push(out, "fifth", 5, SHMQ_NO_WAIT) == SHMQ_FULL);
    CHECK(shmq_producer_push(out, "fifth", 5, a_moment) == SHMQ_TIMED_OUT);
    CHECK(shmq_producer_push(out, text, sizeof text, SHMQ_NO_WAIT) == SHMQ_TOO_LONG);
    CHECK(shmq_consumer_pending(in) == 4 && shmq_consumer_available(in) == 0);

    /* In place, and again. */
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_FOREVER) == SHMQ_OK && size == 5 && memcmp(data, "first", 5) == 0);
    CHECK(shmq_consumer_message(in, &message) == SHMQ_OK && message.sequence == 0 && !message.redelivered && message.time_ns && !message.lost);
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_NO_WAIT) == SHMQ_MISUSED && shmq_consumer_copy(in, buffer, sizeof buffer, &size, SHMQ_NO_WAIT) == SHMQ_MISUSED);
    CHECK(shmq_consumer_hand_back(in) == SHMQ_OK);
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_FOREVER) == SHMQ_OK && size == 5 && memcmp(data, "first", 5) == 0);
    CHECK(shmq_consumer_message(in, &message) == SHMQ_OK && message.redelivered == 1);
    CHECK(shmq_consumer_release(in) == SHMQ_OK && shmq_consumer_release(in) == SHMQ_MISUSED);

    /* Copies. */
    CHECK(shmq_consumer_copy(in, NULL, 0, &size, SHMQ_NO_WAIT) == SHMQ_OK && size == 0);
    CHECK(shmq_consumer_copy(in, buffer, 4, &size, SHMQ_NO_WAIT) == SHMQ_TOO_LONG && size == 5);
    CHECK(shmq_consumer_copy(in, buffer, 5, &size, SHMQ_NO_WAIT) == SHMQ_OK && size == 5 && memcmp(buffer, "third", 5) == 0);
    CHECK(shmq_consumer_copy(in, buffer, sizeof buffer, &size, a_moment) == SHMQ_OK && size == 6);

    /* Writing in place. */
    CHECK(shmq_producer_claim(out, 100, &room, SHMQ_NO_WAIT) == SHMQ_OK && room);
    if (room) memcpy(room, "shorter", 7);
    CHECK(shmq_producer_push(out, "x", 1, SHMQ_NO_WAIT) == SHMQ_MISUSED && shmq_producer_end(out) == SHMQ_MISUSED);
    CHECK(shmq_producer_commit(out, 101) == SHMQ_MISUSED && shmq_producer_commit(out, 7) == SHMQ_OK);
    CHECK(shmq_producer_claim(out, 10, &room, SHMQ_NO_WAIT) == SHMQ_OK && shmq_producer_claim(out, 10, &room, SHMQ_NO_WAIT) == SHMQ_MISUSED);
    CHECK(shmq_producer_abandon(out) == SHMQ_OK);
    CHECK(shmq_producer_claim(out, 1000, &room, SHMQ_NO_WAIT) == SHMQ_TOO_LONG && !room);
    CHECK(shmq_producer_end(out) == SHMQ_OK && shmq_producer_push(out, "x", 1, SHMQ_FOREVER) == SHMQ_ENDED);
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_FOREVER) == SHMQ_OK && size == 7 && memcmp(data, "shorter", 7) == 0);
    CHECK(shmq_consumer_release(in) == SHMQ_OK);
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_FOREVER) == SHMQ_ENDED);

    CHECK(shmq_stat("ring", &status, text, sizeof text) == SHMQ_OK);
    CHECK(status.state == SHMQ_STATE_ENDED && status.pushed == 5 && status.popped == 5);
    CHECK(status.redelivered == 2); /* handed back, and too long for the buffer */
    CHECK(status.readers == 1 && status.writers == 1);
    shmq_producer_leave_badly(out);
    shmq_producer_close(out);
    shmq_consumer_close(in);
    CHECK(shmq_stat("ring", &status, text, sizeof text) == SHMQ_OK);
    CHECK(status.producers_ended_badly == 1 && status.consumers_ended_badly == 0 && status.readers == 0 && status.writers == 0);
    CHECK(shmq_remove("ring", 0, text, sizeof text) == SHMQ_OK);
}

/* Closing gives up what is held; interrupt ends every wait. */
static void closing(void) {
    const shmq_options fixed = {.struct_size = sizeof fixed, .slots = 4, .slot_size = 8, .fixed = 1};
    shmq_producer* out = NULL;
    shmq_consumer* in = NULL;
    const void* data = NULL;
    void* room = NULL;
    size_t size = 0;

    CHECK(shmq_create("ring", &fixed, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_producer_open(&out, "ring", NULL, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_producer_push(out, "short", 5, SHMQ_FOREVER) == SHMQ_TOO_LONG && shmq_producer_push(out, "12345678", 8, SHMQ_FOREVER) == SHMQ_OK);
    CHECK(shmq_producer_claim(out, 8, &room, SHMQ_FOREVER) == SHMQ_OK && shmq_producer_commit(out, 7) == SHMQ_MISUSED);
    shmq_producer_close(out);
    CHECK(shmq_consumer_open(&in, "ring", NULL, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_FOREVER) == SHMQ_OK);
    shmq_consumer_close(in);
    CHECK(shmq_consumer_open(&in, "ring", NULL, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_FOREVER) == SHMQ_OK && size == 8 && memcmp(data, "12345678", 8) == 0);
    CHECK(shmq_consumer_release(in) == SHMQ_OK);
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_NO_WAIT) == SHMQ_EMPTY);
    shmq_consumer_interrupt(in);
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_FOREVER) == SHMQ_INTERRUPTED);
    shmq_consumer_leave_badly(in);
    shmq_consumer_close(in);

    CHECK(shmq_producer_open(&out, "ring", NULL, text, sizeof text) == SHMQ_OK);
    for (int i = 0; i < 4; ++i) CHECK(shmq_producer_push(out, "12345678", 8, SHMQ_NO_WAIT) == SHMQ_OK);
    shmq_producer_interrupt(out);
    CHECK(shmq_producer_push(out, "12345678", 8, SHMQ_FOREVER) == SHMQ_INTERRUPTED);
    shmq_producer_close(out);
    CHECK(shmq_remove("ring", 0, text, sizeof text) == SHMQ_OK);
}

/* Overwrite and broadcast: what is lost is told, and where to begin is chosen. */
static void policies(void) {
    const shmq_options latest = {.struct_size = sizeof latest, .slots = 2, .slot_size = 64, .overwrite = 1};
    const shmq_options all = {.struct_size = sizeof all, .slots = 8, .slot_size = 64, .broadcast = 1};
    const shmq_attach_options newest = {.struct_size = sizeof newest, .from_newest = 1, .waiting = SHMQ_WAITING_BLOCK, .prefault = 1};
    shmq_message message = {.struct_size = sizeof message};
    shmq_producer* out = NULL;
    shmq_consumer *in = NULL, *late = NULL;
    const void* data = NULL;
    size_t size = 0;
    char number[2] = "0";

    CHECK(shmq_create("latest", &latest, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_producer_open(&out, "latest", NULL, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_consumer_open(&in, "latest", NULL, text, sizeof text) == SHMQ_OK);
    for (; number[0] < '5'; ++number[0]) CHECK(shmq_producer_push(out, number, 1, SHMQ_NO_WAIT) == SHMQ_OK);
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_NO_WAIT) == SHMQ_OK && size == 1 && *(const char*)data == '3');
    CHECK(shmq_consumer_message(in, &message) == SHMQ_OK && message.lost == 3);
    CHECK(shmq_consumer_release(in) == SHMQ_OK);
    shmq_consumer_close(in);
    shmq_producer_close(out);

    CHECK(shmq_create("all", &all, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_producer_open(&out, "all", NULL, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_consumer_open(&in, "all", NULL, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_producer_push(out, "a", 1, SHMQ_NO_WAIT) == SHMQ_OK && shmq_producer_push(out, "b", 1, SHMQ_NO_WAIT) == SHMQ_OK);
    CHECK(shmq_consumer_open(&late, "all", &newest, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_consumer_pop(in, &data, &size, SHMQ_NO_WAIT) == SHMQ_OK && *(const char*)data == 'a');
    CHECK(shmq_consumer_pop(late, &data, &size, SHMQ_NO_WAIT) == SHMQ_OK && *(const char*)data == 'b');
    shmq_consumer_close(late);
    shmq_consumer_close(in);
    shmq_producer_close(out);
    CHECK(shmq_remove("latest", 0, text, sizeof text) == SHMQ_OK && shmq_remove("all", 0, text, sizeof text) == SHMQ_OK);
}

/* Both ways: a handle for each direction of a side. */
static void duplex(void) {
    const shmq_options both = {.struct_size = sizeof both, .slots = 8, .slot_size = 64, .duplex = 1};
    shmq_producer* out = NULL;
    shmq_consumer* in = NULL;
    char buffer[8];
    size_t size = 0;

    CHECK(shmq_create("chat", &both, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_producer_open(&out, "chat/a", NULL, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_consumer_open(&in, "chat/a", NULL, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_producer_push(out, "hello", 5, SHMQ_NO_WAIT) == SHMQ_OK);
    CHECK(shmq_consumer_copy(in, buffer, sizeof buffer, &size, SHMQ_NO_WAIT) == SHMQ_EMPTY);
    shmq_consumer_close(in);
    CHECK(shmq_consumer_open(&in, "chat/b", NULL, text, sizeof text) == SHMQ_OK);
    CHECK(shmq_consumer_copy(in, buffer, sizeof buffer, &size, SHMQ_NO_WAIT) == SHMQ_OK && size == 5 && memcmp(buffer, "hello", 5) == 0);
    shmq_consumer_close(in);
    shmq_producer_close(out);
    CHECK(shmq_remove("chat", 0, text, sizeof text) == SHMQ_OK);
}

static int complain(const char* what) {
    fprintf(stderr, "%s\n", what);
    return 1;
}

static int push(const char* name, char** messages) {
    shmq_producer* out;
    int outcome = SHMQ_OK;
    if (shmq_producer_open(&out, name, NULL, text, sizeof text) != SHMQ_OK) return complain(text);
    for (; *messages && outcome == SHMQ_OK; ++messages) outcome = shmq_producer_push(out, *messages, strlen(*messages), SHMQ_FOREVER);
    shmq_producer_close(out);
    return outcome == SHMQ_OK ? 0 : complain(shmq_describe(outcome));
}

static int pop(const char* name, int hold) {
    shmq_consumer* in;
    const void* data;
    size_t size;
    int outcome;
    if (shmq_consumer_open(&in, name, NULL, text, sizeof text) != SHMQ_OK) return complain(text);
    while ((outcome = shmq_consumer_pop(in, &data, &size, SHMQ_FOREVER)) == SHMQ_OK) {
        printf("%.*s\n", (int)size, (const char*)data);
        fflush(stdout);
        if (hold) {
            for (;;) pause();  /* until killed */
        }
        shmq_consumer_release(in);
    }
    shmq_consumer_close(in);
    return outcome == SHMQ_ENDED ? 0 : complain(shmq_describe(outcome));
}

int main(int argc, char** argv) {
    if (argc == 2 && strcmp(argv[1], "test") == 0) {
        options_and_figures();
        errors();
        moving();
        closing();
        policies();
        duplex();
        return failures != 0;
    }
    if (argc == 3 && strcmp(argv[1], "create") == 0) {
        const shmq_options options = {.struct_size = sizeof options, .slots = 256, .slot_size = 8, .fixed = 1};
        return shmq_create(argv[2], &options, text, sizeof text) == SHMQ_OK ? 0 : complain(text);
    }
    if (argc >= 3 && strcmp(argv[1], "push") == 0) return push(argv[2], argv + 3);
    if (argc == 3 && strcmp(argv[1], "pop") == 0) return pop(argv[2], 0);
    if (argc == 3 && strcmp(argv[1], "hold") == 0) return pop(argv[2], 1);
    return complain("usage: test | create RING | push RING TEXT... | pop RING | hold RING");
}
