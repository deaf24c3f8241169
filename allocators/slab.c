/* slab.c - a slab is a run of units cut into equal objects of one class.
 *
 *     span of its first unit: struct slab (counts, links, one bit per object: 1 = free)
 *     control byte of every unit: the class; head of every unit: the first unit
 *
 * Partly used slabs wait in eight buckets by how full they are. Free objects hold nothing of ours:
 * a use after free cannot corrupt the heap, and a batch touches one line of metadata per slab. */
#include "allocators/slab.h"

#include <stdatomic.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/size_class.h"
#include "allocators/space.h"
#include "allocators/unit.h"

enum { WORDS = SLAB_OBJECTS_MAX / 64, BUCKETS = 8, NO_BUCKET = 0xff, BATCH_EMPTY = 16 };

struct slab {
    uint32_t first;      /* its first unit; constant while it lives */
    uint32_t next, prev; /* of its bucket; UNIT_NONE at the ends; class lock */
    uint16_t free;       /* S1: bits set in free_bits; class lock */
    uint16_t fresh;      /* S2: objects from here on were never taken; class lock */
    uint8_t class;       /* constant while it lives */
    uint8_t bucket;      /* NO_BUCKET: full, in no list; class lock */
    uint8_t word;        /* S3: no word below has a free bit; class lock */
    uint8_t spare[5];
    uint64_t free_bits[WORDS]; /* bit i: object i is free; class lock */
};
_Static_assert(sizeof(struct slab) <= SPAN_BYTES, "a slab's metadata is one span");

/* Slabs of one class. */
struct pool {
    struct lock lock;
    uint32_t buckets[BUCKETS]; /* first slab; bucket 7 the fullest; UNIT_NONE: none */
    uint32_t slabs;
    size_t taken;   /* S4: objects out of their slabs */
    size_t touched; /* S2: sum of fresh over the slabs */
    uint32_t empty; /* slabs of which every object is free; at most one is kept */
} __attribute__((aligned(64)));

static struct pool pools[SIZE_CLASS_END];

static struct slab *slab_at(uint32_t first)
{
    return space_span(first);
}

static const struct size_class *class_of(const struct slab *slab)
{
    return &size_tables.classes[slab->class];
}

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
        return NO_BUCKET;
    unsigned objects = class_of(slab)->objects;
    return (uint8_t)((objects - slab->free) * BUCKETS / objects);
}

static void bucket_insert(struct pool *pool, struct slab *slab)
{
    slab->bucket = bucket_of(slab);
    if (slab->bucket == NO_BUCKET)
        return;
    slab->prev = UNIT_NONE;
    slab->next = pool->buckets[slab->bucket];
    if (slab->next != UNIT_NONE)
        slab_at(slab->next)->prev = slab->first;
    pool->buckets[slab->bucket] = slab->first;
}

static void bucket_remove(struct pool *pool, const struct slab *slab)
{
    if (slab->bucket == NO_BUCKET)
        return;
    if (slab->next != UNIT_NONE)
        slab_at(slab->next)->prev = slab->prev;
    if (slab->prev != UNIT_NONE)
        slab_at(slab->prev)->next = slab->next;
    else
        pool->buckets[slab->bucket] = slab->next;
}

static void bucket_update(struct pool *pool, struct slab *slab)
{
    if (slab->bucket == bucket_of(slab))
        return;
    bucket_remove(pool, slab);
    bucket_insert(pool, slab);
}

static struct slab *fullest(struct pool *pool)
{
    for (int bucket = BUCKETS - 1; bucket >= 0; bucket--) {
        if (pool->buckets[bucket] != UNIT_NONE)
            return slab_at(pool->buckets[bucket]);
    }
    return NULL;
}

/* -- birth and death of a slab ---------------------------------------------------------------- */

/* A slab of free objects that nobody knows yet. NULL: there is no memory. No lock is held. */
static struct slab *slab_create(unsigned class)
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
    slab->bucket = NO_BUCKET;
    bits_set(slab->free_bits, 0, size->objects);
    for (uint32_t unit = first; unit < first + size->units; unit++)
        *space_head(unit) = first;
    return slab;
}

