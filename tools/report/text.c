/* text.c - the report in the order a reader asks: what was it, what is wrong, where. */
#include "tools/report/report.h"

#include <string.h>

#include "tools/units.h"

enum { COURSE_COLUMNS = 64, COURSE_ROWS = 6 };

static uint64_t find_course_most(const struct timeline *timeline)
{
    uint64_t most = 0;
    for (size_t i = 0; i < COURSE_COLUMNS; i++) {
        uint64_t one = timeline_get(timeline, i, COURSE_COLUMNS);
        most = one > most ? one : most;
    }
    return most;
}

/* A cell is filled if the column reaches at least to its middle; the lowest row shows anything. */
static void draw_row(const struct timeline *timeline, uint64_t most, size_t row, char *out)
{
    double limit = row == 0 ? 0 : (double)most * ((double)row + 0.5) / COURSE_ROWS;
    for (size_t i = 0; i < COURSE_COLUMNS; i++)
        out[i] = (double)timeline_get(timeline, i, COURSE_COLUMNS) > limit ? '#' : ' ';
    out[COURSE_COLUMNS] = '\0';
    for (size_t i = COURSE_COLUMNS; i > 0 && out[i - 1] == ' '; i--)
        out[i - 1] = '\0';
}

/* The bytes asked for, over time. */
static void print_course(struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct page *page = &report->page;
    uint64_t most = find_course_most(&analysis->timeline);
    if (most == 0)
        return;
    page_heading(page, "COURSE", "bytes asked for and not yet freed, over time");
    for (size_t row = COURSE_ROWS; row-- > 0;) {
        char line[COURSE_COLUMNS + 1];
        draw_row(&analysis->timeline, most, row, line);
        fprintf(page->out, "  %10s |%s\n",
                row + 1 == COURSE_ROWS ? units_bytes(most).at
                : row == 0             ? "0"
                                       : "",
                line);
    }
    fprintf(page->out, "  %10s +0%*s\n", "", COURSE_COLUMNS - 1,
            units_duration(analysis_since_start(analysis, analysis->last_ns)).at);
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
