/* timed.c - see timed.h. */
#include "preload/timed.h"

#include <stdatomic.h>

#include "allocators/base/os.h"
#include "preload/budget_slot.h"
#include "preload/hot.h"

enum { CLOCK_TRIES = 32 };

_Thread_local __attribute__((tls_model("initial-exec"))) struct timed_left timed_left;

static _Thread_local __attribute__((tls_model("initial-exec"))) uint64_t drawn; /* 0: never */

static _Atomic uint64_t clock_ns; /* what two looks take at best; 0: not measured */

/* Marsaglia 2003: xorshift64. 1 to 127 calls further; the one that is due is not counted any more.
 */
static uint32_t draw(void)
{
    if (MP_UNLIKELY(drawn == 0))
        drawn = (os_time_ns() ^ (uintptr_t)&timed_left) | 1;
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    drawn ^= drawn << 17;
    return (uint32_t)((drawn >> 32) % (2 * TIMED_ONE_IN - 1));
}

/* What the program has begun is done before, and what is timed begins behind it. */
static inline uint64_t begin(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    uint64_t ns = os_time_ns();
    atomic_thread_fence(memory_order_seq_cst);
    return ns;
}

/* Not before what was timed is done: most of a look at the clock would go on at the same time. */
static inline uint64_t end(uint64_t begun_ns)
{
    atomic_thread_fence(memory_order_seq_cst);
    return os_time_ns() - begun_ns;
}

static __attribute__((noinline, cold)) uint64_t measure_clock(void)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < CLOCK_TRIES; i++) {
        uint64_t begun_ns = begin();
        uint64_t ns = end(begun_ns);
        least = ns < least ? ns : least;
    }
    atomic_store_explicit(&clock_ns, least, memory_order_relaxed);
    return least;
}

static inline void note(struct budget_histogram *histogram, uint64_t ns)
{
    uint64_t clock = atomic_load_explicit(&clock_ns, memory_order_relaxed);
    if (MP_UNLIKELY(clock == 0))
        clock = measure_clock();
    budget_note_ns(histogram, ns > clock ? ns - clock : 0);
}

/* `call` by the clock; counted where it was served. */
#define TIME(count, histogram, type, call)                                                         \
    uint64_t begun_ns = begin();                                                                   \
    type served = (call);                                                                          \
    uint64_t ns = end(begun_ns);                                                                   \
    timed_left.count = draw();                                                                     \
    if (MP_LIKELY(served))                                                                         \
        note(&budget_slot->histogram, ns);                                                         \
    return served

void *timed_alloc(size_t bytes)
{
    TIME(allocs, fast, void *, heap_alloc_fast(bytes));
}

void *timed_alloc_medium(size_t bytes)
{
    TIME(allocs, fast, void *, heap_alloc_medium(bytes, 1));
}

void *timed_alloc_zeroed(size_t bytes)
{
    TIME(allocs, fast, void *, hot_pop_zeroed(bytes));
}

bool timed_free(void *p)
{
    TIME(frees, freed, bool, heap_free_fast(p));
}
