/* search.c - the breaking point by probes with fresh runs (analysis/bisect.h), and whether it is
 * the same in all (analysis/walk.h). */
#include <math.h>
#include <stdlib.h>

#include "tools/scenario/analysis/walk.h"
#include "tools/scenario/experiment.h"

enum { PROBE_WINDOWS = 3 };
#define SEARCH_LONGEST 150.0 /* seconds; it is said when they are over */
#define SEARCH_LEAST 40.0
#define EXPERIMENT_SECONDS 285.0

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
        if (level->end == CURVE_HELD && level->budget > *bad &&
            (*good == 0 || level->budget < *good))
            *good = level->budget;
    }
    if (experiment->plan->is_ramp && *bad > 0)
        *good = 0; /* what is passed by is not held yet */
}

static enum curve_end probe(struct experiment *experiment, double budget)
{
    struct experiment_lap lap;
    lap_begin(experiment, &lap, budget);
    if (plan_is_finite(experiment->plan))
        finite_lap(experiment, 1, 0);
    else if (service_start(experiment))
        service_lap(experiment, PROBE_WINDOWS, experiment->settled + 1);
    watch_stop(experiment);
    return lap.end;
}

double search_until(const struct experiment *experiment, double least, double longest)
{
    double left = EXPERIMENT_SECONDS - watch_time(experiment);
    return process_now() + fmax(least, fmin(longest, left));
}

bool search_go_on(struct experiment *experiment, struct bisect *bisect, double until)
{
    double budget;
    while ((budget = bisect_next(bisect)) > 0) {
        if (process_now() > until)
            return false;
        experiment->step = bisect->probes + 1;
        experiment->steps = experiment->step > 10 ? experiment->step : 10;
        enum curve_end end = probe(experiment, budget);
        if (experiment->is_interrupted)
            return false;
        bisect_tell(bisect, end);
    }
    return true;
}

bool search_settle(struct experiment *experiment, struct bisect *bisect, double until)
{
    struct walk walk;
    double budget;
    const char *phase = experiment->phase;
    walk_init(&walk, bisect);
    experiment->phase = "breaking point, run";
    while ((budget = walk_next(&walk)) > 0 && process_now() < until) {
        experiment->step = bisect->runs + walk.runs + 1;
        experiment->steps = experiment->step;
        enum curve_end end = probe(experiment, budget);
        if (experiment->is_interrupted)
            break;
        walk_tell(&walk, end == CURVE_HELD);
    }
    experiment->phase = phase;
    return walk_finish(&walk, bisect);
}

void search_breaking_point(struct experiment *experiment)
{
    struct bisect *bisect = &experiment->bisect;
    double good, bad;
    find_bracket(experiment, &good, &bad);
    bisect_init(bisect, good, bad, experiment->peak);
    for (size_t i = 0; i < experiment->levels && bad > 0; i++) {
        if (experiment->level[i].budget == bad)
            bisect->kind = experiment->level[i].end;
    }
    experiment->phase = "breaking point, probe";
    experiment->has_searched = true;
    double until = search_until(experiment, SEARCH_LEAST, SEARCH_LONGEST);
    bool is_over = search_go_on(experiment, bisect, until);
    experiment->is_out_of_time = !is_over && !experiment->is_interrupted;
    if (is_over && bisect_is_found(bisect))
        experiment->is_confirmed = search_settle(experiment, bisect, until);
}
