/* file.c - checks a trace's frame, and sorts its blocks into lanes. */
#include "tools/trace/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trace/memory.h"
#include "tools/trace/payloads.h"

enum { WARNINGS_KEPT = 50 };

/* -- messages --------------------------------------------------------------------------------- */

void file_warn(struct trace *trace, const char *format, ...)
{
    if (trace->warning_count >= WARNINGS_KEPT) {
        trace->warnings_untold++;
        return;
    }
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    trace->warnings = memory_grow(trace->warnings, trace->warning_count, &trace->warning_capacity,
                                  sizeof(*trace->warnings));
    char *line = memory_alloc(strlen(trace->path) + strlen(text) + 3, 1);
    sprintf(line, "%s: %s", trace->path, text);
    trace->warnings[trace->warning_count++] = line;
}

const char *trace_warning(const struct trace *trace, size_t index)
{
    return index < trace->warning_count ? trace->warnings[index] : NULL;
}

static void close_warnings(struct trace *trace)
{
    size_t untold = trace->warnings_untold;
    if (untold == 0)
        return;
    free(trace->warnings[--trace->warning_count]);
    file_warn(trace, "and %zu more places are damaged", untold + 1);
}

char *file_copy_text(const unsigned char *text, size_t bytes)
{
    char *copy = memory_alloc(bytes + 1, 1);
    for (size_t i = 0; i < bytes; i++)
        copy[i] = (char)(text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i]);
    return copy;
}

/* -- the header ------------------------------------------------------------------------------- */

static bool check_geometry(const struct trace_header *header, const char *path,
                           struct trace_error *error)
{
    if (header->header_bytes != TRACE_HEADER_BYTES || header->block_bytes != TRACE_BLOCK_BYTES)
        mapping_set_error(error, path,
                          "damaged header: blocks of %u bytes behind %u; record it again",
                          header->block_bytes, header->header_bytes);
    else if (header->address_shift < 3 || header->address_shift > 4)
        mapping_set_error(error, path, "damaged header: address shift %u; record it again",
                          header->address_shift);
    else if (header->page_bytes < 4096 || header->page_bytes > (1U << 30) ||
             (header->page_bytes & (header->page_bytes - 1)) != 0)
        mapping_set_error(error, path, "damaged header: pages of %u bytes; record it again",
                          header->page_bytes);
    else
        return true;
    return false;
}

/* A packed file's copy was checked with its checksum. */
static bool read_header(struct trace *trace, struct trace_error *error)
{
    const struct mapping *mapping = &trace->mapping;
    struct trace_header *header = &trace->facts.header;
    if (mapping->base == NULL) {
        *header = mapping->packed_header.head;
    } else if (trace->bytes >= sizeof(header->magic) + sizeof(header->version)) {
        memcpy(header, mapping->base,
               trace->bytes < sizeof(*header) ? trace->bytes : sizeof(*header));
    } else {
        mapping_set_error(error, trace->path,
                          "not a trace: it has only %zu bytes; was the program started?",
                          trace->bytes);
        return false;
    }
    header->library[sizeof(header->library) - 1] = '\0';
    return true;
}

static bool check_header(struct trace *trace, struct trace_error *error)
{
    const struct trace_header *header = &trace->facts.header;
    if (!read_header(trace, error))
        return false;
    if (header->magic != TRACE_MAGIC)
        mapping_set_error(
            error, trace->path,
            "not a trace: it does not begin as one; make traces with `mpress record`");
    else if (header->version < TRACE_VERSION_OLDEST || header->version > TRACE_VERSION)
        mapping_set_error(error, trace->path,
                          "a trace of format %u, this tool reads format %u; use the tool of its "
                          "library",
                          header->version, TRACE_VERSION);
    else if (trace->mapping.base != NULL && trace->bytes < TRACE_HEADER_BYTES)
        mapping_set_error(error, trace->path,
                          "cut inside its header at byte %zu; nothing to read in it", trace->bytes);
    else
        return check_geometry(header, trace->path, error);
    return false;
}

/* -- blocks ----------------------------------------------------------------------------------- */

static void damage(struct trace *trace, size_t index, const char *what)
{
    trace->damaged++;
    file_warn(trace, "block %zu is damaged (%s) and was skipped; its events are missing", index,
              what);
}

static bool is_ring(const struct trace *trace)
{
    const struct trace_header *header = &trace->facts.header;
    return header->lane_blocks_most != 0 || header->blocks_most != 0;
}

/* A block as it was found. */
struct found {
    struct trace_block_header header;
    size_t index;
    size_t payload_bytes; /* in the file */
    bool is_damaged;      /* its checksum is wrong */
    const struct packed_frame *frame;
    uint32_t place;
};

