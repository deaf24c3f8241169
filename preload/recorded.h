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

/* An object from the thread's own magazine, not yet recorded. NULL too in a signal handler that
 * interrupted the heap: the tracer's locks could be waited for in a circle. */
static inline void *recorded_pass(size_t bytes)
{
    bool is_ours = bytes <= SIZE_SLAB_MAX && bytes < route_mimalloc_from;
    if (MP_UNLIKELY(!is_ours || hand.inside != 0))
        return NULL;
    uint64_t begun_ns = latency_begin(latency_is_due());
    void *p = heap_pop(size_class_of(bytes));
    if (MP_UNLIKELY(begun_ns != 0) && p != NULL) /* else the rest of the door times it */
        latency_end_pass(begun_ns);
    return p;
}

#endif
