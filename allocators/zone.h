/* zone.h - the mixed zones and the bins that find them by their longest hole.
 *
 * What the files of the mixed layer share; everybody else includes mixed.h. */
#ifndef MPRESS_ZONE_H
#define MPRESS_ZONE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/lock.h"
#include "allocators/grains.h"
#include "allocators/mixed.h"
#include "allocators/size_class.h"
#include "allocators/space.h"

enum {
    ZONE_UNIT_GRAINS = UNIT_BYTES / GRAIN_BYTES,
    ZONE_UNITS_MAX = 16,
    ZONE_OBJECT_MAX = SIZE_SLAB_MAX / GRAIN_BYTES,   /* grains of the largest object; */
    ZONE_SERVED_MAX = MIXED_BYTES_MAX / GRAIN_BYTES, /* of the largest that is taken out of holes */
    /* Longer holes are alike: an object of any such size and alignment fits into this one. */
    ZONE_LONGEST_MAX = 2 * ZONE_SERVED_MAX - 1,
    ZONE_BINS = ZONE_LONGEST_MAX + 1,
    ZONE_PURGES = 4, /* stretches that are purged at the same time */
};

/* In the span of its first unit. All but the constants: mixed.lock. */
struct zone {
    uint32_t first;      /* its first unit; constant */
    uint32_t next, prev; /* of its bin, in a ring */
    uint16_t units;      /* constant */
    uint16_t free;       /* M1: free grains */
    uint16_t longest;    /* M2: grains of the longest hole, at most ZONE_LONGEST_MAX; its bin */
    uint16_t look;       /* the number of the last look at its pages */
    uint64_t purged;     /* M3: pages of free grains that hold no memory */
    uint64_t idle;       /* pages of free grains that were free at the last look, too */
};
_Static_assert(sizeof(struct zone) <= SPAN_BYTES, "a zone's metadata is one span");
_Static_assert(ZONE_UNITS_MAX *ZONE_UNIT_GRAINS <= UINT16_MAX, "zone.free holds 16 bits");
_Static_assert(ZONE_UNIT_GRAINS / 8 == SPACE_GRAIN_BYTES, "a bit per grain");

/* Pages that were taken out of their zone, as one object, while the system has them back. */
struct zone_purge {
    uint32_t zone; /* its first unit; UNIT_NONE: none */
    struct hole grains;
};

struct mixed {
    struct lock lock;              /* of all that follows, and of the zones */
    uint32_t bins[ZONE_BINS];      /* rings of zones; UNIT_NONE: empty */
    uint64_t used[ZONE_BINS / 64]; /* bit b: bin b holds a zone */
    _Atomic size_t zones;          /* read without the lock too, by who may as well be late */
    size_t units;
    size_t free;                  /* M1: sum over the zones */
    size_t purged;                /* M3: pages, sum over the zones */
    size_t taken[SIZE_CLASS_END]; /* M4: objects of each class */
    struct zone_purge purges[ZONE_PURGES];
};
extern struct mixed mixed;

static inline struct zone *zone_at(uint32_t first)
{
    return (struct zone *)space_span(first);
}

static inline uint32_t zone_grains_of_class(unsigned class)
{
    return size_tables.classes[class].bytes / GRAIN_BYTES;
}

/* The bitmaps of a zone. */
struct grains zone_grains(const struct zone *zone);
/* Of so many units from `first` on, which need not be a zone yet. */
struct grains zone_grains_from(uint32_t first, uint32_t units);

/* Counts what a zone has, and lists it. `zone` has its constants and purged. */
void zone_enlist(struct zone *zone);

/* Makes a zone of a chunk of an arena, whose bits are as if a fork had cut it. Lock. */
void zone_adopt_arena(uint32_t first, size_t units);

/* The way back: makes a chunk of a zone of so many units, a long hole and nothing under way, if it
 * suits. Its bits stay as they are, and `objects` of it are out. UNIT_NONE: there is none at hand.
 * Without locks. */
uint32_t zone_lend(size_t units, bool (*suits)(uint32_t first), size_t *objects);

/* The grain is being purged. */
bool zone_is_purging(uint32_t first, uint32_t grain);

/* Takes an empty zone out; its units are freed once the lock is dropped. */
void zone_retire(const struct zone *zone);

/* Moves a zone to the bin of its longest hole. */
void zone_set_longest(struct zone *zone, uint32_t longest);

/* A zone of the lowest bin at or above `bin`; NULL: there is none. */
struct zone *zone_find(unsigned bin);

/* The pages that these grains lie in are about to be written. */
void zone_wake_pages(struct zone *zone, uint32_t first, uint32_t grains);

/* After grains at `at` became free. True: the zone was empty and is retired. */
bool zone_settle(struct zone *zone, uint32_t at, uint32_t size);

#endif
