/* cache.c - loads and unloads a thread's magazines: two per class, so that a thread that swings
 * around a boundary does not run to the depot every time (Bonwick & Adams 2001, 3.1).
 *
 * Order matters for fork: what is given away is let go of first, what is taken is taken first. A
 * child that inherits the middle of a change may lose objects of a vanished thread that way, but
 * never finds one twice. */
#include "allocators/cache_inside.h"

#include <stdatomic.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "allocators/depot.h"
#include "allocators/large.h"
#include "allocators/medium.h"
#include "allocators/meta.h"
#include "allocators/slab.h"

/* Empty and full at the same time: both sentinels, no slot between them. Never written. */
void *const cache_closed_magazine[2] = {NULL, MAGAZINE_FULL};

#define CLOSED_4 CACHE_CLOSED, CACHE_CLOSED, CACHE_CLOSED, CACHE_CLOSED
#define CLOSED_16 CLOSED_4, CLOSED_4, CLOSED_4, CLOSED_4
#define CLOSED_64 CLOSED_16, CLOSED_16, CLOSED_16, CLOSED_16

/* Every thread is born with a closed hand: no "initialised?" test anywhere. */
_Thread_local struct hand hand __attribute__((tls_model("initial-exec"))) = {
    .top = {CLOSED_64, CLOSED_64, CLOSED_64, CLOSED_64},
};

struct cache_registry cache_registry = {.lock = LOCK_INIT(LOCK_RANK_REGISTRY)};

void cache_close_class(struct cache *cache, unsigned class)
{
    void **top = cache_tops(cache)[class];
    cache_tops(cache)[class] = CACHE_CLOSED;
    atomic_signal_fence(memory_order_seq_cst);
    struct magazine *loaded = cache->loaded[class];
    if (loaded == NULL)
        return;
    cache_settle(cache, loaded, magazine_rounds_below(loaded, top));
    if (MP_UNLIKELY(loaded->is_hollow))
        magazine_fill_hollow(loaded);
}

void cache_open_class(struct cache *cache, unsigned class)
{
    struct magazine *loaded = cache->loaded[class];
    atomic_signal_fence(memory_order_seq_cst);
    cache_tops(cache)[class] = loaded != NULL ? magazine_top(loaded, loaded->rounds) : CACHE_CLOSED;
}

/* -- the door of a cache ---------------------------------------------------------------------- */

