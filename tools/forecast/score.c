/* score.c - see score.h. */
#include "tools/forecast/score.h"

#include <math.h>
#include <stdlib.h>

#include "tools/trace/memory.h"

enum {
    TICKS_BELOW = 30, /* before an event */
    LEAST_LEAD = 5,
    MOST_LEAD = SCORE_LEADS - 1,
    LEVEL_HITS = 3,
    CHANCE_HORIZON = 1, /* 60 ticks */
};
static const double LEVEL_BELOW = 2, NEAR_ENOUGH = 5;
static const uint64_t TICK_NS = 1000000000;

/* One series under one rule, at one threshold. */
struct run {
    const struct series *series;
    double threshold;
    const double *points;
    bool *is_warned;
};

const char *score_name(unsigned rule)
{
    return rule == SCORE_LEVEL ? "level" : forecast_method_names[rule];
}

/* -- the course of a run ---------------------------------------------------------------------- */

static void score_forecast(struct score *score, const struct run *run, size_t tick,
                           const struct forecast_reading *reading)
{
    for (unsigned i = 0; i < FORECAST_HORIZONS; i++) {
        size_t then = tick + forecast_horizons[i];
        if (then >= run->series->count)
            continue;
        double missed = fabs(reading->at[i].points - run->points[then]);
        score->forecasts[i]++;
        score->missed_by[i] += missed;
        score->within[i] += missed <= NEAR_ENOUGH;
    }
}

static bool comes(const struct run *run, size_t tick)
{
    for (size_t i = 1; i <= forecast_horizons[CHANCE_HORIZON]; i++) {
        if (run->points[tick + i] >= run->threshold)
            return true;
    }
    return false;
}

static void score_chance(struct score *score, const struct run *run, size_t tick, double chance)
{
    bool is_known = tick + forecast_horizons[CHANCE_HORIZON] < run->series->count;
    if (!is_known || run->points[tick] >= run->threshold)
        return;
    bool came = comes(run, tick);
    unsigned bin = (unsigned)(chance * SCORE_BINS);
    bin = bin < SCORE_BINS ? bin : SCORE_BINS - 1;
    score->chances++;
    score->squares += (chance - came) * (chance - came);
    score->bin[bin].count++;
    score->bin[bin].came += came;
    score->bin[bin].chance += chance;
}

void score_run(const struct score_course *course, score_visit *visit, void *context)
{
    static struct forecast forecast;
    forecast_init(&forecast, course->method, TICK_NS, course->thresholds);
    if (course->fitted != NULL)
        forecast.fitted = course->fitted;
    for (size_t tick = 0; tick < course->series->count; tick++) {
        struct forecast_reading reading;
        forecast_add(&forecast, (tick + 1) * TICK_NS, (uint64_t)course->series->used[tick],
                     (uint64_t)course->limit);
        if (forecast_read(&forecast, &reading))
            visit(context, tick, &reading);
    }
}

struct method_run {
    struct score *score;
    const struct run *runs; /* of all thresholds */
};

static void score_reading(void *context, size_t tick, const struct forecast_reading *reading)
{
    const struct method_run *method = context;
    score_forecast(method->score, &method->runs[0], tick, reading);
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++) {
        method->runs[i].is_warned[tick] = reading->is_warned[i];
        score_chance(method->score, &method->runs[i], tick, reading->at[CHANCE_HORIZON].chance[i]);
    }
}

static void run_level(const struct run *run)
{
    unsigned hits = 0;
    for (size_t tick = 0; tick < run->series->count; tick++) {
        hits = run->points[tick] >= run->threshold - LEVEL_BELOW ? hits + 1 : 0;
        run->is_warned[tick] = hits >= LEVEL_HITS;
    }
}

/* -- warnings and events ---------------------------------------------------------------------- */

/* The event at or behind `tick`, before `end`; `end`: there is none. */
static size_t next_event(const struct run *run, size_t tick, size_t end)
{
    size_t below = 0;
    for (size_t i = tick; i > 0 && below < TICKS_BELOW && run->points[i - 1] < run->threshold; i--)
        below++;
    for (; tick < end; tick++) {
        if (run->points[tick] < run->threshold)
            below++;
        else if (below >= TICKS_BELOW)
            return tick;
        else
            below = 0;
    }
    return end;
}

