/* html.c - an experiment as one page that needs nothing else (output.h): charts are drawn here, as
 * SVG; there is no script in it. */
#define _GNU_SOURCE /* open_memstream */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/scenario/output.h"
#include "tools/units.h"

enum { WIDTH = 900, HEIGHT = 260, LEFT = 80, RIGHT = 20, TOP = 16, BOTTOM = 34, TICKS = 4 };

static const char style[] =
    "body{font:15px/1.45 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.25em .6em;text-align:right;"
    "border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}"
    "svg{width:100%;height:auto}.passed{color:#176b2c}.failed{color:#a11}"
    "pre{white-space:pre-wrap;background:#f5f5f3;padding:.6em}"
    "text{font:12px system-ui,sans-serif;fill:#555}.grid{stroke:#ddd}"
    "@media(prefers-color-scheme:dark){body{background:#181a1b;color:#ddd}pre{background:#222}"
    "td,th{border-color:#333}.grid{stroke:#333}text{fill:#aaa}}";

static void print_text(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '<' || *text == '&' || *text == '>')
            fprintf(out, "&#%d;", *text);
        else if ((unsigned char)*text >= ' ')
            fputc(*text, out);
    }
}

/* -- a chart ---------------------------------------------------------------------------------- */

struct chart {
    FILE *out;
    double x_least, x_most, y_most;
};

static double place_x(const struct chart *chart, double x)
{
    double span = chart->x_most - chart->x_least;
    return LEFT + (span == 0 ? 0 : (x - chart->x_least) / span) * (WIDTH - LEFT - RIGHT);
}

static double place_y(const struct chart *chart, double y)
{
    double share = chart->y_most == 0 ? 0 : fmin(1, y / chart->y_most);
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
}

/* The names of values on an axis: bytes, seconds, or a factor. */
typedef struct units name_value(double value);

static struct units name_bytes(double value)
{
    return units_bytes((uint64_t)fmax(0, value));
}

static struct units name_seconds(double value)
{
    struct units text;
    snprintf(text.at, sizeof text.at, "%.0f s", value);
    return text;
}

static struct units name_factor(double value)
{
    struct units text;
    snprintf(text.at, sizeof text.at, "%.1f x", value);
    return text;
}

static void begin_chart(const struct chart *chart, name_value *name_x, name_value *name_y)
{
    FILE *out = chart->out;
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, HEIGHT);
    for (int i = 0; i <= TICKS; i++) {
        double x = chart->x_least + (chart->x_most - chart->x_least) * i / TICKS;
        double y = chart->y_most * i / TICKS;
        fprintf(out,
                "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
                LEFT, WIDTH - RIGHT, place_y(chart, y), place_y(chart, y), LEFT - 6,
                place_y(chart, y) + 4, name_y(y).at);
        fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
                place_x(chart, x), HEIGHT - BOTTOM + 18, name_x(x).at);
    }
}

static void end_chart(const struct chart *chart)
{
    fprintf(chart->out, "</svg>\n");
}

static void begin_line(const struct chart *chart, const char *color, const char *more)
{
    fprintf(chart->out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\" %s points=\"",
            color, more);
}

static void add_point(const struct chart *chart, double x, double y)
{
    fprintf(chart->out, "%.1f,%.1f ", place_x(chart, x), place_y(chart, y));
}

static void end_line(const struct chart *chart)
{
    fprintf(chart->out, "\"/>");
}

static void print_key(const char *const (*key)[2], size_t count, FILE *out)
{
    fprintf(out, "<p>");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "<span style=\"color:%s\">&#9632;</span> %s &nbsp; ", key[i][0], key[i][1]);
    fprintf(out, "</p>\n");
}

/* -- timelines -------------------------------------------------------------------------------- */

static double sample_field(const struct experiment_sample *sample, unsigned field)
{
    const double fields[] = {sample->budget, sample->used, sample->parts.anon, sample->parts.file,
                             sample->parts.shmem + sample->parts.swap};
    return fields[field];
}

