/* recorder.h - what tracer.c (the life of a trace) and events.c (its records) share. */
#ifndef MPRESS_TRACER_RECORDER_H
#define MPRESS_TRACER_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tracer/thread.h"
#include "tracer/tracer.h"

struct lane;

/* OFF -> ON in tracer_start; ON -> OFF at the end. In the child of a fork that is
 * to be followed: ON -> PENDING in tracer_fork_child, -> OPENING -> ON at its first event. */
enum recorder_phase { RECORDER_OFF, RECORDER_ON, RECORDER_PENDING, RECORDER_OPENING };

struct recorder {
    _Atomic uint32_t phase;
    unsigned address_shift;    /* constant while ON, as are the next nine */
    unsigned depth;            /* frames; 0: no stacks */
    uint64_t sample_period;    /* bytes; 0: every event */
    bool is_plain;             /* neither stacks nor epochs go with births: plain.h */
    uintptr_t near_from;       /* address that header.near_units stands for */
    uint32_t lane_blocks_most; /* as in struct trace_header */
    uint32_t blocks_most;
    bool drops;             /* without room events are dropped until there is some */
    bool ordered_by_caller; /* it calls tracer_sync; else every birth draws an epoch */
    uint64_t clock_ns;      /* what a reading of the clock takes */
    bool (*sample_heap)(struct trace_sample *sample);
    _Atomic uint32_t trace; /* number of the trace; the first is 1 */
    _Atomic bool is_shared; /* there is a second event lane; never taken back in a trace */
    _Alignas(64) _Atomic uint64_t epoch; /* last one drawn; every event reads what is above */
    _Atomic uint64_t sampled_ns;         /* time of the last sample */
    uint64_t start_ns;                   /* of the file that is open, or was; 0: none yet */
    uint64_t forked_ns;          /* when this process was forked off; 0: it was not, or unseen */
    uint64_t parent_trace_ns;    /* start_ns of its parent's file */
    _Atomic uint64_t lost;       /* events lost of threads that have no lane */
    _Atomic uint64_t txns;       /* transactions that any trace of this process knew */
    _Atomic uint64_t older_txns; /* of these, before the one that runs */
    _Atomic bool drop_is_said;
    void (*write_latency)(bool is_last); /* constant while ON, as are the next two */
    const unsigned char *classes;        /* as in struct tracer_options */
    size_t classes_bytes;
    bool looks_at_pages; /* as there, too */
};

extern struct recorder recorder;

/* How long the end of a trace waits for a thread in the middle of something. Mostly it is between
 * two instructions; it may be off the processor; it may be what the caller interrupted, and never
 * go on.
 */
#define RECORDER_PATIENCE_NS UINT64_C(500000000)

/* The calling thread has a lane of the trace that runs, not of an earlier one. */
static inline bool recorder_has_lane(void)
{
    return thread_self.lane != NULL &&
           thread_self.trace == atomic_load_explicit(&recorder.trace, memory_order_relaxed);
}

static inline bool recorder_is_on(void)
{
    /* acquire: what tracer_start prepared is there */
    return atomic_load_explicit(&recorder.phase, memory_order_acquire) == RECORDER_ON;
}

/* Opens the file of a forked child that is followed. False: somebody else is at it, or no file. */
bool recorder_open_pending(void);

/* Something could not be written. The calling thread is busy; `self` is its lane or NULL, at a
 * record boundary. Ends the trace with one line, or, in a child that a fork made behind our back,
 * without a word; or leaves it as it is, if that may pass and events may be dropped. */
void recorder_fail(struct lane *self);

/* Writes what has a call stack (caller not NULL), but no record in the thread's lane. Nothing when
 * the calling thread is inside the tracer. The writer returns false when the disk is full. */
typedef bool events_writer(const void *what, uint32_t stack);
void events_write_aside(events_writer *write, const void *what, const struct tracer_caller *caller);

#endif
