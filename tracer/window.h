/* window.h - windows of the file: several blocks side by side for which disk space was claimed and
 * that are mapped together. One is handed out block by block; the one behind it may be there
 * already, made by one thread while others go on in the first.
 *
 *     | header, stays | blocks handed out | present window | ahead, or nothing
 *                                         ^window_take     ^window_end
 *
 * Who calls holds the lock of file.c, except where said. */
#ifndef MPRESS_TRACER_WINDOW_H
#define MPRESS_TRACER_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/format.h"

static inline uint64_t window_block_offset(uint64_t index)
{
    return TRACE_HEADER_BYTES + index * TRACE_BLOCK_BYTES;
}

/* Maps [from, from + bytes) of the file wherever its pages begin. NULL: no room. */
unsigned char *window_map_range(int fd, uint64_t from, size_t bytes);

/* Another file: it has no window, and room for none. */
void window_begin(void);

/* The next window becomes the present one, which has no block left; the file may have `most`
 * blocks, more than it has. The descriptor was compared. The first one has the header in front. */
int window_add(int fd, uint64_t most);

/* What lies in front of the first one, while none of its blocks was taken. */
unsigned char *window_header(void);

/* Blocks left in the present one; the next of them. */
uint32_t window_blocks(void);
unsigned char *window_take(void);

/* Blocks of the file up to the end of the present window. */
uint64_t window_end(void);

/* After a block was taken: it is time for the window ahead. This thread makes it then: with the
 * lock of file.c it begins, without it it ends. Until then window_add and window_close wait. */
bool window_wants_ahead(void);
void window_begin_ahead(void);
void window_end_ahead(int fd);

/* Unmaps what is left. */
void window_close(void);

/* In a forked child: forgets the parent's. */
void window_abandon(void);

#endif
