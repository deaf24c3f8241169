/* growth.h - how much more memory the heap may take of the system: what a budget (preload/) leaves.
 *
 * Asked where units take pages and where blocks get mappings of their own, and nowhere else: what
 * fits into memory that the heap has is never refused. Once nothing is left the heap fails as it
 * does when the system refuses; the caller outside decides, without locks, whether more is allowed.
 * How much is left is set anew every now and then from what the heap really has, so nothing need be
 * given back here. */
#ifndef MPRESS_GROWTH_H
#define MPRESS_GROWTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"

/* Any number: there is no budget. (Several threads may take of it at once without harm.) */
#define GROWTH_ANY (INT64_MAX / 2)

struct growth {
    _Atomic int64_t left; /* bytes */
};
extern struct growth growth;

/* This thread may take more than is left: the reserve for small requests. */
extern _Thread_local bool growth_is_free __attribute__((tls_model("initial-exec")));

/* What this thread was refused last: a whole slab or mapping, where less was asked for. */
extern _Thread_local size_t growth_wanted __attribute__((tls_model("initial-exec")));

static inline bool growth_is_limited(void)
{
    return MP_UNLIKELY(atomic_load_explicit(&growth.left, memory_order_relaxed) < GROWTH_ANY);
}

bool growth_take_limited(size_t bytes);

/* False: there is not so much left. */
static inline bool growth_take(size_t bytes)
{
    return !growth_is_limited() || growth_take_limited(bytes);
}

/* What was taken, and came to nothing. */
void growth_give(size_t bytes);

/* From now on so many bytes are left. Relaxed: a thread that sees it late takes a little more. */
static inline void growth_allow(int64_t bytes)
{
    atomic_store_explicit(&growth.left, bytes, memory_order_relaxed);
}

#endif