/* The slab becomes visible: its units carry the class from now on. Class lock. */
static void slab_publish(struct pool *pool, struct slab *slab)
{
    MP_ASSERT(lock_is_held(&pool->lock));
    space_label(slab->first, class_of(slab)->units, slab->class);
    pool->slabs++;
    pool->empty++;
    bucket_insert(pool, slab);
}

/* Takes an empty slab out of its class; its units are freed once the lock is dropped. */
static void slab_retire(struct pool *pool, struct slab *slab)
{
    bucket_remove(pool, slab);
    pool->slabs--;
    pool->empty--;
    pool->touched -= slab->fresh;
    *space_ctl(slab->first) = CTL_TAKEN; /* the first one first: a fork may cut here */
    atomic_signal_fence(memory_order_release);
    space_label(slab->first, class_of(slab)->units, CTL_TAKEN);
}

/* -- taking ----------------------------------------------------------------------------------- */

/* Takes the lowest free objects, so that the tail of a young slab is never touched. */
static unsigned take_from_slab(struct slab *slab, void **objects, unsigned count)
{
    const size_t bytes = class_of(slab)->bytes;
    char *base = space_address(slab->first);
    unsigned taken = 0;
    unsigned index = 0;
    unsigned word = slab->word;
    while (taken < count && taken < slab->free) {
        uint64_t bits = slab->free_bits[word];
        for (; bits != 0 && taken < count; bits &= bits - 1) {
            index = word * 64 + (unsigned)__builtin_ctzll(bits);
            objects[taken++] = base + index * bytes;
        }
        slab->free_bits[word] = bits;
        word += bits == 0 && taken < slab->free;
    }
    slab->word = (uint8_t)word;
    slab->free = (uint16_t)(slab->free - taken);
    if (index >= slab->fresh)
        slab->fresh = (uint16_t)(index + 1);
    return taken;
}

static unsigned take_from_pool(struct pool *pool, void **objects, unsigned count)
{
    unsigned taken = 0;
    struct slab *slab;
    while (taken < count && (slab = fullest(pool)) != NULL) {
        unsigned fresh = slab->fresh;
        pool->empty -= slab->free == class_of(slab)->objects;
        taken += take_from_slab(slab, objects + taken, count - taken);
        pool->touched += slab->fresh - fresh;
        bucket_update(pool, slab);
    }
    pool->taken += taken;
    return taken;
}

static unsigned take_from_new_slab(struct pool *pool, unsigned class, void **objects,
                                   unsigned count)
{
    struct slab *slab = slab_create(class);
    if (slab == NULL)
        return 0;
    lock_take(&pool->lock);
    slab_publish(pool, slab);
    unsigned taken = take_from_pool(pool, objects, count);
    bool is_surplus = slab->free == class_of(slab)->objects && pool->empty > 1;
    if (is_surplus) /* somebody gave objects back meanwhile */
        slab_retire(pool, slab);
    lock_drop(&pool->lock);
    if (is_surplus)
        unit_free(slab->first, class_of(slab)->units);
    return taken;
}

unsigned slab_take(unsigned class, void **objects, unsigned count)
{
    MP_ASSERT(class >= SIZE_CLASS_FIRST && class < SIZE_CLASS_END);
    struct pool *pool = &pools[class];
    lock_take(&pool->lock);
    unsigned taken = take_from_pool(pool, objects, count);
    lock_drop(&pool->lock);
    if (taken > 0)
        return taken; /* what the partial slabs had: no new slab for the rest of a batch */

    return take_from_new_slab(pool, class, objects, count);
}

/* -- giving ----------------------------------------------------------------------------------- */

static struct slab *slab_of(const void *p)
{
    return slab_at(*space_head(space_unit_of(p)));
}

/* Index of the object that begins at p; ends the process when none does. */
static unsigned index_of(const struct slab *slab, const void *p)
{
    const struct size_class *class = class_of(slab);
    size_t offset = (size_t)((const char *)p - (const char *)space_address(slab->first));
    unsigned index = size_class_index(class, offset);
    MP_CHECK(index * (size_t) class->bytes == offset && index < class->objects, FAULT_INTERIOR_FREE,
             p);
    return index;
}

