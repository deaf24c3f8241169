/* areas.h - the table of all mappings, as the kernel has them, with what is resident (format.h,
 * AREAS). Slow: the kernel looks at every page. */
#ifndef MPRESS_TRACER_AREAS_H
#define MPRESS_TRACER_AREAS_H

#include <stdbool.h>
#include <stdint.h>

#include "tracer/format.h"

/* True when tables for this reason have not taken too much of the time so far. Each reason has its
 * own share: growth that was slow to look at leaves a mark its table. */
bool areas_may_cost(uint64_t now_ns, enum trace_areas_reason reason);

/* True when moreover so much is resident, which is a quarter more than in any table before. */
bool areas_are_due(uint64_t now_ns, uint64_t rss);

/* Writes a table, unless another thread is at it. False: the disk is full. */
bool areas_write(uint64_t now_ns, enum trace_areas_reason reason);

/* Another trace begins, in this process or in a forked child. */
void areas_forget(void);

/* Tables written in this trace, and what they took. */
uint64_t areas_count(uint64_t *took_ns);

#endif
