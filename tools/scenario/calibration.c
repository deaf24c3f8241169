/* calibration.c - see experiment.h. What the program does without pressure. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tools/scenario/experiment.h"

enum {
    RUNS_LEAST = 5, /* of a finite program */
    WINDOWS_LEAST = 10,
};
#define RUNS_SECONDS 0.5 /* of a program that is soon over, at least */
#define SECONDS 5.0
#define SECONDS_LONGEST 20.0
#define CALM 0.05   /* a baseline that spreads no more needs no further runs */
#define GROWTH 1.02 /* of resident memory over half of the baseline */

static bool fail(struct experiment *experiment, const char *what, const char *why)
{
    const struct plan *plan = experiment->plan;
    snprintf(experiment->why, sizeof experiment->why, "%s: %s%s%s",
             plan->trace != NULL ? plan->trace : plan->arguments[0], what, *why == '\0' ? "" : ": ",
             why);
    return false;
}

static double find_spread(const struct experiment *experiment, const struct experiment_lap *lap)
{
    double *service = lap_copy_services(experiment, lap);
    double spread = sample_spread(service, lap->windows);
    free(service);
    return spread;
}

/* A service that still takes memory has no peak yet. */
static bool is_growing(const struct experiment *experiment)
{
    const struct experiment_lap *lap = &experiment->calibration;
    size_t half = lap->windows / 2;
    if (plan_is_finite(experiment->plan) || half == 0)
        return false;
    double *resident = lap_copy_residents(experiment, lap);
    double middle = resident[half], last = resident[lap->windows - 1];
    free(resident);
    return last > GROWTH * middle;
}

/* The lap goes on: what was measured before stays in it, but what a service did to grow. */
static void calibrate_more(struct experiment *experiment)
{
    lap_resume(experiment, &experiment->calibration);
    if (is_growing(experiment))
        lap_forget_costs(experiment);
    lap_go_on(experiment, 1, 0);
}

/* A service works into its memory first: windows before it holds most of it are no baseline, as far
 * as others are left. */
static void drop_warming(struct experiment *experiment)
{
    struct experiment_lap *lap = &experiment->calibration;
    size_t most = lap->windows > WINDOWS_LEAST ? lap->windows - WINDOWS_LEAST : 0;
    size_t warming = 0;
    while (warming + 1 < lap->windows &&
           experiment->window[lap->first + warming].resident < 0.95 * lap->resident_most)
        warming++;
    if (warming > 0) {
        const struct experiment_window *last = &experiment->window[lap->first + warming - 1];
        experiment->settled = last->at - lap->began;
        experiment->settled_work = last->work;
    }
    size_t dropped = warming < most ? warming : most;
    if (dropped > 0) {
        size_t batches = experiment->window[lap->first + dropped - 1].batches - lap->first_batch;
        lap->first_batch += batches;
        lap->batches -= batches;
    }
    lap->first += dropped;
    lap->windows -= dropped;
}

static bool read_calibration(struct experiment *experiment)
{
    struct experiment_lap *lap = &experiment->calibration;
    if (!plan_is_finite(experiment->plan))
        drop_warming(experiment);
    double *service = lap_copy_services(experiment, lap);
    double *held = lap_copy_held(experiment, lap);
    experiment->baseline = sample_median(service, lap->windows);
    experiment->rss_before = sample_median(held, lap->windows);
    experiment->peak = lap->used_most > 0 ? lap->used_most : lap->resident_most;
    experiment->is_growing = is_growing(experiment);
    free(service);
    free(held);
    if (experiment->peak == 0)
        return fail(experiment, "nothing was seen of its memory", "");
    if (experiment->baseline <= 0)
        return fail(experiment,
                    experiment->plan->metric != NULL ? "the metric is not above 0"
                                                     : "no time of work was measured",
                    "");
    return true;
}

static bool is_right_for_mechanism(struct experiment *experiment)
{
    const struct pressure *pressure = &experiment->pressure;
    char what[64];
    const char *why = pressure->mechanism->objection_to_program == NULL
                          ? NULL
                          : pressure->mechanism->objection_to_program(pressure);
    snprintf(what, sizeof what, "--pressure %s", pressure->mechanism->name);
    return why == NULL || fail(experiment, what, why);
}

/* What it says and how it ended is of a program that did not do its work. */
static bool refuse_baseline(struct experiment *experiment)
{
    const struct process *target = &experiment->target;
    const char *why = experiment->calibration.why;
    bool is_finite = plan_is_finite(experiment->plan);
    bool has_command = experiment->plan->load != NULL || experiment->plan->metric != NULL;
    enum curve_end end = experiment->calibration.end;
    bool has_ended = (end == CURVE_FAILED || end == CURVE_ENDED) && target->ended > 0;
    char text[sizeof experiment->calibration.why + 64];
    if (has_command && end == CURVE_HUNG)
        return fail(experiment, "nothing was measured", why);
    if (!has_ended || process_was_killed(target) ||
        (is_finite && process_has_exited_with(target, experiment->plan->expected_exit)))
        return fail(experiment, "it does not run even without pressure", why);
    if (!is_finite)
        return fail(experiment, "a service is not to end, but without pressure it did", why);
    snprintf(text, sizeof text, "%s (if it is to end so: --expect-exit %d)", why,
             WEXITSTATUS(target->wait_status));
    return fail(experiment, "it fails even without pressure", text);
}

bool calibration_run(struct experiment *experiment)
{
    struct experiment_lap *lap = &experiment->calibration;
    bool is_finite = plan_is_finite(experiment->plan);
    watch_enter(experiment, "calibration");
    experiment->step = experiment->steps = 1;
    schedule_begin(&experiment->schedule, SCHEDULE_CALIBRATION);
    lap_begin(experiment, lap, 0);
    if (!is_finite && !service_start(experiment))
        return fail(experiment, "it did not get ready", lap->why);
    experiment->starting = process_now() - experiment->target.started;
    double longest = schedule_limit(&experiment->schedule, SCHEDULE_CALIBRATION,
                                    fmin(SECONDS_LONGEST, experiment->duration));
    double until = process_now() + longest;
    if (is_finite)
        finite_lap(experiment, RUNS_LEAST, fmin(RUNS_SECONDS, longest / 2));
    else
        service_lap(experiment, WINDOWS_LEAST, fmin(SECONDS, longest / 2));
    while (lap->end == CURVE_HELD && !experiment->is_interrupted && process_now() < until &&
           (find_spread(experiment, lap) > CALM || is_growing(experiment)))
        calibrate_more(experiment);
    if (lap->end != CURVE_HELD)
        return refuse_baseline(experiment);
    return experiment->is_interrupted ||
           (read_calibration(experiment) && is_right_for_mechanism(experiment));
}
