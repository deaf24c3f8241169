/* strategy.c - see strategy.h. */
#include "allocators/strategy.h"

struct strategy strategy;

void strategy_set(bool lazy, bool pooling)
{
    atomic_store_explicit(&strategy.is_eager, !lazy, memory_order_relaxed);
    atomic_store_explicit(&strategy.is_bare, !pooling, memory_order_relaxed);
}

void strategy_note_uncleared(size_t bytes)
{
    if (strategy_is_eager())
        return;
    atomic_fetch_add_explicit(&strategy.uncleared_blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&strategy.uncleared_bytes, bytes, memory_order_relaxed);
}
