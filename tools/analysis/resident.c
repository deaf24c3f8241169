/* resident.c - follows MAPPED and UNMAPPED in a map of ranges; at each table lays the areas over
 * it.
 *
 * The kernel joins neighbouring mappings to one area and counts resident pages per area. So where
 * several own a part of an area, what is resident of it is shared out by length. */
#include "tools/analysis/resident.h"

#include <stdlib.h>
#include <string.h>

#include "tools/analysis/ranges.h"

/* A range of the library itself. */
struct own_area {
    uint64_t bytes;
    uint64_t resident;
    bool is_counted; /* else resident is not known */
};

struct reading {
    struct analysis *analysis;
    struct resident *resident;
    uint32_t *site_of_node; /* number + 1 */
    size_t room;
    struct ranges mapped; /* by the program: site number + 1 */
    struct ranges own;    /* of the library, as the table says: number + 1 in own_area */
    struct own_area *own_area;
    size_t owns, own_room;
    struct resident_moment now;
    uint64_t *present; /* of each site, in this table */
    const struct trace_mapping *area;
    uint64_t left; /* bytes of the area that are not shared out */
    uint64_t resident_left;
    enum resident_part mapped_part;
};

/* -- sites ------------------------------------------------------------------------------------ */

static uint32_t find_site(struct reading *reading, uint32_t node)
{
    struct resident *resident = reading->resident;
    if (node >= reading->analysis->facts->nodes)
        node = 0;
    if (reading->site_of_node[node] != 0)
        return reading->site_of_node[node] - 1;
    if (resident->sites == reading->room) {
        size_t room = reading->room == 0 ? 16 : 2 * reading->room;
        resident->site = store_grow(reading->analysis->store, resident->site, reading->room, room,
                                    sizeof resident->site[0]);
        reading->present = store_grow(reading->analysis->store, reading->present, reading->room,
                                      room, sizeof reading->present[0]);
        reading->room = room;
    }
    uint32_t number = (uint32_t)resident->sites++;
    resident->site[number].node = node;
    reading->site_of_node[node] = number + 1;
    return number;
}

static void book_mapped(struct reading *reading, const struct trace_mapping *mapping)
{
    uint32_t number = find_site(reading, mapping->stack);
    ranges_set(&reading->mapped, mapping->start, mapping->start + mapping->bytes, number + 1);
    if (mapping->bits & TRACE_MAPPED_RESTORED)
        return;
    reading->resident->site[number].calls++;
    reading->resident->site[number].bytes += mapping->bytes;
    reading->resident->calls++;
}

static void book_unmapped(struct reading *reading, const struct trace_mapping *mapping)
{
    ranges_set(&reading->mapped, mapping->start, mapping->start + mapping->bytes, 0);
    reading->resident->unmapped++;
}

/* -- one area --------------------------------------------------------------------------------- */

/* Takes what is resident in `bytes` of the area out of what is left of it. */
static uint64_t take_share(struct reading *reading, uint64_t bytes)
{
    if (bytes > reading->left)
        bytes = reading->left;
    if (reading->left == 0)
        return 0;
    uint64_t share =
        bytes == reading->left
            ? reading->resident_left
            : (uint64_t)((double)reading->resident_left * (double)bytes / (double)reading->left);
    if (share > reading->resident_left)
        share = reading->resident_left;
    reading->left -= bytes;
    reading->resident_left -= share;
    return share;
}

/* What the tracer counted, as far as it lies in this area. */
static uint64_t take_counted(struct reading *reading, uint64_t bytes, const struct own_area *own)
{
    uint64_t share = (uint64_t)((double)own->resident * (double)bytes / (double)own->bytes);
    if (share > reading->resident_left)
        share = reading->resident_left;
    reading->left -= bytes < reading->left ? bytes : reading->left;
    reading->resident_left -= share;
    return share;
}

static void add_own(uint64_t bytes, uint32_t value, void *context)
{
    struct reading *reading = context;
    const struct own_area *own = &reading->own_area[value - 1];
    reading->now.part[RESIDENT_HEAP] +=
        own->is_counted ? take_counted(reading, bytes, own) : take_share(reading, bytes);
}

static void book_own(struct reading *reading, const struct trace_mapping *area)
{
    if (reading->owns == reading->own_room) {
        size_t room = reading->own_room == 0 ? 64 : 2 * reading->own_room;
        reading->own_area = store_grow(reading->analysis->store, reading->own_area,
                                       reading->own_room, room, sizeof reading->own_area[0]);
        reading->own_room = room;
    }
    reading->own_area[reading->owns++] =
        (struct own_area){area->bytes, area->resident, area->is_counted};
    ranges_set(&reading->own, area->start, area->start + area->bytes, (uint32_t)reading->owns);
}

static void add_mapped(uint64_t bytes, uint32_t value, void *context)
{
    struct reading *reading = context;
    uint64_t share = take_share(reading, bytes);
    reading->now.part[reading->mapped_part] += share;
    reading->present[value - 1] += share;
}

static void share_out(struct reading *reading, bool has_own, enum resident_part mapped_part)
{
    const struct trace_mapping *area = reading->area;
    uint64_t end = area->start + area->bytes;
    reading->mapped_part = mapped_part;
    if (has_own)
        ranges_visit(&reading->own, area->start, end, add_own, reading);
    ranges_visit(&reading->mapped, area->start, end, add_mapped, reading);
}

static bool is_in_module(const struct reading *reading)
{
    return trace_module_find(reading->analysis->trace, reading->area->start,
                             reading->now.time_ns) != NULL;
}

