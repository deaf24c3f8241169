/* strategies.c - each strategy by runs without, with, without it, at the lowest level that is held
 * without it; then by the breaking point with it and without. */
#include <math.h>
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
        service_lap_settled(experiment, WINDOWS_A_SIDE);
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

/* The runs without any strategy that were done last: they come before those with the next one too,
 * so that of several it is A/B/A/C/A. */
struct without {
    struct side side;
    double level; /* the lowest that was held so; 0: none */
    bool is_tried;
};

static void free_side(struct side *side)
{
    free(side->resident);
    free(side->service);
}

static void find_without(struct experiment *experiment, bool is_own, struct without *without)
{
    struct experiment_lap lap;
    double level = 0;
    without->is_tried = true;
    while (without->level == 0 && (level = find_level(experiment, level)) > 0) {
        free_side(&without->side);
        bool is_held = measure_side(experiment, NULL, is_own, 0, level, &without->side, &lap);
        if (watch_is_over(experiment))
            return;
        without->level = is_held ? level : 0;
    }
}

static void compare(struct experiment_strategy *strategy, const struct side side[3],
                    struct sample_random *random)
{
    struct improvement_side sides[3];
    for (unsigned i = 0; i < 3; i++)
        sides[i] = (struct improvement_side){side[i].resident, side[i].service, side[i].count};
    improvement_read(&sides[0], &sides[1], &sides[2], random, &strategy->improvement);
    strategy->is_measured = true;
}

static void leave_out(struct experiment_strategy *strategy)
{
    strategy->is_left_out = true;
    snprintf(strategy->why, sizeof strategy->why, "no time was left for it");
}

/* With it, and without it again. */
static void measure(struct experiment *experiment, struct experiment_strategy *strategy,
                    struct without *without, struct sample_random *random)
{
    struct side sides[3] = {without->side};
    struct experiment_lap lap;
    bool is_own = strategy->what->settings == NULL, is_held = true;
    unsigned i = 1;
    strategy->level = without->level;
    while (i < 3 && is_held && !watch_is_over(experiment)) {
        uint32_t bit = i == 1 ? 1U << strategy->what->bit : 0;
        is_held = measure_side(experiment, i == 1 ? strategy->what : NULL, is_own, bit,
                               strategy->level, &sides[i], &lap);
        i++;
    }
    if (watch_is_over(experiment))
        leave_out(strategy);
    else if (!is_held)
        snprintf(strategy->why, sizeof strategy->why, "%s %s it: %.60s", curve_end_name(lap.end),
                 i == 2 ? "with" : "without", lap.why);
    else
        compare(strategy, sides, random);
    free_side(&sides[1]);
    free_side(&sides[strategy->is_measured ? 0 : 2]);
    if (strategy->is_measured)
        without->side = sides[2];
}

/* Seconds of one side. */
static double expect_side(const struct experiment *experiment)
{
    return plan_is_finite(experiment->plan)
               ? RUNS_A_SIDE * experiment->schedule.run
               : experiment->schedule.run + WINDOWS_A_SIDE * lap_window_seconds(experiment);
}

static void take(struct experiment *experiment, struct experiment_strategy *strategy,
                 struct without *without, struct sample_random *random)
{
    bool is_own = strategy->what->settings == NULL;
    double seconds = (without->is_tried ? 2 : 3) * expect_side(experiment);
    bool is_fitting = schedule_fits(seconds, experiment->schedule.until);
    if (is_fitting && !without->is_tried)
        find_without(experiment, is_own, without);
    if (!is_fitting || watch_is_over(experiment))
        leave_out(strategy);
    else if (without->level == 0)
        snprintf(strategy->why, sizeof strategy->why, "no level is held without it");
    else
        measure(experiment, strategy, without, random);
}

void strategies_measure(struct experiment *experiment, enum schedule_phase phase)
{
    struct sample_random random = {.state = 2};
    struct without without = {.level = 0};
    watch_enter(experiment, "strategies");
    experiment->steps = experiment->plan->strategies;
    schedule_begin(&experiment->schedule, phase);
    schedule_cut(&experiment->schedule, experiment->schedule.until);
    for (size_t i = 0; i < experiment->plan->strategies && !experiment->is_interrupted; i++) {
        struct experiment_strategy *strategy = &experiment->strategies[i];
        if (strategy->what != NULL && !strategy->is_left_out)
            continue;
        *strategy = (struct experiment_strategy){.what = &experiment->plan->strategy[i]};
        experiment->step = i + 1;
        take(experiment, strategy, &without, &random);
    }
    schedule_cut(&experiment->schedule, INFINITY);
    free_side(&without.side);
}