static void draw_field(const struct chart *chart, const struct experiment *experiment,
                       unsigned field, const char *color, const char *more)
{
    double gap = 0;
    begin_line(chart, color, more);
    for (size_t i = 0; i < experiment->samples; i++) {
        const struct experiment_sample *sample = &experiment->sample[i];
        double value = sample_field(sample, field);
        if (field == 0 && value == 0) { /* no budget: no line */
            if (gap == 0) {
                end_line(chart);
                begin_line(chart, color, more);
            }
            gap = 1;
            continue;
        }
        gap = 0;
        add_point(chart, sample->at, value);
    }
    end_line(chart);
}

static void draw_memory(const struct experiment *experiment, FILE *out)
{
    static const char *const key[][2] = {{"#c33", "budget"},
                                         {"#333", "what counts against it"},
                                         {"#27c", "resident, anonymous"},
                                         {"#2a7", "resident, of files"},
                                         {"#a3a", "shared, swapped"}};
    struct chart chart = {.out = out, .x_most = experiment->total};
    for (size_t i = 0; i < experiment->samples; i++) {
        for (unsigned field = 0; field < 5; field++)
            chart.y_most = fmax(chart.y_most, sample_field(&experiment->sample[i], field));
    }
    fprintf(out, "<h2>Memory over time</h2>\n");
    print_key(key, 5, out);
    begin_chart(&chart, name_seconds, name_bytes);
    for (unsigned field = 0; field < 5; field++)
        draw_field(&chart, experiment, field, key[field][0],
                   field == 0 ? "stroke-dasharray=\"6 3\"" : "");
    end_chart(&chart);
}

static void draw_service(const struct experiment *experiment, FILE *out)
{
    struct chart chart = {.out = out, .x_most = experiment->total, .y_most = 2};
    for (size_t i = 0; i < experiment->windows; i++)
        chart.y_most = fmax(chart.y_most, experiment->window[i].service / experiment->baseline);
    fprintf(out, "<h2>Service time over time, against the baseline</h2>\n");
    begin_chart(&chart, name_seconds, name_factor);
    for (size_t i = 0; i < experiment->windows; i++)
        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\" fill=\"#27c\"/>",
                place_x(&chart, experiment->window[i].at),
                place_y(&chart, experiment->window[i].service / experiment->baseline));
    end_chart(&chart);
}

/* -- the degradation curve -------------------------------------------------------------------- */

static double get_factor(const struct experiment *experiment, const struct experiment_lap *level)
{
    double service[64];
    size_t count = level->windows < 64 ? level->windows : 64;
    for (size_t i = 0; i < count; i++)
        service[i] = experiment->window[level->first + i].service;
    return sample_median(service, count) / experiment->baseline;
}

static void draw_breaking_point(const struct chart *chart, const struct experiment *experiment)
{
    const struct bisect *bisect = &experiment->bisect;
    if (!experiment->has_searched || bisect->bad == 0 || bisect->good == 0)
        return;
    double x = place_x(chart, bisect_get_result(bisect));
    double left = place_x(chart, fmin(chart->x_least, bisect->figures.high));
    double right = place_x(chart, bisect->figures.low);
    fprintf(
        chart->out,
        "<rect x=\"%.1f\" width=\"%.1f\" y=\"%d\" height=\"%d\" fill=\"#c33\" opacity=\".15\"/>",
        left, fmax(0, right - left), TOP, HEIGHT - TOP - BOTTOM);
    fprintf(chart->out,
            "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#c33\" "
            "stroke-dasharray=\"4 3\"/><text x=\"%.1f\" y=\"%d\">%s: %s</text>",
            x, x, TOP, HEIGHT - BOTTOM, x + 4, HEIGHT - BOTTOM - 8, curve_end_name(bisect->kind),
            name_bytes(bisect_get_result(bisect)).at);
}

