/* mixed_purge.c - gives whole pages of holes back to the system.
 *
 * 1. A stretch of pages that are free is taken out of its zone, as one object (longer than any).
 * 2. It is given back to the system without the lock, and then to the zone.
 *
 * A zone is looked at twice a second. A page is purged when it is free at two looks in a row: what
 * is taken again soon is not. */
#include <stdatomic.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/cold/cold.h"
#include "allocators/mixed.h"
#include "allocators/unit.h"
#include "allocators/zone.h"
#include "allocators/strategy.h"

enum {
    TICK_ZONES = 1024, /* looked at per tick: 0.1 ms */
    LOOK_NS = 500 * 1000 * 1000,
};

static struct {
    bool is_off; /* by an option */
} purger;

void mixed_set_purge(bool purge)
{
    purger.is_off = !purge;
}

static uint32_t page_grains(void)
{
    return (uint32_t)os_page_bytes() / GRAIN_BYTES;
}

/* The pages of a zone that are free and hold memory. */
static uint64_t free_pages(const struct zone *zone)
{
    const struct grains grains = zone_grains(zone);
    uint32_t size = page_grains();
    uint64_t pages = 0;
    if (zone->longest < ZONE_LONGEST_MAX)
        return 0;
    for (uint32_t page = 0; (page + 1) * size <= grains.count; page++) {
        if (bits_count(grains.free, page * (size_t)size, size) == size)
            pages |= UINT64_C(1) << page;
    }
    return pages & ~zone->purged;
}

/* NULL: all are in use. */
static struct zone_purge *find_entry(void)
{
    for (int i = 0; i < ZONE_PURGES; i++) {
        if (mixed.purges[i].zone == UNIT_NONE)
            return &mixed.purges[i];
    }
    return NULL;
}

/* Takes the first stretch of pages that may be purged. NULL: there is none. */
static struct zone_purge *take_pages(struct zone *zone, bool idle_only)
{
    const struct grains grains = zone_grains(zone);
    uint64_t pages = free_pages(zone);
    uint64_t due = idle_only ? pages & zone->idle : pages;
    struct zone_purge *purge = find_entry();
    if (due == 0 || purge == NULL) {
        zone->idle = pages;
        return NULL;
    }
    unsigned first = (unsigned)__builtin_ctzll(due);
    unsigned count = (unsigned)bits_of(bits_lowest_run(due));
    purge->grains = (struct hole){first * page_grains(), (first + count) * page_grains()};
    lock_fence_stores();
    purge->zone = zone->first;
    lock_fence_stores(); /* the entry is there before anything is taken (end_purges) */
    uint32_t size = count * page_grains();
    grains_take(&grains, purge->grains.first, size);
    zone->free = (uint16_t)(zone->free - size);
    mixed.free -= size;
    zone_set_longest(zone, grains_longest_hole(&grains));
    return purge;
}

/* Puts the stretch back. True: the zone was empty, its units are to be freed. */
static bool put_pages(struct zone *zone, struct zone_purge *purge, bool purged)
{
    const struct grains grains = zone_grains(zone);
    uint32_t first = purge->grains.first, size = purge->grains.end - first;
    uint32_t pages = size / page_grains();
    if (purged) {
        zone->purged |= bits_mask(0, first / page_grains(), pages);
        mixed.purged += pages;
    }
    grains_give(&grains, first, size);
    lock_fence_stores();
    purge->zone = UNIT_NONE;
    return zone_settle(zone, first, size);
}

/* A zone begins at the unit; under the lock. Units of other owners may be labelled meanwhile, under
 * locks of theirs: never as MIXED, so whatever is read of those says no. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
static bool
is_zone(size_t unit)
{
    return *space_ctl(unit) == CTL_MIXED && *space_head(unit) == unit;
}

/* Purges the pages of the zone that begins at a unit, if one does. Bytes given back. */
static size_t purge_zone(size_t unit, bool idle_only)
{
    size_t bytes = 0;
    struct zone *zone = zone_at((uint32_t)unit);
    for (bool is_empty = false; !is_empty;) {
        lock_take(&mixed.lock);
        struct zone_purge *purge = is_zone(unit) ? take_pages(zone, idle_only) : NULL;
        lock_drop(&mixed.lock);
        if (purge == NULL)
            break;
        size_t size = (purge->grains.end - purge->grains.first) * (size_t)GRAIN_BYTES;
        char *at = (char *)space_address(unit) + purge->grains.first * (size_t)GRAIN_BYTES;
        bool purged = cold_purge(at, size) == 0;
        lock_take(&mixed.lock);
        is_empty = put_pages(zone, purge, purged);
        lock_drop(&mixed.lock);
        if (is_empty)
            unit_free(zone->first, zone->units);
        if (!purged)
            break; /* a refusal is not fatal, and not worth a second try now */
        bytes += size;
    }
    return bytes;
}

/* Another zone whose holes may hold pages, each once per look. UNIT_NONE: there is none. */
static uint32_t next_zone(uint16_t look)
{
    uint32_t first = UNIT_NONE;
    lock_take(&mixed.lock);
    uint32_t *bin = &mixed.bins[ZONE_LONGEST_MAX];
    if (*bin != UNIT_NONE && zone_at(*bin)->look != look) {
        first = *bin;
        zone_at(first)->look = look;
        *bin = zone_at(first)->next;
    }
    lock_drop(&mixed.lock);
    return first;
}

static bool can_purge(void)
{
    return !purger.is_off && os_page_bytes() <= UNIT_BYTES &&
           atomic_load_explicit(&mixed.zones, memory_order_relaxed) != 0;
}

size_t mixed_tick(uint64_t now_ns, size_t most_bytes)
{
    size_t bytes = 0;
    uint16_t look = (uint16_t)(now_ns / LOOK_NS);
    if (strategy_is_eager())
        return 0;
    for (int zones = 0; can_purge() && zones < TICK_ZONES && bytes < most_bytes; zones++) {
        uint32_t first = next_zone(look);
        if (first == UNIT_NONE)
            break;
        bytes += purge_zone(first, true);
    }
    return bytes;
}

size_t mixed_purge(void)
{
    size_t bytes = 0;
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    for (size_t unit = 0; can_purge() && unit < units; unit++) {
        if (*space_ctl(unit) == CTL_MIXED) /* most are not: spares them the lock */
            bytes += purge_zone(unit, false);
    }
    return bytes;
}