/* Fills in *block if it can be read. `blocks`: how many there are room for in the trace. */
static bool read_block(struct trace *trace, const struct found *found, size_t blocks,
                       struct file_block *block)
{
    const struct trace_block_header *header = &found->header;
    const char *what = NULL;
    if (header->magic != TRACE_BLOCK_MAGIC)
        what = "no block begins there";
    else if ((header->lane >= TRACE_LANES_MOST && header->lane != TRACE_LANE_TIMELINE) ||
             (header->sequence >= blocks && !is_ring(trace)) ||
             (found->frame != NULL && found->frame->lane != header->lane))
        what = "bad lane";
    else if (header->used > TRACE_PAYLOAD_BYTES)
        what = "bad length";
    else if (found->is_damaged)
        what = "bad checksum";
    if (what != NULL) {
        damage(trace, found->index, what);
        return false;
    }
    bool is_open = header->used == 0 || header->used > found->payload_bytes;
    *block = (struct file_block){.index = (uint32_t)found->index,
                                 .lane = header->lane,
                                 .sequence = header->sequence,
                                 .limit = is_open ? (uint32_t)found->payload_bytes : header->used,
                                 .is_open = is_open,
                                 .time_ns = header->time_ns,
                                 .epoch = header->epoch,
                                 .events = header->events,
                                 .tid = header->tid,
                                 .frame = found->frame,
                                 .place = found->place};
    return true;
}

static void add_block(struct trace *trace, const struct found *found, size_t blocks)
{
    trace->blocks = memory_grow(trace->blocks, trace->block_count, &trace->block_capacity,
                                sizeof(*trace->blocks));
    if (read_block(trace, found, blocks, &trace->blocks[trace->block_count]))
        trace->block_count++;
}

/* Bytes of the block at `index` that the trace is long enough for. */
static size_t room_for(const struct trace *trace, size_t index)
{
    size_t offset = TRACE_HEADER_BYTES + index * TRACE_BLOCK_BYTES;
    size_t left = offset < trace->bytes ? trace->bytes - offset : 0;
    return left < TRACE_BLOCK_BYTES ? left : TRACE_BLOCK_BYTES;
}

static void read_raw_block(struct trace *trace, size_t index, size_t blocks)
{
    struct found found = {.index = index};
    const unsigned char *start =
        trace->mapping.base + TRACE_HEADER_BYTES + index * TRACE_BLOCK_BYTES;
    size_t bytes = room_for(trace, index);
    struct trace_block_header *header = &found.header;
    memcpy(header, start, bytes < sizeof(*header) ? bytes : sizeof(*header));
    if (header->magic == 0 && header->used == 0)
        return; /* preallocated and never used, or being opened when the process was killed */
    if (bytes <= sizeof(*header))
        return; /* a cut file: nothing of this block is left */
    found.payload_bytes = bytes - sizeof(*header);
    found.is_damaged = header->used > 0 && header->used <= found.payload_bytes &&
                       trace_checksum(start + sizeof(*header), header->used) != header->checksum;
    mapping_forget(&trace->mapping, start, bytes);
    add_block(trace, &found, blocks);
}

static size_t count_blocks(const struct trace *trace)
{
    return (trace->bytes - TRACE_HEADER_BYTES + TRACE_BLOCK_BYTES - 1) / TRACE_BLOCK_BYTES;
}

static void read_raw_blocks(struct trace *trace)
{
    size_t blocks = count_blocks(trace);
    for (size_t index = 0; index < blocks && index < UINT32_MAX; index++)
        read_raw_block(trace, index, blocks);
}

static void read_packed_frame(struct trace *trace, const struct packed_frame *frame, size_t blocks)
{
    for (uint32_t i = 0; i < frame->blocks; i++) {
        const struct packed_block *block = &packed_blocks(frame)[i];
        struct found found = {.header = block->header,
                              .index = block->index,
                              .is_damaged = block->is_damaged != 0,
                              .frame = frame,
                              .place = i};
        size_t bytes = room_for(trace, found.index);
        if (bytes <= sizeof(found.header))
            continue;
        found.payload_bytes = bytes - sizeof(found.header);
        add_block(trace, &found, blocks);
    }
}

