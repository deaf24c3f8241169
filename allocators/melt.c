/* melt.c - melts the sparsest slabs of the class that keeps the most free memory.
 *
 * Slabs by themselves never serve another class: a program that works in phases, each with sizes of
 * its own, leaves a heap of sparse slabs behind and grows beside it. */
#include "allocators/melt.h"

#include <stdatomic.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/mixed.h"
#include "allocators/pool.h"
#include "allocators/unit.h"

/* Measured with bench_memory, "refill" (300 MiB, 90 % freed, filled with other sizes): 346 MiB at
 * the peak with a share of 1/8, 341 with 1/16; 480 without melting. The other limits change nothing
 * there; they keep small and dense heaps as they are. */
enum {
    FREE_SHARE = 16,          /* of what the small classes hold must be free in the others */
    FREE_LEAST = 1024 * 1024, /* what a small heap may waste */
    MELT_BYTES = 64 * 1024,   /* free bytes gained at a time: more is there for the next call */
    SPARSE_BUCKETS = POOL_BUCKETS / 2,
    TRIES_MAX = 8,    /* slabs of a bucket looked at */
    PAUSE_CALLS = 15, /* after a look in vain: new slabs are made without another */
};

static enum conf_melt mode; /* set while one thread runs */
static _Atomic uint32_t pause_calls;

void melt_init(enum conf_melt melt)
{
    mode = melt;
}

/* An exact class that no profile uses has 0 bytes. */
static bool is_small(unsigned class)
{
    size_t bytes = size_tables.classes[class].bytes;
    return bytes != 0 && bytes <= MIXED_BYTES_MAX;
}

/* Bytes of a class that hold memory, and those of them that are free. Reads counts that
 * change meanwhile: nothing but a choice depends on them. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
static void
estimate(unsigned class, size_t *held, size_t *free)
{
    size_t bytes = size_tables.classes[class].bytes;
    size_t taken = pools[class].taken * bytes;
    *held = pools[class].held * SLAB_PAGE_BYTES;
    *free = *held > taken ? *held - taken : 0;
}

/* The class with the most free bytes, when all but the asking one have enough of them. 0: none. */
static unsigned choose_class(unsigned asking)
{
    size_t held_sum = 0;
    size_t free_sum = 0;
    size_t most = 0;
    unsigned chosen = 0;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        size_t held, free;
        if (!is_small(class))
            continue;
        estimate(class, &held, &free);
        held_sum += held;
        if (class == asking)
            continue;
        free_sum += free;
        if (free > most) {
            most = free;
            chosen = class;
        }
    }
    if (mode == CONF_MELT_ALWAYS)
        return chosen;
    return free_sum >= FREE_LEAST && free_sum >= held_sum / FREE_SHARE ? chosen : 0;
}

/* Most of what holds memory is free: in a young slab there is nothing to gain. */
static bool is_sparse(const struct slab *slab)
{
    const struct size_class *class = slab_class(slab);
    size_t used = (class->objects - slab->free) * (size_t) class->bytes;
    size_t held = bits_of(slab->held) * SLAB_PAGE_BYTES;
    return used > 0 && (mode == CONF_MELT_ALWAYS || held - used >= held / 2);
}

static struct slab *find_sparse_in(uint32_t first)
{
    uint32_t at = first;
    for (int tries = 0; at != UNIT_NONE && tries < TRIES_MAX; tries++) {
        if (is_sparse(slab_at(at)))
            return slab_at(at);
        at = slab_at(at)->next;
    }
    return NULL;
}

static struct slab *find_sparse_of(const uint32_t *lists)
{
    unsigned buckets = mode == CONF_MELT_ALWAYS ? POOL_BUCKETS : SPARSE_BUCKETS;
    struct slab *slab = NULL;
    for (unsigned bucket = 0; bucket < buckets && slab == NULL; bucket++) {
        slab = find_sparse_in(lists[bucket]);
        if (slab == NULL)
            slab = find_sparse_in(lists[POOL_DRAINING + bucket]);
    }
    return slab;
}

static struct slab *find_sparse(struct pool *pool)
{
    struct slab *slab = NULL;
    for (unsigned node = 0; node < pool_nodes && slab == NULL; node++)
        slab = find_sparse_of(pool_lists(pool, node));
    return slab;
}

/* Makes zones of slabs of a class, until so much is gained. Free bytes in them; 0: none is sparse.
 */
static size_t melt_slabs(unsigned class, size_t wanted)
{
    struct pool *pool = &pools[class];
    size_t gained = 0;
    lock_take(&pool->lock);
    while (gained < wanted) {
        struct slab *slab = find_sparse(pool);
        if (slab == NULL)
            break;
        gained += slab->free * (size_t)slab_class(slab)->bytes;
        pool_release(pool, slab);
        mixed_adopt(slab->first, class, slab->free_bits,
                    ~slab->held & slab_pages(0, slab_class(slab)->units * (size_t)UNIT_BYTES));
    }
    lock_drop(&pool->lock);
    return gained;
}

/* The heap is about to grow, and the last look was not in vain just now. Threads may lose count. */
static bool is_time_to_look(void)
{
    if (mode == CONF_MELT_ALWAYS)
        return true;
    uint32_t pause = atomic_load_explicit(&pause_calls, memory_order_relaxed);
    if (pause == 0)
        return !unit_has_dirty();
    atomic_store_explicit(&pause_calls, pause - 1, memory_order_relaxed);
    return false;
}

/* False: the class shall get a new slab. */
static bool melt_some(unsigned asking)
{
    if (!is_time_to_look())
        return false;
    unsigned chosen = choose_class(asking);
    if (chosen != 0 && melt_slabs(chosen, MELT_BYTES) > 0)
        return true;
    atomic_store_explicit(&pause_calls, PAUSE_CALLS, memory_order_relaxed);
    return false;
}

unsigned melt_take(unsigned class, void **objects, unsigned count)
{
    if (mode == CONF_MELT_OFF || !is_small(class))
        return 0;
    unsigned taken = mixed_take(class, objects, count);
    if (taken == 0 && melt_some(class))
        taken = mixed_take(class, objects, count);
    return taken;
}

MP_RARE size_t melt_all(void)
{
    size_t bytes = 0, gained = 0;
    if (mode == CONF_MELT_OFF)
        return 0;
    do {
        unsigned chosen = choose_class(0);
        gained = chosen != 0 ? melt_slabs(chosen, SIZE_MAX) : 0;
        bytes += gained;
    } while (gained != 0);
    return bytes;
}
