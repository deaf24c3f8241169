/* scavenge.c - the tick: units that were dirty for the decay time, idle pages of mixed zones,
 * magazines nobody asked for. */
#include "allocators/scavenge.h"

#include <stdatomic.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "allocators/cache.h"
#include "allocators/cold/cold.h"
#include "allocators/cold/swap.h"
#include "allocators/depot.h"
#include "allocators/huge.h"
#include "allocators/huge_warm.h"
#include "allocators/mixed.h"
#include "allocators/pressure/outlook.h"
#include "allocators/reclaim.h"
#include "allocators/slab.h"
#include "allocators/txn_chunk.h"
#include "allocators/unit.h"

#define MS UINT64_C(1000000)

enum {
    PASSES_PER_LOOK = 16, /* a slow call in so many looks at the clock */
    /* Given back by one pass: bounds its pause. The helper has time. */
    PASS_BYTES = 8 * 1024 * 1024,
    HELPER_BYTES = 256 * 1024 * 1024,
    /* Resident bytes from which on there is a helper; less where the program has threads of its
     * own, which keep more and have no objection to one more. */
    LARGE_BYTES = 64 * 1024 * 1024,
    LARGE_BYTES_WITH_THREADS = 16 * 1024 * 1024,
};

static const uint64_t TICK_NS = 50 * MS;
static const uint64_t WATCH_NS = 5 * MS; /* a tick until there is a helper: a heap grows fast */
static const uint64_t SLOW_TICK_NS = 250 * MS;
static const uint64_t NAP_NS = 100 * MS; /* the helper's first; doubles up to the longest */
static const uint64_t LONGEST_NAP_NS = 200 * MS;
static const uint64_t PATIENCE_NS = 3000 * MS; /* with nothing to do, then it ends */

static struct {
    _Atomic uint64_t due_ns;
    struct lock lock;        /* of whoever is at it */
    uint64_t depot_due_ns;   /* lock */
    uint64_t reclaim_due_ns; /* lock; of its own, as passers-by do the other one */
    _Atomic size_t given_bytes;
    /* The helper. */
    bool background;         /* it may be started; cleared when the system refuses */
    _Atomic bool is_kept;    /* it always runs */
    int process_id;          /* whose it is: the child of a vfork must not start it for us */
    _Atomic uint32_t alive;  /* cleared by the kernel */
    _Atomic uint32_t calls;  /* by passers-by: wakes it from a long nap */
    _Atomic bool is_napping; /* longer than NAP_NS */
    void *memory;
    _Atomic uint32_t helper_id;
    void (*_Atomic on_nap)(void);
    _Atomic uint32_t forbidders; /* while there are some it ends, and none is started */
} scavenger = {.lock = LOCK_INIT(LOCK_RANK_SCAVENGE)};

static _Thread_local uint32_t passes __attribute__((tls_model("initial-exec")));

/* -- the work --------------------------------------------------------------------------------- */

bool scavenge_has_helper(void)
{
    return atomic_load_explicit(&scavenger.alive, memory_order_acquire) != 0;
}

static void reclaim(void)
{
    reclaim_tick();
}

/* What is freed by it lay unused for so long already. */
static void do_slowly(void (*tick)(void), uint64_t now, uint64_t *due_ns)
{
    if (now < *due_ns)
        return;
    *due_ns = now + SLOW_TICK_NS;
    unit_set_unused(SLOW_TICK_NS);
    tick();
    unit_set_unused(0);
}

/* Bytes given back to the system. */
static size_t scavenge(uint64_t now, size_t most_bytes, bool is_helper)
{
    bool is_watched = scavenger.background && !scavenge_has_helper();
    atomic_store_explicit(&scavenger.due_ns, now + (is_watched ? WATCH_NS : TICK_NS),
                          memory_order_relaxed);
    txn_chunk_put_back();
    outlook_tick(now);
    cold_tick(now);
    cold_swap_go_on();
    do_slowly(depot_tick, now, &scavenger.depot_due_ns);
    if (is_helper) /* takes system calls that a sandbox may not have allowed */
        do_slowly(reclaim, now, &scavenger.reclaim_due_ns);
    size_t bytes = huge_tick(now, most_bytes);
    if (bytes < most_bytes)
        bytes += unit_tick(now, most_bytes - bytes);
    if (bytes < most_bytes)
        bytes += slab_tick(now, most_bytes - bytes);
    if (bytes < most_bytes)
        bytes += mixed_tick(now, most_bytes - bytes);
    atomic_fetch_add_explicit(&scavenger.given_bytes, bytes, memory_order_relaxed);
    return bytes;
}

/* -- the helper ------------------------------------------------------------------------------- */

static void nap(uint64_t ns)
{
    /* acquire: pairs with the release in call_helper */
    uint32_t calls = atomic_load_explicit(&scavenger.calls, memory_order_acquire);
    atomic_store_explicit(&scavenger.is_napping, ns > NAP_NS, memory_order_relaxed);
    os_wait_for(&scavenger.calls, calls, ns);
}

static size_t help_once(void)
{
    if (!lock_try(&scavenger.lock))
        return 0;
    size_t bytes = scavenge(os_time_coarse_ns(), HELPER_BYTES, true);
    lock_drop(&scavenger.lock);
    return bytes;
}

static void call_on_nap(void)
{
    /* acquire: pairs with the release in scavenge_on_nap */
    void (*function)(void) = atomic_load_explicit(&scavenger.on_nap, memory_order_acquire);
    if (function != NULL)
        function();
}

