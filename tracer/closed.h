/* closed.h - blocks that are closed and still mapped: sixteen are unmapped together, neighbours in
 * one call. The caller has the file's lock. */
#ifndef MPRESS_TRACER_CLOSED_H
#define MPRESS_TRACER_CLOSED_H

#include <stddef.h>

/* Unmaps the whole pages of a range at once; a page that is shared with a neighbour stays. */
void closed_unmap_range(unsigned char *start, size_t bytes);

/* Nobody writes to the block any more: it is unmapped by and by, or by closed_unmap. */
void closed_add(unsigned char *block);
void closed_unmap(void);

/* In the child of a fork: what is mapped of its parent's file stays so. */
void closed_forget(void);

#endif
