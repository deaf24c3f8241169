/* latency.h - durations by bucket (tracer/format_heap.h), summed up. */
#ifndef MPRESS_TOOLS_ANALYSIS_LATENCY_H
#define MPRESS_TOOLS_ANALYSIS_LATENCY_H

#include <stdint.h>

#include "tracer/format.h"

uint64_t latency_count(const uint64_t calls[TRACE_LATENCY_BUCKETS]);

/* What that share of the calls did not exceed, within 3 %; `most_ns`: the longest. 0 of nothing. */
uint64_t latency_quantile(const uint64_t calls[TRACE_LATENCY_BUCKETS], uint64_t most_ns,
                          double share);

#endif
