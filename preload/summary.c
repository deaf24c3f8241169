/* summary.c - one screen about the heap: what is held, what is kept, and where it is. */
#include "preload/summary.h"

#include <stdarg.h>
#include <string.h>

#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "allocators/heap.h"
#include "allocators/pattern.h"
#include "preload/door.h"

enum { TOP_CLASSES = 5, TEXT_BYTES = 4096 };

void summary_read(struct mpress_stats *stats)
{
    struct heap_stats heap;
    memset(stats, 0, sizeof(*stats));
    if (!door_read_stats(&heap))
        return;
    stats->live = heap.live_bytes;
    stats->live_objects = heap.live_objects;
    stats->external = heap.external_bytes;
    stats->cached = heap.cached_bytes;
    stats->dirty = heap.dirty_bytes;
    stats->meta = heap.meta_bytes;
    stats->largest_free = heap.largest_free_bytes;
    stats->total_free = heap.total_free_bytes;
    stats->mapped = heap.huge_bytes;
    stats->given = heap.given_bytes;
    os_resident(&stats->rss, &stats->rss_anon);
}

void summary_read_class(unsigned class, struct heap_class_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    if (!door_come_in())
        return;
    heap_read_class_stats(class, stats);
    door_go_out();
}

void summary_read_counts(unsigned class, struct cache_counts *counts)
{
    memset(counts, 0, sizeof(*counts));
    if (!door_come_in())
        return;
    cache_forget_lost();
    cache_read_counts(class, counts);
    door_go_out();
}

/* As the system knows it; "" where there is no /proc, or the thread has ended. */
static void read_name(int id, char name[16])
{
    char buffer[64];
    struct text path = TEXT_IN(buffer);
    size_t bytes = 0;
    text_add(&path, "/proc/self/task/%d/comm", id);
    (void)os_file_read(buffer, name, 16, &bytes);
    name[bytes] = '\0';
    if (bytes > 0 && name[bytes - 1] == '\n')
        name[bytes - 1] = '\0';
}

bool summary_read_thread(size_t number, struct mpress_thread *thread)
{
    struct cache_thread cache;
    memset(thread, 0, sizeof(*thread));
    if (!door_come_in())
        return false;
    bool found = cache_read_thread(number, &cache);
    door_go_out();
    if (!found)
        return false;
    if (cache.id != 0)
        read_name(cache.id, thread->name);
    thread->id = (uint64_t)cache.id;
    thread->threads = cache.threads;
    thread->slow_calls = cache.calls;
    thread->taken = cache.counts.taken;
    thread->given = cache.counts.given;
    thread->refills = cache.counts.refills;
    thread->flushes = cache.counts.flushes;
    thread->cached_objects = cache.cached_objects;
    thread->cached = cache.cached_bytes;
    return true;
}

void summary_read_spans(struct mpress_spans *spans)
{
    struct heap_stats heap;
    struct heap_pages pages;
    memset(spans, 0, sizeof(*spans));
    if (!door_read_stats(&heap) || !door_come_in())
        return;
    heap_read_pages(&pages);
    door_go_out();
    spans->total_free = heap.total_free_bytes;
    spans->largest_free = heap.largest_free_bytes;
    spans->freed = heap.freed_runs;
    spans->joined = heap.joined_runs;
    spans->parked_hits = heap.parked_hits;
    spans->parked_misses = heap.parked_misses;
    spans->resident = pages.resident_bytes;
    spans->huge = pages.huge_bytes;
}

/* Rounded to the nearest; 0 of nothing. */
static unsigned percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (unsigned)((part * 100 + whole / 2) / whole);
}

/* "12.3 MiB": three digits or so, in a column of 12. */
static void add_bytes(struct text *text, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;
    uint64_t tenths = bytes * 10;
    for (; tenths >= 10240 && unit < 4; unit++)
        tenths /= 1024;
    char buffer[32];
    struct text number = TEXT_IN(buffer);
    text_add(&number, unit == 0 ? "%lu" : "%lu.%lu", tenths / 10, tenths % 10);
    text_add(&number, " %s", units[unit]);
    for (size_t pad = number.used; pad < 12; pad++)
        text_add(text, " ");
    text_add(text, "%s", buffer);
}

static void add_row(struct text *text, const char *name, uint64_t bytes, const char *meaning)
{
    text_add(text, "mpress:   %s", name);
    for (size_t pad = strlen(name); pad < 14; pad++)
        text_add(text, " ");
    add_bytes(text, bytes);
    text_add(text, "   %s\n", meaning);
}

static void add_parts(struct text *text, const struct mpress_stats *stats)
{
    uint64_t resident = stats->live + stats->external + stats->cached + stats->dirty + stats->meta;
    text_add(text, "mpress: the heap of process %d\n", os_process_id());
    add_row(text, "not freed", stats->live, "held by the program");
    add_row(text, "external", stats->external, "free objects in partly used slabs");
    add_row(text, "cached", stats->cached, "free objects in magazines and depots");
    add_row(text, "dirty", stats->dirty, "free spans not given back yet");
    add_row(text, "meta", stats->meta, "bookkeeping");
    add_row(text, "heap", resident, "the sum of these");
    add_row(text, "given back", stats->given, "to the system while the program ran");
    if (stats->rss != 0)
        add_row(text, "RSS", stats->rss, "of the whole process");
    uint64_t kept = resident - stats->live;
    text_add(text, "mpress:   %lu blocks not freed; %lu %% of the heap is kept, not held\n",
             stats->live_objects, resident == 0 ? 0 : kept * 100 / resident);
}

