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

#include "tools/replay/program.h"

/* Where an object is while it lives; 16 bytes, so that a slot lies in one cache line. */
struct slot {
    _Atomic(void *) object; /* NULL: not born yet, or dead */
    size_t size;            /* asked */
};

/* What a thread counts; nobody else looks before its end. */
struct counters {
    uint64_t waits;
    uint64_t latency_max_ns;
    uint64_t latency[RESULT_BUCKETS];
};

/* The process. */
struct child {
    const struct program_header *program;
    const uint64_t *words;
    const struct program_thread *threads;
    const struct program_window *windows;
    struct result *result;
    struct slot *slots;
    enum program_mode mode;
    enum program_touch touch;
    struct counters *counters; /* per thread, when calls are timed */
    double ns_per_tick;
    uint64_t tick_overhead; /* ticks between two reads of the clock with nothing between */
    size_t page_bytes;
};

/* One thread of it. */
struct runner {
    struct child *child;
    uint32_t thread;
    uint32_t window; /* it is in */
    int64_t live;    /* bytes asked: by this thread's births less its deaths, in this window */
    uint64_t waits;
    struct counters *counters;
    uintptr_t bump; /* PROGRAM_NULL: the next address */
};

extern struct child child;

/* Ends the process; the parent shows the text. */
_Noreturn void child_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* engine.c: runs a thread's operations to their end. */
void engine_run(struct runner *runner);

/* gate.c: windows, waiting, and the birth of threads. */
void gate_init(void);

/* Opens the first window; returns the runner of thread 0, which is the caller's. */
struct runner *gate_begin(void);

/* The thread is done with its window and goes on in window `next`. */
void gate_pass(struct runner *runner, uint32_t next);

/* The thread is done with everything; starts its successor. */
void gate_finish(struct runner *runner);

/* Waits until window `window` is open. */
void gate_wait(uint32_t window);

/* Waits until all windows are done. */
void gate_wait_for_end(void);

/* An object of another thread is not there yet: waits for it. */
void *gate_wait_for_object(struct runner *runner, struct slot *slot);

/* An object was put into a slot that others may be waiting at. */
void gate_hand_over(void);

/* resident.c: resident memory, from /proc by raw system calls. */
void resident_begin(void); /* before the first operation */
/* At the end of a window, with the bytes asked for; one thread at a time, the others stand still.
 */
void resident_sample(uint32_t window, uint64_t asked);
void resident_finish(void);

/* clock.c: time stamps that cost little. */
uint64_t clock_ns(void);
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
