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
 * Everything else (another lane, another address with the same cell, a life older than the trace)
 * counts as foreign and costs an epoch. What is left of an earlier trace or of a parent process can
 * only be found by deaths of lives that were not recorded: these end nobody's life here. */
#ifndef MPRESS_TRACER_BIRTHS_H
#define MPRESS_TRACER_BIRTHS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    BIRTHS_BITS = 16,      /* 512 KiB: cells of short lives stay in the second-level cache */
    BIRTHS_LANE_BITS = 20, /* lanes above are foreign to themselves, as are addresses above 2^47 */
    BIRTHS_PAGE_SHIFT = 8, /* units */
};

/* units << BIRTHS_LANE_BITS | lane; 0: nothing. Any thread, relaxed. */
extern _Atomic uint64_t births[1 << BIRTHS_BITS];

/* Neighbours share cache lines, as they mostly share a thread. */
static inline _Atomic uint64_t *births_cell(uint64_t units)
{
    uint64_t page = (units >> BIRTHS_PAGE_SHIFT) * UINT64_C(0x9E3779B97F4A7C15);
    return &births[(units ^ page >> (64 - BIRTHS_BITS)) & ((1U << BIRTHS_BITS) - 1)];
}

static inline uint64_t births_value(uint64_t units, uint32_t lane)
{
    bool fits = (units >> (64 - BIRTHS_LANE_BITS) | lane >> BIRTHS_LANE_BITS) == 0;
    return fits ? units << BIRTHS_LANE_BITS | lane : 0;
}

static inline void births_note(uint64_t units, uint32_t lane)
{
    atomic_store_explicit(births_cell(units), births_value(units, lane), memory_order_relaxed);
}

static inline bool births_is_own(uint64_t units, uint32_t lane)
{
    uint64_t own = births_value(units, lane);
    return own != 0 && atomic_load_explicit(births_cell(units), memory_order_relaxed) == own;
}

#endif
