/* cache_inside.h - a cache as its two users see it: its owner (cache.c), and whoever takes back
 * what an idle owner does not use (reclaim.c).
 *
 * The owner marks itself inside while it is among its magazines (its slow paths); a reclaimer
 * claims the cache and finds the owner outside, or gives up. The owner waits while its cache is
 * claimed. */
#ifndef MPRESS_CACHE_INSIDE_H
#define MPRESS_CACHE_INSIDE_H

#include <stdatomic.h>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/batch.h"
#include "allocators/cache.h"

/* Of one class (struct cache_counts); one thread writes them. */
struct cache_own_counts {
    _Atomic uint64_t taken, given, refills, flushes;
};

static inline void cache_count(_Atomic uint64_t *sum, uint64_t n)
{
    uint64_t now = atomic_load_explicit(sum, memory_order_relaxed);
    atomic_store_explicit(sum, now + n, memory_order_relaxed);
}

extern void *const cache_closed_magazine[2];
#define CACHE_CLOSED ((void **)(uintptr_t)&cache_closed_magazine[1])

struct cache {
    struct hand *owner;       /* NULL: in the list of free caches; registry lock */
    unsigned first_top;       /* its tops in the hand begin there: 0; of batches SIZE_BATCH */
    struct cache *batches;    /* the owner's other cache; NULL: none yet, or it is this one */
    struct cache *next;       /* of all caches; constant */
    struct cache *next_free;  /* registry lock */
    bool is_closed;           /* the hand is closed, the tops are here */
    bool began_alone;         /* when the owner began there was no other thread; the owner's */
    _Atomic uint32_t inside;  /* 1: the owner is; the owner's */
    _Atomic uint32_t claimed; /* 1: a reclaimer is at it; the reclaimer's */
    uint32_t entries;         /* the owner came in so often; the owner's */
    uint32_t entries_alone;   /* of these while there was no other thread; reclaim.c */
    uint32_t idle_ticks;      /* of the reclaimer, seen unchanged */
    uint64_t seen;            /* what it looked like then */
    size_t room_bytes;        /* C1: of all its magazines; the owner's */
    uint64_t adapt_ns;        /* when the next look of cache_adapt is due; the owner's */
    uint32_t turns[SIZE_MAGAZINE_END]; /* empty or full magazines met since the last; the owner's */
    void **last_tops[SIZE_MAGAZINE_END];               /* as the last look left them; the owner's */
    struct cache_other other;                          /* of its owners; the owner's */
    void **tops[SIZE_MAGAZINE_END];                    /* while closed; the owner's */
    struct magazine *loaded[SIZE_MAGAZINE_END];        /* NULL: none yet; the owner's */
    struct magazine *previous[SIZE_MAGAZINE_END];      /* NULL, empty or full, or behind batches
                                                        * anything; the owner's */
    int thread_id;                                     /* of the owner */
    _Atomic uint64_t calls;                            /* to the heap's slow paths; the owner's */
    struct cache_own_counts counts[SIZE_MAGAZINE_END]; /* the owner's */
    struct batch_allowance allowance;                  /* of batches; the owner's */
};

/* The magazines of one thread grow until they have room for so many bytes in all. */
enum { CACHE_ROOM_BYTES = 3 * 1024 * 1024 };

/* All caches: none is ever destroyed, new ones come first. */
struct cache_registry {
    struct lock lock;
    struct cache *all;
    struct cache *free;
    struct cache_other other; /* of threads without a cache */
    uint64_t ended;           /* threads; registry lock, as the next */
    uint64_t ended_calls;     /* theirs */
    bool closed;              /* new hands stay closed; set while one thread runs */
    void (*transfer)(void);
};
extern struct cache_registry cache_registry;

/* What threads did that have no cache: in their first call, and after their end. */
extern struct cache_own_counts cache_loose_counts[SIZE_MAGAZINE_END];

static inline void ***cache_tops(struct cache *cache)
{
    return cache->is_closed ? cache->tops : cache->owner->top + cache->first_top;
}

/* A magazine that may be NULL becomes one of the cache's, or stops to be. */
static inline void cache_gain(struct cache *cache, const struct magazine *magazine)
{
    cache->room_bytes += magazine != NULL ? magazine_room_bytes(magazine) : 0;
}

