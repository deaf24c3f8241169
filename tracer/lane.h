/* lane.h - a lane of the file: the block it writes now, and the writer's half of the state that
 * format.h describes.
 *
 * One thread at a time writes a lane: the thread that holds an event lane, or the holder of the
 * lock of the info or the stack lane. A record is built behind its first byte, which is zero until
 * lane_commit_at stores it: so a reader of the file never sees half a record, whenever we are
 * killed.
 *
 *     block        at             limit              block end
 *     | header | records | zeros    | TRACE_EVENT_BYTES_MAX |
 *
 * Lanes live in memory of their own, for ever, that reads as zeros in the child of a fork: a child
 * that was made behind our back finds at == limit, which leads to lane_renew and there to a stop.
 *
 * L1  block.start == NULL, or block.start + 72 <= at <= block.start + 64 KiB
 * L2  the bytes from `at` to the end of the block are zero, except while a record is being written
 * L3  what a reader has replayed up to `at` is exactly the state below
 * L4  fast <= limit, or NULL */
#ifndef MPRESS_TRACER_LANE_H
#define MPRESS_TRACER_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "tracer/file.h"
#include "tracer/format.h"

struct walk;

/* How many of each kind there were when one was timed last: it stands for those since. */
struct lane_timed {
    uint64_t ticks;
    uint64_t walks;    /* events with a call stack */
    uint64_t others;   /* events without: they take less */
    uint64_t searched; /* stacks that had to be walked, which comes to that and takes much more */
};

/* All fields belong to the lane's writer unless said otherwise. */
struct lane {
    unsigned char *at;             /* place of the next record (L1); lane_at, lane_set_at */
    unsigned char *limit;          /* from here on a new block is needed; 0 with at: none yet */
    _Atomic(unsigned char *) fast; /* before it nothing but the next record is due (turn.h) */
    _Atomic uint32_t writing; /* 1: the writer is between entering and leaving; tracer_stop reads */
    _Atomic uint32_t missed;  /* events lost to signal handlers, not yet recorded */
    uint32_t ticks;           /* clock readings; behind some of these events a few are timed */
    uint32_t pace;            /* bytes of records from the last reading of the clock to the next */
    uint32_t to_time;         /* events that are still to be timed, or to be warm for it */
    uint64_t begun_ns;        /* when this one began, behind what was due; 0: it is not timed */
    uint64_t begun_walks;     /* `walks` then, */
    uint64_t begun_searched;  /* and `searched` */
    uint64_t clock_ns;        /* what reading the clock took just before */
    struct lane_timed timed;
    uint64_t owner; /* who this lane is among those of all traces: births.h; constant */

    /* the state of format.h (L3); starts anew in every block */
    uint64_t time_ns;
    uint64_t epoch;
    uint64_t freed_at; /* units */
    uint32_t stacks[TRACE_SLOTS];
    uint64_t sizes[TRACE_SLOTS];
    uint64_t alloc_at[TRACE_SLOTS];      /* units */
    uint64_t recent[TRACE_RECENT_SLOTS]; /* units */
    uint64_t last_ip;                    /* stack lane only */

    /* totals; tracer_stop adds them up */
    uint64_t events;
    uint64_t dropped;
    uint64_t overhead_ns;
    uint64_t searched; /* call stacks that the thread did not know (walk.h) */
    uint64_t walks;    /* call stacks looked at; */
    uint64_t proven;   /* their frames that were as before */
    uint64_t stepped;  /* and those that were not */
    uint64_t mappings; /* records of mappings */

    struct file_block block;
    uint32_t number;
    uint32_t sequence;               /* of the next block */
    uint32_t fresh;                  /* blocks it took that no lane had before */
    uint32_t tid;                    /* of the thread whose START is recorded; 0: none */
    uint32_t trace;                  /* its number; an earlier one: retired; 0: wiped since */
    char name[OS_THREAD_NAME_BYTES]; /* of the thread, as last recorded */
    _Atomic uintptr_t stack;         /* an address in the thread's stack; 0: it ended */
    struct walk *walk;               /* memory of the thread's last call stack, or NULL */
    struct lane *next;               /* all lanes; constant */
    struct lane *next_free;          /* lanes without a thread; lock of the lane list */
};

/* A new lane with the next free number from `first` on. NULL: no memory. */
struct lane *lane_create(uint32_t first);

/* An event lane that no thread holds, or a new one. NULL: no memory. */
struct lane *lane_get(void);
void lane_put(struct lane *lane);

/* All lanes, newest first; follow `next`. */
struct lane *lane_newest(void);
uint32_t lane_count(void);

/* In a forked child: there are no lanes any more. */
void lane_abandon_all(void);

/* Another trace begins: the lanes of the one before are nobody's, and not in the list any more.
 * Their memory goes back, but for those that a thread is stuck in; nothing is written to them. */
void lane_retire_all(void);

/* Closes the block and opens another. False: there is none, and file_error() tells why. */
bool lane_renew(struct lane *lane);

/* Closes the lane's block for the last time: it gets its length and checksum, and the rest of it
 * gives its disk space back. The lane has none then. */
void lane_finish(struct lane *lane);

/* For a thread that looks at it before it knows that tracer_stop is not just closing the lane. */
static inline unsigned char *lane_at(const struct lane *lane)
{
    return __atomic_load_n(&lane->at, __ATOMIC_RELAXED);
}

static inline void lane_set_at(struct lane *lane, unsigned char *at)
{
    __atomic_store_n(&lane->at, at, __ATOMIC_RELAXED);
}

/* By the writer itself, as a signal handler of its thread sees it. */
static inline bool lane_is_written(const struct lane *lane)
{
    return atomic_load_explicit(&lane->writing, memory_order_relaxed) != 0;
}

/* Room for a record of up to TRACE_EVENT_BYTES_MAX bytes. */
static inline bool lane_has_room(const struct lane *lane)
{
    return lane->at < lane->limit;
}

/* Room for a record of that many bytes in the open block. */
static inline bool lane_holds(const struct lane *lane, size_t bytes)
{
    return lane->block.start != NULL &&
           (size_t)(lane->block.start + TRACE_BLOCK_BYTES - lane->at) >= bytes;
}

/* The same, in a new block if need be; more than a block holds there never is. */
bool lane_reserve(struct lane *lane, size_t bytes);

/* A TIME record, unless the lane's clock is there already. False: the disk is full. */
bool lane_write_time(struct lane *lane, uint64_t now_ns);

/* The record that was built from at + 1 to `end` begins to exist; `at` is the lane's. */
static inline void lane_commit_at(struct lane *lane, unsigned char *at, unsigned first,
                                  unsigned char *end)
{
    MP_ASSERT(first != 0 && first < 256);
    MP_ASSERT(end > at && (lane->block.start == NULL || /* in such a child */
                           end <= lane->block.start + TRACE_BLOCK_BYTES));
    /* release: no byte of the record is stored after this one */
    atomic_store_explicit((_Atomic unsigned char *)at, (unsigned char)first, memory_order_release);
    lane_set_at(lane, end);
}

/* A whole record: its fields are from `fields` to `end`. All are made before the place for them is
 * looked up, once: in a child that a signal handler forks off on the way that is NULL and nothing
 * is stored in its parent's block; or the child stores what the parent does. */
static inline void lane_append(struct lane *lane, unsigned first, const unsigned char *fields,
                               const unsigned char *end)
{
    unsigned char *at = lane_at(lane);
    if (MP_UNLIKELY(at == NULL))
        return;
    memcpy(at + 1, fields, (size_t)(end - fields));
    lane_commit_at(lane, at, first, at + 1 + (end - fields));
}

#endif
