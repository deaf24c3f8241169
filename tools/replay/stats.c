/* stats.c - see stats.h */
#include "tools/replay/stats.h"

#include <stdlib.h>

#include "tools/trace/memory.h"

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static struct stats_figure figure_of(uint64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    uint64_t low = values[(count - 1) / 2];
    uint64_t high = values[count / 2];
    return (struct stats_figure){low + (high - low) / 2, values[0], values[count - 1]};
}

/* The median of the bucket's range, for those that are no longer exact. */
static uint64_t value_of_bucket(unsigned bucket)
{
    uint64_t from = result_bucket_ns(bucket);
    uint64_t to = bucket + 1 < RESULT_BUCKETS ? result_bucket_ns(bucket + 1) : from;
    return to > from ? from + (to - from - 1) / 2 : from;
}

static uint64_t percentile(const struct result *timed, uint64_t calls, double share)
{
    uint64_t wanted = (uint64_t)((double)calls * share);
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < RESULT_BUCKETS; bucket++) {
        seen += timed->latency[bucket];
        if (seen > wanted) {
            uint64_t value = value_of_bucket(bucket);
            return value < timed->latency_max_ns ? value : timed->latency_max_ns;
        }
    }
    return timed->latency_max_ns;
}

static struct stats_latency latency_of(const struct result *timed)
{
    uint64_t calls = 0;
    for (unsigned bucket = 0; bucket < RESULT_BUCKETS; bucket++)
        calls += timed->latency[bucket];
    if (calls == 0)
        return (struct stats_latency){.is_known = false};
    return (struct stats_latency){.is_known = true,
                                  .mean = (double)timed->call_ns / (double)calls,
                                  .p50 = percentile(timed, calls, 0.5),
                                  .p99 = percentile(timed, calls, 0.99),
                                  .p999 = percentile(timed, calls, 0.999),
                                  .most = timed->latency_max_ns,
                                  .clock_ns = timed->clock_ns};
}

void stats_make(struct stats *stats, const struct result *runs, size_t count,
                const struct result *timed)
{
    uint64_t *values = memory_alloc(count, sizeof(*values));
#define FIGURE(field)                                                                              \
    do {                                                                                           \
        for (size_t i = 0; i < count; i++)                                                         \
            values[i] = runs[i].field;                                                             \
        stats->field = figure_of(values, count);                                                   \
    } while (0)
    FIGURE(wall_ns);
    FIGURE(resident_before);
    FIGURE(resident_peak);
    FIGURE(resident_mean);
    FIGURE(internal_peak);
    FIGURE(internal_mean);
    FIGURE(minor_faults);
    FIGURE(major_faults);
    FIGURE(waits);
    FIGURE(behind_ns);
    FIGURE(resident_first);
    FIGURE(resident_last);
#undef FIGURE
    free(values);
    stats->latency = timed != NULL ? latency_of(timed) : (struct stats_latency){.is_known = false};
}

double stats_spread(const struct stats_figure *figure)
{
    if (figure->median == 0)
        return 0;
    return (double)(figure->most - figure->least) / (double)figure->median;
}
