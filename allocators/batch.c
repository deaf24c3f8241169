/* batch.c - see batch.h. */
#include "allocators/batch.h"

#include <string.h>

#include "allocators/base/check.h"
#include "allocators/cache_inside.h"
#include "allocators/pattern.h"
#include "allocators/scavenge.h"

/* Of the largest magazine of a class: enough for an exchange. */
enum { ENOUGH_SHARE = 2 };

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

static bool has_rounds(const struct magazine *magazine)
{
    return magazine != NULL && magazine->rounds > 0;
}

/* Where the magazine is that frees went into and that is worth an exchange: with less, others come
 * first, so that all of them have enough between them. NULL: nowhere. */
static inline struct magazine **find_full(struct cache *main, unsigned class)
{
    const struct magazine *loaded = main->loaded[class];
    if (MP_LIKELY(loaded != NULL) &&
        loaded->rounds >= size_tables.classes[class].rounds_max / ENOUGH_SHARE)
        return &main->loaded[class];
    return has_rounds(main->previous[class]) ? &main->previous[class] : NULL;
}

/* That one for the empty one. Cut by a fork, at worst one is lost. */
static inline bool exchange(struct cache *cache, struct cache *main, unsigned class)
{
    struct magazine **at = find_full(main, class);
    if (MP_UNLIKELY(at == NULL))
        return false;
    struct magazine *full = *at, *empty = cache->loaded[class];
    if (empty == NULL || empty->capacity != full->capacity) {
        cache_lose(main, full);
        cache_gain(main, empty);
        cache_lose(cache, empty);
        cache_gain(cache, full);
    }
    cache_count(&cache->counts[class].refills, 1);
    *at = NULL;
    lock_fence_stores();
    cache->loaded[class] = full;
    lock_fence_stores();
    *at = empty;
    return true;
}

/* Rounds for the loaded magazine, which is empty. What a shorter batch left comes first. */
static inline bool refill(struct cache *cache, unsigned class, bool is_kept)
{
    struct cache *main = hand.cache;
    if (MP_LIKELY(!has_rounds(cache->previous[class]))) {
        cache_come_to(main);
        cache_close_class(main, class);
        bool is_exchanged = exchange(cache, main, class);
        cache_open_class(main, class);
        cache_go_out(main);
        if (MP_LIKELY(is_exchanged))
            return true;
    }
    bool is_full = is_kept ? cache_refill_from_kept(cache, class) : cache_refill(cache, class);
    if (is_full)
        hand.refilled = cache->loaded[class]->rounds;
    return is_full;
}

/* The previous magazine, if there is room for so many more in it; or an empty one in its place. */
static struct magazine *previous_with_room(struct cache *cache, unsigned class, uint32_t rounds)
{
    struct magazine *previous = cache->previous[class];
    if (previous != NULL && previous->rounds + rounds <= previous->capacity)
        return previous;
    struct magazine *other =
        has_rounds(previous) ? NULL : magazine_get(class, cache->loaded[class]->step);
    if (other == NULL)
        return NULL;
    cache->previous[class] = other;
    cache_gain(cache, other);
    cache_lose(cache, previous);
    if (previous != NULL)
        magazine_put(previous);
    return other;
}

/* The loaded magazine has more than the allowance: the older rounds wait in the previous one. */
static __attribute__((noinline)) void shorten(struct cache *cache, unsigned class)
{
    struct magazine *loaded = cache->loaded[class];
    uint32_t kept = (uint32_t)(cache->allowance.left[class] / size_tables.classes[class].bytes);
    uint32_t others = loaded->rounds - kept;
    struct magazine *previous = previous_with_room(cache, class, others);
    if (MP_LIKELY(previous != NULL)) {
        memcpy(previous->slot + 1 + previous->rounds, loaded->slot + 1, others * sizeof(void *));
        memmove(loaded->slot + 1, loaded->slot + 1 + others, kept * sizeof(void *));
    }
    loaded->rounds = kept;
    lock_fence_stores();
    if (MP_LIKELY(previous != NULL))
        previous->rounds += others;
    else
        cache_give(class, loaded->slot + 1 + kept, others);
}

static inline void open_within_allowance(struct cache *cache, unsigned class)
{
    const struct magazine *loaded = cache->loaded[class];
    uint64_t bytes = size_tables.classes[class].bytes;
    if (MP_UNLIKELY(loaded != NULL && loaded->rounds * bytes > cache->allowance.left[class]))
        shorten(cache, class);
    cache_open_class(cache, class);
}

static inline void *take(struct cache *cache, unsigned class, bool is_kept)
{
    if (cache->allowance.left[class] < size_tables.classes[class].bytes)
        return NULL;
    if (!has_rounds(cache->loaded[class]) && !refill(cache, class, is_kept))
        return NULL;
    struct magazine *loaded = cache->loaded[class];
    void *p = loaded->slot[loaded->rounds];
    cache_settle(cache, loaded, loaded->rounds - 1);
    return p;
}

void *batch_alloc(unsigned class, size_t bytes, bool is_kept)
{
    struct cache *cache = batches();
    if (MP_UNLIKELY(cache == NULL))
        return NULL;
    hand.refilled = 0;
    cache_come_to(cache);
    cache_close_class(cache, class);
    void *p = take(cache, class, is_kept);
    open_within_allowance(cache, class);
    cache_go_out(cache);
    if (MP_UNLIKELY(hand.refilled != 0)) {
        pattern_note(class, bytes, hand.refilled);
        cache_count_call();
        scavenge_pass();
    }
    return p;
}

uint64_t batch_left(unsigned class)
{
    struct cache *cache = hand.cache->batches;
    cache_come_to(cache);
    cache_close_class(cache, class);
    uint64_t left = cache->allowance.left[class];
    cache_open_class(cache, class);
    cache_go_out(cache);
    return left;
}

void batch_allow(unsigned class, uint64_t bytes)
{
    struct cache *cache = hand.cache->batches;
    cache_come_to(cache);
    cache_close_class(cache, class);
    cache->allowance.left[class] = bytes;
    open_within_allowance(cache, class);
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
