/* memory.c - the verdict's account: all resident memory of the process by who keeps it, at its
 * largest and at the last table, and what can be done about the parts that are no blocks. */
#include <string.h>

#include "tools/report/report.h"

enum kept {
    KEPT_ASKED,
    KEPT_INTERNAL,
    KEPT_EXTERNAL,
    KEPT_CACHED,
    KEPT_DIRTY,
    KEPT_META,
    KEPT_HEAP, /* the heap as a whole, where it does not tell its parts */
    KEPT_TRACER,
    KEPT_MAPPED,
    KEPT_FILES,
    KEPT_STACKS,
    KEPT_LIBRARIES,
    KEPT_REST,
    KEPT_PARTS,
};

static const struct {
    const char *key; /* in JSON, of the parts of the heap */
    const char *name;
    const char *cure; /* NULL: none is needed, or it is in the stacks' lists */
} parts[KEPT_PARTS] = {
    [KEPT_ASKED] = {"asked", "blocks of the program, as asked for", NULL},
    [KEPT_INTERNAL] = {"internal", "rounding up to size classes (internal)",
                       "`mpress tune` makes classes for its sizes"},
    [KEPT_EXTERNAL] = {"external", "holes in used slabs (external)",
                       "blocks that live long lie among those that were freed: `mpress replay "
                       "--with mpress,mixed,mimalloc` tells who does better, MPRESS_MELT=always "
                       "reuses holes sooner"},
    [KEPT_CACHED] = {"cached", "kept ready for threads (cached)",
                     "threads that end or sleep give it back; mpress_compact() or malloc_trim(0) "
                     "does at once"},
    [KEPT_DIRTY] = {"dirty", "free spans still warm (dirty)",
                    "goes back by itself after MPRESS_DECAY_MS; mpress_compact() or "
                    "malloc_trim(0) gives it back at once"},
    [KEPT_META] = {"meta", "bookkeeping of the heap (meta)", NULL},
    [KEPT_HEAP] = {"untold", "of the heap, but in none of its parts", NULL},
    [KEPT_TRACER] = {NULL, "this tracer", "gone without a trace; --mode sample takes less"},
    [KEPT_MAPPED] = {NULL, "mapped by the program itself (mmap, brk)",
                     "no business of the heap: RESIDENT MEMORY lists who mapped it"},
    [KEPT_FILES] = {NULL, "files and shared memory", NULL},
    [KEPT_STACKS] = {NULL, "stacks of threads", NULL},
    [KEPT_LIBRARIES] = {NULL, "executable and libraries", NULL},
    [KEPT_REST] = {NULL, "libc, loader, or older than the trace", NULL},
};

struct account {
    uint64_t rss;
    uint64_t part[KEPT_PARTS];
};

/* What the heap says it holds may be more than is resident of it: memory that was never touched.
 * That is of magazines, as they are filled with new objects, or, if it is more than they have, of
 * the blocks. */
static void divide_heap(struct account *account, uint64_t heap, const struct look *look)
{
    uint64_t *part = account->part;
    if (look == NULL || !look->is_known) {
        if (look != NULL)
            part[KEPT_ASKED] = look->asked < heap ? look->asked : heap;
        part[KEPT_HEAP] = heap - part[KEPT_ASKED];
        return;
    }
    part[KEPT_ASKED] = look->asked;
    part[KEPT_INTERNAL] = look->internal;
    part[KEPT_EXTERNAL] = look->sample.external;
    part[KEPT_CACHED] = look->sample.cached;
    part[KEPT_DIRTY] = look->sample.dirty;
    part[KEPT_META] = look->sample.meta;
    if (look->resident_heap <= heap) {
        part[KEPT_HEAP] = heap - look->resident_heap;
        return;
    }
    uint64_t excess = look->resident_heap - heap;
    enum kept first = excess <= part[KEPT_CACHED] ? KEPT_CACHED : KEPT_ASKED;
    for (int i = 0; excess != 0 && i < KEPT_HEAP; i++) {
        enum kept at = (enum kept)((first + (enum kept)i) % KEPT_HEAP);
        uint64_t less = excess < part[at] ? excess : part[at];
        part[at] -= less;
        excess -= less;
    }
}

static void read_account(const struct resident_moment *moment, struct account *account)
{
    const uint64_t *part = moment->part;
    *account = (struct account){.rss = moment->rss};
    divide_heap(account, part[RESIDENT_HEAP], moment->look);
    account->part[KEPT_TRACER] = part[RESIDENT_TRACER];
    account->part[KEPT_MAPPED] = part[RESIDENT_MAPPED];
    account->part[KEPT_FILES] = part[RESIDENT_FILES] + part[RESIDENT_SHARED];
    account->part[KEPT_STACKS] = part[RESIDENT_STACKS];
    account->part[KEPT_LIBRARIES] = part[RESIDENT_LIBRARIES];
    account->part[KEPT_REST] = part[RESIDENT_REST];
}

static void print_row(const struct page *page, const char *name, const struct account *largest,
                      const struct account *last, uint64_t first, uint64_t second)
{
    fprintf(page->out, "    %-40s%10s %7s%10s %7s\n", name, units_bytes(first).at,
            units_percent(first, largest->rss).at, units_bytes(second).at,
            units_percent(second, last->rss).at);
}

static void say_cures(const struct page *page, const struct account *last)
{
    enum { WORTH_PERCENT = 5, WORTH_BYTES = 1024 * 1024 };
    for (int i = 0; i < KEPT_PARTS; i++) {
        uint64_t bytes = last->part[i];
        if (parts[i].cure == NULL || bytes < WORTH_BYTES || bytes * 100 < last->rss * WORTH_PERCENT)
            continue;
        page_paragraph(page, 4, "- ", "%s %s: %s.", units_bytes(bytes).at, parts[i].name,
                       parts[i].cure);
    }
}

void report_memory(struct report *report)
{
    const struct page *page = &report->page;
    const struct resident_moment *moment = report->resident->moment;
    struct account account[2];
    if (!moment[RESIDENT_LARGEST].is_known)
        return;
    for (int when = 0; when < 2; when++)
        read_account(&moment[when], &account[when]);
    page_paragraph(page, 2, "* ", "Resident memory, at its largest (%s) and last (%s):",
                   units_duration(analysis_since_start(report->analysis, moment[0].time_ns)).at,
                   units_duration(analysis_since_start(report->analysis, moment[1].time_ns)).at);
    for (int i = 0; i < KEPT_PARTS; i++) {
        if (account[0].part[i] != 0 || account[1].part[i] != 0)
            print_row(page, parts[i].name, &account[0], &account[1], account[0].part[i],
                      account[1].part[i]);
    }
    print_row(page, "= RSS", &account[0], &account[1], account[0].rss, account[1].rss);
    say_cures(page, &account[1]);
}

json_t *report_json_heap(const struct resident_moment *moment)
{
    struct account account;
    json_t *object = json_object();
    read_account(moment, &account);
    for (int i = 0; i <= KEPT_HEAP; i++)
        values_set_number(object, parts[i].key, account.part[i]);
    return object;
}
