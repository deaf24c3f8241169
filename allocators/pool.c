/* pool.c - birth and death of slabs, and the buckets that find them by how full they are. */
#include "allocators/pool.h"

#include <stdatomic.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/unit.h"

struct pool pools[SIZE_CLASS_END];
unsigned pool_nodes = 1;

/* Buckets of nodes above 0: not in the pools, so that machines with one do not touch them. */
static uint32_t far_buckets[POOL_NODES_MAX - 1][SIZE_CLASS_END][POOL_LISTS]
    __attribute__((aligned(64)));

uint32_t *pool_lists_of_node(struct pool *pool, unsigned node)
{
    MP_ASSERT(node > 0 && node < pool_nodes);
    return far_buckets[node - 1][pool - pools];
}

static unsigned node_here(void)
{
    return pool_nodes == 1 ? 0 : os_node() & (pool_nodes - 1);
}

static void empty_pool(struct pool *pool)
{
    memset(pool->buckets, 0, sizeof(pool->buckets)); /* UNIT_NONE everywhere */
    for (unsigned node = 1; node < pool_nodes; node++)
        memset(pool_lists_of_node(pool, node), 0, sizeof(pool->buckets));
    pool->slabs = pool->draining = pool->away = pool->empty = 0;
    pool->taken = pool->held = 0;
}

void slab_init(unsigned nodes)
{
    while (pool_nodes < nodes && pool_nodes < POOL_NODES_MAX)
        pool_nodes *= 2;
    for (unsigned class = 0; class < SIZE_CLASS_END; class ++)
        lock_set_rank(&pools[class].lock, LOCK_RANK_CLASS);
}

static unsigned class_number(const struct pool *pool)
{
    return (unsigned)(pool - pools);
}

/* The span of a draining slab says its class. When it melts, the label changes first (mixed_adopt):
 * what the span said before the label was still DRAIN was right. Whoever guesses reads spans and
 * heads while others write them, and asks again under the lock. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
unsigned
pool_class_of(const void *p)
{
    unsigned ctl = space_ctl_of(p);
    if (ctl == CTL_DRAIN) {
        const struct slab *slab = space_span(*space_head(space_unit_of(p)));
        ctl = __atomic_load_n(&slab->class, __ATOMIC_ACQUIRE);
        unsigned now = space_ctl_of(p);
        if (now == CTL_MIXED || now == CTL_ARENA)
            return 0;
    }
    return ctl < SIZE_CLASS_END ? ctl : 0;
}

static size_t held_pages(const struct slab *slab)
{
    return bits_of(slab->held);
}

/* -- buckets ---------------------------------------------------------------------------------- */

static uint8_t bucket_of(const struct slab *slab)
{
    if (slab->free == 0 || slab->is_away)
        return POOL_NO_BUCKET;
    unsigned objects = slab_class(slab)->objects;
    unsigned bucket = (objects - slab->free) * POOL_BUCKETS / objects;
    return (uint8_t)(slab->is_draining ? POOL_DRAINING + bucket : bucket);
}

static void bucket_insert(struct pool *pool, struct slab *slab)
{
    slab->bucket = bucket_of(slab);
    if (slab->bucket == POOL_NO_BUCKET)
        return;
    uint32_t *head = &pool_lists(pool, slab->node)[slab->bucket];
    slab->prev = UNIT_NONE;
    slab->next = *head;
    if (slab->next != UNIT_NONE)
        slab_at(slab->next)->prev = slab->first;
    *head = slab->first;
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
        pool_lists(pool, slab->node)[slab->bucket] = slab->next;
}

void pool_update(struct pool *pool, struct slab *slab)
{
    if (slab->bucket == bucket_of(slab))
        return;
    bucket_remove(pool, slab);
    bucket_insert(pool, slab);
}

/* The first slab of the highest of eight buckets that is not empty. */
static inline struct slab *highest_of(const uint32_t *buckets, int lowest_bucket)
{
    for (int bucket = lowest_bucket + POOL_BUCKETS - 1; bucket >= lowest_bucket; bucket--) {
        if (buckets[bucket] != UNIT_NONE)
            return slab_at(buckets[bucket]);
    }
    return NULL;
}

/* That of this node, then of others. */
static inline struct slab *highest(struct pool *pool, int lowest_bucket)
{
    if (MP_LIKELY(pool_nodes == 1))
        return highest_of(pool->buckets, lowest_bucket);
    struct slab *slab = NULL;
    unsigned here = node_here();
    for (unsigned i = 0; i < pool_nodes && slab == NULL; i++)
        slab = highest_of(pool_lists(pool, here ^ i), lowest_bucket);
    return slab;
}

struct slab *pool_fullest(struct pool *pool)
{
    return highest(pool, 0);
}

