/* cache_hand.c - closes a hand and opens it again: its tops go to the cache and come back. */
#include "allocators/cache_inside.h"

/* At every instruction cache_tops tells where the tops are: a fork may cut anywhere. */
static void shut(struct cache *cache)
{
    void ***tops = hand.top + cache->first_top;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
        cache->tops[class] = tops[class];
    lock_fence_stores();
    cache->is_closed = true;
    lock_fence_stores();
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
        tops[class] = CACHE_CLOSED;
    hand.is_open = false;
}

void cache_close_hands(void)
{
    cache_registry.closed = true;
    for (struct cache *cache = hand.cache; cache != NULL; cache = cache->batches) {
        if (!cache->is_closed)
            shut(cache);
    }
}

void cache_shut_hand(void)
{
    for (struct cache *cache = hand.cache; cache != NULL; cache = cache->batches) {
        cache_come_to(cache);
        if (!cache->is_closed)
            shut(cache);
        cache_go_out(cache);
    }
}

static void reopen(struct cache *cache)
{
    void ***tops = hand.top + cache->first_top;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
        tops[class] = cache->tops[class];
    lock_fence_stores();
    cache->is_closed = false;
    hand.is_open = true;
}

void cache_open_hand(void)
{
    for (struct cache *cache = hand.cache; cache != NULL; cache = cache->batches) {
        cache_come_to(cache);
        if (cache->is_closed && !cache_registry.closed)
            reopen(cache);
        cache_go_out(cache);
    }
}