static bool has_dirty_bytes(void)
{
    struct unit_stats stats;
    unit_read_stats(&stats);
    return stats.dirty_bytes + huge_warm_bytes() > 0;
}

static bool is_forbidden(void)
{
    /* acquire: pairs with the release in scavenge_allow_helper */
    return atomic_load_explicit(&scavenger.forbidders, memory_order_acquire) != 0;
}

static bool is_kept(void)
{
    return atomic_load_explicit(&scavenger.is_kept, memory_order_relaxed);
}

static void help(void)
{
    uint64_t idle_ns = 0, ns = NAP_NS;
    lock_forget_all(); /* in a child, the memory is that of a helper which the fork cut */
    atomic_store_explicit(&scavenger.helper_id, (uint32_t)os_thread_id(), memory_order_relaxed);
    cache_refuse();
    while (!is_forbidden() && (is_kept() || idle_ns < PATIENCE_NS || has_dirty_bytes())) {
        uint32_t calls = atomic_load_explicit(&scavenger.calls, memory_order_relaxed);
        nap(ns);
        call_on_nap();
        idle_ns += ns;
        ns = ns < LONGEST_NAP_NS ? 2 * ns : ns;
        if (help_once() > 0 ||
            calls != atomic_load_explicit(&scavenger.calls, memory_order_relaxed)) {
            ns = NAP_NS;
            idle_ns = 0;
        }
    }
}

static bool is_large(void)
{
    bool has_threads = *os_single_thread_mark() == 0;
    return is_kept() ||
           unit_resident_bytes() > (has_threads ? LARGE_BYTES_WITH_THREADS : LARGE_BYTES);
}

bool scavenge_is_in_own_process(void)
{
    return os_process_id() == scavenger.process_id;
}

static void start_helper(void)
{
    if (!scavenge_is_in_own_process() || is_forbidden())
        return;
    if (os_thread_start(help, &scavenger.alive, &scavenger.memory) != 0)
        scavenger.background = false; /* a sandbox, a limit: not asked again */
}

static void wake_helper(void)
{
    atomic_store_explicit(&scavenger.is_napping, false, memory_order_relaxed);
    atomic_fetch_add_explicit(&scavenger.calls, 1, memory_order_release);
    os_wake(&scavenger.calls, 1);
}

/* Lock: nobody else starts one. */
static void call_helper(void)
{
    if (!scavenger.background || !(is_large() || huge_warm_bytes() > 0))
        return;
    if (!scavenge_has_helper()) {
        start_helper();
    } else if (atomic_load_explicit(&scavenger.is_napping, memory_order_relaxed)) {
        wake_helper();
    }
}

MP_RARE void scavenge_forbid_helper(void)
{
    atomic_fetch_add_explicit(&scavenger.forbidders, 1, memory_order_relaxed);
    if (!scavenge_is_in_own_process())
        return; /* the child of a vfork: it has no helper, and ours must not wait for it */
    lock_take(
        &scavenger.lock); /* who is starting one is done, who comes now sees it is forbidden */
    lock_drop(&scavenger.lock);
    wake_helper();
    os_thread_join(&scavenger.alive, &scavenger.helper_id);
    cold_forbid();
}

MP_RARE void scavenge_allow_helper(void)
{
    if (scavenge_is_in_own_process())
        cold_allow();
    atomic_fetch_sub_explicit(&scavenger.forbidders, 1, memory_order_release);
}

/* -- the passers-by --------------------------------------------------------------------------- */

void scavenge_on_nap(void (*function)(void))
{
    atomic_store_explicit(&scavenger.on_nap, function, memory_order_release);
}

void scavenge_keep_helper(bool is_kept)
{
    atomic_store_explicit(&scavenger.is_kept, is_kept, memory_order_relaxed);
}

bool scavenge_may_wait(void)
{
    return ++passes < PASSES_PER_LOOK;
}

void scavenge_pass(void)
{
    if (MP_UNLIKELY(txn_chunk_waits()))
        txn_chunk_put_back();
    if (MP_LIKELY(scavenge_may_wait()))
        return;
    passes = 0;
    uint64_t now = os_time_coarse_ns();
    cache_adapt(now);
    if (MP_LIKELY(now < atomic_load_explicit(&scavenger.due_ns, memory_order_relaxed)) ||
        !lock_try(&scavenger.lock))
        return;
    scavenge(now, PASS_BYTES, false);
    call_helper();
    lock_drop(&scavenger.lock);
}

void scavenge_watch(void)
{
    bool is_awake =
        scavenge_has_helper() && !atomic_load_explicit(&scavenger.is_napping, memory_order_relaxed);
    if (is_awake || !scavenger.background || !lock_try(&scavenger.lock))
        return;
    call_helper();
    lock_drop(&scavenger.lock);
}

void scavenge_hold(void)
{
    lock_take(&scavenger.lock);
}

void scavenge_release(void)
{
    lock_drop(&scavenger.lock);
}

size_t scavenge_given_bytes(void)
{
    return atomic_load_explicit(&scavenger.given_bytes, memory_order_relaxed);
}

/* -- birth and fork --------------------------------------------------------------------------- */

void scavenge_init(bool background)
{
    scavenger.background = background;
    scavenger.process_id = os_process_id();
}

void scavenge_fork_child(void)
{
    lock_reset(&scavenger.lock);
    outlook_fork_child();
    cold_swap_fork_child();
    unit_set_unused(0);
    atomic_store_explicit(&scavenger.alive, 0, memory_order_relaxed);
    atomic_store_explicit(&scavenger.forbidders, 0, memory_order_relaxed);
    scavenger.process_id = os_process_id();
}
