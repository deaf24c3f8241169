/* medium.h - the magazine of medium blocks (32 to 256 KiB): one for all their lengths, and nothing
 * behind it but the unit heap.
 *
 * The hot path takes its newest round when that has the right length; here are the other cases. The
 * class is closed meanwhile. */
#ifndef MPRESS_MEDIUM_H
#define MPRESS_MEDIUM_H

#include <stddef.h>
#include <stdint.h>

#include "allocators/large.h"
#include "allocators/magazine.h"

/* The newest round of the length and alignment that are needed, or NULL; then the oldest round
 * leaves: so lengths that nobody asks for any more do not stay. */
void *medium_take(struct magazine *loaded, size_t bytes, size_t alignment);

/* Gives the oldest rounds to the unit heap. */
void medium_shed(struct magazine *loaded, uint32_t count);

/* Adds a round of any thread, which may just be leaving it and even the heap. */
void medium_count(const void *p, struct large_stats *stats);

#endif
