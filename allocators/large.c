/* large.c - a large block is a run of units: CTL_LARGE on the first, CTL_INSIDE on the others, its
 * size in the span of the first. */
#include "allocators/large.h"

#include <stdatomic.h>
#include <stdint.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/space.h"
#include "allocators/unit.h"

/* Lives in the span of the first unit; written by whoever owns the block. */
struct large {
    size_t usable; /* bytes; a multiple of the page */
    size_t units;
};

static struct {
    _Atomic size_t blocks, bytes, units;
} large_totals;

static struct large *large_at(const void *p)
{
    return space_span(space_unit_of(p));
}

static void count(size_t blocks, size_t bytes, size_t units)
{
    atomic_fetch_add_explicit(&large_totals.blocks, blocks, memory_order_relaxed);
    atomic_fetch_add_explicit(&large_totals.bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&large_totals.units, units, memory_order_relaxed);
}

bool large_is_welcome(void)
{
    size_t units = atomic_load_explicit(&large_totals.units, memory_order_relaxed);
    return !space_is_scarce() || units < space_units_max() / 4 * 3;
}

static size_t units_for(size_t bytes)
{
    return (bytes + UNIT_BYTES - 1) >> UNIT_SHIFT;
}

void *large_alloc(size_t bytes, size_t alignment, bool *zeroed)
{
    size_t units = units_for(bytes);
    size_t align_units = alignment <= UNIT_BYTES ? 1 : alignment >> UNIT_SHIFT;
    uint32_t first = unit_alloc(units, align_units, zeroed);
    if (first == UNIT_NONE)
        return NULL;
    void *p = space_address(first);
    space_touch_span(first);
    large_at(p)->usable = round_up(bytes, os_page_bytes());
    large_at(p)->units = units;
    space_label(first, units, CTL_INSIDE);
    *space_ctl(first) = CTL_LARGE;
    count(1, large_at(p)->usable, units);
    return p;
}

void large_free(void *p)
{
    const struct large block = *large_at(p);
    uint32_t first = (uint32_t)space_unit_of(p);
    count((size_t)-1, (size_t)0 - block.usable, (size_t)0 - block.units);
    space_label(first, block.units, CTL_TAKEN);
    unit_free(first, block.units);
}

size_t large_usable(const void *p)
{
    return large_at(p)->usable;
}

static void shrink(void *p, size_t units)
{
    struct large *block = large_at(p);
    uint32_t first = (uint32_t)space_unit_of(p);
    size_t surplus = block->units - units;
    if (surplus == 0)
        return;
    block->units = units;
    count(0, 0, (size_t)0 - surplus);
    space_label(first + units, surplus, CTL_TAKEN);
    unit_free(first + (uint32_t)units, surplus);
}

static bool grow(void *p, size_t units)
{
    struct large *block = large_at(p);
    uint32_t first = (uint32_t)space_unit_of(p);
    size_t more = units - block->units;
    if (!unit_extend(first, block->units, more, NULL))
        return false;
    space_label(first + block->units, more, CTL_INSIDE);
    block->units = units;
    count(0, 0, more);
    return true;
}

bool large_resize(void *p, size_t bytes)
{
    struct large *block = large_at(p);
    size_t units = units_for(bytes);
    if (units > block->units && !grow(p, units))
        return false;
    if (units < block->units)
        shrink(p, units);
    size_t usable = round_up(bytes, os_page_bytes());
    count(0, usable - block->usable, 0);
    block->usable = usable;
    return true;
}

void large_read_stats(struct large_stats *stats)
{
    stats->blocks = atomic_load_explicit(&large_totals.blocks, memory_order_relaxed);
    stats->bytes = atomic_load_explicit(&large_totals.bytes, memory_order_relaxed);
    size_t units = atomic_load_explicit(&large_totals.units, memory_order_relaxed);
    stats->tail_bytes = units * UNIT_BYTES - stats->bytes;
}
