/* plan.h - the events of a trace as they would be if the blocks of a scope's bursts were had from
 * transactions: what is replayed to know what a proposal is worth. */
#ifndef MPRESS_TOOLS_PROPOSE_PLAN_H
#define MPRESS_TOOLS_PROPOSE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/trace/trace.h"

struct plan;

/* Reads the trace once more. */
struct plan *plan_create(const struct trace *trace, uint32_t node);
void plan_destroy(struct plan *plan);

/* Before each visit. */
void plan_begin(struct plan *plan);

/* The next event of a visit; false: there is none. A transaction begins with the first block of a
 * burst, and ends behind the death of the last of those that do not escape. */
bool plan_next(struct plan *plan, struct trace_visit *visit, struct trace_event *event);

#endif
