/* depot.h - where threads exchange whole magazines: per class a shelf of those with rounds.
 *
 * Each CPU, or few of many, has a shelf of its own: a thread leaves and looks where it runs, and
 * takes from the others before it goes to the slabs. So blocks come back to the CPU whose cache
 * holds them. */
#ifndef MPRESS_DEPOT_H
#define MPRESS_DEPOT_H

#include <stdbool.h>
#include <stddef.h>

#include "allocators/magazine.h"

enum { DEPOT_SHARDS_MAX = 16 };

/* While one thread runs. cpus: how many the program may use. */
void depot_init(unsigned cpus);

/* Takes a magazine with rounds; NULL: the depot has none of this class. */
struct magazine *depot_get(unsigned class);

/* Leaves one with rounds; false: the shelf here is full, the caller keeps it. */
bool depot_put(struct magazine *magazine);

/* Gives magazines that nobody needed since the last tick back to the slabs. */
void depot_tick(void);

/* Gives all back to the slabs. */
void depot_drain(void);

/* Objects of the class in the depot. */
size_t depot_rounds(unsigned class);

/* Shows every object in the depot. Without locks: the other threads stand still. */
void depot_visit_rounds(void (*visit)(void *p));

void depot_fork_child(void);

#endif
