/* file.c - maps a trace file, checks its frame, and sorts its blocks into lanes. */
#define _GNU_SOURCE
#include "tools/trace/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/trace/memory.h"

enum { WARNINGS_KEPT = 50 };

/* -- messages --------------------------------------------------------------------------------- */

static void set_error(struct trace_error *error, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void set_error(struct trace_error *error, const char *path, const char *format, ...)
{
    char *clean = file_copy_text((const unsigned char *)path, strlen(path));
    int used = snprintf(error->text, sizeof(error->text), "%.256s: ", clean);
    free(clean);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text + used, sizeof(error->text) - (size_t)used, format, arguments);
    va_end(arguments);
}

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
        set_error(error, path, "damaged header: blocks of %u bytes behind %u; record it again",
                  header->block_bytes, header->header_bytes);
    else if (header->address_shift < 3 || header->address_shift > 4)
        set_error(error, path, "damaged header: address shift %u; record it again",
                  header->address_shift);
    else if (header->page_bytes < 4096 || header->page_bytes > (1U << 30) ||
             (header->page_bytes & (header->page_bytes - 1)) != 0)
        set_error(error, path, "damaged header: pages of %u bytes; record it again",
                  header->page_bytes);
    else
        return true;
    return false;
}

static bool check_header(struct trace *trace, struct trace_error *error)
{
    struct trace_header *header = &trace->facts.header;
    if (trace->bytes < sizeof(header->magic) + sizeof(header->version)) {
        set_error(error, trace->path,
                  "not a trace: it has only %zu bytes; was the program started?", trace->bytes);
        return false;
    }
    memcpy(header, trace->base, trace->bytes < sizeof(*header) ? trace->bytes : sizeof(*header));
    header->library[sizeof(header->library) - 1] = '\0';
    if (header->magic != TRACE_MAGIC) {
        set_error(error, trace->path,
                  "not a trace: it does not begin as one; make traces with `mpress record`");
        return false;
    }
    if (header->version != TRACE_VERSION) {
        set_error(error, trace->path,
                  "a trace of format %u, this tool reads format %u; use the tool of its library",
                  header->version, TRACE_VERSION);
        return false;
    }
    if (trace->bytes < TRACE_HEADER_BYTES) {
        set_error(error, trace->path, "cut inside its header at byte %zu; nothing to read in it",
                  trace->bytes);
        return false;
    }
    return check_geometry(header, trace->path, error);
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

/* Fills in *block from the block at `index` if that can be read at all. */
static bool read_block(struct trace *trace, size_t index, size_t blocks, struct file_block *block)
{
    size_t offset = TRACE_HEADER_BYTES + index * TRACE_BLOCK_BYTES;
    size_t bytes =
        trace->bytes - offset < TRACE_BLOCK_BYTES ? trace->bytes - offset : TRACE_BLOCK_BYTES;
    struct trace_block_header header = {0};
    memcpy(&header, trace->base + offset, bytes < sizeof(header) ? bytes : sizeof(header));
    if (header.magic == 0 && header.used == 0)
        return false; /* preallocated and never used, or being opened when the process was killed */
    if (bytes <= sizeof(header))
        return false; /* a cut file: nothing of this block is left */
    size_t payload = bytes - sizeof(header);
    const char *what = NULL;
    if (header.magic != TRACE_BLOCK_MAGIC)
        what = "no block begins there";
    else if (header.lane >= blocks + TRACE_LANE_EVENTS ||
             (header.sequence >= blocks && !is_ring(trace)))
        what = "bad lane";
    else if (header.used > TRACE_PAYLOAD_BYTES)
        what = "bad length";
    else if (header.used > 0 && header.used <= payload &&
             trace_checksum(trace->base + offset + sizeof(header), header.used) != header.checksum)
        what = "bad checksum";
    if (what != NULL) {
        damage(trace, index, what);
        return false;
    }
    bool is_open = header.used == 0 || header.used > payload;
    *block = (struct file_block){.index = (uint32_t)index,
                                 .lane = header.lane,
                                 .sequence = header.sequence,
                                 .limit = (uint32_t)(is_open ? payload : header.used),
                                 .is_open = is_open,
                                 .time_ns = header.time_ns,
                                 .epoch = header.epoch,
                                 .events = header.events,
                                 .tid = header.tid};
    return true;
}

static void read_blocks(struct trace *trace)
{
    size_t body = trace->bytes - TRACE_HEADER_BYTES;
    size_t blocks = (body + TRACE_BLOCK_BYTES - 1) / TRACE_BLOCK_BYTES;
    size_t capacity = 0;
    for (size_t index = 0; index < blocks && index < UINT32_MAX; index++) {
        trace->blocks =
            memory_grow(trace->blocks, trace->block_count, &capacity, sizeof(*trace->blocks));
        if (read_block(trace, index, blocks, &trace->blocks[trace->block_count]))
            trace->block_count++;
    }
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
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Drops the later of two blocks that claim the same place. */
static void drop_duplicates(struct trace *trace)
{
    size_t kept = 0;
    for (size_t i = 0; i < trace->block_count; i++) {
        const struct file_block *last = kept > 0 ? &trace->blocks[kept - 1] : NULL;
        if (last != NULL && last->lane == trace->blocks[i].lane &&
            last->sequence == trace->blocks[i].sequence)
            damage(trace, trace->blocks[i].index, "its place is taken");
        else
            trace->blocks[kept++] = trace->blocks[i];
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
    if (!is_ring(trace) || lane->lane < TRACE_LANE_EVENTS || block->sequence == 0) {
        flag_gap(trace, lane, block, 0);
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
        if (block->lane >= TRACE_LANE_EVENTS)
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
    trace->event_lanes = first < trace->lane_count ? &trace->lanes[first] : NULL;
    trace->facts.event_lanes = trace->lane_count - first;
}

/* -- opening ---------------------------------------------------------------------------------- */

static bool map_file(struct trace *trace, int fd, struct trace_error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        set_error(error, trace->path, "not a regular file; name a trace file");
        return false;
    }
    trace->bytes = (size_t)status.st_size;
    if (trace->bytes == 0) {
        set_error(error, trace->path, "empty; was the program killed while it started?");
        return false;
    }
    void *base = mmap(NULL, trace->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED) {
        set_error(error, trace->path, "cannot be mapped: %s", strerror(errno));
        return false;
    }
    trace->base = base;
    return true;
}

static bool open_file(struct trace *trace, struct trace_error *error)
{
    int fd = open(trace->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        set_error(error, trace->path, "cannot be opened: %s", strerror(errno));
        return false;
    }
    bool is_mapped = map_file(trace, fd, error);
    close(fd);
    return is_mapped && check_header(trace, error);
}

static void warn_about_end(struct trace *trace)
{
    const struct trace_end *end = trace->facts.end;
    if (end == NULL)
        file_warn(trace, "no end record: the process was killed or still runs; read to the last "
                         "whole record");
    else if (end->reason == TRACE_END_DISK)
        file_warn(trace, "the recording ended early: no room on the disk");
    if (end != NULL && end->dropped > 0)
        file_warn(trace, "%llu events were not recorded", (unsigned long long)end->dropped);
}

struct trace *trace_open(const char *path, struct trace_error *error)
{
    struct trace *trace = memory_alloc(1, sizeof(*trace));
    trace->path = memory_alloc(strlen(path) + 1, 1);
    strcpy(trace->path, path);
    if (!open_file(trace, error)) {
        trace_close(trace);
        return NULL;
    }
    trace->facts.path = trace->path;
    trace->facts.file_bytes = trace->bytes;
    read_blocks(trace);
    sort_into_lanes(trace);
    find_event_lanes(trace);
    stacks_read(trace);
    info_read(trace);
    warn_about_end(trace);
    close_warnings(trace);
    return trace;
}

void trace_close(struct trace *trace)
{
    if (trace == NULL)
        return;
    if (trace->base != NULL)
        munmap((void *)(uintptr_t)trace->base, trace->bytes);
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
