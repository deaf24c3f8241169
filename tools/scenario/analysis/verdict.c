/* verdict.c - see verdict.h. How sure an answer is: the experiment is redrawn from its own windows
 * a few hundred times (bootstrap), read again, and the answers are counted. */
#include "tools/scenario/analysis/verdict.h"

#include <math.h>
#include <stdlib.h>

#include "tools/trace/memory.h"

enum { ROUNDS = 400 };

/* Which way a bound points. */
static const struct {
    const char *name;
    bool is_most;  /* the value may be at most the bound; else at least */
    bool is_drawn; /* out of the curve, so redrawn with it */
    bool is_main;  /* nothing passes without it, but where it is not asked for */
} rows[VERDICT_ROWS] = {
    [VERDICT_DEGRADATION] = {"degradation", true, true, true},
    [VERDICT_GRACEFUL] = {"graceful", false, true, true},
    [VERDICT_STABILITY] = {"stability", false, true, true},
    [VERDICT_RECOVERY] = {"recovery", true, true, false},
    [VERDICT_EFFICIENCY] = {"efficiency", false, false, false},
    [VERDICT_IMPROVEMENT] = {"improvement", false, false, false},
    [VERDICT_BREAKING_POINT] = {"breaking_point", true, false, false},
};

const struct verdict_bounds verdict_seed = {.at = {
                                                [VERDICT_DEGRADATION] = 10,
                                                [VERDICT_GRACEFUL] = 1,
                                                [VERDICT_STABILITY] = 0.6,
                                                [VERDICT_RECOVERY] = NAN,
                                                [VERDICT_EFFICIENCY] = 0.5,
                                                [VERDICT_IMPROVEMENT] = 0.2,
                                                [VERDICT_BREAKING_POINT] = NAN,
                                            }};

const char *verdict_row_name(enum verdict_row row)
{
    return rows[row].name;
}

static double find_value(const struct curve_figures *figures, const struct verdict_extras *extras,
                         enum verdict_row row)
{
    switch (row) {
    case VERDICT_DEGRADATION:
        return figures->degradation;
    case VERDICT_GRACEFUL: /* it may still be that it does not recover */
        return figures->is_graceful && isnan(figures->recovery) ? NAN : figures->is_graceful;
    case VERDICT_STABILITY:
        return figures->stability;
    case VERDICT_RECOVERY:
        return figures->recovery;
    case VERDICT_EFFICIENCY:
        return extras->efficiency;
    case VERDICT_IMPROVEMENT:
        return extras->improvement;
    default:
        return extras->breaking_point;
    }
}

static bool is_met(enum verdict_row row, double value, double bound)
{
    return rows[row].is_most ? value <= bound : value >= bound;
}

static struct sample_interval find_interval(const struct verdict_extras *extras,
                                            enum verdict_row row, double value)
{
    struct sample_interval interval = {value, value};
    if (row == VERDICT_IMPROVEMENT)
        interval = extras->improvement_interval;
    if (row == VERDICT_BREAKING_POINT)
        interval = extras->breaking_interval;
    return interval;
}

static void judge(const struct verdict_extras *extras, const struct verdict_bounds *bounds,
                  enum verdict_row row, struct verdict *verdict)
{
    struct verdict_criterion *criterion = &verdict->row[row];
    double value = find_value(&verdict->figures, extras, row);
    *criterion = (struct verdict_criterion){
        .is_asked = !isnan(bounds->at[row]),
        .is_needed = !isnan(bounds->at[row]) && (bounds->is_demanded[row] || rows[row].is_main),
        .is_known = !isnan(value),
        .value = value,
        .interval = find_interval(extras, row, value),
        .confidence = row == VERDICT_BREAKING_POINT ? extras->breaking_confidence : NAN,
    };
    criterion->is_met =
        criterion->is_asked && criterion->is_known && is_met(row, value, bounds->at[row]);
}

/* `drawn`: ROUNDS values of each row. */
static void draw_rows(const struct curve *curve, const struct verdict_extras *extras,
                      double (*drawn)[ROUNDS])
{
    struct sample_random random = {.state = 1};
    struct curve_draw draw;
    struct curve_figures figures;
    curve_draw_init(&draw, curve);
    for (size_t round = 0; round < ROUNDS; round++) {
        curve_draw_again(&draw, curve, &random);
        curve_read(&draw.curve, &figures);
        for (unsigned row = 0; row < VERDICT_ROWS; row++)
            drawn[row][round] = find_value(&figures, extras, row);
    }
    curve_draw_fini(&draw);
}

static void add_confidence(const struct verdict_bounds *bounds, enum verdict_row row,
                           const double *drawn, struct verdict_criterion *criterion)
{
    size_t same = 0;
    for (size_t round = 0; round < ROUNDS; round++)
        same += is_met(row, drawn[round], bounds->at[row]) == criterion->is_met;
    criterion->interval = sample_interval(drawn, ROUNDS);
    if (criterion->is_asked)
        criterion->confidence = (double)same / ROUNDS;
}

static void add_up(const struct verdict_criterion *criterion, struct verdict *verdict)
{
    if (!criterion->is_asked)
        return;
    verdict->asked++;
    verdict->measured += criterion->is_known;
    verdict->is_failed |= criterion->is_known && !criterion->is_met;
    verdict->is_whole &= criterion->is_known || !criterion->is_needed;
}

void verdict_judge(const struct curve *curve, const struct verdict_extras *extras,
                   const struct verdict_bounds *bounds, struct verdict *verdict)
{
    curve_read(curve, &verdict->figures);
    verdict->is_possible = verdict->figures.noise <= CURVE_NOISE_MOST && curve->baselines >= 3;
    verdict->asked = verdict->measured = 0;
    verdict->is_failed = false;
    verdict->is_whole = true;
    for (unsigned row = 0; row < VERDICT_ROWS; row++) {
        judge(extras, bounds, row, verdict);
        add_up(&verdict->row[row], verdict);
    }
    verdict->is_limited = !extras->is_unlimited;
    verdict->is_passed = verdict->is_possible && verdict->is_limited && verdict->is_whole &&
                         !verdict->is_failed && verdict->asked > 0;
}

void verdict_reach(const struct curve *curve, const struct verdict_extras *extras,
                   const struct verdict_bounds *bounds, struct verdict *verdict)
{
    double(*drawn)[ROUNDS] = memory_alloc(VERDICT_ROWS, sizeof(*drawn));
    verdict_judge(curve, extras, bounds, verdict);
    draw_rows(curve, extras, drawn);
    for (unsigned row = 0; row < VERDICT_ROWS; row++) {
        struct verdict_criterion *criterion = &verdict->row[row];
        if (rows[row].is_drawn && criterion->is_known)
            add_confidence(bounds, row, drawn[row], criterion);
    }
    free(drawn);
}
