/* slab_tick.c - what slabs do about memory that lies unused inside them, a little at a time.
 *
 *     purging   a page wholly covered by free objects goes back to the system when it was so at two
 *               looks in a row. Meanwhile its slab is away: nobody takes from it, so no lock is
 *               held while the system works.
 *     draining  of a class with many free objects the sparsest slabs hand out no more: what is
 * freed in them stays there (the control byte says so, the thread's hand is closed for it), what is
 * allocated fills the others. They empty by attrition.
 *
 * Without draining, magazines keep the holes where they are: a freed object is handed out again in
 * the same place, and the slabs see next to nothing of it. */
#include "allocators/slab.h"

#include <stdatomic.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/cold/cold.h"
#include "allocators/pool.h"
#include "allocators/strategy.h"

enum {
    PASS_NS = 100 * 1000 * 1000, /* between two looks at a page */
    LOOK_BYTES = 4096,           /* a look costs as much as purging these */
    PASS_DRAINED = 4096,         /* slabs marked per pass: 1 ms */

    SPARSE_BUCKETS = POOL_BUCKETS / 2, /* pages are purged in slabs of these */
    /* Measured with bench_memory: "drain" 63.6 MiB and "churn" 149 with a quarter and an eighth in
     * the two shares, 60.5 and 143 with half as much, 58.6 and 136 with these, no less with half of
     * these; the processor time is the same. */
    DRAIN_BUCKETS = POOL_BUCKETS * 7 / 8, /* fuller ones are not worth their slow frees */
    DRAIN_FREE_SHARE = 16,
    DRAIN_ROOM_SHARE = 32,
};

static struct {
    enum conf_pace purge, drain;
    uint64_t next_pass_ns;           /* over all slabs; like the rest the ticking thread's */
    size_t unit;                     /* where the pass goes on; beyond the last: it is over */
    bool has_sparse[SIZE_CLASS_END]; /* the class is worth looking at in this pass */
} ticker = {.unit = SIZE_MAX};

void slab_set_pace(enum conf_pace purge, enum conf_pace drain)
{
    ticker.purge = os_page_bytes() == SLAB_PAGE_BYTES ? purge : CONF_PACE_OFF;
    ticker.drain = drain;
}

/* -- purging ---------------------------------------------------------------------------------- */

/* Held pages that no taken object touches. */
static uint64_t free_pages(const struct slab *slab)
{
    const struct size_class *class = slab_class(slab);
    uint64_t pages = 0;
    for (uint64_t rest = slab->held; rest != 0; rest &= rest - 1) {
        size_t from = (size_t)__builtin_ctzll(rest) << SLAB_PAGE_SHIFT;
        unsigned first = size_class_index(class, from);
        unsigned end = size_class_index(class, from + SLAB_PAGE_BYTES - 1) + 1;
        if (end > class->objects)
            end = class->objects;
        if (first >= end || bits_count(slab->free_bits, first, end - first) == end - first)
            pages |= rest & -rest;
    }
    return pages;
}

/* The pages to purge now: free ones that were free at the last look too. */
static uint64_t look(struct slab *slab, bool at_once)
{
    uint64_t idle = free_pages(slab);
    uint64_t pages = at_once ? idle : idle & slab->idle;
    slab->idle = idle & ~pages;
    return pages;
}

/* Purges run by run; those that the system took. */
static uint64_t purge_pages(const struct slab *slab, uint64_t pages)
{
    uint64_t purged = 0;
    char *base = space_address(slab->first);
    while (pages != 0) {
        uint64_t run = bits_lowest_run(pages);
        size_t bytes = bits_of(run) << SLAB_PAGE_SHIFT;
        if (cold_purge(base + ((size_t)__builtin_ctzll(pages) << SLAB_PAGE_SHIFT), bytes) != 0)
            break; /* a refusal is not fatal, and not worth a second try now */
        purged |= run;
        pages &= ~run;
    }
    return purged;
}

/* A slab that was sent away comes home without the pages. Bytes given back. */
static size_t purge_away(struct pool *pool, struct slab *slab, uint64_t pages)
{
    pages = purge_pages(slab, pages);
    size_t count = bits_of(pages);
    lock_take(&pool->lock);
    slab->held &= ~pages;
    pool->held -= count;
    bool is_surplus = pool_bring_home(pool, slab);
    lock_drop(&pool->lock);
    if (is_surplus)
        pool_free_units(slab);
    return count << SLAB_PAGE_SHIFT;
}

/* The slab that starts at the unit, if it is one of the class and at home. Class lock. */
static struct slab *find(const struct pool *pool, size_t unit)
{
    if (pool != &pools[pool_class_of(space_address(unit))] || *space_head(unit) != unit)
        return NULL;
    struct slab *slab = slab_at((uint32_t)unit);
    return slab->is_away ? NULL : slab;
}

static bool is_worth_a_look(const struct slab *slab)
{
    return slab->is_draining || slab->bucket < SPARSE_BUCKETS;
}

/* Looks at the slab that starts at the unit and purges what is due. Bytes given back. */
static size_t visit(struct pool *pool, size_t unit)
{
    lock_take(&pool->lock);
    struct slab *slab = find(pool, unit);
    uint64_t pages = slab != NULL && is_worth_a_look(slab) ? look(slab, false) : 0;
    if (pages != 0)
        pool_send_away(pool, slab);
    lock_drop(&pool->lock);
    return pages != 0 ? purge_away(pool, slab, pages) : 0;
}

