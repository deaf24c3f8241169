/* stress_core.c - the storm on the heap itself, without malloc symbols: so it runs under the
 * sanitizers, with audits, and with MPRESS_CHECK=1 as a program would set it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "allocators/base/os.h"
#include "allocators/heap.h"
#include "tests/stress/engine.h"

static void *alloc(size_t bytes)
{
    void *p = bytes <= SIZE_SLAB_MAX ? heap_alloc_fast(bytes) : heap_alloc_medium(bytes, 1);
    return p != NULL ? p : heap_alloc(bytes);
}

static void free_block(void *p)
{
    if (!heap_free_fast(p))
        heap_free(p);
}

static size_t usable(void *p)
{
    return heap_usable(p);
}

static void *alloc_pages(size_t bytes)
{
    return heap_alloc_aligned(4096, bytes);
}

static void free_sized(void *p, size_t alignment, size_t bytes)
{
    bool fits = alignment > 16 ? heap_fits(p, alignment, bytes) : heap_fits_shrunk(p, bytes);
    if (!fits && space_owns(p)) {
        fprintf(stderr, "%p is not what %zu bytes aligned to %zu get\n", p, bytes, alignment);
        abort();
    }
    free_block(p);
}

/* Each answer must hold by itself, whatever the other threads do meanwhile. */
static void ask(unsigned question)
{
    struct heap_stats stats;
    if (question % 8 == 0)
        heap_compact();
    heap_read_stats(&stats);
    if (stats.largest_free_bytes > stats.total_free_bytes ||
        stats.dirty_bytes > stats.total_free_bytes + stats.warm_bytes ||
        stats.huge_bytes > stats.live_bytes) {
        fprintf(stderr, "the parts of the heap do not add up\n");
        abort();
    }
}

static void audit(bool is_empty)
{
    struct heap_stats stats;
    heap_audit();
    heap_read_stats(&stats);
    if (is_empty && (stats.live_objects != 0 || stats.live_bytes != 0)) {
        fprintf(stderr, "%zu objects of %zu bytes are live, and none should be\n",
                stats.live_objects, stats.live_bytes);
        abort();
    }
}

int main(int argc, char **argv)
{
    const struct stress_heap heap = {
        .name = "the core",
        .alloc = alloc,
        .alloc_zeroed = heap_alloc_zeroed,
        .alloc_aligned = heap_alloc_aligned,
        .resize = heap_realloc,
        .free = free_block,
        .usable = usable,
        .alloc_pages = alloc_pages,
        .free_sized = free_sized,
        .ask = ask,
        .audit = audit,
        .thread_exit = heap_thread_exit,
        .fork_child = heap_fork_child,
    };
    struct stress_options options = {.seed = (uint64_t)time(NULL),
                                     .threads = 8,
                                     .generations = 4,
                                     .operations = 5000,
                                     .forks = 2,
                                     .most_bytes = (size_t)64 << 20};
    if (!stress_read_options(argc, argv, &options))
        return 2;
    struct conf conf;
    conf_init(&conf);
    conf_read(&conf, os_environ());
    if (heap_init(&conf) != 0)
        return 3;
    if (conf.check)
        heap_set_checked();
    stress_run(&heap, &options);
    return 0;
}
