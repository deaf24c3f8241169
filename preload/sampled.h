/* sampled.h - what the door does while a trace holds samples (tracer/format.h, SAMPLES).
 *
 * Only allocations take the door then. A sampled block lies apart, in a run or mapping of its own:
 * its free comes to the door by itself, and frees of all other objects keep their hot path. The
 * price is a page for each sampled block that is alive. */
#ifndef MPRESS_SAMPLED_H
#define MPRESS_SAMPLED_H

#include <stdbool.h>
#include <stddef.h>

#include "allocators/heap.h"
#include "tracer/tracer.h"

/* An object for a request that is no sample, from the thread's own magazine: the hot path once
 * more. NULL: take the rest of the door. */
static inline void *sampled_pass(size_t bytes)
{
    if (bytes > SIZE_SLAB_MAX || !tracer_passes(bytes))
        return NULL;
    void *p = heap_pop(size_class_of(bytes));
    if (MP_LIKELY(p != NULL))
        tracer_pass(bytes);
    return p;
}

/* A block apart; NULL: there is no memory for one. */
void *sampled_alloc(size_t alignment, size_t bytes, bool zeroed);

/* As route_realloc; records an old block that may have been a sample, and a new one that is. */
void *sampled_realloc(void *p, size_t bytes, const struct tracer_caller *caller);

#endif
