/* mixed.c - melts slabs into zones, takes objects out of holes and gives them back.
 *
 * A request takes from the zone whose longest hole is just long enough: the others stay whole for
 * larger ones, or run empty. */
#include "allocators/mixed.h"

#include <stdatomic.h>
#include <string.h>

#include "allocators/arena.h"
#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/unit.h"
#include "allocators/zone.h"

/* A refill looks at this many zones: holes that serve one object each are not worth more. */
enum { VISITS_MAX = 16 };

/* -- melting ---------------------------------------------------------------------------------- */

static void write_grains(const struct grains *grains, unsigned class, const uint64_t *free_objects)
{
    uint32_t size = zone_grains_of_class(class);
    memset(grains->free, 0xff, grains->count / 8);
    memset(grains->end, 0, grains->count / 8);
    for (uint32_t i = 0; i < size_tables.classes[class].objects; i++) {
        if (!bit_is_set(free_objects, i))
            grains_take(grains, i * size, size);
    }
}

/* A thread that still reads the class puts the object into a magazine of the right size. The first
 * unit goes first: what a fork cuts here is a zone already (rebuild). */
static void relabel(uint32_t first, size_t units)
{
    for (size_t unit = first; unit < first + units; unit++) /* release: pairs with mixed_class_of */
        atomic_store_explicit(space_ctl(unit), CTL_MIXED, memory_order_release);
}

void mixed_adopt(uint32_t first, unsigned class, const uint64_t *free_objects, uint64_t purged)
{
    const struct size_class *size = &size_tables.classes[class];
    const struct zone born = {.first = first, .units = size->units, .purged = purged};
    const struct grains grains = zone_grains(&born);
    MP_ASSERT(size->bytes <= MIXED_BYTES_MAX && size->units <= ZONE_UNITS_MAX);
    space_touch_grains(first, size->units);
    write_grains(&grains, class, free_objects);
    size_t taken = size->objects - bits_count(free_objects, 0, size->objects);

    lock_take(&mixed.lock);
    relabel(first, size->units);
    lock_fence_stores(); /* from here on the span is a zone's (pool_class_of) */
    *zone_at(first) = born;
    zone_enlist(zone_at(first));
    mixed.taken[class] += taken;
    lock_drop(&mixed.lock);
}

/* -- taking ----------------------------------------------------------------------------------- */

/* Takes objects from the front of one hole, placed as the class promises: at multiples of the power
 * of two in its size. Says how long the rest is. */
static unsigned take_from_hole(struct zone *zone, const struct hole *hole, uint32_t size,
                               void **objects, unsigned count, uint32_t *rest)
{
    const struct grains grains = zone_grains(zone);
    uint32_t at = (uint32_t)round_up(hole->first, size & -size);
    unsigned taken = 0;
    *rest = hole->end - hole->first;
    if (at + size > hole->end || count == 0)
        return 0;
    uint32_t begin = at;
    for (; taken < count && at + size <= hole->end; at += size) {
        grains_take(&grains, at, size);
        objects[taken++] = (char *)space_address(zone->first) + at * (size_t)GRAIN_BYTES;
    }
    zone_wake_pages(zone, begin, at - begin);
    *rest = hole->end - at > begin - hole->first ? hole->end - at : begin - hole->first;
    return taken;
}

/* Takes all it can, hole by hole, and finds out what the longest is afterwards. */
static unsigned take_from_zone(struct zone *zone, unsigned class, void **objects, unsigned count)
{
    const struct grains grains = zone_grains(zone);
    uint32_t size = zone_grains_of_class(class);
    struct hole hole = {0};
    uint32_t longest = 0;
    unsigned taken = 0;
    while ((taken < count || longest < ZONE_LONGEST_MAX) &&
           grains_next_hole(&grains, hole.end, &hole)) {
        uint32_t rest;
        taken += take_from_hole(zone, &hole, size, objects + taken, count - taken, &rest);
        if (rest > longest)
            longest = rest;
    }
    zone->free = (uint16_t)(zone->free - taken * size);
    mixed.free -= taken * size;
    mixed.taken[class] += taken;
    zone_set_longest(zone, longest);
    return taken;
}

unsigned mixed_take(unsigned class, void **objects, unsigned count)
{
    uint32_t size = zone_grains_of_class(class);
    if (size > ZONE_SERVED_MAX || atomic_load_explicit(&mixed.zones, memory_order_relaxed) == 0)
        return 0;
    unsigned bin = size;
    unsigned taken = 0;
    lock_take(&mixed.lock);
    for (int visits = 0; visits < VISITS_MAX && taken < count; visits++) {
        struct zone *zone = zone_find(bin);
        if (zone == NULL)
            break;
        unsigned from_zone = take_from_zone(zone, class, objects + taken, count - taken);
        taken += from_zone;
        if (from_zone == 0) /* its holes are not aligned: only a longer one is sure to be */
            bin = size + (size & -size) - 1;
    }
    lock_drop(&mixed.lock);
    return taken;
}

/* -- giving ----------------------------------------------------------------------------------- */

/* What begins at grain `at`. */
enum found { FOUND_OBJECT, FOUND_HOLE, FOUND_INSIDE };

