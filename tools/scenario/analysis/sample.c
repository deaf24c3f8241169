/* sample.c - see sample.h */
#include "tools/scenario/analysis/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trace/memory.h"

static int compare(const void *a_, const void *b_)
{
    const double *a = a_, *b = b_;
    return (*a > *b) - (*a < *b);
}

double sample_mean(const double *value, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += value[i];
    return count == 0 ? 0 : sum / (double)count;
}

/* Between two neighbours in order: as R's type 7. */
static double pick(const double *sorted, size_t count, double share)
{
    double place = share * (double)(count - 1);
    size_t below = (size_t)place;
    double above = sorted[below + 1 < count ? below + 1 : below];
    double part = place - (double)below;
    return part == 0 ? sorted[below] : sorted[below] + part * (above - sorted[below]);
}

static double *sort_copy(const double *value, size_t count)
{
    double *sorted = memory_alloc(count, sizeof(*sorted));
    memcpy(sorted, value, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare);
    return sorted;
}

double sample_quantile(const double *value, size_t count, double share)
{
    if (count == 0)
        return 0;
    double *sorted = sort_copy(value, count);
    double quantile = pick(sorted, count, share);
    free(sorted);
    return quantile;
}

double sample_median(const double *value, size_t count)
{
    return sample_quantile(value, count, 0.5);
}

static int compare_weighted(const void *a_, const void *b_)
{
    const struct sample_weighted *a = a_, *b = b_;
    return (a->value > b->value) - (a->value < b->value);
}

double sample_quantile_weighted(const struct sample_weighted *values, size_t count, double share)
{
    struct sample_weighted *sorted = memory_alloc(count + 1, sizeof(*sorted));
    double weight = 0, passed = 0, quantile = 0;
    for (size_t i = 0; i < count; i++)
        weight += values[i].weight;
    if (count > 0)
        memcpy(sorted, values, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_weighted);
    for (size_t i = 0; i < count && passed <= share * (weight - 1); i++) {
        quantile = sorted[i].value;
        passed += sorted[i].weight;
    }
    free(sorted);
    return quantile;
}

double sample_spread(const double *value, size_t count)
{
    if (count < 2)
        return 0;
    double *sorted = sort_copy(value, count);
    double median = pick(sorted, count, 0.5);
    double range = pick(sorted, count, 0.75) - pick(sorted, count, 0.25);
    free(sorted);
    return median == 0 ? 0 : 0.741 * range / median;
}

static uint64_t next(struct sample_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t sample_below(struct sample_random *random, size_t bound)
{
    return next(random) % bound;
}

double sample_unit(struct sample_random *random)
{
    return (double)(next(random) >> 11) * 0x1p-53;
}

double sample_normal(struct sample_random *random)
{
    double radius = sqrt(-2 * log(1 - sample_unit(random)));
    return radius * cos(6.283185307179586 * sample_unit(random));
}

void sample_draw(struct sample_random *random, const double *value, size_t count, double *drawn)
{
    for (size_t i = 0; i < count; i++)
        drawn[i] = value[sample_below(random, count)];
}

struct sample_interval sample_interval(const double *value, size_t count)
{
    struct sample_interval interval = {0, 0};
    if (count == 0)
        return interval;
    double *sorted = sort_copy(value, count);
    interval.low = sorted[(size_t)(0.025 * (double)(count - 1))];
    interval.high = sorted[(size_t)ceil(0.975 * (double)(count - 1))];
    free(sorted);
    return interval;
}
