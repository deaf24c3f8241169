/* watch.c - see experiment.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/scenario/experiment.h"
#include "tools/scenario/guard.h"
#include "tools/scenario/leftovers.h"
#include "tools/scenario/origin.h"
#include "tools/trace/memory.h"
#include "tools/units.h"

#define TICK_SECONDS 0.01    /* of a mechanism that watches */
#define GLANCE_SECONDS 0.025 /* of the others */
#define LOOK_SECONDS 0.1
#define PACE_SECONDS 0.001 /* the first glance, and the least between two */

double watch_time(const struct experiment *experiment)
{
    return process_now() - experiment->began;
}

/* -- signals ---------------------------------------------------------------------------------- */

static void fill_signals(const struct plan *plan, sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    if (plan->work_signal != 0)
        sigaddset(set, plan->work_signal);
}

/* Processes that lose their parent become ours, so that none is left over. */
bool watch_open(struct experiment *experiment)
{
    sigset_t ours;
    fill_signals(experiment->plan, &ours);
    sigprocmask(SIG_BLOCK, &ours, NULL);
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    leftovers_begin();
    origin_begin();
    guard_open();
    process_forget_peak();
    experiment->signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    experiment->began = process_now();
    progress_init(&experiment->progress, !experiment->plan->is_quiet, 300000000);
    return experiment->signal_fd >= 0;
}

void watch_close(struct experiment *experiment)
{
    sigset_t ours;
    fill_signals(experiment->plan, &ours);
    guard_close();
    progress_fini(&experiment->progress);
    close(experiment->signal_fd);
    procfile_close(&experiment->own_turns);
    sigprocmask(SIG_UNBLOCK, &ours, NULL);
}

void watch_begin_units(struct experiment *experiment)
{
    experiment->window_began = experiment->last_unit = experiment->batch_began = process_now();
    experiment->units = experiment->new_units = 0;
    experiment->usual = INFINITY;
    if (experiment->target.pid > 0)
        victim_find(&experiment->victim);
    turns_begin(&experiment->victim.turns, experiment->window_began);
}

static void count_unit(struct experiment *experiment)
{
    double now = process_now();
    experiment->longest_gap = fmax(experiment->longest_gap, now - experiment->last_unit);
    experiment->last_unit = now;
    experiment->units++;
    experiment->new_units++;
}

static void add_units(struct experiment *experiment, double seconds, uint64_t units)
{
    experiment->batch = memory_grow(experiment->batch, experiment->batches,
                                    &experiment->batch_capacity, sizeof(*experiment->batch));
    experiment->batch[experiment->batches++] = (struct sample_weighted){seconds, (uint32_t)units};
}

/* Units come in batches, as the program's output is read: those of one have taken the same time
 * each, as far as anybody can tell. But after a pause the first one was waited for: others came
 * while we were waking up, and took as long as those before. */
static void end_batch(struct experiment *experiment)
{
    uint64_t units = experiment->new_units;
    double now = process_now(), took = now - experiment->batch_began;
    double others = (double)(units - 1) * experiment->usual;
    if (units > 1 && took > 2 * PROCESS_PAUSE && others < took) {
        add_units(experiment, took - others, 1);
        add_units(experiment, experiment->usual, units - 1);
    } else {
        experiment->usual = took / (double)units;
        add_units(experiment, experiment->usual, units);
    }
    experiment->new_units = 0;
    experiment->batch_began = now;
}