static inline void cache_lose(struct cache *cache, const struct magazine *magazine)
{
    cache->room_bytes -= magazine != NULL ? magazine_room_bytes(magazine) : 0;
}

/* -- what the owner does among its magazines -------------------------------------------------- */

/* The calling thread comes to its magazines, or waits until a reclaimer is done with them. NULL: it
 * has none. */
struct cache *cache_come_in(void);
void cache_go_out(struct cache *cache);

/* The same for one of its caches, which it has. */
void cache_come_to(struct cache *cache);

/* A cache for the calling thread, with nothing in it. NULL: there is no memory. */
struct cache *cache_get(unsigned first_top);

/* cache_alloc's search for rounds, for a loaded magazine that is empty in a closed class; the
 * caller has come to the cache. False: there are none. */
bool cache_refill(struct cache *cache, unsigned class);
bool cache_refill_from_kept(struct cache *cache, unsigned class);

/* Closes one class while its magazines move, and counts the loaded one: a signal handler of this
 * thread finds no round in between; its call comes to the door, which knows better. */
void cache_close_class(struct cache *cache, unsigned class);
void cache_open_class(struct cache *cache, unsigned class);

/* The magazine, which may be NULL, goes to the depot when it is worth it, so that a thread ends
 * quickly; otherwise its rounds go to the slabs. The caller has said so: cache_transfer. */
void cache_leave(struct magazine *magazine);

/* Both magazines of a class leave. The caller has said so. */
void cache_flush_class(struct cache *cache, unsigned class);

/* The calling thread came to a slow path of the heap. */
static inline void cache_count_call(void)
{
    if (hand.cache != NULL)
        cache_count(&hand.cache->calls, 1);
}

/* One block of the class, or none, without the hot path. */
static inline void cache_count_taken(unsigned class, unsigned blocks)
{
    struct cache *cache = hand.cache;
    if (MP_LIKELY(cache != NULL))
        cache_count(&cache->counts[class].taken, blocks);
    else
        atomic_fetch_add_explicit(&cache_loose_counts[class].taken, blocks, memory_order_relaxed);
}

static inline void cache_count_given(unsigned class)
{
    struct cache *cache = hand.cache;
    if (MP_LIKELY(cache != NULL))
        cache_count(&cache->counts[class].given, 1);
    else
        atomic_fetch_add_explicit(&cache_loose_counts[class].given, 1, memory_order_relaxed);
}

/* The loaded magazine of a class, in which the hot path left so many rounds. */
static inline void cache_settle(struct cache *cache, struct magazine *loaded, uint32_t rounds)
{
    unsigned class = loaded->class;
    struct cache_own_counts *counts = &cache->counts[class];
    if (rounds < loaded->rounds)
        cache_count(&counts->taken, loaded->rounds - rounds);
    else
        cache_count(&counts->given, rounds - loaded->rounds);
    if (MP_UNLIKELY(cache->first_top == SIZE_BATCH))
        batch_count(&cache->allowance, class, loaded->rounds - rounds);
    loaded->rounds = rounds;
}

/* Its counts become a part of those that ended. Registry lock, or nobody else is there. */
void cache_retire_counts(struct cache *cache);

/* -- what others do with a cache -------------------------------------------------------------- */

/* The first of them; the others follow by `next`. */
struct cache *cache_first(void);

/* Calls `look` while the owner cannot end, when there is one and it is not the caller. */
bool cache_look(struct cache *cache, void (*look)(struct cache *cache));

/* The thread ended without a word, and its hand with it. */
bool cache_is_lost(const struct cache *cache);

/* Objects of the class in its magazines, approximately; medium blocks, added up. */
size_t cache_rounds_of(struct cache *cache, unsigned class);
/* How many more it has than its owner's last slow call left there, approximately. */
ptrdiff_t cache_moved(struct cache *cache, unsigned class);
struct large_stats;
void cache_add_medium(struct cache *cache, struct large_stats *stats);

/* Somebody wants to hear of every move between threads, from the thread that gives. */
bool cache_is_watched(void);

#endif
