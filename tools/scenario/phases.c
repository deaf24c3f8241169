/* phases.c - see experiment.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/cli.h"
#include "tools/scenario/experiment.h"
#include "tools/trace/memory.h"
#include "tools/units.h"

enum {
    LEVELS_LEAST = 6,
    LEVELS_FEW = 2, /* however little time there is */
    LEVELS_MOST = 20,
    RUNS_A_LEVEL = 3,
    WINDOWS_A_LEVEL = 5,
};
#define DWELL_SECONDS 5.0 /* of a service at a level */
#define HEAD_ROOM 1.10
#define FLOOR 0.25
#define LASTED 0.99 /* of the time that levels were to last: as long as that */

/* -- levels ----------------------------------------------------------------------------------- */

/* Of a pressure phase of so many seconds. */
static size_t choose_levels(const struct experiment *experiment, double duration)
{
    const struct plan *plan = experiment->plan;
    double one =
        plan_is_finite(plan)
            ? RUNS_A_LEVEL * experiment->schedule.run /* with what it waits for a processor */
            : fmax(DWELL_SECONDS, WINDOWS_A_LEVEL * lap_window_seconds(experiment));
    double fit = duration / one;
    size_t levels = fit > LEVELS_MOST    ? LEVELS_MOST
                    : fit < LEVELS_LEAST ? LEVELS_LEAST
                                         : (size_t)fit;
    return shape_steps(&plan->shape, plan->levels != 0 ? plan->levels : levels);
}

static size_t choose_runs(const struct experiment *experiment, double dwell)
{
    return dwell < RUNS_A_LEVEL * experiment->schedule.run ? 1 : RUNS_A_LEVEL;
}

static void take_level(struct experiment *experiment, size_t step)
{
    const struct plan *plan = experiment->plan;
    double budget = shape_budget(&plan->shape, step, experiment->planned,
                                 HEAD_ROOM * experiment->peak, experiment->floor, experiment->peak);
    double wanted = shape_dwell(&plan->shape, step, experiment->planned, experiment->duration);
    double dwell = fmin(wanted, fmax(0, experiment->schedule.until - process_now()));
    experiment->step = step + 1;
    struct experiment_lap *lap = &experiment->level[experiment->levels++];
    size_t runs = choose_runs(experiment, wanted);
    if (plan->is_ramp && step > 0 && lap[-1].budget > budget) /* what rises does so at once */
        lap_glide(experiment, lap, lap[-1].budget, budget, wanted);
    else
        lap_begin(experiment, lap, budget);
    if (plan_is_finite(plan))
        finite_lap(experiment, plan->is_ramp ? 1 : runs, plan->is_ramp ? dwell : 0);
    else
        service_lap(experiment, 2, dwell);
    if (lap->end != CURVE_HELD)
        lap->done = plan_is_finite(plan) && !plan->is_ramp
                        ? fmin(1, (double)lap->windows / (double)runs)
                        : fmin(1, lap->lasted / wanted);
}

/* What the time made of levels that nothing else ended. */
static void note_levels(struct experiment *experiment)
{
    const struct plan *plan = experiment->plan;
    const struct experiment_lap *first = experiment->level, *last = first + experiment->levels - 1;
    double wanted = shape_length(&plan->shape, plan->duration);
    double lasted = last->began + last->lasted - first->began;
    size_t levels = choose_levels(experiment, plan->duration), planned = experiment->planned;
    size_t runs = choose_runs(experiment, experiment->duration / (double)planned);
    size_t runs_wanted = choose_runs(experiment, plan->duration / (double)levels);
    bool is_of_runs = plan_is_finite(plan) && !plan->is_ramp;
    if (!is_of_runs && lasted < LASTED * wanted)
        schedule_note(&experiment->schedule, "pressure lasted %.3g s instead of %.3g s", lasted,
                      wanted);
    if (is_of_runs && plan->shape.kind != SHAPE_FILE && (planned < levels || runs < runs_wanted))
        schedule_note(&experiment->schedule, "%zu levels of %s each instead of %zu of %zu", planned,
                      units_plural(runs, "run").at, levels, runs_wanted);
    if (experiment->levels < planned)
        schedule_note(&experiment->schedule, "the last %zu of %zu levels were left out",
                      planned - experiment->levels, planned);
}

/* A finite program is started anew at each level and may break at two of them, so that one odd run
 * does not end the descent; a service that broke is broken. */
static void descend(struct experiment *experiment)
{
    size_t broken = 0;
    size_t most = plan_is_finite(experiment->plan) ? 2 : 1;
    watch_enter(experiment, "pressure");
    experiment->floor =
        experiment->plan->limit != 0 ? (double)experiment->plan->limit : FLOOR * experiment->peak;
    experiment->planned = choose_levels(experiment, experiment->duration);
    experiment->steps = experiment->planned;
    experiment->level = memory_alloc(experiment->planned, sizeof(*experiment->level));
    schedule_begin(&experiment->schedule, SCHEDULE_LEVELS);
    while (experiment->levels < experiment->planned && broken < most &&
           !experiment->is_interrupted &&
           (experiment->levels < LEVELS_FEW || process_now() < experiment->schedule.until)) {
        take_level(experiment, experiment->levels);
        broken += experiment->level[experiment->levels - 1].end != CURVE_HELD;
    }
    if (broken == most)
        return;
    experiment->left_out = experiment->planned - experiment->levels;
    note_levels(experiment);
}

/* A file says itself when its levels are. */
static void choose_duration(struct experiment *experiment)
{
    const struct plan *plan = experiment->plan;
    experiment->duration = plan->duration;
    if (plan->shape.kind != SHAPE_FILE)
        experiment->duration =
            schedule_limit(&experiment->schedule, SCHEDULE_LEVELS, plan->duration);
}

