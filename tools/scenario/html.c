/* html.c - an experiment as one page that needs nothing else (output.h): charts are drawn here, as
 * SVG; there is no script in it. */
#define _GNU_SOURCE /* open_memstream */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/scenario/chart.h"
#include "tools/scenario/gaps.h"
#include "tools/scenario/output.h"

static const char style[] =
    "body{font:15px/1.45 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.25em .6em;text-align:right;"
    "border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}"
    ".wide{overflow-x:auto}.wide td{white-space:nowrap}.wide table{font-size:.78em}"
    ".passed{color:#176b2c}.failed{color:#a11}"
    "pre{white-space:pre-wrap;background:#f5f5f3;padding:.6em}"
    ".bar{background:#bbb;height:1em}.counted{background:#197b4f}"
    "@media(prefers-color-scheme:dark){body{background:#181a1b;color:#ddd}pre{background:#222}"
    "td,th{border-color:#333}.passed{color:#6c8}.failed{color:#f77}.bar{background:#555}"
    ".counted{background:#5d9}}";

/* -- the degradation curve -------------------------------------------------------------------- */

static void draw_breaking_point(const struct chart *chart, const struct experiment *experiment)
{
    const struct bisect *bisect = &experiment->bisect;
    char name[96];
    if (!experiment->has_searched || bisect->bad == 0 || bisect->good == 0)
        return;
    snprintf(name, sizeof name, "%s: %s", curve_end_name(bisect->kind),
             output_bytes(bisect_get_result(bisect)).at);
    const struct chart_found found = {bisect_get_result(bisect), bisect->figures.low,
                                      bisect->figures.high, name};
    chart_found(chart, &found);
}

static void draw_curve(const struct experiment *experiment, FILE *out)
{
    struct chart chart = {.out = out,
                          .x_least = 1.1 * experiment->peak,
                          .y_most = 2,
                          .name_x = chart_name_bytes,
                          .name_y = chart_name_factor};
    for (size_t i = 0; i < experiment->levels; i++) {
        const struct experiment_lap *level = &experiment->level[i];
        chart.x_least = fmax(chart.x_least, level->budget);
        if (level->end == CURVE_HELD)
            chart.y_most = fmax(chart.y_most, output_factor(experiment, level));
    }
    if (experiment->has_searched)
        chart.x_least = fmax(chart.x_least, experiment->bisect.figures.high);
    fprintf(out, "<h2>Degradation: service time by budget</h2>\n");
    fprintf(out, "<p>Red: levels that broke.");
    if (experiment->has_searched && experiment->bisect.figures.high > 0)
        fprintf(out, " Broken line: the breaking point; shaded: its 95 %% interval.");
    fprintf(out, "</p>\n");
    chart_begin(&chart);
    chart_begin_line(&chart, CHART_BLUE, false);
    for (size_t i = 0; i < experiment->levels; i++) {
        if (experiment->level[i].end == CURVE_HELD)
            chart_add_point(&chart, experiment->level[i].budget,
                            output_factor(experiment, &experiment->level[i]));
    }
    chart_end_line(&chart);
    for (size_t i = 0; i < experiment->levels; i++) {
        const struct experiment_lap *level = &experiment->level[i];
        bool is_held = level->end == CURVE_HELD;
        chart_dot(&chart, level->budget, is_held ? output_factor(experiment, level) : chart.y_most,
                  4, is_held ? CHART_BLUE : CHART_RED);
    }
    draw_breaking_point(&chart, experiment);
    chart_end(&chart);
}

/* -- levels ----------------------------------------------------------------------------------- */

static void print_cell(const char *text, FILE *out)
{
    fprintf(out, "<td>%s</td>", text);
}

static void print_share(double seconds, const struct experiment_lap *lap, FILE *out)
{
    print_cell(output_share(lap->costed > 0 ? seconds / lap->costed : NAN).at, out);
}

/* 0: nobody timed any. */
static void print_call(double seconds, FILE *out)
{
    print_cell(seconds > 0 ? output_time(seconds).at : "-", out);
}

