/* trace_builder.c - see trace_builder.h */
#define _GNU_SOURCE
#include "tests/unit/trace_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void need(bool condition)
{
    if (!condition)
        abort();
}

/* -- the image -------------------------------------------------------------------------------- */

static void extend_image(struct builder *builder, size_t bytes)
{
    if (builder->bytes + bytes > builder->capacity) {
        builder->capacity = (builder->bytes + bytes) * 2;
        builder->image = realloc(builder->image, builder->capacity);
        need(builder->image != NULL);
    }
    memset(builder->image + builder->bytes, 0, bytes);
    builder->bytes += bytes;
}

void builder_init(struct builder *builder)
{
    memset(builder, 0, sizeof(*builder));
    builder->now_ns = 1000000;
    builder->shift = 4;
    extend_image(builder, TRACE_HEADER_BYTES);
    *builder_header(builder) = (struct trace_header){.magic = TRACE_MAGIC,
                                                     .version = TRACE_VERSION,
                                                     .header_bytes = TRACE_HEADER_BYTES,
                                                     .block_bytes = TRACE_BLOCK_BYTES,
                                                     .address_shift = 4,
                                                     .page_bytes = 4096,
                                                     .has_stacks = 1,
                                                     .pid = 100,
                                                     .parent_pid = 1,
                                                     .start_ns = builder->now_ns,
                                                     .library = "test"};
}

void builder_fini(struct builder *builder)
{
    free(builder->image);
}

struct trace_header *builder_header(struct builder *builder)
{
    return (struct trace_header *)(void *)builder->image;
}

static struct trace_block_header *block_header(struct builder *builder,
                                               const struct builder_lane *lane)
{
    return (struct trace_block_header *)(void *)(builder->image + lane->block);
}

void builder_close_block(struct builder *builder, unsigned number)
{
    struct builder_lane *lane = &builder->lanes[number];
    if (lane->block == 0 || lane->used == 0)
        return;
    struct trace_block_header *header = block_header(builder, lane);
    header->used = (uint32_t)lane->used;
    header->checksum = trace_checksum((unsigned char *)(header + 1), lane->used);
    lane->block = 0;
}

static uint32_t number_in_file(unsigned number)
{
    return number == BUILDER_TIMELINE ? TRACE_LANE_TIMELINE : number;
}

static void open_block(struct builder *builder, unsigned number)
{
    struct builder_lane *lane = &builder->lanes[number];
    lane->block = builder->bytes;
    extend_image(builder, TRACE_BLOCK_BYTES);
    *block_header(builder, lane) = (struct trace_block_header){.magic = TRACE_BLOCK_MAGIC,
                                                               .lane = number_in_file(number),
                                                               .sequence = lane->sequence++,
                                                               .time_ns = builder->now_ns,
                                                               .epoch = lane->epoch,
                                                               .events = lane->events,
                                                               .tid = lane->tid};
    memcpy(block_header(builder, lane)->name, lane->name, sizeof(lane->name));
    lane->used = 0;
    lane->freed_at = 0;
    lane->ip = 0;
    lane->time_ns = builder->now_ns;
    lane->events_since_time = 0;
    memset(lane->stacks, 0, sizeof(lane->stacks));
    memset(lane->sizes, 0, sizeof(lane->sizes));
    memset(lane->alloc_at, 0, sizeof(lane->alloc_at));
    memset(lane->recent, 0, sizeof(lane->recent));
    builder_header(builder)->blocks++;
}

/* The lane's state is that of the block its next record will be in: makes sure of the block. */
static struct builder_lane *begin_record(struct builder *builder, unsigned number, size_t most)
{
    need(number < BUILDER_LANES);
    struct builder_lane *lane = &builder->lanes[number];
    if (lane->block != 0 && lane->used + most > TRACE_PAYLOAD_BYTES)
        builder_close_block(builder, number);
    if (lane->block == 0)
        open_block(builder, number);
    return lane;
}

static void put_record(struct builder *builder, struct builder_lane *lane, const void *bytes,
                       size_t count)
{
    memcpy(builder->image + lane->block + TRACE_BLOCK_HEADER_BYTES + lane->used, bytes, count);
    lane->used += count;
}