struct slab *pool_fullest_draining(struct pool *pool)
{
    return pool->draining != 0 ? highest(pool, POOL_DRAINING) : NULL;
}

/* -- birth and death of a slab ---------------------------------------------------------------- */

struct slab *pool_create_slab(unsigned class)
{
    const struct size_class *size = &size_tables.classes[class];
    bool zeroed = false;
    MP_ASSERT(size->units * (size_t)UNIT_BYTES <= 64 * SLAB_PAGE_BYTES); /* a bit a page */
    uint32_t first = unit_alloc(size->units, 1, &zeroed);
    if (first == UNIT_NONE)
        return NULL;
    struct slab *slab = slab_at(first);
    space_touch_span(first);
    memset(slab, 0, sizeof(*slab));
    slab->first = first;
    slab->class = (uint8_t) class;
    slab->node = (uint8_t)node_here();
    slab->free = size->objects;
    slab->bucket = POOL_NO_BUCKET;
    slab->held = zeroed ? 0 : slab_pages(0, slab_bytes(slab));
    slab->fresh = zeroed ? 0 : (uint32_t)slab_bytes(slab);
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
    pool->held += held_pages(slab);
    bucket_insert(pool, slab);
}

void pool_retire(struct pool *pool, struct slab *slab)
{
    bucket_remove(pool, slab);
    pool->slabs--;
    pool->empty--;
    pool->draining -= slab->is_draining;
    pool->held -= held_pages(slab);
    *space_ctl(slab->first) = CTL_TAKEN; /* the first one first: a fork may cut here */
    lock_fence_stores();
    space_label(slab->first, slab_class(slab)->units, CTL_TAKEN);
}

void pool_free_units(const struct slab *slab)
{
    unit_free(slab->first, slab_class(slab)->units);
}

void pool_release(struct pool *pool, struct slab *slab)
{
    unsigned objects = slab_class(slab)->objects;
    MP_ASSERT(lock_is_held(&pool->lock));
    MP_ASSERT(slab->free > 0 && slab->free < objects && !slab->is_away);
    bucket_remove(pool, slab);
    pool->slabs--;
    pool->draining -= slab->is_draining;
    pool->taken -= objects - slab->free;
    pool->held -= held_pages(slab);
}

bool pool_settle(struct pool *pool, struct slab *slab)
{
    pool_update(pool, slab);
    if (!slab_is_empty(slab) || slab->is_away)
        return false;
    pool->empty++;
    if (pool->empty == 1 && !slab->is_draining)
        return false;
    pool_retire(pool, slab);
    return true;
}

/* -- draining, away --------------------------------------------------------------------------- */

void pool_set_draining(struct pool *pool, struct slab *slab, bool is_draining)
{
    MP_ASSERT(lock_is_held(&pool->lock) && slab->is_draining != is_draining);
    MP_ASSERT(!slab_is_empty(slab));
    slab->is_draining = is_draining;
    if (is_draining)
        pool->draining++;
    else
        pool->draining--;
    space_label(slab->first, slab_class(slab)->units, is_draining ? CTL_DRAIN : slab->class);
    pool_update(pool, slab);
}

void pool_send_away(struct pool *pool, struct slab *slab)
{
    MP_ASSERT(lock_is_held(&pool->lock) && !slab->is_away);
    pool->away++;
    pool->empty -= slab_is_empty(slab);
    slab->is_away = true;
    pool_update(pool, slab);
}

bool pool_bring_home(struct pool *pool, struct slab *slab)
{
    slab->is_away = false;
    pool->away--;
    return pool_settle(pool, slab);
}

/* -- fork and audit --------------------------------------------------------------------------- */

void pool_visit(struct pool *pool, void (*visit)(struct pool *pool, struct slab *slab))
{
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    for (size_t unit = 0; unit < units; unit++) {
        if (pool_class_of(space_address(unit)) == class_number(pool) && *space_head(unit) == unit)
            visit(pool, slab_at((uint32_t)unit));
    }
}

/* Recounts a slab from its bits, which are never wrong by more than the object being moved. One
 * that got its last object back when the fork cut, and is surplus, goes. It is open again, and
 * which of its bytes are zero is not known any more. */
static void adopt(struct pool *pool, struct slab *slab)
{
    const struct size_class *class = slab_class(slab);
    slab->free = (uint16_t)bits_count(slab->free_bits, 0, class->objects);
    if (slab_is_empty(slab) && pool->empty > 0) {
        space_label(slab->first, class->units, CTL_TAKEN);
        pool_free_units(slab);
        return;
    }
    slab->word = 0;
    slab->is_draining = slab->is_away = false;
    slab->held = slab_pages(0, slab_bytes(slab));
    slab->fresh = (uint32_t)slab_bytes(slab);
    space_label(slab->first, class->units, slab->class);
    pool->slabs++;
    pool->taken += class->objects - slab->free;
    pool->held += held_pages(slab);
    pool->empty += slab_is_empty(slab);
    bucket_insert(pool, slab);
}

