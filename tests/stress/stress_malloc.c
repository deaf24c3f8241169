/* stress_malloc.c - the storm on malloc and its kin, whoever provides them. */
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "tests/stress/engine.h"

static void *alloc_zeroed(size_t bytes)
{
    return calloc(1, bytes);
}

static void *alloc_aligned(size_t alignment, size_t bytes)
{
    void *p = NULL;
    return posix_memalign(&p, alignment, bytes) == 0 ? p : NULL;
}

int main(int argc, char **argv)
{
    const struct stress_heap heap = {
        .name = "malloc",
        .alloc = malloc,
        .alloc_zeroed = alloc_zeroed,
        .alloc_aligned = alloc_aligned,
        .resize = realloc,
        .free = free,
        .usable = malloc_usable_size,
    };
    struct stress_options options = {.seed = (uint64_t)time(NULL),
                                     .threads = 4,
                                     .generations = 4,
                                     .operations = 20000,
                                     .forks = 3,
                                     .most_bytes = (size_t)48 << 20};
    if (!stress_read_options(argc, argv, &options))
        return 2;
    stress_run(&heap, &options);
    return 0;
}