void builder_raw(struct builder *builder, unsigned number, const void *bytes, size_t count)
{
    put_record(builder, begin_record(builder, number, count), bytes, count);
}

/* -- events ----------------------------------------------------------------------------------- */

static struct builder_lane *begin_event(struct builder *builder, unsigned number)
{
    struct builder_lane *lane = begin_record(builder, number, 2 * TRACE_EVENT_BYTES_MAX);
    builder->now_ns += 10;
    builder->events++;
    lane->events++;
    if (++lane->events_since_time >= 64) {
        unsigned char record[TRACE_EVENT_BYTES_MAX] = {TRACE_TIME};
        unsigned char *end = trace_put_uvarint(record + 1, builder->now_ns - lane->time_ns);
        put_record(builder, lane, record, (size_t)(end - record));
        lane->time_ns = builder->now_ns;
        lane->events_since_time = 0;
    }
    return lane;
}

struct birth {
    uint64_t units;
    uint64_t size;
    uint32_t stack;
    unsigned alignment_log2;
    unsigned bits; /* ZEROED, CPP, IN_PLACE */
};

/* Appends stack, size, address and alignment to a record; returns its end and sets *bits. */
static unsigned char *put_birth(struct builder_lane *lane, unsigned char *at,
                                const struct birth *birth, unsigned *bits)
{
    unsigned slot = trace_slot(birth->stack);
    bool is_stack_known = lane->stacks[slot] == birth->stack;
    at = trace_put_uvarint(at, is_stack_known ? slot : (uint64_t)birth->stack + TRACE_SLOTS);
    lane->stacks[slot] = birth->stack;
    *bits = birth->bits;
    if (lane->sizes[slot] == birth->size)
        *bits |= TRACE_SIZE_KNOWN;
    else
        at = trace_put_uvarint(at, birth->size);
    lane->sizes[slot] = birth->size;
    uint64_t *base = &lane->alloc_at[trace_slot(birth->size)];
    if ((birth->bits & TRACE_IN_PLACE) == 0)
        at = trace_put_svarint(at, (int64_t)(birth->units - *base));
    *base = birth->units;
    lane->recent[trace_recent_slot(birth->units)] = birth->units;
    if (birth->alignment_log2 != 0) {
        *bits |= TRACE_ALIGNED;
        *at++ = (unsigned char)birth->alignment_log2;
    }
    return at;
}

/* False: it is too far away, or its stack was not named lately. */
static bool put_near(struct builder *builder, struct builder_lane *lane, uint64_t units,
                     unsigned argument, uint64_t size, uint32_t stack)
{
    uint64_t place = units - builder_header(builder)->near_units;
    unsigned char record[9], *at = record + 1;
    bool is_short = place >> 24 == 0;
    unsigned slot = trace_slot(stack);
    if (!builder->is_near || place >> 40 != 0 || size >> 16 != 0 ||
        (stack != 0 && lane->stacks[slot] != stack))
        return false;
    if (stack != 0) {
        argument |= TRACE_NEAR_STACK;
        *at++ = (unsigned char)slot;
        lane->sizes[slot] = size;
        lane->recent[trace_recent_slot(units)] = units;
    }
    for (unsigned i = 0; argument != TRACE_NEAR_FREE && i < 2; i++)
        *at++ = (unsigned char)(size >> 8 * i);
    for (unsigned i = 0; i < (is_short ? 3 : 5); i++)
        *at++ = (unsigned char)(place >> 8 * i);
    record[0] = (unsigned char)((argument | (is_short ? TRACE_NEAR_SHORT : 0)) << 3);
    put_record(builder, lane, record, (size_t)(at - record));
    return true;
}

void builder_alloc(struct builder *builder, unsigned number, uint64_t address, uint64_t size,
                   uint32_t stack, unsigned alignment_log2, unsigned bits)
{
    struct builder_lane *lane = begin_event(builder, number);
    if (alignment_log2 == 0 &&
        put_near(builder, lane, address >> builder->shift, TRACE_NEAR_ALLOC | bits, size, stack))
        return;
    struct birth birth = {address >> builder->shift, size, stack, alignment_log2, bits};
    unsigned char record[TRACE_EVENT_BYTES_MAX];
    unsigned argument = 0;
    unsigned char *end = put_birth(lane, record + 1, &birth, &argument);
    record[0] = (unsigned char)(TRACE_ALLOC | argument << 3);
    put_record(builder, lane, record, (size_t)(end - record));
}

