/* memory.c - see memory.h */
#define _GNU_SOURCE /* mremap */
#include "tools/trace/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Noreturn void memory_fail(size_t count, size_t bytes)
{
    fprintf(stderr,
            "mpress: out of memory: %zu x %zu bytes; close other programs or use a larger "
            "machine\n",
            count, bytes);
    exit(1);
}

void *memory_alloc(size_t count, size_t bytes)
{
    void *memory = calloc(count != 0 ? count : 1, bytes);
    if (memory == NULL)
        memory_fail(count, bytes);
    return memory;
}

void *memory_alloc_lines(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    if (memory == NULL)
        memory_fail(1, bytes);
    return memset(memory, 0, bytes);
}

void *memory_grow(void *array, size_t count, size_t *capacity, size_t bytes)
{
    if (count < *capacity)
        return array;
    size_t wanted = *capacity != 0 ? *capacity * 2 : 16;
    void *grown = wanted > SIZE_MAX / bytes ? NULL : realloc(array, wanted * bytes);
    if (grown == NULL)
        memory_fail(wanted, bytes);
    *capacity = wanted;
    return grown;
}

/* -- tables ----------------------------------------------------------------------------------- */

static void *make_huge(void *map, size_t bytes)
{
    if (map == MAP_FAILED)
        memory_fail(1, bytes);
    madvise(map, bytes, MADV_HUGEPAGE); /* advice: may be refused */
    return map;
}

void *memory_map(size_t bytes)
{
    int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    return make_huge(mmap(NULL, bytes, protection, flags, -1, 0), bytes);
}

void *memory_map_more(void *map, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        memory_fail(2, bytes);
#ifdef __SANITIZE_THREAD__ /* takes no notice of mremap, and the pages it frees for old ones */
    void *more = memory_map(2 * bytes);
    memcpy(more, map, bytes);
    munmap(map, bytes);
    return more;
#else
    return make_huge(mremap(map, bytes, 2 * bytes, MREMAP_MAYMOVE), 2 * bytes);
#endif
}

void memory_unmap(void *map, size_t bytes)
{
    if (map != NULL)
        munmap(map, bytes);
}
