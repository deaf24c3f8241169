/* score.h - how good the forecasts of a method are, on series of which the rest is known.
 *
 * An event is the first tick at or above the threshold after at least 30 below. A warning is an
 * episode of ticks with a warning; it was right when an event follows within 120 ticks of its
 * beginning, late when it began at the event or up to 4 ticks before (or while the level was there
 * already). Where the level gets there within 120 ticks, but that is no event as it was not below
 * for long (the series had just begun), it is neither; strictly, it was false. Else it was false.
 * An event was foreseen when a warning stood 5 ticks before it; its lead is how long it had stood
 * by then, 120 at most.
 */
#ifndef MPRESS_TOOLS_FORECAST_SCORE_H
#define MPRESS_TOOLS_FORECAST_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/pressure/forecast.h"
#include "tools/forecast/series.h"

enum { SCORE_LEVEL = FORECAST_METHODS, SCORE_RULES, SCORE_BINS = 10, SCORE_LEADS = 121 };

struct score {
    const struct forecast_fitted *fitted; /* by the caller; NULL: the library's */
    size_t series, ticks;
    /* Of the expected value. */
    uint64_t forecasts[FORECAST_HORIZONS];
    double missed_by[FORECAST_HORIZONS]; /* sum, points */
    uint64_t within[FORECAST_HORIZONS];  /* of these, within 5 points */
    /* Of warnings. */
    uint64_t events, foreseen;
    uint64_t right, wrong, late;
    uint64_t eventless;          /* the level got there, but there was no event */
    uint64_t leads[SCORE_LEADS]; /* so many events had that lead */
    /* Of the chance to reach the threshold within 60 ticks, from below it. */
    uint64_t chances;
    double squares; /* sum of (chance - what came)^2 */
    struct {
        uint64_t count, came;
        double chance; /* sum */
    } bin[SCORE_BINS];
};

/* Runs method `rule`, or SCORE_LEVEL (a warning from 2 points below the threshold on, after three
 * ticks), over the series with that limit and adds what it did at all thresholds. */
void score_series(struct score *score, const struct series *series, unsigned rule,
                  const double thresholds[FORECAST_THRESHOLDS], double limit);

const char *score_name(unsigned rule);

/* What is read of the forecaster at each tick of a series. */
struct score_course {
    const struct series *series;
    enum forecast_method method;
    const struct forecast_fitted *fitted; /* NULL: the library's */
    const double *thresholds;
    double limit;
};
typedef void score_visit(void *context, size_t tick, const struct forecast_reading *reading);
void score_run(const struct score_course *course, score_visit *visit, void *context);

/* NaN: nothing to tell. */
double score_mean_error(const struct score *score, unsigned horizon);
double score_within(const struct score *score, unsigned horizon);
double score_precision(const struct score *score);
double score_recall(const struct score *score);
double score_f1(const struct score *score);
double score_false_per_1000(const struct score *score);
double score_false_strictly_per_1000(const struct score *score);
double score_brier(const struct score *score);
double score_lead(const struct score *score, double quantile); /* ticks */

#endif
