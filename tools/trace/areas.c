/* areas.c - see areas.h and trace.h. Nothing is kept but the place in the file: the records
 * are decoded once when the trace is opened, for their damages, and again in each visit. */
#include "tools/trace/areas.h"

#include <stdlib.h>

#include "tools/trace/file.h"
#include "tools/trace/memory.h"
#include "tools/trace/payloads.h"

enum {
    UNIT_SHIFT = 12,
    UNIT_BYTES = 1 << UNIT_SHIFT,
    NAME_BYTES = sizeof(((struct trace_mapping *)NULL)->name),
};

#define ADDRESS_MOST (UINT64_MAX >> 1) /* no process has more, and sums do not overflow */

/* A table as far as it is decoded. */
struct table {
    struct payload left; /* areas of the current record */
    bool is_open;        /* it began and has not ended */
    bool is_last;        /* this record ends it */
    uint64_t time_ns;
    uint64_t last_end;     /* of the area before, in units */
    char name[NAME_BYTES]; /* the last one in the record */
};

struct trace_mappings {
    const struct trace *trace;
    const struct file_lane *lane; /* the timeline of a ring, else the info lane; NULL: neither */
    struct unpacker *unpacker;
    struct payloads *payloads;
    uint32_t next_block;
    const struct file_block *block;
    const unsigned char *at;
    const unsigned char *end;
    struct table table;
};

/* -- fields ----------------------------------------------------------------------------------- */

/* The range grown to whole units. */
static void take_range(struct payload *from, struct trace_mapping *mapping)
{
    uint64_t start = payload_take_uvarint(from);
    uint64_t bytes = payload_take_uvarint(from);
    if (start > ADDRESS_MOST || bytes > ADDRESS_MOST - start || start + bytes > ADDRESS_MOST) {
        from->is_short = true;
        return;
    }
    uint64_t end = (start + bytes + UNIT_BYTES - 1) & ~(uint64_t)(UNIT_BYTES - 1);
    mapping->start = start & ~(uint64_t)(UNIT_BYTES - 1);
    mapping->bytes = end - mapping->start;
}

static void take_mapped(struct payload *from, struct trace_mapping *mapping)
{
    mapping->what = TRACE_MAPPING_MAPPED;
    mapping->bits = payload_take_u8(from);
    mapping->time_ns = payload_take_uvarint(from);
    mapping->stack = (uint32_t)payload_take_uvarint(from);
    take_range(from, mapping);
    mapping->protection = (int)payload_take_uvarint(from);
    mapping->flags = (int)payload_take_uvarint(from);
}

static void take_unmapped(struct payload *from, struct trace_mapping *mapping)
{
    mapping->what = TRACE_MAPPING_UNMAPPED;
    mapping->time_ns = payload_take_uvarint(from);
    take_range(from, mapping);
}

/* -- tables ----------------------------------------------------------------------------------- */

/* Begins with a record; true: with it begins a table. */
static bool begin_record(struct table *table, struct payload *from, struct trace_mapping *mapping)
{
    mapping->what = TRACE_MAPPING_TABLE;
    mapping->time_ns = payload_take_uvarint(from);
    mapping->reason = payload_take_u8(from);
    uint8_t bits = payload_take_u8(from);
    table->is_last = (bits & TRACE_AREAS_LAST) != 0;
    table->left = *from;
    table->is_open = true;
    table->time_ns = mapping->time_ns;
    table->last_end = 0;
    table->name[0] = '\0';
    return (bits & TRACE_AREAS_FIRST) != 0;
}

/* The same in a visit, where the beginning of a table may be missing: then it is left out. */
static bool begin_or_go_on(struct table *table, struct payload *from, struct trace_mapping *mapping)
{
    bool was_open = table->is_open;
    uint64_t time_ns = table->time_ns;
    bool is_first = begin_record(table, from, mapping);
    if (!is_first && (!was_open || time_ns != table->time_ns))
        *table = (struct table){0};
    return is_first;
}

static uint64_t take_units(struct payload *from, uint64_t most)
{
    uint64_t units = payload_take_uvarint(from);
    return units < most >> UNIT_SHIFT ? units << UNIT_SHIFT : most;
}

static void take_name(struct table *table, struct trace_mapping *mapping)
{
    struct payload *from = &table->left;
    uint64_t code = payload_take_uvarint(from);
    if (code > NAME_BYTES || (code > 1 && code - 1 > (size_t)(from->end - from->at))) {
        from->is_short = true;
        return;
    }
    if (code > 1) {
        payload_take_bytes(from, table->name, code - 1);
        table->name[code - 1] = '\0';
    }
    if (code == 0)
        return;
    for (size_t i = 0; i < NAME_BYTES && table->name[i] != '\0'; i++) {
        unsigned char byte = (unsigned char)table->name[i];
        mapping->name[i] = byte < 0x20 || byte == 0x7f ? '?' : table->name[i];
    }
}

