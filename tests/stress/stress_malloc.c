/* stress_malloc.c - the storm on malloc and its kin, whoever provides them: every entry point, each
 * in its turn. What libc does not have is done by its next of kin there. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/stress/engine.h"

/* operator new and delete by their names, C23's frees: weak, so that libc alone will do. */
#define WEAK __attribute__((weak))
WEAK void *_Znwm(size_t bytes);
WEAK void *_ZnamRKSt9nothrow_t(size_t bytes, const char *nothrow);
WEAK void *_ZnwmSt11align_val_t(size_t bytes, size_t alignment);
WEAK void _ZdlPv(void *p);
WEAK void _ZdlPvmSt11align_val_t(void *p, size_t bytes, size_t alignment);
WEAK void cfree(void *p);
WEAK void free_sized(void *p, size_t bytes);
WEAK void free_aligned_sized(void *p, size_t alignment, size_t bytes);

/* A number per thread that walks through the ways. */
static unsigned next_way(unsigned ways)
{
    static _Thread_local unsigned turn;
    return turn++ % ways;
}

static void *alloc(size_t bytes)
{
    switch (next_way(6)) {
    case 0:
        return realloc(NULL, bytes);
    case 1:
        return reallocarray(NULL, 1, bytes);
    case 2:
        return _Znwm != NULL ? _Znwm(bytes) : malloc(bytes);
    case 3:
        return _ZnamRKSt9nothrow_t != NULL ? _ZnamRKSt9nothrow_t(bytes, "") : malloc(bytes);
    default:
        return malloc(bytes);
    }
}

static void *alloc_zeroed(size_t bytes)
{
    return next_way(2) == 0 ? calloc(1, bytes) : calloc(bytes, 1);
}

static void *alloc_aligned(size_t alignment, size_t bytes)
{
    void *p = NULL;
    switch (next_way(4)) {
    case 0:
        return aligned_alloc(alignment, bytes);
    case 1:
        return memalign(alignment, bytes);
    case 2:
        if (_ZnwmSt11align_val_t != NULL)
            return _ZnwmSt11align_val_t(bytes, alignment);
        /* fall through */
    default:
        return posix_memalign(&p, alignment, bytes) == 0 ? p : NULL;
    }
}

static void *alloc_pages(size_t bytes)
{
    return next_way(2) == 0 ? valloc(bytes) : pvalloc(bytes);
}

static void *resize(void *p, size_t bytes)
{
    if (next_way(3) == 0)
        return bytes % 2 == 0 ? reallocarray(p, bytes / 2, 2) : reallocarray(p, bytes, 1);
    return realloc(p, bytes);
}

static void free_block(void *p)
{
    switch (next_way(3)) {
    case 0:
        (cfree != NULL ? cfree : free)(p);
        break;
    case 1:
        (_ZdlPv != NULL ? _ZdlPv : free)(p);
        break;
    default:
        free(p);
    }
}

static void free_block_sized(void *p, size_t alignment, size_t bytes)
{
    if (alignment <= 16) /* perhaps resized: nothing for a sized delete */
        (free_sized != NULL ? free_sized(p, bytes) : free(p));
    else if (next_way(2) == 0 && free_aligned_sized != NULL)
        free_aligned_sized(p, alignment, bytes);
    else if (_ZdlPvmSt11align_val_t != NULL)
        _ZdlPvmSt11align_val_t(p, bytes, alignment);
    else
        free(p);
}

static void say_info(void)
{
    FILE *nowhere = fopen("/dev/null", "w");
    if (nowhere == NULL)
        return;
    malloc_info(0, nowhere);
    fclose(nowhere);
}

static void ask(unsigned question)
{
    switch (question % 8) {
    case 0:
        malloc_trim(0);
        break;
    case 1:
        say_info();
        break;
    case 2:
        mallopt(M_MMAP_THRESHOLD, 1 << 20);
        break;
    default:
        mallinfo2();
    }
}

int main(int argc, char **argv)
{
    const struct stress_heap heap = {
        .name = "malloc",
        .alloc = alloc,
        .alloc_zeroed = alloc_zeroed,
        .alloc_aligned = alloc_aligned,
        .resize = resize,
        .free = free_block,
        .usable = malloc_usable_size,
        .alloc_pages = alloc_pages,
        .free_sized = free_block_sized,
        .ask = ask,
    };
    struct stress_options options = {.seed = (uint64_t)time(NULL),
                                     .threads = 8,
                                     .generations = 4,
                                     .operations = 10000,
                                     .forks = 3,
                                     .most_bytes = (size_t)64 << 20};
    if (!stress_read_options(argc, argv, &options))
        return 2;
    stress_run(&heap, &options);
    return 0;
}