static void score_events(struct score *score, const struct run *run)
{
    size_t count = run->series->count;
    for (size_t event = next_event(run, 0, count); event < count;
         event = next_event(run, event + 1, count)) {
        size_t lead = 0;
        while (lead < event && lead < MOST_LEAD && run->is_warned[event - 1 - lead])
            lead++;
        score->events++;
        if (lead >= LEAST_LEAD) {
            score->foreseen++;
            score->leads[lead]++;
        }
    }
}

static bool is_reached(const struct run *run, size_t from, size_t to)
{
    while (from < to && run->points[from] < run->threshold)
        from++;
    return from < to;
}

static void score_warning(struct score *score, const struct run *run, size_t begin)
{
    size_t count = run->series->count;
    size_t end = begin + MOST_LEAD + 1 < count ? begin + MOST_LEAD + 1 : count;
    size_t from = begin > LEAST_LEAD ? begin - LEAST_LEAD : 0;
    size_t event = next_event(run, begin + 1, end);
    if (run->points[begin] >= run->threshold || next_event(run, from, begin) < begin)
        score->late++;
    else if (event < end && event - begin < LEAST_LEAD)
        score->late++;
    else if (event < end)
        score->right++;
    else if (is_reached(run, begin, end))
        score->eventless++;
    else if (begin + MOST_LEAD < count) /* else nobody knows */
        score->wrong++;
}

static void score_warnings(struct score *score, const struct run *run)
{
    for (size_t tick = 1; tick < run->series->count; tick++) {
        if (run->is_warned[tick] && !run->is_warned[tick - 1])
            score_warning(score, run, tick);
    }
}

void score_series(struct score *score, const struct series *series, unsigned rule,
                  const double thresholds[FORECAST_THRESHOLDS], double limit)
{
    double *points = memory_alloc(series->count, sizeof(*points));
    bool *is_warned = memory_alloc(FORECAST_THRESHOLDS * series->count, sizeof(*is_warned));
    struct run runs[FORECAST_THRESHOLDS];
    for (size_t tick = 0; tick < series->count; tick++)
        points[tick] = 100 * series->used[tick] / limit;
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++)
        runs[i] = (struct run){series, thresholds[i], points, is_warned + i * series->count};
    const struct score_course course = {series, (enum forecast_method)rule, score->fitted,
                                        thresholds, limit};
    if (rule != SCORE_LEVEL)
        score_run(&course, score_reading, &(struct method_run){score, runs});
    for (unsigned i = 0; i < FORECAST_THRESHOLDS; i++) {
        if (rule == SCORE_LEVEL)
            run_level(&runs[i]);
        score_events(score, &runs[i]);
        score_warnings(score, &runs[i]);
    }
    score->series++;
    score->ticks += series->count;
    free(points);
    free(is_warned);
}

/* -- the figures ------------------------------------------------------------------------------ */

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

double score_mean_error(const struct score *score, unsigned horizon)
{
    return share(score->missed_by[horizon], (double)score->forecasts[horizon]);
}

double score_within(const struct score *score, unsigned horizon)
{
    return share((double)score->within[horizon], (double)score->forecasts[horizon]);
}

double score_precision(const struct score *score)
{
    return share((double)score->right, (double)(score->right + score->wrong));
}

double score_recall(const struct score *score)
{
    return share((double)score->foreseen, (double)score->events);
}

double score_f1(const struct score *score)
{
    double precision = score_precision(score), recall = score_recall(score);
    return isnan(precision) ? recall > 0 ? NAN : 0
                            : share(2 * precision * recall, precision + recall);
}

double score_false_per_1000(const struct score *score)
{
    return 1000 * share((double)score->wrong, (double)score->ticks * FORECAST_THRESHOLDS);
}

double score_false_strictly_per_1000(const struct score *score)
{
    return 1000 * share((double)(score->wrong + score->eventless),
                        (double)score->ticks * FORECAST_THRESHOLDS);
}

double score_brier(const struct score *score)
{
    return share(score->squares, (double)score->chances);
}

double score_lead(const struct score *score, double quantile)
{
    uint64_t below = 0;
    for (unsigned lead = 0; lead < SCORE_LEADS; lead++) {
        below += score->leads[lead];
        if (score->foreseen > 0 && (double)below >= quantile * (double)score->foreseen)
            return lead;
    }
    return NAN;
}