static void print_costs(const struct experiment *experiment, const struct experiment_lap *lap,
                        FILE *out)
{
    print_cell(output_bytes(lap->parts.anon).at, out);
    print_cell(output_bytes(lap->parts.file).at, out);
    print_cell(output_rate(experiment, lap, lap->minor_faults + lap->major_faults).at, out);
    print_share(lap->run_wait, lap, out);
    print_share(lap->stalls.some, lap, out);
    print_share(lap->stalls.full, lap, out);
    print_share(lap->is_injected_known ? lap->stalled : NAN, lap, out);
    print_call(lap->slow_p99, out);
    print_call(lap->fast_p99, out);
    fprintf(out, "</tr>\n");
}

static void print_lap(const struct experiment *experiment, const struct experiment_lap *lap,
                      const char *name, FILE *out)
{
    struct experiment_times times;
    lap_read_times(experiment, lap, &times);
    fprintf(out, "<tr><td>%s</td>", name);
    print_cell(lap->end == CURVE_HELD ? "held" : curve_end_name(lap->end), out);
    print_cell(units_count(times.count).at, out);
    print_cell(output_service(experiment, times.count > 0 ? times.p50 : NAN).at, out);
    print_cell(output_service(experiment, times.p95).at, out);
    print_cell(output_service(experiment, times.p99).at, out);
    print_cell(output_service(experiment, times.count > 0 ? times.most : NAN).at, out);
    print_costs(experiment, lap, out);
}

static void print_levels(const struct experiment *experiment, FILE *out)
{
    struct experiment_times times;
    lap_read_times(experiment, &experiment->calibration, &times);
    fprintf(out,
            "<h2>Levels</h2>\n<div class=\"wide\"><table><tr><th>budget</th><th></th><th>%s</th>"
            "<th>p50</th><th>p95</th><th>p99</th><th>longest</th><th>anonymous</th><th>of "
            "files</th><th>faults a %s</th><th>run queue</th><th>stalls, some</th><th>full</th>"
            "<th>injected</th><th>slow p99</th><th>fast p99</th></tr>\n",
            output_times_of(experiment, &times),
            plan_is_finite(experiment->plan) ? "run" : "second");
    print_lap(experiment, &experiment->calibration, "none", out);
    for (size_t i = 0; i < experiment->levels; i++)
        print_lap(experiment, &experiment->level[i], output_bytes(experiment->level[i].budget).at,
                  out);
    if (experiment->release.windows > 0)
        print_lap(experiment, &experiment->release, "none again", out);
    if (experiment->release_again.windows > 0)
        print_lap(experiment, &experiment->release_again, "none once more", out);
    fprintf(out, "</table></div>\n");
}

/* -- strategies, verdict ---------------------------------------------------------------------- */

static void print_why_not(const struct experiment_strategy *strategy, FILE *out)
{
    chart_print_text(strategy->why, out);
    fprintf(out, "</td><td>-");
}

static void print_shift(const struct experiment_strategy *strategy, FILE *out)
{
    const struct improvement_shift *it = &strategy->shift;
    if (strategy->is_measured && strategy->without.bad > 0 && !isnan(it->shift))
        fprintf(out, "</td><td>%s%s for %s, %+.0f %%%s",
                strategy->with.bad > 0 ? "" : "none down to ",
                output_bytes(bisect_get_result(&strategy->with)).at,
                output_bytes(bisect_get_result(&strategy->without)).at, -100 * it->shift,
                it->is_counted ? "" : " (not counted)");
    else
        fprintf(out, "</td><td>-");
}

