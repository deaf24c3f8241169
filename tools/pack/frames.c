/* frames.c - see frames.h. */
#include "tools/pack/frames.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "tools/trace/memory.h"

enum {
    LEVEL = 3, /* of zstd: 9 saves 7 to 15 % more and takes four times as long */
    FRAME_BYTES = PACKED_BLOCKS_MOST * TRACE_PAYLOAD_BYTES,
    HEAD_BYTES = sizeof(struct packed_frame) + PACKED_BLOCKS_MOST * sizeof(struct packed_block),
};

struct frames {
    ZSTD_CCtx *zstd;
    struct packed_frame head;
    struct packed_block blocks[PACKED_BLOCKS_MOST];
    struct columns columns;
    unsigned char split[COLUMNS][FRAME_BYTES]; /* only what is used of it costs memory */
    _Alignas(8) unsigned char frame[HEAD_BYTES + FRAME_BYTES + 8];
};

struct frames *frames_create(void)
{
    struct frames *frames = memory_alloc(1, sizeof(*frames));
    frames->zstd = ZSTD_createCCtx();
    if (frames->zstd == NULL)
        memory_fail(1, sizeof(*frames));
    return frames;
}

void frames_destroy(struct frames *frames)
{
    if (frames == NULL)
        return;
    ZSTD_freeCCtx(frames->zstd);
    free(frames);
}

void frames_begin(struct frames *frames, uint32_t lane)
{
    memset(&frames->head, 0, sizeof(frames->head));
    frames->head.magic = PACKED_FRAME_MAGIC;
    frames->head.lane = lane;
    for (unsigned i = 0; i < COLUMNS; i++)
        frames->columns.at[i] = frames->split[i];
}

void frames_add(struct frames *frames, uint32_t index, const unsigned char *block, size_t bytes)
{
    struct packed_block *packed = &frames->blocks[frames->head.blocks++];
    memset(packed, 0, sizeof(*packed));
    packed->index = index;
    memcpy(&packed->header, block, bytes < sizeof(packed->header) ? bytes : sizeof(packed->header));
    if (bytes <= sizeof(packed->header))
        return;
    const unsigned char *payload = block + sizeof(packed->header);
    size_t room = bytes - sizeof(packed->header);
    uint32_t used = packed->header.used;
    packed->is_damaged =
        used > 0 && used <= room && trace_checksum(payload, used) != packed->header.checksum;
    while (room > 0 && payload[room - 1] == 0)
        room--;
    packed->bytes = (uint16_t)room;
    columns_split(&frames->columns, frames->head.lane, payload, room);
}

/* Compresses a column to `to`, which has room for it as it is; the place behind it. */
static unsigned char *put_column(struct frames *frames, unsigned column, unsigned char *to)
{
    const unsigned char *from = frames->split[column];
    size_t bytes = (size_t)(frames->columns.at[column] - from);
    size_t packed =
        bytes > 1 ? ZSTD_compressCCtx(frames->zstd, to, bytes - 1, from, bytes, LEVEL) : (size_t)-1;
    if (bytes <= 1 || ZSTD_isError(packed)) {
        memcpy(to, from, bytes); /* it does not get shorter */
        packed = bytes;
    }
    frames->head.columns[column].bytes = (uint32_t)bytes;
    frames->head.columns[column].packed = (uint32_t)packed;
    return to + packed;
}

const struct packed_frame *frames_end(struct frames *frames, size_t *bytes)
{
    struct packed_frame *frame = (void *)frames->frame;
    size_t table = frames->head.blocks * sizeof(frames->blocks[0]);
    unsigned char *columns = (unsigned char *)(frame + 1) + table;
    unsigned char *end = columns;
    for (unsigned i = 0; i < COLUMNS; i++)
        end = put_column(frames, i, end);
    memset(end, 0, 8);
    frames->head.bytes = (uint32_t)(end - columns);
    frames->head.checksum = trace_checksum(columns, frames->head.bytes);
    memcpy(frame, &frames->head, sizeof(*frame));
    memcpy(frame + 1, frames->blocks, table);
    frame->head_checksum = packed_head_checksum(frame);
    *bytes = packed_frame_bytes(frame);
    return frame;
}
