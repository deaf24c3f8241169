/* batch.c - see batch.h. */
#include "allocators/batch.h"

#include <string.h>

#include "allocators/base/check.h"
#include "allocators/cache_inside.h"
#include "allocators/pattern.h"
#include "allocators/scavenge.h"

/* Longer batches are needed less often, but what they hand out was used longer ago: of 16, 32, 64
 * and 128 rounds, 64 cost least in all (python3, simulated: 3, 6, 7 and 9 % more misses of the
 * first cache than without batches). Fewer than a share of a batch are not worth one: others are
 * sought first, so that all magazines of the class have enough between them. */
enum { BATCH_STEP = 3, BATCH_ROUNDS = MAGAZINE_FIRST_ROUNDS << BATCH_STEP, ENOUGH_SHARE = 4 };

static __attribute__((noinline, cold)) struct cache *make(struct cache *main)
{
    struct cache *cache = cache_get(SIZE_BATCH);
    if (cache != NULL)
        memset(&cache->allowance, 0, sizeof(cache->allowance));
    main->batches = cache;
    return cache;
}

/* NULL: it has none, and can have none. */
static struct cache *batches(void)
{
    struct cache *cache = hand.cache;
    if (MP_UNLIKELY(cache == NULL || cache->is_closed))
        return NULL;
    return MP_LIKELY(cache->batches != NULL) ? cache->batches : make(cache);
}

uint64_t *batch_mark(void)
{
    struct cache *cache = batches();
    return MP_LIKELY(cache != NULL) ? &cache->allowance.mark : NULL;
}

/* -- the usual new batch ---------------------------------------------------------------------- */

/* All was handed out, and there is more than a batch left of the allowance. */
static inline bool is_used_up(const struct cache *cache, const struct magazine *batch)
{
    unsigned class = batch->class;
    uint64_t bytes = (batch->rounds + batch->capacity) * (uint64_t)size_tables.classes[class].bytes;
    return hand.top[class + SIZE_BATCH] == batch->slot + 1 && !batch->is_hollow &&
           bytes <= cache->allowance.left[class];
}

/* Rounds of the magazine that frees went into, of which `others` stay, for the batch; its newest is
 * handed out. Cut by a fork, some are lost. */
static inline void *renew(struct cache *cache, struct magazine *batch, struct magazine *freed,
                          uint32_t others)
{
    unsigned class = batch->class;
    uint32_t rounds = freed->rounds - others, taken = batch->rounds + 1;
    freed->rounds = others;
    lock_fence_stores();
    memcpy(batch->slot + 1, freed->slot + 1 + others, rounds * sizeof(void *));
    cache_count(&cache->counts[class].taken, taken);
    batch_count(&cache->allowance, class, taken);
    batch->rounds = rounds - 1;
    lock_fence_stores();
    hand.top[class + SIZE_BATCH] = magazine_top(batch, rounds - 1);
    return batch->slot[rounds];
}

static inline bool is_enough(const struct magazine *batch, uint32_t rounds)
{
    return ENOUGH_SHARE * rounds >= batch->capacity;
}

/* The magazine that frees went into, its class closed, or the one before it where that has enough.
 */
static inline struct magazine *close_freed(struct cache *main, unsigned class,
                                           const struct magazine *batch)
{
    struct magazine *freed = main->loaded[class], *previous = main->previous[class];
    void **top = hand.top[class];
    hand.top[class] = CACHE_CLOSED;
    atomic_signal_fence(memory_order_seq_cst);
    cache_settle(main, freed, magazine_rounds_below(freed, top));
    if (MP_LIKELY(is_enough(batch, freed->rounds)) || previous == NULL ||
        !is_enough(batch, previous->rounds))
        return freed;
    main->loaded[class] = previous;
    main->previous[class] = freed;
    return previous;
}

/* NULL: not in this way. */
static inline void *alloc_usually(struct cache *cache, struct cache *main, unsigned class)
{
    struct magazine *batch = cache->loaded[class], *freed = main->loaded[class];
    if (batch == NULL || freed == NULL || !is_used_up(cache, batch) || freed->is_hollow)
        return NULL;
    freed = close_freed(main, class, batch);
    uint32_t others = freed->rounds > batch->capacity ? freed->rounds - batch->capacity : 0;
    void *p = NULL;
    if (MP_LIKELY(is_enough(batch, freed->rounds)))
        p = renew(cache, batch, freed, others);
    hand.top[class] = magazine_top(freed, freed->rounds);
    return p;
}

/* -- any other -------------------------------------------------------------------------------- */

static __attribute__((noinline, cold)) struct magazine *make_batch(struct cache *cache,
                                                                   unsigned class)
{
    struct magazine *batch = magazine_get(class, BATCH_STEP);
    cache->loaded[class] = batch;
    cache_gain(cache, batch);
    return batch;
}

