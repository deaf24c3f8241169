/* route.h - which heap serves a request, and which one a pointer belongs to.
 *
 * Three heaps can meet in one process: ours, mimalloc (by option), and libc's (blocks that a
 * library opened with RTLD_DEEPBIND got from it, or from before us). Every pointer is told apart by
 * its address alone. */
#ifndef MPRESS_ROUTE_H
#define MPRESS_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/conf.h"

/* Chooses the heap; from the constructor. */
void route_init(enum conf_heap heap);

/* Requests of at least so many bytes go to mimalloc; SIZE_MAX: none. Constant after route_init. */
extern size_t route_mimalloc_from;

/* Some or all blocks come from a heap that does not announce transfers (cache_on_transfer). */
static inline bool route_is_mixed(void)
{
    return route_mimalloc_from != SIZE_MAX;
}

/* As the heap_ functions of allocators/heap.h, for any pointer that a program may hold. */
void *route_alloc(size_t bytes);
void *route_alloc_zeroed(size_t bytes);
void *route_alloc_aligned(size_t alignment, size_t bytes);
void route_free(void *p);

size_t route_usable(const void *p);
bool route_resize(void *p, size_t bytes);
void *route_realloc(void *p, size_t bytes);

/* A block for the contents of another. */
void *route_alloc_instead(const void *p, size_t bytes);

/* A block that moves page by page instead of being copied. */
bool route_remaps(const void *p, size_t bytes);

/* Gives back all that is free. Bytes, mimalloc's not among them. */
size_t route_compact(void);
struct heap_squeezed;
void route_squeeze(struct heap_squeezed *squeezed);

#endif
