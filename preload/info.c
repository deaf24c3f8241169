/* info.c - what glibc programs ask about their heap, answered about ours. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#include "allocators/base/say.h"
#include "allocators/heap.h"
#include "allocators/mimalloc_heap.h"
#include "preload/door.h"
#include "preload/entry.h"
#include "preload/summary.h"

/* Parameters of mallopt that glibc 2.36 knows: -1..-8 and M_MXFAST, M_PERTURB... All are about
 * glibc's own arenas: accepted, without effect. */
enum { MALLOPT_LAST = -8, MALLOPT_MXFAST = 1 };

EXPORTED int mallopt(int parameter, int value)
{
    (void)value;
    return (parameter <= -1 && parameter >= MALLOPT_LAST) || parameter == MALLOPT_MXFAST;
}

EXPORTED int malloc_trim(size_t pad)
{
    (void)pad;
    if (!door_come_in())
        return 0;
    if (mimalloc_is_loaded())
        mimalloc_trim();
    bool gave = heap_trim() > 0;
    door_go_out();
    return gave;
}

EXPORTED struct mallinfo2 mallinfo2(void)
{
    struct mpress_stats stats;
    summary_read(&stats);
    uint64_t kept = stats.external + stats.cached + stats.dirty;
    return (struct mallinfo2){
        .arena = stats.live - stats.mapped + kept,
        .hblkhd = stats.mapped,
        .uordblks = stats.live - stats.mapped,
        .fordblks = kept,
        .keepcost = stats.dirty,
    };
}

static int cut(size_t n)
{
    return n > INT_MAX ? INT_MAX : (int)n;
}

EXPORTED struct mallinfo mallinfo(void)
{
    struct mallinfo2 info = mallinfo2();
    return (struct mallinfo){
        .arena = cut(info.arena),
        .hblkhd = cut(info.hblkhd),
        .uordblks = cut(info.uordblks),
        .fordblks = cut(info.fordblks),
        .keepcost = cut(info.keepcost),
    };
}

EXPORTED void malloc_stats(void)
{
    summary_say();
}

static void print_classes(FILE *file)
{
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        struct heap_class_stats stats;
        summary_read_class(class, &stats);
        if (stats.slabs != 0)
            fprintf(file, "<size bytes=\"%zu\" live=\"%zu\" cached=\"%zu\" slabs=\"%zu\"/>\n",
                    stats.bytes, stats.live_objects, stats.cached_objects, stats.slabs);
    }
}

EXPORTED int malloc_info(int options, FILE *file)
{
    if (options != 0)
        return EINVAL;
    struct mpress_stats stats;
    summary_read(&stats);
    fprintf(file, "<malloc version=\"mpress-%s\">\n<sizes>\n", MPRESS_VERSION);
    print_classes(file);
    fprintf(file, "</sizes>\n");
    fprintf(file, "<total type=\"live\" count=\"%lu\" size=\"%lu\"/>\n", stats.live_objects,
            stats.live);
    fprintf(file, "<total type=\"external\" size=\"%lu\"/>\n", stats.external);
    fprintf(file, "<total type=\"cached\" size=\"%lu\"/>\n", stats.cached);
    fprintf(file, "<total type=\"dirty\" size=\"%lu\"/>\n", stats.dirty);
    fprintf(file, "<total type=\"meta\" size=\"%lu\"/>\n", stats.meta);
    fprintf(file, "<total type=\"mmap\" size=\"%lu\"/>\n", stats.mapped);
    fprintf(file, "<system type=\"current\" size=\"%lu\"/>\n</malloc>\n", stats.rss);
    return 0;
}
