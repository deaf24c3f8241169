/* latency.h - how long allocations take, while a trace holds every event: all that need more than
 * the thread's own magazine, and one in so many of the others. What recording costs is not in it.
 *
 * Allocations are malloc, calloc, operator new and the aligned ones. The hot path knows nothing of
 * this: with such a trace every call comes to the door. */
#ifndef MPRESS_LATENCY_H
#define MPRESS_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"

enum { LATENCY_ONE_IN = 256 };

/* Calls of this thread that the magazine served, since one was timed. */
extern _Thread_local __attribute__((tls_model("initial-exec"))) uint32_t latency_passes;

/* Whether the next call that the magazine serves is to be timed; what a handler adds counts too. */
static inline bool latency_is_due(void)
{
    return MP_UNLIKELY(latency_passes >= LATENCY_ONE_IN - 1);
}

/* It served one that was not. */
static inline void latency_pass(void)
{
    latency_passes++;
}

/* Now, or 0: this call is not timed. */
static inline uint64_t latency_begin(bool is_timed)
{
    return is_timed ? os_time_ns() : 0;
}

/* A call that took from the magazine; any other one. */
void latency_end_pass(uint64_t begun_ns);
void latency_end(uint64_t begun_ns);

/* Nothing was timed yet: a trace begins, or a child does. One caller at a time. */
void latency_forget(void);

/* Writes to the trace what was timed so far; if it is not the last time, only where that is a
 * quarter more than before, so that a long trace does not fill with it. */
void latency_write(bool is_last);

#endif