static void draw_curve(const struct experiment *experiment, FILE *out)
{
    struct chart chart = {.out = out, .x_most = 0, .x_least = 1.1 * experiment->peak, .y_most = 2};
    for (size_t i = 0; i < experiment->levels; i++) {
        const struct experiment_lap *level = &experiment->level[i];
        chart.x_least = fmax(chart.x_least, level->budget);
        if (level->end == CURVE_HELD)
            chart.y_most = fmax(chart.y_most, get_factor(experiment, level));
    }
    fprintf(out, "<h2>Degradation: service time by budget</h2>\n");
    if (experiment->has_searched && experiment->bisect.figures.high > 0)
        fprintf(out, "<p>Broken line: the breaking point; shaded: its 95 %% interval.</p>\n");
    begin_chart(&chart, name_bytes, name_factor);
    begin_line(&chart, "#27c", "");
    for (size_t i = 0; i < experiment->levels; i++) {
        if (experiment->level[i].end == CURVE_HELD)
            add_point(&chart, experiment->level[i].budget,
                      get_factor(experiment, &experiment->level[i]));
    }
    end_line(&chart);
    for (size_t i = 0; i < experiment->levels; i++) {
        const struct experiment_lap *level = &experiment->level[i];
        bool is_held = level->end == CURVE_HELD;
        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>",
                place_x(&chart, level->budget),
                place_y(&chart, is_held ? get_factor(experiment, level) : chart.y_most),
                is_held ? "#27c" : "#c33");
    }
    draw_breaking_point(&chart, experiment);
    end_chart(&chart);
}

/* -- strategies, verdict ---------------------------------------------------------------------- */

static void draw_strategies(const struct experiment *experiment, FILE *out)
{
    size_t count = experiment->plan->strategies;
    if (count == 0)
        return;
    fprintf(out, "<h2>Strategies: resident memory saved</h2>\n<table>");
    for (size_t i = 0; i < count; i++) {
        const struct experiment_strategy *strategy = &experiment->strategies[i];
        double saved = strategy->improvement.reduction;
        fprintf(out, "<tr><td>");
        print_text(strategy->what->name, out);
        fprintf(out, "</td><td style=\"text-align:left;width:60%%\">");
        if (strategy->is_measured)
            fprintf(out,
                    "<div style=\"background:%s;height:1em;width:%.1f%%\"></div></td>"
                    "<td>%.1f %%, time %+.1f %%",
                    strategy->improvement.is_counted ? "#2a7" : "#bbb",
                    100 * fmin(1, fmax(0, saved)), 100 * saved,
                    100 * strategy->improvement.overhead);
        else
            print_text(strategy->why, out);
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
        const char *word = !criterion->is_known   ? "not measured"
                           : !criterion->is_asked ? ""
                           : criterion->is_met    ? "met"
                                                  : "not met";
        fprintf(out, "<tr><td>%s</td><td>%s</td><td>%s</td><td>%s .. %s</td><td>%s</td>",
                verdict_row_name(row), output_value(row, criterion->value).at,
                output_value(row, experiment->plan->bounds.at[row]).at,
                output_value(row, criterion->interval.low).at,
                output_value(row, criterion->interval.high).at,
                output_share(criterion->confidence).at);
        fprintf(out, "<td>%s</td></tr>\n", word);
    }
    fprintf(out, "</table>\n");
}

static void print_page(const struct experiment *experiment, FILE *out)
{
    const char *word = output_verdict_word(&experiment->verdict);
    const struct plan *plan = experiment->plan;
    const char *name = plan->trace != NULL ? plan->trace : plan->arguments[0];
    fprintf(out, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>mpress: ");
    print_text(name, out);
    fprintf(out, "</title><style>%s</style>\n<h1>", style);
    print_text(name, out);
    fprintf(out, " under ");
    print_text(experiment->plan->shape.name, out);
    fprintf(out, " pressure: <span class=\"%s\">%s</span></h1>\n", word, word);
    print_verdict(experiment, out);
    draw_curve(experiment, out);
    draw_memory(experiment, out);
    draw_service(experiment, out);
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
            print_text(line, out);
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
