/* size_class.h - which sizes the slabs serve, as data.
 *
 * 16-byte steps to 128 bytes, then 8 classes per doubling to 32 KiB: at most 12.5 % are lost to
 * rounding above 128 bytes. 72 classes, numbered from 1; the number is also the control byte of a
 * slab's units. 0 is no class. A profile adds exact classes, numbered behind these: a class's
 * number says nothing about its size. One that a profile's spacing leaves out serves no size. */
#ifndef MPRESS_SIZE_CLASS_H
#define MPRESS_SIZE_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/profile.h"

enum {
    SIZE_CLASS_FIRST = 1,
    SIZE_CLASS_EXACT = 73, /* the first of a profile's; those it does not use hold 0 bytes */
    SIZE_CLASS_END = SIZE_CLASS_EXACT + PROFILE_EXACT_MOST, /* one past the last */
    /* Medium blocks: no slabs, but a control byte and a magazine like a class (large.h). */
    SIZE_CLASS_MEDIUM = SIZE_CLASS_END,
    SIZE_MAGAZINE_END, /* one past the last that has magazines */
    SIZE_BATCH = 96,   /* so much above a class is the number of its batches (batch.h) */
    SIZE_BATCH_END = SIZE_BATCH + SIZE_CLASS_END,
    SIZE_GRAIN = 16, /* every class is a multiple of it */
    SIZE_GRAIN_SHIFT = 4,
    SIZE_SLAB_MAX = 32 * 1024,
    SIZE_MEDIUM_MAX = 256 * 1024,
    SIZE_ALIGNMENT_MAX = 16 * 1024, /* of objects: slabs begin at a unit */
    /* Sizes in grains, 0 included; whole words of eight. */
    SIZE_GRAINS = (SIZE_SLAB_MAX / SIZE_GRAIN + 1 + 7) / 8 * 8,
};

struct size_class {
    uint32_t bytes;      /* of one object; a multiple of 16 */
    uint16_t objects;    /* of one slab; at most SLAB_OBJECTS_MAX */
    uint8_t units;       /* of one slab */
    uint8_t step;        /* of a thread's first magazine: 8 << step rounds */
    uint64_t reciprocal; /* ceil(2^40 / bytes): index = offset * reciprocal >> 40 */
    uint32_t rounds_max; /* largest magazine */
};

/* The tables: filled by size_class_init, constant afterwards. Zero before, which sends every
 * allocation to class 0 and so to the slow door. */
struct size_tables {
    uint8_t of_grains[SIZE_GRAINS];            /* class of a size in grains, rounded up */
    struct size_class classes[SIZE_BATCH_END]; /* batches: as their classes, once any are used */
};
extern struct size_tables size_tables;

/* Computes the tables. A class that is there already is not added again. */
void size_class_init(const struct profile *profile);

/* Class of a size up to SIZE_SLAB_MAX; 0 before size_class_init. */
static inline unsigned size_class_of(size_t bytes)
{
    return size_tables.of_grains[(bytes + SIZE_GRAIN - 1) >> SIZE_GRAIN_SHIFT];
}

/* The smallest class that holds `bytes` and whose objects are all aligned to a power of two up to
 * 16 KiB; 0: there is none. */
unsigned size_class_of_aligned(size_t bytes, size_t alignment);

/* From now on the tables know the numbers of batches too. One caller at a time. */
void size_class_add_batches(void);

/* Which object of its slab an offset lies in. Exact while offset * bytes < 2^40. */
static inline unsigned size_class_index(const struct size_class *class, size_t offset)
{
    return (unsigned)((offset * class->reciprocal) >> 40);
}

#endif
