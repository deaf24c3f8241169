/* experiment.h - one experiment: what is going on, and what was measured. The parts of it:
 *
 *     phases.c    calibration.c, levels, release.c, in this order; then strategies.c and search.c
 *     finite.c    a lap of a program that ends by itself: runs, one after the other
 *     service.c   a lap of one that goes on: windows of the same process
 *     lap.c       a stretch at one budget, whatever the program is; and what it cost
 *     schedule.c  how long each of them may take
 *     watch.c     the loop below all of them: reads, samples, ticks, shows */
#ifndef MPRESS_TOOLS_SCENARIO_EXPERIMENT_H
#define MPRESS_TOOLS_SCENARIO_EXPERIMENT_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/progress.h"
#include "tools/scenario/analysis/bisect.h"
#include "tools/scenario/analysis/improvement.h"
#include "tools/scenario/plan.h"
#include "tools/scenario/pressure.h"
#include "tools/scenario/process.h"
#include "tools/scenario/rest.h"
#include "tools/scenario/schedule.h"

enum { EXPERIMENT_WHY_BYTES = 640, EXPERIMENT_LEVELS = 1000 };

/* Windows of one lap after the other, in one array. */
struct experiment_window {
    double at;       /* its end, seconds since the experiment began */
    uint64_t work;   /* units of work done in the lap by then */
    double service;  /* seconds a unit of work; or what --metric-cmd printed */
    double resident; /* mean, bytes */
    double held;     /* the same; but of a run the most: its mean tells how long it had that */
    size_t batches;  /* in `batch`, by then */
};

/* How long single units took, or windows. NAN: there are too few of them for that. */
struct experiment_times {
    bool is_of_units;
    uint64_t count;
    double p50, p95, p99, most; /* seconds */
};

/* Seconds that processes of a group or of the machine stood still for want of memory: some of them,
 * all that could have run; NAN: the kernel does not tell. */
struct experiment_stalls {
    bool is_of_group;
    double some, full;
};

/* A stretch at one budget. */
struct experiment_lap {
    double budget; /* bytes; 0: none */
    double began, lasted;
    size_t first, windows;       /* in `window` */
    size_t first_batch, batches; /* in `batch` */
    enum curve_end end;
    bool is_clean;
    char why[128];  /* how it ended, if not CURVE_HELD */
    double costed;  /* seconds that what follows is of: all that it lasted, but for warming up and
                     * for rests between runs */
    double stalled; /* seconds; by the mechanism itself: of these */
    struct pressure_injected injected;
    bool is_injected_known;
    struct experiment_stalls stalls;
    double used_most;  /* bytes, in the budget's unit */
    double used_last;  /* the same in the second half of the time; of a finite program the most */
    bool is_unlimited; /* that is far more than the budget, and nothing was done about it */
    double resident_most; /* bytes */
    double resident_mean;
    struct victim_parts parts; /* of it */
    double done;               /* share of what was planned that it lived to see */
    double heap;               /* resident, mean over time; 0: not known, and then: */
    double asked_share;        /* of the heap, both summed over time */
    double objects;            /* blocks alive in a MiB of it */
    double coverage;           /* of RssAnon: heap, by pages that are there; summed over time */
    double accounted;          /* the same with what the program mapped */
    double untouched;          /* bytes that count, but are not there, mean over time */
    uint64_t slow_calls;       /* allocations that the fast path did not serve; 0: not known */
    double slow_p50, slow_p99, injected_p99; /* seconds */
    uint64_t fast_calls, fast_frees;         /* that it served and that were timed: one in 64 */
    double fast_p50, fast_p99, free_p50, free_p99;
    uint64_t refused, denied; /* requests: by the budget; by what stands behind it */
    bool is_denied;           /* it broke as the latter were, not the former */
    double run_wait;          /* seconds */
    uint64_t minor_faults, major_faults;
    uint64_t lends;
};

/* What the timeline is drawn from, ten a second. */
struct experiment_sample {
    double at, budget, used;
    struct victim_parts parts;
    double slow_p50, slow_p99, fast_p99; /* of calls since the sample before; 0: there were none */
};

/* A phase, or a level, began. */
struct experiment_mark {
    double at;
    const char *phase;
};

struct experiment_strategy {
    const struct plan_strategy *what;
    bool is_measured;
    bool is_left_out; /* there was no time for it */
    char why[96];     /* not measured */
    double level;     /* bytes */
    struct improvement improvement;
    struct bisect without, with; /* its breaking point; `with.runs` 0: not looked for */
    struct improvement_shift shift;
};

