/* resident.c - where all resident memory of the process is, and who mapped it. */
#include "tools/analysis/resident.h"

#include <string.h>

#include "tools/report/report.h"
#include "tools/units.h"

static const struct {
    const char *key; /* in JSON */
    const char *name;
} parts[RESIDENT_PARTS] = {
    [RESIDENT_HEAP] = {"heap", "heap"},
    [RESIDENT_TRACER] = {"tracer", "tracer"},
    [RESIDENT_MAPPED] = {"mapped", "memory that the program mapped"},
    [RESIDENT_FILES] = {"files", "files that it mapped"},
    [RESIDENT_SHARED] = {"shared", "shared memory"},
    [RESIDENT_STACKS] = {"stacks", "stacks of threads"},
    [RESIDENT_LIBRARIES] = {"libraries", "executable and libraries"},
    [RESIDENT_REST] = {"rest", "rest: of libc, or older than the trace"},
};

/* -- text ------------------------------------------------------------------------------------- */

static void print_row(const struct page *page, const char *name, const struct resident *resident,
                      const uint64_t bytes[2])
{
    fprintf(page->out, "  %-42s", name);
    for (int when = 0; when < 2; when++)
        fprintf(page->out, "%10s %7s", units_bytes(bytes[when]).at,
                units_percent(bytes[when], resident->moment[when].rss).at);
    fputc('\n', page->out);
}

static void print_parts(const struct page *page, const struct resident *resident)
{
    const struct resident_moment *largest = &resident->moment[RESIDENT_LARGEST];
    const struct resident_moment *last = &resident->moment[RESIDENT_LAST];
    for (int i = 0; i < RESIDENT_PARTS; i++) {
        if (largest->part[i] != 0 || last->part[i] != 0)
            print_row(page, parts[i].name, resident,
                      (const uint64_t[2]){largest->part[i], last->part[i]});
    }
    print_row(page, "= resident set (RSS)", resident, (const uint64_t[2]){largest->rss, last->rss});
    if (largest->swapped != 0 || last->swapped != 0)
        print_row(page, "swapped out", resident,
                  (const uint64_t[2]){largest->swapped, last->swapped});
}

/* What was unmapped before the tables were taken says nothing about them. */
static bool is_gone(const struct resident *resident, const struct resident_site *site)
{
    return resident->tables != 0 && site->mapped[RESIDENT_LARGEST] == 0 &&
           site->mapped[RESIDENT_LAST] == 0;
}

static void print_sites(struct report *report)
{
    const struct resident *resident = report->resident;
    const struct page *page = &report->page;
    size_t i = 0;
    for (; i < resident->sites && i < report->top; i++) {
        const struct resident_site *site = &resident->site[i];
        if (is_gone(resident, site))
            continue;
        fprintf(page->out, "%s%3zu. %s%s resident of %s, last %s of %s; %s\n", page_bold(page),
                i + 1, units_bytes(site->present[RESIDENT_LARGEST]).at, page_plain(page),
                units_bytes(site->mapped[RESIDENT_LARGEST]).at,
                units_bytes(site->present[RESIDENT_LAST]).at,
                units_bytes(site->mapped[RESIDENT_LAST]).at, units_plural(site->calls, "call").at);
        report_stack(report, site->node);
    }
    if (i < resident->sites)
        page_paragraph(page, 2, "", "... and %s; --all shows them",
                       units_plural(resident->sites - i, "more stack").at);
}

void report_resident(struct report *report)
{
    const struct page *page = &report->page;
    const struct resident *resident = report->resident;
    const struct resident_moment *moment = resident->moment;
    if (resident->tables == 0 && resident->calls == 0)
        return;
    page_heading(page, "RESIDENT MEMORY", "all of the process; mapped by %s of its own",
                 units_plural(resident->calls, "call").at);
    if (resident->tables != 0) {
        fprintf(page->out, "  %s%-42s%10s %7s%10s%s\n", page_dim(page), "", "largest", "", "last",
                page_plain(page));
        fprintf(page->out, "  %-42s%10s %7s%10s\n", "taken after",
                units_duration(analysis_since_start(report->analysis, moment[0].time_ns)).at, "",
                units_duration(analysis_since_start(report->analysis, moment[1].time_ns)).at);
        print_parts(page, resident);
    }
    print_sites(report);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_moment(const struct report *report, const struct resident_moment *moment)
{
    if (!moment->is_known)
        return json_null();
    json_t *object = json_object();
    values_set_number(object, "after_ns", analysis_since_start(report->analysis, moment->time_ns));
    values_set_number(object, "rss", moment->rss);
    values_set_number(object, "swapped", moment->swapped);
    for (int i = 0; i < RESIDENT_PARTS; i++)
        values_set_number(object, parts[i].key, moment->part[i]);
    json_object_set_new(object, "heap_parts", report_json_heap(moment));
    return object;
}

static json_t *make_site(struct report *report, const struct resident_site *site)
{
    json_t *object = json_object();
    values_set_number(object, "calls", site->calls);
    values_set_number(object, "bytes", site->bytes);
    values_set_number(object, "resident_at_largest", site->present[RESIDENT_LARGEST]);
    values_set_number(object, "mapped_at_largest", site->mapped[RESIDENT_LARGEST]);
    values_set_number(object, "resident_at_end", site->present[RESIDENT_LAST]);
    values_set_number(object, "mapped_at_end", site->mapped[RESIDENT_LAST]);
    json_object_set_new(object, "frames", report_json_frames(report, site->node));
    return object;
}

json_t *report_json_resident(struct report *report)
{
    const struct resident *resident = report->resident;
    json_t *object = json_object(), *sites = json_array();
    values_set_number(object, "tables", resident->tables);
    values_set_number(object, "calls", resident->calls);
    values_set_number(object, "unmapped", resident->unmapped);
    json_object_set_new(object, "at_largest",
                        make_moment(report, &resident->moment[RESIDENT_LARGEST]));
    json_object_set_new(object, "at_end", make_moment(report, &resident->moment[RESIDENT_LAST]));
    for (size_t i = 0; i < resident->sites && i < report->top; i++)
        json_array_append_new(sites, make_site(report, &resident->site[i]));
    json_object_set_new(object, "stacks", sites);
    return object;
}
