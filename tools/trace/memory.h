/* memory.h - memory that is there or ends the process with one line: a tool cannot go on without.
 */
#ifndef MPRESS_TOOLS_TRACE_MEMORY_H
#define MPRESS_TOOLS_TRACE_MEMORY_H

#include <stddef.h>

/* Zeroed memory for `count` objects of `bytes` each; give it back with free(). */
void *memory_alloc(size_t count, size_t bytes);

/* Zeroed memory that begins with a line of the CPU's cache; free() as well. */
void *memory_alloc_lines(size_t bytes);

/* Makes room for one more element behind the `count` that are in use, doubling when full. */
void *memory_grow(void *array, size_t count, size_t *capacity, size_t bytes);

/* Zeroed memory for large tables that are looked into at random: in huge pages, as each look would
 * miss the TLB else, and growing without a copy. memory_map_more doubles what has `bytes`; what is
 * there stays, maybe elsewhere. */
void *memory_map(size_t bytes);
void *memory_map_more(void *map, size_t bytes);
void memory_unmap(void *map, size_t bytes);

/* For functions that do nothing but prefetch: gcc takes them for ones without effect, and drops
 * calls that it has not inlined by then. */
#define MEMORY_PREFETCH inline __attribute__((always_inline))

/* Says that `count` objects of `bytes` each are not to be had, and ends the process. */
_Noreturn void memory_fail(size_t count, size_t bytes);

#endif
