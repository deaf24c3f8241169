/* reach.c - see reach.h.
 *
 * Three bitmaps over the units below the frontier, a bit for each 16 bytes: `live` where a block of
 * the program begins, and two that hold its kind. A list of blocks still to be read (each enters it
 * once in each phase) takes the place of recursion.
 *
 *  1  from the roots: pointers to a first byte are followed; a pointer into a block marks it INSIDE
 *  2  from the blocks marked INSIDE: all pointers are followed
 *  3  from each block that is LOST, by address: what it leads to is BY_LOST. So of blocks that lead
 *     to each other in a circle one stays LOST. */
#include "allocators/reach.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/cache.h"
#include "allocators/depot.h"
#include "allocators/huge.h"
#include "allocators/large.h"
#include "allocators/pool.h"
#include "allocators/warm.h"
#include "allocators/zone.h"

#if defined(__SANITIZE_THREAD__)
#define UNLOCKED __attribute__((no_sanitize("thread"))) /* the others stand still */
#else
#define UNLOCKED
#endif

enum {
    REACH_UNIT_WORDS = UNIT_BYTES / SIZE_GRAIN / 64, /* of each bitmap */
    REACH_MAPS = 3,
    REACH_FORBIDDEN_MOST = 64,
    REACH_SPARSE_BYTES =
        128 * 1024, /* of longer ranges only the pages that hold something are read */
};

struct block {
    uintptr_t start;
    size_t bytes;
};

struct huge_entry {
    struct block block;
    enum reach_kind kind;
};

enum phase { FROM_ROOTS, FROM_INSIDE, FROM_LOST };

static struct {
    size_t units;    /* below the frontier when it began */
    uint64_t *live;  /* bit of a block's first grain */
    uint64_t *kind0; /* the kind, low bit */
    uint64_t *kind1; /* high bit */
    uint32_t *head;  /* of each unit inside a large block: its first unit */
    size_t map_bytes;

    struct huge_entry *huge; /* by address */
    size_t huge_count, huge_bytes;
    uintptr_t huge_from, huge_to; /* all lie within */

    uintptr_t *list; /* first bytes of blocks to be read */
    size_t listed, list_bytes;
    size_t blocks;
    enum phase phase;
    uintptr_t leader; /* FROM_LOST: where it began */

    struct {
        uintptr_t from, to;
    } forbidden[REACH_FORBIDDEN_MOST];
    size_t forbidden_count;
} reach;

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

static bool is_ours(uintptr_t p)
{
    return p - space.base < reach.units << UNIT_SHIFT;
}

static struct huge_entry *find_huge(uintptr_t p)
{
    size_t low = 0, high = reach.huge_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (reach.huge[middle].block.start <= p)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || p - reach.huge[low - 1].block.start >= reach.huge[low - 1].block.bytes)
        return NULL;
    return &reach.huge[low - 1];
}

static enum reach_kind get_kind(uintptr_t start)
{
    if (!is_ours(start))
        return find_huge(start)->kind;
    size_t grain = grain_of(start);
    unsigned high = get_bit(reach.kind1, grain), low = get_bit(reach.kind0, grain);
    return (enum reach_kind)(high << 1 | low);
}

static void set_kind(uintptr_t start, enum reach_kind kind)
{
    if (!is_ours(start)) {
        find_huge(start)->kind = kind;
        return;
    }
    put_bit(reach.kind0, grain_of(start), (kind & 1) != 0);
    put_bit(reach.kind1, grain_of(start), (kind & 2) != 0);
}

/* -- from an address to its block ------------------------------------------------------------- */

UNLOCKED static bool find_object(uintptr_t p, struct block *block)
{
    const struct slab *slab = slab_of((const void *)p);
    const struct size_class *class = slab_class(slab);
    uintptr_t base = (uintptr_t)space_address(slab->first);
    unsigned index = size_class_index(class, p - base);
    *block = (struct block){base + index * (size_t) class->bytes, class->bytes};
    return index < class->objects;
}

UNLOCKED static bool find_in_zone(uintptr_t p, struct block *block)
{
    const struct zone *zone = zone_at(*space_head(space_unit_of((const void *)p)));
    struct grains grains = zone_grains(zone);
    uintptr_t base = (uintptr_t)space_address(zone->first);
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
        return find_in_zone(p, block);
    case CTL_LARGE:
    case SIZE_CLASS_MEDIUM:
        return find_large(unit, block);
    case CTL_INSIDE:
        return find_large(reach.head[unit], block);
    default:
        return false;
    }
}

/* The block that p points into; false: into none, or behind what can be used of it. */
static bool find_block(uintptr_t p, struct block *block)
{
    if (is_ours(p))
        return find_place(p, block) && p - block->start < block->bytes &&
               get_bit(reach.live, grain_of(block->start));
    const struct huge_entry *entry = find_huge(p);
    if (entry != NULL)
        *block = entry->block;
    return entry != NULL;
}

/* -- which blocks there are ------------------------------------------------------------------- */

static void add_block(uintptr_t start)
{
    put_bit(reach.live, grain_of(start), true);
    reach.blocks++;
}

