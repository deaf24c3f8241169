/* reclaim.c - takes objects out of the magazines of a thread that does not notice.
 *
 * The hot path is plain loads and stores: a thread may be stopped anywhere in it, for any time, and
 * go on. So nothing that such a call can still touch is taken:
 *
 *     slot:  | NULL | a | b | q | p | . | FULL |    the call has loaded top, maybe p as well: it
 *                             ^k      ^top          takes p, or puts one more above it
 *
 * 1. Claim the cache: from now on the owner waits where its slow paths begin.
 * 2. Plant NULL into slot k and keep what was there, q. Barrier: whatever the owner loads from now
 *    on, it cannot take slot k, and without its slow paths not come below.
 * 3. Read top. Barrier. Read slot k.
 *    If top lies above k + 1 and slot k is still NULL, q lay in the magazine all the time and no
 *    call of the owner can have loaded it (it would have loaded k + 1 as its top, and top would
 *    have come from there by a store to slot k): q and all below are ours.
 *    Otherwise the owner was there meanwhile. If slot k is NULL, q goes back: the owner either has
 *    not taken it, or its top is at k and the slot means nothing. If not, the owner has put another
 *    one there, after it took q.
 *
 * The magazine keeps its top; the owner finds NULL, comes to its slow path, and moves together what
 * is left. The second barrier is for machines whose stores pass each other.
 *
 * So one round is left, which may be large in the magazine of medium blocks. But whoever takes from
 * that one marks the hand as inside for as long (heap_alloc_medium). There NULL is planted into the
 * newest slot, and when the mark was not set behind the barrier, a call that loaded q before is
 * over: it has stored its top, or taken nothing. So q is ours as well if top still lies above it.
 *
 * While every move between threads is watched, the moves made here are not announced: only the
 * owner could. Observers must do with the arrivals (cache_on_transfer). What the owner freed while
 * it was the only thread lies before its next call; so of such a thread nothing is taken until it
 * has begun a second one. */
#include "allocators/reclaim.h"

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/cache_inside.h"

#include <stdatomic.h>

enum { IDLE_TICKS = 2, ROUNDS_MAX = MAGAZINE_FIRST_ROUNDS << (MAGAZINE_STEPS - 1) };

/* The owner's plain accesses are ordered by the system's barrier, which the sanitizer does not
 * know. */
#if defined(__SANITIZE_THREAD__)
#define RACING __attribute__((no_sanitize("thread")))
#else
#define RACING
#endif

/* What was planted in one cache. */
struct plant {
    void *round;   /* q; NULL: nothing was planted */
    uint32_t slot; /* k */
    uint32_t kept; /* rounds above it */
    uint32_t top;  /* rounds below the top, as read after the barrier */
};

static bool was_alone = true; /* the program had one thread at the last tick */

/* -- 1: an idle cache, claimed ---------------------------------------------------------------- */

RACING static void look(struct cache *cache)
{
    void ***tops = cache_tops(cache);
    uint64_t now = cache->entries;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
        now = now * 31 + (uintptr_t)tops[class];
    cache->idle_ticks = now == cache->seen ? cache->idle_ticks + 1 : 0;
    cache->seen = now;
    if (cache->idle_ticks == IDLE_TICKS)
        atomic_store_explicit(&cache->claimed, 1, memory_order_relaxed);
}

/* Takes any cache for idle. */
static void look_at_once(struct cache *cache)
{
    cache->idle_ticks = IDLE_TICKS;
    atomic_store_explicit(&cache->claimed, 1, memory_order_relaxed);
}

static void release(struct cache *cache)
{
    /* release: pairs with the acquire in cache_come_in */
    atomic_store_explicit(&cache->claimed, 0, memory_order_release);
    os_wake(&cache->claimed, 1);
}

/* The owner came in often enough for what is taken not to be announced. */
RACING static bool is_ordered(const struct cache *cache)
{
    return !cache_is_watched() || !cache->began_alone || cache->entries - cache->entries_alone >= 2;
}

/* True: the owner is outside, and stays there. */
static bool claim(struct cache *cache, void (*look_at)(struct cache *cache))
{
    if (!cache_look(cache, look_at) || cache->idle_ticks != IDLE_TICKS)
        return false;
    if (os_barrier() && atomic_load_explicit(&cache->inside, memory_order_acquire) == 0 &&
        is_ordered(cache))
        return true;
    cache->idle_ticks = 0;
    release(cache);
    return false;
}

/* -- 2 and 3: the loaded magazine of an open class -------------------------------------------- */

