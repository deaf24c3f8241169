/* space.c - reserves the heap's address space and commits its tables as the frontier moves.
 *
 * 1. The whole stretch is mapped at once, and made readable and writable in steps, so that nobody
 * who goes through the process's memory (redis' test of it, when it crashes) touches all of it.
 * Steps are short where the kernel counts them as promised (vm.overcommit_memory=2).
 * 2. A step makes the mapping of those before it longer, so what is reserved differs from that in
 *    its rights alone: it can be had where no more mappings may be made (vm.max_map_count). Core
 *    dumps leave out what was never touched all the same.
 * 3. Where even that fails (RLIMIT_AS), smaller and smaller stretches are tried; a share is left
 *    for the program's own mappings. */
#include "allocators/space.h"

#include <errno.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"

enum {
    LEAST_BYTES = 1024 * 1024,
    SCARCE_UNITS = 4 * 65536,                                          /* 4 GiB */
    TABLE_BYTES_PER_UNIT = 1 + 4 + SPAN_BYTES + 2 * SPACE_GRAIN_BYTES, /* and two bits */
};

/* space.open_units of an open gate in front of nothing. */
enum { NO_UNITS = 1 };

enum { GRAINS_FREE, GRAINS_END, GRAIN_TABLES };

struct space space = {.first_page = UINTPTR_MAX, .units = 0, .open_units = NO_UNITS};

static struct {
    _Atomic size_t units_max; /* written by space_limit */
    size_t units_reserved;    /* at the start */
    uint32_t *heads;
    uint64_t *free_bits;
    uint64_t *dirty_bits;
    char *grains[GRAIN_TABLES];
    bool is_charged;              /* what is committed counts as promised memory */
    uint64_t *span_pages;         /* bit p: page p of the spans was written; atomic words */
    uint64_t *grain_pages;        /* the same for either table of grains */
    _Atomic size_t written_pages; /* of all three tables */
} layout;

/* -- layout ----------------------------------------------------------------------------------- */

static size_t bitmap_bytes(size_t units)
{
    return round_up((units + 63) / 64 * sizeof(uint64_t), os_page_bytes());
}

/* One bit for each page of a table. */
static size_t page_bits_bytes(size_t table_bytes)
{
    return round_up(table_bytes / os_page_bytes() / 8 + 8, os_page_bytes());
}

static size_t tables_bytes(size_t units)
{
    return round_up(units * TABLE_BYTES_PER_UNIT + 2 * bitmap_bytes(units) +
                        page_bits_bytes(units * SPAN_BYTES) +
                        page_bits_bytes(units * SPACE_GRAIN_BYTES) + 6 * os_page_bytes(),
                    SPACE_ALIGNMENT);
}

static char *page_floor(char *at)
{
    return (char *)round_down((uintptr_t)at, os_page_bytes());
}

/* Places the tables downwards from the base. */
static void lay_out(char *base, size_t units)
{
    char *ctl = page_floor(base - units);
    char *at = page_floor(ctl - units * sizeof(uint32_t));
    layout.heads = (uint32_t *)(void *)at;
    at -= bitmap_bytes(units);
    layout.free_bits = (uint64_t *)(void *)at;
    at -= bitmap_bytes(units);
    layout.dirty_bits = (uint64_t *)(void *)at;
    at -= page_bits_bytes(units * SPAN_BYTES);
    layout.span_pages = (uint64_t *)(void *)at;
    at -= page_bits_bytes(units * SPACE_GRAIN_BYTES);
    layout.grain_pages = (uint64_t *)(void *)at;
    space.spans = page_floor(at - units * SPAN_BYTES);
    layout.grains[GRAINS_FREE] = page_floor(space.spans - units * SPACE_GRAIN_BYTES);
    layout.grains[GRAINS_END] = page_floor(layout.grains[GRAINS_FREE] - units * SPACE_GRAIN_BYTES);
    layout.units_max = layout.units_reserved = units;
    space.base = (uintptr_t)base;
    space.first_page = (uintptr_t)base >> UNIT_SHIFT;
    space.ctl_by_page = (const _Atomic uint8_t *)ctl - space.first_page;
}

