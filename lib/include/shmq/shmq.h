/* shmq: messages through named rings in shared memory. The interface for C, and for languages that call C.
 *
 *   shmq_producer* out;                             shmq_consumer* in;
 *   shmq_producer_open(&out, "jobs", NULL,          shmq_consumer_open(&in, "jobs", NULL, NULL, 0);
 *                      error, sizeof error);        const void* data; size_t size;
 *   shmq_producer_push(out, "hello", 5,             while (shmq_consumer_pop(in, &data, &size, SHMQ_FOREVER) == SHMQ_OK) {
 *                      SHMQ_FOREVER);                   use(data, size);
 *   shmq_producer_close(out);                           shmq_consumer_release(in);
 *                                                   }
 *
 * It is shmq.hpp with C's means, and what is said there about threads, processes and death holds here: a
 * handle belongs to one thread at a time, interrupt alone may come from another or from a signal handler,
 * and after fork() the child's calls answer SHMQ_FORKED.
 *
 * Results     Every int that a function returns is an outcome or an error, never anything else: SHMQ_OK is 0,
 *             outcomes of moving messages are below 100, errors of opening, creating and removing are from
 *             100 on. shmq_describe() knows them all.
 * Texts       Functions that answer errors take a buffer and its size, or NULL and 0, for one line that
 *             says what was wrong with which ring: "jobs: no such ring". It is empty after SHMQ_OK, cut
 *             short where it does not fit, and always ends in a NUL.
 * Time        Time limits are in nanoseconds from now: SHMQ_FOREVER waits, SHMQ_NO_WAIT does not.
 * Structs     The caller sets struct_size to sizeof the struct, and fields that he does not set to 0. A
 *             program built with an older or newer header than the library then still is understood.
 * REQUIRES    Handles are not NULL (close takes one and does nothing); pointers for answers are not NULL.
 *
 * libshmq(3) has an example. */
#ifndef SHMQ_SHMQ_H
#define SHMQ_SHMQ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shmq_producer shmq_producer;
typedef struct shmq_consumer shmq_consumer;

#define SHMQ_FOREVER ((int64_t)-1) /* as every time limit below 0 */
#define SHMQ_NO_WAIT ((int64_t)0)

enum shmq_outcome {
    SHMQ_OK,
    SHMQ_FULL,        /* SHMQ_NO_WAIT and no room */
    SHMQ_EMPTY,       /* SHMQ_NO_WAIT and no message */
    SHMQ_TIMED_OUT,
    SHMQ_ENDED,       /* push: the stream is ended; pop: and all of it consumed */
    SHMQ_REMOVED,     /* the ring was removed; pop: and is drained */
    SHMQ_TOO_LONG,    /* longer than the ring or the buffer takes; fixed rings: not slot_size */
    SHMQ_INTERRUPTED,
    SHMQ_CORRUPT,     /* the segment's content or size is not a ring's any more */
    SHMQ_FORKED,      /* this handle belongs to the parent process */
    SHMQ_MISUSED = 99 /* nothing was done: a claim or message is still held, or none is, or it is too short */
};

enum shmq_error {
    SHMQ_NO_SUCH_RING = 100,
    SHMQ_EXISTS,
    SHMQ_NOT_A_RING,
    SHMQ_OTHER_VERSION,
    SHMQ_OTHER_GEOMETRY,
    SHMQ_CORRUPT_RING,
    SHMQ_PERMISSION,
    SHMQ_IN_USE,
    SHMQ_ROLE_TAKEN,
    SHMQ_TABLE_FULL,
    SHMQ_REMOVED_MEANWHILE,
    SHMQ_BAD_NAME,
    SHMQ_BAD_OPTION,
    SHMQ_NO_ROOM,
    SHMQ_UNSUPPORTED,
    SHMQ_SYSTEM
};

/* Of an outcome or error, in words that never change or go. */
const char* shmq_describe(int result);

/* ---- rings by name ---- */

enum shmq_waiting { SHMQ_WAITING_DEFAULT, SHMQ_WAITING_ADAPTIVE, SHMQ_WAITING_BLOCK, SHMQ_WAITING_SPIN };
enum shmq_if_exists { SHMQ_FAIL, SHMQ_KEEP, SHMQ_REPLACE, SHMQ_REPLACE_FORCE, SHMQ_REOPEN };

/* Options of shmq.hpp. A 0 means what is the default there; flags are 0 or 1. */
typedef struct shmq_options {
    size_t struct_size;
    uint64_t slots;         /* 65536 */
    uint64_t slot_size;     /* 64 */
    uint64_t max_message;   /* whatever fits into the ring */
    uint32_t participants;  /* 256 */
    uint32_t mode;          /* 0600 */
    uint32_t set_group;     /* 1: give it to `group` */
    uint32_t group;
    const char* record;     /* layout text */
    uint32_t waiting;       /* enum shmq_waiting */
    uint32_t if_exists;     /* enum shmq_if_exists */
    uint32_t fixed;         /* every message is exactly slot_size bytes */
    uint32_t one_producer, one_consumer;
    uint32_t broadcast;
    uint32_t overwrite;
    uint32_t timestamps;
    uint32_t ephemeral;
    uint32_t duplex;        /* two such rings, with the sides NAME/a and NAME/b: a producer and a consumer each */
    uint32_t lock_memory;   /* never in swap: whoever attaches locks it into memory, or cannot (SHMQ_NO_ROOM) */
    uint32_t reserved;      /* 0 */
} shmq_options;

