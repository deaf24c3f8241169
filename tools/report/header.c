/* header.c - what was recorded, and whether all of it is there. */
#include "tools/report/report.h"

#include <string.h>

#include "tools/units.h"

const char *report_describe_end(const struct report *report)
{
    const struct trace_end *end = report->analysis->facts->end;
    if (end == NULL && report->analysis->facts->header.copied_ns != 0)
        return "it went on: this is a copy";
    if (end == NULL)
        return "no end record: it was killed, became another program, or still runs";
    switch (end->reason) {
    case TRACE_END_EXIT:
        return "it ended by itself";
    case TRACE_END_STOPPED:
        return "recording was stopped before its end";
    case TRACE_END_DISK:
        return "recording ended early: the disk was full or a limit reached";
    default:
        return "it ended";
    }
}

const char *report_strip_path(const struct report *report, const char *message)
{
    const char *path = report->analysis->facts->path;
    size_t length = strlen(path);
    bool has_path = strncmp(message, path, length) == 0 && strncmp(message + length, ": ", 2) == 0;
    return has_path ? message + length + 2 : message;
}

static void print_row(const struct page *page, const char *name, const char *text)
{
    char mark[16];
    snprintf(mark, sizeof mark, "%-10s", name);
    page_paragraph(page, 2, mark, "%s", text);
}

struct report_text report_describe_command(const struct trace_facts *facts, size_t most)
{
    struct report_text text = {""};
    size_t used = 0;
    for (size_t i = 0; i < facts->arguments && used + 8 < sizeof text.at; i++) {
        char cell[PAGE_CELL_BYTES];
        page_fit(cell, facts->argument[i], most, false);
        used += (size_t)snprintf(text.at + used, sizeof text.at - used, "%s%s", i == 0 ? "" : " ",
                                 cell);
    }
    return text;
}

static void print_command(const struct report *report)
{
    const struct report_text text = report_describe_command(report->analysis->facts, 200);
    print_row(&report->page, "command", *text.at == '\0' ? "(not in the trace)" : text.at);
}

static void print_process(const struct report *report)
{
    const struct analysis *analysis = report->analysis;
    const struct trace_facts *facts = analysis->facts;
    char text[512];
    snprintf(text, sizeof text, "%llu, %s in %s; %s%s", (unsigned long long)facts->header.pid,
             units_plural(analysis->totals.threads, "thread").at,
             units_duration(analysis_since_start(analysis, analysis->last_ns)).at,
             report_describe_end(report),
             facts->header.forked ? "; child of a fork: its parent's blocks are not in here" : "");
    print_row(&report->page, "process", text);
}

static void print_trace(const struct report *report)
{
    const struct trace_facts *facts = report->analysis->facts;
    char text[1024];
    const struct trace_totals *totals = &report->analysis->totals;
    double events = totals->events == 0 ? 1 : (double)totals->events;
    char packed[64] = "";
    if (facts->file_bytes != facts->trace_bytes)
        snprintf(packed, sizeof packed, "; %.2f before it was packed",
                 (double)facts->trace_bytes / events);
    snprintf(text, sizeof text, "%s, %s (%.2f bytes an event%s), by %.64s", facts->path,
             units_bytes(facts->file_bytes).at, (double)facts->file_bytes / events, packed,
             *facts->header.library == '\0' ? "an unnamed library" : facts->header.library);
    print_row(&report->page, "trace", text);
}

/* Frees of blocks that are no samples are no news (format.h, SAMPLES). */
static void print_samples(const struct report *report)
{
    const struct trace_totals *totals = &report->analysis->totals;
    char text[512];
    snprintf(text, sizeof text,
             "%s, one for %s asked for, on average. All amounts are estimates: with them stands "
             "where the true one lies in 95 of 100 traces",
             units_plural(totals->allocs, "sample").at,
             units_bytes(report->analysis->facts->header.sample_period).at);
    print_row(&report->page, "sampled", text);
}

static void print_events(const struct report *report)
{
    const struct trace_totals *totals = &report->analysis->totals;
    char text[512];
    size_t used = (size_t)snprintf(text, sizeof text, "%s: %s allocated, %s freed, %s reallocated",
                                   units_count(totals->events).at, units_count(totals->allocs).at,
                                   units_count(totals->frees).at, units_count(totals->reallocs).at);
    if (totals->failed != 0)
        used += (size_t)snprintf(text + used, sizeof text - used, ", %s failed",
                                 units_count(totals->failed).at);
    if (totals->unknown_frees != 0)
        snprintf(text + used, sizeof text - used, "; %s freed blocks older than the trace",
                 units_count(totals->unknown_frees).at);
    print_row(&report->page, "events", text);
}

