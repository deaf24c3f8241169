/* gate.h - what the hot path reads to know whether it may serve: one gate for the allocations of
 * all threads, one for their frees.
 *
 * The hot path looks a class up and checks an address in any case. It does so in the words below,
 * which are the truth while a gate is open; shut, no size has a class and no address is ours, so
 * that every call of every thread takes the slow door. No instruction is spent on asking, and no
 * thread need be told. The heap itself reads size_tables and space.units, which never change.
 *
 *     open:     gate.class_of[grains] == size_tables.of_grains[grains]    gate.units == space.units
 *     batches:                           the same + SIZE_BATCH
 *     shut:                              0                                              0
 *
 * Where it leads to batches (batch.h), the hot path serves small objects as ever, but only as many
 * as its thread was told to.
 *
 * A call that is already under way when a gate is shut may still be served: it began before. */
#ifndef MPRESS_GATE_H
#define MPRESS_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/size_class.h"
#include "allocators/space.h"

/* All atomics are relaxed: whoever shuts a gate and must know passes os_barrier afterwards. */
struct gate {
    _Atomic size_t medium_max; /* SIZE_MEDIUM_MAX; 0: allocations are shut, or there is no heap */
    union {
        _Atomic uint8_t class_of[SIZE_GRAINS];
        _Atomic uint64_t words[SIZE_GRAINS / 8]; /* the same, eight at a time: to fill them */
    };
};
extern struct gate gate;

/* The heap is ready. */
void gate_init(void);

enum gate_allocs { GATE_SHUT, GATE_OPEN, GATE_BATCHES };

/* One caller at a time. */
void gate_set(enum gate_allocs allocs, bool frees_open);

/* Shuts that of allocations. Any caller, any time, a signal handler too; somebody may be opening it
 * just now: whoever does looks behind a fence whether it was to stay shut. */
void gate_shut_allocs(void);

static inline unsigned gate_class_of(size_t bytes)
{
    return atomic_load_explicit(&gate.class_of[(bytes + SIZE_GRAIN - 1) >> SIZE_GRAIN_SHIFT],
                                memory_order_relaxed);
}

/* size_class_of_aligned for the hot path: the class of the size rounded up to the alignment. It has
 * the alignment, but for a profile's classes: then, and for unusual arguments, 0. */
static inline unsigned gate_class_of_rounded(size_t bytes, size_t alignment)
{
    size_t last = (bytes - 1) | (alignment - 1); /* 0 bytes, alignment 0: too large */
    bool is_power = (alignment & (alignment - 1)) == 0;
    if (MP_UNLIKELY(!is_power || last >= SIZE_SLAB_MAX || alignment > SIZE_ALIGNMENT_MAX))
        return 0;
    unsigned class = gate_class_of(last + 1);
    return MP_LIKELY((size_tables.classes[class].bytes & (alignment - 1)) == 0) ? class : 0;
}

/* Largest size that the magazine of medium blocks serves. */
static inline size_t gate_medium_max(void)
{
    return atomic_load_explicit(&gate.medium_max, memory_order_relaxed);
}

/* The gate of allocations is open; to batches it is not. */
static inline bool gate_serves(void)
{
    return gate_medium_max() != 0;
}

#endif
