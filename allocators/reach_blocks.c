/* reach_blocks.c - three bitmaps over the units below the frontier, a bit for each 16 bytes: `live`
 * where a block of the program begins, and two that hold its kind; and a list of the huge blocks.
 *
 * A block is what the bitmaps of slabs and zones, the labels of units and the table of huge blocks
 * say is out, less what lies in magazines, depot and parked runs. All is read without locks. */
#include "allocators/reach_blocks.h"

#include <errno.h>
#include <string.h>

#include "allocators/arena.h"
#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/cache.h"
#include "allocators/depot.h"
#include "allocators/huge.h"
#include "allocators/large.h"
#include "allocators/pool.h"
#include "allocators/txn_chunk.h"
#include "allocators/warm.h"
#include "allocators/zone.h"

enum {
    REACH_UNIT_WORDS = UNIT_BYTES / SIZE_GRAIN / 64, /* of each bitmap */
    REACH_MAPS = 3,
};

struct huge_entry {
    struct block block;
    enum reach_kind kind;
};

struct reach_blocks reach_blocks;

/* -- bits and kinds --------------------------------------------------------------------------- */

static size_t grain_of(uintptr_t p)
{
    return (p - space.base) / SIZE_GRAIN;
}

static bool get_bit(const uint64_t *map, size_t bit)
{
    return (map[bit / 64] >> (bit % 64) & 1) != 0;
}

static void put_bit(uint64_t *map, size_t bit, bool value)
{
    uint64_t mask = UINT64_C(1) << (bit % 64);
    map[bit / 64] = value ? map[bit / 64] | mask : map[bit / 64] & ~mask;
}

static struct huge_entry *find_huge(uintptr_t p)
{
    size_t low = 0, high = reach_blocks.huge_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (reach_blocks.huge[middle].block.start <= p)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 ||
        p - reach_blocks.huge[low - 1].block.start >= reach_blocks.huge[low - 1].block.bytes)
        return NULL;
    return &reach_blocks.huge[low - 1];
}

enum reach_kind reach_blocks_kind(uintptr_t start)
{
    if (!reach_blocks_in_space(start))
        return find_huge(start)->kind;
    size_t grain = grain_of(start);
    unsigned high = get_bit(reach_blocks.kind1, grain), low = get_bit(reach_blocks.kind0, grain);
    return (enum reach_kind)(high << 1 | low);
}

void reach_blocks_set_kind(uintptr_t start, enum reach_kind kind)
{
    if (!reach_blocks_in_space(start)) {
        find_huge(start)->kind = kind;
        return;
    }
    put_bit(reach_blocks.kind0, grain_of(start), (kind & 1) != 0);
    put_bit(reach_blocks.kind1, grain_of(start), (kind & 2) != 0);
}

/* -- from an address to its block ------------------------------------------------------------- */

REACH_UNLOCKED static bool find_object(uintptr_t p, struct block *block)
{
    const struct slab *slab = slab_of((const void *)p);
    const struct size_class *class = slab_class(slab);
    uintptr_t base = (uintptr_t)space_address(slab->first);
    unsigned index = size_class_index(class, p - base);
    *block = (struct block){base + index * (size_t) class->bytes, class->bytes};
    return index < class->objects;
}

/* Of a zone or of an arena's chunk, which is to be one. */
REACH_UNLOCKED static struct grains grains_at(uint32_t first)
{
    bool is_arena = *space_ctl(first) == CTL_ARENA;
    return zone_grains_from(first, is_arena ? ARENA_UNITS : zone_at(first)->units);
}

REACH_UNLOCKED static bool find_in_zone(uintptr_t p, struct block *block)
{
    uint32_t begin = *space_head(space_unit_of((const void *)p));
    struct grains grains = grains_at(begin);
    uintptr_t base = (uintptr_t)space_address(begin);
    uint32_t at = (uint32_t)((p - base) / GRAIN_BYTES), first, size;
    if (get_bit(grains.free, at))
        return false;
    first = grains_first_of(&grains, at);
    size = grains_size_from(&grains, first);
    *block = (struct block){base + first * (size_t)GRAIN_BYTES, size * (size_t)GRAIN_BYTES};
    return true;
}

