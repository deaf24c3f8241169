/* frames.h - makes the frames of a packed trace (tools/trace/packed.h) out of blocks. */
#ifndef MPRESS_TOOLS_PACK_FRAMES_H
#define MPRESS_TOOLS_PACK_FRAMES_H

#include <stddef.h>

#include "tools/trace/packed.h"

struct frames;

struct frames *frames_create(void);
void frames_destroy(struct frames *frames);

/* Begins a frame. */
void frames_begin(struct frames *frames, uint32_t lane);

/* Adds a block of the lane as it is in the trace, where the file may end inside it. At most
 * packed_blocks_most(lane) of them. */
void frames_add(struct frames *frames, uint32_t index, const unsigned char *block, size_t bytes);

/* The frame, good until the next one begins; *bytes: its length with padding. */
const struct packed_frame *frames_end(struct frames *frames, size_t *bytes);

#endif
