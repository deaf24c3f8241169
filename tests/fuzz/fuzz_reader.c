/* fuzz_reader.c - bytes become a trace file, which the reader must survive, and with memory that is
 * bounded by the file's length and by what its bytes can mean, never by what they claim
 * (LLVMFuzzerTestOneInput: libFuzzer's convention, or run by fuzz_main.c).
 *
 * An input is a trace without its 64 KiB of padding, so that the fuzzer works on what matters:
 *
 *     u8 flags (1: blocks closed with checksums, 2: cut at the end, 4: address shift 3,
 *               8: lanes begin late, in the middle of a thread,
 *               48: the epoch that blocks start with),
 *     then blocks: u8 lane (255: the timeline), u16 payload bytes, payload
 *
 * With flag 64 they are frames of a packed trace (packed.h), whose checksums and indices are right:
 *
 *     u8 lane, u8 blocks, for each: u8 lane of its own (exclusive or), u16 payload bytes;
 *     u8 bytes of each column, the first one with what the blocks hold besides; the columns
 *
 * With flag 128 the rest of the input is the file as it is. The file is one in memory; the next
 * input finds it empty and of no pages, and only what an input says is written to it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/trace/memory.h"
#include "tools/trace/packed.h"
#include "tools/trace/trace.h"

enum { CLOSED = 1, CUT = 2, SHIFT_3 = 4, LATE = 8, PACKED = 64, RAW = 128, BLOCKS_MOST = 40 };

const char *__asan_default_options(void);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Freed memory waits for a mistake, but not for so long that each input gets fresh pages: it would
 * cost a third of the inputs in a second. */
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1";
}

static int file;
static char file_path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    file = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(file_path, sizeof(file_path), "/proc/self/fd/%d", file);
    return 0;
}

/* -- memory ----------------------------------------------------------------------------------- */

/* To unpack: the reader goes over a trace three times, each time in two threads with some room. */
enum {
    ASKED_AT_START = 1 << 19,
    ASKED_TO_UNPACK = 3 * 2 * (2 * PACKED_BLOCKS_MOST * TRACE_PAYLOAD_BYTES + 4096),
    ASKED_PER_BYTE = 128,
};

/* All that the reader ever asked for during one input, in its thread that unpacks too. */
static _Atomic size_t asked;

void *__real_memory_alloc(size_t count, size_t bytes);
void *__wrap_memory_alloc(size_t count, size_t bytes);
void *__wrap_memory_alloc(size_t count, size_t bytes)
{
    asked += count * bytes;
    return __real_memory_alloc(count, bytes);
}

void *__real_memory_grow(void *array, size_t count, size_t *capacity, size_t bytes);
void *__wrap_memory_grow(void *array, size_t count, size_t *capacity, size_t bytes);
void *__wrap_memory_grow(void *array, size_t count, size_t *capacity, size_t bytes)
{
    size_t before = *capacity;
    void *grown = __real_memory_grow(array, count, capacity, bytes);
    asked += *capacity != before ? *capacity * bytes : 0;
    return grown;
}

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    asked += fd == -1 ? bytes : 0;
    return __real_mmap(at, bytes, protection, flags, fd, offset);
}

/* -- the file --------------------------------------------------------------------------------- */

static void put(const void *bytes, size_t count, size_t at)
{
    if (pwrite(file, bytes, count, (off_t)at) != (ssize_t)count)
        abort();
}

static void set_length(size_t bytes)
{
    if (ftruncate(file, (off_t)bytes) != 0)
        abort();
}

static uint32_t lane_of(unsigned byte)
{
    return byte == 255 ? TRACE_LANE_TIMELINE : byte;
}

/* Writes a block; the place behind its payload in the file. */
static size_t put_block(size_t index, unsigned lane, const uint8_t *payload, size_t bytes,
                        uint32_t sequence, unsigned flags)
{
    size_t at = TRACE_HEADER_BYTES + index * TRACE_BLOCK_BYTES;
    struct trace_block_header header = {.magic = TRACE_BLOCK_MAGIC,
                                        .lane = lane_of(lane),
                                        .sequence = sequence,
                                        .time_ns = index,
                                        .epoch = flags >> 4 & 3};
    if ((flags & LATE) != 0) {
        header.sequence += 5;
        header.events = 100 + index;
        header.tid = lane % 3;
        memset(header.name, 'x', sizeof(header.name));
    }
    if ((flags & CLOSED) != 0 && bytes > 0) {
        header.used = (uint32_t)bytes;
        header.checksum = trace_checksum(payload, bytes);
    }
    put(&header, sizeof(header), at);
    put(payload, bytes, at + sizeof(header));
    return at + sizeof(header) + bytes;
}

