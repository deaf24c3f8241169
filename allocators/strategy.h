/* strategy.h - two habits of the heap that can be done without for a while, to see what they are
 * worth. Both are on unless somebody turns them off; any thread may, at any time.
 *
 * lazy: pages are taken when they are first touched, those of free objects in slabs go back, zeroed
 * blocks that are zero already are not written to. Off: memory is touched as it is taken, and
 * cleared; what a slab has it keeps.
 *
 * pooling: threads' magazines grow with use, depots, parked runs and warm mappings keep what was
 * freed for the next taker. Off: a few objects per thread and class, no more. */
#ifndef MPRESS_STRATEGY_H
#define MPRESS_STRATEGY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"

struct strategy {
    _Atomic bool is_eager; /* not lazy */
    _Atomic bool is_bare;  /* not pooling */
    /* What laziness saved, so far. */
    _Atomic size_t uncleared_blocks;
    _Atomic size_t uncleared_bytes;
};
extern struct strategy strategy;

static inline bool strategy_is_eager(void)
{
    return MP_UNLIKELY(atomic_load_explicit(&strategy.is_eager, memory_order_relaxed));
}

static inline bool strategy_pools(void)
{
    return MP_LIKELY(!atomic_load_explicit(&strategy.is_bare, memory_order_relaxed));
}

void strategy_set(bool lazy, bool pooling);

/* Fresh pages: touches them where that is wanted. */
static inline void strategy_take_pages(void *start, size_t bytes)
{
    if (strategy_is_eager())
        os_populate(start, bytes);
}

/* A zeroed block of so many bytes was not cleared. */
void strategy_note_uncleared(size_t bytes);

#endif
