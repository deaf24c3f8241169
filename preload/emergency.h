/* emergency.h - memory for whoever must not wait: a signal handler that interrupted the allocator.
 * A small arena that is used again once all its blocks are free. Lock-free; any thread, any time.
 */
#ifndef MPRESS_EMERGENCY_H
#define MPRESS_EMERGENCY_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory, aligned to a power of two up to a page; NULL: the arena is used up. */
void *emergency_alloc(size_t bytes, size_t alignment);

/* One of its blocks is not needed any more. */
void emergency_free(void);
bool emergency_owns(const void *p);
size_t emergency_usable(const void *p);

#endif
