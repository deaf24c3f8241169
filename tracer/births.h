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

#include "allocators/base/check.h"

enum {
    BIRTHS_BITS = 16, /* 512 KiB: cells of short lives stay in the second-level cache */
    BIRTHS_UNITS_BITS = 44,
    BIRTHS_LANES = 1 << (64 - BIRTHS_UNITS_BITS), /* those created later are nobody */
    BIRTHS_PAGE_SHIFT = 8,                        /* units */
    BIRTHS_SPREAD = 40503, /* 2^16 over the golden ratio, odd (Knuth, TAOCP 3, 6.4) */
};
#define BIRTHS_NOBODY UINT64_C(0)

/* Owner of the lane | units; 0: nothing. Any thread, relaxed. */
extern _Atomic uint64_t births[1 << BIRTHS_BITS];

/* Of the lane with this number, from 1 on, among those of all traces. */
static inline uint64_t births_owner(uint32_t identity)
{
    return identity < BIRTHS_LANES ? (uint64_t)identity << BIRTHS_UNITS_BITS : BIRTHS_NOBODY;
}

/* Neighbours share cache lines, as they mostly share a thread. The pages of a heap of 1 MiB lie
 * side by side, those of a larger one evenly over each other. */
static inline _Atomic uint64_t *births_cell(uint64_t units)
{
    uint32_t spread = (uint32_t)(units >> BIRTHS_PAGE_SHIFT) * BIRTHS_SPREAD;
    return &births[((uint32_t)units + spread) & ((1U << BIRTHS_BITS) - 1)];
}

/* An address above 2^47 has no room. */
static inline bool births_fit(uint64_t units)
{
    return units >> BIRTHS_UNITS_BITS == 0;
}

static inline void births_note(uint64_t units, uint64_t owner)
{
    bool is_known = owner != BIRTHS_NOBODY && births_fit(units);
    atomic_store_explicit(births_cell(units), is_known ? owner | units : 0, memory_order_relaxed);
}

static inline bool births_is_own(uint64_t units, uint64_t owner)
{
    uint64_t noted = atomic_load_explicit(births_cell(units), memory_order_relaxed);
    return owner != BIRTHS_NOBODY && births_fit(units) && noted == (owner | units);
}

/* The same two for an owner who is not nobody and an address that fits. */
static inline void births_note_plain(uint64_t units, uint64_t owner)
{
    MP_ASSERT(owner != BIRTHS_NOBODY && births_fit(units));
    atomic_store_explicit(births_cell(units), owner | units, memory_order_relaxed);
}

static inline bool births_is_own_plain(uint64_t units, uint64_t owner)
{
    MP_ASSERT(owner != BIRTHS_NOBODY && births_fit(units));
    return atomic_load_explicit(births_cell(units), memory_order_relaxed) == (owner | units);
}

#endif
