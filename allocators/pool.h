/* pool.h - the slabs of one size class and the lists that find them by fullness.
 *
 * What the files of the slab layer share; everybody else includes slab.h.
 *
 *     open      in a bucket by its fullness: objects are taken from it and given to it
 *     draining  in a bucket of its own kind: objects are only given to it (drain.c)
 *     full      in no bucket
 *     away      in no bucket, while its free pages are given to the system (purge.c) */
#ifndef MPRESS_POOL_H
#define MPRESS_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/lock.h"
#include "allocators/size_class.h"
#include "allocators/slab.h"
#include "allocators/space.h"

enum {
    SLAB_WORDS = SLAB_OBJECTS_MAX / 64,
    SLAB_PAGE_SHIFT = 12,
    SLAB_PAGE_BYTES = 1 << SLAB_PAGE_SHIFT,
    POOL_BUCKETS = 8,
    POOL_DRAINING = POOL_BUCKETS, /* first bucket of the draining slabs */
    POOL_LISTS = 2 * POOL_BUCKETS,
    POOL_NO_BUCKET = 0xff,
    POOL_NODES_MAX = 8, /* lists of partly used slabs per class; nodes above share */
};

/* In the span of its first unit. */
struct slab {
    uint32_t first;      /* its first unit; constant while it lives */
    uint32_t next, prev; /* of its bucket; UNIT_NONE at the ends; class lock */
    uint16_t free;       /* S1: bits set in free_bits; class lock */
    uint8_t class;       /* constant while it lives */
    uint8_t bucket;      /* POOL_NO_BUCKET: full or away; class lock */
    uint8_t word;        /* S3: no word below has a free bit; class lock */
    bool is_draining;    /* S5; class lock */
    bool is_away;        /* S6; class lock */
    uint8_t node;        /* of the CPU that made it; constant while it lives */
    uint32_t fresh; /* S7: bytes from here on were never handed out and read as zero; class lock */
    uint64_t held;  /* S2: bit p: page p may hold memory; class lock */
    uint64_t idle;  /* bit p: page p was held and free at the last look; class lock */
    uint64_t free_bits[SLAB_WORDS]; /* bit i: object i is free; class lock */
};
_Static_assert(sizeof(struct slab) <= SPAN_BYTES, "a slab's metadata is one span");

/* Slabs of one class. */
struct pool {
    struct lock lock;
    uint32_t buckets[POOL_LISTS]; /* of node 0: first slab; of each kind the last the fullest;
                                     UNIT_NONE: none */
    uint32_t slabs;
    uint32_t draining; /* S5: of these */
    uint32_t away;     /* S6: of these */
    uint32_t empty;    /* slabs at home of which every object is free; at most one is kept */
    size_t taken;      /* S4: objects out of their slabs */
    size_t held;       /* S2: pages of the slabs that hold memory */
} __attribute__((aligned(64)));

extern struct pool pools[SIZE_CLASS_END];

/* Nodes whose slabs are told apart; a power of two, 1 where all memory is equally near. */
extern unsigned pool_nodes;

/* The buckets of a node's slabs. */
uint32_t *pool_lists_of_node(struct pool *pool, unsigned node);

static inline uint32_t *pool_lists(struct pool *pool, unsigned node)
{
    return MP_LIKELY(node == 0) ? pool->buckets : pool_lists_of_node(pool, node);
}

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

static inline size_t slab_bytes(const struct slab *slab)
{
    return slab_class(slab)->units * (size_t)UNIT_BYTES;
}

static inline bool slab_is_empty(const struct slab *slab)
{
    return slab->free == slab_class(slab)->objects;
}

/* The pages that bytes [from, end) of a slab lie on; from < end. */
static inline uint64_t slab_pages(size_t from, size_t end)
{
    return (UINT64_C(2) << ((end - 1) >> SLAB_PAGE_SHIFT)) -
           (UINT64_C(1) << (from >> SLAB_PAGE_SHIFT));
}

/* Class of the slab that the address lies in, by the control byte; 0: it lies in none. Without the
 * class's lock a guess, unless an object at `p` is out: then it is right, or the slab has become a
 * zone meanwhile and 0 is. */
unsigned pool_class_of(const void *p);

/* A slab of free objects that nobody knows yet. NULL: there is no memory. No lock is held. */
struct slab *pool_create_slab(unsigned class);

/* The slab becomes visible: its units carry the class from now on. Class lock. */
void pool_publish(struct pool *pool, struct slab *slab);

/* Takes an empty slab out of its class; its units are freed once the lock is dropped. */
void pool_retire(struct pool *pool, struct slab *slab);

/* Takes a partly used slab out, with the objects that are out of it: it becomes a zone. */
void pool_release(struct pool *pool, struct slab *slab);
/* After objects were given: moves the slab to its bucket, or out of the class when it is empty and
 * draining, or another empty one is kept. True: its units are to be freed. */
bool pool_settle(struct pool *pool, struct slab *slab);

/* Gives the units of a retired slab back. No lock is held. */
void pool_free_units(const struct slab *slab);

/* The slab starts or stops draining; it is partly used. Class lock. */
void pool_set_draining(struct pool *pool, struct slab *slab, bool is_draining);

/* The slab leaves its bucket: its free objects stay free until it comes home. True, as for
 * pool_settle: it came home empty and its units are to be freed. Class lock. */
void pool_send_away(struct pool *pool, struct slab *slab);
bool pool_bring_home(struct pool *pool, struct slab *slab);

/* Moves a slab to the bucket of its fullness. Class lock. */
void pool_update(struct pool *pool, struct slab *slab);

/* The fullest open slab with a free object, or the fullest draining one; NULL: there is none. Class
 * lock. */
struct slab *pool_fullest(struct pool *pool);
struct slab *pool_fullest_draining(struct pool *pool);

/* Where an option wants it for tests: drains slabs at one refill and undrains them at the next,
 * purges whatever page it can. No lock is held. */
void slab_provoke(struct pool *pool);

/* Calls `visit` for every slab of a class. Class lock. */
void pool_visit(struct pool *pool, void (*visit)(struct pool *pool, struct slab *slab));

#endif