/* -- shifts ----------------------------------------------------------------------------------- */

/* The breaking point with this strategy or without. A search that was broken off goes on. */
static void find_break(struct experiment *experiment, const struct experiment_strategy *strategy,
                       bool is_with, double until, struct bisect *bisect)
{
    bool is_own = strategy->what->settings == NULL;
    experiment->strategy = is_with ? strategy->what : NULL;
    experiment->pressure.is_strategy_alone = is_own;
    experiment->pressure.strategy = is_with ? 1U << strategy->what->bit : 0;
    if (search_go_on(experiment, bisect, until) && bisect_is_found(bisect))
        search_settle(experiment, bisect, until);
    experiment->strategy = NULL;
    experiment->pressure.is_strategy_alone = false;
}

/* Where other searches ended is asked first. What holds at the level with less than breaks it is to
 * be looked for above it: nothing is known to hold there with the strategy. */
static void begin_search(const struct experiment *experiment,
                         const struct experiment_strategy *strategy, const struct bisect *other,
                         struct bisect *bisect)
{
    bool is_below = strategy->level < other->bad;
    bisect_init(bisect, is_below ? 0 : strategy->level, 0, experiment->peak);
    bisect_hint(bisect, other);
}

/* It may break anywhere between what was found with the strategy and what was found without. (Where
 * needs differ much, single runs hold below what breaks half of them.) */
static void object_to_gap(struct experiment_strategy *strategy)
{
    const struct bisect *without = &strategy->without;
    bool is_held_below = without->is_held_below && !without->is_varying;
    if (!strategy->shift.is_counted || (!is_held_below && strategy->level >= without->bad))
        return;
    strategy->shift.is_counted = false;
    strategy->shift.objection = "it holds with less than breaks it";
}

/* `bare`: the search with none of the library's own, as far as it has come; it goes on until it is
 * over. `parts`: searches that there still are, this one's among them. */
static void find_shift(struct experiment *experiment, struct experiment_strategy *strategy,
                       struct bisect *bare, size_t parts)
{
    bool is_own = strategy->what->settings == NULL;
    strategy->shift.shift = NAN;
    if (is_own && bare->runs == 0)
        begin_search(experiment, strategy, &experiment->bisect, bare);
    if (is_own && bisect_next(bare) > 0)
        find_break(experiment, strategy, false, schedule_part(&experiment->schedule, parts + 1),
                   bare);
    strategy->without = is_own ? *bare : experiment->bisect;
    if (strategy->without.bad > 0 && !experiment->is_interrupted) {
        begin_search(experiment, strategy, &strategy->without, &strategy->with);
        find_break(experiment, strategy, true, schedule_part(&experiment->schedule, parts),
                   &strategy->with);
    }
    improvement_read_shift(&strategy->without, &strategy->with, strategy->improvement.overhead,
                           &strategy->shift);
    object_to_gap(strategy);
}

/* Each has its part of the time, and so has the search without any. */
void strategies_find_shifts(struct experiment *experiment)
{
    struct bisect bare = {0}; /* with none of the library's own */
    size_t left = 0, open = 0;
    for (size_t i = 0; i < experiment->plan->strategies; i++)
        left += experiment->strategies[i].is_measured;
    if (experiment->bisect.bad == 0 || left == 0)
        return;
    schedule_begin(&experiment->schedule, SCHEDULE_SHIFTS);
    watch_enter(experiment, "shifts");
    for (size_t i = 0; i < experiment->plan->strategies && !experiment->is_interrupted; i++) {
        struct experiment_strategy *strategy = &experiment->strategies[i];
        if (!strategy->is_measured)
            continue;
        find_shift(experiment, strategy, &bare, left--);
        open += strategy->shift.is_open;
    }
    if (open > 0)
        schedule_note(&experiment->schedule,
                      "with %zu of %zu strategies no breaking point was found", open,
                      experiment->plan->strategies);
}
