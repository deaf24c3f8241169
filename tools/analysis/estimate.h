/* estimate.h - what a sampled trace (tracer/format.h, SAMPLES) says about all that it left out.
 *
 * A block of s bytes was recorded with the chance p = 1 - exp(-s / period), so it stands for 1 / p
 * blocks: the sum over the recorded ones is right on average (Horvitz & Thompson, JASA 1952). */
#ifndef MPRESS_TOOLS_ANALYSIS_ESTIMATE_H
#define MPRESS_TOOLS_ANALYSIS_ESTIMATE_H

#include <stdint.h>

#include "tools/analysis/held.h"

/* What a sampled object stands for. */
struct amount estimate_weigh_sample(uint64_t period, uint64_t size, uint64_t object);

/* What the recorded object stands for. Period 0: for itself. */
static inline struct amount estimate_weigh(uint64_t period, uint64_t size, uint64_t object)
{
    if (period != 0)
        return estimate_weigh_sample(period, size, object);
    return (struct amount){.bytes = size, .blocks = 1};
}

struct interval {
    uint64_t low;
    uint64_t high;
};

/* Where the true bytes are, in 95 of 100 traces. Period 0: exactly there. */
struct interval estimate_interval(uint64_t period, const struct amount *amount);

#endif
