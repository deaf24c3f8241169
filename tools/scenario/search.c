/* search.c - the breaking point by probes with fresh runs (analysis/bisect.h), and whether it is
 * the same in all (analysis/walk.h). */
#include <math.h>
#include <stdlib.h>

#include "tools/scenario/analysis/above.h"
#include "tools/scenario/analysis/walk.h"
#include "tools/scenario/experiment.h"

enum { PROBE_WINDOWS = 3 };
#define WIDEST 0.04 /* bracket, of what is in its middle */

/* What the levels tell already: nearest good above the largest bad. */
static void find_bracket(const struct experiment *experiment, double *good, double *bad)
{
    *good = *bad = 0;
    for (size_t i = 0; i < experiment->levels; i++) {
        const struct experiment_lap *level = &experiment->level[i];
        if (level->end != CURVE_HELD)
            *bad = fmax(*bad, level->budget);
    }
    for (size_t i = 0; i < experiment->levels; i++) {
        const struct experiment_lap *level = &experiment->level[i];
        if (level->end == CURVE_HELD && !level->is_unlimited && level->budget > *bad &&
            (*good == 0 || level->budget < *good))
            *good = level->budget;
    }
    if (experiment->plan->is_ramp && *bad > 0)
        *good = 0; /* what is passed by is not held yet */
}

static size_t list_broken(const struct experiment *experiment, double broken[EXPERIMENT_LEVELS])
{
    size_t count = 0;
    for (size_t i = 0; i < experiment->levels && count < EXPERIMENT_LEVELS; i++) {
        if (experiment->level[i].end != CURVE_HELD)
            broken[count++] = experiment->level[i].budget;
    }
    return count;
}

static size_t list_held(const struct experiment *experiment, double held[EXPERIMENT_LEVELS])
{
    size_t count = 0;
    for (size_t i = 0; i < experiment->levels && count < EXPERIMENT_LEVELS; i++) {
        if (experiment->level[i].end == CURVE_HELD && !experiment->level[i].is_unlimited)
            held[count++] = experiment->level[i].budget;
    }
    return count;
}

struct probed {
    enum curve_end end;
    bool is_unlimited;
};

static struct probed probe(struct experiment *experiment, double budget)
{
    struct experiment_lap lap;
    double began = process_now();
    lap_begin(experiment, &lap, budget);
    experiment->is_probe = true;
    if (plan_is_finite(experiment->plan))
        finite_lap(experiment, 1, 0);
    else if (service_start(experiment))
        service_lap_settled(experiment, PROBE_WINDOWS);
    watch_stop(experiment);
    experiment->is_probe = false;
    schedule_add_run(&experiment->schedule, process_now() - began);
    return (struct probed){lap.end, lap.is_unlimited};
}

/* A wider bracket is confirmed better than a narrow one that nobody has confirmed. */
static void widen(const struct schedule *schedule, struct bisect *bisect, double until)
{
    double left = until - process_now(), middle = (bisect->good + bisect->bad) / 2;
    while (bisect->good > 0 && bisect->bad > 0 && 2 * bisect->tolerance <= WIDEST * middle &&
           (bisect_runs_left(bisect) + WALK_CHECKS) * schedule->run > left)
        bisect->tolerance *= 2;
}

bool search_go_on(struct experiment *experiment, struct bisect *bisect, double until)
{
    const struct schedule *schedule = &experiment->schedule;
    double budget = 1;
    schedule_cut(&experiment->schedule, until);
    while (!watch_is_over(experiment)) {
        widen(schedule, bisect, until);
        budget = bisect_next(bisect);
        if (budget == 0 || !schedule_fits(schedule->run, until))
            break;
        experiment->step = bisect->probes + 1;
        experiment->steps = experiment->step > 10 ? experiment->step : 10;
        struct probed probed = probe(experiment, budget);
        experiment->is_unlimited = probed.is_unlimited && bisect->bad == 0;
        if (experiment->is_unlimited)
            break;
        if (!watch_is_over(experiment))
            bisect_tell(bisect, probed.end);
    }
    schedule_cut(&experiment->schedule, INFINITY);
    bisect_conclude(bisect);
    return budget == 0;
}

