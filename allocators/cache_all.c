/* cache_all.c - looks at the caches of all threads while these go on. */
#include <string.h>

#include "allocators/base/os.h"
#include "allocators/cache_inside.h"
#include "allocators/medium.h"

static bool is_lost(const struct cache *cache)
{
    const struct hand *owner = cache->owner;
    return owner != NULL && owner != &hand &&
           !(os_is_readable(owner->top) && os_is_readable(&owner->top[255]));
}

void cache_forget_lost(void)
{
    lock_take(&cache_registry.lock);
    for (struct cache *cache = cache_registry.all; cache != NULL; cache = cache->next) {
        if (is_lost(cache))
            cache->owner = NULL; /* and is not used again: what it holds is lost with it */
    }
    lock_drop(&cache_registry.lock);
}

struct cache *cache_first(void)
{
    lock_take(&cache_registry.lock);
    struct cache *cache = cache_registry.all;
    lock_drop(&cache_registry.lock);
    return cache;
}

bool cache_look(struct cache *cache, void (*look)(struct cache *cache))
{
    lock_take(&cache_registry.lock);
    bool is_others = cache->owner != NULL && cache->owner != &hand && !is_lost(cache);
    if (is_others)
        look(cache);
    lock_drop(&cache_registry.lock);
    return is_others;
}

bool cache_is_watched(void)
{
    return cache_registry.transfer != NULL;
}

/* Reads another thread's magazines while it uses them: a count may be off by what moves just now.
 * The magazine's memory is never given back, so nothing worse can happen. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
static size_t
rounds_of(struct cache *cache, unsigned class)
{
    struct magazine *loaded = cache->loaded[class];
    struct magazine *previous = cache->previous[class];
    size_t rounds = previous != NULL ? previous->rounds : 0;
    if (loaded == NULL || cache->owner == NULL)
        return rounds;
    size_t in_loaded = magazine_rounds_below(loaded, cache_tops(cache)[class]);
    if (in_loaded > loaded->capacity)
        return rounds;
    for (size_t slot = 1; slot <= in_loaded; slot++)
        rounds += loaded->slot[slot] != NULL;
    return rounds;
}

size_t cache_rounds(unsigned class)
{
    size_t rounds = 0;
    lock_take(&cache_registry.lock);
    for (struct cache *cache = cache_registry.all; cache != NULL; cache = cache->next)
        rounds += rounds_of(cache, class);
    lock_drop(&cache_registry.lock);
    return rounds;
}

#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
void cache_read_medium(struct large_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    lock_take(&cache_registry.lock);
    for (struct cache *cache = cache_registry.all; cache != NULL; cache = cache->next) {
        const struct magazine *loaded = cache->loaded[SIZE_CLASS_MEDIUM];
        for (size_t i = rounds_of(cache, SIZE_CLASS_MEDIUM); i > 0; i--)
            medium_count(loaded->slot[i], stats);
    }
    lock_drop(&cache_registry.lock);
}
