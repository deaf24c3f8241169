/* large.c - a large block is a run of units: a label of its length on the first, CTL_INSIDE on the
 * others, its size in the span of the first. Nothing is counted on the way: statistics read the
 * labels. */
#include "allocators/large.h"

#include <string.h>

#include "allocators/base/check.h"
#include "allocators/cold/cold.h"
#include "allocators/size_class.h"
#include "allocators/unit.h"

enum {
    MEDIUM_UNITS_MIN = SIZE_SLAB_MAX / UNIT_BYTES + 1,
    MEDIUM_UNITS_MAX = SIZE_MEDIUM_MAX / UNIT_BYTES,
};

/* Units of all blocks; kept only where the reservation is scarce. */
static _Atomic ptrdiff_t large_units;

static void count(size_t units)
{
    if (space_is_scarce())
        atomic_fetch_add_explicit(&large_units, (ptrdiff_t)units, memory_order_relaxed);
}

size_t large_max(void)
{
    return cold_is_on() ? PTRDIFF_MAX : LARGE_MAX;
}

bool large_is_welcome(void)
{
    return !space_is_scarce() || atomic_load_explicit(&large_units, memory_order_relaxed) <
                                     (ptrdiff_t)(space_units_max() / 4 * 3);
}

static size_t units_of(const void *p)
{
    return atomic_load_explicit(&large_at(p)->units, memory_order_relaxed);
}

/* The label follows the length, so that what a magazine holds stays bounded. */
static void set_units(void *p, size_t units)
{
    bool is_medium = units >= MEDIUM_UNITS_MIN && units <= MEDIUM_UNITS_MAX;
    atomic_store_explicit(&large_at(p)->units, (uint32_t)units, memory_order_relaxed);
    space_label(space_unit_of(p), 1, is_medium ? SIZE_CLASS_MEDIUM : CTL_LARGE);
}

/* The block in a run that was taken. A parked one kept the labels of its other units. */
static void *make_block(uint32_t first, size_t units, size_t bytes)
{
    void *p = space_address(first);
    large_set_usable(p, bytes);
    large_at(p)->growths = 0;
    if (*space_ctl(first + units - 1) != CTL_INSIDE)
        space_label(first, units, CTL_INSIDE);
    set_units(p, units);
    return p;
}

void *large_alloc(size_t bytes, size_t alignment, bool *zeroed)
{
    size_t units = large_units_for(bytes);
    size_t align_units = alignment <= UNIT_BYTES ? 1 : alignment >> UNIT_SHIFT;
    uint32_t first = unit_alloc(units, align_units, zeroed);
    if (first == UNIT_NONE)
        return NULL;
    if (zeroed != NULL && !*zeroed && bytes > LARGE_MAX) /* often a table of which little is used */
        *zeroed = cold_purge(space_address(first), units * UNIT_BYTES) == 0;
    count(units);
    return make_block(first, units, bytes);
}

void *large_alloc_parked(size_t bytes)
{
    size_t units = large_units_for(bytes);
    uint32_t first = space_is_scarce() ? UNIT_NONE : unit_take_parked(units);
    return first != UNIT_NONE ? make_block(first, units, bytes) : NULL;
}

bool large_park(void *p)
{
    uint32_t first = (uint32_t)space_unit_of(p);
    if (space_is_scarce())
        return false;
    space_label(first, 1, CTL_TAKEN);
    if (unit_try_park(first, units_of(p)))
        return true;
    space_label(first, 1, CTL_LARGE);
    return false;
}

void large_free(void *p)
{
    size_t units = units_of(p);
    uint32_t first = (uint32_t)space_unit_of(p);
    count((size_t)0 - units);
    space_label(first, 1, CTL_TAKEN);
    unit_park(first, units);
}

void large_give(void *const *blocks, unsigned number, bool leftovers)
{
    for (unsigned i = 0; i < number; i++) {
        void *p = blocks[i];
        if (p == NULL)
            continue; /* see medium.c */
        bool is_first = ((uintptr_t)p & (UNIT_BYTES - 1)) == 0;
        bool is_block = space_ctl_of(p) == SIZE_CLASS_MEDIUM;
        MP_CHECK(is_first || leftovers, FAULT_INTERIOR_FREE, p);
        MP_CHECK(is_block || leftovers, FAULT_DOUBLE_FREE, p);
        if (is_first && is_block)
            large_free(p);
    }
}

size_t large_usable(const void *p)
{
    return atomic_load_explicit(&large_at(p)->usable, memory_order_relaxed);
}

static void shrink(void *p, size_t old_units, size_t units)
{
    uint32_t first = (uint32_t)space_unit_of(p);
    set_units(p, units);
    count(units - old_units);
    space_label(first + units, old_units - units, CTL_TAKEN);
    unit_free(first + (uint32_t)units, old_units - units);
}

static bool grow(void *p, size_t old_units, size_t units)
{
    uint32_t first = (uint32_t)space_unit_of(p);
    if (!unit_extend(first, old_units, units - old_units, NULL))
        return false;
    space_label(first + old_units, units - old_units, CTL_INSIDE);
    set_units(p, units);
    count(units - old_units);
    return true;
}

bool large_resize(void *p, size_t bytes)
{
    size_t old_units = units_of(p);
    size_t units = large_units_for(bytes);
    if (units > old_units && !grow(p, old_units, units))
        return false;
    if (units < old_units)
        shrink(p, old_units, units);
    large_at(p)->growths += units > old_units;
    large_set_usable(p, bytes);
    return true;
}

bool large_is_growing(const void *p)
{
    return large_at(p)->growths >= LARGE_GROWTHS;
}

void large_succeed(void *p, const void *shorter)
{
    large_at(p)->growths = large_at(shorter)->growths + 1;
}

static void add_block(size_t unit, void *context)
{
    struct large_stats *stats = context;
    stats->blocks++;
    stats->bytes += large_usable(space_address(unit));
}

void large_read_stats(struct large_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    unit_visit(CTL_LARGE, add_block, stats);
    unit_visit(SIZE_CLASS_MEDIUM, add_block, stats);
}

static void add_units(size_t unit, void *context)
{
    *(ptrdiff_t *)context += (ptrdiff_t)units_of(space_address(unit));
}

void large_recount(void)
{
    ptrdiff_t units = 0;
    if (!space_is_scarce())
        return;
    unit_visit(CTL_LARGE, add_units, &units);
    unit_visit(SIZE_CLASS_MEDIUM, add_units, &units);
    atomic_store_explicit(&large_units, units, memory_order_relaxed);
}
