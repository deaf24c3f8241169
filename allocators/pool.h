/* pool.h - the slabs of one size class and the lists that find them by fullness.
 *
 * What the files of the slab layer share; everybody else includes slab.h. */
#ifndef MPRESS_POOL_H
#define MPRESS_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/lock.h"
#include "allocators/size_class.h"
#include "allocators/slab.h"
#include "allocators/space.h"

enum { SLAB_WORDS = SLAB_OBJECTS_MAX / 64, POOL_BUCKETS = 8, POOL_NO_BUCKET = 0xff };

/* In the span of its first unit. */
struct slab {
    uint32_t first;      /* its first unit; constant while it lives */
    uint32_t next, prev; /* of its bucket; UNIT_NONE at the ends; class lock */
    uint16_t free;       /* S1: bits set in free_bits; class lock */
    uint16_t fresh;      /* S2: objects from here on were never taken; class lock */
    uint8_t class;       /* constant while it lives */
    uint8_t bucket;      /* POOL_NO_BUCKET: full, in no list; class lock */
    uint8_t word;        /* S3: no word below has a free bit; class lock */
    uint8_t spare[5];
    uint64_t free_bits[SLAB_WORDS]; /* bit i: object i is free; class lock */
};
_Static_assert(sizeof(struct slab) <= SPAN_BYTES, "a slab's metadata is one span");

/* Slabs of one class. */
struct pool {
    struct lock lock;
    uint32_t buckets[POOL_BUCKETS]; /* first slab; bucket 7 the fullest; UNIT_NONE: none */
    uint32_t slabs;
    size_t taken;   /* S4: objects out of their slabs */
    size_t touched; /* S2: sum of fresh over the slabs */
    uint32_t empty; /* slabs of which every object is free; at most one is kept */
} __attribute__((aligned(64)));

extern struct pool pools[SIZE_CLASS_END];

static inline struct slab *slab_at(uint32_t first)
{
    return space_span(first);
}

/* The slab that an address in a unit of a slab belongs to. */
static inline struct slab *slab_of(const void *p)
{
    return slab_at(*space_head(space_unit_of(p)));
}

static inline const struct size_class *slab_class(const struct slab *slab)
{
    return &size_tables.classes[slab->class];
}

/* A slab of free objects that nobody knows yet. NULL: there is no memory. No lock is held. */
struct slab *pool_create_slab(unsigned class);

/* The slab becomes visible: its units carry the class from now on. Class lock. */
void pool_publish(struct pool *pool, struct slab *slab);

/* Takes an empty slab out of its class; its units are freed once the lock is dropped. */
void pool_retire(struct pool *pool, struct slab *slab);

/* Takes a partly used slab out, with the objects that are out of it: it becomes a zone. */
void pool_release(struct pool *pool, struct slab *slab);

/* Moves a slab to the bucket of its fullness. Class lock. */
void pool_update(struct pool *pool, struct slab *slab);

/* The fullest slab with a free object; NULL: there is none. Class lock. */
struct slab *pool_fullest(struct pool *pool);

#endif