/* -- reservation ------------------------------------------------------------------------------ */

static void *map_stretch(size_t bytes)
{
    void *start = os_map_unpromised(bytes);
    layout.is_charged = start == NULL;
    if (start == NULL)
        return os_reserve(bytes);
    os_hide(start, bytes);
    return start;
}

static bool reserve_units(size_t units)
{
    size_t tables = tables_bytes(units);
    size_t total = tables + units * UNIT_BYTES + SPACE_ALIGNMENT;
    char *start = map_stretch(total);
    if (start == NULL)
        return false;
    char *base = (char *)round_up((uintptr_t)start + tables, SPACE_ALIGNMENT);
    lay_out(base, units);
    return true;
}

/* The largest stretch the limits allow, in eighths, less 3/8 for everybody else. */
static bool reserve_what_is_left(size_t bytes)
{
    for (; bytes >= LEAST_BYTES; bytes -= round_up(bytes / 8, UNIT_BYTES)) {
        void *probe = map_stretch(bytes);
        if (probe == NULL)
            continue;
        os_unmap(probe, bytes);
        if (reserve_units(bytes / 8 * 5 >> UNIT_SHIFT))
            return true;
    }
    return false;
}

int space_init(size_t bytes)
{
    MP_ASSERT(layout.units_max == 0);
    bytes = round_down(bytes, UNIT_BYTES);
    if (!reserve_units(bytes >> UNIT_SHIFT) && !reserve_what_is_left(bytes))
        return ENOMEM;
    return 0;
}

/* The first step may be of another kind than the next, which has a page to make longer then. */
void space_choose_pages(enum conf_thp thp)
{
    size_t units = space_units_max();
    if (thp == CONF_THP_AUTO && units > SPACE_STEP_UNITS) {
        units = SPACE_STEP_UNITS;
        os_commit(space_address(units), os_page_bytes());
    }
    os_set_huge(space_address(0), units * UNIT_BYTES, thp == CONF_THP_ON);
}

size_t space_units_max(void)
{
    return atomic_load_explicit(&layout.units_max, memory_order_relaxed);
}

bool space_is_scarce(void)
{
    return space_units_max() < SCARCE_UNITS;
}

/* -- a limit that changes --------------------------------------------------------------------- */

enum { PARTS = 10 };

/* Where the tables and the units begin, and how many bytes they have for so many units. No two
 * share a page. */
static char *find_part(unsigned part, size_t units, size_t *bytes)
{
    const struct {
        void *start;
        size_t bytes;
    } parts[PARTS] = {
        {layout.free_bits, bitmap_bytes(units)},
        {layout.dirty_bits, bitmap_bytes(units)},
        {layout.grain_pages, page_bits_bytes(units * SPACE_GRAIN_BYTES)},
        {layout.span_pages, page_bits_bytes(units * SPAN_BYTES)},
        {layout.heads, units * sizeof(uint32_t)},
        {space.spans, units * SPAN_BYTES},
        {layout.grains[GRAINS_FREE], units * SPACE_GRAIN_BYTES},
        {layout.grains[GRAINS_END], units * SPACE_GRAIN_BYTES},
        {space_ctl(0), units},
        {(void *)space.base, units * UNIT_BYTES},
    };
    *bytes = round_up(parts[part].bytes, os_page_bytes());
    return parts[part].start;
}

/* The pages that `part` has for units [from, to). */
static char *find_tail(unsigned part, size_t from, size_t to, size_t *bytes)
{
    size_t before;
    char *start = find_part(part, from, &before);
    find_part(part, to, bytes);
    *bytes -= before;
    return start + before;
}

