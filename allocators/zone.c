/* zone.c - bins, birth and death of zones; rebuilds and recounts them from their bitmaps.
 *
 *     span of the zone's first unit: struct zone        head of every unit: the first unit
 *     grain tables at its units:     a bit per grain: free, end of an object (grains.h)
 *
 * The bitmaps are the truth: all else can be recounted from them. */
#include "allocators/zone.h"

#include <stdatomic.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"

struct mixed mixed __attribute__((aligned(64))) = {.lock = LOCK_INIT(LOCK_RANK_MIXED)};

struct grains zone_grains_from(uint32_t first, uint32_t units)
{
    return (struct grains){
        .free = space_grains_free(first),
        .end = space_grains_end(first),
        .count = units * (uint32_t)ZONE_UNIT_GRAINS,
    };
}

struct grains zone_grains(const struct zone *zone)
{
    return zone_grains_from(zone->first, zone->units);
}

static void forget_zones(void)
{
    memset(mixed.bins, 0, sizeof(mixed.bins)); /* UNIT_NONE everywhere */
    memset(mixed.used, 0, sizeof(mixed.used));
    memset(mixed.taken, 0, sizeof(mixed.taken));
    mixed.zones = 0;
    mixed.units = 0;
    mixed.free = mixed.purged = 0;
    memset(mixed.purges, 0, sizeof(mixed.purges));
}

/* -- bins ------------------------------------------------------------------------------------- */

static void bin_insert(struct zone *zone)
{
    uint32_t *bin = &mixed.bins[zone->longest];
    if (*bin == UNIT_NONE) {
        zone->next = zone->prev = zone->first;
    } else {
        zone->next = *bin;
        zone->prev = zone_at(*bin)->prev;
        zone_at(zone->prev)->next = zone->first;
        zone_at(zone->next)->prev = zone->first;
    }
    *bin = zone->first;
    bit_set(mixed.used, zone->longest);
}

static void bin_remove(const struct zone *zone)
{
    uint32_t *bin = &mixed.bins[zone->longest];
    zone_at(zone->next)->prev = zone->prev;
    zone_at(zone->prev)->next = zone->next;
    if (*bin != zone->first)
        return;
    *bin = zone->next == zone->first ? UNIT_NONE : zone->next;
    if (*bin == UNIT_NONE)
        bit_clear(mixed.used, zone->longest);
}

void zone_set_longest(struct zone *zone, uint32_t longest)
{
    if (longest > ZONE_LONGEST_MAX)
        longest = ZONE_LONGEST_MAX;
    if (longest == zone->longest)
        return;
    bin_remove(zone);
    zone->longest = (uint16_t)longest;
    bin_insert(zone);
}

struct zone *zone_find(unsigned bin)
{
    for (unsigned word = bin / 64; word < ZONE_BINS / 64; word++) {
        uint64_t used = mixed.used[word];
        if (word == bin / 64)
            used &= ~UINT64_C(0) << (bin % 64);
        if (used != 0)
            return zone_at(mixed.bins[word * 64 + (unsigned)__builtin_ctzll(used)]);
    }
    return NULL;
}

static uint16_t longest_hole(const struct grains *grains)
{
    uint32_t longest = grains_longest_hole(grains);
    return (uint16_t)(longest < ZONE_LONGEST_MAX ? longest : ZONE_LONGEST_MAX);
}

void zone_enlist(struct zone *zone)
{
    const struct grains grains = zone_grains(zone);
    zone->free = (uint16_t)bits_count(grains.free, 0, grains.count);
    zone->longest = longest_hole(&grains);
    bin_insert(zone);
    mixed.zones++;
    mixed.units += zone->units;
    mixed.free += zone->free;
    mixed.purged += bits_of(zone->purged);
}

void zone_retire(const struct zone *zone)
{
    bin_remove(zone);
    mixed.zones--;
    mixed.units -= zone->units;
    mixed.free -= zone->free;
    mixed.purged -= bits_of(zone->purged);
    *space_ctl(zone->first) = CTL_TAKEN; /* the first one first: a fork may cut here */
    lock_fence_stores();
    space_label(zone->first, zone->units, CTL_TAKEN);
}

/* -- pages and holes -------------------------------------------------------------------------- */

static uint64_t pages_of(uint32_t first, uint32_t grains)
{
    uint32_t page_grains = (uint32_t)os_page_bytes() / GRAIN_BYTES;
    uint64_t mask = 0;
    for (uint32_t page = first / page_grains; page <= (first + grains - 1) / page_grains; page++)
        mask |= UINT64_C(1) << page;
    return mask;
}

