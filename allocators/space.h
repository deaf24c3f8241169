/* space.h - the reservation: one stretch of address space, cut into units, with its tables.
 *
 *     | grains: 2 x 128 B a unit | spans: 192 B | bitmaps | heads: 4 B | control bytes | unit 0 ...
 *                                                                                     grows ->
 *
 * The control byte says in one load what an address belongs to. The hot path finds it by the number
 * of the 16 KiB page of the address space, not of the unit: that saves it a subtraction. Everything
 * is reserved once and touched on demand. */
#ifndef MPRESS_SPACE_H
#define MPRESS_SPACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/conf.h"

enum {
    UNIT_SHIFT = 14,
    UNIT_BYTES = 1 << UNIT_SHIFT,
    SPACE_ALIGNMENT = 2 * 1024 * 1024, /* of unit 0: a transparent huge page */
    SPACE_STEP_UNITS = 4096,           /* the frontier moves in steps of 64 MiB */
    SPAN_BYTES = 192,
    SPACE_GRAIN_BYTES = 128, /* a bit for each 16 bytes of a unit */
};

/* Unit 0 is never used: lists and bins that read as zero are empty, and cost no page at the start.
 */
enum { UNIT_NONE = 0, UNIT_FIRST = 1 };

/* Control bytes. 1..191 are the size classes of slabs. */
enum space_ctl {
    CTL_FREE = 0,     /* in the unit heap, or beyond the frontier */
    CTL_LARGE = 192,  /* first unit of a large block */
    CTL_INSIDE = 193, /* a further unit of a large block */
    CTL_TAKEN = 194,  /* out of the unit heap, not in use yet or being purged */
    CTL_MIXED = 195,  /* in a mixed zone */
    CTL_ARENA = 197,  /* in a chunk of malloc's blocks of a transaction (arena.h) */
    CTL_DRAIN = 196,  /* a slab that takes objects back and hands none out */
};

/* What the hot path reads; one cache line, rarely written. */
struct space {
    /* Control byte of the unit at address p: [p >> UNIT_SHIFT]. Read without a lock by whoever
     * frees an object of the unit, while a slab becomes a draining one or a slab again: both are
     * right. */
    const _Atomic uint8_t *ctl_by_page;
    uintptr_t first_page; /* base >> UNIT_SHIFT; before space_init so high that no user
                           * address lies behind it */
    /* Units below the frontier step; 0 before space_init. Only grows: a thread that was handed an
     * object sees a limit that covers it (relaxed is enough: the object came through a lock). */
    _Atomic size_t units;
    /* The same for the hot path of free; 0: it is shut (gate.h). */
    _Atomic size_t open_units;
    uintptr_t base; /* first byte of unit 0 */
    char *spans;    /* of unit 0: space_span */
} __attribute__((aligned(64)));
extern struct space space;

/* Reserves up to `bytes` of address space, less where limits say so. ENOMEM: not even 1 MiB. */
int space_init(size_t bytes);

/* The process may have so many bytes of address space from now on: what the reservation does not
 * use is given up above the share that space_init would take, or taken again. Under the lock of the
 * unit heap, as space_extend. */
void space_limit(uint64_t bytes);

/* Where transparent huge pages are welcome: `auto` keeps them from small heaps, to which they cost
 * up to half as much memory again, and leaves large ones to the system's own setting. */
void space_choose_pages(enum conf_thp thp);

/* Units the reservation could hold. */
size_t space_units_max(void);

/* The reservation is so small (limits, an option) that blocks which can live elsewhere should. */
bool space_is_scarce(void);

/* Makes units [0, end) usable, in steps. ENOMEM: the reservation or the system is full. */
int space_extend(size_t end);

/* Opens or shuts the hot path of free; one caller at a time (gate.h). */
void space_set_open(bool open);

/* Number of the unit that holds the address; >= space.units: it is not ours. */
static inline size_t space_unit_of(const void *p)
{
    return ((uintptr_t)p >> UNIT_SHIFT) - space.first_page;
}

static inline bool space_owns(const void *p)
{
    return space_unit_of(p) < atomic_load_explicit(&space.units, memory_order_relaxed);
}

/* The same for the hot path, as far as its gate is open. */
static inline bool space_owns_open(const void *p)
{
    return space_unit_of(p) < atomic_load_explicit(&space.open_units, memory_order_relaxed);
}

static inline _Atomic uint8_t *space_ctl(size_t unit)
{
    return (_Atomic uint8_t *)(uintptr_t)space.ctl_by_page + space.first_page + unit;
}

/* The control byte of the unit that p, an address of ours, lies in. Relaxed: when a slab melts, its
 * byte changes under its objects, which keep their size: who reads the class may use it. */
static inline unsigned space_ctl_of(const void *p)
{
    return atomic_load_explicit(&space.ctl_by_page[(uintptr_t)p >> UNIT_SHIFT],
                                memory_order_relaxed);
}

static inline void *space_address(size_t unit)
{
    return (void *)(space.base + (unit << UNIT_SHIFT));
}

/* Sets the control bytes of a run. */
void space_label(size_t first, size_t units, uint8_t ctl);

/* heads[u]: first unit of the run that u belongs to. Kept for every unit of a slab, for the last
 * unit of a free run; not kept inside large blocks. */
uint32_t *space_head(size_t unit);

/* 192 bytes of metadata for the run that starts at this unit; zero when never used before. */
static inline void *space_span(size_t unit)
{
    return space.spans + unit * SPAN_BYTES;
}

/* One bit a unit. */
uint64_t *space_free_bits(void);
uint64_t *space_dirty_bits(void);

/* Counts a page of spans as resident; call when a span is written. */
void space_touch_span(size_t unit);

/* The two bitmaps of mixed zones (grains.h) at this unit; those of neighbours are side by side. */
uint64_t *space_grains_free(size_t unit);
uint64_t *space_grains_end(size_t unit);
void space_touch_grains(size_t unit, size_t units);

/* Where tables and units lie, used or not; NULL before space_init. */
const void *space_memory(size_t *bytes);

/* Resident bytes of all tables, by our own count. */
size_t space_meta_bytes(void);

#endif