void builder_free(struct builder *builder, unsigned number, uint64_t address)
{
    struct builder_lane *lane = begin_event(builder, number);
    uint64_t units = address >> builder->shift;
    unsigned slot = trace_recent_slot(units);
    if (lane->recent[slot] != units && put_near(builder, lane, units, TRACE_NEAR_FREE, 0, 0))
        return;
    unsigned char record[TRACE_EVENT_BYTES_MAX];
    unsigned char *end = record + 1;
    if (lane->recent[slot] == units) {
        record[0] = (unsigned char)(TRACE_FREE | slot << 3);
    } else {
        record[0] = TRACE_FREE;
        end = trace_put_svarint(end, (int64_t)(units - lane->freed_at));
        lane->freed_at = units;
    }
    put_record(builder, lane, record, (size_t)(end - record));
}

void builder_realloc(struct builder *builder, unsigned number, uint64_t old, uint64_t address,
                     uint64_t size, uint32_t stack)
{
    struct builder_lane *lane = begin_event(builder, number);
    uint64_t units = old >> builder->shift;
    struct birth birth = {address >> builder->shift, size, stack, 0,
                          old == address ? TRACE_IN_PLACE : 0};
    unsigned char record[TRACE_EVENT_BYTES_MAX];
    unsigned char *end = trace_put_svarint(record + 1, (int64_t)(units - lane->freed_at));
    lane->freed_at = units;
    unsigned argument = 0;
    end = put_birth(lane, end, &birth, &argument);
    record[0] = (unsigned char)(TRACE_REALLOC | argument << 3);
    put_record(builder, lane, record, (size_t)(end - record));
}

void builder_sync(struct builder *builder, unsigned number)
{
    struct builder_lane *lane = begin_record(builder, number, TRACE_EVENT_BYTES_MAX);
    unsigned char record[TRACE_EVENT_BYTES_MAX] = {TRACE_SYNC};
    unsigned char *end = trace_put_uvarint(record + 1, ++builder->epoch - lane->epoch);
    lane->epoch = builder->epoch;
    put_record(builder, lane, record, (size_t)(end - record));
}

void builder_thread(struct builder *builder, unsigned number, enum trace_thread_kind kind,
                    uint64_t tid, const char *name)
{
    struct builder_lane *lane = begin_record(builder, number, 2 * TRACE_EVENT_BYTES_MAX);
    unsigned char record[2 * TRACE_EVENT_BYTES_MAX] = {(unsigned char)(TRACE_THREAD | kind << 3)};
    unsigned char *end = record + 1;
    if (kind == TRACE_THREAD_START)
        end = trace_put_uvarint(end, tid);
    if (kind != TRACE_THREAD_NAME) {
        lane->tid = (uint32_t)tid;
        lane->name[0] = '\0';
    } else {
        size_t bytes = strlen(name);
        memset(lane->name, 0, sizeof(lane->name));
        memcpy(lane->name, name, bytes < sizeof(lane->name) ? bytes : sizeof(lane->name) - 1);
        need(bytes <= TRACE_EVENT_BYTES_MAX);
        end = trace_put_uvarint(end, bytes);
        memcpy(end, name, bytes);
        end += bytes;
    }
    put_record(builder, lane, record, (size_t)(end - record));
}

/* Up to 127 bytes. */
static void put_other(struct builder *builder, struct builder_lane *lane, unsigned kind,
                      const unsigned char *payload, size_t bytes)
{
    unsigned char record[2 * TRACE_EVENT_BYTES_MAX] = {(unsigned char)(TRACE_OTHER | kind << 3),
                                                       (unsigned char)bytes};
    need(bytes < 0x80 && bytes + 2 <= sizeof(record));
    memcpy(record + 2, payload, bytes);
    put_record(builder, lane, record, bytes + 2);
}

void builder_failed(struct builder *builder, unsigned number, uint32_t stack, uint64_t size)
{
    unsigned char payload[20];
    unsigned char *end = trace_put_uvarint(trace_put_uvarint(payload, stack), size);
    put_other(builder, begin_event(builder, number), TRACE_FAILED, payload,
              (size_t)(end - payload));
}

