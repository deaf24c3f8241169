/* trace_run.h - runs a piece of a test in a child process that records itself, with a shadow log
 * of what it told the tracer, kept in memory that outlives it; then compares file and log. */
#ifndef MPRESS_TESTS_TRACE_RUN_H
#define MPRESS_TESTS_TRACE_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tracer/tracer.h"
#include "tests/unit/trace_decoder.h"

enum { SHADOW_THREADS = 64, SHADOW_EVENTS = 1 << 18 };

/* One thread's events as it meant them. */
struct shadow {
    _Atomic uint64_t tid;
    _Atomic uint64_t told; /* events whose call has returned */
    struct decoded_event event[SHADOW_EVENTS];
};

struct trace_run {
    struct shadow *shadows; /* [SHADOW_THREADS], shared with the child */
    char folder[64];
    char path[128]; /* what tracer_start is given */
    char error[256];
    uint64_t random; /* of the child, seeded */
};

/* A fresh folder and empty shadows. */
void run_init(struct trace_run *run, uint64_t seed);

/* Removes the folder with everything in it. */
void run_fini(struct trace_run *run);

/* Calls `body` in a child after tracer_start. */
pid_t run_start(struct trace_run *run, const struct tracer_options *options,
                void (*body)(struct trace_run *run));

/* Waits for it; true: it ended by itself with status 0. */
bool run_wait(pid_t child);

/* tell_*: note in the shadow, then tell the tracer. One shadow per thread. */
void tell_alloc(struct shadow *shadow, uint64_t address, uint64_t size, uint64_t alignment,
                unsigned bits);
void tell_free(struct shadow *shadow, uint64_t address);
void tell_realloc(struct shadow *shadow, uint64_t old, uint64_t new, uint64_t size);
void tell_failed(struct shadow *shadow, uint64_t size);

/* A random life of transactions, seen from one thread, beside blocks of its own. */
void tell_txns(struct shadow *shadow, uint64_t *random, uint64_t events);
void tell_anything(struct trace_run *run, struct shadow *shadow, uint64_t *random, uint64_t events);

uint64_t next_random(uint64_t *state);

/* True when every thread's events in the file are the first ones of its shadow, without a gap.
 * RUN_WHOLE: and all of them. RUN_KILLED: and all whose call had returned, maybe one more.
 * RUN_STOPPED: however many. Of a lane that was partly
 * written over, those behind: then each thread must have had a lane of its own. */
enum run_end { RUN_WHOLE, RUN_KILLED, RUN_STOPPED };
bool run_matches(struct trace_run *run, const struct decoded *decoded, enum run_end end);

#endif