void zone_wake_pages(struct zone *zone, uint32_t first, uint32_t grains)
{
    uint64_t mask = pages_of(first, grains);
    mixed.purged -= bits_of(zone->purged & mask);
    zone->purged &= ~mask;
    zone->idle &= ~mask;
}

bool zone_settle(struct zone *zone, uint32_t at, uint32_t size)
{
    const struct grains grains = zone_grains(zone);
    zone->free = (uint16_t)(zone->free + size);
    mixed.free += size;
    struct hole hole = grains_hole_around(&grains, at);
    if (hole.end - hole.first > zone->longest)
        zone_set_longest(zone, hole.end - hole.first);
    if (zone->free < grains.count)
        return false;
    zone_retire(zone);
    return true;
}

/* -- fork ------------------------------------------------------------------------------------- */

static bool is_object_size(uint32_t grains)
{
    return grains <= ZONE_OBJECT_MAX &&
           zone_grains_of_class(size_class_of(grains * (size_t)GRAIN_BYTES)) == grains;
}

static bool is_slab_or_zone(unsigned ctl)
{
    return ctl == CTL_MIXED || ctl == CTL_ARENA ||
           (ctl >= SIZE_CLASS_FIRST && ctl < SIZE_CLASS_END);
}

/* A slab's units all have its first one as head; those of a zone keep that. */
static uint16_t units_of(uint32_t first)
{
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    uint32_t end = first;
    while (end < units && *space_head(end) == first && is_slab_or_zone(*space_ctl(end)))
        end++;
    return (uint16_t)(end - first);
}

/* Counts the objects of a zone by class, up (1) or down (-1). How many. */
static size_t count_objects(const struct zone *zone, size_t *taken, int by)
{
    const struct grains grains = zone_grains(zone);
    uint32_t first = 0, size = 0;
    size_t objects = 0;
    while (grains_next_object(&grains, first + size, &first, &size)) {
        if (size > ZONE_OBJECT_MAX || zone_is_purging(zone->first, first))
            continue;
        taken[size_class_of(size * (size_t)GRAIN_BYTES)] += (size_t)by;
        objects++;
    }
    return objects;
}

/* From its bits alone. */
static void make_zone(uint32_t first, size_t units)
{
    struct zone *zone = zone_at(first);
    *zone = (struct zone){.first = first, .units = (uint16_t)units};
    const struct grains grains = zone_grains(zone);
    grains_mend(&grains, is_object_size);
    count_objects(zone, mixed.taken, 1);
    zone_enlist(zone);
}

/* What a cut conversion labelled is a zone, as far as its units go. */
static void rebuild_zone(uint32_t first)
{
    uint16_t units = units_of(first);
    space_label(first, units, CTL_MIXED);
    make_zone(first, units);
}

void zone_adopt_arena(uint32_t first, size_t units)
{
    for (size_t unit = first; unit < first + units; unit++) /* as mixed_adopt */
        atomic_store_explicit(space_ctl(unit), CTL_MIXED, memory_order_release);
    lock_fence_stores();
    make_zone(first, units);
}

/* -- lending ---------------------------------------------------------------------------------- */

enum { LEND_LOOKS = 4 };

/* Its last unit first, so that a zone that a fork cuts here is one still. */
static void label_arena(uint32_t first, size_t units)
{
    for (size_t unit = first + units; unit-- > first;)
        atomic_store_explicit(space_ctl(unit), CTL_ARENA, memory_order_release);
    lock_fence_stores();
}

static uint32_t lend(struct zone *zone, size_t *objects)
{
    uint32_t first = zone->first;
    *objects = count_objects(zone, mixed.taken, -1);
    bin_remove(zone);
    mixed.zones--;
    mixed.units -= zone->units;
    mixed.free -= zone->free;
    mixed.purged -= bits_of(zone->purged);
    label_arena(first, zone->units);
    memset(zone, 0, sizeof(*zone));
    return first;
}

static bool has_purges(uint32_t first)
{
    for (int i = 0; i < ZONE_PURGES; i++) {
        if (mixed.purges[i].zone == first)
            return true;
    }
    return false;
}