static void book_area(struct reading *reading, const struct trace_mapping *area)
{
    uint64_t *part = reading->now.part;
    enum resident_part rest = RESIDENT_REST;
    reading->area = area;
    reading->left = area->bytes;
    reading->resident_left = area->resident;
    if (area->kind == TRACE_AREA_OWN) {
        book_own(reading, area);
        return;
    }
    reading->now.rss += area->resident;
    reading->now.swapped += area->swapped;
    switch (area->kind) {
    case TRACE_AREA_STACK:
        share_out(reading, true, RESIDENT_STACKS);
        rest = RESIDENT_STACKS;
        break;
    case TRACE_AREA_FILE:
        share_out(reading, false, RESIDENT_FILES);
        rest = RESIDENT_LIBRARIES;
        break;
    case TRACE_AREA_SHARED:
        share_out(reading, false, RESIDENT_SHARED);
        rest = RESIDENT_SHARED;
        break;
    case TRACE_AREA_TRACE:
        rest = RESIDENT_TRACER;
        break;
    case TRACE_AREA_SYSTEM:
        rest = RESIDENT_LIBRARIES;
        break;
    default:
        share_out(reading, true, RESIDENT_MAPPED);
        rest = is_in_module(reading) ? RESIDENT_LIBRARIES : RESIDENT_REST;
    }
    part[rest] += reading->resident_left;
}

/* -- a table ---------------------------------------------------------------------------------- */

static void begin_table(struct reading *reading, const struct trace_mapping *mapping)
{
    reading->now = (struct resident_moment){.time_ns = mapping->time_ns, .is_known = true};
    if (reading->room != 0)
        memset(reading->present, 0, reading->room * sizeof reading->present[0]);
    ranges_set(&reading->own, 0, UINT64_MAX, 0);
    reading->owns = 0;
}

static const struct look *find_look(const struct analysis *analysis, uint64_t time_ns)
{
    for (size_t i = 0; i < analysis->looks; i++) {
        if (analysis->look[i].sample.time_ns == time_ns)
            return &analysis->look[i];
    }
    return NULL;
}

/* The tracer's memory is counted by itself, and is among the library's own. */
static void tell_tracer_apart(struct resident_moment *moment)
{
    uint64_t tracer = moment->look != NULL ? moment->look->sample.tracer : 0;
    uint64_t *part = moment->part;
    if (tracer > part[RESIDENT_HEAP])
        tracer = part[RESIDENT_HEAP];
    part[RESIDENT_HEAP] -= tracer;
    part[RESIDENT_TRACER] += tracer;
}

static void add_mapped_bytes(uint64_t bytes, uint32_t value, void *context)
{
    ((uint64_t *)context)[value - 1] += bytes;
}

static void keep(struct reading *reading, enum resident_when when)
{
    struct resident *resident = reading->resident;
    resident->moment[when] = reading->now;
    uint64_t *bytes = store_alloc(reading->analysis->store, resident->sites + 1, sizeof bytes[0]);
    ranges_visit(&reading->mapped, 0, UINT64_MAX, add_mapped_bytes, bytes);
    for (size_t i = 0; i < resident->sites; i++) {
        resident->site[i].present[when] = reading->present[i];
        resident->site[i].mapped[when] = bytes[i];
    }
    store_free(bytes);
}

static void end_table(struct reading *reading)
{
    struct resident *resident = reading->resident;
    reading->now.look = find_look(reading->analysis, reading->now.time_ns);
    tell_tracer_apart(&reading->now);
    resident->tables++;
    if (reading->now.rss >= resident->moment[RESIDENT_LARGEST].rss)
        keep(reading, RESIDENT_LARGEST);
    keep(reading, RESIDENT_LAST);
}

/* -- all -------------------------------------------------------------------------------------- */

static int compare_sites(const void *a, const void *b)
{
    const struct resident_site *one = a, *other = b;
    for (int when = 0; when < 2; when++) {
        if (one->present[when] != other->present[when])
            return one->present[when] < other->present[when] ? 1 : -1;
    }
    if (one->bytes != other->bytes)
        return one->bytes < other->bytes ? 1 : -1;
    return (one->node > other->node) - (one->node < other->node);
}

static void book(struct reading *reading, const struct trace_mapping *mapping)
{
    switch (mapping->what) {
    case TRACE_MAPPING_MAPPED:
        book_mapped(reading, mapping);
        break;
    case TRACE_MAPPING_UNMAPPED:
        book_unmapped(reading, mapping);
        break;
    case TRACE_MAPPING_TABLE:
        begin_table(reading, mapping);
        break;
    case TRACE_MAPPING_AREA:
        book_area(reading, mapping);
        break;
    default:
        end_table(reading);
    }
}

struct resident *resident_read(struct analysis *analysis)
{
    struct store *store = analysis->store;
    struct resident *resident = store_alloc(store, 1, sizeof *resident);
    struct reading reading = {.analysis = analysis, .resident = resident};
    reading.site_of_node =
        store_alloc(store, analysis->facts->nodes + 1, sizeof reading.site_of_node[0]);
    ranges_init(&reading.mapped, store);
    ranges_init(&reading.own, store);
    struct trace_mappings *mappings = trace_mappings_create(analysis->trace);
    struct trace_mapping mapping;
    while (trace_mappings_next(mappings, &mapping))
        book(&reading, &mapping);
    trace_mappings_destroy(mappings);
    store_free(reading.site_of_node);
    if (resident->sites > 1)
        qsort(resident->site, resident->sites, sizeof resident->site[0], compare_sites);
    return resident;
}
