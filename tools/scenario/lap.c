/* lap.c - see experiment.h. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tools/scenario/limits.h"
#include "tools/trace/memory.h"

static struct pressure_injected read_injected(const struct experiment *experiment)
{
    struct pressure_injected injected = {0, 0, 0};
    if (experiment->pressure.mechanism->injected != NULL)
        experiment->pressure.mechanism->injected(&experiment->pressure, &injected);
    return injected;
}

/* Who asks the system past the library tells nobody that it was refused; but somebody was, if
 * memory was missing while the library refused nothing. (It may have been some levels before: to
 * write down why it ends may take a program seconds.) */
static void add_backstop(struct experiment *experiment, struct experiment_lap *lap)
{
    const struct pressure_backstop *then = &experiment->backstop_at_begin;
    const struct pressure_backstop *start = &experiment->backstop_at_start;
    struct pressure_backstop now = pressure_read_backstop(&experiment->pressure);
    bool is_broken = lap->end != CURVE_HELD, misses = experiment->target.has_missed_memory;
    experiment->backstop = now;
    lap->refused = now.refused - then->refused;
    lap->denied = now.denied - then->denied;
    if (lap == &experiment->calibration && !plan_is_finite(experiment->plan))
        experiment->baseline_misses = misses; /* of runs the first one tells */
    bool is_past = misses && !experiment->baseline_misses && now.refused == start->refused;
    lap->is_denied = now.head_room > 0 && is_broken && lap->budget > 0 &&
                     (now.denied > start->denied || is_past);
    experiment->broken += is_broken;
    experiment->denied += lap->is_denied;
}

double lap_budget(const struct experiment *experiment)
{
    double to = experiment->lap->budget, from = experiment->glide.from;
    if (!experiment->glide.is_on)
        return to;
    double share = (process_now() - experiment->glide.began) / experiment->glide.seconds;
    return share >= 1 ? to : from + share * (to - from);
}

bool lap_is_gliding(const struct experiment *experiment)
{
    return experiment->glide.is_on &&
           experiment->pressure.budget != (uint64_t)experiment->lap->budget;
}

void lap_forget_costs(struct experiment *experiment)
{
    const struct pressure *pressure = &experiment->pressure;
    experiment->costs_began = watch_time(experiment);
    experiment->rested = 0;
    experiment->resident_sum = experiment->seen = 0;
    experiment->parts_sum = (struct victim_parts){0, 0, 0, 0};
    experiment->parts_seen = 0;
    experiment->asked_sum = experiment->objects_sum = experiment->heap_sum = 0;
    experiment->heap_there_sum = experiment->mapped_there_sum = 0;
    experiment->mapped_sum = experiment->anon_sum = experiment->heap_seen = 0;
    if (pressure->mechanism->latency != NULL)
        experiment->latency_at_begin = *pressure->mechanism->latency(pressure);
    experiment->lends_at_begin = pressure->lends;
    experiment->injected_at_begin = read_injected(experiment);
    pressure_read_stalls(pressure, &experiment->stalls_at_begin);
    experiment->backstop_at_begin = pressure_read_backstop(pressure);
    if (experiment->target.pid > 0)
        victim_look(&experiment->victim);
    experiment->at_begin = experiment->victim.now;
}

static void begin(struct experiment *experiment, struct experiment_lap *lap, double budget)
{
    *lap = (struct experiment_lap){.budget = budget,
                                   .began = watch_time(experiment),
                                   .first = experiment->windows,
                                   .first_batch = experiment->batches};
    experiment->lap = lap;
    experiment->window_resident_sum = experiment->window_seen = experiment->run_most = 0;
    experiment->work = 0;
    watch_begin_units(experiment);
    lap_forget_costs(experiment);
    experiment->pressure.mechanism->set(&experiment->pressure, (uint64_t)lap_budget(experiment));
}

void lap_begin(struct experiment *experiment, struct experiment_lap *lap, double budget)
{
    experiment->glide.is_on = false;
    begin(experiment, lap, budget);
}

