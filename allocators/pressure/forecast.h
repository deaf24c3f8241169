/* forecast.h - where the use of memory is going, and how likely it reaches a threshold in time.
 *
 * Pure: the caller brings the samples and their times, and the struct is all the memory there is.
 * One thread at a time. Everything is counted in ticks: one sample each, a second in the library.
 * Points are percent of the limit. */
#ifndef MPRESS_PRESSURE_FORECAST_H
#define MPRESS_PRESSURE_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#include "allocators/pressure/forecast_fit.h"

enum {
    FORECAST_TICKS = 240,   /* the newest samples, one a tick */
    FORECAST_MINUTES = 240, /* and the mean of every 60 of them, for slow growth: 4 hours */
    FORECAST_HORIZONS = 3,
    FORECAST_THRESHOLDS = 4,
};

/* How the next ticks are told from the last ones; `mpress forecast --compare` holds them against
 * recorded programs. */
enum forecast_method {
    FORECAST_PERSISTENCE,   /* it stays where it is: what every other one is measured by */
    FORECAST_LEAST_SQUARES, /* the line through the last minute */
    FORECAST_GATED,         /* that line where it is beyond doubt, else persistence */
    FORECAST_THEIL_SEN,     /* the median of all slopes between two samples */
    FORECAST_HOLT,          /* exponential smoothing, with a trend that dies away */
    FORECAST_AGREE,         /* the lesser of a long and a short slope that point the same way, and
                               not much further than it came in as long a time; a fresh one alone
                               when there is nothing but growth; less where growth slows down, or
                               the level went up and down before */
    FORECAST_METHODS,
    FORECAST_DEFAULT = FORECAST_AGREE,
};
extern const char *const forecast_method_names[FORECAST_METHODS];

extern const uint32_t forecast_horizons[FORECAST_HORIZONS]; /* ticks: 30, 60, 120 */

/* By points per second, where the growth is beyond doubt; else it is stable. */
enum forecast_trend {
    FORECAST_DECREASING, /* more than 0.5 down */
    FORECAST_STABLE,
    FORECAST_INCREASING, /* more than 0.5 up */
    FORECAST_CRITICAL,   /* more than 2 up */
};

/* What is to be done. A forecast alone leads to no more than FORECAST_TRIM, which costs little and
 * can be taken back; the rest needs the measured level. */
enum forecast_action {
    FORECAST_GO_ON,
    FORECAST_WATCH,   /* tell who wants to know */
    FORECAST_TRIM,    /* give back what is idle */
    FORECAST_RELEASE, /* give back all that can be given back */
    FORECAST_RESCUE,  /* let programs drop caches, hold large requests up */
};

#define FORECAST_NEVER (-1.0)

struct forecast_point {
    double points;    /* expected */
    double low, high; /* eight of ten times it is within these */
    /* Chance to reach threshold i within the horizon; 1: it is there. And what it is made of, for
     * who fits forecast_fitted. */
    double chance[FORECAST_THRESHOLDS];
    double passed[FORECAST_THRESHOLDS], grown[FORECAST_THRESHOLDS];
};

/* Numbers that were fitted to recorded programs: `mpress forecast --fit` (forecast_fitted.c). */
struct forecast_fitted {
    /* Growth is believed up to `lasts` times what it came to in as long a time before, and `beyond`
     * points; less, as far as the level has fallen by more than `falls` points before. */
    double lasts, beyond, falls;
    double sudden;    /* R squared of the fresh line from which it counts without the long one */
    double slowing;   /* standard errors beyond which growth that becomes less does so for good */
    uint32_t newborn; /* ticks, the first ones, of which nothing is foretold */
    double chance[FORECAST_HORIZONS][3]; /* constant, of `passed`, of `grown` */
};
extern const struct forecast_fitted forecast_fitted;

struct forecast_reading {
    double points; /* now */
    double slope;  /* points per tick, as the method has it */
    double slope_error;
    enum forecast_trend trend;
    struct forecast_point at[FORECAST_HORIZONS];
    /* Ticks until threshold i is reached, at the soonest and at the latest; 0: it is; or never. */
    double soonest[FORECAST_THRESHOLDS], latest[FORECAST_THRESHOLDS];
    bool is_warned[FORECAST_THRESHOLDS]; /* see forecast_add */
    enum forecast_action action;
    uint32_t samples; /* that it rests on */
};

struct forecast {
    enum forecast_method method;            /* constant */
    const struct forecast_fitted *fitted;   /* forecast_fitted, unless somebody tries others */
    uint64_t tick_ns;                       /* constant */
    double thresholds[FORECAST_THRESHOLDS]; /* points, growing; constant */
    uint64_t newest_ns;                     /* when the newest sample's tick began */
    uint64_t limit_bytes;                   /* of the newest sample; 0: not known */
    double others;  /* bytes used of it that are not among the samples; may be less than none */
    uint64_t ticks; /* samples so far; sample i is in ring slot i mod FORECAST_TICKS */
    double used[FORECAST_TICKS];          /* bytes */
    double minutes[FORECAST_MINUTES];     /* the same of each 60 ticks */
    double minute_sum;                    /* of the minute that runs */
    uint32_t hits[FORECAST_THRESHOLDS];   /* ticks in a row that spoke for a warning */
    uint32_t misses[FORECAST_THRESHOLDS]; /* and against */
    bool is_warned[FORECAST_THRESHOLDS];
    struct forecast_reading reading; /* of the newest tick */
    struct forecast_window window;   /* scratch */
};

/* The thresholds are points and grow. */
void forecast_init(struct forecast *forecast, enum forecast_method method, uint64_t tick_ns,
                   const double thresholds[FORECAST_THRESHOLDS]);

/* What is used of a limit (0: it is not known, no reading is made) at a time. The first sample of a
 * tick counts; ticks without one are as the one before. With it the reading is made anew. There is
 * a warning of threshold i once its chance within 60 ticks was a half or more for three ticks in a
 * row, or the level within two points of it, until the chance was below a quarter and the level
 * four points away for 30 ticks. */
void forecast_add(struct forecast *forecast, uint64_t time_ns, uint64_t used, uint64_t limit);

/* The newest tick's reading, made anew for another limit, of which `used` bytes are used now: by
 * what was added and by others. For who asks now and then: it warns of what is foreseen at once. */
void forecast_set_limit(struct forecast *forecast, uint64_t used, uint64_t limit);

/* The reading of the newest tick. False: there are fewer than FORECAST_LEAST ticks, or no limit. */
enum { FORECAST_LEAST = 10 };
bool forecast_read(const struct forecast *forecast, struct forecast_reading *reading);

#endif
