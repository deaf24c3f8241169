/* latency.c - see latency.h. */
#include "tools/analysis/latency.h"

/* The median of the bucket's range, for those that are no longer exact. */
static uint64_t value_of_bucket(unsigned bucket)
{
    uint64_t from = trace_latency_ns(bucket);
    uint64_t to = bucket + 1 < TRACE_LATENCY_BUCKETS ? trace_latency_ns(bucket + 1) : from;
    return to > from ? from + (to - from - 1) / 2 : from;
}

uint64_t latency_count(const uint64_t calls[TRACE_LATENCY_BUCKETS])
{
    uint64_t sum = 0;
    for (unsigned bucket = 0; bucket < TRACE_LATENCY_BUCKETS; bucket++)
        sum += calls[bucket];
    return sum;
}

uint64_t latency_quantile(const uint64_t calls[TRACE_LATENCY_BUCKETS], uint64_t most_ns,
                          double share)
{
    uint64_t wanted = (uint64_t)((double)latency_count(calls) * share), seen = 0;
    for (unsigned bucket = 0; bucket < TRACE_LATENCY_BUCKETS; bucket++) {
        seen += calls[bucket];
        if (seen > wanted) {
            uint64_t value = value_of_bucket(bucket);
            return value < most_ns ? value : most_ns;
        }
    }
    return most_ns;
}
