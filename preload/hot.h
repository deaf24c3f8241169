/* hot.h - what the entry points of blocks do by themselves; the door does the rest. Built with
 * MPRESS_TIMED one call in so many goes by the clock on the way (timed.h). */
#ifndef MPRESS_HOT_H
#define MPRESS_HOT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/heap.h"

#ifdef MPRESS_TIMED
#include "preload/timed.h"
#define HOT(count, timed, call) (MP_UNLIKELY(timed_left.count-- == 0) ? (timed) : (call))
#else
#define HOT(count, timed, call) (call)
#endif

/* Up to SIZE_SLAB_MAX bytes. NULL, as of the next two: the door has to serve it. */
static inline void *hot_alloc(size_t bytes)
{
    return HOT(allocs, timed_alloc(bytes), heap_alloc_fast(bytes));
}

static inline void *hot_alloc_medium(size_t bytes)
{
    return HOT(allocs, timed_alloc_medium(bytes), heap_alloc_medium(bytes, 1));
}

/* Up to SIZE_SLAB_MAX bytes. All of the object is cleared. */
static inline void *hot_pop_zeroed(size_t bytes)
{
    unsigned class = gate_class_of(bytes);
    void *p = heap_pop(class);
    return MP_LIKELY(p != NULL) ? memset(p, 0, size_tables.classes[class].bytes) : NULL;
}

static inline void *hot_alloc_zeroed(size_t bytes)
{
    return HOT(allocs, timed_alloc_zeroed(bytes), hot_pop_zeroed(bytes));
}

/* False: it is the door's. */
static inline bool hot_free(void *p)
{
    return HOT(frees, timed_free(p), heap_free_fast(p));
}

#endif
