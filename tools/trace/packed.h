/* packed.h - a packed trace, byte by byte: the same blocks as in tracer/format.h, compressed.
 *
 *     | packed_header | frame | frame | frame ...           each begins at a multiple of 8
 *
 *     frame:  packed_frame | packed_block, one for each block | columns, one behind another
 *
 * A frame holds blocks of one lane. What is not zero of their payloads is sorted into columns
 * (columns.h) and each column compressed by zstd, or stored where that does not make it shorter.
 * The heads (packed_frame and its packed_blocks) are the index: they are all that is read of a file
 * to know which block is where, and any frame is unpacked without another.
 *
 * The file only grows, by whole frames, so it is good at any moment; its header says at the end
 * that it is complete. While a trace is being packed it is called TRACE.packing and stands beside
 * TRACE. Blocks that are in it may read as zeros in TRACE from then on: their disk space was given
 * back. A reader of TRACE takes each block from where it is. At the end the packed file is renamed
 * to TRACE.
 *
 * BOUNDS. Nothing is allocated by what a file says beyond what follows from its length: a block has
 * its packed_block, so no file unpacks to more than 819 times its length, whatever zstd makes of
 * its columns (what a reader keeps, objects and stacks, is bounded by what is unpacked); a frame
 * has at most packed_blocks_most(lane) blocks, a block at most TRACE_PAYLOAD_BYTES, and zstd
 * writes into room of that length. A visit has two frames of a lane unpacked at most, one from lane
 * 256 on: 160 MiB together, and 64 KiB for each further lane, whatever is claimed. */
#ifndef MPRESS_TOOLS_TRACE_PACKED_H
#define MPRESS_TOOLS_TRACE_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/trace/columns.h"
#include "tracer/format.h"

#define PACKED_MAGIC UINT64_C(0x314b4341505450ef) /* bytes ef 50 54 50 41 43 4b 31: ".PTPACK1" */
#define PACKED_FRAME_MAGIC UINT32_C(0x4d52466d)   /* bytes "mFRM" */
#define PACKED_NO_LANE UINT32_MAX /* blocks whose header makes no sense: kept as they are */
#define PACKED_SUFFIX ".packing"

enum {
    PACKED_VERSION = 1,
    PACKED_BLOCKS_MOST = 16,
    PACKED_AHEAD_LANES = 256,  /* lanes from here on have frames of one block */
    PACKED_HEADER_LEAST = 248, /* with the head of a trace of version 2; what it lacks is zero */
};

struct packed_header {
    uint64_t magic; /* PACKED_MAGIC */
    uint32_t version;
    uint32_t header_bytes;    /* of this struct when it was written; the frames are behind it */
    uint64_t checksum;        /* trace_checksum of all behind this field */
    uint64_t trace_bytes;     /* length of the trace unpacked; 0: not complete yet */
    uint64_t packed_bytes;    /* length of this file; 0: not complete yet */
    struct trace_header head; /* of the trace */
};

struct packed_frame {
    uint32_t magic; /* PACKED_FRAME_MAGIC */
    uint32_t lane;
    uint32_t blocks;        /* 1..packed_blocks_most(lane) */
    uint32_t bytes;         /* of all columns, compressed; padding to a multiple of 8 not counted */
    uint64_t checksum;      /* of the compressed columns */
    uint64_t head_checksum; /* of this struct, with 0 here, and of the packed_blocks */
    struct {
        uint32_t bytes;
        uint32_t packed; /* the same as bytes: stored as it is */
    } columns[COLUMNS];
};

struct packed_block {
    struct trace_block_header header;
    uint32_t index;      /* in the trace */
    uint16_t bytes;      /* of the payload up to its last byte that is not zero */
    uint16_t is_damaged; /* 1: its checksum was wrong when it was packed */
};

_Static_assert(sizeof(struct packed_header) % 8 == 0, "file format");
_Static_assert(sizeof(struct packed_frame) == 32 + 8 * COLUMNS, "file format");
_Static_assert(sizeof(struct packed_block) % 8 == 0, "file format");
_Static_assert(TRACE_PAYLOAD_BYTES <= UINT16_MAX, "file format");

/* The more lanes, the fewer blocks of each are unpacked at a time. */
static inline uint32_t packed_blocks_most(uint32_t lane)
{
    uint32_t most = PACKED_BLOCKS_MOST;
    for (uint32_t lanes = 32; lane >= lanes && most > 1; lanes *= 2)
        most /= 2;
    return most;
}

static inline uint64_t packed_round(uint64_t bytes)
{
    return (bytes + 7) & ~UINT64_C(7);
}

/* Bytes from a frame's start to the next one. */
static inline uint64_t packed_frame_bytes(const struct packed_frame *frame)
{
    return sizeof(*frame) + frame->blocks * sizeof(struct packed_block) +
           packed_round(frame->bytes);
}

static inline const struct packed_block *packed_blocks(const struct packed_frame *frame)
{
    return (const struct packed_block *)(const void *)(frame + 1);
}

uint64_t packed_header_checksum(const struct packed_header *header);
uint64_t packed_head_checksum(const struct packed_frame *frame);

/* True when [base, base + bytes) begins with a good header, which is copied. */
bool packed_read_header(const unsigned char *base, size_t bytes, struct packed_header *header);

/* The first whole frame at `*at` or behind it, and *at moves behind it; NULL: there is none. Bytes
 * that are no frame are passed over and added to *skipped. Its columns are not yet unpacked. */
const struct packed_frame *packed_next(const unsigned char *base, size_t bytes, size_t *at,
                                       size_t *skipped);

/* What unpacking needs besides; one for each thread that does it. */
struct packed_scratch;
struct packed_scratch *packed_scratch_create(void);
void packed_scratch_destroy(struct packed_scratch *scratch);

/* Unpacks block i to payloads + i * TRACE_PAYLOAD_BYTES, zeros behind its end. False: damaged. */
bool packed_unpack(struct packed_scratch *scratch, const struct packed_frame *frame,
                   unsigned char *payloads);

#endif
