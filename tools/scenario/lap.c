/* lap.c - see experiment.h. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "preload/budget.h"
#include "tools/scenario/experiment.h"
#include "tools/trace/memory.h"

/* Seconds that the program was held up by pressure, as far as anybody tells. */
static double read_stalled(const struct experiment *experiment)
{
    const struct pressure *pressure = &experiment->pressure;
    double stalled = pressure->mechanism->stalled == NULL
                         ? victim_read_stall(VICTIM_SYSTEM_PRESSURE).full
                         : pressure->mechanism->stalled(pressure);
    return fmax(0, stalled);
}

double lap_budget(const struct experiment *experiment)
{
    double to = experiment->lap->budget, from = experiment->glide.from;
    if (!experiment->glide.is_on)
        return to;
    double share = (process_now() - experiment->glide.began) / experiment->glide.seconds;
    return from + fmin(1, share) * (to - from);
}

static void begin(struct experiment *experiment, struct experiment_lap *lap, double budget)
{
    *lap = (struct experiment_lap){
        .budget = budget, .began = watch_time(experiment), .first = experiment->windows};
    experiment->lap = lap;
    experiment->resident_sum = experiment->window_resident_sum = 0;
    experiment->asked_sum = experiment->objects_sum = experiment->heap_sum = 0;
    experiment->mapped_sum = experiment->anon_sum = 0;
    experiment->heap_there_sum = experiment->mapped_there_sum = 0;
    experiment->seen = experiment->window_seen = experiment->heap_seen = 0;
    if (experiment->pressure.mechanism->latency != NULL)
        experiment->latency_at_begin =
            *experiment->pressure.mechanism->latency(&experiment->pressure);
    experiment->units = experiment->work = 0;
    experiment->window_began = experiment->last_unit = process_now();
    experiment->lends_at_begin = experiment->pressure.lends;
    experiment->stalled_at_begin = read_stalled(experiment);
    if (experiment->target.pid > 0)
        victim_look(&experiment->victim);
    experiment->at_begin = experiment->victim.now;
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

void lap_add_window(struct experiment *experiment, double service)
{
    double resident = experiment->window_seen == 0
                          ? 0
                          : experiment->window_resident_sum / experiment->window_seen;
    experiment->window_resident_sum = 0;
    experiment->window_seen = 0;
    experiment->window = memory_grow(experiment->window, experiment->windows,
                                     &experiment->window_capacity, sizeof(*experiment->window));
    experiment->window[experiment->windows++] =
        (struct experiment_window){.at = watch_time(experiment),
                                   .work = experiment->work,
                                   .service = service,
                                   .resident = resident};
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

/* The duration that `share` of the calls between two counts did not exceed, seconds; within a
 * bucket as if they were spread evenly. */
static double find_latency(const uint64_t *before, const uint64_t *after, double share)
{
    uint64_t calls = 0;
    double passed = 0;
    for (unsigned i = 0; i < PRESSURE_BUCKETS; i++)
        calls += after[i] - before[i];
    for (unsigned i = 0; i < PRESSURE_BUCKETS && calls > 0; i++) {
        double here = (double)(after[i] - before[i]), wanted = share * (double)calls - passed;
        double low = (double)budget_bucket_ns(i), high = (double)budget_bucket_ns(i + 1);
        if (here >= wanted && here > 0)
            return (low + (high - low) * wanted / here) / 1e9;
        passed += here;
    }
    return 0;
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

static void add_latency(struct experiment *experiment, struct experiment_lap *lap)
{
    if (experiment->pressure.mechanism->latency == NULL)
        return;
    const struct pressure_latency *now =
        experiment->pressure.mechanism->latency(&experiment->pressure);
    const struct pressure_latency *then = &experiment->latency_at_begin;
    for (unsigned i = 0; i < PRESSURE_BUCKETS; i++)
        lap->slow_calls += now->slow[i] - then->slow[i];
    lap->slow_p50 = find_latency(then->slow, now->slow, 0.5);
    lap->slow_p99 = find_latency(then->slow, now->slow, 0.99);
    lap->injected_p99 = find_latency(then->injected, now->injected, 0.99);
}

void lap_end(struct experiment *experiment, enum curve_end end, bool is_clean, const char *format,
             ...)
{
    struct experiment_lap *lap = experiment->lap;
    va_list list;
    va_start(list, format);
    vsnprintf(lap->why, sizeof lap->why, format, list);
    va_end(list);
    if (end != CURVE_HELD)
        lap->budget = lap_budget(experiment);
    experiment->glide.is_on = false;
    lap->end = end;
    lap->done = end == CURVE_HELD;
    lap->is_clean = is_clean;
    lap->lasted = watch_time(experiment) - lap->began;
    lap->windows = experiment->windows - lap->first;
    lap->stalled = fmax(0, read_stalled(experiment) - experiment->stalled_at_begin);
    lap->lends = experiment->pressure.lends - experiment->lends_at_begin;
    if (experiment->seen > 0)
        lap->resident_mean = experiment->resident_sum / experiment->seen;
    add_heap(experiment, lap);
    add_costs(experiment, lap);
    add_latency(experiment, lap);
    experiment->lap = NULL;
}

void lap_end_with_target(struct experiment *experiment)
{
    const struct process *target = &experiment->target;
    if (process_was_killed(target)) {
        const char *name = sigabbrev_np(WTERMSIG(target->wait_status));
        lap_end(experiment, CURVE_KILLED, false, "SIG%s", name == NULL ? "?" : name);
        return;
    }
    int status = WEXITSTATUS(target->wait_status);
    bool is_crash = status > 128 && status < 128 + 65; /* of a child, as shells say it */
    bool is_clean = !is_crash && target->said[0] != '\0';
    lap_end(experiment, CURVE_FAILED, is_clean, "exit %d%s%.90s", status,
            target->said[0] != '\0' ? ": " : "", target->said);
}

double *lap_copy_services(const struct experiment *experiment, const struct experiment_lap *lap)
{
    double *service = memory_alloc(lap->windows + 1, sizeof(*service));
    for (size_t i = 0; i < lap->windows; i++)
        service[i] = experiment->window[lap->first + i].service;
    return service;
}

double *lap_copy_residents(const struct experiment *experiment, const struct experiment_lap *lap)
{
    double *resident = memory_alloc(lap->windows + 1, sizeof(*resident));
    for (size_t i = 0; i < lap->windows; i++)
        resident[i] = experiment->window[lap->first + i].resident;
    return resident;
}
