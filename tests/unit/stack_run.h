/* stack_run.h - stacks as libunwind sees them, beside what the tracer made of them. */
#ifndef MPRESS_TESTS_STACK_RUN_H
#define MPRESS_TESTS_STACK_RUN_H

#include <stdint.h>

#include "tests/unit/trace_run.h"

/* Notes the caller's stack by a full walk of libunwind and records an allocation there. */
void probe(void);

/* How many probes are missing to the budget; for bodies that branch at random. */
uint32_t probes_left(uint32_t budget);

/* Calls functions with frames of many shapes below each other, at random, that probe as long as
 * grow_budget lasts. */
int grow(int depth, uint64_t *random);
extern uint32_t grow_budget;

/* One of the shapes: a frame of a size that is not known before. */
int branch_alloca(int depth, uint64_t *random);

extern uint64_t run_random; /* of the body, seeded */

/* Records `body` in a child, `depth` frames deep, and compares every frame of every probe; `least`
 * probes must be there. The trace is the result, to be freed. */
struct decoded compare_stacks(void (*body)(struct trace_run *), unsigned depth, uint32_t least);

#endif
