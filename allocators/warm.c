/* warm.c - slots of one word each. A fork may cut between two of them, never inside one: the child
 * finds every run in one slot, or with the thread that vanished while it had it. */
#include "allocators/warm.h"

#include <stdatomic.h>

#include "allocators/base/check.h"
#include "allocators/space.h"

struct slot {
    _Atomic uint64_t run;      /* first unit << 32 | units; 0: empty */
    _Atomic uint64_t since_ns; /* written before the run; two that fill a slot at once differ by
                                * nothing that matters */
};

static struct {
    struct slot slots[WARM_SLOTS];
    _Atomic size_t hits, misses;
} warm;

static struct warm_run unpack(uint64_t run, uint64_t since_ns)
{
    return (struct warm_run){(uint32_t)(run >> 32), (uint32_t)run, since_ns};
}

/* Takes what the slot was seen to hold; acquire: pairs with the release in fill. */
static bool empty_slot(struct slot *slot, uint64_t run)
{
    return atomic_compare_exchange_strong_explicit(&slot->run, &run, 0, memory_order_acquire,
                                                   memory_order_relaxed);
}

static bool fill_slot(struct slot *slot, uint64_t run, uint64_t since_ns)
{
    uint64_t empty = 0;
    if (atomic_load_explicit(&slot->run, memory_order_relaxed) != 0)
        return false;
    atomic_store_explicit(&slot->since_ns, since_ns, memory_order_relaxed);
    return atomic_compare_exchange_strong_explicit(&slot->run, &empty, run, memory_order_release,
                                                   memory_order_relaxed);
}

/* A lost increment does not matter. */
static void count(_Atomic size_t *counter)
{
    size_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + 1, memory_order_relaxed);
}

uint32_t warm_take(size_t units, size_t align_units)
{
    for (size_t i = 0; i < WARM_SLOTS; i++) {
        uint64_t run = atomic_load_explicit(&warm.slots[i].run, memory_order_relaxed);
        uint32_t first = (uint32_t)(run >> 32);
        if ((uint32_t)run != units || (first & (align_units - 1)) != 0)
            continue;
        if (empty_slot(&warm.slots[i], run)) {
            count(&warm.hits);
            return first;
        }
    }
    count(&warm.misses);
    return UNIT_NONE;
}

static struct slot *oldest_slot(void)
{
    struct slot *oldest = &warm.slots[0];
    for (struct slot *slot = oldest + 1; slot < warm.slots + WARM_SLOTS; slot++) {
        if (atomic_load_explicit(&slot->since_ns, memory_order_relaxed) <
            atomic_load_explicit(&oldest->since_ns, memory_order_relaxed))
            oldest = slot;
    }
    return oldest;
}

static uint64_t pack(struct warm_run run)
{
    MP_ASSERT(run.units > 0);
    return (uint64_t)run.first << 32 | run.units;
}

bool warm_try_put(struct warm_run run)
{
    for (size_t i = 0; i < WARM_SLOTS; i++) {
        if (fill_slot(&warm.slots[i], pack(run), run.since_ns))
            return true;
    }
    return false;
}

struct warm_run warm_put(struct warm_run run)
{
    if (warm_try_put(run))
        return (struct warm_run){0};
    struct slot *slot = oldest_slot();
    uint64_t since_ns =
        atomic_exchange_explicit(&slot->since_ns, run.since_ns, memory_order_relaxed);
    return unpack(atomic_exchange_explicit(&slot->run, pack(run), memory_order_acq_rel), since_ns);
}

struct warm_run warm_take_older(uint64_t before_ns)
{
    for (struct slot *slot = warm.slots; slot < warm.slots + WARM_SLOTS; slot++) {
        uint64_t run = atomic_load_explicit(&slot->run, memory_order_relaxed);
        uint64_t since_ns = atomic_load_explicit(&slot->since_ns, memory_order_relaxed);
        if (run != 0 && since_ns <= before_ns && empty_slot(slot, run))
            return unpack(run, since_ns);
    }
    return (struct warm_run){0};
}

void warm_read_stats(struct warm_stats *stats)
{
    stats->runs = stats->units = stats->longest = 0;
    for (size_t i = 0; i < WARM_SLOTS; i++) {
        uint64_t run = atomic_load_explicit(&warm.slots[i].run, memory_order_relaxed);
        stats->runs += run != 0;
        stats->units += (uint32_t)run;
        if ((uint32_t)run > stats->longest)
            stats->longest = (uint32_t)run;
    }
    stats->hits = atomic_load_explicit(&warm.hits, memory_order_relaxed);
    stats->misses = atomic_load_explicit(&warm.misses, memory_order_relaxed);
}

MP_RARE void warm_visit(void (*visit)(void *p))
{
    for (size_t i = 0; i < WARM_SLOTS; i++) {
        uint64_t run = atomic_load_explicit(&warm.slots[i].run, memory_order_relaxed);
        if (run != 0)
            visit(space_address((size_t)(run >> 32)));
    }
}
