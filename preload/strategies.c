/* strategies.c - the functions of mpress_strategy.h. */
#include "preload/strategies.h"

#include <errno.h>
#include <string.h>

#include "allocators/cold/cold.h"
#include "allocators/heap.h"
#include "allocators/space.h"
#include "allocators/strategy.h"
#include "preload/budget_slot.h"
#include "preload/door.h"

void strategies_choose(void)
{
    bool pools = budget_allows(BUDGET_POOLING);
    bool is_new = strategy_pools() && !pools;
    strategy_set(budget_allows(BUDGET_LAZY), pools);
    if (is_new)
        door_compact();
}

static uint64_t read(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static void read_lazy(struct mpress_strategy *into)
{
    strcpy(into->name, "lazy");
    into->is_on = !strategy_is_eager();
    into->runs = atomic_load_explicit(&strategy.uncleared_blocks, memory_order_relaxed);
    into->saved = atomic_load_explicit(&strategy.uncleared_bytes, memory_order_relaxed);
}

static void read_pooling(struct mpress_strategy *into)
{
    struct heap_stats heap;
    strcpy(into->name, "pooling");
    into->is_on = strategy_pools();
    if (!door_read_stats(&heap))
        return;
    into->runs = heap.parked_hits;
    into->kept = heap.cached_bytes + heap.dirty_bytes;
}

static void read_eviction(struct mpress_strategy *into)
{
    strcpy(into->name, "eviction");
    into->is_on = budget_allows(BUDGET_EVICTION);
    into->runs = read(&budget_slot->runs[BUDGET_EVICTION]);
    into->saved = read(&budget_slot->gained[BUDGET_EVICTION]);
    into->ns = read(&budget_slot->strategy_ns[BUDGET_EVICTION]);
}

static void read_compression(struct mpress_strategy *into)
{
    struct cold_stats stats;
    strcpy(into->name, "compression");
    into->is_on = cold_is_on();
    cold_read_stats(&stats);
    into->runs = stats.packs;
    into->saved = stats.saved_bytes;
    into->kept = stats.packed_bytes;
    into->ns = stats.pack_ns + stats.return_ns;
}

bool strategies_read(size_t index, struct mpress_strategy *into)
{
    static void (*const readers[])(struct mpress_strategy *) = {read_lazy, read_pooling,
                                                                read_eviction, read_compression};
    *into = (struct mpress_strategy){.name = ""};
    if (index >= sizeof(readers) / sizeof(readers[0]))
        return false;
    readers[index](into);
    return true;
}

int mpress_strategy_read(size_t index, struct mpress_strategy *into)
{
    return strategies_read(index, into) ? 0 : ENOENT;
}

int mpress_compression_read(struct mpress_compression *into)
{
    struct cold_stats stats;
    if (!cold_is_on())
        return ENOTSUP;
    cold_read_stats(&stats);
    *into = (struct mpress_compression){
        .packed = stats.packed_units * UNIT_BYTES,
        .store = stats.packed_bytes,
        .staged = stats.staged_units * UNIT_BYTES,
        .packs = stats.packs,
        .zeros = stats.zeros,
        .unpackable = stats.unpackable,
        .returns = stats.returns,
        .unpacks = stats.unpacks,
        .return_ns = stats.return_ns,
        .pack_ns = stats.pack_ns,
    };
    return 0;
}