void lap_glide(struct experiment *experiment, struct experiment_lap *lap, double from, double to,
               double seconds)
{
    experiment->glide.is_on = true;
    experiment->glide.from = from;
    experiment->glide.began = process_now();
    experiment->glide.seconds = seconds;
    begin(experiment, lap, to);
}

void lap_resume(struct experiment *experiment, struct experiment_lap *lap)
{
    experiment->lap = lap;
}

double lap_patience(const struct experiment *experiment)
{
    const double least = 10;
    return fmin(experiment->plan->timeout, fmax(least, experiment->schedule.whole));
}

double lap_window_seconds(const struct experiment *experiment)
{
    const struct plan *plan = experiment->plan;
    if (plan->metric != NULL) /* what that prints is no time of ours */
        return plan->window;
    return plan_is_finite(plan) || plan->load != NULL ? experiment->baseline
                                                      : fmax(plan->window, experiment->baseline);
}

void lap_go_on(struct experiment *experiment, size_t windows, double seconds)
{
    if (plan_is_finite(experiment->plan))
        finite_lap(experiment, windows, seconds);
    else
        service_lap(experiment, windows, seconds);
}

void lap_add_window(struct experiment *experiment, double service)
{
    double resident = experiment->window_seen == 0
                          ? 0
                          : experiment->window_resident_sum / experiment->window_seen;
    double held = experiment->run_most > 0 ? experiment->run_most : resident;
    experiment->window_resident_sum = 0;
    experiment->window_seen = experiment->run_most = 0;
    experiment->window = memory_grow(experiment->window, experiment->windows,
                                     &experiment->window_capacity, sizeof(*experiment->window));
    experiment->window[experiment->windows++] =
        (struct experiment_window){.at = watch_time(experiment),
                                   .work = experiment->work,
                                   .service = service,
                                   .resident = resident,
                                   .held = held,
                                   .batches = experiment->batches};
}

/* A service is still there, or was just now; runs of a finite program were added one by one. */
static void add_costs(struct experiment *experiment, struct experiment_lap *lap)
{
    const struct victim_state *now = &experiment->victim.now, *then = &experiment->at_begin;
    if (plan_is_finite(experiment->plan))
        return;
    if (now->minor_faults >= then->minor_faults)
        lap->minor_faults = now->minor_faults - then->minor_faults;
    if (now->major_faults >= then->major_faults)
        lap->major_faults = now->major_faults - then->major_faults;
    lap->run_wait = fmax(0, now->run_wait - then->run_wait);
}

static void add_heap(const struct experiment *experiment, struct experiment_lap *lap)
{
    if (experiment->heap_sum == 0)
        return;
    lap->heap = experiment->heap_sum / experiment->heap_seen;
    lap->asked_share = experiment->asked_sum / experiment->heap_sum;
    lap->objects = experiment->objects_sum * 0x1p20 / experiment->heap_sum;
    if (experiment->anon_sum == 0)
        return;
    double there = experiment->heap_there_sum + experiment->mapped_there_sum;
    double counted = experiment->heap_sum + experiment->mapped_sum;
    lap->coverage = experiment->heap_there_sum / experiment->anon_sum;
    lap->accounted = there / experiment->anon_sum;
    lap->untouched = fmax(0, counted - there) / experiment->heap_seen;
}

/* Nothing is told as shorter than the clock can tell; 0: none was timed. */
static double find_fast(const struct histogram *then, const struct histogram *now, double share,
                        double step)
{
    return histogram_count(then, now) == 0 ? 0 : fmax(step, histogram_quantile(then, now, share));
}