bool search_settle(struct experiment *experiment, struct bisect *bisect, double until)
{
    struct walk walk;
    double budget;
    const char *phase = experiment->phase;
    walk_init(&walk, bisect);
    experiment->phase = "confirmation";
    schedule_cut(&experiment->schedule, until);
    while ((budget = walk_next(&walk)) > 0 && schedule_fits(experiment->schedule.run, until)) {
        experiment->step = bisect->runs + 1;
        experiment->steps = experiment->step;
        bool is_held = probe(experiment, budget).end == CURVE_HELD;
        if (watch_is_over(experiment))
            break;
        walk_tell(&walk, is_held);
    }
    schedule_cut(&experiment->schedule, INFINITY);
    experiment->phase = phase;
    return walk_finish(&walk);
}

/* True: something above what was found breaks it too, and the search is to go on there. */
static bool look_above(struct experiment *experiment, struct bisect *bisect, double until)
{
    static double held[EXPERIMENT_LEVELS];
    struct above above;
    double budget;
    bool has_moved = false;
    above_init(&above, bisect, experiment->peak, held, list_held(experiment, held));
    watch_enter(experiment, "above it");
    experiment->steps = above.count;
    schedule_cut(&experiment->schedule, until);
    while (!has_moved && (budget = above_next(&above)) > 0 &&
           schedule_fits(experiment->schedule.run, until)) {
        experiment->step = above.tried + 1;
        enum curve_end end = probe(experiment, budget).end;
        if (watch_is_over(experiment))
            break;
        has_moved = above_tell(&above, end);
    }
    schedule_cut(&experiment->schedule, INFINITY);
    if (!has_moved && above.tried < above.count)
        schedule_note(&experiment->schedule,
                      "%zu of %zu budgets above the breaking point were not tried",
                      above.count - above.tried, above.count);
    return has_moved;
}

/* With a third of the time at most for what is above: the rest is to confirm. */
static bool search(struct experiment *experiment, struct bisect *bisect, double until)
{
    const double share = 1.0 / 3;
    bool is_done, has_moved;
    do {
        watch_enter(experiment, "breaking point");
        is_done = search_go_on(experiment, bisect, until);
        double now = process_now();
        has_moved = is_done && bisect_is_found(bisect) && !experiment->is_interrupted &&
                    look_above(experiment, bisect, now + share * (until - now));
    } while (has_moved);
    bisect_conclude(bisect);
    return is_done;
}

static void note_search(struct experiment *experiment, double tolerance)
{
    const struct bisect *bisect = &experiment->bisect;
    if (bisect->tolerance > tolerance)
        schedule_note(&experiment->schedule, "the breaking point was bracketed to %.1f %%",
                      100 * bisect->tolerance / bisect_get_result(bisect));
    if (experiment->is_out_of_time)
        schedule_note(&experiment->schedule, "the search for the breaking point was broken off");
    else if (bisect_is_found(bisect) && !experiment->is_confirmed)
        schedule_note(&experiment->schedule, "fewer runs than wanted confirm the breaking point");
}

/* That need time behind this. */
static bool has_strategies(const struct experiment *experiment)
{
    for (size_t i = 0; i < experiment->plan->strategies; i++) {
        if (experiment->strategies[i].is_measured)
            return true;
    }
    return false;
}

void search_breaking_point(struct experiment *experiment)
{
    struct bisect *bisect = &experiment->bisect;
    double good, bad, held[EXPERIMENT_LEVELS], broken[EXPERIMENT_LEVELS];
    find_bracket(experiment, &good, &bad);
    bisect_init(bisect, good, bad, experiment->peak);
    bisect_note_held(bisect, held, list_held(experiment, held));
    bisect_note_broken(bisect, broken, list_broken(experiment, broken));
    for (size_t i = 0; i < experiment->levels && bad > 0; i++) {
        if (experiment->level[i].budget == bad)
            bisect->kind = experiment->level[i].end;
    }
    double tolerance = bisect->tolerance;
    schedule_begin(&experiment->schedule, SCHEDULE_SEARCH);
    double until = has_strategies(experiment) ? experiment->schedule.until
                                              : schedule_end(&experiment->schedule);
    bool is_done = search(experiment, bisect, until);
    experiment->has_searched = !experiment->is_unlimited;
    if (experiment->is_unlimited)
        return;
    experiment->is_out_of_time = !is_done && !experiment->is_interrupted;
    if (is_done && bisect_is_found(bisect) && !experiment->is_interrupted)
        experiment->is_confirmed = search_settle(experiment, bisect, until);
    note_search(experiment, tolerance);
}
