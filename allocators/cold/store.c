/* store.c - first fit over bitmaps: segments of 64 KiB, a bit for each free grain of 64 bytes. A
 * piece lies within one segment. What is searched for begins at a hint for its length, which only a
 * drop moves down: so the front stays dense, and the end empties. */
#include "allocators/cold/store.h"

#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/base/os_fault.h"

enum {
    SEGMENT_GRAINS = 64 * 1024 / STORE_GRAIN,
    SEGMENT_BYTES = SEGMENT_GRAINS * STORE_GRAIN,
    PIECE_GRAINS_MAX = 16 * 1024 / STORE_GRAIN,
    WORDS = SEGMENT_GRAINS / 64,
    PAGE_GRAINS = 4096 / STORE_GRAIN, /* cold_init sees to it that pages are of 4 KiB */
};

struct segment {
    uint64_t free[WORDS]; /* bit g set: grain g is free */
    uint32_t grains;      /* of these, so many are free */
    uint32_t longest;     /* no hole is longer */
};

static struct {
    char *memory;
    struct segment *segments;
    uint32_t most, used;                 /* segments; those from `used` on were never used */
    uint32_t hint[PIECE_GRAINS_MAX + 1]; /* no segment before it has a hole of that length */
    size_t pages;                        /* that hold a piece, or a part of one */
} store;

static size_t grains_for(size_t bytes)
{
    return (bytes + STORE_GRAIN - 1) / STORE_GRAIN;
}

bool store_init(size_t most_bytes)
{
    if (store.memory != NULL)
        return true;
    size_t most = most_bytes / SEGMENT_BYTES, most_numbers = STORE_NONE / SEGMENT_GRAINS;
    most = most < most_numbers ? most : most_numbers;
    size_t table = round_up(most * sizeof(struct segment), os_page_bytes());
    char *memory = os_map_unpromised(table + most * SEGMENT_BYTES);
    if (memory == NULL)
        return false;
    os_set_unforked(memory, table + most * SEGMENT_BYTES);
    os_set_dumped(memory, table + most * SEGMENT_BYTES, false);
    memset(&store, 0, sizeof(store));
    store.segments = (struct segment *)(void *)memory;
    store.memory = memory + table;
    store.most = (uint32_t)most;
    return true;
}

/* The first hole of so many grains, or SEGMENT_GRAINS; *longest: the longest one before it. */
static size_t find_hole(const struct segment *segment, size_t grains, uint32_t *longest)
{
    size_t length = 0;
    *longest = 0;
    for (size_t at = 0; at < SEGMENT_GRAINS; at++) {
        if (at % 64 == 0 && segment->free[at / 64] == 0) {
            at += 63;
            length = 0;
            continue;
        }
        length = bit_is_set(segment->free, at) ? length + 1 : 0;
        if (length == grains)
            return at + 1 - grains;
        *longest = length > *longest ? (uint32_t)length : *longest;
    }
    return SEGMENT_GRAINS;
}

static bool add_segment(void)
{
    if (store.used == store.most)
        return false;
    struct segment *segment = &store.segments[store.used++];
    memset(segment->free, 0xff, sizeof(segment->free));
    segment->grains = segment->longest = SEGMENT_GRAINS;
    return true;
}

/* Those of the pages that the grains lie in which have no piece; each is visited. */
static size_t visit_free_pages(uint32_t number, size_t first, size_t grains,
                               void (*visit)(void *page))
{
    const struct segment *segment = &store.segments[number];
    size_t to = round_up(first + grains, PAGE_GRAINS), count = 0;
    for (size_t at = round_down(first, PAGE_GRAINS); at < to; at += PAGE_GRAINS) {
        if (bits_count(segment->free, at, PAGE_GRAINS) != PAGE_GRAINS)
            continue;
        count++;
        if (visit != NULL)
            visit(store.memory + number * (size_t)SEGMENT_BYTES + at * STORE_GRAIN);
    }
    return count;
}

/* STORE_NONE: the segment has no hole of that length, and knows it now. */
static uint32_t take_in(uint32_t number, size_t grains)
{
    struct segment *segment = &store.segments[number];
    uint32_t longest;
    if (segment->longest < grains)
        return STORE_NONE;
    size_t at = find_hole(segment, grains, &longest);
    if (at == SEGMENT_GRAINS) {
        segment->longest = longest;
        return STORE_NONE;
    }
    store.pages += visit_free_pages(number, at, grains, NULL);
    bits_clear(segment->free, at, grains);
    segment->grains -= (uint32_t)grains;
    return number * SEGMENT_GRAINS + (uint32_t)at;
}

uint32_t store_put(const void *from, size_t bytes)
{
    size_t grains = grains_for(bytes);
    MP_ASSERT(grains > 0 && grains <= PIECE_GRAINS_MAX);
    for (uint32_t number = store.hint[grains]; number < store.used || add_segment(); number++) {
        uint32_t grain = take_in(number, grains);
        store.hint[grains] = number;
        if (grain == STORE_NONE)
            continue;
        memcpy(store.memory + (size_t)grain * STORE_GRAIN, from, bytes);
        return grain;
    }
    return STORE_NONE;
}

const void *store_at(uint32_t grain)
{
    return store.memory + (size_t)grain * STORE_GRAIN;
}

static void purge_page(void *page)
{
    os_purge(page, PAGE_GRAINS * STORE_GRAIN);
}

void store_drop(uint32_t grain, size_t bytes)
{
    size_t grains = grains_for(bytes), first = grain % SEGMENT_GRAINS;
    uint32_t number = grain / SEGMENT_GRAINS;
    struct segment *segment = &store.segments[number];
    MP_ASSERT(bits_count(segment->free, first, grains) == 0);
    bits_set(segment->free, first, grains);
    segment->grains += (uint32_t)grains;
    segment->longest = SEGMENT_GRAINS; /* found out by who needs it */
    for (size_t length = 1; length <= PIECE_GRAINS_MAX; length++)
        store.hint[length] = number < store.hint[length] ? number : store.hint[length];
    store.pages -= visit_free_pages(number, first, grains, purge_page);
}

size_t store_bytes(void)
{
    return store.pages * PAGE_GRAINS * STORE_GRAIN;
}

void store_forget(void)
{
    memset(&store, 0, sizeof(store));
}

MP_RARE void store_audit(void)
{
    size_t pages = 0;
    for (uint32_t number = 0; number < store.used; number++) {
        const struct segment *segment = &store.segments[number];
        size_t free = bits_count(segment->free, 0, SEGMENT_GRAINS);
        MP_AUDIT(free == segment->grains);
        pages += SEGMENT_GRAINS / PAGE_GRAINS;
        pages -= visit_free_pages(number, 0, SEGMENT_GRAINS, NULL);
    }
    MP_AUDIT(pages == store.pages);
}
