/* samples.h - looks at the heap and the process, now and then. The caller is busy and holds no
 * lock. False: the disk is full. */
#ifndef MPRESS_TRACER_SAMPLES_H
#define MPRESS_TRACER_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "tracer/format.h"

/* A sample; and a table of all areas (areas.h) when much more is resident than at the last one. */
bool samples_take(uint64_t now_ns);

/* True when the last sample is so long ago that another one is due: 50 ms, a 2000th of the time
 * since the start in long traces, 10 s at most. */
bool samples_are_due(uint64_t now_ns);

/* Takes one if so, and no other thread is about to. */
bool samples_take_if_due(uint64_t now_ns);

/* Both in any case. */
bool samples_take_with_areas(uint64_t now_ns, enum trace_areas_reason reason);

/* Both, unless another mark had them a moment ago: a program may set marks in a loop. */
bool samples_take_at_mark(uint64_t now_ns);

/* Samples and tables of this trace, and what they took. */
void samples_count(struct trace_costs *costs);

/* Another trace begins, in this process or in a forked child. */
void samples_forget(void);

#endif
