/* huge.h - blocks above 32 MiB: mappings of their own, known by a table of addresses. */
#ifndef MPRESS_HUGE_H
#define MPRESS_HUGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/conf.h"

/* For how long freed ones are kept warm (0: not at all, as before this call), and which pages they
 * have. */
void huge_init(uint64_t decay_ns, enum conf_thp thp, enum conf_hugetlb hugetlb);

/* A block of at least `bytes`, aligned to a power of two, all zeros when that is asked for. NULL:
 * there is no room. */
void *huge_alloc(size_t bytes, size_t alignment, bool zeroed);

/* The same for a block that grows again and again: there is address space behind it for as much
 * once more. */
void *huge_alloc_growing(size_t bytes);

/* Usable bytes of the huge block that begins at p; 0: none does. Never touches p. */
size_t huge_usable(const void *p);

/* Frees it; false: no huge block begins at p. */
bool huge_free(void *p);

/* Gives back warm ones that were freed before the decay time, until `most_bytes` are (whole ones);
 * all of them. Bytes given back. */
size_t huge_tick(uint64_t now_ns, size_t most_bytes);
size_t huge_purge(void);

/* Gives back what the last huge pages of blocks hold behind their ends. The same. */
size_t huge_purge_slack(void);

/* p points into one that was freed and is kept. */
bool huge_is_free(const void *p);

/* Grows it where it stands; false: there is no room. */
bool huge_grow(void *p, size_t bytes);

/* Resizes it, moving pages instead of copying; one that grows gets more room behind it. NULL: the
 * system has none or cannot, or p is no huge block. */
void *huge_realloc(void *p, size_t bytes);

/* True when p points into one, behind its first byte. Slow: looks at every block. */
bool huge_contains(const void *p);

/* A huge block or a warm one begins in [start, end). Slow, too. */
bool huge_any_within(uintptr_t start, uintptr_t end);

struct huge_stats {
    size_t blocks;
    size_t bytes;
    size_t warm_bytes; /* freed ones that are kept */
};
void huge_read_stats(struct huge_stats *stats);

/* Shows every block. Without locks: the other threads stand still. */
void huge_visit(void (*visit)(void *p, size_t bytes, void *context), void *context);

/* Where their addresses are kept; NULL: nowhere yet. */
const void *huge_table(size_t *bytes);

void huge_fork_child(void);

#endif
