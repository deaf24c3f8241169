/* stats.c - see stats.h */
#include "tools/replay/stats.h"

#include <stdlib.h>

#include "tools/analysis/latency.h"
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

static struct stats_latency latency_of(const struct result *timed)
{
    const uint64_t *calls = timed->latency, most = timed->latency_max_ns;
    uint64_t count = latency_count(calls);
    if (count == 0)
        return (struct stats_latency){.is_known = false};
    return (struct stats_latency){.is_known = true,
                                  .mean = (double)timed->call_ns / (double)count,
                                  .p50 = latency_quantile(calls, most, 0.5),
                                  .p99 = latency_quantile(calls, most, 0.99),
                                  .p999 = latency_quantile(calls, most, 0.999),
                                  .most = most,
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