/* Sets the object's bit; false: it was free already. */
static bool give_to_slab(struct slab *slab, unsigned index)
{
    uint64_t bit = UINT64_C(1) << (index % 64);
    if ((slab->free_bits[index / 64] & bit) != 0)
        return false;
    slab->free_bits[index / 64] |= bit;
    slab->free++;
    if (index / 64 < slab->word)
        slab->word = (uint8_t)(index / 64);
    return true;
}

/* After objects were given: moves the slab to its bucket, or out of the class when it is empty and
 * another empty one is kept. True: its units are to be freed. */
static bool settle(struct pool *pool, struct slab *slab)
{
    bucket_update(pool, slab);
    if (slab->free != class_of(slab)->objects)
        return false;
    pool->empty++;
    if (pool->empty == 1)
        return false;
    slab_retire(pool, slab);
    return true;
}

/* Gives one object back; false: it was free already, which only leftovers may be. */
static bool give_one(struct pool *pool, void *p, bool leftovers)
{
    bool has_slab = pool == &pools[*space_ctl(space_unit_of(p))];
    struct slab *slab = slab_of(p);
    bool was_taken = has_slab && give_to_slab(slab, index_of(slab, p));
    MP_CHECK(was_taken || leftovers, FAULT_DOUBLE_FREE, p);
    return was_taken;
}

/* Gives objects until one slab too many is empty. Returns how many were given; *empty: the slab
 * to be freed, or NULL. Class lock. */
static unsigned give_some(struct pool *pool, void *const *objects, unsigned count, bool leftovers,
                          struct slab **empty)
{
    *empty = NULL;
    unsigned done = 0;
    while (done < count && *empty == NULL) {
        struct slab *slab = slab_of(objects[done]);
        unsigned given = 0;
        do {
            given += give_one(pool, objects[done], leftovers);
            done++;
        } while (done < count && slab_of(objects[done]) == slab);
        pool->taken -= given;
        if (given > 0 && settle(pool, slab))
            *empty = slab;
    }
    return done;
}

static void give(unsigned class, void *const *objects, unsigned count, bool leftovers)
{
    struct pool *pool = &pools[class];
    while (count > 0) {
        struct slab *empty;
        lock_take(&pool->lock);
        unsigned done = give_some(pool, objects, count, leftovers, &empty);
        lock_drop(&pool->lock);
        if (empty != NULL)
            unit_free(empty->first, class_of(empty)->units);
        objects += done;
        count -= done;
    }
}

void slab_give(unsigned class, void *const *objects, unsigned count)
{
    give(class, objects, count, false);
}

void slab_give_leftovers(unsigned class, void *const *objects, unsigned count)
{
    give(class, objects, count, true);
}

/* -- questions -------------------------------------------------------------------------------- */

void *slab_object_of(const void *p, unsigned *class)
{
    const struct slab *slab = slab_of(p);
    char *base = space_address(slab->first);
    *class = slab->class;
    unsigned index = size_class_index(class_of(slab), (size_t)((const char *)p - base));
    return index < class_of(slab)->objects ? base + index * (size_t)class_of(slab)->bytes : NULL;
}

void slab_read_stats(unsigned class, struct slab_stats *stats)
{
    struct pool *pool = &pools[class];
    size_t bytes = size_tables.classes[class].bytes;
    lock_take(&pool->lock);
    stats->taken_objects = pool->taken;
    stats->taken_bytes = pool->taken * bytes;
    stats->free_bytes = (pool->touched - pool->taken) * bytes;
    stats->slabs = pool->slabs;
    lock_drop(&pool->lock);
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

/* Recounts a slab from its bits, which are never wrong by more than the object being moved. */
static void adopt(struct pool *pool, struct slab *slab)
{
    unsigned objects = class_of(slab)->objects;
    slab->free = (uint16_t)bits_count(slab->free_bits, 0, objects);
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
    unsigned objects = class_of(slab)->objects;
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
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
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
