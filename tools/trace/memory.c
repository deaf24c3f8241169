/* memory.c - see memory.h */
#include "tools/trace/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

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
