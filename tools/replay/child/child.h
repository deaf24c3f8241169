/* child.h - the program that runs a program: mpress-replay-child, a process of its own for every
 * run, linked with nothing but libc, so that the allocator under test serves the replay alone.
 *
 * The child itself takes memory from mmap only, all of it before the first operation. */
#ifndef MPRESS_TOOLS_REPLAY_CHILD_CHILD_H
#define MPRESS_TOOLS_REPLAY_CHILD_CHILD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/mpress_txn.h"
#include "tools/replay/program.h"

/* Where an object is while it lives; 16 bytes, so that a slot lies in one cache line. */
struct slot {
    _Atomic(void *) object; /* NULL: not born yet, or dead */
    size_t size;            /* asked, and SLOT_IN_TXN */
};

/* Of slot.size: it is a transaction's, where the allocator has such. */
#define SLOT_IN_TXN (~(SIZE_MAX >> 1))

static inline size_t slot_size(const struct slot *slot)
{
    return slot->size & ~SLOT_IN_TXN;
}

/* What a thread counts; nobody else looks before its end. */
struct counters {
    uint64_t waits;
    uint64_t call_ns;
    uint64_t latency_max_ns;
    uint64_t latency[TRACE_LATENCY_BUCKETS];
};

/* The process. */
struct child {
    const struct program_header *program;
    const uint64_t *words; /* of the window that is open */
    const struct program_thread *threads;
    const struct program_window *windows;
    struct result *result;
    struct slot *slots;       /* program->slots for each copy, */
    struct mpress_txn **txns; /* program->txn_slots; NULL: there are none */
    struct mpress_txn_mark (*marks)[PROGRAM_TXN_MARKS]; /* of each of these */
    enum program_mode mode;
    enum program_touch touch;
    uint32_t copies;
    uint32_t rounds;
    double speed;
    size_t runners;            /* threads of all copies */
    struct counters *counters; /* per runner, when calls are timed */
    double ns_per_tick;
    uint64_t tick_overhead; /* ticks between two reads of the clock with nothing between */
    size_t page_bytes;
};

enum { RUNNER_ENTERED = 16 };

/* One thread of it. */
struct runner {
    struct child *child;
    struct slot *slots;       /* of its copy */
    struct mpress_txn **txns; /* the same; NULL: the allocator has none */
    struct mpress_txn *txn;   /* that its next blocks are of, */
    size_t alignment;         /* and their alignment */
    uint32_t copy;
    uint32_t thread;
    const uint64_t *part;  /* what it does in that window */
    _Atomic uint32_t turn; /* number + 1 of the last window it has a part in, of those dealt out */
    uint32_t done;         /* the same of the last one it began */
    int64_t live; /* bytes asked: by this thread's births less its deaths, in this window */
    uint64_t waits;
    uint64_t behind_ns;
    struct counters *counters;
    uintptr_t bump;                   /* PROGRAM_NULL: the next address */
    uint32_t entered[RUNNER_ENTERED]; /* slots of transactions, the last one innermost */
    uint32_t entered_count;
};

extern struct child child;

/* Ends the process; the parent shows the text. */
_Noreturn void child_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* engine.c: runs a thread's operations to their end. */
void engine_run(struct runner *runner);

/* gate.c: windows, waiting, and the birth of threads. */
void gate_init(void);

/* Opens the first window of a round; returns the runner of thread 0, which is the caller's. */
struct runner *gate_begin(void);

/* The thread is done with its part; returns its next one. */
const uint64_t *gate_pass(struct runner *runner);

/* The thread is done with everything; starts its successor. */
void gate_finish(struct runner *runner);

/* Waits until all windows of the round are done. */
void gate_wait_for_end(void);

/* Waits until an operation is due that was recorded so many ns behind the first. */
void gate_pace(struct runner *runner, uint64_t ns);

/* An object of another thread is not there yet: waits for it. */
void *gate_wait_for_object(struct runner *runner, struct slot *slot);

/* An object was put into a slot that others may be waiting at. */
void gate_hand_over(void);

/* stream.c: the program's file. Reads the header and the tables; a window, and lets the system
 * fetch the next one meanwhile. */
void stream_init(int fd);
const struct program_part *stream_read(uint32_t window);

/* pattern.c: what is written into blocks, and whether it is still there. */
void pattern_write(void *object, const struct slot *slot);

/* Whether its first bytes are those of the pattern; if not, an overlap is noted. */
void pattern_check(const void *object, size_t bytes, uint64_t pattern, const char *when);
uint64_t pattern_of(const struct slot *slot);

/* What calloc and the alignment promise of a new block. */
void pattern_check_birth(const void *object, bool is_zeroed, size_t size, size_t alignment);

/* txns.c: transactions, where the allocator has them. */
void txns_init(void);
/* Operations but those of blocks; returns the place behind the operands. */
const uint64_t *txns_run(struct runner *runner, enum program_control control, uint32_t txn,
                         const uint64_t *at);

/* rest.c: what no operation frees. */
void rest_check(void);
void rest_free(void);

/* resident.c: resident memory, from /proc by raw system calls. */
void resident_begin(void); /* before the first operation */
/* At the end of a window, with the bytes asked for; one thread at a time, the others stand still.
 */
void resident_sample(uint32_t window, uint64_t asked);
uint64_t resident_now(void); /* above what it was before */
void resident_finish(void);

/* clock.c: time stamps that cost little. */
uint64_t clock_ns(void);
uint64_t clock_cpu_ns(void); /* of all threads */
void clock_calibrate(void);

/* Fenced: what was begun before is over, what comes later has not begun. */
static inline uint64_t clock_ticks(void)
{
#if defined(__x86_64__)
    __builtin_ia32_lfence();
    uint64_t ticks = __builtin_ia32_rdtsc();
    __builtin_ia32_lfence();
    return ticks;
#else
    return clock_ns();
#endif
}

#endif
