/* rate.c - how fast the program allocates, over time, and what was at it when it was fastest. */
#include "tools/analysis/rate.h"

#include <stdlib.h>
#include <string.h>

#include "tools/report/report.h"
#include "tools/units.h"

enum { ROWS = 4, BURSTS = 3, STACKS_SHOWN = 3, NAME_COLUMNS = 64 };

static const char *const names[RATE_MEASURES] = {
    [RATE_ALLOCATIONS] = "allocations",
    [RATE_BYTES] = "bytes",
};

/* -- what the times rest on ------------------------------------------------------------------- */

static void print_resolution(const struct report *report)
{
    const struct rate *rate = &report->analysis->rate;
    uint64_t apart = report->analysis->totals.resolution_ns;
    if (apart == 0)
        return;
    page_paragraph(
        &report->page, 2, "",
        "Counted in windows of %s. Between readings of the clock, for nine of ten events "
        "at most %s apart, times are spread evenly%s.",
        units_duration(rate->window_ns).at, units_duration(apart).at,
        apart > rate->window_ns ? ": the true bursts are shorter and faster" : "");
}

/* -- text ------------------------------------------------------------------------------------- */

static struct units describe_count_rate(double per_second)
{
    return units_rate(per_second);
}

static struct units describe_byte_rate(double per_second)
{
    struct units text;
    snprintf(text.at, sizeof text.at, "%.40s/s", units_bytes((uint64_t)per_second).at);
    return text;
}

static chart_describe *const describes[RATE_MEASURES] = {
    [RATE_ALLOCATIONS] = describe_count_rate,
    [RATE_BYTES] = describe_byte_rate,
};

static void print_courses(const struct report *report)
{
    const struct rate *rate = &report->analysis->rate;
    for (unsigned i = 0; i < RATE_MEASURES; i++) {
        double value[CHART_COLUMNS];
        for (size_t column = 0; column < CHART_COLUMNS; column++)
            value[column] = rate_get(rate, (enum rate_measure)i, column, CHART_COLUMNS);
        fprintf(report->page.out, "  %s%s a second%s\n", page_dim(&report->page), names[i],
                page_plain(&report->page));
        report_chart(report, value, ROWS, describes[i]);
    }
}

static double speed_of(const struct rate_burst *burst, enum rate_measure measure)
{
    return (double)burst->count[measure] * 1e9 / (double)burst->length_ns;
}

/* Stacks that a reader could not tell apart. */
struct named {
    char name[PAGE_CELL_BYTES];
    uint64_t count;
};

static size_t name_stacks(struct report *report, enum rate_measure measure,
                          const struct rate_burst *burst, struct named named[RATE_STACKS])
{
    size_t count = 0;
    for (size_t i = 0; i < burst->stacks; i++) {
        const struct site *site = &report->analysis->site[burst->stack[i].site];
        char name[PAGE_CELL_BYTES];
        size_t at = 0;
        report_name_group(report, &(struct group){.node = site->node}, name);
        page_fit(named[count].name, name, NAME_COLUMNS, false);
        named[count].count = 0;
        while (strcmp(named[at].name, named[count].name) != 0)
            at++;
        named[at].count += burst->stack[i].count[measure];
        count += at == count;
    }
    return count;
}

static int compare_named(const void *a, const void *b)
{
    const struct named *one = a, *other = b;
    return (one->count < other->count) - (one->count > other->count);
}

static void print_burst(struct report *report, enum rate_measure measure,
                        const struct rate_burst *burst)
{
    struct named named[RATE_STACKS];
    const struct page *page = &report->page;
    enum rate_measure other = measure == RATE_BYTES ? RATE_ALLOCATIONS : RATE_BYTES;
    size_t count = name_stacks(report, measure, burst, named);
    qsort(named, count, sizeof named[0], compare_named);
    fprintf(page->out, "  %safter %s%s  %s, %s\n", page_bold(page),
            units_duration(analysis_since_start(report->analysis, burst->time_ns)).at,
            page_plain(page), describes[measure](speed_of(burst, measure)).at,
            describes[other](speed_of(burst, other)).at);
    for (size_t i = 0; i < count && i < STACKS_SHOWN; i++)
        fprintf(page->out, "    %8s  %s\n", units_percent(named[i].count, burst->count[measure]).at,
                named[i].name);
}

void report_rate(struct report *report)
{
    const struct rate *rate = &report->analysis->rate;
    const struct page *page = &report->page;
    page_heading(page, "ALLOCATION RATE", "%s and %s on average",
                 describe_count_rate(rate_get_mean(rate, RATE_ALLOCATIONS)).at,
                 describe_byte_rate(rate_get_mean(rate, RATE_BYTES)).at);
    print_courses(report);
    print_resolution(report);
    for (unsigned i = 0; i < RATE_MEASURES; i++) {
        const struct rate_burst *bursts[BURSTS];
        size_t count = rate_find_bursts(rate, (enum rate_measure)i, bursts, BURSTS);
        if (count != 0)
            fprintf(page->out, "  %smost %s a second, and by whom%s\n", page_dim(page), names[i],
                    page_plain(page));
        for (size_t k = 0; k < count; k++)
            print_burst(report, (enum rate_measure)i, bursts[k]);
    }
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_windows(const struct rate *rate)
{
    json_t *array = json_array();
    for (size_t i = 0; i < rate->windows; i++) {
        json_t *object = json_object();
        values_set_number(object, "allocations", rate->window[i].count[RATE_ALLOCATIONS]);
        values_set_number(object, "bytes", rate->window[i].count[RATE_BYTES]);
        values_set_number(object, "frees", rate->window[i].frees);
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *make_burst(struct report *report, const struct rate_burst *burst)
{
    const struct analysis *analysis = report->analysis;
    json_t *object = json_object(), *stacks = json_array();
    values_set_number(object, "after_ns", analysis_since_start(analysis, burst->time_ns));
    values_set_number(object, "length_ns", burst->length_ns);
    values_set_number(object, "allocations", burst->count[RATE_ALLOCATIONS]);
    values_set_number(object, "bytes", burst->count[RATE_BYTES]);
    for (size_t i = 0; i < burst->stacks; i++) {
        const struct rate_stack *one = &burst->stack[i];
        json_t *stack = json_object();
        values_set_number(stack, "allocations", one->count[RATE_ALLOCATIONS]);
        values_set_number(stack, "bytes", one->count[RATE_BYTES]);
        json_object_set_new(stack, "frames",
                            report_json_frames(report, analysis->site[one->site].node));
        json_array_append_new(stacks, stack);
    }
    json_object_set_new(object, "stacks", stacks);
    return object;
}

json_t *report_json_rate(struct report *report)
{
    const struct rate *rate = &report->analysis->rate;
    json_t *object = json_object(), *busiest = json_object();
    values_set_number(object, "window_ns", rate->window_ns);
    json_object_set_new(object, "windows", make_windows(rate));
    for (unsigned i = 0; i < RATE_MEASURES; i++) {
        const struct rate_burst *bursts[RATE_PARTS];
        size_t most = report->top < RATE_PARTS ? report->top : RATE_PARTS;
        size_t count = rate_find_bursts(rate, (enum rate_measure)i, bursts, most);
        json_t *array = json_array();
        for (size_t k = 0; k < count; k++)
            json_array_append_new(array, make_burst(report, bursts[k]));
        json_object_set_new(busiest, names[i], array);
    }
    json_object_set_new(object, "busiest", busiest);
    return object;
}