/* It lies in a magazine, or waits to be used again. */
static void drop_block(void *p)
{
    uintptr_t start = (uintptr_t)p;
    if (is_ours(start) && get_bit(reach.live, grain_of(start))) {
        put_bit(reach.live, grain_of(start), false);
        reach.blocks--;
    }
}

UNLOCKED static void add_slab(const struct slab *slab)
{
    const struct size_class *class = slab_class(slab);
    uintptr_t base = (uintptr_t)space_address(slab->first);
    for (size_t i = 0; i < class->objects; i++) {
        if (!get_bit(slab->free_bits, i))
            add_block(base + i * class->bytes);
    }
}

UNLOCKED static void add_zone(const struct zone *zone)
{
    struct grains grains = zone_grains(zone);
    uintptr_t base = (uintptr_t)space_address(zone->first);
    uint32_t first, size;
    for (uint32_t at = 0; grains_next_object(&grains, at, &first, &size); at = first + size)
        add_block(base + first * (size_t)GRAIN_BYTES);
}

UNLOCKED static void add_unit(size_t unit, size_t *large)
{
    unsigned ctl = space_ctl_of(space_address(unit));
    if (ctl == CTL_LARGE || ctl == SIZE_CLASS_MEDIUM) {
        *large = unit;
        add_block((uintptr_t)space_address(unit));
    } else if (ctl == CTL_INSIDE) {
        reach.head[unit] = (uint32_t)*large;
    } else if (is_slab(ctl) && *space_head(unit) == unit) {
        add_slab(slab_at((uint32_t)unit));
    } else if (ctl == CTL_MIXED && *space_head(unit) == unit) {
        add_zone(zone_at((uint32_t)unit));
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
    size_t i = reach.huge_count;
    if (i == *(size_t *)room)
        return;
    for (; i > 0 && reach.huge[i - 1].block.start > (uintptr_t)p; i--)
        reach.huge[i] = reach.huge[i - 1];
    reach.huge[i] = (struct huge_entry){.block = {(uintptr_t)p, bytes}};
    reach.huge_count++;
    reach.blocks++;
}

static int list_huge(void)
{
    size_t count = 0;
    huge_visit(count_huge, &count);
    if (count == 0)
        return 0;
    reach.huge_bytes = round_up(count * sizeof(struct huge_entry), os_page_bytes());
    reach.huge = os_map(reach.huge_bytes);
    if (reach.huge == NULL)
        return ENOMEM;
    huge_visit(add_huge, &count);
    const struct block *last = &reach.huge[reach.huge_count - 1].block;
    reach.huge_from = reach.huge[0].block.start;
    reach.huge_to = last->start + last->bytes;
    return 0;
}

static int map_tables(void)
{
    size_t bitmap = reach.units * REACH_UNIT_WORDS * sizeof(uint64_t);
    size_t heads = round_up(reach.units * sizeof(uint32_t), os_page_bytes());
    reach.map_bytes = round_up(REACH_MAPS * bitmap, os_page_bytes()) + heads;
    if (reach.units == 0)
        return 0;
    reach.live = os_map_unpromised(reach.map_bytes);
    if (reach.live == NULL)
        return ENOMEM;
    reach.kind0 = reach.live + reach.units * REACH_UNIT_WORDS;
    reach.kind1 = reach.kind0 + reach.units * REACH_UNIT_WORDS;
    reach.head = (uint32_t *)((char *)reach.live + reach.map_bytes - heads);
    return 0;
}

static int map_list(void)
{
    reach.list_bytes = round_up((reach.blocks + 1) * sizeof(uintptr_t), os_page_bytes());
    reach.list = os_map_unpromised(reach.list_bytes);
    return reach.list != NULL ? 0 : ENOMEM;
}

int reach_begin(void)
{
    memset(&reach, 0, sizeof(reach));
    reach.units = atomic_load_explicit(&space.units, memory_order_relaxed);
    int error = map_tables();
    if (error == 0)
        error = list_huge();
    size_t large = 0;
    for (size_t unit = 0; error == 0 && unit < reach.units; unit++)
        add_unit(unit, &large);
    if (error == 0) {
        cache_visit_rounds(drop_block);
        depot_visit_rounds(drop_block);
        warm_visit(drop_block);
        error = map_list();
    }
    if (error != 0)
        reach_end();
    return error;
}

void reach_end(void)
{
    if (reach.live != NULL)
        os_unmap(reach.live, reach.map_bytes);
    if (reach.huge != NULL)
        os_unmap(reach.huge, reach.huge_bytes);
    if (reach.list != NULL)
        os_unmap(reach.list, reach.list_bytes);
    memset(&reach, 0, sizeof(reach));
}

/* -- marking ---------------------------------------------------------------------------------- */

static void mark(uintptr_t start, enum reach_kind kind)
{
    MP_ASSERT((reach.listed + 1) * sizeof(uintptr_t) <= reach.list_bytes);
    set_kind(start, kind);
    reach.list[reach.listed++] = start;
}

static void follow(uintptr_t p)
{
    struct block block;
    if (!find_block(p, &block))
        return;
    enum reach_kind kind = get_kind(block.start);
    bool is_start = p == block.start;
    switch (reach.phase) {
    case FROM_ROOTS:
        if (is_start && kind != REACH_START)
            mark(block.start, REACH_START);
        else if (!is_start && kind == REACH_LOST)
            set_kind(block.start, REACH_INSIDE);
        break;
    case FROM_INSIDE:
        if (kind == REACH_LOST)
            mark(block.start, REACH_INSIDE);
        break;
    case FROM_LOST:
        if (kind == REACH_LOST && block.start != reach.leader)
            mark(block.start, REACH_BY_LOST);
    }
}

/* Reads the program's memory, whatever it holds. */
#if defined(__SANITIZE_ADDRESS__)
__attribute__((no_sanitize("address")))
#endif
UNLOCKED static void
scan_words(uintptr_t from, uintptr_t to)
{
    const uintptr_t *end = (const uintptr_t *)(to & ~(sizeof(uintptr_t) - 1));
    for (const uintptr_t *word = (const uintptr_t *)round_up(from, sizeof(uintptr_t)); word < end;
         word++) {
        if (is_ours(*word) || *word - reach.huge_from < reach.huge_to - reach.huge_from)
            follow(*word);
    }
}

/* Leaves out what cannot be read. */
static void scan(uintptr_t from, uintptr_t to)
{
    for (size_t i = 0; i < reach.forbidden_count; i++) {
        if (from >= reach.forbidden[i].to || to <= reach.forbidden[i].from)
            continue;
        if (from < reach.forbidden[i].from)
            scan(from, reach.forbidden[i].from);
        from = reach.forbidden[i].to;
        if (from >= to)
            return;
    }
    scan_words(from, to);
}

bool reach_forbid(uintptr_t from, uintptr_t to)
{
    if (reach.forbidden_count == REACH_FORBIDDEN_MOST)
        return false;
    reach.forbidden[reach.forbidden_count].from = from;
    reach.forbidden[reach.forbidden_count++].to = to;
    return true;
}

static void scan_range(uintptr_t from, uintptr_t to)
{
    if (to - from < REACH_SPARSE_BYTES)
        scan(from, to);
    else
        os_visit_present(from, to, scan);
}

/* Reads the blocks in the list until it is empty. */
static void drain(void)
{
    while (reach.listed > 0) {
        struct block block;
        if (find_block(reach.list[--reach.listed], &block))
            scan_range(block.start, block.start + block.bytes);
    }
}

void reach_scan(const void *from, const void *to)
{
    reach.phase = FROM_ROOTS;
    scan_range((uintptr_t)from, (uintptr_t)to);
    drain();
}

bool reach_hidden(unsigned index, uintptr_t *from, uintptr_t *to)
{
    size_t bytes[] = {0, reach.map_bytes, reach.huge_bytes, reach.list_bytes};
    const void *start[] = {huge_table(&bytes[0]), reach.live, reach.huge, reach.list};
    if (index >= sizeof(start) / sizeof(start[0]))
        return false;
    *from = (uintptr_t)start[index];
    *to = *from + (start[index] == NULL ? 0 : bytes[index]);
    return true;
}

static void start_from_inside(void *p, size_t bytes, enum reach_kind kind, void *context)
{
    (void)bytes, (void)context;
    if (kind != REACH_INSIDE)
        return;
    reach.list[reach.listed++] = (uintptr_t)p;
    drain();
}

static void start_from_lost(void *p, size_t bytes, enum reach_kind kind, void *context)
{
    (void)bytes, (void)context;
    if (kind != REACH_LOST)
        return;
    reach.leader = (uintptr_t)p;
    reach.list[reach.listed++] = (uintptr_t)p;
    drain();
}

void reach_finish(void)
{
    reach.phase = FROM_INSIDE;
    reach_visit(start_from_inside, NULL);
    reach.phase = FROM_LOST;
    reach_visit(start_from_lost, NULL);
}

/* -- results ---------------------------------------------------------------------------------- */

static void visit_unit(size_t unit,
                       void (*visit)(void *p, size_t bytes, enum reach_kind kind, void *context),
                       void *context)
{
    for (size_t word = unit * REACH_UNIT_WORDS; word < (unit + 1) * REACH_UNIT_WORDS; word++) {
        for (uint64_t bits = reach.live[word]; bits != 0; bits &= bits - 1) {
            size_t grain = word * 64 + (size_t)__builtin_ctzll(bits);
            uintptr_t start = space.base + grain * SIZE_GRAIN;
            struct block block;
            if (find_place(start, &block))
                visit((void *)start, block.bytes, get_kind(start), context);
        }
    }
}

void reach_visit(void (*visit)(void *p, size_t bytes, enum reach_kind kind, void *context),
                 void *context)
{
    for (size_t unit = 0; unit < reach.units; unit++) {
        if (space_ctl_of(space_address(unit)) != CTL_FREE)
            visit_unit(unit, visit, context);
    }
    for (size_t i = 0; i < reach.huge_count; i++) {
        const struct huge_entry *entry = &reach.huge[i];
        visit((void *)entry->block.start, entry->block.bytes, entry->kind, context);
    }
}
