/* pool.c - birth and death of slabs, and eight buckets of them by how full they are. */
#include "allocators/pool.h"

#include <stdatomic.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/unit.h"

struct pool pools[SIZE_CLASS_END];

static void empty_pool(struct pool *pool)
{
    memset(pool->buckets, 0xff, sizeof(pool->buckets));
    pool->slabs = 0;
    pool->taken = pool->touched = 0;
    pool->empty = 0;
}

void slab_init(void)
{
    for (unsigned class = 0; class < SIZE_CLASS_END; class ++) {
        pools[class].lock.rank = LOCK_RANK_CLASS;
        empty_pool(&pools[class]);
    }
}

/* -- buckets ---------------------------------------------------------------------------------- */

static uint8_t bucket_of(const struct slab *slab)
{
    if (slab->free == 0)
        return POOL_NO_BUCKET;
    unsigned objects = slab_class(slab)->objects;
    return (uint8_t)((objects - slab->free) * POOL_BUCKETS / objects);
}

static void bucket_insert(struct pool *pool, struct slab *slab)
{
    slab->bucket = bucket_of(slab);
    if (slab->bucket == POOL_NO_BUCKET)
        return;
    slab->prev = UNIT_NONE;
    slab->next = pool->buckets[slab->bucket];
    if (slab->next != UNIT_NONE)
        slab_at(slab->next)->prev = slab->first;
    pool->buckets[slab->bucket] = slab->first;
}

static void bucket_remove(struct pool *pool, const struct slab *slab)
{
    if (slab->bucket == POOL_NO_BUCKET)
        return;
    if (slab->next != UNIT_NONE)
        slab_at(slab->next)->prev = slab->prev;
    if (slab->prev != UNIT_NONE)
        slab_at(slab->prev)->next = slab->next;
    else
        pool->buckets[slab->bucket] = slab->next;
}

void pool_update(struct pool *pool, struct slab *slab)
{
    if (slab->bucket == bucket_of(slab))
        return;
    bucket_remove(pool, slab);
    bucket_insert(pool, slab);
}

struct slab *pool_fullest(struct pool *pool)
{
    for (int bucket = POOL_BUCKETS - 1; bucket >= 0; bucket--) {
        if (pool->buckets[bucket] != UNIT_NONE)
            return slab_at(pool->buckets[bucket]);
    }
    return NULL;
}

/* -- birth and death of a slab ---------------------------------------------------------------- */

struct slab *pool_create_slab(unsigned class)
{
    const struct size_class *size = &size_tables.classes[class];
    uint32_t first = unit_alloc(size->units, 1, NULL);
    if (first == UNIT_NONE)
        return NULL;
    struct slab *slab = slab_at(first);
    space_touch_span(first);
    memset(slab, 0, sizeof(*slab));
    slab->first = first;
    slab->class = (uint8_t) class;
    slab->free = size->objects;
    slab->bucket = POOL_NO_BUCKET;
    bits_set(slab->free_bits, 0, size->objects);
    for (uint32_t unit = first; unit < first + size->units; unit++)
        *space_head(unit) = first;
    return slab;
}

void pool_publish(struct pool *pool, struct slab *slab)
{
    MP_ASSERT(lock_is_held(&pool->lock));
    space_label(slab->first, slab_class(slab)->units, slab->class);
    pool->slabs++;
    pool->empty++;
    bucket_insert(pool, slab);
}

void pool_retire(struct pool *pool, struct slab *slab)
{
    bucket_remove(pool, slab);
    pool->slabs--;
    pool->empty--;
    pool->touched -= slab->fresh;
    *space_ctl(slab->first) = CTL_TAKEN; /* the first one first: a fork may cut here */
    atomic_signal_fence(memory_order_release);
    space_label(slab->first, slab_class(slab)->units, CTL_TAKEN);
}

void pool_release(struct pool *pool, struct slab *slab)
{
    unsigned objects = slab_class(slab)->objects;
    MP_ASSERT(lock_is_held(&pool->lock));
    MP_ASSERT(slab->free > 0 && slab->free < objects);
    bucket_remove(pool, slab);
    pool->slabs--;
    pool->taken -= objects - slab->free;
    pool->touched -= slab->fresh;
}

/* -- fork and audit --------------------------------------------------------------------------- */

/* Calls `visit` for every slab of a class, found by the control bytes. */
static void visit_slabs(unsigned class, void (*visit)(struct pool *pool, struct slab *slab))
{
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    for (size_t unit = 0; unit < units; unit++) {
        if (*space_ctl(unit) == class && *space_head(unit) == unit)
            visit(&pools[class], slab_at((uint32_t)unit));
    }
}

/* Recounts a slab from its bits, which are never wrong by more than the object being moved. One
 * that got its last object back when the fork cut, and is surplus, goes. */
static void adopt(struct pool *pool, struct slab *slab)
{
    unsigned objects = slab_class(slab)->objects;
    slab->free = (uint16_t)bits_count(slab->free_bits, 0, objects);
    if (slab->free == objects && pool->empty > 0) {
        space_label(slab->first, slab_class(slab)->units, CTL_TAKEN);
        unit_free(slab->first, slab_class(slab)->units);
        return;
    }
    slab->word = 0;
    slab->fresh = (uint16_t)objects;
    pool->slabs++;
    pool->taken += objects - slab->free;
    pool->touched += objects;
    pool->empty += slab->free == objects;
    bucket_insert(pool, slab);
}

void slab_fork_child(void)
{
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        if (!lock_reset(&pools[class].lock))
            continue;
        empty_pool(&pools[class]);
        visit_slabs(class, adopt);
    }
}

/* S3 as visit_slabs sees it: `word` skips only words without a free bit. */
static void audit_slab(struct pool *pool, struct slab *slab)
{
    unsigned objects = slab_class(slab)->objects;
    (void)pool;
    MP_AUDIT(bits_count(slab->free_bits, 0, objects) == slab->free);
    MP_AUDIT(bits_count(slab->free_bits, 0, SLAB_OBJECTS_MAX) == slab->free);
    MP_AUDIT(slab->word == 0 || bits_count(slab->free_bits, 0, slab->word * 64U) == 0);
    MP_AUDIT(bits_count(slab->free_bits, slab->fresh, objects - slab->fresh) ==
             objects - slab->fresh);
    MP_AUDIT(slab->bucket == bucket_of(slab));
}

static void audit_pool(struct pool *pool, unsigned class)
{
    size_t listed = 0;
    for (int bucket = 0; bucket < POOL_BUCKETS; bucket++) {
        for (uint32_t at = pool->buckets[bucket]; at != UNIT_NONE; at = slab_at(at)->next) {
            MP_AUDIT(slab_at(at)->class == class && slab_at(at)->bucket == bucket);
            listed++;
        }
    }
    MP_AUDIT(listed <= pool->slabs && pool->empty <= 1);
    MP_AUDIT(pool->taken <= pool->touched);
}

void slab_audit(void)
{
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        lock_take(&pools[class].lock);
        visit_slabs(class, audit_slab);
        audit_pool(&pools[class], class);
        lock_drop(&pools[class].lock);
    }
}