/* The same for all that can be purged; an empty slab leaves altogether. */
static size_t visit_at_once(struct pool *pool, size_t unit)
{
    lock_take(&pool->lock);
    struct slab *slab = find(pool, unit);
    bool is_empty = slab != NULL && slab_is_empty(slab);
    bool is_purged = slab != NULL && !is_empty && ticker.purge != CONF_PACE_OFF;
    uint64_t pages = is_purged ? look(slab, true) : 0;
    if (is_empty)
        pool_retire(pool, slab);
    else if (pages != 0)
        pool_send_away(pool, slab);
    lock_drop(&pool->lock);
    if (is_empty)
        pool_free_units(slab);
    return pages != 0 ? purge_away(pool, slab, pages) : 0;
}

/* Class of the slab that starts at the unit; 0: none does. A guess: `find` knows. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
static unsigned
peek(size_t unit)
{
    unsigned class = pool_class_of(space_address(unit));
    return class != 0 && *space_head(unit) == unit ? class : 0;
}

/* Goes on with the pass over all units as far as a tick may, from *unit on. Bytes given back. */
static size_t look_around(size_t *unit, size_t end, size_t most_bytes)
{
    size_t bytes = 0;
    size_t looked = 0;
    for (; *unit < end && bytes + looked < most_bytes; ++*unit) {
        unsigned class = peek(*unit);
        if (!ticker.has_sparse[class])
            continue;
        bytes += visit(&pools[class], *unit);
        looked += LOOK_BYTES;
    }
    return bytes;
}

/* -- draining --------------------------------------------------------------------------------- */

/* How many slabs more than needed are open: none while less than DRAIN_FREE_SHARE of the objects is
 * free, otherwise those that the taken objects and a little room do not need. */
static size_t count_surplus(const struct pool *pool, unsigned class)
{
    size_t objects = size_tables.classes[class].objects;
    size_t open = pool->slabs - pool->draining;
    if (pool->slabs == 0)
        return 0;
    size_t needed = (pool->taken + pool->taken / DRAIN_ROOM_SHARE) / objects + 1;
    size_t all = pool->slabs * objects;
    return all - pool->taken >= all / DRAIN_FREE_SHARE && open > needed ? open - needed : 0;
}

/* Lets slabs of a list drain, at most `most` of them. How many. Class lock. */
static size_t drain_list(struct pool *pool, uint32_t at, size_t most)
{
    size_t drained = 0;
    while (at != UNIT_NONE && drained < most) {
        struct slab *slab = slab_at(at);
        at = slab->next;
        if (slab_is_empty(slab))
            continue;
        pool_set_draining(pool, slab, true);
        drained++;
    }
    return drained;
}

/* The same for the sparsest of the class. */
static size_t drain_sparsest(struct pool *pool, size_t most)
{
    size_t drained = 0;
    for (unsigned bucket = 0; bucket < DRAIN_BUCKETS; bucket++) {
        for (unsigned node = 0; node < pool_nodes; node++)
            drained += drain_list(pool, pool_lists(pool, node)[bucket], most - drained);
    }
    return drained;
}

static bool has_sparse(struct pool *pool)
{
    uint32_t slabs = pool->draining;
    for (unsigned node = 0; node < pool_nodes; node++) {
        for (unsigned bucket = 0; bucket < SPARSE_BUCKETS; bucket++)
            slabs += pool_lists(pool, node)[bucket] != UNIT_NONE;
    }
    return slabs != 0;
}

/* A pass begins. */
static void look_at_classes(void)
{
    size_t most = PASS_DRAINED;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        struct pool *pool = &pools[class];
        lock_take(&pool->lock);
        if (ticker.drain != CONF_PACE_OFF) {
            size_t surplus = count_surplus(pool, class);
            most -= drain_sparsest(pool, surplus < most ? surplus : most);
        }
        ticker.has_sparse[class] = ticker.purge != CONF_PACE_OFF && has_sparse(pool);
        lock_drop(&pool->lock);
    }
}

/* Lets all draining slabs hand out again. Class lock. */
static void undrain_all(struct pool *pool)
{
    struct slab *slab;
    while ((slab = pool_fullest_draining(pool)) != NULL)
        pool_set_draining(pool, slab, false);
}

/* -- the tick --------------------------------------------------------------------------------- */

size_t slab_tick(uint64_t now_ns, size_t most_bytes)
{
    size_t end = atomic_load_explicit(&space.units, memory_order_relaxed);
    if (strategy_is_eager())
        return 0;
    if (ticker.unit >= end) {
        if (now_ns < ticker.next_pass_ns)
            return 0;
        look_at_classes();
        ticker.unit = 0;
    }
    size_t bytes = look_around(&ticker.unit, end, most_bytes);
    if (ticker.unit >= end)
        ticker.next_pass_ns = now_ns + PASS_NS;
    return bytes;
}

void slab_provoke(struct pool *pool)
{
    if (MP_LIKELY(ticker.drain != CONF_PACE_ALWAYS && ticker.purge != CONF_PACE_ALWAYS))
        return;
    lock_take(&pool->lock);
    if (pool->draining != 0)
        undrain_all(pool);
    else if (ticker.drain == CONF_PACE_ALWAYS)
        drain_sparsest(pool, SIZE_MAX);
    struct slab *slab = ticker.purge == CONF_PACE_ALWAYS ? pool_fullest(pool) : NULL;
    uint64_t pages = slab != NULL ? look(slab, true) : 0;
    if (pages != 0)
        pool_send_away(pool, slab);
    lock_drop(&pool->lock);
    if (pages != 0)
        purge_away(pool, slab, pages);
}

MP_RARE size_t slab_purge(void)
{
    size_t bytes = 0;
    size_t end = atomic_load_explicit(&space.units, memory_order_relaxed);
    for (size_t unit = 0; unit < end; unit++) {
        unsigned class = peek(unit);
        if (class != 0)
            bytes += visit_at_once(&pools[class], unit);
    }
    return bytes;
}