void builder_dropped(struct builder *builder, unsigned number, uint64_t count)
{
    unsigned char payload[10];
    unsigned char *end = trace_put_uvarint(payload, count);
    put_other(builder, begin_record(builder, number, TRACE_EVENT_BYTES_MAX), TRACE_DROPPED, payload,
              (size_t)(end - payload));
    builder->dropped += count;
}

void builder_txn(struct builder *builder, unsigned number, enum trace_other_kind kind, uint64_t txn,
                 const uint64_t *fields, size_t count, const char *name)
{
    bool counts = kind == TRACE_TXN_ALLOC;
    struct builder_lane *lane = counts ? begin_event(builder, number)
                                       : begin_record(builder, number, 2 * TRACE_EVENT_BYTES_MAX);
    unsigned char payload[2 * TRACE_EVENT_BYTES_MAX];
    unsigned char *end = trace_put_uvarint(payload, txn);
    for (size_t i = 0; i < count; i++)
        end = trace_put_uvarint(end, fields[i]);
    size_t length = name != NULL ? strlen(name) : 0;
    need((size_t)(end - payload) + length < sizeof(payload));
    if (length != 0)
        memcpy(end, name, length);
    put_other(builder, lane, kind, payload, (size_t)(end - payload) + length);
}

/* -- stacks and info -------------------------------------------------------------------------- */

static uint32_t put_node(struct builder *builder, uint32_t parent, uint64_t ip, bool is_exact)
{
    struct builder_lane *lane = begin_record(builder, TRACE_LANE_STACKS, TRACE_EVENT_BYTES_MAX);
    unsigned char record[TRACE_EVENT_BYTES_MAX];
    uint64_t id = ++builder->nodes;
    unsigned char *end = trace_put_uvarint(record, (id - parent) << 1 | is_exact);
    end = trace_put_svarint(end, (int64_t)(ip - lane->ip));
    lane->ip = ip;
    put_record(builder, lane, record, (size_t)(end - record));
    lane->events++;
    return (uint32_t)id;
}

uint32_t builder_node(struct builder *builder, uint32_t parent, uint64_t ip)
{
    return put_node(builder, parent, ip, false);
}

uint32_t builder_exact_node(struct builder *builder, uint32_t parent, uint64_t ip)
{
    return put_node(builder, parent, ip, true);
}

void builder_info(struct builder *builder, enum trace_info type, const void *payload, size_t bytes)
{
    unsigned char *record = malloc(bytes + 16);
    need(record != NULL);
    record[0] = (unsigned char)type;
    unsigned char *end = trace_put_uvarint(record + 1, bytes);
    if (bytes > 0)
        memcpy(end, payload, bytes);
    bool is_timed = builder->has_timeline && trace_info_recurs(type);
    builder_raw(builder, is_timed ? BUILDER_TIMELINE : TRACE_LANE_INFO, record,
                (size_t)(end - record) + bytes);
    free(record);
}

void builder_module(struct builder *builder, uint64_t time_ns, uint64_t bias, uint64_t start,
                    uint64_t end, const char *path)
{
    unsigned char payload[512];
    uint64_t numbers[3] = {bias, start, end};
    unsigned char *at = trace_put_uvarint(payload, time_ns);
    at = trace_put_uvarint(at, builder->nodes);
    memcpy(at, numbers, sizeof(numbers));
    at += sizeof(numbers);
    *at++ = 4;
    memcpy(at, "\xde\xad\xbe\xef", 4);
    at += 4;
    need(strlen(path) < 256);
    memcpy(at, path, strlen(path));
    builder_info(builder, TRACE_INFO_MODULE, payload, (size_t)(at - payload) + strlen(path));
}

void builder_mark(struct builder *builder, const char *label)
{
    unsigned char payload[256];
    unsigned char *at = trace_put_uvarint(payload, builder->now_ns);
    need(strlen(label) <= 200);
    memcpy(at, label, strlen(label));
    builder_info(builder, TRACE_INFO_MARK, payload, (size_t)(at - payload) + strlen(label));
}