static void add_latency(struct experiment *experiment, struct experiment_lap *lap)
{
    if (experiment->pressure.mechanism->latency == NULL)
        return;
    const struct pressure_latency *now =
        experiment->pressure.mechanism->latency(&experiment->pressure);
    const struct pressure_latency *then = &experiment->latency_at_begin;
    double step = experiment->clock_step;
    lap->slow_calls = histogram_count(&then->slow, &now->slow);
    lap->slow_p50 = histogram_quantile(&then->slow, &now->slow, 0.5);
    lap->slow_p99 = histogram_quantile(&then->slow, &now->slow, 0.99);
    lap->injected_p99 = histogram_quantile(&then->injected, &now->injected, 0.99);
    lap->fast_calls = histogram_count(&then->fast, &now->fast);
    lap->fast_p50 = find_fast(&then->fast, &now->fast, 0.5, step);
    lap->fast_p99 = find_fast(&then->fast, &now->fast, 0.99, step);
    lap->fast_frees = histogram_count(&then->freed, &now->freed);
    lap->free_p50 = find_fast(&then->freed, &now->freed, 0.5, step);
    lap->free_p99 = find_fast(&then->freed, &now->freed, 0.99, step);
}

/* Between two readings of the same file; one of a group may be gone with the group. */
static void add_stalls(struct experiment *experiment, struct experiment_lap *lap)
{
    const struct pressure_stalls *then = &experiment->stalls_at_begin;
    struct pressure_stalls now;
    pressure_read_stalls(&experiment->pressure, &now);
    bool is_some = then->seconds.some >= 0 && now.is_of_group == then->is_of_group;
    bool is_full = is_some && then->seconds.full >= 0 && now.seconds.full >= 0;
    lap->stalls.is_of_group = now.is_of_group;
    lap->stalls.some = is_some ? fmax(0, now.seconds.some - then->seconds.some) : NAN;
    lap->stalls.full = is_full ? fmax(0, now.seconds.full - then->seconds.full) : NAN;
}

/* What the mechanism injects is known exactly where it is the library; else the kernel tells. */
static void add_injected(struct experiment *experiment, struct experiment_lap *lap)
{
    const struct pressure_injected *then = &experiment->injected_at_begin;
    struct pressure_injected now = read_injected(experiment);
    lap->injected.slept = now.slept - then->slept;
    lap->injected.held = now.held - then->held;
    lap->injected.fetched = now.fetched - then->fetched;
    lap->is_injected_known = experiment->pressure.mechanism->injected != NULL;
    if (lap->is_injected_known)
        lap->stalled = lap->injected.slept + lap->injected.held + lap->injected.fetched;
    else
        lap->stalled = isnan(lap->stalls.full) ? 0 : lap->stalls.full;
}

/* Of runs too short to be seen only the most is known, not what it was. */
static void add_resident(const struct experiment *experiment, struct experiment_lap *lap)
{
    double seen = experiment->parts_seen;
    const struct victim_parts *sum = &experiment->parts_sum;
    if (experiment->seen > 0)
        lap->resident_mean = experiment->resident_sum / experiment->seen;
    if (seen > 0)
        lap->parts = (struct victim_parts){sum->anon / seen, sum->file / seen, sum->shmem / seen,
                                           sum->swap / seen};
}

void lap_end(struct experiment *experiment, enum curve_end end, bool is_clean, const char *format,
             ...)
{
    struct experiment_lap *lap = experiment->lap;
    va_list list;
    va_start(list, format);
    vsnprintf(lap->why, sizeof lap->why, format, list);
    va_end(list);
    lap->budget = lap_budget(experiment);
    lap->end = end;
    lap->done = end == CURVE_HELD;
    lap->is_clean = is_clean;
    lap->lasted = watch_time(experiment) - lap->began;
    lap->costed = watch_time(experiment) - experiment->costs_began - experiment->rested;
    lap->windows = experiment->windows - lap->first;
    lap->batches = experiment->batches - lap->first_batch;
    lap->lends = experiment->pressure.lends - experiment->lends_at_begin;
    add_stalls(experiment, lap);
    add_injected(experiment, lap);
    add_resident(experiment, lap);
    add_heap(experiment, lap);
    add_costs(experiment, lap);
    add_latency(experiment, lap);
    add_backstop(experiment, lap);
    limits_judge(experiment, lap);
    experiment->glide.is_on = false;
    experiment->lap = NULL;
}

/* At a wall with the killer off, who touches memory waits, and is killed by us; a system call that
 * needs some fails instead, whatever the program says of it ("disk I/O error"): with the killer on
 * it would have come for both. */
