/* estimate.c - see estimate.h. */
#include "tools/analysis/estimate.h"

#include <math.h>

/* Rounds up with the chance of the fraction: exact on average, and the same at every reading. */
static uint64_t round_fairly(double value, uint64_t object)
{
    double whole = floor(value);
    uint64_t dice = (object * UINT64_C(0x9E3779B97F4A7C15)) >> 32;
    return (uint64_t)whole + ((double)dice < (value - whole) * 0x1p32);
}

struct amount estimate_weigh_sample(uint64_t period, uint64_t size, uint64_t object)
{
    double chance = -expm1(-(double)(size + (size == 0)) / (double)period);
    double bytes = (double)size / chance;
    return (struct amount){.bytes = (uint64_t)llround(bytes),
                           .blocks = round_fairly(1 / chance, object),
                           .variance = (1 - chance) * bytes * bytes};
}

/* Quantile of the gamma distribution with this mean and variance; z is that of the normal one
 * (Wilson & Hilferty 1931). */
static double gamma_quantile(double mean, double variance, double z)
{
    if (mean <= 0 || variance <= 0)
        return mean;
    double ninth = variance / (9 * mean * mean);
    double root = 1 - ninth + z * sqrt(ninth);
    return root <= 0 ? 0 : mean * root * root * root;
}

/* The gamma interval for weighted sums of Poisson counts (Fay & Feuer, Statistics in Medicine
 * 1997); its upper end allows for one more sample of the weight that small blocks have. So it also
 * holds where nothing was sampled. */
struct interval estimate_interval(uint64_t period, const struct amount *amount)
{
    static const double Z_95 = 1.959964;
    double mean = (double)amount->bytes, step = (double)period;
    if (period == 0)
        return (struct interval){amount->bytes, amount->bytes};
    double low = gamma_quantile(mean, amount->variance, -Z_95);
    double high = gamma_quantile(mean + step, amount->variance + step * step, Z_95);
    return (struct interval){(uint64_t)low, (uint64_t)high};
}