/* A refusal is not fatal: what stays mapped is not used. */
static void unmap_tails(size_t from, size_t to, unsigned parts)
{
    for (unsigned part = 0; part < parts; part++) {
        size_t bytes;
        char *tail = find_tail(part, from, to, &bytes);
        if (bytes > 0)
            os_unmap(tail, bytes);
    }
}

static bool map_tails(size_t from, size_t to)
{
    for (unsigned part = 0; part < PARTS; part++) {
        size_t bytes;
        char *tail = find_tail(part, from, to, &bytes);
        if (bytes > 0 && !os_map_again(tail, bytes, false)) {
            unmap_tails(from, to, part);
            return false;
        }
    }
    return true;
}

/* Others may have mapped something meanwhile, mostly at the far end. Units that are mapped again.
 */
static size_t map_as_much(size_t from, size_t units)
{
    while (units > 0 && !map_tails(from, from + units))
        units /= 2;
    return units;
}

/* A fork may cut anywhere: what is beyond the new end is not used before the unmapping, and not
 * before the mapping is done. */
MP_RARE void space_limit(uint64_t bytes)
{
    size_t old = space_units_max();
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    uint64_t share = bytes / 8 * 5 >> UNIT_SHIFT;
    if (units < share)
        units = share < layout.units_reserved ? (size_t)share : layout.units_reserved;
    if (units < old) {
        atomic_store_explicit(&layout.units_max, units, memory_order_relaxed);
        lock_fence_stores();
        unmap_tails(units, old, PARTS);
    } else if (units > old) {
        units = old + map_as_much(old, units - old);
        atomic_store_explicit(&layout.units_max, units, memory_order_relaxed);
    }
}

/* -- the frontier ----------------------------------------------------------------------------- */

static int commit(void *from, void *to)
{
    char *start = page_floor(from);
    char *end = page_floor((char *)to + os_page_bytes() - 1);
    if (start == end)
        return 0;
    return os_commit(start, (size_t)(end - start));
}

/* The bits of the pages of a table's bytes [from, to). */
static int commit_pages(uint64_t *pages, size_t from, size_t to)
{
    size_t bytes = os_page_bytes() * 64; /* of a word */
    return commit(pages + from / bytes, pages + to / bytes + 1);
}

static int commit_grains(size_t from, size_t to)
{
    int error = commit_pages(layout.grain_pages, from, to);
    for (int table = 0; error == 0 && table < GRAIN_TABLES; table++)
        error = commit(layout.grains[table] + from, layout.grains[table] + to);
    return error;
}

static int commit_tables(size_t from, size_t to)
{
    int error = commit(space_ctl(from), space_ctl(to));
    if (error == 0)
        error = commit(layout.heads + from, layout.heads + to);
    if (error == 0)
        error = commit(layout.free_bits + from / 64, layout.free_bits + (to + 63) / 64);
    if (error == 0)
        error = commit(layout.dirty_bits + from / 64, layout.dirty_bits + (to + 63) / 64);
    if (error == 0)
        error = commit_pages(layout.span_pages, from * SPAN_BYTES, to * SPAN_BYTES);
    if (error == 0)
        error = commit(space.spans + from * SPAN_BYTES, space.spans + to * SPAN_BYTES);
    if (error == 0)
        error = commit_grains(from * SPACE_GRAIN_BYTES, to * SPACE_GRAIN_BYTES);
    return error;
}

/* Unless it is shut, or is being shut just now. */
static void widen_open(size_t units)
{
    size_t open = atomic_load_explicit(&space.open_units, memory_order_relaxed);
    if (open != 0)
        atomic_compare_exchange_strong_explicit(&space.open_units, &open, units,
                                                memory_order_relaxed, memory_order_relaxed);
}

