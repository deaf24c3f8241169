/* cache_counts.c - what threads did in their slow paths, added up by who asks. */
#include <stdatomic.h>
#include <string.h>

#include "allocators/cache_inside.h"
#include "allocators/large.h"

struct cache_own_counts cache_loose_counts[SIZE_MAGAZINE_END];
static struct cache_counts ended_counts[SIZE_MAGAZINE_END]; /* of threads; registry lock */

static uint64_t read_count(_Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static void add_own(struct cache_counts *sum, struct cache_own_counts *own)
{
    sum->taken += read_count(&own->taken);
    sum->given += read_count(&own->given);
    sum->refills += read_count(&own->refills);
    sum->flushes += read_count(&own->flushes);
}

/* Those of a living thread, and what its hot path did since. */
static void add_living(struct cache_counts *sum, struct cache *cache, unsigned class)
{
    add_own(sum, &cache->counts[class]);
    ptrdiff_t moved = cache_moved(cache, class);
    if (moved < 0)
        sum->taken += (uint64_t)-moved;
    else
        sum->given += (uint64_t)moved;
}

static void add(struct cache_counts *sum, const struct cache_counts *counts)
{
    sum->taken += counts->taken;
    sum->given += counts->given;
    sum->refills += counts->refills;
    sum->flushes += counts->flushes;
}

static void clear(struct cache_own_counts *own)
{
    atomic_store_explicit(&own->taken, 0, memory_order_relaxed);
    atomic_store_explicit(&own->given, 0, memory_order_relaxed);
    atomic_store_explicit(&own->refills, 0, memory_order_relaxed);
    atomic_store_explicit(&own->flushes, 0, memory_order_relaxed);
}

/* A fork that cuts here doubles or loses some counts in the child, no more. */
void cache_retire_counts(struct cache *cache)
{
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++) {
        add_own(&ended_counts[class], &cache->counts[class]);
        clear(&cache->counts[class]);
    }
    cache_registry.ended_calls += read_count(&cache->calls);
    atomic_store_explicit(&cache->calls, 0, memory_order_relaxed);
    cache_registry.ended += cache->first_top == 0;
}

void cache_read_counts(unsigned class, struct cache_counts *counts)
{
    lock_take(&cache_registry.lock);
    *counts = ended_counts[class];
    add_own(counts, &cache_loose_counts[class]);
    for (struct cache *cache = cache_registry.all; cache != NULL; cache = cache->next) {
        if (cache->owner != NULL)
            add_living(counts, cache, class);
    }
    lock_drop(&cache_registry.lock);
}

/* -- by thread -------------------------------------------------------------------------------- */

static void read_ended(struct cache_thread *thread)
{
    thread->threads = cache_registry.ended;
    thread->calls = cache_registry.ended_calls;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++) {
        add(&thread->counts, &ended_counts[class]);
        add_own(&thread->counts, &cache_loose_counts[class]);
    }
}

static void read_cached(struct cache_thread *thread, struct cache *cache)
{
    struct large_stats medium;
    memset(&medium, 0, sizeof(medium));
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        size_t rounds = cache_rounds_of(cache, class);
        thread->cached_objects += rounds;
        thread->cached_bytes += rounds * size_tables.classes[class].bytes;
    }
    cache_add_medium(cache, &medium);
    thread->cached_objects += medium.blocks;
    thread->cached_bytes += medium.bytes;
}

static void read_living(struct cache_thread *thread, struct cache *cache)
{
    thread->id = cache->thread_id;
    thread->threads = 1;
    thread->calls = read_count(&cache->calls);
    for (; cache != NULL && !cache_is_lost(cache); cache = cache->batches) {
        for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
            add_living(&thread->counts, cache, class);
        read_cached(thread, cache);
    }
}

/* A thread's first cache. */
static bool is_main(const struct cache *cache)
{
    return cache->owner != NULL && cache->first_top == 0;
}

/* New caches come first in the list: the n-th of those with an owner, from its end. */
static struct cache *find_owned(size_t number)
{
    size_t owned = 0;
    for (struct cache *cache = cache_registry.all; cache != NULL; cache = cache->next)
        owned += is_main(cache);
    if (number > owned)
        return NULL;
    struct cache *cache = cache_registry.all;
    for (size_t behind = owned - number; !is_main(cache) || behind > 0; cache = cache->next)
        behind -= is_main(cache);
    return cache;
}

bool cache_read_thread(size_t number, struct cache_thread *thread)
{
    memset(thread, 0, sizeof(*thread));
    if (number == 0)
        cache_forget_lost();
    lock_take(&cache_registry.lock);
    struct cache *cache = number != 0 ? find_owned(number) : NULL;
    if (number == 0)
        read_ended(thread);
    else if (cache != NULL)
        read_living(thread, cache);
    lock_drop(&cache_registry.lock);
    return number == 0 || cache != NULL;
}