static bool find_large(size_t unit, struct block *block)
{
    void *start = space_address(unit);
    *block = (struct block){(uintptr_t)start, large_usable(start)};
    return true;
}

static bool is_slab(unsigned ctl)
{
    return ctl == CTL_DRAIN || (ctl >= SIZE_CLASS_FIRST && ctl < SIZE_CLASS_END);
}

/* What lies around p in the reservation, block or free. */
static bool find_place(uintptr_t p, struct block *block)
{
    size_t unit = space_unit_of((const void *)p);
    unsigned ctl = space_ctl_of((const void *)p);
    if (is_slab(ctl))
        return find_object(p, block);
    switch (ctl) {
    case CTL_MIXED:
    case CTL_ARENA:
        return find_in_zone(p, block);
    case CTL_LARGE:
    case SIZE_CLASS_MEDIUM:
        return find_large(unit, block);
    case CTL_INSIDE:
        return find_large(reach_blocks.head[unit], block);
    default:
        return false;
    }
}

bool reach_blocks_find(uintptr_t p, struct block *block)
{
    if (reach_blocks_in_space(p))
        return find_place(p, block) && p - block->start < block->bytes &&
               get_bit(reach_blocks.live, grain_of(block->start));
    const struct huge_entry *entry = find_huge(p);
    if (entry != NULL)
        *block = entry->block;
    return entry != NULL;
}

/* -- which blocks there are ------------------------------------------------------------------- */

static void add_block(uintptr_t start)
{
    put_bit(reach_blocks.live, grain_of(start), true);
    reach_blocks.count++;
}

/* It lies in a magazine, or waits to be used again. */
static void drop_block(void *p)
{
    uintptr_t start = (uintptr_t)p;
    if (reach_blocks_in_space(start) && get_bit(reach_blocks.live, grain_of(start))) {
        put_bit(reach_blocks.live, grain_of(start), false);
        reach_blocks.count--;
    }
}

REACH_UNLOCKED static void add_slab(const struct slab *slab)
{
    const struct size_class *class = slab_class(slab);
    uintptr_t base = (uintptr_t)space_address(slab->first);
    for (size_t i = 0; i < class->objects; i++) {
        if (!get_bit(slab->free_bits, i))
            add_block(base + i * class->bytes);
    }
}

REACH_UNLOCKED static void add_zone(uint32_t unit)
{
    struct grains grains = grains_at(unit);
    uintptr_t base = (uintptr_t)space_address(unit);
    uint32_t first, size;
    for (uint32_t at = 0; grains_next_object(&grains, at, &first, &size); at = first + size) {
        if (get_bit(grains.end, first + size - 1)) /* not the rest of an arena */
            add_block(base + first * (size_t)GRAIN_BYTES);
    }
}

REACH_UNLOCKED static void add_unit(size_t unit, size_t *large)
{
    unsigned ctl = space_ctl_of(space_address(unit));
    if (ctl == CTL_LARGE || ctl == SIZE_CLASS_MEDIUM) {
        *large = unit;
        add_block((uintptr_t)space_address(unit));
    } else if (ctl == CTL_INSIDE) {
        reach_blocks.head[unit] = (uint32_t)*large;
    } else if (is_slab(ctl) && *space_head(unit) == unit) {
        add_slab(slab_at((uint32_t)unit));
    } else if ((ctl == CTL_MIXED || ctl == CTL_ARENA) && *space_head(unit) == unit) {
        add_zone((uint32_t)unit);
    }
}

static void count_huge(void *p, size_t bytes, void *count)
{
    (void)p, (void)bytes;
    ++*(size_t *)count;
}

/* By address: an insertion sort, as there are few. */
static void add_huge(void *p, size_t bytes, void *room)
{
    size_t i = reach_blocks.huge_count;
    if (i == *(size_t *)room)
        return;
    for (; i > 0 && reach_blocks.huge[i - 1].block.start > (uintptr_t)p; i--)
        reach_blocks.huge[i] = reach_blocks.huge[i - 1];
    reach_blocks.huge[i] = (struct huge_entry){.block = {(uintptr_t)p, bytes}};
    reach_blocks.huge_count++;
    reach_blocks.count++;
}

