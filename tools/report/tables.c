/* tables.c - fragmentation, sizes, lifetimes, threads, reallocations. */
#include "tools/report/report.h"

#include <stdlib.h>
#include <string.h>

#include "tools/units.h"

enum { BAR_COLUMNS = 20 };

/* -- fragmentation ---------------------------------------------------------------------------- */

/* The two moments side by side: the largest resident set, and the last sample. */
struct looks {
    const struct look *look[2];
};

static void print_part(const struct page *page, const char *name, const struct looks *looks,
                       const uint64_t bytes[2])
{
    fprintf(page->out, "  %-44s", name);
    for (int i = 0; i < 2; i++)
        fprintf(page->out, "%10s %6s", units_bytes(bytes[i]).at,
                looks->look[i]->resident_heap == 0
                    ? ""
                    : units_percent(bytes[i], looks->look[i]->resident_heap).at);
    fputc('\n', page->out);
}

static void print_bytes(const struct page *page, const char *name, uint64_t first, uint64_t second)
{
    fprintf(page->out, "  %-44s%10s %6s%10s\n", name, units_bytes(first).at, "",
            units_bytes(second).at);
}

static void print_ratio(const struct page *page, const char *name, double first, double second)
{
    fprintf(page->out, "  %-44s%8.1f %% %6s%8.1f %%\n", name, 100 * first, "", 100 * second);
}

#define PRINT_PART(name, field)                                                                    \
    print_part(page, name, looks, (const uint64_t[2]){looks->look[0]->field, looks->look[1]->field})

static void print_parts(const struct page *page, const struct looks *looks)
{
    const struct look *peak = looks->look[0], *last = looks->look[1];
    PRINT_PART("asked for by the program", asked);
    PRINT_PART("internal: rounding up to size classes", internal);
    PRINT_PART("external: free objects in used slabs", sample.external);
    PRINT_PART("cached: kept ready for threads", sample.cached);
    PRINT_PART("dirty: free, not yet given back", sample.dirty);
    PRINT_PART("meta: bookkeeping of the heap", sample.meta);
    PRINT_PART("= resident heap", resident_heap);
    print_ratio(page, "fragmentation: 1 - asked / resident heap", peak->fragmentation,
                last->fragmentation);
    print_ratio(page, "coverage: resident heap / anonymous memory", peak->coverage, last->coverage);
}

static void print_process(const struct page *page, const struct looks *looks)
{
    const struct trace_sample *peak = &looks->look[0]->sample, *last = &looks->look[1]->sample;
    print_bytes(page, "resident set of the process", peak->rss, last->rss);
    print_bytes(page, "its anonymous part", peak->rss_anon, last->rss_anon);
    print_bytes(page, "of which the tracer's own", peak->tracer, last->tracer);
    print_bytes(page, "largest free span", peak->largest_free, last->largest_free);
    print_bytes(page, "all free spans", peak->total_free, last->total_free);
    print_ratio(page, "scatter X: 1 - largest / all free spans", looks->look[0]->scatter,
                looks->look[1]->scatter);
}

