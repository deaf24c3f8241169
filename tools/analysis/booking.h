/* booking.h - what an event changes in an analysis. */
#ifndef MPRESS_TOOLS_ANALYSIS_BOOKING_H
#define MPRESS_TOOLS_ANALYSIS_BOOKING_H

#include "tools/analysis/analysis.h"

void booking_add(struct analysis *analysis, const struct trace_visit *visit,
                 const struct trace_event *event);

/* Number of the site of a node. */
uint32_t booking_find_site(struct analysis *analysis, uint32_t node);

/* How many of 10, 100, 1000... `ns` reaches. */
unsigned booking_find_life(uint64_t ns);

/* What an object of that number stands for. Of a trace that is not of samples it is not asked for:
 * the visit is brief then. */
static inline struct amount booking_weigh(const struct analysis *analysis, uint64_t size,
                                          const uint64_t *number)
{
    uint64_t period = analysis->facts->header.sample_period;
    return estimate_weigh(period, size, period != 0 ? *number : 0);
}

#endif
