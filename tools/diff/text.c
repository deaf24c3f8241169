/* text.c - the comparison at 80 columns. */
#include <math.h>
#include <string.h>

#include "tools/diff/diff.h"
#include "tools/report/metrics.h"

static const struct page *get_page(const struct diff *diff)
{
    return &diff->before.page;
}

/* "+2.60 MiB", "-12". */
static struct units describe_change(enum metric_kind kind, double change)
{
    struct units text;
    snprintf(text.at, sizeof text.at, "%s%.40s",
             change > 0   ? "+"
             : change < 0 ? "-"
                          : "",
             metric_describe(kind, fabs(change)).at);
    return text;
}

static struct units describe_share(double change, double before)
{
    struct units text = {""};
    double percent = before == 0 ? 0 : 100 * change / before;
    if (before != 0 && change != 0)
        snprintf(text.at, sizeof text.at, fabs(percent) < 999.5 ? "%+.1f %%" : "%+.0f %%", percent);
    return text;
}

/* -- the whole -------------------------------------------------------------------------------- */

static void print_trace(const struct diff *diff, const char *name, const struct report *report)
{
    const struct report_text command = report_describe_command(report->analysis->facts, 60);
    char mark[16];
    char path[PAGE_CELL_BYTES];
    page_fit(path, report->path, 200, true);
    snprintf(mark, sizeof mark, "%-8s", name);
    page_paragraph(get_page(diff), 2, mark, "%s:%s%s", path, *command.at != '\0' ? " " : "",
                   command.at);
}

static void print_metric(const struct diff *diff, const struct metric *metric)
{
    double before = metric->get(diff->before.analysis), after = metric->get(diff->after.analysis);
    if (isnan(before) || isnan(after) || (before == 0 && after == 0))
        return;
    bool is_share = metric->kind == METRIC_SHARE;
    fprintf(get_page(diff)->out, "  %-30.30s%12s%12s%13s%10s\n", metric->title,
            metric_describe(metric->kind, before).at, metric_describe(metric->kind, after).at,
            describe_change(metric->kind, after - before).at,
            is_share ? "" : describe_share(after - before, before).at);
}

static void print_whole(const struct diff *diff)
{
    const struct page *page = get_page(diff);
    page_title(page, "COMPARISON");
    print_trace(diff, "before", &diff->before);
    print_trace(diff, "after", &diff->after);
    fprintf(page->out, "\n  %s%-30s%12s%12s%13s%s\n", page_dim(page), "", "before", "after",
            "change", page_plain(page));
    for (unsigned i = 0; i < METRICS; i++)
        print_metric(diff, &metrics[i]);
}

/* -- call stacks ------------------------------------------------------------------------------ */

static enum metric_kind get_kind(const struct diff *diff)
{
    return measure_words[diff->measure].is_bytes ? METRIC_BYTES : METRIC_COUNT;
}

static void print_pair(const struct diff *diff, const struct pair *pair)
{
    const struct page *page = get_page(diff);
    enum metric_kind kind = get_kind(diff);
    fprintf(page->out, "\n  %s%11s%s  ", page_bold(page),
            describe_change(kind, diff_change(pair)).at, page_plain(page));
    fprintf(page->out, "%s", metric_describe(kind, (double)pair->before.bytes).at);
    fprintf(page->out, " -> %s", metric_describe(kind, (double)pair->after.bytes).at);
    if (kind == METRIC_BYTES)
        fprintf(page->out, ", %s -> %s", units_count(pair->before.blocks).at,
                units_plural(pair->after.blocks, "block").at);
    fputc('\n', page->out);
    for (uint32_t i = 0; i < pair->frames; i++) {
        char name[PAGE_CELL_BYTES];
        page_fit(name, calls_get_name(&diff->calls, diff->function[pair->first + i]),
                 PAGE_COLUMNS - 15, false);
        fprintf(page->out, "%15s%s\n", "", name);
    }
}

/* Pairs [from, end) in steps of `step`, as long as they change in the direction `sign`. */
static void print_list(const struct diff *diff, const char *name, int sign, size_t top)
{
    size_t shown = 0, more = 0, uncertain = 0;
    page_heading(get_page(diff), name, "%s, by call stack", measure_words[diff->measure].title);
    for (size_t i = 0; i < diff->pairs; i++) {
        const struct pair *pair = &diff->pair[sign > 0 ? i : diff->pairs - 1 - i];
        if (diff_change(pair) * sign <= 0)
            break;
        if (!diff_is_certain(pair))
            uncertain++;
        else if (shown < top && ++shown != 0)
            print_pair(diff, pair);
        else
            more++;
    }
    if (shown == 0)
        page_paragraph(get_page(diff), 2, "", "None.");
    if (more != 0)
        page_paragraph(get_page(diff), 2, "", "... and %s", units_plural(more, "more stack").at);
    if (uncertain != 0)
        page_paragraph(get_page(diff), 2, "", "%s left away: the samples are too few to tell.",
                       units_plural(uncertain, "change").at);
}

void diff_text(const struct diff *diff, size_t top)
{
    print_whole(diff);
    print_list(diff, "MORE", 1, top);
    print_list(diff, "LESS", -1, top);
}
