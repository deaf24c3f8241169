/* huge.h - blocks above 32 MiB: mappings of their own, known by a table of addresses. */
#ifndef MPRESS_HUGE_H
#define MPRESS_HUGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed block of at least `bytes`, aligned to a power of two. NULL: there is no room. */
void *huge_alloc(size_t bytes, size_t alignment);

/* Usable bytes of the huge block that begins at p; 0: none does. Never touches p. */
size_t huge_usable(const void *p);

/* Frees it; false: no huge block begins at p. */
bool huge_free(void *p);

/* Resizes it, moving pages instead of copying. NULL: there is no room, or p is no huge block. */
void *huge_realloc(void *p, size_t bytes);

/* True when p points into one, behind its first byte. Slow: looks at every block. */
bool huge_contains(const void *p);

/* A huge block begins in [start, end). Slow, too. */
bool huge_any_within(uintptr_t start, uintptr_t end);

struct huge_stats {
    size_t blocks;
    size_t bytes;
};
void huge_read_stats(struct huge_stats *stats);

void huge_fork_child(void);

#endif
