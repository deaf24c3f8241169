/* finite.c - see experiment.h. A run is a window. Its wall time, less what it waited for a
 * processor, is the service time: what else the machine does is no memory pressure. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tools/scenario/experiment.h"
#include "tools/units.h"

enum { RUNS_LEAST = 3 }; /* that tell a spread */

/* A run that takes so long has collapsed while it works, and hangs while it does not. */
#define COLLAPSED_SECONDS 2.0
#define HUNG_SECONDS 10.0
#define HUNG_FACTOR 20.0

/* Seconds that the run has had so far, without those in which others had the processor. */
static double find_time(struct experiment *experiment)
{
    victim_find(&experiment->victim);
    return turns_take_off(&experiment->victim.turns, process_now() - experiment->target.started);
}

/* The same of one that has ended. What its first thread waited is known to the end; by how much
 * several were held up, of what they ran while somebody looked, and what they ran, of all of it. */
static double find_service(const struct experiment *experiment)
{
    const double most = 4; /* times as much as was seen: it was seen in half of its life at least */
    const struct process *target = &experiment->target;
    const struct rusage *usage = &target->usage;
    const struct turns *turns = &experiment->victim.turns;
    double hindered = target->run_wait;
    double ran = (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
                 (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
    if (turns->sum.threads_most > 1 && turns->sum.ran > 0)
        hindered = fmax(hindered, turns->sum.hindered * fmin(most, fmax(1, ran / turns->sum.ran)));
    return turns_unhindered(target->ended - target->started, ran, hindered, turns->processors);
}

enum state { RUNNING, ENDED, TOO_SLOW, IDLE, WALLED, STOPPED };

static enum state judge(struct experiment *experiment)
{
    const struct pressure *pressure = &experiment->pressure;
    double now = process_now(), ran = now - experiment->target.started, m0 = experiment->baseline;
    double longest = fmax(COLLAPSED_SECONDS, 1.2 * CURVE_COLLAPSE * m0);
    if (pressure->mechanism->is_over != NULL && pressure->mechanism->is_over(pressure))
        return WALLED;
    if (m0 == 0)
        return ran > lap_patience(experiment) ? TOO_SLOW : RUNNING;
    if (now - experiment->busy_at > fmax(HUNG_SECONDS, HUNG_FACTOR * m0))
        return IDLE;
    bool is_busy = now - experiment->busy_at < 1;
    bool is_slow = is_busy && ran > longest && find_time(experiment) > longest;
    return is_slow ? TOO_SLOW : RUNNING;
}

static enum state run_to_its_end(struct experiment *experiment)
{
    enum state state = RUNNING;
    while (state == RUNNING) {
        if (!watch_step(experiment, 1))
            state = STOPPED;
        else if (process_has_ended(&experiment->target, watch_hooks(experiment)))
            state = ENDED;
        else
            state = judge(experiment);
    }
    return state;
}

/* Of one that had less than this program has itself only what was seen is known; if it was. */
static double find_resident_most(const struct experiment *experiment)
{
    const struct process *target = &experiment->target;
    if (target->resident_most != 0)
        return (double)target->resident_most;
    return experiment->run_seen > 0 ? experiment->run_seen : (double)target->usage.ru_maxrss * 1024;
}

static void add_usage(struct experiment *experiment)
{
    const struct rusage *usage = &experiment->target.usage;
    const struct pressure *pressure = &experiment->pressure;
    if (pressure->mechanism->most != NULL) /* also of one that ended between two glances */
        experiment->lap->used_most =
            fmax(experiment->lap->used_most, (double)pressure->mechanism->most(pressure));
    experiment->lap->minor_faults += (uint64_t)usage->ru_minflt;
    experiment->lap->major_faults += (uint64_t)usage->ru_majflt;
    experiment->lap->run_wait += experiment->target.run_wait;
    double most = find_resident_most(experiment);
    experiment->lap->resident_most = fmax(experiment->lap->resident_most, most);
    experiment->run_most = most;
    double seconds = experiment->target.ended - experiment->target.started;
    double unseen =
        experiment->target.ended - fmax(experiment->last_glance, experiment->target.started);
    watch_book_heap(experiment, fmax(0, unseen)); /* what it told at its end is still there */
    if (experiment->window_seen == 0) { /* too short to be seen: its peak is all that is known */
        experiment->window_resident_sum = most * seconds;
        experiment->window_seen = seconds;
        experiment->resident_sum += most * seconds;
        experiment->seen += seconds;
    }
}

/* BROKEN: the lap has ended with it. */
enum outcome { FINE, SLOW, BROKEN };

static enum outcome add_run(struct experiment *experiment, double service)
{
    lap_add_window(experiment, service);
    return experiment->baseline > 0 && service > CURVE_COLLAPSE * experiment->baseline ? SLOW
                                                                                       : FINE;
}

static enum outcome judge_end(struct experiment *experiment)
{
    const struct process *target = &experiment->target;
    double service = find_service(experiment);
    add_usage(experiment);
    if (experiment->windows == 0) /* the first run of all */
        experiment->baseline_misses = target->has_missed_memory;
    if (process_has_exited_with(target, experiment->plan->expected_exit) &&
        (!target->has_missed_memory || experiment->baseline_misses))
        return add_run(experiment, service);
    lap_end_with_target(experiment);
    return BROKEN;
}

static enum outcome judge_stop(struct experiment *experiment, enum state state)
{
    double ran = find_time(experiment), idle = process_now() - experiment->busy_at;
    watch_stop(experiment);
    if (state == TOO_SLOW && experiment->baseline > 0)
        return add_run(experiment, ran);
    if (state == WALLED)
        lap_end(experiment, CURVE_KILLED, false, "out of memory");
    else if (state == TOO_SLOW)
        lap_end(experiment, CURVE_COLLAPSED, true, "no end after %s",
                units_duration((uint64_t)(ran * 1e9)).at);
    else if (state == IDLE)
        lap_end(experiment, CURVE_HUNG, false, "idle for %.0f s", idle);
    else
        lap_end(experiment, CURVE_HELD, true, "interrupted");
    return BROKEN;
}

/* Nobody is there meanwhile, and only signals are waited for. */
static void take_rest(struct experiment *experiment)
{
    double began = process_now(), now = began;
    double until = began + rest_find(&experiment->rest, process_used(), began);
    while (now < until && watch_step(experiment, until - now))
        now = process_now();
    experiment->rested += process_now() - began;
}

static enum outcome run_once(struct experiment *experiment)
{
    take_rest(experiment);
    int error = watch_start(experiment);
    if (error != 0) {
        lap_end(experiment, CURVE_FAILED, false, "cannot be started: %s", strerror(error));
        return BROKEN;
    }
    enum state state = run_to_its_end(experiment);
    enum outcome outcome = state == ENDED ? judge_end(experiment) : judge_stop(experiment, state);
    victim_end(&experiment->victim);
    return outcome;
}

/* Two slow runs one after the other are a collapse, so that a slow one has another behind it; or
 * the only one, of a probe that is repeated. */
void finite_lap(struct experiment *experiment, size_t runs, double seconds)
{
    double until = process_now() + seconds;
    size_t slow = 0, slow_most = experiment->is_probe ? 1 : 2;
    size_t least = experiment->baseline == 0 ? RUNS_LEAST : 1; /* whatever the time is */
    for (size_t run = 0; run < runs || slow > 0 || process_now() < until; run++) {
        if (run >= least && slow == 0 && process_now() > experiment->schedule.until)
            break;
        enum outcome outcome = run_once(experiment);
        if (outcome == BROKEN)
            return;
        slow = outcome == SLOW && experiment->lap->budget > 0 ? slow + 1 : 0;
        if (slow == slow_most) {
            double took = experiment->window[experiment->windows - 1].service;
            lap_end(experiment, CURVE_COLLAPSED, true, "%s took %s",
                    slow < 2 ? "a run" : "two runs", units_duration((uint64_t)(took * 1e9)).at);
            return;
        }
    }
    lap_end(experiment, CURVE_HELD, true, "%s", "");
}