static bool has_rounds(const struct magazine *magazine)
{
    return magazine != NULL && magazine->rounds > 0;
}

/* As many as have room, and no more than so many. */
static void move_newest(struct magazine *from, struct magazine *batch, uint32_t most)
{
    uint32_t room = most - batch->rounds;
    uint32_t rounds = from->rounds < room ? from->rounds : room;
    from->rounds -= rounds;
    lock_fence_stores();
    memcpy(batch->slot + 1 + batch->rounds, from->slot + 1 + from->rounds, rounds * sizeof(void *));
    batch->rounds += rounds;
}

/* What frees went into, and where that is little, others too. The class of both is closed; the
 * batch is empty, but what is left of the allowance is not. */
static void fill(struct cache *cache, struct cache *main, struct magazine *batch, bool is_kept)
{
    unsigned class = batch->class;
    uint64_t most = cache->allowance.left[class] / size_tables.classes[class].bytes;
    if (most > batch->capacity)
        most = batch->capacity;
    if (has_rounds(main->loaded[class]))
        move_newest(main->loaded[class], batch, (uint32_t)most);
    if (ENOUGH_SHARE * batch->rounds >= most)
        return;
    if (is_kept ? cache_refill_from_kept(main, class) : cache_refill(main, class)) {
        hand.refilled = main->loaded[class]->rounds;
        move_newest(main->loaded[class], batch, (uint32_t)most);
    }
}

static bool refill(struct cache *cache, struct cache *main, unsigned class, bool is_kept)
{
    struct magazine *batch = cache->loaded[class];
    if (batch == NULL && (batch = make_batch(cache, class)) == NULL)
        return false;
    cache_close_class(main, class);
    fill(cache, main, batch, is_kept);
    cache_open_class(main, class);
    return has_rounds(batch);
}

static void *take(struct cache *cache, struct cache *main, unsigned class, bool is_kept)
{
    if (cache->allowance.left[class] < size_tables.classes[class].bytes)
        return NULL;
    if (!has_rounds(cache->loaded[class]) && !refill(cache, main, class, is_kept))
        return NULL;
    struct magazine *batch = cache->loaded[class];
    void *p = batch->slot[batch->rounds];
    cache_settle(cache, batch, batch->rounds - 1);
    return p;
}

static __attribute__((noinline)) void *alloc_otherwise(struct cache *cache, struct cache *main,
                                                       unsigned class, bool is_kept)
{
    cache_close_class(cache, class);
    void *p = take(cache, main, class, is_kept);
    cache_open_class(cache, class);
    return p;
}

void *batch_alloc(unsigned class, size_t bytes, bool is_kept, uint64_t mark)
{
    struct cache *main = hand.cache, *cache = batches();
    if (MP_UNLIKELY(cache == NULL || cache->allowance.mark != mark))
        return NULL;
    hand.refilled = 0;
    cache_come_to(cache);
    cache_come_to(main);
    void *p = alloc_usually(cache, main, class);
    if (MP_UNLIKELY(p == NULL))
        p = alloc_otherwise(cache, main, class, is_kept);
    cache_go_out(main);
    cache_go_out(cache);
    if (MP_UNLIKELY(hand.refilled != 0)) {
        pattern_note(class, bytes, hand.refilled);
        cache_count_call();
        scavenge_pass();
    }
    return p;
}

/* -- the allowance ---------------------------------------------------------------------------- */

/* The batch has more: its oldest rounds leave. */
static __attribute__((noinline, cold)) void shorten(struct cache *cache, struct magazine *batch)
{
    void *others[BATCH_ROUNDS];
    unsigned class = batch->class;
    uint32_t kept = (uint32_t)(cache->allowance.left[class] / size_tables.classes[class].bytes);
    uint32_t count = batch->rounds - kept;
    memcpy(others, batch->slot + 1, count * sizeof(void *));
    batch->rounds = kept;
    lock_fence_stores();
    memmove(batch->slot + 1, batch->slot + 1 + count, kept * sizeof(void *));
    cache_give(class, others, count);
}

uint64_t *batch_open(unsigned class)
{
    struct cache *cache = hand.cache->batches;
    cache_come_to(cache);
    cache_close_class(cache, class);
    return &cache->allowance.left[class];
}

void batch_close(unsigned class)
{
    struct cache *cache = hand.cache->batches;
    struct magazine *batch = cache->loaded[class];
    uint64_t bytes = size_tables.classes[class].bytes;
    if (batch != NULL && MP_UNLIKELY(batch->rounds * bytes > cache->allowance.left[class]))
        shorten(cache, batch);
    cache_open_class(cache, class);
    cache_go_out(cache);
}

void batch_flush(void)
{
    struct cache *cache = hand.cache != NULL ? hand.cache->batches : NULL;
    if (cache == NULL)
        return;
    cache_come_to(cache);
    cache_transfer();
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++)
        cache_flush_class(cache, class);
    cache_go_out(cache);
}