/* `options` may be NULL. */
int shmq_create(const char* name, const shmq_options* options, char* error, size_t error_size);
/* SHMQ_IN_USE while somebody is attached, unless `force` is not 0. */
int shmq_remove(const char* name, int force, char* error, size_t error_size);

enum shmq_state { SHMQ_STATE_OPEN, SHMQ_STATE_ENDED, SHMQ_STATE_REMOVED };

/* The main figures of Status in shmq.hpp. */
typedef struct shmq_status {
    size_t struct_size;
    uint64_t slots, slot_size, max_message, segment_bytes;
    uint64_t page_size;                 /* of its memory */
    uint64_t used, messages;            /* slots and whole messages not yet consumed */
    uint64_t pushed, popped, redelivered, abandoned, lost;
    uint64_t pushed_bytes, popped_bytes;
    uint64_t readers, writers;          /* alive now */
    uint64_t producers_ended_badly, consumers_ended_badly;
    uint64_t created_ns, last_push_ns, last_pop_ns, oldest_ns, delay_ns;
    uint32_t state;                     /* enum shmq_state */
    uint32_t fixed, one_producer, one_consumer, broadcast, overwrite, timestamps, ephemeral, lock_memory;
    uint32_t reserved;
} shmq_status;

/* Takes no lock and disturbs nobody. Set status->struct_size before. */
int shmq_stat(const char* name, shmq_status* status, char* error, size_t error_size);

/* ---- participants ---- */

typedef struct shmq_attach_options {
    size_t struct_size;
    uint64_t expect_slots;      /* SHMQ_OTHER_GEOMETRY where the ring differs; 0: any */
    uint64_t expect_slot_size;
    uint32_t waiting;           /* enum shmq_waiting; default: as the ring was created */
    uint32_t from_newest;       /* a consumer of a broadcast ring begins with the newest message */
    uint32_t prefault;          /* fill in the page tables now */
    uint32_t reserved;          /* 0 */
} shmq_attach_options;

/* Sets *producer, to NULL where it fails. `options` may be NULL. */
int shmq_producer_open(shmq_producer** producer, const char* name, const shmq_attach_options* options, char* error, size_t error_size);
/* Leaves the ring, abandons what is claimed and frees the handle. */
void shmq_producer_close(shmq_producer* producer);

/* SHMQ_OK: the message is in the ring. Else nothing of it is. */
int shmq_producer_push(shmq_producer* producer, const void* data, size_t size, int64_t timeout_ns);
/* Room for one message in place, one at a time. Fill it, then commit as much as was used of it (fixed
 * rings: all); or abandon it. Do not keep it long: what others push behind it waits for it. */
int shmq_producer_claim(shmq_producer* producer, size_t size, void** data, int64_t timeout_ns);
int shmq_producer_commit(shmq_producer* producer, size_t used);
int shmq_producer_abandon(shmq_producer* producer);
/* No message after this one, of any producer. */
int shmq_producer_end(shmq_producer* producer);

uint64_t shmq_producer_pending(const shmq_producer* producer);    /* slots not yet consumed */
uint64_t shmq_producer_available(const shmq_producer* producer);  /* slots free */
void shmq_producer_interrupt(shmq_producer* producer);  /* this and every later wait answers SHMQ_INTERRUPTED */
void shmq_producer_leave_badly(shmq_producer* producer);  /* it will close as one that failed */

int shmq_consumer_open(shmq_consumer** consumer, const char* name, const shmq_attach_options* options, char* error, size_t error_size);
/* Leaves the ring, hands back what is held and frees the handle. */
void shmq_consumer_close(shmq_consumer* consumer);

/* Copies the next message and consumes it. *size is its length, also with SHMQ_TOO_LONG, when the
 * buffer is smaller and the message stays. */
int shmq_consumer_copy(shmq_consumer* consumer, void* buffer, size_t buffer_size, size_t* size, int64_t timeout_ns);
/* The next message where it lies, one at a time. release consumes it; handed back, or when the process
 * dies before, it is delivered again. */
int shmq_consumer_pop(shmq_consumer* consumer, const void** data, size_t* size, int64_t timeout_ns);
int shmq_consumer_release(shmq_consumer* consumer);
int shmq_consumer_hand_back(shmq_consumer* consumer);

/* What is known of the message that pop gave and that is held. */
typedef struct shmq_message {
    size_t struct_size;
    uint64_t position;      /* unique and increasing */
    uint64_t time_ns;       /* of the push, since 1970; 0: no timestamps */
    uint64_t sequence;      /* the producer's own count; fixed rings: the position */
    uint64_t lost;          /* overwrite rings: messages that went unseen right before it */
    uint32_t producer;      /* its entry; fixed rings: 0 */
    uint32_t redelivered;   /* it was delivered before, and not consumed */
} shmq_message;
int shmq_consumer_message(const shmq_consumer* consumer, shmq_message* message);

uint64_t shmq_consumer_pending(const shmq_consumer* consumer);
uint64_t shmq_consumer_available(const shmq_consumer* consumer);
void shmq_consumer_interrupt(shmq_consumer* consumer);
void shmq_consumer_leave_badly(shmq_consumer* consumer);

#ifdef __cplusplus
}
#endif
#endif