/* Of a trace that keeps the newest: where it begins, and what that means. */
static void print_beginning(const struct report *report)
{
    const struct trace_facts *facts = report->analysis->facts;
    char text[512];
    if (facts->timeline_since_ns != 0) {
        snprintf(
            text, sizeof text, "samples, marks and mappings of before %s were written over",
            units_duration(analysis_since_start(report->analysis, facts->timeline_since_ns)).at);
        print_row(&report->page, "timeline", text);
    }
    if (facts->whole_since_ns == 0)
        return;
    snprintf(text, sizeof text,
             "%s events were written over; whole since %s: blocks allocated before that may have "
             "been freed unseen",
             units_count(facts->older_events).at,
             units_duration(analysis_since_start(report->analysis, facts->whole_since_ns)).at);
    print_row(&report->page, "newest", text);
}

static void print_completeness(const struct report *report)
{
    const struct analysis *analysis = report->analysis;
    char text[1024];
    if (analysis->is_complete)
        snprintf(text, sizeof text, "yes: every %s is there, none was dropped",
                 analysis_is_estimate(analysis) ? "sample" : "event");
    else
        snprintf(text, sizeof text, "not proven: %s",
                 report_strip_path(report, analysis->incomplete_why.text));
    print_row(&report->page, "complete", text);
    const struct trace_end *end = analysis->facts->end;
    bool has_costs = analysis->facts->costs != NULL; /* which say it, too */
    if (end != NULL && !has_costs && end->overhead_ns != 0 && end->events != 0) {
        snprintf(text, sizeof text, "%s, %s an event", units_duration(end->overhead_ns).at,
                 units_duration(end->overhead_ns / end->events).at);
        print_row(&report->page, "recording", text);
    }
    for (size_t i = 0; trace_warning(report->trace, i) != NULL; i++)
        print_row(&report->page, i == 0 ? "warnings" : "",
                  report_strip_path(report, trace_warning(report->trace, i)));
}

static void print_marks(const struct report *report)
{
    enum { MOST = 6 }; /* STAGES has them all */
    const struct trace_facts *facts = report->analysis->facts;
    char text[512], label[PAGE_CELL_BYTES];
    for (size_t i = 0; i < facts->marks && i < MOST; i++) {
        const struct trace_mark *mark = &facts->mark[i];
        page_fit(label, mark->label, 200, false);
        snprintf(text, sizeof text, "after %s: %.200s",
                 units_duration(analysis_since_start(report->analysis, mark->time_ns)).at, label);
        print_row(&report->page, i == 0 ? "marks" : "", text);
    }
    if (facts->marks > MOST) {
        snprintf(text, sizeof text, "and %s", units_plural(facts->marks - MOST, "more mark").at);
        print_row(&report->page, "", text);
    }
}

/* What recording took of the program's time, and how. */
static void print_costs(const struct report *report)
{
    const struct trace_facts *facts = report->analysis->facts;
    const struct trace_costs *costs = facts->costs;
    char text[1024];
    if (facts->end == NULL || costs == NULL)
        return;
    uint64_t events = facts->end->events; /* of a ring, most are written over */
    uint64_t frames = costs->proven + costs->stepped;
    size_t used = (size_t)snprintf(
        text, sizeof text, "%s recording (%.0f ns an event), %s for %s, %s for %s",
        units_duration(facts->end->overhead_ns).at,
        events == 0 ? 0 : (double)facts->end->overhead_ns / (double)events,
        units_duration(costs->samples_ns).at, units_plural(costs->samples, "sample").at,
        units_duration(costs->tables_ns).at, units_plural(costs->tables, "list").at);
    used += (size_t)snprintf(text + used, sizeof text - used, " of mappings");
    if (costs->walks != 0 && frames != 0)
        snprintf(text + used, sizeof text - used,
                 "; %s of %.1f frames, %s of them as before; %s learned",
                 units_plural(costs->walks, "stack").at, (double)frames / (double)costs->walks,
                 units_percent(costs->proven, frames).at, units_plural(costs->learned, "rule").at);
    print_row(&report->page, "cost", text);
}

void report_header(struct report *report)
{
    const struct page *page = &report->page;
    fprintf(page->out, "%sHEAP REPORT%s\n", page_bold(page), page_plain(page));
    print_command(report);
    print_process(report);
    print_trace(report);
    if (analysis_is_estimate(report->analysis))
        print_samples(report);
    else
        print_events(report);
    print_beginning(report);
    print_costs(report);
    print_completeness(report);
    print_marks(report);
}