void cache_come_to(struct cache *cache)
{
    cache->entries++;
    atomic_store_explicit(&cache->inside, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* pairs with the barrier in cache_claim */
    while (MP_UNLIKELY(atomic_load_explicit(&cache->claimed, memory_order_acquire) != 0))
        os_wait(&cache->claimed, 1);
}

struct cache *cache_come_in(void)
{
    struct cache *cache = hand.cache;
    if (cache != NULL)
        cache_come_to(cache);
    return cache;
}

void cache_go_out(struct cache *cache)
{
    atomic_store_explicit(&cache->inside, 0, memory_order_release);
}

/* -- birth and death -------------------------------------------------------------------------- */

static struct cache *take_free_cache(void)
{
    lock_take(&cache_registry.lock);
    struct cache *cache = cache_registry.free;
    if (cache != NULL)
        cache_registry.free = cache->next_free;
    lock_drop(&cache_registry.lock);
    return cache;
}

static struct cache *make_cache(void)
{
    struct cache *cache = meta_alloc(sizeof(*cache));
    if (cache == NULL)
        return NULL;
    lock_take(&cache_registry.lock);
    cache->next = cache_registry.all;
    cache_registry.all = cache;
    lock_drop(&cache_registry.lock);
    return cache;
}

struct cache *cache_get(unsigned first_top)
{
    struct cache *cache = take_free_cache();
    if (cache == NULL)
        cache = make_cache();
    if (cache == NULL)
        return NULL;
    cache->first_top = first_top;
    cache->batches = NULL;
    for (unsigned class = 0; class < SIZE_MAGAZINE_END; class ++)
        cache->tops[class] = CACHE_CLOSED;
    cache->adapt_ns = 0;
    atomic_store_explicit(&cache->inside, 0, memory_order_relaxed);
    cache->thread_id = os_thread_id_quiet();
    cache->began_alone = *os_single_thread_mark() != 0;
    lock_take(&cache_registry.lock);
    cache->is_closed = cache_registry.closed;
    cache->owner = &hand;
    lock_drop(&cache_registry.lock);
    return cache;
}

bool cache_attach(void)
{
    if (hand.state != CACHE_SEEN) {
        hand.state = hand.state == CACHE_UNBORN ? CACHE_SEEN : hand.state;
        return false;
    }
    struct cache *cache = cache_get(0);
    if (cache == NULL)
        return false;
    hand.cache = cache;
    hand.other = &cache->other;
    hand.state = CACHE_ALIVE;
    hand.is_open = !cache->is_closed;
    return true;
}

void cache_refuse(void)
{
    for (unsigned ctl = 0; ctl < 256; ctl++)
        hand.top[ctl] = CACHE_CLOSED;
    hand.state = CACHE_DEAD;
    hand.inside = 1;
}

void cache_give(unsigned class, void *const *rounds, unsigned count)
{
    cache_transfer();
    magazine_give(class, rounds, count, false);
}

void cache_leave(struct magazine *magazine)
{
    if (magazine == NULL)
        return;
    bool is_worth_it =
        magazine->class < SIZE_CLASS_END && magazine->rounds > magazine->capacity / 2U;
    if (!is_worth_it || !depot_put(magazine))
        magazine_unload(magazine);
}

void cache_flush_class(struct cache *cache, unsigned class)
{
    struct magazine *loaded = cache->loaded[class];
    struct magazine *previous = cache->previous[class];
    if (loaded == NULL)
        return;
    cache_close_class(cache, class);
    cache->loaded[class] = NULL;
    cache->previous[class] = NULL;
    cache_lose(cache, loaded);
    cache_lose(cache, previous);
    cache_leave(loaded);
    cache_leave(previous);
}

static void flush_all(struct cache *cache)
{
    cache_transfer();
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++)
        cache_flush_class(cache, class);
}

void cache_flush(void)
{
    struct cache *cache = cache_come_in();
    if (cache == NULL)
        return;
    flush_all(cache);
    cache_go_out(cache);
    batch_flush();
}

/* For the next thread that is born. Registry lock, or nobody else is there. */
static void disown(struct cache *cache)
{
    cache_retire_counts(cache);
    cache->owner = NULL;
    cache->next_free = cache_registry.free;
    cache_registry.free = cache;
}

void cache_detach(void)
{
    struct cache *cache = cache_come_in(); /* and not out again: nobody claims it any more */
    hand.state = CACHE_DEAD;
    hand.is_open = false;
    if (cache == NULL)
        return;
    batch_flush();
    flush_all(cache);
    hand.cache = NULL;
    hand.other = NULL;
    lock_take(&cache_registry.lock);
    if (cache->batches != NULL)
        disown(cache->batches);
    disown(cache);
    lock_drop(&cache_registry.lock);
}

/* -- refill: the loaded magazine is empty; its class is closed -------------------------------- */

static void swap(struct cache *cache, unsigned class)
{
    struct magazine *loaded = cache->loaded[class];
    cache->loaded[class] = cache->previous[class];
    cache->previous[class] = loaded;
}

/* Loads a magazine from the depot; the empty one stays behind as the previous, or leaves. */
static bool load_from_depot(struct cache *cache, unsigned class)
{
    struct magazine *full = depot_get(class);
    if (full == NULL)
        return false;
    cache_transfer();
    struct magazine *empty = cache->loaded[class];
    if (cache->previous[class] == NULL)
        cache->previous[class] = empty;
    cache->loaded[class] = full;
    cache_gain(cache, full);
    if (empty != NULL && cache->previous[class] != empty) {
        cache_lose(cache, empty);
        magazine_put(empty);
    }
    return true;
}

/* Puts a larger magazine in the place of the loaded one and moves its rounds over; without memory
 * the old one stays. */