void builder_mapped(struct builder *builder, uint64_t start, uint64_t bytes, uint32_t stack,
                    unsigned bits)
{
    unsigned char payload[64];
    payload[0] = (unsigned char)bits;
    unsigned char *at = trace_put_uvarint(payload + 1, builder->now_ns);
    at = trace_put_uvarint(trace_put_uvarint(at, stack), start);
    at = trace_put_uvarint(trace_put_uvarint(at, bytes), 3);
    at = trace_put_uvarint(at, 0x22);
    builder_info(builder, TRACE_INFO_MAPPED, payload, (size_t)(at - payload));
}

void builder_unmapped(struct builder *builder, uint64_t start, uint64_t bytes)
{
    unsigned char payload[64];
    unsigned char *at = trace_put_uvarint(payload, builder->now_ns);
    at = trace_put_uvarint(trace_put_uvarint(at, start), bytes);
    builder_info(builder, TRACE_INFO_UNMAPPED, payload, (size_t)(at - payload));
}

static unsigned char *put_area(unsigned char *at, const struct builder_area *area)
{
    *at++ = (unsigned char)area->kind;
    at = trace_put_svarint(at, (int64_t)(area->start / 4096));
    at = trace_put_uvarint(at, area->bytes / 4096);
    if (area->kind == TRACE_AREA_OWN)
        return trace_put_uvarint(at, area->is_counted ? area->resident / 4096 + 1 : 0);
    at = trace_put_uvarint(at, area->resident / 4096);
    at = trace_put_uvarint(at, area->anonymous / 4096);
    at = trace_put_uvarint(at, area->swapped / 4096);
    size_t length = area->name == NULL ? 0 : strlen(area->name);
    need(length < 200);
    at = trace_put_uvarint(at, length == 0 ? 0 : length + 1);
    if (length != 0)
        memcpy(at, area->name, length);
    return at + length;
}

void builder_areas(struct builder *builder, enum trace_areas_reason reason,
                   const struct builder_area *areas, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char payload[512];
        unsigned char *at = trace_put_uvarint(payload, builder->now_ns);
        *at++ = (unsigned char)reason;
        *at++ = (i == 0 ? TRACE_AREAS_FIRST : 0) | (i + 1 == count ? TRACE_AREAS_LAST : 0);
        at = put_area(at, &areas[i]);
        builder_info(builder, TRACE_INFO_AREAS, payload, (size_t)(at - payload));
    }
}

void builder_unwritten(struct builder *builder, unsigned bits, uint32_t stack, uint64_t size,
                       uint64_t untouched, uint64_t zero)
{
    unsigned char payload[64] = {(unsigned char)bits};
    unsigned char *at = trace_put_uvarint(payload + 1, builder->now_ns);
    at = trace_put_uvarint(trace_put_uvarint(at, stack), size);
    at = trace_put_uvarint(trace_put_uvarint(at, untouched), zero);
    builder_info(builder, TRACE_INFO_UNWRITTEN, payload, (size_t)(at - payload));
}

void builder_sample(struct builder *builder, const struct trace_sample *sample)
{
    builder_info(builder, TRACE_INFO_SAMPLE, sample, sizeof(*sample));
}

void builder_end(struct builder *builder, enum trace_end_reason reason)
{
    uint64_t lanes = 1; /* the info lane, which this record begins at the latest */
    for (unsigned i = 1; i < BUILDER_LANES; i++)
        lanes += builder->lanes[i].sequence != 0;
    struct trace_end end = {.time_ns = builder->now_ns,
                            .events = builder->events,
                            .dropped = builder->dropped,
                            .nodes = builder->nodes,
                            .lanes = lanes,
                            .blocks = builder_header(builder)->blocks,
                            .reason = reason};
    builder_info(builder, TRACE_INFO_END, &end, sizeof(end));
    for (unsigned i = 0; i < BUILDER_LANES; i++)
        builder_close_block(builder, i);
}

/* -- the file --------------------------------------------------------------------------------- */

char *builder_write(const struct builder *builder)
{
    const char *folder = getenv("TMPDIR");
    char *path = NULL;
    need(asprintf(&path, "%s/mpress-test-XXXXXX", folder != NULL ? folder : "/tmp") > 0);
    int fd = mkstemp(path);
    need(fd >= 0);
    for (size_t done = 0; done < builder->bytes;) {
        ssize_t written = write(fd, builder->image + done, builder->bytes - done);
        need(written > 0);
        done += (size_t)written;
    }
    close(fd);
    return path;
}
