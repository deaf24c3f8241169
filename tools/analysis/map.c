/* map.c - two looks at all blocks that are alive: the first sums up each page in a table, the
 * second shares out what the sparse pages do not use. */
#include "tools/analysis/map.h"

#include <stdlib.h>

#include "tools/analysis/booking.h"

enum { FIRST_SLOTS = 4096, MOST_MARKS = MAPS - 2 };

/* A page that holds a block. */
struct page_use {
    uint64_t number_and_one; /* 0: the slot is free */
    uint32_t bytes;
    uint32_t largest;
};

/* Open addressing, linear probing, at most half full. */
struct use_table {
    struct store *store;
    struct page_use *slot;
    size_t slots; /* a power of two */
    size_t used;
};

struct taking {
    struct analysis *analysis;
    struct map *map;
    struct use_table table;
    struct map_pin *pin; /* by site */
};

/* -- planning --------------------------------------------------------------------------------- */

const struct trace_sample *maps_find_largest(const struct trace_facts *facts)
{
    uint64_t most = 0;
    const struct trace_sample *best = NULL;
    for (size_t i = 0; i < facts->samples; i++) {
        const struct trace_sample *sample = &facts->sample[i];
        if (sample->time_ns >= facts->whole_since_ns && sample->rss > most)
            most = sample->rss;
    }
    for (size_t i = 0; i < facts->samples; i++) {
        const struct trace_sample *sample = &facts->sample[i];
        if (sample->time_ns >= facts->whole_since_ns && sample->rss >= most - most / 50 &&
            (best == NULL || sample->live > best->live))
            best = sample;
    }
    return best;
}

static void plan(struct maps *maps, uint64_t time_ns, const char *label)
{
    maps->map[maps->count++] = (struct map){.time_ns = time_ns, .label = label};
}

/* Insertion, as there are few. */
static void sort(struct maps *maps)
{
    for (size_t i = 1; i < maps->count; i++) {
        for (size_t k = i; k > 0 && maps->map[k].time_ns < maps->map[k - 1].time_ns; k--) {
            struct map other = maps->map[k];
            maps->map[k] = maps->map[k - 1];
            maps->map[k - 1] = other;
        }
    }
}

void maps_init(struct analysis *analysis)
{
    const struct trace_facts *facts = analysis->facts;
    const struct trace_sample *largest = maps_find_largest(facts);
    struct maps *maps = &analysis->maps;
    size_t marks = facts->marks < MOST_MARKS ? facts->marks : MOST_MARKS;
    *maps = (struct maps){.largest = SIZE_MAX};
    if (analysis_is_estimate(analysis))
        return;
    for (size_t i = 0; i < marks; i++) {
        const struct trace_mark *mark = &facts->mark[i * facts->marks / marks];
        if (mark->time_ns >= facts->whole_since_ns)
            plan(maps, mark->time_ns, mark->label);
    }
    if (largest != NULL)
        plan(maps, largest->time_ns, NULL);
    sort(maps);
    for (size_t i = 0; i < maps->count; i++) {
        if (maps->map[i].label != NULL)
            continue;
        maps->largest = i;
        maps->map[i].in_use = largest->live;
    }
    plan(maps, UINT64_MAX, NULL); /* the end, whenever that is */
}

/* -- pages ------------------------------------------------------------------------------------ */

