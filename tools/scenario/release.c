/* release.c - without pressure again: how long until the program is as before? (experiment.h) */
#include <math.h>
#include <stdlib.h>

#include "tools/scenario/experiment.h"

#define RELEASE_SECONDS 3.2 /* that a recovery lasts is seen in, and a window more */

static bool is_recovered(const struct experiment *experiment)
{
    struct curve curve;
    struct curve_figures figures;
    experiment_make_curve(experiment, &curve);
    curve_read(&curve, &figures);
    experiment_free_curve(&curve);
    return figures.is_recovering;
}

/* Runs or windows without pressure until `until` (process_now()), or until they are as before. */
static void watch_recovery(struct experiment *experiment, struct experiment_lap *lap, double until)
{
    experiment->is_recovery_cut = false;
    lap_begin(experiment, lap, 0);
    lap_go_on(experiment, 3, RELEASE_SECONDS);
    while (lap->end == CURVE_HELD && !experiment->is_interrupted && process_now() < until &&
           !is_recovered(experiment)) {
        lap_resume(experiment, lap);
        lap_go_on(experiment, 1, 0);
    }
    double waited = experiment->release.lasted + experiment->release_again.lasted;
    experiment->is_recovery_cut = lap->end == CURVE_HELD &&
                                  waited < experiment->plan->recovery + RELEASE_SECONDS &&
                                  !is_recovered(experiment);
    double *held = lap_copy_held(experiment, lap);
    size_t last = lap->windows < 5 ? lap->windows : 5;
    experiment->rss_after = sample_median(held + lap->windows - last, last);
    free(held);
}

/* Seconds in which a recovery is seen to last, at best: three parts of a second, to the end of a
 * window each. */
static double expect_recovery(const struct experiment *experiment)
{
    return RELEASE_SECONDS + 3 * lap_window_seconds(experiment);
}

/* A service is watched as long as there is time before what needs fresh ones: it does not come
 * back. */
static double find_release_end(const struct experiment *experiment)
{
    const struct plan *plan = experiment->plan;
    const struct schedule *schedule = &experiment->schedule;
    double longest = plan->recovery + RELEASE_SECONDS, end = schedule_end(schedule);
    bool is_last = !plan->is_searching && plan->strategies == 0;
    double until = is_last ? end : schedule->until;
    if (!is_last && plan_is_finite(plan))
        until = fmin(until, process_now() + schedule_limit(schedule, SCHEDULE_RELEASE, longest));
    until = fmax(until, process_now() + expect_recovery(experiment));
    return fmin(fmin(until, end), process_now() + longest);
}

void release_watch(struct experiment *experiment)
{
    bool is_finite = plan_is_finite(experiment->plan);
    if (experiment->plan->recovery == 0 || (!is_finite && experiment->target.pid <= 0))
        return; /* it is not asked for; or it is gone: there is nothing to recover */
    watch_enter(experiment, "release");
    experiment->step = experiment->steps = 1;
    schedule_begin(&experiment->schedule, SCHEDULE_RELEASE);
    experiment->schedule.until = find_release_end(experiment);
    watch_recovery(experiment, &experiment->release, experiment->schedule.until);
}

/* A recovery that was not seen yet is waited for when the search is done, before what no verdict
 * needs; then the time is told that there was for it. */
void release_watch_again(struct experiment *experiment)
{
    const struct plan *plan = experiment->plan;
    if (!experiment->is_recovery_cut)
        return;
    schedule_begin(&experiment->schedule, SCHEDULE_RELEASE_AGAIN);
    double needed = expect_recovery(experiment), end = schedule_end(&experiment->schedule);
    double until = fmax(experiment->schedule.until, process_now() + needed);
    double waited = experiment->release.lasted;
    if (plan_is_finite(plan) && until <= end) {
        watch_enter(experiment, "release");
        experiment->step = experiment->steps = 1;
        experiment->schedule.until = until;
        double longest = plan->recovery + RELEASE_SECONDS - waited;
        watch_recovery(experiment, &experiment->release_again,
                       fmin(process_now() + longest, until));
        waited += experiment->release_again.lasted;
    }
    if (experiment->is_recovery_cut)
        schedule_note(&experiment->schedule, "recovery was waited for %.3g s instead of %.3g s",
                      fmax(0, waited - RELEASE_SECONDS), plan->recovery);
}
