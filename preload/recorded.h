/* recorded.h - what the door does while a trace holds every event: the hot path once more, behind
 * the gate, and a record. What it cannot serve takes the rest of the door. */
#ifndef MPRESS_RECORDED_H
#define MPRESS_RECORDED_H

#include <stdbool.h>
#include <stddef.h>

#include "allocators/heap.h"
#include "preload/latency.h"
#include "preload/route.h"
#include "tracer/tracer.h"

/* The thread's own magazine may serve it. False too in a signal handler that interrupted the heap:
 * the tracer's locks could be waited for in a circle. */
static inline bool recorded_may_pass(size_t bytes)
{
    return bytes <= SIZE_SLAB_MAX && bytes < route_mimalloc_from && hand.inside == 0;
}

/* An object from the thread's own magazine, not yet recorded; or NULL. */
static inline void *recorded_pass(size_t bytes)
{
    if (MP_UNLIKELY(!recorded_may_pass(bytes)))
        return NULL;
    uint64_t begun_ns = latency_begin(latency_is_due());
    void *p = heap_pop(size_class_of(bytes));
    if (p == NULL)
        return NULL; /* the rest of the door times it */
    if (MP_UNLIKELY(begun_ns != 0))
        latency_end_pass(begun_ns);
    else
        latency_pass();
    return p;
}

/* While view_records. */
void *recorded_malloc(size_t bytes);
void *recorded_calloc(size_t bytes);
void *recorded_new(size_t bytes);
void recorded_free(void *p);

/* From the thread's own magazine into its own magazine. Neither p nor bytes are zero. NULL: not
 * this time; nothing is done. */
void *recorded_realloc(void *p, size_t bytes, struct tracer_caller caller);

#endif
