/* packed.c - finds the frames of a packed trace and unpacks them. */
#include "tools/trace/packed.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "tools/trace/memory.h"

/* -- the header ------------------------------------------------------------------------------- */

uint64_t packed_header_checksum(const struct packed_header *header)
{
    size_t from = offsetof(struct packed_header, trace_bytes);
    return trace_checksum((const unsigned char *)header + from, header->header_bytes - from);
}

bool packed_read_header(const unsigned char *base, size_t bytes, struct packed_header *header)
{
    size_t there = bytes < sizeof(*header) ? bytes : sizeof(*header);
    if (there < PACKED_HEADER_LEAST)
        return false;
    memmove(header, base, there);
    if (header->magic != PACKED_MAGIC || header->version != PACKED_VERSION ||
        header->header_bytes < PACKED_HEADER_LEAST || header->header_bytes > there)
        return false;
    memset((unsigned char *)header + header->header_bytes, 0,
           sizeof(*header) - header->header_bytes);
    return header->checksum == packed_header_checksum(header);
}

/* -- frames ----------------------------------------------------------------------------------- */

uint64_t packed_head_checksum(const struct packed_frame *frame)
{
    struct packed_frame clean = *frame;
    clean.head_checksum = 0;
    return trace_checksum((const unsigned char *)&clean, sizeof(clean)) * 31 +
           trace_checksum((const unsigned char *)(frame + 1),
                          frame->blocks * sizeof(struct packed_block));
}

static const unsigned char *columns_of(const struct packed_frame *frame)
{
    return (const unsigned char *)(packed_blocks(frame) + frame->blocks);
}

/* Whether the columns fill what they are said to, and the blocks what the columns hold. */
static bool check_lengths(const struct packed_frame *frame)
{
    uint64_t unpacked = 0;
    uint64_t packed = 0;
    for (unsigned i = 0; i < COLUMNS; i++) {
        if (frame->columns[i].packed > frame->columns[i].bytes)
            return false;
        unpacked += frame->columns[i].bytes;
        packed += frame->columns[i].packed;
    }
    for (uint32_t i = 0; i < frame->blocks; i++) {
        if (packed_blocks(frame)[i].bytes > TRACE_PAYLOAD_BYTES)
            return false;
        unpacked -= packed_blocks(frame)[i].bytes;
    }
    return unpacked == 0 && packed == frame->bytes;
}

/* The head of a frame at `at`, if one stands there and its columns are all in the file. */
static const struct packed_frame *head_at(const unsigned char *base, size_t bytes, size_t at)
{
    const struct packed_frame *frame = (const void *)(base + at);
    if (bytes - at < sizeof(*frame) || frame->magic != PACKED_FRAME_MAGIC || frame->blocks == 0 ||
        frame->blocks > packed_blocks_most(frame->lane))
        return NULL;
    bool is_good = bytes - at >= packed_frame_bytes(frame) &&
                   frame->head_checksum == packed_head_checksum(frame) && check_lengths(frame);
    return is_good ? frame : NULL;
}

const struct packed_frame *packed_next(const unsigned char *base, size_t bytes, size_t *at,
                                       size_t *skipped)
{
    while (*at < bytes) {
        const struct packed_frame *frame = head_at(base, bytes, *at);
        size_t step = frame != NULL ? packed_frame_bytes(frame) : 8;
        if (step > bytes - *at)
            step = bytes - *at;
        *at += step;
        if (frame != NULL && frame->checksum == trace_checksum(columns_of(frame), frame->bytes))
            return frame;
        *skipped += step;
    }
    return NULL;
}

/* -- unpacking -------------------------------------------------------------------------------- */

/* Columns that lie are read behind their ends, by all bytes of the frame at most: hence the room,
 * which spares a comparison for every byte. */
struct packed_scratch {
    ZSTD_DCtx *zstd;
    unsigned char columns[2 * PACKED_BLOCKS_MOST * TRACE_PAYLOAD_BYTES];
};

struct packed_scratch *packed_scratch_create(void)
{
    struct packed_scratch *scratch = memory_alloc(1, sizeof(*scratch));
    scratch->zstd = ZSTD_createDCtx();
    if (scratch->zstd == NULL)
        memory_fail(1, sizeof(*scratch));
    return scratch;
}

void packed_scratch_destroy(struct packed_scratch *scratch)
{
    if (scratch == NULL)
        return;
    ZSTD_freeDCtx(scratch->zstd);
    free(scratch);
}

/* Formats of zstd's youth have decoders of their own, which nothing here needs. */
static bool is_zstd(const unsigned char *from, size_t bytes)
{
    static const unsigned char magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
    return bytes >= sizeof(magic) && memcmp(from, magic, sizeof(magic)) == 0;
}

static bool unpack_columns(struct packed_scratch *scratch, const struct packed_frame *frame,
                           struct columns *columns)
{
    const unsigned char *from = columns_of(frame);
    unsigned char *to = scratch->columns;
    for (unsigned i = 0; i < COLUMNS; i++) {
        uint32_t bytes = frame->columns[i].bytes;
        uint32_t packed = frame->columns[i].packed;
        if (packed == bytes)
            memcpy(to, from, bytes);
        else if (!is_zstd(from, packed) ||
                 ZSTD_decompressDCtx(scratch->zstd, to, bytes, from, packed) != bytes)
            return false;
        columns->at[i] = to;
        from += packed;
        to += bytes;
    }
    return true;
}

/* Whether each column was taken to its end, not more and not less. */
static bool are_used_up(const struct packed_scratch *scratch, const struct packed_frame *frame,
                        const struct columns *columns)
{
    const unsigned char *end = scratch->columns;
    for (unsigned i = 0; i < COLUMNS; i++) {
        end += frame->columns[i].bytes;
        if (columns->at[i] != end)
            return false;
    }
    return true;
}

bool packed_unpack(struct packed_scratch *scratch, const struct packed_frame *frame,
                   unsigned char *payloads)
{
    struct columns columns;
    if (!unpack_columns(scratch, frame, &columns))
        return false;
    for (uint32_t i = 0; i < frame->blocks; i++) {
        unsigned char *payload = payloads + (size_t)i * TRACE_PAYLOAD_BYTES;
        size_t bytes = packed_blocks(frame)[i].bytes;
        columns_join(&columns, frame->lane, payload, bytes);
        memset(payload + bytes, 0, TRACE_PAYLOAD_BYTES - bytes);
    }
    return are_used_up(scratch, frame, &columns);
}