static void draw_strategies(const struct experiment *experiment, FILE *out)
{
    size_t count = experiment->plan->strategies;
    if (count == 0)
        return;
    fprintf(out, "<h2>Strategies</h2>\n<table><tr><th></th><th style=\"text-align:left\">"
                 "resident memory saved (green: it counts)</th><th></th><th>breaks at</th></tr>\n");
    for (size_t i = 0; i < count; i++) {
        const struct experiment_strategy *strategy = &experiment->strategies[i];
        double saved = strategy->improvement.reduction;
        fprintf(out, "<tr><td>");
        chart_print_text(strategy->what->name, out);
        fprintf(out, "</td><td style=\"text-align:left;width:60%%\">");
        if (strategy->is_measured)
            fprintf(out,
                    "<div class=\"bar%s\" style=\"width:%.1f%%\"></div></td>"
                    "<td>%.1f %%, time %+.1f %%",
                    strategy->improvement.is_counted ? " counted" : "",
                    100 * fmin(1, fmax(0, saved)), 100 * saved,
                    100 * strategy->improvement.overhead);
        else
            print_why_not(strategy, out);
        print_shift(strategy, out);
        fprintf(out, "</td></tr>\n");
    }
    fprintf(out, "</table>\n");
}

static void print_verdict(const struct experiment *experiment, FILE *out)
{
    const struct verdict *verdict = &experiment->verdict;
    fprintf(out, "<table><tr><th>criterion</th><th>measured</th><th>bound</th><th>95 %% "
                 "interval</th><th>sure</th><th></th></tr>\n");
    for (unsigned row = 0; row < VERDICT_ROWS; row++) {
        const struct verdict_criterion *criterion = &verdict->row[row];
        bool is_answer = row == VERDICT_GRACEFUL; /* a yes has no interval */
        const char *word = !criterion->is_asked ? "" : criterion->is_met ? "met" : "not met";
        fprintf(out, "<tr><td>%s</td><td>%s</td><td>%s</td>", verdict_row_name(row),
                output_value(row, criterion->value).at,
                output_value(row, experiment->plan->bounds.at[row]).at);
        if (!criterion->is_known)
            fprintf(out, "<td colspan=\"3\">not measured: %s</td></tr>\n",
                    gaps_explain(experiment, row));
        else
            fprintf(out, "<td>%s%s%s</td><td>%s</td><td>%s</td></tr>\n",
                    is_answer ? "" : output_value(row, criterion->interval.low).at,
                    is_answer ? "" : " .. ",
                    is_answer ? "" : output_value(row, criterion->interval.high).at,
                    output_share(criterion->confidence).at, word);
    }
    fprintf(out, "</table>\n<p>");
    output_verdict_reasons(experiment, out);
    fprintf(out, "</p>\n");
}

static void print_page(const struct experiment *experiment, FILE *out)
{
    const char *word = output_verdict_word(&experiment->verdict);
    const struct plan *plan = experiment->plan;
    const char *name = plan->trace != NULL ? plan->trace : plan->arguments[0];
    fprintf(out, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta "
                 "name=\"color-scheme\" content=\"light dark\"><title>mpress: ");
    chart_print_text(name, out);
    fprintf(out, "</title><style>%s%s</style>\n<h1>", style, chart_style);
    chart_print_text(name, out);
    fprintf(out, " under ");
    chart_print_text(experiment->plan->shape.name, out);
    fprintf(out, " pressure: <span class=\"%s\">%s</span></h1>\n", word,
            output_verdict(&experiment->verdict).at);
    print_verdict(experiment, out);
    draw_curve(experiment, out);
    print_levels(experiment, out);
    output_timelines(experiment, out);
    draw_strategies(experiment, out);
    char *text = NULL;
    size_t bytes = 0;
    FILE *memory = open_memstream(&text, &bytes);
    if (memory != NULL) {
        output_text(experiment, memory);
        fclose(memory);
        fprintf(out, "<h2>All figures</h2>\n<pre>");
        char *rest = text;
        for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
            chart_print_text(line, out);
            fputc('\n', out);
        }
        fprintf(out, "</pre>\n");
    }
    fprintf(out, "</html>\n");
    free(text);
}

int output_html(const struct experiment *experiment, const char *path)
{
    errno = 0;
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return errno;
    print_page(experiment, out);
    bool is_whole = !ferror(out);
    return fclose(out) == 0 && is_whole ? 0 : errno != 0 ? errno : EIO;
}
