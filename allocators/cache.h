/* cache.h - what a thread keeps to itself: its hand of magazine tops, and the cache behind it.
 *
 * The hand is all that the hot path sees: one top per control byte. A hand is closed where a call
 * must take the slow door: the top then points into a fake magazine that is empty and full at the
 * same time. It is closed for control codes, for classes without a magazine, before a thread is
 * known and after it died, and altogether while every call is to be seen (tracing, checking,
 * another heap). */
#ifndef MPRESS_CACHE_H
#define MPRESS_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/magazine.h"
#include "allocators/size_class.h"

enum cache_state {
    CACHE_UNBORN, /* the thread has not been here yet */
    CACHE_SEEN,   /* it was here once: served without a cache. The next call gets it one */
    CACHE_ALIVE,
    CACHE_DEAD, /* it flushed its magazines and gets no new ones */
};

struct arena;
struct cache; /* the cold part; in our own memory */

/* Blocks taken from another heap, less those given back. */
struct cache_other {
    _Atomic size_t bytes, blocks;
};

/* The hot part, in static TLS. */
struct hand {
    void **top[256];           /* by control byte */
    struct cache *cache;       /* NULL unless alive */
    struct cache_other *other; /* its counts; NULL with it */
    uint32_t state;            /* enum cache_state */
    uint32_t inside;     /* the thread is in the slow door: a signal handler must not follow */
    uint32_t refilled;   /* rounds that the last cache_alloc had to load; 0: it had some */
    bool is_open;        /* alive, and nobody wants to see every call */
    struct arena *arena; /* where small blocks come from (arena.h); NULL: from the magazines */
};
_Static_assert(sizeof(struct hand) <= 3 * 1024, "static TLS is scarce");

extern _Thread_local struct hand hand __attribute__((tls_model("initial-exec")));

/* The calling thread gets a cache at its second call (unless it is dead or there is no memory): a
 * lone call can be the last breath of a thread whose destructors have all run. True: it is new. */
bool cache_attach(void);

/* Returns everything to depot and slabs; the thread is dead afterwards. */
void cache_detach(void);

/* The calling thread is none of the program's: it never gets a cache, its hand is closed. */
void cache_refuse(void);

/* From now on every call of every thread takes the slow door, which still uses the magazines.
 * Call it while one thread runs. */
void cache_close_hands(void);

/* The same for the calling thread alone, and back. */
void cache_shut_hand(void);
void cache_open_hand(void);

/* Called before a thread gives objects to structures that others take from, and after it took some
 * from there. One observer, or NULL. It hears of every arrival, but not of all gifts: what
 * reclaim.c takes from an idle thread is not announced. */
void cache_on_transfer(void (*transfer)(void));

/* Announces such a transfer of the calling thread. */
void cache_transfer(void);

/* One object; NULL: there is no memory. Any thread, alive or not. */
void *cache_alloc(unsigned class);
void cache_free(unsigned class, void *p);

/* One that threads keep; NULL: there is none. */
void *cache_alloc_kept(unsigned class);

/* A medium block of this length and alignment from the thread's own magazine, as the program left
 * it; NULL: there is none. (What is freed goes there by cache_free with SIZE_CLASS_MEDIUM.) */
void *cache_alloc_medium(size_t bytes, size_t alignment);

/* Gives rounds of a class to where they came from: slabs, or the unit heap. */
void cache_give(unsigned class, void *const *rounds, unsigned count);

/* Objects of the class in the magazines of all threads, approximately. */
size_t cache_rounds(unsigned class);

/* Shows every round in the magazines of all threads. Without locks: the others stand still. */
void cache_visit_rounds(void (*visit)(void *p));

/* Counts blocks that this thread took from another heap (negative: gave back), and the sums of all
 * threads, gone ones included. */
void cache_count_other(ptrdiff_t bytes, int blocks);

/* The same for a thread with a cache; false: it has none. */
static inline bool cache_count_own_other(ptrdiff_t bytes, int blocks)
{
    struct cache_other *other = hand.other;
    if (MP_UNLIKELY(other == NULL))
        return false;
    size_t all_bytes = atomic_load_explicit(&other->bytes, memory_order_relaxed);
    size_t all_blocks = atomic_load_explicit(&other->blocks, memory_order_relaxed);
    /* one thread writes them */
    atomic_store_explicit(&other->bytes, all_bytes + (size_t)bytes, memory_order_relaxed);
    atomic_store_explicit(&other->blocks, all_blocks + (size_t)blocks, memory_order_relaxed);
    return true;
}
void cache_read_other(size_t *bytes, size_t *blocks);

/* What threads did with the objects of a class, medium blocks included. Each counts for itself, in
 * its slow paths: between two of them only the difference of what it took and gave is seen. So
 * taken and given are least numbers, exact where every call takes them (MPRESS_CHECK);
 * taken - given is exact up to 32 KiB. Calls of threads without a cache (the first, those after its
 * end) are counted with those that ended. */
struct cache_counts {
    uint64_t taken;   /* objects, at least */
    uint64_t given;   /* the same */
    uint64_t refills; /* allocations that met an empty magazine */
    uint64_t flushes; /* frees that met a full one */
};

/* Sums over all threads, those that ended included. After cache_forget_lost. */
void cache_read_counts(unsigned class, struct cache_counts *counts);

/* One thread, over all classes. */
struct cache_thread {
    int id;           /* os_thread_id; 0: those that ended, and calls without a cache */
    uint64_t threads; /* 1; or how many of them */
    uint64_t calls;   /* that came to the heap's slow paths */
    struct cache_counts counts;
    size_t cached_objects; /* in its magazines, approximately */
    size_t cached_bytes;
};

/* Number 0: those that ended; 1..: those that have a cache, the oldest cache first. False: there
 * are not so many. */
bool cache_read_thread(size_t number, struct cache_thread *thread);

/* Medium blocks in the magazines of all threads, approximately. */
struct large_stats;
void cache_read_medium(struct large_stats *stats);

/* Forgets caches whose thread ended without cache_detach (its first calls came in its very last
 * destructors), as far as its memory is gone. Before a look at all threads. */
void cache_forget_lost(void);

/* The magazines of this thread go back to depot and slabs; it stays alive. */
void cache_flush(void);

/* Four times a second: gives back what the calling thread's magazines held needlessly of late. */
void cache_adapt(uint64_t now_ns);

/* Recounts (C1 of README.md) while nothing else runs. */
void cache_audit(void);

/* In the child of a fork: what vanished threads kept goes back to the slabs. */
void cache_fork_child(void);

#endif