static void grow(struct cache *cache, unsigned class)
{
    struct magazine *old = cache->loaded[class];
    if (old != NULL && (!magazine_can_grow(old) || cache->room_bytes >= CACHE_ROOM_BYTES))
        return;
    unsigned step = old == NULL ? size_tables.classes[class].step : old->step + 1U;
    struct magazine *larger = magazine_get(class, step);
    if (larger == NULL)
        return;
    cache->loaded[class] = larger;
    cache_gain(cache, larger);
    cache_lose(cache, old);
    if (old == NULL)
        return;
    larger->rounds = old->rounds;
    memcpy(larger->slot + 1, old->slot + 1, larger->rounds * sizeof(void *));
    magazine_put(old);
}

static bool load_from_slabs(struct cache *cache, unsigned class)
{
    grow(cache, class);
    struct magazine *loaded = cache->loaded[class];
    if (loaded == NULL)
        return false;
    loaded->rounds = slab_take(class, loaded->slot + 1, loaded->capacity);
    cache_transfer();
    return loaded->rounds > 0;
}

/* Rounds for the loaded magazine out of what threads keep; false: there are none. */
bool cache_refill_from_kept(struct cache *cache, unsigned class)
{
    const struct magazine *previous = cache->previous[class];
    cache->turns[class]++;
    cache_count(&cache->counts[class].refills, 1);
    if (previous != NULL && previous->rounds > 0) {
        swap(cache, class);
        return true;
    }
    return load_from_depot(cache, class);
}

/* The same, or else out of slabs; false: there is no memory. */
bool cache_refill(struct cache *cache, unsigned class)
{
    return cache_refill_from_kept(cache, class) || load_from_slabs(cache, class);
}

/* -- flush: the loaded magazine is full; its class is closed ---------------------------------- */

/* Gives a full previous magazine away: to the depot, or to the slabs when the depot has enough. */
static void give_previous(struct cache *cache, unsigned class)
{
    struct magazine *full = cache->previous[class];
    cache->previous[class] = NULL;
    cache_lose(cache, full);
    cache_transfer();
    if (!depot_put(full))
        magazine_unload(full);
}

static bool has_room(const struct magazine *loaded)
{
    return loaded != NULL && loaded->rounds < loaded->capacity;
}

static bool make_medium_room(struct cache *cache)
{
    if (cache->loaded[SIZE_CLASS_MEDIUM] == NULL)
        grow(cache, SIZE_CLASS_MEDIUM);
    struct magazine *loaded = cache->loaded[SIZE_CLASS_MEDIUM];
    if (loaded != NULL && !has_room(loaded))
        medium_shed(loaded, loaded->capacity / 2U);
    return loaded != NULL;
}

/* The next magazine is as large as the loaded one, but for a thread that has large ones enough. */
static unsigned empty_step(const struct cache *cache, const struct magazine *loaded)
{
    bool has_room = cache->room_bytes < CACHE_ROOM_BYTES;
    return has_room ? loaded->step : size_tables.classes[loaded->class].step;
}

/* Room for one round in the loaded magazine; false: there is no memory for one. */
static bool make_room(struct cache *cache, unsigned class)
{
    cache_count(&cache->counts[class].flushes, 1);
    if (class == SIZE_CLASS_MEDIUM)
        return make_medium_room(cache);
    cache->turns[class]++;
    const struct magazine *loaded = cache->loaded[class];
    if (loaded == NULL || magazine_can_grow(loaded)) {
        grow(cache, class);
        if (has_room(cache->loaded[class]))
            return true;
    }
    struct magazine *previous = cache->previous[class];
    if (previous != NULL && previous->rounds == 0) {
        swap(cache, class);
        return true;
    }
    struct magazine *empty = loaded != NULL ? magazine_get(class, empty_step(cache, loaded)) : NULL;
    if (empty == NULL)
        return false;
    cache_gain(cache, empty);
    if (previous != NULL)
        give_previous(cache, class);
    cache->previous[class] = cache->loaded[class];
    cache->loaded[class] = empty;
    return true;
}

/* -- one object ------------------------------------------------------------------------------- */

static void *alloc_without_cache(unsigned class)
{
    void *p = NULL;
    unsigned taken = slab_take(class, &p, 1);
    cache_transfer();
    cache_count_taken(class, taken);
    return taken == 1 ? p : NULL;
}