uint32_t zone_lend(size_t units, bool (*suits)(uint32_t first), size_t *objects)
{
    uint32_t first = UNIT_NONE;
    if (atomic_load_explicit(&mixed.zones, memory_order_relaxed) == 0)
        return UNIT_NONE;
    lock_take(&mixed.lock);
    uint32_t *bin = &mixed.bins[ZONE_LONGEST_MAX];
    for (int looks = 0; *bin != UNIT_NONE && first == UNIT_NONE && looks < LEND_LOOKS; looks++) {
        struct zone *zone = zone_at(*bin);
        bool is_free = zone->units == units && !has_purges(zone->first) && suits(zone->first);
        *bin = zone->next;
        if (is_free)
            first = lend(zone, objects);
    }
    lock_drop(&mixed.lock);
    return first;
}

bool zone_is_purging(uint32_t first, uint32_t grain)
{
    for (int i = 0; i < ZONE_PURGES; i++) {
        const struct zone_purge *purge = &mixed.purges[i];
        if (purge->zone == first && grain >= purge->grains.first && grain < purge->grains.end)
            return true;
    }
    return false;
}

/* -- fork, again ------------------------------------------------------------------------------ */

static void visit_zones(void (*visit)(uint32_t first))
{
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    for (size_t unit = 0; unit < units; unit++) {
        if (*space_ctl(unit) == CTL_MIXED && *space_head(unit) == unit)
            visit((uint32_t)unit);
    }
}

/* What was taken to be purged is free again: an entry is there as long as anything of it is taken.
 */
static bool end_purges(void)
{
    bool are_some = false;
    for (int i = 0; i < ZONE_PURGES; i++) {
        struct zone_purge *purge = &mixed.purges[i];
        if (purge->zone == UNIT_NONE)
            continue;
        const struct grains grains = zone_grains_from(purge->zone, ZONE_UNITS_MAX);
        grains_give(&grains, purge->grains.first, purge->grains.end - purge->grains.first);
        are_some = true;
    }
    return are_some;
}

void mixed_fork_child(void)
{
    bool is_cut = lock_reset(&mixed.lock);
    if (!end_purges() && !is_cut)
        return;
    forget_zones();
    visit_zones(rebuild_zone);
}

/* -- audit ------------------------------------------------------------------------------------ */

static struct {
    size_t zones, listed, free, purged;
    size_t taken[SIZE_CLASS_END];
} audited;

static void audit_zone(uint32_t first)
{
    const struct zone *zone = zone_at(first);
    const struct grains grains = zone_grains(zone);
    uint32_t page_grains = (uint32_t)os_page_bytes() / GRAIN_BYTES;
    MP_AUDIT(zone->first == first && zone->units == units_of(first));
    grains_audit(&grains, is_object_size);
    MP_AUDIT(bits_count(grains.free, 0, grains.count) == zone->free); /* M1 */
    MP_AUDIT(longest_hole(&grains) == zone->longest);                 /* M2 */
    for (uint32_t page = 0; page < grains.count / page_grains; page++) {
        MP_AUDIT((zone->purged >> page & 1) == 0 ||
                 bits_count(grains.free, page * (size_t)page_grains, page_grains) ==
                     page_grains); /* M3 */
    }
    count_objects(zone, audited.taken, 1);
    audited.zones++;
    audited.free += zone->free;
    audited.purged += bits_of(zone->purged);
}

static void audit_bin(unsigned bin)
{
    uint32_t at = mixed.bins[bin];
    MP_AUDIT((at != UNIT_NONE) == bit_is_set(mixed.used, bin));
    if (at == UNIT_NONE)
        return;
    do {
        MP_AUDIT(zone_at(at)->longest == bin && *space_ctl(at) == CTL_MIXED);
        MP_AUDIT(zone_at(zone_at(at)->next)->prev == at);
        audited.listed++;
        at = zone_at(at)->next;
    } while (at != mixed.bins[bin]);
}

void mixed_audit(void)
{
    lock_take(&mixed.lock);
    memset(&audited, 0, sizeof(audited));
    visit_zones(audit_zone);
    for (unsigned bin = 0; bin < ZONE_BINS; bin++)
        audit_bin(bin);
    MP_AUDIT(audited.zones == mixed.zones && audited.listed == mixed.zones);
    MP_AUDIT(audited.free == mixed.free && audited.purged == mixed.purged);
    MP_AUDIT(memcmp(audited.taken, mixed.taken, sizeof(audited.taken)) == 0); /* M4 */
    lock_drop(&mixed.lock);
}