RACING static void plant(struct cache *cache, unsigned class, struct plant *plant)
{
    struct magazine *loaded = cache->loaded[class];
    plant->round = NULL;
    if (loaded == NULL)
        return;
    uint32_t rounds = magazine_rounds_below(loaded, cache_tops(cache)[class]);
    plant->kept = class == SIZE_CLASS_MEDIUM ? 0 : 1;
    if (rounds <= plant->kept || rounds > loaded->capacity)
        return;
    loaded->is_hollow = true;
    plant->slot = rounds - plant->kept;
    plant->round = __atomic_exchange_n(&loaded->slot[plant->slot], NULL, __ATOMIC_SEQ_CST);
}

RACING static void read_top(struct cache *cache, unsigned class, struct plant *plant)
{
    if (plant->round == NULL)
        return;
    /* First, and acquire: pairs with the release in heap_alloc_medium, so that top is not older. */
    bool is_taking = plant->kept == 0 && __atomic_load_n(&cache->owner->inside, __ATOMIC_SEQ_CST);
    void **top = __atomic_load_n(&cache_tops(cache)[class], __ATOMIC_SEQ_CST);
    plant->top = is_taking ? 0 : magazine_rounds_below(cache->loaded[class], top);
}

/* Takes q and all rounds below it, or puts q back. How many are in `rounds` now. */
RACING static unsigned settle(struct magazine *loaded, const struct plant *plant, void **rounds)
{
    void **slot = &loaded->slot[plant->slot];
    void *expected = NULL;
    if (plant->top < plant->slot + plant->kept || __atomic_load_n(slot, __ATOMIC_SEQ_CST) != NULL) {
        __atomic_compare_exchange_n(slot, &expected, plant->round, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST);
        return 0;
    }
    unsigned count = 0;
    for (uint32_t below = 1; below < plant->slot; below++) {
        void *round = loaded->slot[below];
        loaded->slot[below] = NULL; /* first: a fork that cuts here loses one, and doubles none */
        if (round != NULL)
            rounds[count++] = round;
    }
    rounds[count++] = plant->round;
    return count;
}

static size_t reclaim_open(struct cache *cache)
{
    struct plant plants[SIZE_MAGAZINE_END];
    void *rounds[ROUNDS_MAX];
    size_t taken = 0;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
        plant(cache, class, &plants[class]);
    os_barrier();
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
        read_top(cache, class, &plants[class]);
    os_barrier();
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++) {
        if (plants[class].round == NULL)
            continue;
        unsigned count = settle(cache->loaded[class], &plants[class], rounds);
        if (count > 0)
            magazine_give(class, rounds, count, false);
        taken += count;
    }
    return taken;
}

/* -- what only the owner's slow paths use ----------------------------------------------------- */

static size_t reclaim_previous(struct cache *cache, unsigned class)
{
    struct magazine *previous = cache->previous[class];
    cache->previous[class] = NULL;
    if (previous == NULL)
        return 0;
    cache_lose(cache, previous);
    return magazine_unload(previous);
}

/* The hand is closed: its tops are here, and the hot path knows nothing of them. */
static size_t reclaim_closed(struct cache *cache, unsigned class)
{
    struct magazine *loaded = cache->loaded[class];
    if (loaded == NULL)
        return 0;
    cache_settle(cache, loaded, magazine_rounds_below(loaded, cache->tops[class]));
    cache->tops[class] = magazine_top(loaded, 0);
    magazine_fill_hollow(loaded);
    unsigned rounds = loaded->rounds;
    if (rounds > 0)
        magazine_give(class, loaded->slot + 1, rounds, false);
    return rounds;
}

static size_t reclaim_cache(struct cache *cache)
{
    size_t taken = 0;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++) {
        taken += reclaim_previous(cache, class);
        if (cache->is_closed)
            taken += reclaim_closed(cache, class);
    }
    return cache->is_closed ? taken : taken + reclaim_open(cache);
}

/* Remembers how often the owners came in while the program had one thread; looks once more after
 * that. */
RACING static void note_entries(void)
{
    bool is_alone = *os_single_thread_mark() != 0;
    if (is_alone || was_alone) {
        for (struct cache *cache = cache_first(); cache != NULL; cache = cache->next)
            cache->entries_alone = cache->entries;
    }
    was_alone = is_alone;
}

static size_t reclaim(void (*look_at)(struct cache *cache))
{
    size_t taken = 0;
    note_entries();
    for (struct cache *cache = cache_first(); cache != NULL; cache = cache->next) {
        if (!claim(cache, look_at))
            continue;
        taken += reclaim_cache(cache);
        release(cache);
    }
    return taken;
}

size_t reclaim_tick(void)
{
    return reclaim(look);
}

size_t reclaim_all(void)
{
    return reclaim(look_at_once);
}