struct experiment {
    const struct plan *plan;
    struct pressure pressure;
    struct victim victim;
    struct process target;
    struct process helper; /* the load, or what tells the metric */
    struct progress progress;
    regex_t ready, counted;
    int signal_fd;
    struct procfile own_turns; /* of this thread */
    double own_wait; /* for a processor, as far as it was told when news were looked for */
    double began;
    struct schedule schedule;
    struct rest rest;
    double duration;   /* of the levels, seconds: what was asked for, or what there is time for */
    const char *phase; /* for the line on the terminal */
    size_t step, steps;
    const struct plan_strategy *strategy; /* switched on now; NULL */

    /* the lap that goes on */
    struct experiment_lap *lap;
    struct {
        double from, began, seconds; /* process_now() */
        bool is_on;
    } glide; /* to the lap's budget */
    bool is_ready;
    bool is_probe;      /* this lap: others will vote on the same budget */
    uint64_t units;     /* in this window */
    uint64_t new_units; /* not yet in a batch, since */
    double batch_began; /* process_now() */
    double usual;       /* seconds that a unit took of late; INFINITY: nobody knows */
    uint64_t work;      /* in this lap: units that were counted, or runs of the load */
    double last_unit;   /* when; process_now() */
    double window_began;
    double resident_sum, asked_sum, objects_sum, heap_sum, mapped_sum; /* over time */
    double heap_there_sum, mapped_there_sum, anon_sum;                 /* pages that are there */
    double seen, window_seen, heap_seen; /* seconds that these are of */
    double run_most; /* resident, of the run that this window is; 0: not known, or it is none */
    struct pressure_latency latency_at_begin;
    /* as a lap ended last; as this one began; and the target */
    struct pressure_backstop backstop, backstop_at_begin, backstop_at_start;
    double window_resident_sum;
    double next_look, next_glance, last_glance; /* process_now() */
    double run_seen;           /* the most that was seen resident of the run, bytes */
    double turns_seen;         /* how old the program was then, while it is young */
    double busy_at, processor; /* when it was last seen to use the processor, and how much then */
    struct victim_state at_begin;
    double costs_began; /* watch_time() */
    double rested;      /* seconds since then: between runs */
    struct pressure_injected injected_at_begin;
    struct pressure_stalls stalls_at_begin;
    uint64_t lends_at_begin;
    struct victim_parts parts_sum; /* over time; seconds that it is of: */
    double parts_seen;
    struct pressure_latency latency_at_sample;

    /* what was measured */
    struct experiment_window *window;
    size_t windows, window_capacity;
    struct experiment_sample *sample;
    size_t samples, sample_capacity;
    struct sample_weighted *batch; /* units that were done, and the seconds that each took */
    size_t batches, batch_capacity;
    struct experiment_mark *mark;
    size_t marks, mark_capacity;
    struct experiment_lap calibration, release;
    struct experiment_lap release_again; /* with fresh runs behind the search; or nothing */
    struct experiment_lap *level;
    size_t levels, planned;
    size_t left_out;       /* of them, for want of time */
    double clock_step;     /* seconds; nothing shorter can be told */
    bool baseline_misses;  /* it says that memory is missing even then */
    double baseline;       /* m0: of what windows have */
    double longest_gap;    /* between two units, in the calibration */
    double starting;       /* seconds until a service was ready */
    double settled;        /* seconds from then on until it held most of its peak */
    uint64_t settled_work; /* units of work done by then */
    bool is_recovery_cut;  /* there was no time to wait for it as long as was asked */
    bool is_growing;       /* at the end of the calibration its memory still grew */
    double peak, floor;    /* P0 and the lowest level, bytes */
    double rss_before, rss_after;
    struct experiment_strategy strategies[PLAN_STRATEGIES];
    struct bisect bisect;
    bool has_searched, is_interrupted;
    bool is_out_of_time;         /* before the breaking point was found */
    bool is_unlimited;           /* the search found that nothing keeps to budgets */
    bool is_confirmed;           /* it is the same in each run, or by how much it is not is known */
    double own_processor, total; /* seconds: what this program itself used, and of how many */
    unsigned broken, denied;     /* laps; of them, those that broke as the backstop refused */
    struct verdict verdict;
    char why[EXPERIMENT_WHY_BYTES]; /* the target could not be run as asked */
};

/* All phases. CLI_OK, or CLI_CRITERIA with `why` filled in when the target could not be run, or
 * CLI_USAGE. */
int experiment_run(struct experiment *experiment);
void experiment_fini(struct experiment *experiment);

/* What the analysis is made of; `free` what it points to with experiment_free_curve. */
void experiment_make_curve(const struct experiment *experiment, struct curve *curve);
void experiment_free_curve(struct curve *curve);

/* -- watch.c ---------------------------------------------------------------------------------- */

