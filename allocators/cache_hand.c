/* cache_hand.c - closes a hand and opens it again: its tops go to the cache and come back. */
#include "allocators/cache_inside.h"

/* At every instruction cache_tops tells where the tops are: a fork may cut anywhere. */
static void shut(struct cache *cache)
{
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
        cache->tops[class] = hand.top[class];
    lock_fence_stores();
    cache->is_closed = true;
    lock_fence_stores();
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
        hand.top[class] = CACHE_CLOSED;
    hand.is_open = false;
}

void cache_close_hands(void)
{
    cache_registry.closed = true;
    if (hand.cache != NULL && !hand.cache->is_closed)
        shut(hand.cache);
}

void cache_shut_hand(void)
{
    struct cache *cache = cache_come_in();
    if (cache == NULL)
        return;
    if (!cache->is_closed)
        shut(cache);
    cache_go_out(cache);
}

void cache_open_hand(void)
{
    struct cache *cache = cache_come_in();
    if (cache == NULL)
        return;
    if (cache->is_closed && !cache_registry.closed) {
        for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
            hand.top[class] = cache->tops[class];
        lock_fence_stores();
        cache->is_closed = false;
        hand.is_open = true;
    }
    cache_go_out(cache);
}
