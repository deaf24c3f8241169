/* cache_all.c - looks at the caches of all threads while these go on. */
#include <stdatomic.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/cache_inside.h"
#include "allocators/medium.h"

bool cache_is_lost(const struct cache *cache)
{
    const struct hand *owner = cache->owner;
    return owner != NULL && owner != &hand &&
           !(os_is_readable(owner->top) && os_is_readable(&owner->top[255]));
}

void cache_forget_lost(void)
{
    lock_take(&cache_registry.lock);
    for (struct cache *cache = cache_registry.all; cache != NULL; cache = cache->next) {
        if (cache_is_lost(cache)) {
            cache_retire_counts(cache);
            cache->owner = NULL; /* and is not used again: what it holds is lost with it */
        }
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
    bool is_others = cache->owner != NULL && cache->owner != &hand && !cache_is_lost(cache);
    if (is_others)
        look(cache);
    lock_drop(&cache_registry.lock);
    return is_others;
}

void cache_transfer(void)
{
    void (*transfer)(void) = __atomic_load_n(&cache_registry.transfer, __ATOMIC_RELAXED);
    if (transfer != NULL)
        transfer();
}

void cache_on_transfer(void (*transfer)(void))
{
    __atomic_store_n(&cache_registry.transfer, transfer, __ATOMIC_RELAXED);
}

bool cache_is_watched(void)
{
    return cache_registry.transfer != NULL;
}

/* Reads another thread's magazines while it uses them: a count may be off by what moves just now.
 * The magazine's memory is never given back, so nothing worse can happen.
 *
 * Slots below the top of the loaded one, those included that a reclaimer emptied. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
static size_t
slots_of(struct cache *cache, unsigned class, const struct magazine *loaded)
{
    if (loaded == NULL || cache->owner == NULL)
        return 0;
    size_t slots = magazine_rounds_below(loaded, cache_tops(cache)[class]);
    return slots <= loaded->capacity ? slots : 0;
}

#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
size_t
cache_rounds_of(struct cache *cache, unsigned class)
{
    const struct magazine *loaded = cache->loaded[class];
    const struct magazine *previous = cache->previous[class];
    size_t rounds = previous != NULL ? previous->rounds : 0;
    for (size_t slot = slots_of(cache, class, loaded); slot > 0; slot--)
        rounds += loaded->slot[slot] != NULL;
    return rounds;
}

#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
ptrdiff_t
cache_moved(struct cache *cache, unsigned class)
{
    const struct magazine *loaded = cache->loaded[class];
    if (loaded == NULL || cache->owner == NULL)
        return 0;
    uint32_t rounds = magazine_rounds_below(loaded, cache_tops(cache)[class]);
    bool is_open = rounds <= loaded->capacity && loaded->rounds <= loaded->capacity;
    return is_open ? (ptrdiff_t)rounds - (ptrdiff_t)loaded->rounds : 0;
}

size_t cache_rounds(unsigned class)
{
    size_t rounds = 0;
    lock_take(&cache_registry.lock);
    for (struct cache *cache = cache_registry.all; cache != NULL; cache = cache->next)
        rounds += cache_rounds_of(cache, class);
    lock_drop(&cache_registry.lock);
    return rounds;
}

#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
void cache_add_medium(struct cache *cache, struct large_stats *stats)
{
    const struct magazine *loaded = cache->loaded[SIZE_CLASS_MEDIUM];
    for (size_t slot = slots_of(cache, SIZE_CLASS_MEDIUM, loaded); slot > 0; slot--)
        medium_count(loaded->slot[slot], stats);
}

void cache_read_medium(struct large_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    lock_take(&cache_registry.lock);
    for (struct cache *cache = cache_registry.all; cache != NULL; cache = cache->next)
        cache_add_medium(cache, stats);
    lock_drop(&cache_registry.lock);
}

#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
static void
visit_class(struct cache *cache, unsigned class, void (*visit)(void *p))
{
    const struct magazine *loaded = cache->loaded[class];
    const struct magazine *previous = cache->previous[class];
    for (size_t slot = slots_of(cache, class, loaded); slot > 0; slot--) {
        if (loaded->slot[slot] != NULL)
            visit(loaded->slot[slot]);
    }
    if (previous != NULL)
        magazine_visit(previous, visit);
}

void cache_visit_rounds(void (*visit)(void *p))
{
    for (struct cache *cache = cache_registry.all; cache != NULL; cache = cache->next) {
        if (cache_is_lost(cache))
            continue;
        for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
            visit_class(cache, class, visit);
    }
}

static size_t recount_room(const struct cache *cache)
{
    size_t bytes = 0;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++) {
        if (cache->loaded[class] != NULL)
            bytes += magazine_room_bytes(cache->loaded[class]);
        if (cache->previous[class] != NULL)
            bytes += magazine_room_bytes(cache->previous[class]);
    }
    return bytes;
}

void cache_audit(void)
{
    lock_take(&cache_registry.lock);
    for (struct cache *cache = cache_registry.all; cache != NULL; cache = cache->next)
        MP_AUDIT(recount_room(cache) == cache->room_bytes);
    lock_drop(&cache_registry.lock);
}

/* -- blocks of another heap ------------------------------------------------------------------- */

void cache_count_other(ptrdiff_t bytes, int blocks)
{
    if (cache_count_own_other(bytes, blocks))
        return;
    struct cache_other *other = &cache_registry.other;
    atomic_fetch_add_explicit(&other->bytes, (size_t)bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&other->blocks, (size_t)blocks, memory_order_relaxed);
}

void cache_read_other(size_t *bytes, size_t *blocks)
{
    const struct cache_other *other = &cache_registry.other;
    *bytes = atomic_load_explicit(&other->bytes, memory_order_relaxed);
    *blocks = atomic_load_explicit(&other->blocks, memory_order_relaxed);
    for (struct cache *cache = cache_first(); cache != NULL; cache = cache->next) {
        *bytes += atomic_load_explicit(&cache->other.bytes, memory_order_relaxed);
        *blocks += atomic_load_explicit(&cache->other.blocks, memory_order_relaxed);
    }
}
