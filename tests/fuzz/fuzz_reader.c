/* fuzz_reader.c - libFuzzer against the trace reader (clang, cmake -DMPRESS_FUZZ=ON).
 *
 * An input is a trace without its 64 KiB of padding, so that the fuzzer works on what matters:
 *
 *     u8 flags (1: blocks closed with checksums, 2: cut at the end, 4: address shift 3,
 *         8: lanes begin late, in the middle of a thread),
 *     then blocks: u8 lane, u16 payload bytes, payload
 *
 * With flag 128 the rest of the input is the file as it is. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/trace/trace.h"

enum { CLOSED = 1, CUT = 2, SHIFT_3 = 4, LATE = 8, RAW = 128, BLOCKS_MOST = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char image[TRACE_HEADER_BYTES + BLOCKS_MOST * TRACE_BLOCK_BYTES];

/* Appends a block; the place behind its payload in the image. */
static size_t put_block(size_t index, unsigned lane, const uint8_t *payload, size_t bytes,
                        uint32_t sequence, unsigned flags)
{
    unsigned char *at = image + TRACE_HEADER_BYTES + index * TRACE_BLOCK_BYTES;
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
    memset(at, 0, TRACE_BLOCK_BYTES);
    memcpy(at, &header, sizeof(header));
    memcpy(at + sizeof(header), payload, bytes);
    return (size_t)(at - image) + sizeof(header) + bytes;
}

/* Makes the image of an input; its length. */
static size_t make_image(const uint8_t *data, size_t size)
{
    unsigned flags = data[0];
    struct trace_header header = {.magic = TRACE_MAGIC,
                                  .version = TRACE_VERSION,
                                  .header_bytes = TRACE_HEADER_BYTES,
                                  .block_bytes = TRACE_BLOCK_BYTES,
                                  .address_shift = (flags & SHIFT_3) != 0 ? 3 : 4,
                                  .page_bytes = 4096,
                                  .blocks_most = (flags & LATE) != 0 ? BLOCKS_MOST : 0};
    uint32_t sequences[256] = {0};
    size_t blocks = 0;
    size_t end = TRACE_HEADER_BYTES;
    memset(image, 0, TRACE_HEADER_BYTES);
    memcpy(image, &header, sizeof(header));
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
    size_t bytes = is_raw ? size - 1 : make_image(data, size);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, is_raw ? data + 1 : image, bytes) != (ssize_t)bytes)
        abort();
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    read_all(path);
    close(fd);
    return 0;
}
