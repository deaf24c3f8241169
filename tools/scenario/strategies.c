/* strategies.c - each strategy by runs without, with, without it, at the lowest level that was
 * held. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/scenario/experiment.h"

enum { RUNS_A_SIDE = 3, WINDOWS_A_SIDE = 5 };

struct side {
    double *resident;
    double *service;
    size_t count;
};

/* The lowest level held, and one step of head-room above it. */
static double find_level(const struct experiment *experiment)
{
    double lowest = 0;
    for (size_t i = 0; i < experiment->levels; i++) {
        const struct experiment_lap *level = &experiment->level[i];
        if (level->end == CURVE_HELD && (lowest == 0 || level->budget < lowest))
            lowest = level->budget;
    }
    return lowest == 0 ? 0 : lowest + CURVE_STEP * experiment->peak;
}

static bool measure_side(struct experiment *experiment, const struct plan_strategy *strategy,
                         double level, struct side *side, struct experiment_lap *lap)
{
    experiment->strategy = strategy;
    lap_begin(experiment, lap, level);
    if (plan_is_finite(experiment->plan))
        finite_lap(experiment, RUNS_A_SIDE, 0);
    else if (service_start(experiment))
        service_lap(experiment, WINDOWS_A_SIDE, experiment->settled + 1);
    watch_stop(experiment);
    experiment->strategy = NULL;
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

static void measure(struct experiment *experiment, struct experiment_strategy *strategy,
                    struct sample_random *random)
{
    struct side sides[3] = {{0}};
    struct experiment_lap lap = {0};
    bool is_held = true;
    for (unsigned i = 0; i < 3 && is_held && !experiment->is_interrupted; i++) {
        const struct plan_strategy *on = i == 1 ? strategy->what : NULL;
        is_held = measure_side(experiment, on, strategy->level, &sides[i], &lap);
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
    double level = find_level(experiment);
    experiment->phase = "strategy";
    experiment->steps = experiment->plan->strategies;
    for (size_t i = 0; i < experiment->plan->strategies && !experiment->is_interrupted; i++) {
        struct experiment_strategy *strategy = &experiment->strategies[i];
        *strategy =
            (struct experiment_strategy){.what = &experiment->plan->strategy[i], .level = level};
        experiment->step = i + 1;
        if (level == 0)
            snprintf(strategy->why, sizeof strategy->why, "no level was held");
        else
            measure(experiment, strategy, &random);
    }
}