static bool is_walled_off(const struct pressure *pressure)
{
    return pressure->mechanism->has_refused != NULL && pressure->budget != 0 &&
           pressure->mechanism->has_refused(pressure);
}

void lap_end_with_target(struct experiment *experiment)
{
    const struct process *target = &experiment->target;
    if (process_was_killed(target)) {
        const char *name = sigabbrev_np(WTERMSIG(target->wait_status));
        lap_end(experiment, CURVE_KILLED, false, "SIG%s", name == NULL ? "?" : name);
        return;
    }
    if (is_walled_off(&experiment->pressure)) {
        lap_end(experiment, CURVE_KILLED, false, "out of memory: %.90s", target->said);
        return;
    }
    int status = WEXITSTATUS(target->wait_status);
    bool is_service = !plan_is_finite(experiment->plan);
    bool is_by_itself = is_service && status == 0 && !target->has_missed_memory;
    bool is_crash = status > 128 && status < 128 + 65; /* of a child, as shells say it */
    bool is_clean = !is_crash && target->said[0] != '\0';
    lap_end(experiment, is_by_itself ? CURVE_ENDED : CURVE_FAILED, is_clean || is_by_itself,
            "exit %d%s%.90s", status, target->said[0] != '\0' ? ": " : "", target->said);
}

/* -- what it says ----------------------------------------------------------------------------- */

/* Of so few the highest is as good as any. */
enum { COUNT_FOR_P95 = 20, COUNT_FOR_P99 = 100 };

static void keep_known(struct experiment_times *times)
{
    if (times->count < COUNT_FOR_P95)
        times->p95 = NAN;
    if (times->count < COUNT_FOR_P99)
        times->p99 = NAN;
}

static void read_units(const struct sample_weighted *batch, size_t batches,
                       struct experiment_times *times)
{
    *times = (struct experiment_times){.is_of_units = true,
                                       .p50 = sample_quantile_weighted(batch, batches, 0.5),
                                       .p95 = sample_quantile_weighted(batch, batches, 0.95),
                                       .p99 = sample_quantile_weighted(batch, batches, 0.99)};
    for (size_t i = 0; i < batches; i++) {
        times->count += batch[i].weight;
        times->most = fmax(times->most, batch[i].value);
    }
    keep_known(times);
}

void lap_read_times(const struct experiment *experiment, const struct experiment_lap *lap,
                    struct experiment_times *times)
{
    if (lap->batches > 0) {
        read_units(experiment->batch + lap->first_batch, lap->batches, times);
        return;
    }
    double *service = lap_copy_services(experiment, lap);
    *times = (struct experiment_times){.count = lap->windows,
                                       .p50 = sample_quantile(service, lap->windows, 0.5),
                                       .p95 = sample_quantile(service, lap->windows, 0.95),
                                       .p99 = sample_quantile(service, lap->windows, 0.99),
                                       .most = sample_quantile(service, lap->windows, 1)};
    keep_known(times);
    free(service);
}

/* What each window has at that place. */
static double *copy_windows(const struct experiment *experiment, const struct experiment_lap *lap,
                            size_t place)
{
    double *copy = memory_alloc(lap->windows + 1, sizeof(*copy));
    for (size_t i = 0; i < lap->windows; i++) {
        const struct experiment_window *window = &experiment->window[lap->first + i];
        memcpy(&copy[i], (const char *)window + place, sizeof copy[i]);
    }
    return copy;
}

double *lap_copy_services(const struct experiment *experiment, const struct experiment_lap *lap)
{
    return copy_windows(experiment, lap, offsetof(struct experiment_window, service));
}

double *lap_copy_residents(const struct experiment *experiment, const struct experiment_lap *lap)
{
    return copy_windows(experiment, lap, offsetof(struct experiment_window, resident));
}

double *lap_copy_held(const struct experiment *experiment, const struct experiment_lap *lap)
{
    return copy_windows(experiment, lap, offsetof(struct experiment_window, held));
}