/* A packed file without the rest of its trace: as long as its last block asks for. */
static void measure_packed(struct trace *trace)
{
    const struct mapping *mapping = &trace->mapping;
    const struct packed_frame *frame;
    size_t at = mapping->packed_header.header_bytes;
    size_t skipped = 0;
    uint64_t blocks = 0;
    while ((frame = packed_next(mapping->packed, mapping->packed_bytes, &at, &skipped)) != NULL) {
        for (uint32_t i = 0; i < frame->blocks; i++) {
            if (packed_blocks(frame)[i].index >= blocks)
                blocks = (uint64_t)packed_blocks(frame)[i].index + 1;
        }
    }
    trace->bytes = TRACE_HEADER_BYTES + blocks * TRACE_BLOCK_BYTES;
    file_warn(trace, "it was not packed to its end, and the trace beside it is gone");
}

static void read_packed_blocks(struct trace *trace)
{
    const struct mapping *mapping = &trace->mapping;
    const struct packed_frame *frame;
    size_t at = mapping->packed_header.header_bytes;
    size_t skipped = 0;
    size_t blocks = count_blocks(trace);
    while ((frame = packed_next(mapping->packed, mapping->packed_bytes, &at, &skipped)) != NULL) {
        read_packed_frame(trace, frame, blocks);
        mapping_forget(mapping, frame, packed_frame_bytes(frame));
        if (skipped != 0)
            file_warn(trace,
                      "%zu bytes before byte %zu are damaged; the blocks in them are missing",
                      skipped, (size_t)((const unsigned char *)frame - mapping->packed));
        trace->damaged += skipped != 0;
        skipped = 0;
    }
    if (mapping->packed_header.packed_bytes > mapping->packed_bytes ||
        (mapping->packed_header.packed_bytes != 0 && skipped != 0)) {
        file_warn(trace, "cut or damaged at byte %zu of %llu; what lies before is read",
                  mapping->packed_bytes - skipped,
                  (unsigned long long)mapping->packed_header.packed_bytes);
        trace->damaged++;
    }
}

static void read_blocks(struct trace *trace)
{
    if (trace->bytes == 0)
        measure_packed(trace);
    if (trace->mapping.packed != NULL)
        read_packed_blocks(trace);
    if (trace->mapping.base != NULL)
        read_raw_blocks(trace);
    size_t body = trace->bytes - TRACE_HEADER_BYTES;
    if (body % TRACE_BLOCK_BYTES != 0)
        file_warn(trace, "cut inside block %zu, at byte %zu; what lies before is read",
                  body / TRACE_BLOCK_BYTES, trace->bytes);
}

/* -- lanes ------------------------------------------------------------------------------------ */

static int compare_blocks(const void *left, const void *right)
{
    const struct file_block *a = left;
    const struct file_block *b = right;
    if (a->lane != b->lane)
        return a->lane < b->lane ? -1 : 1;
    if (a->sequence != b->sequence)
        return a->sequence < b->sequence ? -1 : 1;
    if (a->index != b->index)
        return a->index < b->index ? -1 : 1;
    return (a->frame == NULL) - (b->frame == NULL);
}

/* While a trace is being packed a block may be in both files. */
static bool is_the_same(const struct file_block *packed, const struct file_block *block)
{
    return packed->frame != NULL && block->frame == NULL && packed->index == block->index;
}

/* Drops the later of two blocks that claim the same place. */
static void drop_duplicates(struct trace *trace)
{
    size_t kept = 0;
    for (size_t i = 0; i < trace->block_count; i++) {
        const struct file_block *last = kept > 0 ? &trace->blocks[kept - 1] : NULL;
        if (last == NULL || last->lane != trace->blocks[i].lane ||
            last->sequence != trace->blocks[i].sequence)
            trace->blocks[kept++] = trace->blocks[i];
        else if (!is_the_same(last, &trace->blocks[i]))
            damage(trace, trace->blocks[i].index, "its place is taken");
    }
    trace->block_count = kept;
}

/* An open block that others of its lane follow was meant to be closed: fine, its end is known by
 * its zero byte all the same. What is missing is a sequence number. */
static void flag_gap(struct trace *trace, const struct file_lane *lane, struct file_block *block,
                     uint32_t expected)
{
    if (block->sequence == expected)
        return;
    block->is_after_gap = true;
    file_warn(trace, "lane %u misses blocks %u to %u; its events there are lost", lane->lane,
              expected, block->sequence - 1);
}

/* The first block of a lane: what was before it was written over, or is missing. */
static void begin_lane(struct trace *trace, const struct file_lane *lane, struct file_block *block)
{
    if (!is_ring(trace) || lane->lane == TRACE_LANE_INFO || block->sequence == 0) {
        flag_gap(trace, lane, block, 0);
        return;
    }
    if (lane->lane == TRACE_LANE_STACKS) {
        trace->nodes_gone = block->events;
        return;
    }
    if (lane->lane == TRACE_LANE_TIMELINE) {
        trace->facts.timeline_since_ns = block->time_ns;
        return;
    }
    trace->facts.older_events += block->events;
    if (block->time_ns > trace->facts.whole_since_ns)
        trace->facts.whole_since_ns = block->time_ns;
}