/* seq_cst: an extension meanwhile either sees the gate open, or is seen here. */
void space_set_open(bool open)
{
    if (!open) {
        atomic_store(&space.open_units, 0);
        return;
    }
    size_t units;
    do {
        units = atomic_load(&space.units);
        atomic_store(&space.open_units, units != 0 ? units : NO_UNITS);
    } while (units != atomic_load(&space.units));
}

int space_extend(size_t end)
{
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    if (end <= units)
        return 0;
    if (end > space_units_max())
        return ENOMEM;
    size_t step = layout.is_charged ? 64 : SPACE_STEP_UNITS; /* 1 MiB is charged at a time */
    size_t target = round_up(end, step);
    if (target > space_units_max())
        target = space_units_max();
    int error = commit_tables(units, target);
    if (error == 0)
        error = commit(space_address(units), space_address(target));
    if (error != 0)
        return ENOMEM;
    atomic_store_explicit(&space.units, target, memory_order_relaxed);
    widen_open(target);
    return 0;
}

/* -- tables ----------------------------------------------------------------------------------- */

/* Release: who reads it (acquire) finds what was written before, as do heads of an arena. */
static void set_ctl(size_t unit, uint8_t ctl)
{
    atomic_store_explicit(space_ctl(unit), ctl, memory_order_release);
}

void space_label(size_t first, size_t units, uint8_t ctl)
{
    size_t end = first + units;
    size_t at = first + 1;
    for (; at < end && at % 8 != 0; at++)
        set_ctl(at, ctl);
    for (; at + 8 <= end; at += 8) /* large blocks have thousands */
        atomic_store_explicit((_Atomic uint64_t *)(void *)space_ctl(at),
                              ctl * UINT64_C(0x0101010101010101), memory_order_release);
    for (; at < end; at++)
        set_ctl(at, ctl);
    lock_fence_stores(); /* the first one last: a fork may cut here */
    set_ctl(first, ctl);
}

uint32_t *space_head(size_t unit)
{
    return &layout.heads[unit];
}

uint64_t *space_free_bits(void)
{
    return layout.free_bits;
}

uint64_t *space_dirty_bits(void)
{
    return layout.dirty_bits;
}

uint64_t *space_grains_free(size_t unit)
{
    return (uint64_t *)(void *)(layout.grains[GRAINS_FREE] + unit * SPACE_GRAIN_BYTES);
}

uint64_t *space_grains_end(size_t unit)
{
    return (uint64_t *)(void *)(layout.grains[GRAINS_END] + unit * SPACE_GRAIN_BYTES);
}

/* `tables` have such a page each. */
static void touch_page(uint64_t *pages, size_t page, size_t tables)
{
    _Atomic uint64_t *word = (_Atomic uint64_t *)&pages[page / 64];
    uint64_t bit = UINT64_C(1) << (page % 64);
    if ((atomic_load_explicit(word, memory_order_relaxed) & bit) != 0)
        return;
    if ((atomic_fetch_or_explicit(word, bit, memory_order_relaxed) & bit) == 0)
        atomic_fetch_add_explicit(&layout.written_pages, tables, memory_order_relaxed);
}

void space_touch_span(size_t unit)
{
    touch_page(layout.span_pages, unit * SPAN_BYTES / os_page_bytes(), 1);
}

void space_touch_grains(size_t unit, size_t units)
{
    for (size_t at = unit; at < unit + units; at++)
        touch_page(layout.grain_pages, at * SPACE_GRAIN_BYTES / os_page_bytes(), GRAIN_TABLES);
}

MP_RARE const void *space_memory(size_t *bytes)
{
    const char *start = layout.grains[GRAINS_END];
    *bytes = start == NULL ? 0 : space.base + (layout.units_max << UNIT_SHIFT) - (uintptr_t)start;
    return start;
}

size_t space_meta_bytes(void)
{
    size_t pages = atomic_load_explicit(&layout.written_pages, memory_order_relaxed);
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    return pages * os_page_bytes() + units * 5 + units / 4;
}
