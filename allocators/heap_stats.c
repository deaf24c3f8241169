/* heap_stats.c - the numbers of the heap and its classes, what the system says of its pages, and
 * the recount of all. */
#include <string.h>

#include "allocators/arena.h"
#include "allocators/base/os.h"
#include "allocators/depot.h"
#include "allocators/heap.h"
#include "allocators/huge.h"
#include "allocators/large.h"
#include "allocators/meta.h"
#include "allocators/mixed.h"
#include "allocators/pattern.h"
#include "allocators/scavenge.h"
#include "allocators/slab.h"
#include "allocators/txn.h"
#include "allocators/unit.h"

void heap_read_class_stats(unsigned class, struct heap_class_stats *stats)
{
    struct slab_stats slab;
    stats->bytes = size_tables.classes[class].bytes;
    stats->cached_objects = cache_rounds(class) + depot_rounds(class);
    slab_read_stats(class, &slab);
    if (stats->cached_objects > slab.taken_objects)
        stats->cached_objects = slab.taken_objects; /* they moved while we counted */
    stats->live_objects = slab.taken_objects - stats->cached_objects;
    stats->external_bytes = slab.free_bytes;
    stats->slabs = slab.slabs;
}

static size_t estimate_internal(unsigned class, const struct heap_class_stats *of)
{
    struct pattern pattern;
    pattern_read(class, &pattern);
    size_t asked = pattern.refills == 0 ? of->bytes : (size_t)(pattern.asked / pattern.refills);
    return asked < of->bytes ? (of->bytes - asked) * of->live_objects : 0;
}

static void add_classes(struct heap_stats *stats)
{
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        struct heap_class_stats of;
        heap_read_class_stats(class, &of);
        stats->live_objects += of.live_objects;
        stats->live_bytes += of.live_objects * of.bytes;
        stats->internal_bytes += estimate_internal(class, &of);
        stats->cached_bytes += of.cached_objects * of.bytes;
        stats->external_bytes += of.external_bytes;
    }
}

void heap_count_other(ptrdiff_t bytes, int blocks)
{
    if (MP_LIKELY(hand.other != NULL) || heap_enter())
        cache_count_other(bytes, blocks);
}

static size_t less(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t heap_taken_bytes(void)
{
    struct huge_stats own;
    huge_read_stats(&own);
    return unit_resident_bytes() + own.bytes + own.warm_bytes + space_meta_bytes() + meta_bytes();
}

void heap_read_stats(struct heap_stats *stats)
{
    struct txn_totals txns;
    struct unit_stats unit;
    struct large_stats large, cached;
    struct huge_stats own;
    struct mixed_stats mixed;
    struct arena_stats arena;
    memset(stats, 0, sizeof(*stats));
    if (!heap_enter())
        return;
    txn_chunk_put_back(); /* no longer live */
    scavenge_hold();
    cache_forget_lost();
    add_classes(stats);
    scavenge_release();
    unit_read_stats(&unit);
    large_read_stats(&large);
    cache_read_medium(&cached);
    huge_read_stats(&own);
    mixed_read_stats(&mixed);
    cache_read_other(&stats->other_bytes, &stats->other_blocks);
    txn_read_totals(&txns);
    arena_read_stats(&arena);
    stats->external_bytes += mixed.free_bytes + arena.free_bytes + txns.reserved - txns.used;
    stats->live_bytes += arena.bytes;
    stats->live_objects += arena.blocks;
    stats->live_bytes += large.bytes - cached.bytes + own.bytes + stats->other_bytes;
    stats->live_objects += large.blocks - cached.blocks + own.blocks + stats->other_blocks;
    if (txn_chunk_is_checked()) {
        stats->live_bytes += txns.reserved;
        stats->live_objects += txns.chunks;
    }
    /* Their chunks are blocks so far. */
    stats->live_bytes -= less(stats->live_bytes, txns.reserved - txns.used);
    stats->live_objects += txns.blocks - less(stats->live_objects, txns.chunks);
    stats->cached_bytes += cached.bytes;
    stats->warm_bytes = own.warm_bytes;
    stats->dirty_bytes = unit.dirty_bytes + own.warm_bytes;
    stats->total_free_bytes = unit.dirty_bytes + unit.clean_bytes;
    stats->largest_free_bytes = unit.largest_bytes;
    stats->freed_runs = unit.freed;
    stats->joined_runs = unit.joined;
    stats->parked_hits = unit.warm_hits;
    stats->parked_misses = unit.warm_misses;
    stats->meta_bytes = space_meta_bytes() + meta_bytes();
    stats->huge_bytes = own.bytes;
    stats->huge_blocks = own.blocks;
    stats->given_bytes = scavenge_given_bytes();
}

static void add_mapping(const struct os_mapping *mapping, void *context)
{
    struct heap_pages *pages = context;
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    bool holds_units =
        mapping->start < (uintptr_t)space_address(units) && mapping->end > space.base;
    if (!holds_units && !huge_any_within(mapping->start, mapping->end))
        return;
    pages->resident_bytes += mapping->resident_bytes;
    pages->huge_bytes += mapping->huge_bytes;
}

void heap_read_pages(struct heap_pages *pages)
{
    memset(pages, 0, sizeof(*pages));
    os_visit_mappings(add_mapping, pages);
}

MP_RARE void heap_audit(void)
{
    if (atomic_load_explicit(&space.units, memory_order_relaxed) == 0)
        return; /* there is no heap yet */
    scavenge_hold();
    unit_audit();
    slab_audit();
    mixed_audit();
    txn_audit_all();
    cache_audit();
    scavenge_release();
}