/* False: the record has no area more, or a damaged one. */
static bool take_area(struct table *table, struct trace_mapping *mapping)
{
    struct payload *from = &table->left;
    if (from->at >= from->end || from->is_short)
        return false;
    mapping->what = TRACE_MAPPING_AREA;
    mapping->kind = payload_take_u8(from);
    uint64_t first = table->last_end + (uint64_t)trace_unzigzag(payload_take_uvarint(from));
    uint64_t units = payload_take_uvarint(from);
    const uint64_t most = ADDRESS_MOST >> UNIT_SHIFT;
    if (first > most || units > most - first) {
        from->is_short = true;
        return false;
    }
    table->last_end = first + units;
    mapping->start = first << UNIT_SHIFT;
    mapping->bytes = units << UNIT_SHIFT;
    if (mapping->kind == TRACE_AREA_OWN) {
        uint64_t code = payload_take_uvarint(from);
        mapping->is_counted = code != 0;
        if (code != 0)
            mapping->resident = code - 1 < units ? (code - 1) << UNIT_SHIFT : mapping->bytes;
    } else {
        mapping->resident = take_units(from, mapping->bytes);
        mapping->anonymous = take_units(from, mapping->resident);
        mapping->swapped = take_units(from, mapping->bytes);
        take_name(table, mapping);
    }
    return !from->is_short;
}

void areas_check(unsigned type, struct payload *from)
{
    struct trace_mapping mapping = {0};
    struct table table = {0};
    switch (type) {
    case TRACE_INFO_MAPPED:
        take_mapped(from, &mapping);
        break;
    case TRACE_INFO_UNMAPPED:
        take_unmapped(from, &mapping);
        break;
    default:
        begin_record(&table, from, &mapping);
        while (!from->is_short && take_area(&table, &mapping))
            continue;
        from->is_short |= table.left.is_short;
    }
}

/* -- a visit ---------------------------------------------------------------------------------- */

struct trace_mappings *trace_mappings_create(const struct trace *trace)
{
    struct trace_mappings *mappings = memory_alloc(1, sizeof(*mappings));
    mappings->trace = trace;
    mappings->lane = file_find_lane(trace, TRACE_LANE_TIMELINE);
    if (mappings->lane == NULL)
        mappings->lane = file_find_lane(trace, TRACE_LANE_INFO);
    if (mappings->lane != NULL) {
        mappings->unpacker = unpacker_create(trace);
        mappings->payloads = payloads_create(mappings->unpacker, mappings->lane);
    }
    return mappings;
}

void trace_mappings_destroy(struct trace_mappings *mappings)
{
    if (mappings->lane != NULL) {
        payloads_destroy(mappings->payloads);
        unpacker_destroy(mappings->unpacker);
    }
    free(mappings);
}

/* A damaged one is as good as empty. */
static bool next_block(struct trace_mappings *mappings)
{
    if (mappings->lane == NULL || mappings->next_block >= mappings->lane->count)
        return false;
    uint32_t number = mappings->next_block++;
    mappings->block = &mappings->trace->blocks[mappings->lane->first + number];
    mappings->at = payloads_get(mappings->payloads, number);
    mappings->end = mappings->at != NULL ? mappings->at + mappings->block->limit : NULL;
    return true;
}

/* The next record of any kind; what is damaged ends its block. */
static bool next_record(struct trace_mappings *mappings, struct payload_record *record)
{
    for (;;) {
        if (mappings->block == NULL ||
            info_is_at_end(mappings->block, mappings->at, mappings->end)) {
            if (!next_block(mappings))
                return false;
            continue;
        }
        const unsigned char *next = info_take_record(mappings->at, mappings->end, record);
        mappings->at = next != NULL ? next : mappings->end;
        if (next != NULL)
            return true;
    }
}

/* What of the current table's record is left; false: nothing is. */
static bool next_of_table(struct table *table, struct trace_mapping *mapping)
{
    if (take_area(table, mapping))
        return true;
    if (!table->is_open || !table->is_last)
        return false;
    *mapping = (struct trace_mapping){.what = TRACE_MAPPING_END, .time_ns = table->time_ns};
    bool is_whole = !table->left.is_short;
    *table = (struct table){0};
    return is_whole;
}

static bool apply_record(struct trace_mappings *mappings, struct payload_record *record,
                         struct trace_mapping *mapping)
{
    struct payload *from = &record->payload;
    bool is_there = false;
    if (record->type == TRACE_INFO_MAPPED) {
        take_mapped(from, mapping);
        is_there = true;
    } else if (record->type == TRACE_INFO_UNMAPPED) {
        take_unmapped(from, mapping);
        is_there = true;
    } else if (record->type == TRACE_INFO_AREAS) {
        is_there = begin_or_go_on(&mappings->table, from, mapping);
    }
    if (from->is_short)
        mappings->at = mappings->end; /* a damaged record ends its block */
    return is_there && !from->is_short;
}

bool trace_mappings_next(struct trace_mappings *mappings, struct trace_mapping *mapping)
{
    struct payload_record record;
    for (;;) {
        *mapping = (struct trace_mapping){0};
        if (next_of_table(&mappings->table, mapping))
            return true;
        *mapping = (struct trace_mapping){0};
        if (!next_record(mappings, &record))
            return false;
        if (apply_record(mappings, &record, mapping)) {
            mapping->stack = stacks_find(mappings->trace, mapping->stack);
            return true;
        }
    }
}
