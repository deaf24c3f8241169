/* cache_adapt.c - makes a working thread's magazines as small as its use of late allows.
 *
 * A magazine grows while the slow paths are met often. Here is the way back: four times a second a
 * thread looks at the magazines of each class.
 *
 *     unchanged             both leave
 *     seldom empty or full  the previous one leaves, the loaded one is halved, down to the first
 *
 * So a class ends where it meets an empty or full magazine a few times per look, which is far too
 * seldom to cost anything. (bench_memory, "churn": 7 MiB in the magazines of 8 threads, not 19.) */
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/cache_inside.h"

enum { FEW_TURNS = 4 };
static const uint64_t LOOK_NS = 250 * UINT64_C(1000000);

/* The newest rounds stay: they are the warm ones. The class is closed. */
static void halve(struct cache *cache, unsigned class)
{
    struct magazine *old = cache->loaded[class];
    struct magazine *smaller = magazine_get(class, old->step - 1U);
    if (smaller == NULL)
        return;
    unsigned kept = old->rounds < smaller->capacity ? old->rounds : smaller->capacity;
    unsigned surplus = old->rounds - kept;
    memcpy(smaller->slot + 1, old->slot + 1 + surplus, kept * sizeof(void *));
    smaller->rounds = kept;
    cache->loaded[class] = smaller;
    cache_gain(cache, smaller);
    cache_lose(cache, old);
    if (surplus > 0)
        magazine_give(class, old->slot + 1, surplus, false);
    magazine_put(old);
}

static void shrink(struct cache *cache, unsigned class)
{
    struct magazine *previous = cache->previous[class];
    cache_close_class(cache, class);
    cache->previous[class] = NULL;
    cache_lose(cache, previous);
    cache_leave(previous);
    if (cache->loaded[class]->step > size_tables.classes[class].step)
        halve(cache, class);
    cache_open_class(cache, class);
}

static void look_at(struct cache *cache, unsigned class)
{
    if (cache->loaded[class] == NULL)
        return;
    if (cache->turns[class] == 0 && cache_tops(cache)[class] == cache->last_tops[class])
        cache_flush_class(cache, class);
    else if (cache->turns[class] < FEW_TURNS)
        shrink(cache, class);
    cache->turns[class] = 0;
    cache->last_tops[class] = cache_tops(cache)[class];
}

void cache_adapt(uint64_t now_ns)
{
    struct cache *cache = hand.cache;
    if (cache == NULL || now_ns < cache->adapt_ns)
        return;
    bool is_new = cache->adapt_ns == 0;
    cache->adapt_ns = now_ns + LOOK_NS;
    if (is_new)
        return;
    cache_come_in();
    cache->entries--; /* the call that looks counts once: when it comes to its own class */
    cache_transfer();
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
        look_at(cache, class);
    cache_go_out(cache);
}