/* -- all of it -------------------------------------------------------------------------------- */

/* Of a probe, until there were some. */
static void expect_runs(struct experiment *experiment)
{
    experiment->schedule.run =
        plan_is_finite(experiment->plan)
            ? experiment->calibration.lasted / (double)experiment->calibration.windows
            : experiment->starting + experiment->settled + 1;
}

static void run_phases(struct experiment *experiment)
{
    choose_duration(experiment);
    if (!calibration_run(experiment) || experiment->is_interrupted)
        return;
    expect_runs(experiment);
    descend(experiment);
    if (!experiment->is_interrupted)
        release_watch(experiment);
    watch_stop(experiment);
    if (!experiment->is_interrupted && experiment->plan->strategies > 0)
        strategies_measure(experiment, SCHEDULE_STRATEGIES);
    if (!experiment->is_interrupted && experiment->plan->is_searching)
        search_breaking_point(experiment);
    if (!experiment->is_interrupted)
        release_watch_again(experiment);
    if (!experiment->is_interrupted)
        strategies_measure(experiment, SCHEDULE_LEFT_OUT);
    if (!experiment->is_interrupted && experiment->plan->is_searching)
        strategies_find_shifts(experiment);
}

static void compile_patterns(struct experiment *experiment)
{
    const struct plan *plan = experiment->plan;
    if (plan->ready != NULL)
        regcomp(&experiment->ready, plan->ready, REG_EXTENDED | REG_NOSUB);
    if (plan->progress != NULL)
        regcomp(&experiment->counted, plan->progress, REG_EXTENDED | REG_NOSUB);
}

int experiment_run(struct experiment *experiment)
{
    compile_patterns(experiment);
    schedule_init(&experiment->schedule, plan_get_whole(experiment->plan));
    if (!watch_open(experiment)) {
        cli_say("signals cannot be waited for");
        return CLI_USAGE;
    }
    double own = process_used();
    rest_begin(&experiment->rest, own, process_now(), experiment->schedule.whole);
    experiment->clock_step = histogram_clock_step();
    run_phases(experiment);
    watch_stop(experiment);
    experiment->total = watch_time(experiment);
    experiment->own_processor = process_used() - own;
    watch_close(experiment);
    if (experiment->is_interrupted) {
        cli_say("interrupted; the program was stopped");
        return CLI_USAGE;
    }
    return experiment->why[0] == '\0' ? CLI_OK : CLI_CRITERIA;
}

void experiment_fini(struct experiment *experiment)
{
    if (experiment->plan->ready != NULL)
        regfree(&experiment->ready);
    if (experiment->plan->progress != NULL)
        regfree(&experiment->counted);
    free(experiment->window);
    free(experiment->sample);
    free(experiment->batch);
    free(experiment->mark);
    free(experiment->level);
}

/* -- what it says ----------------------------------------------------------------------------- */

static void make_level(const struct experiment *experiment, const struct experiment_lap *lap,
                       struct curve_level *level)
{
    *level =
        (struct curve_level){.budget = lap->budget,
                             .window = lap_copy_services(experiment, lap),
                             .windows = lap->windows,
                             .end = lap->end,
                             .is_clean = lap->is_clean,
                             .lasted = lap->costed,
                             .done = lap->done,
                             .latency = {lap->slow_p50, lap->slow_p99},
                             .stalled = lap->costed > 0 ? fmin(1, lap->stalled / lap->costed) : 0};
}

/* Windows without pressure: `waited` seconds of it were over before this lap. */
static size_t add_moments(const struct experiment *experiment, const struct experiment_lap *lap,
                          double waited, struct curve_moment *moment)
{
    for (size_t i = 0; i < lap->windows; i++) {
        const struct experiment_window *window = &experiment->window[lap->first + i];
        moment[i] = (struct curve_moment){waited + window->at - lap->began, window->service};
    }
    return lap->windows;
}

void experiment_make_curve(const struct experiment *experiment, struct curve *curve)
{
    const struct experiment_lap *release = &experiment->release,
                                *again = &experiment->release_again;
    struct curve_level *level = memory_alloc(experiment->levels + 1, sizeof(*level));
    struct curve_moment *moment =
        memory_alloc(release->windows + again->windows + 1, sizeof(*moment));
    for (size_t i = 0; i < experiment->levels; i++)
        make_level(experiment, &experiment->level[i], &level[i]);
    size_t moments = add_moments(experiment, release, 0, moment);
    moments += add_moments(experiment, again, release->lasted, moment + moments);
    *curve = (struct curve){
        .baseline = lap_copy_services(experiment, &experiment->calibration),
        .baselines = experiment->calibration.windows,
        .latency = {experiment->calibration.slow_p50, experiment->calibration.slow_p99},
        .peak = experiment->peak,
        .floor = experiment->floor,
        .is_floor_declared = experiment->plan->limit != 0,
        .level = level,
        .levels = experiment->levels,
        .planned = experiment->planned - experiment->left_out,
        .recovery = moment,
        .moments = moments,
        .is_recovery_watched = experiment->plan->recovery > 0 && !experiment->is_recovery_cut,
        .patience = fmin(experiment->plan->recovery, CURVE_RECOVERY_LONGEST),
        .rss_before = experiment->rss_before,
        .rss_after = experiment->rss_after};
}

void experiment_free_curve(struct curve *curve)
{
    for (size_t i = 0; i < curve->levels; i++)
        free((void *)curve->level[i].window);
    free((void *)curve->level);
    free((void *)curve->recovery);
    free((void *)curve->baseline);
}