void report_fragmentation(struct report *report)
{
    const struct page *page = &report->page;
    const struct looks looks = {
        {analysis_find_rss_peak(report->analysis), analysis_find_last_look(report->analysis)}};
    page_heading(page, "FRAGMENTATION", "out of %s of the heap",
                 units_plural(report->analysis->looks, "sample").at);
    if (looks.look[0] == NULL) {
        page_paragraph(page, 2, "", "The trace holds no sample of the heap, so nothing is known.");
        return;
    }
    uint64_t at[2];
    for (int i = 0; i < 2; i++)
        at[i] = analysis_since_start(report->analysis, looks.look[i]->sample.time_ns);
    fprintf(page->out, "  %s%-44s%10s %6s%10s%s\n", page_dim(page), "", "most", "", "last",
            page_plain(page));
    fprintf(page->out, "  %s%-44s%10s %6s%10s%s\n", page_dim(page), "", "resident", "", "sample",
            page_plain(page));
    fprintf(page->out, "  %-44s%10s %6s%10s\n", "taken after", units_duration(at[0]).at, "",
            units_duration(at[1]).at);
    if (looks.look[0]->is_known && looks.look[1]->is_known)
        print_parts(page, &looks);
    else
        print_bytes(page, "asked for by the program (the heap told no more)", looks.look[0]->asked,
                    looks.look[1]->asked);
    print_process(page, &looks);
    uint64_t most;
    double overhead = analysis_get_overhead(report->analysis, &most);
    if (most != 0)
        page_paragraph(page, 2, "",
                       "Largest resident heap over largest number of bytes asked for: %s / %s, "
                       "%+.1f %%.",
                       units_bytes(most).at, units_bytes(report->analysis->peak_bytes).at,
                       100 * overhead);
    if (looks.look[0]->coverage > 1.05)
        page_paragraph(page, 2, "",
                       "Coverage well above 100 %%: some of what was asked for was never touched.");
    if (!analysis_is_estimate(report->analysis)) {
        page_command(page, 2, "mpress report --savings", report->path, "what would hold less");
        if (report->analysis->facts->header.has_stacks != 0)
            page_command(page, 2, "mpress report --propose", report->path,
                         "where transactions would pay");
    }
}

/* -- sizes ------------------------------------------------------------------------------------ */

enum { SMALLEST_CLASS = 4 }; /* classes up to 16 bytes are one row */

