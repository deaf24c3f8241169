/* metrics.c - see metrics.h. */
#include "tools/report/metrics.h"

#include <math.h>
#include <stdio.h>

#include "tools/analysis/latency.h"

static double get_not_freed(const struct analysis *analysis)
{
    return (double)analysis->total.now.bytes;
}

static double get_not_freed_blocks(const struct analysis *analysis)
{
    return (double)analysis->total.now.blocks;
}

/* Both kinds: what only a lost block leads to is as lost. */
static double get_lost(const struct analysis *analysis)
{
    const struct leak *leak = &analysis->leak;
    return analysis->facts->leaks == NULL ? NAN : (double)(leak->lost.bytes + leak->by_lost.bytes);
}

static double get_lost_blocks(const struct analysis *analysis)
{
    const struct leak *leak = &analysis->leak;
    return analysis->facts->leaks == NULL ? NAN
                                          : (double)(leak->lost.blocks + leak->by_lost.blocks);
}

static double get_peak(const struct analysis *analysis)
{
    return (double)analysis->peak_bytes;
}

static double get_rss(const struct analysis *analysis)
{
    const struct look *look = analysis_find_rss_peak(analysis);
    return look == NULL || look->sample.rss == 0 ? NAN : (double)look->sample.rss;
}

static double get_resident_heap(const struct analysis *analysis)
{
    uint64_t most = 0;
    analysis_get_overhead(analysis, &most);
    return most == 0 ? NAN : (double)most;
}

static double get_fragmentation(const struct analysis *analysis)
{
    const struct look *look = analysis_find_rss_peak(analysis);
    return look == NULL || !look->is_known ? NAN : look->fragmentation;
}

static double get_allocations(const struct analysis *analysis)
{
    return (double)analysis->allocations;
}

static double get_allocated(const struct analysis *analysis)
{
    return (double)analysis->allocated_bytes;
}

static double get_temporary(const struct analysis *analysis)
{
    return analysis_is_estimate(analysis) ? NAN : (double)analysis->temporary;
}

static double get_failed(const struct analysis *analysis)
{
    return (double)analysis->failed;
}

static double get_dropped(const struct analysis *analysis)
{
    return (double)analysis->totals.dropped;
}

static double get_duration(const struct analysis *analysis)
{
    return (double)analysis_since_start(analysis, analysis->last_ns);
}

static double get_latency(const struct analysis *analysis, double share)
{
    const struct trace_latency *latency = analysis->facts->latency;
    return latency == NULL ? NAN
                           : (double)latency_quantile(latency->calls, latency->most_ns, share);
}

static double get_p50_malloc(const struct analysis *analysis)
{
    return get_latency(analysis, 0.5);
}

static double get_p99_malloc(const struct analysis *analysis)
{
    return get_latency(analysis, 0.99);
}

static double get_p999_malloc(const struct analysis *analysis)
{
    return get_latency(analysis, 0.999);
}

static double get_max_malloc(const struct analysis *analysis)
{
    return get_latency(analysis, 1);
}

const struct metric metrics[METRICS] = {
    {"peak", "asked for at the peak", METRIC_BYTES, get_peak},
    {"not_freed", "not freed", METRIC_BYTES, get_not_freed},
    {"not_freed_blocks", "blocks not freed", METRIC_COUNT, get_not_freed_blocks},
    {"lost", "lost", METRIC_BYTES, get_lost},
    {"lost_blocks", "blocks lost", METRIC_COUNT, get_lost_blocks},
    {"allocations", "allocations", METRIC_COUNT, get_allocations},
    {"allocated", "asked for in all", METRIC_BYTES, get_allocated},
    {"temporary", "temporary allocations", METRIC_COUNT, get_temporary},
    {"rss", "largest resident set", METRIC_BYTES, get_rss},
    {"resident_heap", "largest resident heap", METRIC_BYTES, get_resident_heap},
    {"fragmentation", "fragmentation, most resident", METRIC_SHARE, get_fragmentation},
    {"failed", "failed allocations", METRIC_COUNT, get_failed},
    {"dropped", "events that were dropped", METRIC_COUNT, get_dropped},
    {"duration", "duration", METRIC_TIME, get_duration},
    {"p50_malloc", "half of the mallocs within", METRIC_TIME, get_p50_malloc},
    {"p99_malloc", "99 % of the mallocs within", METRIC_TIME, get_p99_malloc},
    {"p999_malloc", "99.9 % of the mallocs within", METRIC_TIME, get_p999_malloc},
    {"max_malloc", "the longest malloc", METRIC_TIME, get_max_malloc},
};

struct units metric_describe(enum metric_kind kind, double value)
{
    struct units text;
    switch (kind) {
    case METRIC_BYTES:
        return units_bytes((uint64_t)value);
    case METRIC_COUNT:
        return units_count((uint64_t)value);
    case METRIC_TIME:
        return units_duration((uint64_t)value);
    default:
        snprintf(text.at, sizeof text.at, "%.1f %%", 100 * value);
        return text;
    }
}