/* The newest round of the class, of a magazine that `load` finds when there is none; NULL: nor does
 * it. */
static void *take_round(unsigned class, bool (*load)(struct cache *cache, unsigned class))
{
    struct cache *cache = cache_come_in();
    if (cache == NULL)
        return NULL;
    cache_close_class(cache, class);
    struct magazine *loaded = cache->loaded[class];
    bool is_loaded = loaded != NULL && loaded->rounds > 0;
    void *p = NULL;
    if (is_loaded || load(cache, class)) {
        loaded = cache->loaded[class];
        hand.refilled = is_loaded ? 0 : loaded->rounds;
        p = loaded->slot[loaded->rounds--];
        cache_count(&cache->counts[class].taken, 1);
    }
    cache_open_class(cache, class);
    cache_go_out(cache);
    return p;
}

void *cache_alloc(unsigned class)
{
    void *p = take_round(class, cache_refill);
    return p != NULL ? p : alloc_without_cache(class);
}

void *cache_alloc_kept(unsigned class)
{
    return take_round(class, cache_refill_from_kept);
}

void *cache_alloc_medium(size_t bytes, size_t alignment)
{
    struct cache *cache = cache_come_in();
    if (cache == NULL)
        return NULL;
    cache_close_class(cache, SIZE_CLASS_MEDIUM);
    struct magazine *loaded = cache->loaded[SIZE_CLASS_MEDIUM];
    void *p = loaded != NULL ? medium_take(loaded, bytes, alignment) : NULL;
    cache_count(&cache->counts[SIZE_CLASS_MEDIUM].taken, p != NULL);
    cache_open_class(cache, SIZE_CLASS_MEDIUM);
    cache_go_out(cache);
    return p;
}

void cache_free(unsigned class, void *p)
{
    struct cache *cache = cache_come_in();
    if (cache == NULL) {
        cache_count_given(class);
        cache_give(class, &p, 1);
        return;
    }
    cache_close_class(cache, class);
    cache_count(&cache->counts[class].given, 1);
    bool is_served = has_room(cache->loaded[class]) || make_room(cache, class);
    if (is_served) {
        struct magazine *loaded = cache->loaded[class];
        loaded->slot[++loaded->rounds] = p;
    }
    cache_open_class(cache, class);
    cache_go_out(cache);
    if (!is_served)
        cache_give(class, &p, 1);
}

/* -- fork ------------------------------------------------------------------------------------- */

/* The rounds of a vanished thread's class, where they can be told for sure. */
static void return_leftovers(struct cache *cache, unsigned class)
{
    struct magazine *loaded = cache->loaded[class];
    struct magazine *previous = cache->previous[class];
    if (previous != NULL && previous->rounds > 0)
        magazine_give(class, previous->slot + 1, previous->rounds, true);
    if (loaded == NULL || cache->owner == NULL)
        return;
    loaded->rounds = magazine_rounds_below(loaded, cache_tops(cache)[class]);
    if (loaded->rounds > loaded->capacity)
        return;
    magazine_fill_hollow(loaded);
    if (loaded->rounds > 0)
        magazine_give(class, loaded->slot + 1, loaded->rounds, true);
}

static void bury(struct cache *cache)
{
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_MAGAZINE_END; class ++) {
        return_leftovers(cache, class);
        if (cache->previous[class] != NULL && cache->previous[class] != cache->loaded[class])
            magazine_put(cache->previous[class]);
        if (cache->loaded[class] != NULL)
            magazine_put(cache->loaded[class]);
        cache->loaded[class] = cache->previous[class] = NULL;
    }
    cache->room_bytes = 0;
    disown(cache);
}

MP_RARE void cache_fork_child(void)
{
    if (lock_reset(&cache_registry.lock))
        cache_registry.free = NULL; /* cut in the middle: the free ones are lost, not wrong */
    cache_forget_lost();
    for (struct cache *cache = cache_registry.all; cache != NULL; cache = cache->next) {
        atomic_store_explicit(&cache->claimed, 0, memory_order_relaxed); /* by whom vanished */
        if (cache->owner == &hand)
            cache->thread_id = os_thread_id_quiet();
        else if (cache->owner != NULL)
            bury(cache);
    }
}
