/* compare.c - the methods beside each other, over all series that were read. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "tools/forecast/forecast.h"
#include "tools/values.h"

void forecast_score(const struct forecast_request *request, unsigned rule, struct score *score)
{
    for (size_t i = 0; i < request->list.count; i++) {
        const struct series *series = &request->list.series[i];
        score_series(score, series, rule, request->thresholds, forecast_limit_of(request, series));
    }
}

/* -- text ------------------------------------------------------------------------------------- */

void forecast_print_figure(int width, const char *format, double value)
{
    if (isnan(value))
        printf("%*s", width, "-");
    else
        printf(format, value);
}

static void print_reliability(const struct score *score)
{
    puts("\nChances of the default method: what it said, and how often it came.\n\n"
         "  said     came     times");
    for (unsigned i = 0; i < SCORE_BINS; i++) {
        uint64_t count = score->bin[i].count;
        if (count > 0)
            printf("%6.2f %8.2f %9lu\n", score->bin[i].chance / (double)count,
                   (double)score->bin[i].came / (double)count, (unsigned long)count);
    }
}

static void print_rule(unsigned rule, const struct score *score)
{
    printf("%-13s", score_name(rule));
    for (unsigned i = 0; i < FORECAST_HORIZONS; i++)
        forecast_print_figure(6, "%6.2f", score_mean_error(score, i));
    forecast_print_figure(7, "%5.0f %%", 100 * score_within(score, 1));
    forecast_print_figure(6, "%6.2f", score_precision(score));
    forecast_print_figure(7, "%7.2f", score_recall(score));
    forecast_print_figure(5, "%5.2f", score_f1(score));
    forecast_print_figure(5, "%5.0f", score_lead(score, 0.5));
    forecast_print_figure(6, "%6.2f", score_false_per_1000(score));
    forecast_print_figure(7, "%7.2f", score_false_strictly_per_1000(score));
    forecast_print_figure(6, "%6.3f", score_brier(score));
    putchar('\n');
}

void forecast_compare_text(const struct forecast_request *request)
{
    struct score scores[SCORE_RULES] = {{0}};
    for (unsigned rule = 0; rule < SCORE_RULES; rule++)
        forecast_score(request, rule, &scores[rule]);
    const struct score *best = &scores[FORECAST_DEFAULT];
    printf("%zu series, %zu ticks, %lu crossings of the thresholds %g, %g, %g and %g %%\n\n",
           request->list.count, best->ticks, (unsigned long)best->events, request->thresholds[0],
           request->thresholds[1], request->thresholds[2], request->thresholds[3]);
    puts("             mean error, points  within warnings             false /1,000\n"
         "method           30    60   120  5 pts prec. recall   F1 lead      strict Brier");
    for (unsigned rule = 0; rule < SCORE_RULES; rule++)
        print_rule(rule, &scores[rule]);
    print_reliability(best);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_figure(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

static json_t *make_bins(const struct score *score)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < SCORE_BINS; i++) {
        double count = (double)score->bin[i].count;
        json_t *row = json_object();
        values_set_number(row, "times", score->bin[i].count);
        json_object_set_new(row, "said", make_figure(score->bin[i].chance / count));
        json_object_set_new(row, "came", make_figure((double)score->bin[i].came / count));
        json_array_append_new(array, row);
    }
    return array;
}

static json_t *make_rule(unsigned rule, const struct score *score)
{
    json_t *row = json_object();
    static const char *const errors[] = {"mean_error_30", "mean_error_60", "mean_error_120"};
    json_object_set_new(row, "method", json_string(score_name(rule)));
    for (unsigned i = 0; i < FORECAST_HORIZONS; i++)
        json_object_set_new(row, errors[i], make_figure(score_mean_error(score, i)));
    json_object_set_new(row, "within_5_points", make_figure(score_within(score, 1)));
    values_set_number(row, "events", score->events);
    values_set_number(row, "foreseen", score->foreseen);
    values_set_number(row, "right", score->right);
    values_set_number(row, "false", score->wrong);
    values_set_number(row, "late", score->late);
    json_object_set_new(row, "precision", make_figure(score_precision(score)));
    json_object_set_new(row, "recall", make_figure(score_recall(score)));
    json_object_set_new(row, "f1", make_figure(score_f1(score)));
    json_object_set_new(row, "lead_p50", make_figure(score_lead(score, 0.5)));
    json_object_set_new(row, "lead_p10", make_figure(score_lead(score, 0.1)));
    json_object_set_new(row, "false_per_1000", make_figure(score_false_per_1000(score)));
    json_object_set_new(row, "false_strictly_per_1000",
                        make_figure(score_false_strictly_per_1000(score)));
    json_object_set_new(row, "brier", make_figure(score_brier(score)));
    json_object_set_new(row, "reliability", make_bins(score));
    return row;
}

void forecast_compare_json(const struct forecast_request *request)
{
    json_t *root = json_object(), *rows = json_array();
    for (unsigned rule = 0; rule < SCORE_RULES; rule++) {
        struct score score = {0};
        forecast_score(request, rule, &score);
        json_array_append_new(rows, make_rule(rule, &score));
    }
    values_set_text(root, "schema", "mpress-forecast-compare/1");
    values_set_number(root, "series", request->list.count);
    json_object_set_new(root, "default", json_string(forecast_method_names[FORECAST_DEFAULT]));
    json_object_set_new(root, "methods", rows);
    values_print(root, 6);
}
