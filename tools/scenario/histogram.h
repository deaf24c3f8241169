/* histogram.h - counts of what took so long, in the buckets of preload/budget.h: some 12 % apart.
 */
#ifndef MPRESS_TOOLS_SCENARIO_HISTOGRAM_H
#define MPRESS_TOOLS_SCENARIO_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 320 };

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
};

/* How many came between two states of one that only grows. */
uint64_t histogram_count(const struct histogram *before, const struct histogram *after);

/* What `share` of them did not exceed, seconds; within a bucket as if they were spread evenly. 0 of
 * none. */
double histogram_quantile(const struct histogram *before, const struct histogram *after,
                          double share);

/* The steps that a clock goes in, nanoseconds, out of many durations of all lengths that it told:
 * what is shorter than a step cannot be told from one. (Processors' counters may go in 10 ns.) 1:
 * in fine ones. */
uint64_t histogram_find_step(const uint64_t *ns, size_t count);

/* The same of CLOCK_MONOTONIC, seconds. */
double histogram_clock_step(void);

#endif