static int list_huge(void)
{
    size_t count = 0;
    huge_visit(count_huge, &count);
    if (count == 0)
        return 0;
    reach_blocks.huge_bytes = round_up(count * sizeof(struct huge_entry), os_page_bytes());
    reach_blocks.huge = os_map(reach_blocks.huge_bytes);
    if (reach_blocks.huge == NULL)
        return ENOMEM;
    huge_visit(add_huge, &count);
    const struct block *last = &reach_blocks.huge[reach_blocks.huge_count - 1].block;
    reach_blocks.huge_from = reach_blocks.huge[0].block.start;
    reach_blocks.huge_to = last->start + last->bytes;
    return 0;
}

static int map_tables(void)
{
    size_t bitmap = reach_blocks.units * REACH_UNIT_WORDS * sizeof(uint64_t);
    size_t heads = round_up(reach_blocks.units * sizeof(uint32_t), os_page_bytes());
    reach_blocks.map_bytes = round_up(REACH_MAPS * bitmap, os_page_bytes()) + heads;
    if (reach_blocks.units == 0)
        return 0;
    reach_blocks.live = os_map_unpromised(reach_blocks.map_bytes);
    if (reach_blocks.live == NULL)
        return ENOMEM;
    reach_blocks.kind0 = reach_blocks.live + reach_blocks.units * REACH_UNIT_WORDS;
    reach_blocks.kind1 = reach_blocks.kind0 + reach_blocks.units * REACH_UNIT_WORDS;
    reach_blocks.head = (uint32_t *)((char *)reach_blocks.live + reach_blocks.map_bytes - heads);
    return 0;
}

int reach_blocks_init(void)
{
    memset(&reach_blocks, 0, sizeof(reach_blocks));
    reach_blocks.units = atomic_load_explicit(&space.units, memory_order_relaxed);
    int error = map_tables();
    if (error == 0)
        error = list_huge();
    size_t large = 0;
    for (size_t unit = 0; error == 0 && unit < reach_blocks.units; unit++)
        add_unit(unit, &large);
    if (error == 0) {
        cache_visit_rounds(drop_block);
        depot_visit_rounds(drop_block);
        warm_visit(drop_block);
        txn_chunk_visit_left(drop_block);
    }
    return error;
}

void reach_blocks_fini(void)
{
    if (reach_blocks.live != NULL)
        os_unmap(reach_blocks.live, reach_blocks.map_bytes);
    if (reach_blocks.huge != NULL)
        os_unmap(reach_blocks.huge, reach_blocks.huge_bytes);
    memset(&reach_blocks, 0, sizeof(reach_blocks));
}

bool reach_blocks_touch(uintptr_t from, uintptr_t to)
{
    bool is_below = from < space.base + (reach_blocks.units << UNIT_SHIFT) && to > space.base;
    return is_below || (from < reach_blocks.huge_to && to > reach_blocks.huge_from);
}

/* -- results ---------------------------------------------------------------------------------- */

static void visit_unit(size_t unit,
                       void (*visit)(void *p, size_t bytes, enum reach_kind kind, void *context),
                       void *context)
{
    for (size_t word = unit * REACH_UNIT_WORDS; word < (unit + 1) * REACH_UNIT_WORDS; word++) {
        for (uint64_t bits = reach_blocks.live[word]; bits != 0; bits &= bits - 1) {
            size_t grain = word * 64 + (size_t)__builtin_ctzll(bits);
            uintptr_t start = space.base + grain * SIZE_GRAIN;
            struct block block;
            if (find_place(start, &block))
                visit((void *)start, block.bytes, reach_blocks_kind(start), context);
        }
    }
}

void reach_visit(void (*visit)(void *p, size_t bytes, enum reach_kind kind, void *context),
                 void *context)
{
    for (size_t unit = 0; unit < reach_blocks.units; unit++) {
        if (space_ctl_of(space_address(unit)) != CTL_FREE)
            visit_unit(unit, visit, context);
    }
    for (size_t i = 0; i < reach_blocks.huge_count; i++) {
        const struct huge_entry *entry = &reach_blocks.huge[i];
        visit((void *)entry->block.start, entry->block.bytes, entry->kind, context);
    }
}