static void name_size_class(unsigned class, char *out, size_t bytes)
{
    if (class <= SMALLEST_CLASS)
        snprintf(out, bytes, "up to 16 B");
    else if (class >= 64)
        snprintf(out, bytes, "larger");
    else
        snprintf(out, bytes, "to %u %s", 1U << class % 10,
                 (const char *const[]){"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}[class / 10]);
}

static void print_size_class(const struct report *report, unsigned class,
                             const struct size_class *sum, struct amount peak)
{
    const struct analysis *analysis = report->analysis;
    char name[64], bar[BAR_COLUMNS + 1];
    name_size_class(class, name, sizeof name);
    page_make_bar(bar, BAR_COLUMNS / 2, (double)sum->allocations, (double)analysis->allocations);
    fprintf(report->page.out, "  %-11s%14s %7s %-10s%12s%12s %7s\n", name,
            units_count(sum->allocations).at,
            units_percent(sum->allocations, analysis->allocations).at, bar,
            units_bytes(sum->bytes).at, units_bytes(peak.bytes).at,
            units_percent(peak.bytes, analysis->peak_bytes).at);
}

void report_sizes(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    page_heading(&report->page, "SIZES", "as asked for");
    fprintf(report->page.out, "  %s%-11s%14s %7s %-10s%12s%12s%s\n", page_dim(&report->page), "",
            "allocations", "", "", "bytes", "at peak", page_plain(&report->page));
    struct size_class sum = {0};
    struct amount peak = {0};
    for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
        struct amount one = held_get_at_peak(&analysis->size[class].held, analysis->peak_serial);
        sum.allocations += analysis->size[class].allocations;
        sum.bytes += analysis->size[class].bytes;
        peak.bytes += one.bytes;
        if (class < SMALLEST_CLASS)
            continue;
        if (sum.allocations != 0)
            print_size_class(report, class, &sum, peak);
        sum = (struct size_class){0};
        peak = (struct amount){0};
    }
}

/* -- lifetimes -------------------------------------------------------------------------------- */

void report_lifetimes(struct report *report)
{
    static const char *const names[LIFE_CLASSES] = {
        "10 ns",   "100 ns",   "1 us",    "10 us",    "100 us",    "1 ms",  "10 ms",
        "100 ms",  "1 s",      "10 s",    "100 s",    "17 min",    "2.8 h", "28 h",
        "12 days", "116 days", "3 years", "30 years", "300 years", "ever"};
    const struct analysis *analysis = report->analysis;
    uint64_t most = 0, blocks = 0;
    for (size_t i = 0; i < LIFE_CLASSES; i++) {
        blocks += analysis->life[i].blocks;
        most = analysis->life[i].blocks > most ? analysis->life[i].blocks : most;
    }
    page_heading(&report->page, "LIFETIMES", "of %s freed", units_plural(blocks, "block").at);
    for (size_t i = 0; i < LIFE_CLASSES; i++) {
        const struct life_class *class = &analysis->life[i];
        char bar[2 * BAR_COLUMNS + 1];
        if (class->blocks == 0)
            continue;
        page_make_bar(bar, BAR_COLUMNS + 2, (double)class->blocks, (double)most);
        fprintf(report->page.out, "  %-5s %-9s%14s %7s %-22s%12s\n",
                i == analysis->shortest_life ? "below" : "to", names[i],
                units_count(class->blocks).at, units_percent(class->blocks, blocks).at, bar,
                units_bytes(class->bytes).at);
    }
    if (analysis->shortest_life != 0)
        page_paragraph(&report->page, 2, "",
                       "Shorter lives are not told apart: the clock was read every %s, or more "
                       "often, for nine in ten events.",
                       units_duration(analysis->totals.resolution_ns).at);
}

/* -- threads ---------------------------------------------------------------------------------- */

static int compare_threads(const void *a, const void *b)
{
    const struct thread *const *one = a, *const *other = b;
    uint64_t first = (*one)->allocations + (*one)->frees;
    uint64_t second = (*other)->allocations + (*other)->frees;
    if (first != second)
        return first < second ? 1 : -1;
    return (*one > *other) - (*one < *other);
}

static void print_thread(const struct report *report, const struct thread *thread)
{
    char name[PAGE_CELL_BYTES];
    struct amount peak = held_get_at_peak(&thread->held, report->analysis->peak_serial);
    page_fit(name, thread->name == NULL ? "" : thread->name, 15, false);
    uint64_t end_ns = thread->ended_ns != 0 ? thread->ended_ns : report->analysis->last_ns;
    uint64_t lived_ns = end_ns > thread->began_ns ? end_ns - thread->began_ns : 0;
    fprintf(report->page.out, "  %7u %-15s%9s%1s%13s%12s%10s%9s\n", thread->tid, name,
            units_duration(lived_ns).at, thread->ended_ns != 0 ? "" : "+",
            units_count(thread->allocations).at, units_count(thread->frees).at,
            units_count(thread->frees_of_others).at, units_bytes(peak.bytes).at);
}

void report_threads(struct report *report)
{
    struct analysis *analysis = report->analysis;
    const struct page *page = &report->page;
    page_heading(page, "THREADS", "%s; %s freed by another thread than allocated it",
                 units_count(analysis->threads).at,
                 units_plural(analysis->frees_of_others, "block").at);
    struct thread **sorted = store_alloc(analysis->store, analysis->threads + 1, sizeof sorted[0]);
    for (size_t i = 0; i < analysis->threads; i++)
        sorted[i] = &analysis->thread[i];
    qsort(sorted, analysis->threads, sizeof sorted[0], compare_threads);
    fprintf(page->out, "  %s%7s %-15s%9s %13s%12s%10s%9s%s\n", page_dim(page), "tid", "name",
            "lived", "allocations", "frees", "others'", "at peak", page_plain(page));
    size_t shown = analysis->threads < report->top ? analysis->threads : report->top;
    for (size_t i = 0; i < shown; i++)
        print_thread(report, sorted[i]);
    if (shown < analysis->threads)
        page_paragraph(page, 2, "", "... and %s; --all shows them",
                       units_plural(analysis->threads - shown, "more thread").at);
    store_free(sorted);
}

/* -- reallocations ---------------------------------------------------------------------------- */

void report_reallocs(struct report *report)
{
    const struct realloc_facts *facts = &report->analysis->reallocs;
    if (facts->calls == 0)
        return;
    page_heading(&report->page, "REALLOCATIONS", "%s", units_count(facts->calls).at);
    page_paragraph(&report->page, 2, "",
                   "%s grew a block, %s shrank one; %s (%s) stayed in place, the others copied at "
                   "most %s.",
                   units_count(facts->grown).at, units_count(facts->shrunk).at,
                   units_count(facts->in_place).at, units_percent(facts->in_place, facts->calls).at,
                   units_bytes(facts->copied_bytes).at);
}
