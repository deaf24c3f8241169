/* lock.h - a lock of one word: spins a little, then sleeps in the kernel.
 *
 * Locks have ranks: a thread takes them in rising order only (checked when MP_DEBUG is on). No lock
 * is held across fork: the child finds out with lock_reset which structures were cut in the middle
 * of a change and rebuilds those. */
#ifndef MPRESS_BASE_LOCK_H
#define MPRESS_BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/check.h"

/* In the order in which one thread may take them. */
enum lock_rank {
    /* The tracer calls nothing of the heap under its locks, and the heap calls the tracer under
     * none; but a signal handler that interrupts the tracer may allocate: hence the tracer's first.
     */
    LOCK_RANK_TRACE_STACKS = 1,
    LOCK_RANK_TRACE_RULES,
    LOCK_RANK_TRACE_MODULES,
    LOCK_RANK_TRACE_INFO,
    LOCK_RANK_TRACE_LANES,
    LOCK_RANK_TRACE_FILE,
    LOCK_RANK_TRACE_WINDOW,
    LOCK_RANK_SCAVENGE, /* whoever gives memory back holds it all the while */
    LOCK_RANK_DEPOT,
    LOCK_RANK_CLASS,
    LOCK_RANK_MIXED,
    LOCK_RANK_HUGE,
    LOCK_RANK_UNIT,
    LOCK_RANK_REGISTRY,
    LOCK_RANK_TXNS,
    LOCK_RANK_TXN_NAMES,
    LOCK_RANK_TXN_QUARANTINE,
    LOCK_RANK_META,
    LOCK_RANK_MAPPED, /* nothing is called under these two */
    LOCK_RANK_SUBSCRIBERS,
};

struct lock {
    _Atomic uint32_t word; /* 0 free; 1 held; 2 held and somebody may sleep */
    uint32_t rank;         /* enum lock_rank; constant */
};

/* All zero where ranks are not checked. */
#define LOCK_INIT(rank_)                                                                           \
    {                                                                                              \
        .word = 0, .rank = MP_DEBUG >= 1 ? (rank_) : 0                                             \
    }

/* For a lock in memory that reads as zero, which no page is spent on where ranks are not checked.
 */
static inline void lock_set_rank(struct lock *lock, enum lock_rank rank)
{
    if (MP_DEBUG >= 1)
        lock->rank = rank;
}

/* The slow half of lock_take. */
void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

/* Debug bookkeeping of what this thread holds. */
void lock_note_taken(const struct lock *lock);
void lock_note_dropped(const struct lock *lock);

static inline void lock_take(struct lock *lock)
{
    uint32_t expected = 0;
    /* acquire: pairs with the release in lock_drop */
    if (MP_UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &lock->word, &expected, 1, memory_order_acquire, memory_order_relaxed)))
        lock_wait(lock);
    if (MP_DEBUG >= 1)
        lock_note_taken(lock);
}

static inline bool lock_try(struct lock *lock)
{
    uint32_t expected = 0;
    bool taken = atomic_compare_exchange_strong_explicit(
        &lock->word, &expected, 1, memory_order_acquire, memory_order_relaxed);
    if (MP_DEBUG >= 1 && taken)
        lock_note_taken(lock);
    return taken;
}

static inline void lock_drop(struct lock *lock)
{
    if (MP_DEBUG >= 1)
        lock_note_dropped(lock);
    /* release: pairs with the acquire in lock_take */
    if (MP_UNLIKELY(atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2))
        lock_wake(lock);
}

/* Somebody holds it; for assertions (the holder is meant to be the caller). */
static inline bool lock_is_held(const struct lock *lock)
{
    return atomic_load_explicit(&lock->word, memory_order_relaxed) != 0;
}

/* In the child of a fork: frees the lock; true when its owner vanished while holding it. */
static inline bool lock_reset(struct lock *lock)
{
    return atomic_exchange_explicit(&lock->word, 0, memory_order_relaxed) != 0;
}

/* What this thread stored before is seen before what it stores behind: by other processors, and by
 * the child of a fork. x86-64 keeps stores in order by itself; the thread sanitizer knows no fence.
 */
static inline void lock_fence_stores(void)
{
#if defined(__x86_64__) || defined(__SANITIZE_THREAD__)
    atomic_signal_fence(memory_order_release);
#else
    atomic_thread_fence(memory_order_release);
#endif
}

/* In the child of a fork, first of all: the surviving thread holds nothing. */
void lock_forget_all(void);

#endif
