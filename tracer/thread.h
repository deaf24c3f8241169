/* thread.h - what the tracer keeps for each thread: a pointer and two flags of TLS. A thread is
 * inside the tracer while it says so, or while it writes to its lane. */
#ifndef MPRESS_TRACER_THREAD_H
#define MPRESS_TRACER_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tracer/lane.h"

struct thread {
    struct lane *lane; /* NULL: none yet, or given back */
    bool busy;         /* inside the tracer, as far as it is not in a plain turn (plain.h) */
    uint32_t trace;    /* whose lane it is: recorder.trace, or that of an earlier one */
    bool sample_waits; /* one was due inside the heap */
    bool sync_missed;  /* an epoch was due while busy or without a lane: the next event draws it */
};

/* initial-exec: an access is one instruction and never allocates. */
extern _Thread_local __attribute__((tls_model("initial-exec"))) struct thread thread_self;

/* A signal handler that finds it true records nothing. */
static inline bool thread_is_busy(void)
{
    const struct lane *lane = thread_self.lane;
    return thread_self.busy || (lane != NULL && lane_is_written(lane));
}

/* Marks this thread busy; false: it was. The compiler moves nothing across either call. */
static inline bool thread_begin_busy(void)
{
    if (MP_UNLIKELY(thread_is_busy()))
        return false;
    thread_self.busy = true;
    atomic_signal_fence(memory_order_seq_cst);
    return true;
}

static inline void thread_end_busy(void)
{
    atomic_signal_fence(memory_order_seq_cst);
    thread_self.busy = false;
}

#endif
