/* large.h - blocks of 32 KiB to 32 MiB: runs of units in the reservation. */
#ifndef MPRESS_LARGE_H
#define MPRESS_LARGE_H

#include <stdbool.h>
#include <stddef.h>

enum { LARGE_MAX = 32 * 1024 * 1024 };

/* False where the reservation is scarce and large blocks have most of it: the last quarter is for
 * the slabs, which have nowhere else to go. */
bool large_is_welcome(void);

/* A block of at least `bytes`, aligned to a power of two (page alignment comes for free). *zeroed
 * (may be NULL): all of it reads as zero. NULL: there is no room. */
void *large_alloc(size_t bytes, size_t alignment, bool *zeroed);

/* p must be the first byte of a block: MP_CHECKed by the caller through the control byte. */
void large_free(void *p);
size_t large_usable(const void *p);

/* Grows or shrinks where it stands; false: it cannot. */
bool large_resize(void *p, size_t bytes);

struct large_stats {
    size_t blocks;
    size_t bytes;      /* usable */
    size_t tail_bytes; /* of their last units, behind what is usable */
};
void large_read_stats(struct large_stats *stats);

#endif