static void take_signals(struct experiment *experiment)
{
    struct signalfd_siginfo info;
    while (read(experiment->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if ((int)info.ssi_signo == experiment->plan->work_signal)
            count_unit(experiment);
        else
            experiment->is_interrupted = true;
    }
}

void watch_enter(struct experiment *experiment, const char *phase)
{
    experiment->phase = phase;
    experiment->mark = memory_grow(experiment->mark, experiment->marks, &experiment->mark_capacity,
                                   sizeof(*experiment->mark));
    experiment->mark[experiment->marks++] = (struct experiment_mark){watch_time(experiment), phase};
}

/* -- the target ------------------------------------------------------------------------------- */

static void take_line(const char *line, void *experiment_)
{
    struct experiment *experiment = experiment_;
    const struct plan *plan = experiment->plan;
    if (!experiment->is_ready && plan->ready != NULL &&
        regexec(&experiment->ready, line, 0, NULL, 0) == 0)
        experiment->is_ready = true;
    if (plan->progress != NULL && regexec(&experiment->counted, line, 0, NULL, 0) == 0)
        count_unit(experiment);
}

/* "A=1,B=2": of the strategy that is on. */
static void put_settings(struct environment *environment, const char *settings)
{
    while (settings != NULL && *settings != '\0') {
        size_t length = strcspn(settings, ",");
        environment_put(environment, settings, length);
        settings += length + (settings[length] == ',');
    }
}

static void adorn(void *experiment_, struct environment *environment)
{
    const struct experiment *experiment = experiment_;
    const struct pressure *pressure = &experiment->pressure;
    environment_unset(environment, "MPRESS_LIBRARY");
    if (pressure->library != NULL)
        environment_preload(environment, pressure->library);
    else if (experiment->plan->preload != NULL && *experiment->plan->preload != '\0')
        environment_set(environment, "LD_PRELOAD", experiment->plan->preload);
    for (char *const *at = experiment->plan->environment; at != NULL && *at != NULL; at++)
        environment_put(environment, *at, strlen(*at));
    if (experiment->strategy != NULL)
        put_settings(environment, experiment->strategy->settings);
    if (pressure->mechanism->adorn != NULL)
        pressure->mechanism->adorn(pressure, environment);
}

static void prepare(void *experiment_)
{
    const struct pressure *pressure = &((const struct experiment *)experiment_)->pressure;
    if (pressure->mechanism->prepare != NULL)
        pressure->mechanism->prepare(pressure);
}

const struct process_hooks *watch_hooks(struct experiment *experiment)
{
    static struct process_hooks hooks;
    bool is_listening = experiment->plan->progress != NULL || !experiment->is_ready;
    hooks = (struct process_hooks){.adorn = adorn,
                                   .prepare = prepare,
                                   .line = is_listening ? take_line : NULL,
                                   .context = experiment};
    return &hooks;
}

/* Seconds that this thread, ready to run, waited for a processor so far. */
static double read_own_wait(struct experiment *experiment)
{
    char text[96];
    unsigned long long waited;
    procfile_read(&experiment->own_turns, "/proc/thread-self/schedstat", text, sizeof text);
    return sscanf(text, "%*u %llu", &waited) == 1 ? (double)waited / 1e9 : 0;
}

int watch_start(struct experiment *experiment)
{
    experiment->is_ready = experiment->plan->ready == NULL;
    if (experiment->pressure.mechanism->forget != NULL)
        experiment->pressure.mechanism->forget(&experiment->pressure);
    experiment->backstop_at_start = pressure_read_backstop(&experiment->pressure);
    experiment->own_wait = read_own_wait(experiment);
    int error =
        process_start(&experiment->target, experiment->plan->arguments, watch_hooks(experiment));
    if (error != 0)
        return error;
    victim_begin(&experiment->victim, experiment->target.pid);
    experiment->pressure.victim = &experiment->victim;
    experiment->next_look = experiment->turns_seen = experiment->run_seen = 0;
    experiment->next_glance = process_now() + PACE_SECONDS;
    experiment->busy_at = experiment->last_unit = process_now();
    experiment->processor = 0;
    return 0;
}

void watch_stop(struct experiment *experiment)
{
    static const struct process_hooks nobody;
    process_stop(&experiment->helper, 0, &nobody);
    process_stop(&experiment->target, 5, watch_hooks(experiment));
    victim_end(&experiment->victim);
}

/* -- samples ---------------------------------------------------------------------------------- */

/* A glance tells what is anonymous of all that is resident, a look all of it. */
static struct victim_parts find_parts(const struct victim_state *now)
{
    double others = (double)now->resident - (double)now->rss_anon - (double)now->rss_shmem;
    return (struct victim_parts){(double)now->rss_anon, fmax(0, others), (double)now->rss_shmem,
                                 (double)now->swap};
}

static void add_latency(struct experiment *experiment, struct experiment_sample *sample)
{
    const struct pressure *pressure = &experiment->pressure;
    struct pressure_latency *then = &experiment->latency_at_sample;
    if (pressure->mechanism->latency == NULL)
        return;
    const struct pressure_latency *now = pressure->mechanism->latency(pressure);
    sample->slow_p50 = histogram_quantile(&then->slow, &now->slow, 0.5);
    sample->slow_p99 = histogram_quantile(&then->slow, &now->slow, 0.99);
    if (histogram_count(&then->fast, &now->fast) > 0)
        sample->fast_p99 =
            fmax(experiment->clock_step, histogram_quantile(&then->fast, &now->fast, 0.99));
    *then = *now;
}

static void keep_sample(struct experiment *experiment)
{
    const struct victim_state *now = &experiment->victim.now;
    experiment->sample = memory_grow(experiment->sample, experiment->samples,
                                     &experiment->sample_capacity, sizeof(*experiment->sample));
    experiment->sample[experiment->samples++] = (struct experiment_sample){
        .at = watch_time(experiment),
        .budget = (double)experiment->pressure.budget,
        .used = (double)experiment->pressure.mechanism->used(&experiment->pressure),
        .parts = find_parts(now)};
    add_latency(experiment, &experiment->sample[experiment->samples - 1]);
}

/* More processes are looked at less often, so that this costs no more of a processor; a program at
 * work is to be seen at it once a second. */
static double find_delay(const struct victim *victim)
{
    const double pids = 4, most = 4;
    return fmin(most, fmax(1, (double)victim->pids / pids));
}

static void look(struct experiment *experiment, double now)
{
    if (experiment->lap != NULL && experiment->glide.is_on)
        experiment->pressure.mechanism->set(&experiment->pressure,
                                            (uint64_t)lap_budget(experiment));
    leftovers_reap();
    victim_find(&experiment->victim);
    victim_look(&experiment->victim);
    experiment->next_look = now + LOOK_SECONDS * find_delay(&experiment->victim);
    if (experiment->victim.now.processor > experiment->processor + 0.02) {
        experiment->processor = experiment->victim.now.processor;
        experiment->busy_at = now;
    }
    if (experiment->victim.now.processes > 0)
        keep_sample(experiment);
}

void watch_book_heap(struct experiment *experiment, double seconds)
{
    struct pressure_heap heap;
    if (experiment->pressure.mechanism->heap == NULL)
        return;
    experiment->pressure.mechanism->heap(&experiment->pressure, &heap);
    experiment->asked_sum += (double)heap.asked * seconds;
    experiment->objects_sum += (double)heap.objects * seconds;
    experiment->heap_sum += (double)heap.resident * seconds;
    experiment->mapped_sum += (double)heap.mapped * seconds;
    experiment->heap_there_sum += (double)heap.heap_resident * seconds;
    experiment->mapped_there_sum += (double)heap.mapped_resident * seconds;
    experiment->anon_sum += (double)heap.resident_anon * seconds;
    experiment->heap_seen += seconds;
}

static void add_parts(struct experiment *experiment, double seconds)
{
    struct victim_parts now = find_parts(&experiment->victim.now);
    struct victim_parts *sum = &experiment->parts_sum;
    sum->anon += now.anon * seconds;
    sum->file += now.file * seconds;
    sum->shmem += now.shmem * seconds;
    sum->swap += now.swap * seconds;
    experiment->parts_seen += seconds;
}

/* What is seen now is so since the last time. */
static void book(struct experiment *experiment, double now)
{
    struct experiment_lap *lap = experiment->lap;
    double resident = (double)experiment->victim.now.resident;
    if (lap == NULL || resident == 0)
        return;
    double seconds = now - fmax(experiment->last_glance, experiment->target.started);
    lap->used_most =
        fmax(lap->used_most, (double)experiment->pressure.mechanism->used(&experiment->pressure));
    if (experiment->pressure.mechanism->most != NULL)
        lap->used_most = fmax(lap->used_most,
                              (double)experiment->pressure.mechanism->most(&experiment->pressure));
    lap->resident_most = fmax(lap->resident_most, resident);
    experiment->run_seen = fmax(experiment->run_seen, resident);
    watch_book_heap(experiment, seconds);
    add_parts(experiment, seconds);
    experiment->resident_sum += resident * seconds;
    experiment->seen += seconds;
    experiment->window_resident_sum += resident * seconds;
    experiment->window_seen += seconds;
    experiment->last_glance = now;
}

/* Seconds until a run is to be looked at again: what is over soon has been seen by then. (Where its
 * most is told by whoever counts it, as often as the library tells of a young program.) */
static double find_pace(const struct experiment *experiment)
{
    double share = experiment->pressure.mechanism->most != NULL ? 1 : 0.25;
    return fmax(PACE_SECONDS, share * (process_now() - experiment->target.started));
}

/* While it is younger than what is between two looks: when it is twice as old as the last time. */
static bool is_time_for_turns(struct experiment *experiment, double now)
{
    const double least = 0.01;
    double age = now - experiment->target.started;
    if (!plan_is_finite(experiment->plan) || age < least || age < 2 * experiment->turns_seen)
        return false;
    experiment->turns_seen = age;
    return true;
}

static void glance(struct experiment *experiment, double now)
{
    if (is_time_for_turns(experiment, now))
        victim_find(&experiment->victim);
    victim_glance(&experiment->victim);
}

static double find_tick(const struct experiment *experiment)
{
    double tick = experiment->pressure.mechanism->tick != NULL ? TICK_SECONDS : GLANCE_SECONDS;
    return fmin(fmax(tick, TICK_SECONDS * find_delay(&experiment->victim)), find_pace(experiment));
}

static void sample(struct experiment *experiment)
{
    double now = process_now();
    if (experiment->target.pid <= 0 || now < experiment->next_glance)
        return;
    experiment->next_glance = now + find_tick(experiment);
    if (now >= experiment->next_look)
        look(experiment, now);
    else
        glance(experiment, now);
    experiment->target.has_threads |= experiment->victim.turns.threads > 1;
    book(experiment, now);
    if (experiment->pressure.mechanism->tick != NULL)
        experiment->pressure.mechanism->tick(&experiment->pressure);
}

static void show(struct experiment *experiment)
{
    if (!progress_is_due(&experiment->progress))
        return;
    const struct experiment_lap *lap = experiment->lap;
    char budget[64] = "", slow[32] = "", calls[64] = "", time[48];
    if (experiment->pressure.budget != 0)
        snprintf(budget, sizeof budget, " of %s", units_bytes(experiment->pressure.budget).at);
    double service = lap == NULL || experiment->windows == lap->first
                         ? 0
                         : experiment->window[experiment->windows - 1].service;
    if (service > 0 && experiment->baseline > 0)
        snprintf(slow, sizeof slow, ", %.2f x", service / experiment->baseline);
    double p99 =
        experiment->samples == 0 ? 0 : experiment->sample[experiment->samples - 1].slow_p99;
    if (p99 > 0)
        snprintf(calls, sizeof calls, ", p99 %s", units_duration((uint64_t)(p99 * 1e9)).at);
    double left = schedule_left(&experiment->schedule);
    if (isinf(left))
        snprintf(time, sizeof time, "%.0f s so far", watch_time(experiment));
    else
        snprintf(time, sizeof time, "up to %.0f s left", left);
    progress_show(&experiment->progress, "%s %zu/%zu: %s%s%s%s, %s", experiment->phase,
                  experiment->step, experiment->steps,
                  units_bytes(experiment->victim.now.resident).at, budget, slow, calls, time);
}

/* What one says, as far as it is to be listened to now: else, for how long not? */
static void listen_to(const struct process *process, struct pollfd *fds, double *tick)
{
    double pause = process_find_pause(process);
    bool is_listening = process->pid > 0 && pause == 0;
    fds[0] = (struct pollfd){.fd = is_listening ? process->out.fd : -1, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = is_listening ? process->error.fd : -1, .events = POLLIN};
    if (pause > 0)
        *tick = fmin(*tick, fmax(0.001, pause));
}

/* (To be woken takes longer than to look: not a moment before it is time.) */
static int wait_for(struct pollfd *fds, nfds_t count, double seconds)
{
    const struct timespec time = {(time_t)seconds, (long)(1e9 * fmod(seconds, 1))};
    return ppoll(fds, count, &time, NULL);
}

/* What ended was to be seen at once: how long we waited for a processor until then is none of its
 * time. */
static void wait_and_note_late(struct experiment *experiment, struct pollfd *fds, nfds_t count,
                               double seconds)
{
    double before = read_own_wait(experiment), began = process_now();
    wait_for(fds, count, seconds);
    double after = read_own_wait(experiment);
    struct turns_news news = {.busy = before - experiment->own_wait,
                              .woken = after - before,
                              .lasted = process_now() - began,
                              .patience = seconds};
    experiment->own_wait = after;
    news.age = began - experiment->target.started;
    experiment->target.late = fds[1].revents != 0 ? turns_find_late(&news) : 0;
    news.age = began - experiment->helper.started;
    experiment->helper.late = fds[2].revents != 0 ? turns_find_late(&news) : 0;
}

/* True: the target has ended, and nothing is to be seen of it any more. (Who has a helper reads
 * what that says.) */
static bool wait_for_news(struct experiment *experiment, double patience)
{
    struct process *target = &experiment->target, *helper = &experiment->helper;
    bool has_target = target->pid > 0;
    double tick = has_target ? fmax(0, experiment->next_glance - process_now()) : patience;
    struct pollfd fds[7] = {
        {.fd = experiment->signal_fd, .events = POLLIN},
        {.fd = has_target ? target->pid_fd : -1, .events = POLLIN},
        {.fd = helper->pid > 0 ? helper->pid_fd : -1, .events = POLLIN},
    };
    bool is_pausing = process_find_pause(target) > 0;
    listen_to(target, fds + 3, &tick);
    listen_to(helper, fds + 5, &tick);
    wait_and_note_late(experiment, fds, sizeof fds / sizeof fds[0], fmin(patience, tick));
    if (has_target && (is_pausing || fds[3].revents != 0 || fds[4].revents != 0))
        process_read(target, watch_hooks(experiment));
    return fds[1].revents != 0;
}

bool watch_is_over(const struct experiment *experiment)
{
    return experiment->is_interrupted || experiment->schedule.is_cut;
}

bool watch_step(struct experiment *experiment, double patience)
{
    bool has_ended = wait_for_news(experiment, patience);
    take_signals(experiment);
    if (experiment->new_units > 0)
        end_batch(experiment);
    if (!has_ended)
        sample(experiment);
    show(experiment);
    experiment->schedule.is_cut |= process_now() > experiment->schedule.cut;
    return !watch_is_over(experiment);
}