static struct page_use *find_slot(const struct use_table *table, uint64_t number)
{
    size_t at = (size_t)(number * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (table->slots - 1);
    while (table->slot[at].number_and_one != 0 && table->slot[at].number_and_one != number + 1)
        at = (at + 1) & (table->slots - 1);
    return &table->slot[at];
}

static void grow(struct use_table *table)
{
    struct use_table old = *table;
    table->slots = old.slots == 0 ? FIRST_SLOTS : 2 * old.slots;
    table->slot = store_alloc(table->store, table->slots, sizeof table->slot[0]);
    for (size_t i = 0; i < old.slots; i++) {
        if (old.slot[i].number_and_one != 0)
            *find_slot(table, old.slot[i].number_and_one - 1) = old.slot[i];
    }
    store_free(old.slot);
}

static void add_to_page(struct use_table *table, uint64_t number, uint64_t bytes, uint64_t size)
{
    if (2 * table->used >= table->slots)
        grow(table);
    struct page_use *page = find_slot(table, number);
    table->used += page->number_and_one == 0;
    page->number_and_one = number + 1;
    page->bytes += (uint32_t)bytes;
    page->largest = size > page->largest ? (uint32_t)size : page->largest;
}

/* A block of 0 bytes holds its place as one of 1 does. */
static uint64_t end_of(uint64_t address, uint64_t size)
{
    return address + (size == 0 ? 1 : size);
}

/* Bytes of [address, end) in the page. */
static uint64_t cut_to_page(uint64_t address, uint64_t end, uint64_t number)
{
    uint64_t from = number * MAP_PAGE_BYTES, to = from + MAP_PAGE_BYTES;
    return (end < to ? end : to) - (address > from ? address : from);
}

/* Of what is older than a whole ring it is not known whether it lives. */
static bool is_known(const struct taking *taking, const struct trace_object *object)
{
    return object->address != 0 && object->born_ns >= taking->analysis->facts->whole_since_ns;
}

static bool is_on_map(uint64_t address, uint64_t size)
{
    return size < MAP_HUGE_BYTES && address < UINT64_MAX - MAP_HUGE_BYTES;
}

static void add_block(const struct trace_object *object, void *context)
{
    struct taking *taking = context;
    uint64_t address = object->address, size = object->size, end = end_of(address, size);
    if (!is_known(taking, object))
        return;
    taking->map->known += spares_usable(taking->analysis, object);
    if (!is_on_map(address, size)) {
        taking->map->huge_blocks++;
        taking->map->huge_bytes += size;
        return;
    }
    for (uint64_t page = address / MAP_PAGE_BYTES; page * MAP_PAGE_BYTES < end; page++)
        add_to_page(&taking->table, page, cut_to_page(address, end, page), size);
}

/* -- what pins -------------------------------------------------------------------------------- */

/* Blocks of which a lost free is not known can lie over others. */
static unsigned find_level(const struct page_use *page)
{
    unsigned level = page->bytes * MAP_LEVELS / MAP_PAGE_BYTES;
    return level < MAP_LEVELS ? level : MAP_LEVELS - 1;
}

/* True: the block keeps a part of the page that is not in use. */
static bool pin_page(struct taking *taking, struct map_pin *pin, uint64_t number, uint64_t bytes)
{
    const struct page_use *page = find_slot(&taking->table, number);
    if (page->number_and_one == 0 || find_level(page) != 0)
        return false;
    pin->bytes += bytes;
    pin->pinned += (MAP_PAGE_BYTES - page->bytes) * bytes / page->bytes;
    return true;
}

/* The pages between the first and the last are full of the block. */
static void pin_block(const struct trace_object *object, void *context)
{
    struct taking *taking = context;
    uint64_t address = object->address, end = end_of(address, object->size);
    if (!is_known(taking, object) || !is_on_map(address, object->size))
        return;
    struct map_pin *pin = &taking->pin[booking_find_site(taking->analysis, object->stack)];
    uint64_t first = address / MAP_PAGE_BYTES, last = (end - 1) / MAP_PAGE_BYTES;
    bool pins = pin_page(taking, pin, first, cut_to_page(address, end, first));
    if (last != first)
        pins |= pin_page(taking, pin, last, cut_to_page(address, end, last));
    pin->blocks += pins;
}

static int compare_pins(const void *a, const void *b)
{
    const struct map_pin *one = a, *other = b;
    if (one->pinned != other->pinned)
        return one->pinned < other->pinned ? 1 : -1;
    return (one->site > other->site) - (one->site < other->site);
}

static void finish_pins(struct taking *taking)
{
    struct map *map = taking->map;
    size_t sites = taking->analysis->sites;
    for (size_t i = 0; i < sites; i++) {
        taking->pin[i].site = (uint32_t)i;
        map->pinned += taking->pin[i].pinned;
    }
    qsort(taking->pin, sites, sizeof taking->pin[0], compare_pins);
    while (map->pins < sites && map->pins < MAP_PINS && taking->pin[map->pins].pinned != 0)
        map->pins++;
    map->pin = store_alloc(taking->analysis->store, map->pins + 1, sizeof map->pin[0]);
    for (size_t i = 0; i < map->pins; i++)
        map->pin[i] = taking->pin[i];
    store_free(taking->pin);
}

/* -- units ------------------------------------------------------------------------------------ */

static int compare_pages(const void *a, const void *b)
{
    const struct page_use *one = a, *other = b;
    return (one->number_and_one > other->number_and_one) -
           (one->number_and_one < other->number_and_one);
}

/* Sorts the table's pages, which is none any more, and joins them to units. */
static void finish_units(struct taking *taking)
{
    enum { PAGES = MAP_UNIT_BYTES / MAP_PAGE_BYTES };
    struct map *map = taking->map;
    struct page_use *page = taking->table.slot;
    size_t pages = 0;
    for (size_t i = 0; i < taking->table.slots; i++) {
        if (page[i].number_and_one != 0)
            page[pages++] = page[i];
    }
    if (pages != 0)
        qsort(page, pages, sizeof page[0], compare_pages);
    map->unit = store_alloc(taking->analysis->store, pages + 1, sizeof map->unit[0]);
    for (size_t i = 0; i < pages; i++) {
        uint64_t number = (page[i].number_and_one - 1) / PAGES;
        map->pages[find_level(&page[i])]++;
        map->bytes[find_level(&page[i])] += page[i].bytes;
        if (map->units == 0 || map->unit[map->units - 1].number != number)
            map->unit[map->units++].number = number;
        struct map_unit *unit = &map->unit[map->units - 1];
        unit->bytes += page[i].bytes;
        unit->largest = page[i].largest > unit->largest ? page[i].largest : unit->largest;
    }
    store_free(page);
}

/* -- all -------------------------------------------------------------------------------------- */

static void take(struct analysis *analysis, const struct trace_visit *visit, struct map *map)
{
    struct taking taking = {analysis, map, {.store = analysis->store}, NULL};
    taking.pin = store_alloc(analysis->store, analysis->sites + 1, sizeof taking.pin[0]);
    trace_visit_live(visit, add_block, &taking);
    if (taking.table.used != 0)
        trace_visit_live(visit, pin_block, &taking);
    finish_pins(&taking);
    finish_units(&taking);
}

uint64_t maps_next(const struct maps *maps)
{
    return maps->taken < maps->count ? maps->map[maps->taken].time_ns : UINT64_MAX;
}

void maps_take(struct analysis *analysis, const struct trace_visit *visit, uint64_t time_ns)
{
    struct maps *maps = &analysis->maps;
    while (maps->taken < maps->count && maps->map[maps->taken].time_ns <= time_ns) {
        struct map *map = &maps->map[maps->taken++];
        if (map->time_ns == UINT64_MAX)
            map->time_ns = analysis->last_ns;
        take(analysis, visit, map);
    }
}
