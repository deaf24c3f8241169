/* text.c - the report in the order a reader asks: what was it, what is wrong, where. */
#include "tools/report/report.h"

#include <string.h>

#include "tools/units.h"

static struct units describe_bytes(double bytes)
{
    return units_bytes((uint64_t)bytes);
}

/* The bytes asked for, over time. */
static void print_course(struct report *report)
{
    enum { ROWS = 6 };
    const struct timeline *timeline = &report->analysis->timeline;
    double most[CHART_COLUMNS];
    if (report->analysis->peak_bytes == 0)
        return;
    for (size_t i = 0; i < CHART_COLUMNS; i++)
        most[i] = (double)timeline_get(timeline, i, CHART_COLUMNS);
    page_heading(&report->page, "COURSE", "bytes asked for and not yet freed, over time");
    report_chart(report, most, ROWS, describe_bytes);
}

static void print_changed_modules(struct report *report)
{
    for (size_t i = 0; symbols_get_changed(report->symbols, i) != NULL; i++)
        page_paragraph(&report->page, 2, "",
                       "%s: the module has changed since (another build-id), so its functions are "
                       "shown as offsets.",
                       symbols_get_changed(report->symbols, i));
}

static void print_unnamed_modules(struct report *report)
{
    char names[512] = "";
    size_t used = 0, shown = 0;
    const char *name;
    for (; (name = symbols_get_unnamed(report->symbols, shown)) != NULL; shown++) {
        if (used + 80 > sizeof names)
            break;
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%.60s",
                                 shown == 0 ? "" : ", ", name);
    }
    if (shown != 0)
        page_paragraph(&report->page, 2, "",
                       "Functions shown as offsets are of modules without debug information: %s%s. "
                       "Debian has it in packages that end in -dbgsym; with DEBUGINFOD_URLS set it "
                       "is fetched.",
                       names, name != NULL ? "..." : "");
}

static void print_symbols(struct report *report)
{
    if (symbols_get_changed(report->symbols, 0) == NULL &&
        symbols_get_unnamed(report->symbols, 0) == NULL)
        return;
    page_title(&report->page, "SYMBOLS");
    print_changed_modules(report);
    print_unnamed_modules(report);
}

void report_text(struct report *report)
{
    report_header(report);
    report_signal(report);
    page_title(&report->page, "VERDICT");
    report_verdict(report);
    if (report->analysis->allocations != 0) {
        print_course(report);
        report_rate(report);
        report_latency(report);
        report_stages(report);
        report_pressure(report);
        report_growth(report);
        report_scaling(report);
        report_transactions(report);
        report_stacks_lost(report);
        report_suppressed(report);
        report_stacks_at_end(report);
        report_stacks_at_peak(report);
        report_fragmentation(report);
        report_spares(report);
        report_unwritten(report);
        report_map(report);
        report_resident(report);
        report_sizes(report);
        report_stacks_hot(report);
        if (!analysis_is_estimate(report->analysis)) /* what came in between is not known */
            report_stacks_temporary(report);
        report_lifetimes(report);
        report_lives(report);
        report_threads(report);
        report_flows(report);
        report_reallocs(report);
        report_stacks_copied(report);
    }
    print_symbols(report);
}
