/* fuzz_reader.c - bytes become a trace file, which the reader must survive, and with memory that is
 * bounded by the file's length and by what its bytes can mean, never by what they claim
 * (LLVMFuzzerTestOneInput: libFuzzer's convention, or run by fuzz_main.c).
 *
 * An input is a trace without its 64 KiB of padding, so that the fuzzer works on what matters:
 *
 *     u8 flags (1: blocks closed with checksums, 2: cut at the end, 4: address shift 3,
 *               8: lanes begin late, in the middle of a thread,
 *               48: the epoch that blocks start with),
 *     then blocks: u8 lane, u16 payload bytes, payload
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
#include "tools/trace/trace.h"

enum { CLOSED = 1, CUT = 2, SHIFT_3 = 4, LATE = 8, RAW = 128, BLOCKS_MOST = 40 };

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

enum { ASKED_AT_START = 1 << 19, ASKED_PER_BYTE = 128 };

static size_t asked; /* all that the reader ever asked for during one input */

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

/* Writes a block; the place behind its payload in the file. */
static size_t put_block(size_t index, unsigned lane, const uint8_t *payload, size_t bytes,
                        uint32_t sequence, unsigned flags)
{
    size_t at = TRACE_HEADER_BYTES + index * TRACE_BLOCK_BYTES;
    struct trace_block_header header = {.magic = TRACE_BLOCK_MAGIC,
                                        .lane = lane,
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

static void put_header(unsigned flags)
{
    struct trace_header header = {.magic = TRACE_MAGIC,
                                  .version = TRACE_VERSION,
                                  .header_bytes = TRACE_HEADER_BYTES,
                                  .block_bytes = TRACE_BLOCK_BYTES,
                                  .address_shift = (flags & SHIFT_3) != 0 ? 3 : 4,
                                  .page_bytes = 4096,
                                  .blocks_most = (flags & LATE) != 0 ? BLOCKS_MOST : 0};
    put(&header, sizeof(header), 0);
}

/* Writes the file of an input; its length. */
static size_t put_file(const uint8_t *data, size_t size)
{
    unsigned flags = data[0];
    uint32_t sequences[256] = {0};
    size_t blocks = 0;
    size_t end = TRACE_HEADER_BYTES;
    put_header(flags);
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

/* -- reading ---------------------------------------------------------------------------------- */

static void read_all(const char *path)
{
    struct trace_error error;
    struct trace *trace = trace_open(path, &error);
    if (trace == NULL)
        return;
    struct trace_visit *visit = trace_visit_create(trace);
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
    trace_visit_destroy(visit);
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
    size_t length = is_raw ? size - 1 : put_file(data, size);
    set_length(length);
    asked = 0;
    read_all(file_path);
    if (asked > ASKED_AT_START + 2 * length + ASKED_PER_BYTE * size)
        abort();
    return 0;
}
