/* run.h - the index of free runs: bins by length, an age list, neighbours through bitmaps.
 *
 * All of it under the unit heap's lock; runs never overlap, and two of them are never neighbours
 * unless somebody between them is just being moved. */
#ifndef MPRESS_RUN_H
#define MPRESS_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/conf.h"
#include "allocators/space.h"

/* A free run; lives in the span of its first unit. */
struct run {
    uint32_t units;
    uint32_t dirty;          /* U3: dirty bits set in the run */
    uint32_t next, prev;     /* of its bin; UNIT_NONE at the ends */
    uint32_t younger, older; /* of the age list, when dirty */
    uint64_t since_ns;       /* when its longest part was freed */
};

static inline struct run *run_at(uint32_t first)
{
    return (struct run *)space_span(first);
}

/* Forgets all runs. */
void run_clear_index(void);

/* Makes [first, first + units) a free run, as it is: dirty by its dirty bits, joined with nobody.
 */
void run_insert(uint32_t first, size_t units, uint64_t since_ns);

/* Takes a run out of the index; its units are labelled CTL_TAKEN. */
void run_remove(uint32_t first);

/* A run of at least `units` below `end`, by the policy: dirty ones first, unless the lowest one is
 * wanted. UNIT_NONE: there is none. */
uint32_t run_find(enum conf_fit fit, size_t units, uint32_t end);

/* The run that was freed first of all dirty ones; UNIT_NONE: nothing is dirty. */
uint32_t run_oldest(void);

struct run_totals {
    size_t free_units;    /* U2: free bits set */
    size_t dirty_units;   /* U3: dirty bits set in free runs */
    size_t largest_units; /* of one run */
};
void run_read_totals(struct run_totals *totals);

/* Recounts the index against the bitmaps and control bytes of units [0, end). */
void run_audit(uint32_t end);

#endif
