/* timeline.c - what an experiment did over time, as charts (output.h): memory, allocations, service
 * time. All have the same axis, with the phases and the levels marked on it. */
#include <math.h>

#include "tools/scenario/chart.h"
#include "tools/scenario/output.h"

#define LEAST 0.002 /* of the whole time: a phase that is seen */

/* A phase's name stands where it began; levels are thin lines. */
static void draw_marks(struct chart *chart, const struct experiment *experiment)
{
    for (size_t i = 0; i < experiment->levels; i++)
        chart_mark(chart, experiment->level[i].began, NULL);
    for (size_t i = 0; i < experiment->marks; i++) {
        const struct experiment_mark *mark = &experiment->mark[i];
        double end = i + 1 < experiment->marks ? mark[1].at : experiment->total;
        if (end - mark->at > LEAST * experiment->total) /* else nothing was done in it */
            chart_mark(chart, mark->at, mark->phase);
    }
}

/* -- memory ----------------------------------------------------------------------------------- */

enum field { BUDGET, USED, ANON, FILES, OTHERS, FIELDS };

static double get_field(const struct experiment_sample *sample, enum field field)
{
    const double fields[FIELDS] = {sample->budget, sample->used, sample->parts.anon,
                                   sample->parts.file, sample->parts.shmem + sample->parts.swap};
    return fields[field];
}

static void draw_field(const struct chart *chart, const struct experiment *experiment,
                       enum field field, enum chart_color color)
{
    bool is_open = false;
    for (size_t i = 0; i < experiment->samples; i++) {
        const struct experiment_sample *sample = &experiment->sample[i];
        double value = get_field(sample, field);
        bool is_gap = field == BUDGET && value == 0; /* no budget: no line */
        if (is_gap && is_open)
            chart_end_line(chart);
        if (!is_gap && !is_open)
            chart_begin_line(chart, color, field == BUDGET);
        is_open = !is_gap;
        if (is_open)
            chart_add_point(chart, sample->at, value);
    }
    if (is_open)
        chart_end_line(chart);
}

static void draw_memory(const struct experiment *experiment, FILE *out)
{
    static const struct chart_key keys[FIELDS] = {{CHART_RED, "budget"},
                                                  {CHART_INK, "what counts against it"},
                                                  {CHART_BLUE, "resident, anonymous"},
                                                  {CHART_GREEN, "resident, of files"},
                                                  {CHART_VIOLET, "shared, swapped"}};
    struct chart chart = {.out = out,
                          .x_most = experiment->total,
                          .name_x = chart_name_seconds,
                          .name_y = chart_name_bytes};
    for (size_t i = 0; i < experiment->samples; i++) {
        for (enum field field = 0; field < FIELDS; field++)
            chart.y_most = fmax(chart.y_most, get_field(&experiment->sample[i], field));
    }
    fprintf(out, "<h2>Memory over time</h2>\n");
    chart_print_key(keys, FIELDS, out);
    chart_begin(&chart);
    draw_marks(&chart, experiment);
    for (enum field field = 0; field < FIELDS; field++)
        draw_field(&chart, experiment, field, keys[field].color);
    chart_end(&chart);
}

/* -- allocations ------------------------------------------------------------------------------ */

enum quantile { SLOW_P99, SLOW_P50, FAST_P99, QUANTILES };

/* 0: there were no calls. */
static double get_quantile(const struct experiment_sample *sample, enum quantile quantile)
{
    const double quantiles[QUANTILES] = {sample->slow_p99, sample->slow_p50, sample->fast_p99};
    return quantiles[quantile];
}

/* A dot for each column of the chart in which there were calls: the largest of its tenths of a
 * second. */
static void draw_quantile(const struct chart *chart, const struct experiment *experiment,
                          enum quantile quantile, enum chart_color color)
{
    double width = experiment->total / CHART_COLUMNS, most = 0, end = width;
    for (size_t i = 0; i < experiment->samples; i++) {
        const struct experiment_sample *sample = &experiment->sample[i];
        bool is_next = sample->at >= end;
        if (is_next && most > 0)
            chart_dot(chart, end - width / 2, most, 1.6, color);
        if (is_next) {
            most = 0;
            end = width * (floor(sample->at / width) + 1);
        }
        most = fmax(most, get_quantile(sample, quantile));
    }
    if (most > 0)
        chart_dot(chart, end - width / 2, most, 1.6, color);
}

static void draw_latency(const struct experiment *experiment, FILE *out)
{
    static const struct chart_key keys[QUANTILES] = {
        {CHART_RED, "slow calls, 99th percentile"},
        {CHART_BLUE, "slow calls, median"},
        {CHART_GREEN, "fast calls, 99th percentile (one in 64 is timed)"}};
    struct chart chart = {.out = out,
                          .x_most = experiment->total,
                          .y_least = INFINITY,
                          .is_log = true,
                          .name_x = chart_name_seconds,
                          .name_y = chart_name_duration};
    for (size_t i = 0; i < experiment->samples; i++) {
        for (enum quantile quantile = 0; quantile < QUANTILES; quantile++) {
            double value = get_quantile(&experiment->sample[i], quantile);
            chart.y_most = fmax(chart.y_most, value);
            chart.y_least = value > 0 ? fmin(chart.y_least, value) : chart.y_least;
        }
    }
    if (chart.y_most == 0) /* nobody tells, or there were none */
        return;
    chart.y_least = pow(10, floor(log10(chart.y_least)));
    chart.y_most = pow(10, ceil(log10(chart.y_most)));
    fprintf(out, "<h2>Allocation latency over time</h2>\n");
    chart_print_key(keys, QUANTILES, out);
    chart_begin(&chart);
    draw_marks(&chart, experiment);
    for (enum quantile quantile = 0; quantile < QUANTILES; quantile++)
        draw_quantile(&chart, experiment, quantile, keys[quantile].color);
    chart_end(&chart);
}

/* -- service time ----------------------------------------------------------------------------- */

static void draw_service(const struct experiment *experiment, FILE *out)
{
    struct chart chart = {.out = out,
                          .x_most = experiment->total,
                          .y_most = 2,
                          .name_x = chart_name_seconds,
                          .name_y = chart_name_factor};
    for (size_t i = 0; i < experiment->windows; i++)
        chart.y_most = fmax(chart.y_most, experiment->window[i].service / experiment->baseline);
    fprintf(out, "<h2>Service time over time, against the baseline</h2>\n");
    chart_begin(&chart);
    draw_marks(&chart, experiment);
    for (size_t i = 0; i < experiment->windows; i++)
        chart_dot(&chart, experiment->window[i].at,
                  experiment->window[i].service / experiment->baseline, 2, CHART_BLUE);
    chart_end(&chart);
}

void output_timelines(const struct experiment *experiment, FILE *out)
{
    draw_memory(experiment, out);
    draw_latency(experiment, out);
    draw_service(experiment, out);
}