/* The thread that took it away did not come along. */
static void fetch_home(struct pool *pool, struct slab *slab)
{
    if (slab->is_away && pool_bring_home(pool, slab))
        pool_free_units(slab);
}

MP_RARE void slab_fork_child(void)
{
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        struct pool *pool = &pools[class];
        if (lock_reset(&pool->lock)) {
            empty_pool(pool);
            pool_visit(pool, adopt);
        } else if (pool->away != 0) {
            pool_visit(pool, fetch_home);
        }
    }
}

/* Every page of an object that is taken is held. */
static void audit_pages(const struct slab *slab)
{
    const struct size_class *class = slab_class(slab);
    for (unsigned index = 0; index < class->objects; index++) {
        uint64_t pages =
            slab_pages(index * (size_t) class->bytes, (index + 1) * (size_t) class->bytes);
        MP_AUDIT(bit_is_set(slab->free_bits, index) || (pages & ~slab->held) == 0);
    }
}

/* Sums over the slabs of the class under audit. */
static struct {
    uint32_t slabs, draining, away, empty;
    size_t taken, held;
} sums;

static void add_up(const struct slab *slab)
{
    sums.slabs++;
    sums.draining += slab->is_draining;
    sums.away += slab->is_away;
    sums.empty += slab_is_empty(slab) && !slab->is_away;
    sums.taken += slab_class(slab)->objects - slab->free;
    sums.held += held_pages(slab);
}

/* S1 to S3 and S5 to S7 as pool_visit sees them: `word` skips only words without a free bit. */
static void audit_slab(struct pool *pool, struct slab *slab)
{
    const struct size_class *class = slab_class(slab);
    (void)pool;
    MP_AUDIT(bits_count(slab->free_bits, 0, class->objects) == slab->free);
    MP_AUDIT(bits_count(slab->free_bits, 0, SLAB_OBJECTS_MAX) == slab->free);
    MP_AUDIT(slab->word == 0 || bits_count(slab->free_bits, 0, slab->word * 64U) == 0);
    MP_AUDIT(slab->bucket == bucket_of(slab));
    for (uint32_t unit = slab->first; unit < slab->first + class->units; unit++)
        MP_AUDIT(*space_ctl(unit) == (slab->is_draining ? CTL_DRAIN : slab->class));
    MP_AUDIT(!slab->is_draining || !slab_is_empty(slab) || slab->is_away);
    unsigned begun = (unsigned)((slab->fresh + class->bytes - 1) / class->bytes);
    MP_AUDIT(begun >= class->objects ||
             bits_count(slab->free_bits, begun, class->objects - begun) == class->objects - begun);
    audit_pages(slab);
    add_up(slab);
}

static size_t audit_node(struct pool *pool, unsigned node)
{
    size_t listed = 0;
    for (int bucket = 0; bucket < POOL_LISTS; bucket++) {
        uint32_t at = pool_lists(pool, node)[bucket];
        for (; at != UNIT_NONE; at = slab_at(at)->next) {
            MP_AUDIT(slab_at(at)->class == class_number(pool) && slab_at(at)->bucket == bucket);
            MP_AUDIT(slab_at(at)->node == node);
            listed++;
        }
    }
    return listed;
}

static void audit_lists(struct pool *pool)
{
    size_t listed = 0;
    for (unsigned node = 0; node < pool_nodes; node++)
        listed += audit_node(pool, node);
    MP_AUDIT(listed <= pool->slabs && pool->empty <= 1);
}

static void audit_slabs(struct pool *pool)
{
    memset(&sums, 0, sizeof(sums));
    pool_visit(pool, audit_slab);
    MP_AUDIT(sums.slabs == pool->slabs && sums.empty == pool->empty);
    MP_AUDIT(sums.draining == pool->draining && sums.away == pool->away);
    MP_AUDIT(sums.taken == pool->taken && sums.held == pool->held);
}

static bool is_all_zero(const struct pool *pool)
{
    return (pool->slabs | pool->empty | pool->draining | pool->away | pool->taken | pool->held) ==
           0;
}

/* A visit passes all units: no class needs one that says it has nothing and that no label names. */
MP_RARE void slab_audit(void)
{
    bool is_named[SIZE_CLASS_END] = {false};
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    for (size_t unit = 0; unit < units; unit++)
        is_named[pool_class_of(space_address(unit))] = true;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        struct pool *pool = &pools[class];
        lock_take(&pool->lock);
        audit_lists(pool);
        if (is_named[class] || !is_all_zero(pool))
            audit_slabs(pool);
        lock_drop(&pool->lock);
    }
}
