/* forecast_fit.h - lines through a window of samples: what all methods of the forecaster share. */
#ifndef MPRESS_PRESSURE_FORECAST_FIT_H
#define MPRESS_PRESSURE_FORECAST_FIT_H

#include <stdint.h>

enum {
    FORECAST_FIT_LONG = 60,  /* ticks that a slope is taken from */
    FORECAST_FIT_SHORT = 20, /* and a short one */
    FORECAST_FIT_MOST = 240,
    FORECAST_FIT_PAIRS = FORECAST_FIT_LONG * (FORECAST_FIT_LONG - 1) / 2,
};

struct forecast_line {
    double slope;  /* per tick */
    double end;    /* its value at the newest sample */
    double spread; /* standard deviation of the samples around it */
    /* Of the slope; samples that hang together count as fewer (first-order autocorrelation). */
    double slope_error;
    double explained; /* R squared */
};

struct forecast_window {
    uint32_t count;                  /* 1..FORECAST_FIT_MOST */
    double y[FORECAST_FIT_MOST];     /* oldest first, one a tick */
    float pairs[FORECAST_FIT_PAIRS]; /* scratch */
};

/* Least squares through y[from..from + count); count >= 3. */
void forecast_fit_line(const double *y, uint32_t count, struct forecast_line *line);

/* The median of the slopes between any two of the newest FORECAST_FIT_LONG samples. */
double forecast_fit_median_slope(struct forecast_window *window);

/* Damped Holt smoothing through the window: the level at its end, and the growth of the next tick,
 * which dies away by FORECAST_FIT_DAMPING a tick. */
#define FORECAST_FIT_DAMPING 0.98
void forecast_fit_smooth(const struct forecast_window *window, double *level, double *growth);

/* Typical size of a step from one sample to the next, the slope taken out (root mean square). */
double forecast_fit_step(const double *y, uint32_t count);

/* Without libm, which a preloaded library must not bring along. */
double forecast_fit_root(double x);
double forecast_fit_exp(double x);

#endif