static struct trace_header make_header(unsigned flags)
{
    return (struct trace_header){.magic = TRACE_MAGIC,
                                 .version = TRACE_VERSION,
                                 .header_bytes = TRACE_HEADER_BYTES,
                                 .block_bytes = TRACE_BLOCK_BYTES,
                                 .address_shift = (flags & SHIFT_3) != 0 ? 3 : 4,
                                 .page_bytes = 4096,
                                 .blocks_most = (flags & LATE) != 0 ? BLOCKS_MOST : 0};
}

/* Writes the file of an input; its length. */
static size_t put_file(const uint8_t *data, size_t size)
{
    unsigned flags = data[0];
    uint32_t sequences[256] = {0};
    size_t blocks = 0;
    size_t end = TRACE_HEADER_BYTES;
    const struct trace_header header = make_header(flags);
    put(&header, sizeof(header), 0);
    for (size_t at = 1; at + 3 <= size && blocks < BLOCKS_MOST; blocks++) {
        unsigned lane = data[at];
        size_t bytes = data[at + 1] | (size_t)data[at + 2] << 8;
        at += 3;
        if (bytes > size - at)
            bytes = size - at;
        if (bytes > TRACE_PAYLOAD_BYTES)
            bytes = TRACE_PAYLOAD_BYTES;
        end = put_block(blocks, lane, data + at, bytes, sequences[lane]++, flags);
        at += bytes;
    }
    return (flags & CUT) != 0 ? end : TRACE_HEADER_BYTES + blocks * TRACE_BLOCK_BYTES;
}

/* -- packed traces ---------------------------------------------------------------------------- */

/* What is left of an input; zeros behind its end. */
struct rest {
    const uint8_t *at;
    const uint8_t *end;
};

static unsigned take(struct rest *rest)
{
    return rest->at < rest->end ? *rest->at++ : 0;
}

/* The room behind the head is the columns'. */
static struct {
    struct packed_frame frame;
    unsigned char behind[PACKED_BLOCKS_MOST * sizeof(struct packed_block) +
                         PACKED_BLOCKS_MOST * TRACE_PAYLOAD_BYTES + COLUMNS * 255];
} room;

/* Returns the bytes of all payloads. */
static uint32_t make_blocks(struct rest *rest, struct packed_block *blocks, uint32_t *index)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < room.frame.blocks; i++) {
        uint32_t lane = room.frame.lane ^ take(rest);
        uint32_t bytes = take(rest);
        bytes = (bytes | take(rest) << 8) % (TRACE_PAYLOAD_BYTES + 1);
        blocks[i] = (struct packed_block){.header = {.magic = TRACE_BLOCK_MAGIC,
                                                     .lane = lane,
                                                     .sequence = *index,
                                                     .used = *index % 2 == 0 ? bytes : 0},
                                          .index = *index,
                                          .bytes = (uint16_t)bytes};
        sum += bytes;
        ++*index;
    }
    return sum;
}

static void make_columns(struct rest *rest, uint32_t payloads, unsigned char *to)
{
    struct packed_frame *frame = &room.frame;
    for (unsigned i = COLUMNS; i-- > 0;) {
        uint32_t bytes = i > 0 ? take(rest) : payloads;
        if (bytes > payloads)
            bytes = payloads;
        frame->columns[i].bytes = frame->columns[i].packed = bytes;
        frame->bytes += bytes;
        payloads -= bytes;
    }
    for (uint32_t i = 0; i < frame->bytes; i++)
        to[i] = (unsigned char)take(rest);
    frame->checksum = trace_checksum(to, frame->bytes);
    frame->head_checksum = packed_head_checksum(frame);
}