static void sort_into_lanes(struct trace *trace)
{
    if (trace->block_count > 0)
        qsort(trace->blocks, trace->block_count, sizeof(*trace->blocks), compare_blocks);
    drop_duplicates(trace);
    size_t capacity = 0;
    for (size_t i = 0; i < trace->block_count; i++) {
        struct file_block *block = &trace->blocks[i];
        if (i == 0 || trace->blocks[i - 1].lane != block->lane) {
            trace->lanes =
                memory_grow(trace->lanes, trace->lane_count, &capacity, sizeof(*trace->lanes));
            trace->lanes[trace->lane_count++] = (struct file_lane){.lane = block->lane, .first = i};
        }
        struct file_lane *lane = &trace->lanes[trace->lane_count - 1];
        if (lane->count == 0)
            begin_lane(trace, lane, block);
        else
            flag_gap(trace, lane, block, block[-1].sequence + 1);
        lane->count++;
        if (trace_lane_has_events(block->lane))
            trace->event_bytes += block->limit;
    }
}

const struct file_lane *file_find_lane(const struct trace *trace, uint32_t number)
{
    for (size_t i = 0; i < trace->lane_count; i++) {
        if (trace->lanes[i].lane == number)
            return &trace->lanes[i];
    }
    return NULL;
}

static void find_event_lanes(struct trace *trace)
{
    size_t first = 0;
    while (first < trace->lane_count && trace->lanes[first].lane < TRACE_LANE_EVENTS)
        first++;
    size_t end = trace->lane_count;
    if (end > first && trace->lanes[end - 1].lane == TRACE_LANE_TIMELINE)
        end--;
    trace->event_lanes = first < end ? &trace->lanes[first] : NULL;
    trace->facts.event_lanes = end - first;
}

/* -- opening ---------------------------------------------------------------------------------- */

static void warn_about_end(struct trace *trace)
{
    const struct trace_end *end = trace->facts.end;
    if (end == NULL && trace->facts.header.copied_ns != 0)
        file_warn(trace, "a copy of a trace that went on");
    else if (end == NULL)
        file_warn(trace, "no end record: the process was killed or still runs; read to the last "
                         "whole record");
    else if (end->reason == TRACE_END_DISK)
        file_warn(trace, "the recording ended early: the disk was full or a limit was reached");
    else if (end->dropped > 0)
        file_warn(trace, "%llu events were dropped", (unsigned long long)end->dropped);
}

struct trace *trace_open(const char *path, struct trace_error *error)
{
    struct trace *trace = memory_alloc(1, sizeof(*trace));
    trace->path = memory_alloc(strlen(path) + 1, 1);
    strcpy(trace->path, path);
    if (!mapping_open(&trace->mapping, path, error)) {
        trace_close(trace);
        return NULL;
    }
    trace->bytes = trace->mapping.base != NULL ? trace->mapping.bytes
                                               : (size_t)trace->mapping.packed_header.trace_bytes;
    if (!check_header(trace, error)) {
        trace_close(trace);
        return NULL;
    }
    trace->facts.path = trace->path;
    read_blocks(trace);
    trace->facts.trace_bytes = trace->bytes;
    trace->facts.file_bytes =
        trace->mapping.base != NULL ? trace->bytes : trace->mapping.packed_bytes;
    sort_into_lanes(trace);
    find_event_lanes(trace);
    struct unpacker *unpacker = unpacker_create(trace);
    stacks_read(trace, unpacker);
    info_read(trace, unpacker);
    unpacker_destroy(unpacker);
    warn_about_end(trace);
    close_warnings(trace);
    return trace;
}

void trace_close(struct trace *trace)
{
    if (trace == NULL)
        return;
    mapping_close(&trace->mapping);
    info_free(trace);
    for (size_t i = 0; i < trace->warning_count; i++)
        free(trace->warnings[i]);
    free(trace->warnings);
    free(trace->blocks);
    free(trace->lanes);
    free(trace->node_ips);
    free(trace->node_parents);
    free(trace->node_is_exact);
    free(trace->path);
    free(trace);
}

const struct trace_facts *trace_facts(const struct trace *trace)
{
    return &trace->facts;
}

bool trace_is_sampled(const struct trace *trace, struct trace_error *error)
{
    if (trace->facts.header.sample_period == 0)
        return false;
    snprintf(error->text, sizeof(error->text),
             "%.256s: a trace of samples; record it with --mode events or full for this",
             trace->path);
    return true;
}
