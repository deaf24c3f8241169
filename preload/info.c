/* info.c - what glibc programs ask about their heap, answered about ours. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "allocators/base/say.h"
#include "allocators/heap.h"
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
    return door_compact() > 0;
}

/* glibc's words for ours: arena = uordblks + fordblks; blocks in own mappings are in hblkhd alone;
 * what lies in magazines and depots is what glibc keeps in its fast bins, a part of fordblks. */
static struct mallinfo2 info_of(const struct heap_stats *stats)
{
    size_t live = stats->live_bytes - stats->huge_bytes;
    size_t kept = stats->external_bytes + stats->cached_bytes + stats->dirty_bytes;
    return (struct mallinfo2){
        .arena = live + kept,
        .hblks = stats->huge_blocks,
        .hblkhd = stats->huge_bytes,
        .fsmblks = stats->cached_bytes,
        .uordblks = live,
        .fordblks = kept,
        .keepcost = stats->dirty_bytes,
    };
}

EXPORTED struct mallinfo2 mallinfo2(void)
{
    struct heap_stats stats;
    door_read_stats(&stats);
    return info_of(&stats);
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
        .hblks = cut(info.hblks),
        .hblkhd = cut(info.hblkhd),
        .fsmblks = cut(info.fsmblks),
        .uordblks = cut(info.uordblks),
        .fordblks = cut(info.fordblks),
        .keepcost = cut(info.keepcost),
    };
}

EXPORTED void malloc_stats(void)
{
    summary_say();
}

/* A line for every class with free objects or live ones: glibc's attributes are about what is free.
 */
static void print_classes(FILE *file)
{
    size_t below = 0;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        struct heap_class_stats stats;
        summary_read_class(class, &stats);
        struct cache_counts counts;
        summary_read_counts(class, &counts);
        size_t external = stats.bytes == 0 ? 0 : stats.external_bytes / stats.bytes;
        size_t count = stats.cached_objects + external;
        if (count != 0 || stats.live_objects != 0)
            fprintf(file,
                    "<size from=\"%zu\" to=\"%zu\" total=\"%zu\" count=\"%zu\" live=\"%zu\" "
                    "cached=\"%zu\" slabs=\"%zu\" taken=\"%lu\" given=\"%lu\" refills=\"%lu\" "
                    "flushes=\"%lu\"/>\n",
                    below + 1, stats.bytes, count * stats.bytes, count, stats.live_objects,
                    stats.cached_objects, stats.slabs, counts.taken, counts.given, counts.refills,
                    counts.flushes);
        below = stats.bytes;
    }
}

/* The totals of glibc's format, each of its names with our number of that meaning; then ours. */
static void print_totals(FILE *file, const struct heap_stats *stats)
{
    struct mallinfo2 info = info_of(stats);
    fprintf(file, "<total type=\"fast\" size=\"%zu\"/>\n", info.fsmblks);
    fprintf(file, "<total type=\"rest\" size=\"%zu\"/>\n", info.fordblks - info.fsmblks);
    fprintf(file, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n", info.hblks, info.hblkhd);
    fprintf(file, "<total type=\"live\" count=\"%zu\" size=\"%zu\"/>\n", stats->live_objects,
            stats->live_bytes);
    if (stats->other_blocks != 0)
        fprintf(file, "<total type=\"mimalloc\" count=\"%zu\" size=\"%zu\"/>\n",
                stats->other_blocks, stats->other_bytes);
    fprintf(file, "<total type=\"external\" size=\"%zu\"/>\n", stats->external_bytes);
    fprintf(file, "<total type=\"cached\" size=\"%zu\"/>\n", stats->cached_bytes);
    fprintf(file, "<total type=\"dirty\" size=\"%zu\"/>\n", stats->dirty_bytes);
    fprintf(file, "<total type=\"meta\" size=\"%zu\"/>\n", stats->meta_bytes);
    fprintf(file, "<system type=\"current\" size=\"%zu\"/>\n",
            info.arena + info.hblkhd + stats->meta_bytes);
}

/* What glibc has no words for. */
static void print_spans(FILE *file)
{
    struct mpress_spans spans;
    summary_read_spans(&spans);
    fprintf(file,
            "<spans total=\"%lu\" largest=\"%lu\" freed=\"%lu\" joined=\"%lu\" "
            "parked_hits=\"%lu\" parked_misses=\"%lu\"/>\n",
            spans.total_free, spans.largest_free, spans.freed, spans.joined, spans.parked_hits,
            spans.parked_misses);
    fprintf(file, "<pages resident=\"%lu\" huge=\"%lu\"/>\n", spans.resident, spans.huge);
}

/* The first is the sum of those that ended. */
static void print_threads(FILE *file)
{
    struct mpress_thread thread;
    fputs("<threads>\n", file);
    for (size_t i = 0; summary_read_thread(i, &thread); i++)
        fprintf(file,
                "<thread id=\"%lu\" threads=\"%lu\" slow_calls=\"%lu\" taken=\"%lu\" given=\"%lu\" "
                "refills=\"%lu\" flushes=\"%lu\" cached=\"%lu\"/>\n",
                thread.id, thread.threads, thread.slow_calls, thread.taken, thread.given,
                thread.refills, thread.flushes, thread.cached);
    fputs("</threads>\n", file);
}

/* One heap, whatever the number of threads. */
EXPORTED int malloc_info(int options, FILE *file)
{
    struct heap_stats stats;
    if (options != 0)
        return EINVAL;
    door_read_stats(&stats);
    fprintf(file, "<malloc version=\"mpress-%s\">\n<heap nr=\"0\">\n<sizes>\n", MPRESS_VERSION);
    print_classes(file);
    fputs("</sizes>\n</heap>\n", file);
    print_totals(file, &stats);
    print_spans(file);
    print_threads(file);
    fputs("</malloc>\n", file);
    return 0;
}