/* Writes a frame at `at`; the place behind it. */
static size_t put_frame(struct rest *rest, uint32_t *index, size_t at)
{
    struct packed_block *blocks = (struct packed_block *)(void *)room.behind;
    uint32_t lane = lane_of(take(rest));
    memset(&room.frame, 0, sizeof(room.frame));
    room.frame.magic = PACKED_FRAME_MAGIC;
    room.frame.lane = lane;
    room.frame.blocks = 1 + take(rest) % packed_blocks_most(lane);
    uint32_t payloads = make_blocks(rest, blocks, index);
    make_columns(rest, payloads, (unsigned char *)(blocks + room.frame.blocks));
    put(&room, packed_frame_bytes(&room.frame), at);
    return at + packed_frame_bytes(&room.frame);
}

static size_t put_packed_file(const uint8_t *data, size_t size)
{
    struct rest rest = {data + 1, data + size};
    struct packed_header header = {.magic = PACKED_MAGIC,
                                   .version = PACKED_VERSION,
                                   .header_bytes = sizeof(header),
                                   .head = make_header(data[0])};
    uint32_t index = 0;
    size_t end = sizeof(header);
    while (rest.at < rest.end && index < BLOCKS_MOST)
        end = put_frame(&rest, &index, end);
    if ((data[0] & CUT) == 0) {
        header.trace_bytes = TRACE_HEADER_BYTES + (uint64_t)index * TRACE_BLOCK_BYTES;
        header.packed_bytes = end;
    }
    header.checksum = packed_header_checksum(&header);
    put(&header, sizeof(header), 0);
    return end;
}

/* -- reading ---------------------------------------------------------------------------------- */

/* Whole pages of an address space, and no more resident than there is. */
static void visit_mappings(const struct trace *trace)
{
    struct trace_mappings *mappings = trace_mappings_create(trace);
    struct trace_mapping mapping;
    while (trace_mappings_next(mappings, &mapping)) {
        if (mapping.start + mapping.bytes < mapping.start || mapping.start % 4096 != 0 ||
            mapping.resident > mapping.bytes || mapping.anonymous > mapping.resident ||
            memchr(mapping.name, '\0', sizeof(mapping.name)) == NULL)
            abort();
    }
    trace_mappings_destroy(mappings);
}

static void count_object(const struct trace_object *object, void *context)
{
    (void)object;
    ++*(uint64_t *)context;
}

static void read_all(const char *path, bool is_brief)
{
    struct trace_error error;
    struct trace *trace = trace_open(path, &error);
    if (trace == NULL)
        return;
    struct trace_visit *visit = trace_visit_create(trace);
    if (is_brief)
        trace_visit_be_brief(visit);
    struct trace_event event;
    while (trace_visit_next(visit, &event)) {
        if (event.stack >= trace_facts(trace)->nodes)
            abort();
    }
    const struct trace_totals *totals = trace_visit_totals(visit);
    uint64_t deaths = totals->frees + totals->reallocs - totals->unknown_frees + totals->stale;
    if (totals->objects - deaths != totals->live_objects)
        abort();
    trace_visit_is_complete(visit, &error);
    struct trace_lost_place place = {0};
    struct trace_lost lost;
    struct trace_object object;
    while (trace_lost_next(trace, &place, &lost)) {
        if (trace_visit_find(visit, lost.address, &object) && object.address != lost.address)
            abort();
    }
    uint64_t alive = 0;
    trace_visit_live(visit, count_object, &alive);
    if (alive != totals->live_objects)
        abort();
    trace_visit_destroy(visit);
    visit_mappings(trace);
    trace_close(trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool is_raw = (data[0] & RAW) != 0;
    set_length(0);
    if (is_raw)
        put(data + 1, size - 1, 0);
    size_t length = is_raw                    ? size - 1
                    : (data[0] & PACKED) != 0 ? put_packed_file(data, size)
                                              : put_file(data, size);
    set_length(length);
    asked = 0;
    read_all(file_path, size % 2 == 0);
    size_t fixed = ASKED_AT_START + ((data[0] & PACKED) != 0 ? ASKED_TO_UNPACK : 0);
    if (asked > fixed + 2 * length + ASKED_PER_BYTE * size)
        abort();
    return 0;
}
