/* sample.h - what is said of a handful of measurements: middle, spread, and draws from them. */
#ifndef MPRESS_TOOLS_SCENARIO_SAMPLE_H
#define MPRESS_TOOLS_SCENARIO_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

double sample_mean(const double *value, size_t count);
double sample_median(const double *value, size_t count); /* 0 of nothing */
double sample_quantile(const double *value, size_t count, double share);

/* What `share` of so many values do not exceed, where each stands for `weight` of them, at least
 * one. 0 of nothing. */
struct sample_weighted {
    double value;
    uint32_t weight;
};
double sample_quantile_weighted(const struct sample_weighted *values, size_t count, double share);

/* 0.741 x interquartile range / median: the coefficient of variation of a normal sample, deaf to
 * outliers. 0 of fewer than two. */
double sample_spread(const double *value, size_t count);

/* A seeded generator (Steele, Lea, Flood 2014: SplitMix64): the same analysis gives the same
 * numbers again. */
struct sample_random {
    uint64_t state;
};

size_t sample_below(struct sample_random *random, size_t bound); /* in [0, bound) */
double sample_unit(struct sample_random *random);                /* in [0, 1) */
double sample_normal(struct sample_random *random);              /* mean 0, variance 1 */

/* `count` draws with replacement. */
void sample_draw(struct sample_random *random, const double *value, size_t count, double *drawn);

/* The 95 % interval of many bootstrap results; infinite ones are sorted as such. */
struct sample_interval {
    double low;
    double high;
};
struct sample_interval sample_interval(const double *value, size_t count);

#endif