/* One round: at most `patience` seconds of waiting. False: it is over. */
bool watch_step(struct experiment *experiment, double patience);
/* The user wants to stop, or the time is over: what was measured last tells nothing. */
bool watch_is_over(const struct experiment *experiment);
bool watch_open(struct experiment *experiment);
void watch_close(struct experiment *experiment);
double watch_time(const struct experiment *experiment); /* since the experiment began */

/* From now on this goes on. */
void watch_enter(struct experiment *experiment, const char *phase);

/* Units of work that are counted, and a window of them, begin now. */
void watch_begin_units(struct experiment *experiment);

/* What the heap tells now was so for these seconds. */
void watch_book_heap(struct experiment *experiment, double seconds);

/* The target begins, with the budget that is set; 0 or an errno value. */
int watch_start(struct experiment *experiment);
void watch_stop(struct experiment *experiment);
const struct process_hooks *watch_hooks(struct experiment *experiment);

/* -- calibration.c ---------------------------------------------------------------------------- */

/* False: `why` says why the program could not be run as asked. */
bool calibration_run(struct experiment *experiment);

/* -- lap.c ------------------------------------------------------------------------------------ */

void lap_begin(struct experiment *experiment, struct experiment_lap *lap, double budget);
/* The same, the budget gliding to `to` within so many seconds. If the lap ends before, its budget
 * is the one at that moment. */
void lap_glide(struct experiment *experiment, struct experiment_lap *lap, double from, double to,
               double seconds);
double lap_budget(const struct experiment *experiment);   /* now */
bool lap_is_gliding(const struct experiment *experiment); /* its last budget is not set yet */
void lap_add_window(struct experiment *experiment, double service);
void lap_end(struct experiment *experiment, enum curve_end end, bool is_clean, const char *format,
             ...) __attribute__((format(printf, 4, 5)));
void lap_end_with_target(struct experiment *experiment); /* it has ended; how, is looked up */
/* It goes on where it ended: what was measured before stays in it. */
void lap_resume(struct experiment *experiment, struct experiment_lap *lap);
/* Runs or windows, whatever the program has: until there are so many and `seconds` are over, or it
 * breaks. */
void lap_go_on(struct experiment *experiment, size_t windows, double seconds);
/* What it costs is counted from now on; its windows stay. */
void lap_forget_costs(struct experiment *experiment);
/* Of single units where these were counted, else of windows. */
void lap_read_times(const struct experiment *experiment, const struct experiment_lap *lap,
                    struct experiment_times *times);
/* How long a run, a unit of work or getting ready may take before anybody knows how long it does:
 * what the user says, but no longer than all is to take, nor is anything hung in ten seconds. */
double lap_patience(const struct experiment *experiment);
/* How long a window takes, without pressure. */
double lap_window_seconds(const struct experiment *experiment);
double *lap_copy_services(const struct experiment *experiment, const struct experiment_lap *lap);
double *lap_copy_residents(const struct experiment *experiment, const struct experiment_lap *lap);
double *lap_copy_held(const struct experiment *experiment, const struct experiment_lap *lap);

/* -- finite.c, service.c ---------------------------------------------------------------------- */

/* Runs, until there are `runs` and `seconds` are over, or it breaks. */
void finite_lap(struct experiment *experiment, size_t runs, double seconds);

/* The service is started and has become ready. False: `why` of the lap says why not. */
bool service_start(struct experiment *experiment);
/* Windows, until there are `windows` and `seconds` are over, or it breaks. */
void service_lap(struct experiment *experiment, size_t windows, double seconds);
/* The same of a fresh one, which has to work into its memory first: as much as it did then. */
void service_lap_settled(struct experiment *experiment, size_t windows);

/* -- release.c -------------------------------------------------------------------------------- */

/* Without pressure, until it is as before or there is no more time for it. */
void release_watch(struct experiment *experiment);
/* The same with fresh runs, if a recovery was not seen for want of time. */
void release_watch_again(struct experiment *experiment);

/* -- search.c, strategies.c ------------------------------------------------------------------- */

void search_breaking_point(struct experiment *experiment);
/* Probes until the bracket is small enough, or `until` (process_now()): false. Where votes that
 * make it so and runs that confirm it do not both fit, it stays wider. */
bool search_go_on(struct experiment *experiment, struct bisect *bisect, double until);
/* Runs around what was found, until they confirm it or tell its middle and spread. False: neither.
 */
bool search_settle(struct experiment *experiment, struct bisect *bisect, double until);

/* Those that were not measured yet. */
void strategies_measure(struct experiment *experiment, enum schedule_phase phase);
/* How much less memory it survives in with each: after the breaking point is known. */
void strategies_find_shifts(struct experiment *experiment);

#endif