static enum found look_at(uint32_t zone, const struct grains *grains, uint32_t at, uint32_t *size)
{
    if (bit_is_set(grains->free, at))
        return FOUND_HOLE;
    if (grains_first_of(grains, at) != at)
        return FOUND_INSIDE;
    *size = grains_size_from(grains, at);
    return *size > ZONE_OBJECT_MAX || zone_is_purging(zone, at) ? FOUND_HOLE : FOUND_OBJECT;
}

/* Gives one object back; class 0: whatever it has. False: it is free already, or another one. */
static bool give_one(void *p, unsigned class, bool leftovers, struct zone **empty)
{
    size_t unit = space_unit_of(p);
    if (*space_ctl(unit) == CTL_ARENA)
        return arena_give(p, class, leftovers);
    struct zone *zone = zone_at(*space_head(unit));
    size_t offset = (size_t)((char *)p - (char *)space_address(zone->first));
    uint32_t at = (uint32_t)(offset / GRAIN_BYTES);
    uint32_t size = 0;
    enum found found = FOUND_HOLE;
    const struct grains grains = zone_grains(zone);
    if (*space_ctl(unit) == CTL_MIXED)
        found = offset % GRAIN_BYTES == 0 ? look_at(zone->first, &grains, at, &size) : FOUND_INSIDE;
    MP_CHECK(found != FOUND_INSIDE || leftovers, FAULT_INTERIOR_FREE, p);
    bool is_taken = found == FOUND_OBJECT && (class == 0 || size == zone_grains_of_class(class));
    MP_CHECK(is_taken || leftovers, FAULT_DOUBLE_FREE, p);
    if (!is_taken)
        return false;
    mixed.taken[size_class_of(size * (size_t)GRAIN_BYTES)]--;
    grains_give(&grains, at, size);
    if (zone_settle(zone, at, size))
        *empty = zone;
    return true;
}

void mixed_give(unsigned class, void *const *objects, unsigned count, bool leftovers)
{
    while (count > 0) {
        struct zone *empty = NULL;
        lock_take(&mixed.lock);
        for (; count > 0 && empty == NULL; count--)
            give_one(*objects++, class, leftovers, &empty);
        lock_drop(&mixed.lock);
        if (empty != NULL)
            unit_free(empty->first, empty->units);
    }
}

void mixed_free(void *p)
{
    mixed_give(0, &p, 1, false);
}

/* -- questions -------------------------------------------------------------------------------- */

unsigned mixed_class_of(const void *p)
{
    size_t unit = space_unit_of(p);
    uint32_t first = *space_head(unit);
    size_t offset = (size_t)((const char *)p - (char *)space_address(first));
    /* acquire: pairs with the release in relabel; the object keeps its zone alive */
    if (atomic_load_explicit(space_ctl(unit), memory_order_acquire) != CTL_MIXED ||
        offset % GRAIN_BYTES != 0)
        return 0;
    /* The span may not be a zone's yet, and need not: an object has an end. */
    const struct grains grains = {.free = space_grains_free(first),
                                  .end = space_grains_end(first),
                                  .count = (uint32_t)(unit - first + 1) * ZONE_UNIT_GRAINS};
    uint32_t size = grains_peek(&grains, (uint32_t)(offset / GRAIN_BYTES));
    if (size == 0 || size > ZONE_SERVED_MAX) /* more may be pages that are being purged */
        return 0;
    /* An arena's may lie elsewhere than at multiples of the power of two in its size: no magazine
     * may have those, as classes promise that (size_class_of_aligned). */
    bool is_placed = offset / GRAIN_BYTES % (size & -size) == 0;
    return is_placed ? size_class_of(size * (size_t)GRAIN_BYTES) : 0;
}

void *mixed_object_of(const void *p, unsigned *class)
{
    void *object = NULL;
    size_t unit = space_unit_of(p);
    lock_take(&mixed.lock);
    uint32_t begin = *space_head(unit);
    bool is_arena = *space_ctl(unit) == CTL_ARENA;
    const struct grains grains =
        zone_grains_from(begin, is_arena ? ARENA_UNITS : zone_at(begin)->units);
    char *base = space_address(begin);
    uint32_t at = (uint32_t)((size_t)((const char *)p - base) / GRAIN_BYTES);
    if ((is_arena || *space_ctl(unit) == CTL_MIXED) &&
        (grains_peek_word(grains.free, at) & 1) == 0) {
        uint32_t first, size;
        grains_next_object(&grains, grains_first_of(&grains, at), &first, &size);
        bool has_end = (grains_peek_word(grains.end, first + size - 1) & 1) != 0;
        if (has_end && size <= ZONE_OBJECT_MAX && !zone_is_purging(begin, at)) {
            object = base + first * (size_t)GRAIN_BYTES;
            *class = size_class_of(size * (size_t)GRAIN_BYTES);
        }
    }
    lock_drop(&mixed.lock);
    return object;
}

size_t mixed_taken(unsigned class)
{
    lock_take(&mixed.lock);
    size_t taken = mixed.taken[class];
    lock_drop(&mixed.lock);
    return taken;
}

MP_RARE void mixed_read_stats(struct mixed_stats *stats)
{
    lock_take(&mixed.lock);
    stats->zones = mixed.zones;
    stats->bytes = mixed.units * UNIT_BYTES;
    stats->free_bytes = mixed.free * GRAIN_BYTES - mixed.purged * os_page_bytes();
    lock_drop(&mixed.lock);
}
