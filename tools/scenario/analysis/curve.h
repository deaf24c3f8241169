/* curve.h - what an experiment measured, as plain numbers, and what the curve says: degradation,
 * grace, recovery, stability. Pure functions: simulated series and measured ones go the same way.
 *
 *     service time m                         broken
 *        ^                            o   x
 *        |                       o          <- levels: a budget held, windows of m measured
 *        |        o    o    o
 *     m0 +--o--------------------------------> budget falls
 */
#ifndef MPRESS_TOOLS_SCENARIO_CURVE_H
#define MPRESS_TOOLS_SCENARIO_CURVE_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/scenario/analysis/sample.h"

/* How a level, or a probe at one budget, ended. */
enum curve_end {
    CURVE_HELD,      /* it went on to the end of the level */
    CURVE_KILLED,    /* by a signal, or the system's out-of-memory killer */
    CURVE_FAILED,    /* it gave up: an exit status, or words of missing memory, that the baseline
                      * does not have */
    CURVE_COLLAPSED, /* above 10 x the baseline in two dwell periods one after the other */
    CURVE_HUNG,      /* no progress for 10 s and 20 x the baseline's longest gap */
    CURVE_ENDED,     /* a service, by itself, with status 0 and no word of missing memory */
};

const char *curve_end_name(enum curve_end end);

struct curve_level {
    double budget;        /* bytes */
    const double *window; /* service times, seconds a unit of work */
    size_t windows;
    enum curve_end end;
    bool is_clean;     /* CURVE_FAILED: with words of its own, not by a crash */
    double lasted;     /* seconds */
    double done;       /* share of what was planned that it lived to see; 1 where it held */
    double stalled;    /* share of the time: pressure stalls, and what the mechanism injected */
    double latency[2]; /* p50 and p99 of single allocations, seconds; 0: not known */
};

struct curve_moment {
    double at; /* seconds since the release, the window's end */
    double service;
};

struct curve {
    const double *baseline; /* windows */
    size_t baselines;
    double latency[2]; /* without pressure; 0: not known */
    double peak;       /* P0: bytes in use in the baseline, in the budget's own unit */
    double floor;      /* bytes; the levels were to go so far down */
    bool is_floor_declared;
    const struct curve_level *level; /* in the order of time */
    size_t levels;
    size_t planned; /* levels that there would have been */
    const struct curve_moment *recovery;
    size_t moments;
    bool is_recovery_watched;     /* else nothing is said of it, nor of what rests on it */
    double patience;              /* seconds: a recovery that begins later is none */
    double rss_before, rss_after; /* bytes; 0: not known */
};

/* What is worse than this is no level of service (a collapse); what is as good counts as before. */
#define CURVE_COLLAPSE 10.0
#define CURVE_RECOVERED 1.10
#define CURVE_NOISE_MOST 0.20 /* a baseline that spreads more allows no verdict */
#define CURVE_RECOVERY_LONGEST 60.0
#define CURVE_STEP 0.05 /* of the peak: what a cliff is measured over */

struct curve_figures {
    double baseline;    /* m0 */
    double noise;       /* spread of the baseline */
    double degradation; /* D; infinite: broken above a declared floor */
    double latency[2];  /* D50, D99: the same of single allocations; NAN: not known */
    double residual;    /* of the isotonic fit, as a share of what there is to explain */
    double steepest;    /* largest factor that 5 % of the peak cost, lower confidence bound */
    double cliff;       /* C: share of ln D that one step carries; 0 with D < 2 */
    double recovery;    /* T_rec, seconds; infinite: not within the patience; NAN: not watched */
    double retention;   /* RSS after / before - 1 */
    double slowdown;    /* m / m0 in the last second after the release; 0: none */
    double alive, steady, unstalled, recovered;                  /* A, V, E, R */
    double stability;                                            /* S */
    bool is_clean, is_monotone, is_without_cliff, is_recovering; /* G1..G4 */
    bool is_graceful;
};

void curve_read(const struct curve *curve, struct curve_figures *figures);

/* The fit that never falls: pools adjacent violators (Ayer et al. 1955). `fit` may be `value`. */
void curve_fit_isotonic(const double *value, size_t count, double *fit);

/* The same curve drawn again: every level's windows with replacement; where a level has too few
 * to draw from, the baseline's relative deviations stand in. `into` owns what it points to. */
struct curve_draw {
    struct curve curve;
    struct curve_level *level;
    double *numbers;
    struct curve_moment *moment;
};
void curve_draw_init(struct curve_draw *draw, const struct curve *curve);
void curve_draw_again(struct curve_draw *draw, const struct curve *curve,
                      struct sample_random *random);
void curve_draw_fini(struct curve_draw *draw);

#endif
