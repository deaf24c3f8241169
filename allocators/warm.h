/* warm.h - freed runs above 256 KiB, kept whole and at hand for a taker of the same length.
 *
 * In front of the unit heap, without its lock: a slot is one word, taken and filled by one atomic
 * exchange. What waits here counts as free and dirty; it goes to the unit heap when it has waited
 * for the decay time, when there are too many, and before the heap would grow. */
#ifndef MPRESS_WARM_H
#define MPRESS_WARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WARM_SLOTS = 16 };

struct warm_run {
    uint32_t first;
    uint32_t units; /* 0: no run */
    uint64_t since_ns;
};

/* Takes a run of exactly so many units at a multiple of `align_units`; UNIT_NONE: none waits. */
uint32_t warm_take(size_t units, size_t align_units);

/* Leaves a run where there is room; false: there is none. */
bool warm_try_put(struct warm_run run);

/* Leaves a run; the one that had to make room for it, or none. */
struct warm_run warm_put(struct warm_run run);

/* Takes one that waits since `before_ns` or longer, or none. */
struct warm_run warm_take_older(uint64_t before_ns);

/* Shows the first byte of every run that waits. */
void warm_visit(void (*visit)(void *p));

struct warm_stats {
    size_t runs, units;
    size_t longest;      /* units of one run */
    size_t hits, misses; /* of warm_take; approximately */
};
void warm_read_stats(struct warm_stats *stats);

#endif
