/* births.h - which lane recorded the last birth at an address: most deaths then need no epoch
 * (format.h, ORDER).
 *
 * A table of fixed size, without a lock. A birth writes its address and its lane into the cell of
 * the address, whatever is there; a death reads it. What it finds is its own address and its own
 * lane only if the life that ends was born in this lane:
 *
 *   The birth of that life happened before the death, so the death reads what it wrote or what was
 *   written later. Of later writes those of other addresses differ, and the next birth at this
 *   address happens after the death: it is not read.
 *
 * Everything else (another lane, another address with the same cell, a birth that was not written
 * down) counts as foreign and costs an epoch. No two lanes of a process have one identity, nor do
 * those of its parent: what an earlier trace left means nobody. */
#ifndef MPRESS_TRACER_BIRTHS_H
#define MPRESS_TRACER_BIRTHS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    BIRTHS_BITS = 16, /* 512 KiB: cells of short lives stay in the second-level cache */
    BIRTHS_LANE_BITS = 20,
    BIRTHS_LANES = 1 << BIRTHS_LANE_BITS, /* those created later are nobody */
    BIRTHS_NOBODY = 0,
    BIRTHS_PAGE_SHIFT = 8, /* units */
};

/* units << BIRTHS_LANE_BITS | identity of the lane; 0: nothing. Any thread, relaxed. */
extern _Atomic uint64_t births[1 << BIRTHS_BITS];

/* Neighbours share cache lines, as they mostly share a thread. */
static inline _Atomic uint64_t *births_cell(uint64_t units)
{
    uint64_t page = (units >> BIRTHS_PAGE_SHIFT) * UINT64_C(0x9E3779B97F4A7C15);
    return &births[(units ^ page >> (64 - BIRTHS_BITS)) & ((1U << BIRTHS_BITS) - 1)];
}

/* Nothing for an address above 2^47, which has no room. */
static inline uint64_t births_value(uint64_t units, uint32_t identity)
{
    return units >> (64 - BIRTHS_LANE_BITS) == 0 ? units << BIRTHS_LANE_BITS | identity : 0;
}

static inline void births_note(uint64_t units, uint32_t identity)
{
    atomic_store_explicit(births_cell(units), births_value(units, identity), memory_order_relaxed);
}

static inline bool births_is_own(uint64_t units, uint32_t identity)
{
    uint64_t own = births_value(units, identity);
    return own % BIRTHS_LANES != BIRTHS_NOBODY &&
           atomic_load_explicit(births_cell(units), memory_order_relaxed) == own;
}

#endif
