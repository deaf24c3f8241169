/* large.h - blocks of 32 KiB to 32 MiB: runs of units in the reservation. Longer ones too where
 * cold memory is packed, as only what lies here is.
 *
 * Those of up to 256 KiB are medium: their first unit carries a control byte of its own, so that
 * free() puts them into a magazine of the thread like objects. All their lengths share it. */
#ifndef MPRESS_LARGE_H
#define MPRESS_LARGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/bits.h"
#include "allocators/space.h"

enum {
    LARGE_MAX = 32 * 1024 * 1024, /* see large_max */
    LARGE_STEP = 4096,            /* usable bytes are a multiple of it */
    LARGE_GROWTHS = 3,            /* from then on a block is taken for a growing one */
};

/* In the span of the first unit; written by whoever owns the block, read by statistics. */
struct large {
    _Atomic size_t usable;
    _Atomic uint32_t units;
    uint32_t growths; /* so often realloc made it longer; the owner's */
};

static inline struct large *large_at(const void *p)
{
    return (struct large *)space_span(space_unit_of(p));
}

static inline size_t large_units_for(size_t bytes)
{
    return (bytes + UNIT_BYTES - 1) >> UNIT_SHIFT;
}

static inline size_t large_usable_for(size_t bytes)
{
    return round_up(bytes, LARGE_STEP);
}

static inline void large_set_usable(void *p, size_t bytes)
{
    atomic_store_explicit(&large_at(p)->usable, large_usable_for(bytes), memory_order_relaxed);
}

/* Makes a block one of `bytes` where it stands; false: it has not the right length, or not the
 * alignment. */
static inline bool large_reuse(void *p, size_t bytes, size_t alignment)
{
    size_t units = atomic_load_explicit(&large_at(p)->units, memory_order_relaxed);
    size_t misaligned = (uintptr_t)p & ((UNIT_BYTES - 1) | (alignment - 1));
    if (units != large_units_for(bytes) || misaligned != 0)
        return false;
    large_set_usable(p, bytes);
    return true;
}

/* The longest block that is to lie here. */
size_t large_max(void);

/* False where the reservation is scarce and large blocks have most of it: the last quarter is for
 * the slabs, which have nowhere else to go. */
bool large_is_welcome(void);

/* The reservation has become scarce: counts what was not counted before. A block that comes or goes
 * meanwhile may be missed. */
void large_recount(void);

/* A block of at least `bytes`, aligned to a power of two (page alignment comes for free). *zeroed
 * (may be NULL): all of it reads as zero. NULL: there is no room. */
void *large_alloc(size_t bytes, size_t alignment, bool *zeroed);

/* A block out of a parked run of its length, as the program left it. NULL: there is none. Its other
 * units kept their labels, so this and the way back are cheap, and take no lock. */
void *large_alloc_parked(size_t bytes);

/* Parks a large block; false: it must be freed by large_free. */
bool large_park(void *p);

/* p must be the first byte of a block: MP_CHECKed by the caller through the control byte. */
void large_free(void *p);
size_t large_usable(const void *p);

/* Frees medium blocks out of a magazine, where the program's mistakes have not been looked for yet.
 * Leftovers: those that are free already are passed over, as in slab_give_leftovers. */
void large_give(void *const *blocks, unsigned number, bool leftovers);

/* Grows or shrinks where it stands; false: it cannot. */
bool large_resize(void *p, size_t bytes);

/* Realloc made it longer again and again. */
bool large_is_growing(const void *p);

/* A block takes the place of a shorter one. */
void large_succeed(void *p, const void *shorter);

struct large_stats {
    size_t blocks; /* those in magazines too */
    size_t bytes;  /* usable */
};
void large_read_stats(struct large_stats *stats);

#endif
