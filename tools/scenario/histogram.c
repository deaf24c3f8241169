/* histogram.c - see histogram.h */
#include "tools/scenario/histogram.h"

#include <stdbool.h>

#include "preload/budget.h"
#include "tools/progress.h"

uint64_t histogram_count(const struct histogram *before, const struct histogram *after)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += after->counts[i] - before->counts[i];
    return count;
}

double histogram_quantile(const struct histogram *before, const struct histogram *after,
                          double share)
{
    double wanted = share * (double)histogram_count(before, after);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double here = (double)(after->counts[i] - before->counts[i]);
        double low = (double)budget_bucket_ns(i), high = (double)budget_bucket_ns(i + 1);
        if (here > 0 && here >= wanted)
            return (low + (high - low) * wanted / here) / 1e9;
        wanted -= here;
    }
    return 0;
}

/* Steps are tried in parts of a nanosecond: counters of 24 MHz go in 41.67 ns. */
enum { PARTS = 16, STEP_MOST = 1000 * PARTS, STEP_LEAST = 4 * PARTS, DURATIONS = 512, SPINS = 61 };

/* Nearly all are multiples of it, but for rounding. (Of random ones 3 in `step` are.) */
static bool is_step(uint64_t step, const uint64_t *ns, size_t count)
{
    size_t others = 0;
    for (size_t i = 0; i < count && others * 20 <= count; i++) {
        uint64_t rest = ns[i] * PARTS % step;
        others += rest > PARTS && rest < step - PARTS;
    }
    return others * 20 <= count;
}

/* Those close to it are as good: the middle of them. */
uint64_t histogram_find_step(const uint64_t *ns, size_t count)
{
    uint64_t most = STEP_MOST;
    while (most >= STEP_LEAST && !is_step(most, ns, count))
        most--;
    if (most < STEP_LEAST)
        return 1;
    uint64_t least = most;
    while (least > STEP_LEAST && is_step(least - 1, ns, count))
        least--;
    return (least + most + PARTS) / (2 * PARTS);
}

double histogram_clock_step(void)
{
    uint64_t ns[DURATIONS];
    for (unsigned i = 0; i < DURATIONS; i++) {
        uint64_t before = progress_now_ns();
        for (volatile unsigned spin = i % SPINS; spin > 0; spin--)
            ;
        ns[i] = progress_now_ns() - before;
    }
    return (double)histogram_find_step(ns, DURATIONS) / 1e9;
}
