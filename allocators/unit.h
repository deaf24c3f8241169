/* unit.h - the unit heap: runs of 16 KiB units, coalescing, with the memory given back by time.
 *
 * Free runs are clean (they read as zero and cost nothing) or dirty (they hold pages of the
 * system). One lock. A run that is out of the heap belongs to its taker, who labels it. */
#ifndef MPRESS_UNIT_H
#define MPRESS_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/conf.h"

/* Which free run a request takes; the reading of conf.fit. */
void unit_init(enum conf_fit fit, uint64_t decay_ns);

/* See space_limit. */
void unit_limit_space(uint64_t bytes);

/* Takes a run of `units` whose first unit's number is a multiple of `align_units` (a power of two).
 * Dirty runs are preferred, then clean ones, then the frontier. The units come labelled CTL_TAKEN
 * (of a parked run, the first one).
 * *zeroed (may be NULL): every byte reads as zero. UNIT_NONE: there is no room. */
uint32_t unit_alloc(size_t units, size_t align_units, bool *zeroed);

/* Gives a run (or a part of one) back; it joins its free neighbours. */
void unit_free(uint32_t first, size_t units);

/* Gives a whole run back whose first unit was labelled CTL_TAKEN. A long one stays whole for a
 * while, with the labels of its other units, for the next taker of as many: both are cheap then,
 * and need no lock. */
void unit_park(uint32_t first, size_t units);

/* The same, but only what takes no lock; false: nothing was done. And the way back: a parked run of
 * exactly so many units, or UNIT_NONE. */
bool unit_try_park(uint32_t first, size_t units);
uint32_t unit_take_parked(size_t units);

/* What is freed until the next such call lay unused for so long already. */
void unit_set_unused(uint64_t ns);

/* Takes the `units` right behind a run when they are free, to grow it in place. *zeroed as above.
 */
bool unit_extend(uint32_t first, size_t old_units, size_t units, bool *zeroed);

/* Gives pages of runs that were free for longer than the decay time back to the system, about
 * `most_bytes` of them. Bytes given back. */
size_t unit_tick(uint64_t now_ns, size_t most_bytes);

/* Some free unit holds memory: to take it costs the system nothing. */
bool unit_has_dirty(void);

/* Gives all dirty pages back now. Bytes given back. */
size_t unit_purge(void);

/* Bytes of units that may hold pages: all that are in use, and the dirty ones. */
size_t unit_resident_bytes(void);

struct unit_stats {
    size_t dirty_bytes;   /* of free units that hold pages, parked ones too */
    size_t clean_bytes;   /* of free units that do not */
    size_t largest_bytes; /* the largest free run, parked or not */
    size_t freed;         /* runs given back since the start, but for those that are parked */
    size_t joined;        /* of these, joined with a free neighbour at once */
    size_t warm_hits;     /* long runs found parked, and not found */
    size_t warm_misses;
};
void unit_read_stats(struct unit_stats *stats);

/* Shows every unit below the frontier that carries the control byte to `visit`. It is under the
 * lock: no span of a unit that is shown is used anew meanwhile. */
void unit_visit(uint8_t ctl, void (*visit)(size_t unit, void *context), void *context);

/* In the child of a fork: frees the lock; rebuilds the heap from the control bytes when the fork
 * cut a change in the middle. */
void unit_fork_child(void);

/* Recounts everything (invariants U1..U5 of README.md); for tests and debug builds. */
void unit_audit(void);

#endif
