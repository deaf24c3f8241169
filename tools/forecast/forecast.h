/* forecast.h - `mpress forecast`: what the library's forecaster says of recorded memory use. */
#ifndef MPRESS_TOOLS_FORECAST_FORECAST_H
#define MPRESS_TOOLS_FORECAST_FORECAST_H

#include <stdbool.h>

#include "tools/forecast/score.h"
#include "tools/forecast/series.h"

int forecast_main(int argc, char **argv);

struct forecast_request {
    struct series_list list;
    enum forecast_method method;
    double limit; /* bytes; 0: that of the file, else such that the peak is 97 % of it */
    double thresholds[FORECAST_THRESHOLDS];
    const char *class;  /* of these series only; NULL: of all */
    const char *signal; /* NULL: the file's first */
    bool compare, fit, json;
};

double forecast_limit_of(const struct forecast_request *request, const struct series *series);

/* All thresholds of a rule together. */
void forecast_score(const struct forecast_request *request, unsigned rule, struct score *score);

/* tell.c: what would have been said, and when. compare.c: the methods beside each other. */
void forecast_tell_text(const struct forecast_request *request, const struct series *series);
void forecast_tell_json(const struct forecast_request *request);
/* The value, or a dash where there is none. */
void forecast_print_figure(int width, const char *format, double value);
void forecast_compare_text(const struct forecast_request *request);
void forecast_compare_json(const struct forecast_request *request);

/* fit.c: the numbers of forecast_fitted from one half of the series, and what they do on both. */
void forecast_fit(const struct forecast_request *request);

#endif
