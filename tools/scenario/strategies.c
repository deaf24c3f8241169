/* strategies.c - each strategy by runs without, with, without it, at the lowest level that is held
 * without it; then by the breaking point with it and without. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/scenario/experiment.h"

enum { RUNS_A_SIDE = 3, WINDOWS_A_SIDE = 5 };

struct side {
    double *resident;
    double *service;
    size_t count;
};

/* The lowest level that was held above this one; 0: there is none. */
static double find_level(const struct experiment *experiment, double above)
{
    double lowest = 0;
    for (size_t i = 0; i < experiment->levels; i++) {
        const struct experiment_lap *level = &experiment->level[i];
        if (level->end == CURVE_HELD && level->budget > above &&
            (lowest == 0 || level->budget < lowest))
            lowest = level->budget;
    }
    return lowest;
}

/* One of the library's own is measured against none of them. */
static bool measure_side(struct experiment *experiment, const struct plan_strategy *strategy,
                         bool is_own, uint32_t own, double level, struct side *side,
                         struct experiment_lap *lap)
{
    experiment->strategy = strategy;
    experiment->pressure.is_strategy_alone = is_own;
    experiment->pressure.strategy = own;
    lap_begin(experiment, lap, level);
    if (plan_is_finite(experiment->plan))
        finite_lap(experiment, RUNS_A_SIDE, 0);
    else if (service_start(experiment))
        service_lap(experiment, WINDOWS_A_SIDE, experiment->settled + 1);
    watch_stop(experiment);
    experiment->strategy = NULL;
    experiment->pressure.is_strategy_alone = false;
    size_t skipped = !plan_is_finite(experiment->plan) && lap->windows > WINDOWS_A_SIDE
                         ? lap->windows - WINDOWS_A_SIDE
                         : 0; /* until it has worked into its memory */
    struct experiment_lap part = *lap;
    part.first += skipped;
    part.windows -= skipped;
    side->resident = lap_copy_residents(experiment, &part);
    side->service = lap_copy_services(experiment, &part);
    side->count = part.windows;
    return lap->end == CURVE_HELD;
}

/* Without the strategy first: the lowest level at which the program holds so. */
static bool measure_without(struct experiment *experiment, struct experiment_strategy *strategy,
                            struct side *side, struct experiment_lap *lap)
{
    bool is_held = false, is_own = strategy->what->settings == NULL;
    double level = 0;
    while (!is_held && !experiment->is_interrupted && (level = find_level(experiment, level)) > 0) {
        free(side->resident);
        free(side->service);
        strategy->level = level;
        is_held = measure_side(experiment, NULL, is_own, 0, level, side, lap);
    }
    return is_held;
}

static void measure(struct experiment *experiment, struct experiment_strategy *strategy,
                    struct sample_random *random)
{
    struct side sides[3] = {{0}};
    struct experiment_lap lap = {0};
    bool is_own = strategy->what->settings == NULL;
    uint32_t bit = 1U << strategy->what->bit;
    bool is_held = measure_without(experiment, strategy, &sides[0], &lap);
    if (!is_held)
        snprintf(strategy->why, sizeof strategy->why, "no level is held without it");
    for (unsigned i = 1; i < 3 && is_held && !experiment->is_interrupted; i++) {
        is_held = measure_side(experiment, i == 1 ? strategy->what : NULL, is_own, i == 1 ? bit : 0,
                               strategy->level, &sides[i], &lap);
        if (!is_held)
            snprintf(strategy->why, sizeof strategy->why, "%s %s it: %.60s",
                     curve_end_name(lap.end), i == 1 ? "with" : "without", lap.why);
    }
    strategy->is_measured = is_held && !experiment->is_interrupted;
    if (strategy->is_measured) {
        struct improvement_side side[3];
        for (unsigned i = 0; i < 3; i++)
            side[i] =
                (struct improvement_side){sides[i].resident, sides[i].service, sides[i].count};
        improvement_read(&side[0], &side[1], &side[2], random, &strategy->improvement);
    }
    for (unsigned i = 0; i < 3; i++) {
        free(sides[i].resident);
        free(sides[i].service);
    }
}

void strategies_measure(struct experiment *experiment)
{
    struct sample_random random = {.state = 2};
    experiment->phase = "strategy";
    experiment->steps = experiment->plan->strategies;
    for (size_t i = 0; i < experiment->plan->strategies && !experiment->is_interrupted; i++) {
        struct experiment_strategy *strategy = &experiment->strategies[i];
        *strategy = (struct experiment_strategy){.what = &experiment->plan->strategy[i]};
        experiment->step = i + 1;
        measure(experiment, strategy, &random);
    }
}

/* -- shifts ----------------------------------------------------------------------------------- */

/* Seconds, altogether. */
#define SHIFTS_LONGEST 90.0
#define SHIFTS_LEAST 10.0

/* The breaking point with this strategy (NULL: without), from what is known of another search. */
static void find_break(struct experiment *experiment, const struct experiment_strategy *strategy,
                       bool is_with, const struct bisect *other, double until,
                       struct bisect *bisect)
{
    bool is_own = strategy->what->settings == NULL;
    bisect_init(bisect, strategy->level, 0, experiment->peak);
    bisect_hint(bisect, other);
    experiment->strategy = is_with ? strategy->what : NULL;
    experiment->pressure.is_strategy_alone = is_own;
    experiment->pressure.strategy = is_with ? 1U << strategy->what->bit : 0;
    if (search_go_on(experiment, bisect, until) && bisect->is_varying && bisect_is_found(bisect))
        search_settle(experiment, bisect, until);
    experiment->strategy = NULL;
    experiment->pressure.is_strategy_alone = false;
}

static void find_shift(struct experiment *experiment, struct experiment_strategy *strategy,
                       const struct bisect *bare, double until)
{
    bool is_own = strategy->what->settings == NULL;
    strategy->without = is_own && bare->runs > 0 ? *bare : experiment->bisect;
    if (is_own && bare->runs == 0)
        find_break(experiment, strategy, false, &experiment->bisect, until, &strategy->without);
    if (strategy->without.bad == 0 || experiment->is_interrupted)
        return; /* nothing breaks it */
    find_break(experiment, strategy, true, &strategy->without, until, &strategy->with);
    improvement_read_shift(&strategy->without, &strategy->with, strategy->improvement.overhead,
                           &strategy->shift);
}

void strategies_find_shifts(struct experiment *experiment)
{
    struct bisect bare = {0}; /* with none of the library's own */
    double until = search_until(experiment, SHIFTS_LEAST, SHIFTS_LONGEST);
    experiment->phase = "strategy's breaking point, probe";
    for (size_t i = 0; i < experiment->plan->strategies && !experiment->is_interrupted; i++) {
        struct experiment_strategy *strategy = &experiment->strategies[i];
        if (!strategy->is_measured || experiment->bisect.bad == 0)
            continue;
        find_shift(experiment, strategy, &bare, until);
        if (strategy->what->settings == NULL)
            bare = strategy->without;
    }
}