static void add_spans(struct text *text)
{
    struct mpress_spans spans;
    summary_read_spans(&spans);
    uint64_t asked = spans.parked_hits + spans.parked_misses;
    add_row(text, "free spans", spans.total_free, "dirty or not");
    add_row(text, "the largest", spans.largest_free, "of them");
    add_row(text, "huge pages", spans.huge, "of the resident heap");
    text_add(text, "mpress:   scatter %u %%; %u %% of %lu freed spans joined free neighbours\n",
             percent(spans.total_free - spans.largest_free, spans.total_free),
             percent(spans.joined, spans.freed), spans.freed);
    text_add(text, "mpress:   %u %% of %lu long blocks took a parked span of their length\n",
             percent(spans.parked_hits, asked), asked);
}

/* A cell of a table, to the right of its column. */
static void add_cell(struct text *text, size_t width, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add_cell(struct text *text, size_t width, const char *format, ...)
{
    char buffer[32];
    struct text cell = TEXT_IN(buffer);
    va_list list;
    va_start(list, format);
    text_add_list(&cell, format, list);
    va_end(list);
    for (size_t pad = cell.used; pad < width; pad++)
        text_add(text, " ");
    text_add(text, "%s", buffer);
}

/* How much of the class's objects was not asked for, the size asked for most, and the share of the
 * requests that the hot path served at least: as the refills of magazines tell. */
static void add_pattern(struct text *text, unsigned class, size_t bytes)
{
    struct pattern pattern;
    pattern_read(class, &pattern);
    if (pattern.refills == 0)
        return;
    uint64_t given = pattern.refills * bytes;
    add_cell(text, 8, "%lu %%", (given - pattern.asked) * 100 / given);
    add_cell(text, 12, "%u", pattern.size[0].bytes);
    add_cell(text, 8, "%lu %%", (pattern.rounds - pattern.refills) * 100 / pattern.rounds);
}

static void add_class(struct text *text, unsigned class, const struct heap_class_stats *stats)
{
    text_add(text, "mpress:   ");
    add_cell(text, 6, "%zu", stats->bytes);
    text_add(text, "  ");
    add_bytes(text, stats->bytes * stats->live_objects);
    add_pattern(text, class, stats->bytes);
    text_add(text, "\n");
}

/* The classes that hold most, each once, in falling order. */
static void add_top_classes(struct text *text)
{
    uint64_t below = UINT64_MAX;
    text_add(text, "mpress:    class     not freed    lost  most asked    fast\n");
    for (int rank = 0; rank < TOP_CLASSES; rank++) {
        struct heap_class_stats top = {0};
        unsigned number = 0;
        for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
            struct heap_class_stats stats;
            summary_read_class(class, &stats);
            uint64_t held = stats.bytes * stats.live_objects;
            if (held < below && held > top.bytes * top.live_objects) {
                top = stats;
                number = class;
            }
        }
        if (top.live_objects == 0)
            break;
        add_class(text, number, &top);
        below = top.bytes * top.live_objects;
    }
    text_add(text, "mpress:   lost: to rounding; fast: requests that needed no lock, at least\n");
}

/* Of all classes together; the numbers as well, to be added up over processes (tests/bench/run). */
static void add_fast_share(struct text *text)
{
    uint64_t refills = 0, rounds = 0;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_END; class ++) {
        struct pattern pattern;
        pattern_read(class, &pattern);
        refills += pattern.refills;
        rounds += pattern.rounds;
    }
    if (rounds == 0)
        return;
    uint64_t tenths = (rounds - refills) * 1000 / rounds;
    text_add(text,
             "mpress:   %lu refills for %lu requests or more: fast were %lu.%lu %% at least\n",
             refills, rounds, tenths / 10, tenths % 10);
}

static struct {
    int fd; /* 0: none was kept */
    struct os_identity identity;
} kept_stderr;

void summary_keep_stderr(void)
{
    int fd = os_file_duplicate(OS_STDERR);
    if (fd > OS_STDERR && os_file_identity(fd, &kept_stderr.identity) == 0)
        kept_stderr.fd = fd;
}

/* The kept descriptor, unless the program closed it and its number means another file now. */
static int stderr_to_use(void)
{
    bool is_ours = kept_stderr.fd != 0 && os_file_is(kept_stderr.fd, &kept_stderr.identity);
    return is_ours ? kept_stderr.fd : OS_STDERR;
}

void summary_say(void)
{
    char buffer[TEXT_BYTES];
    struct text text = TEXT_IN(buffer);
    struct mpress_stats stats;
    summary_read(&stats);
    add_parts(&text, &stats);
    add_spans(&text);
    add_top_classes(&text);
    add_fast_share(&text);
    os_write(stderr_to_use(), text.at, text.used);
}
