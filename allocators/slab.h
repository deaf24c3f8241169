/* slab.h - slabs: runs of units cut into equal objects of one class, with bitmaps out of band.
 *
 * Works on batches: magazines are filled and emptied here, a lock per class. */
#ifndef MPRESS_SLAB_H
#define MPRESS_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/conf.h"

enum { SLAB_OBJECTS_MAX = 1024, SLAB_ZEROED_MIN = 4096 };

/* `nodes`: how many os_node tells of. */
void slab_init(unsigned nodes);

/* Takes up to `count` objects, the lowest of the fullest slabs first. How many were taken; 0: there
 * is no memory. */
unsigned slab_take(unsigned class, void **objects, unsigned count);

/* Takes one and clears it, but for what is known to be zero: that is not touched. Pays from
 * SLAB_ZEROED_MIN bytes on. NULL: there is no memory. */
void *slab_take_zeroed(unsigned class);

/* Gives objects back. All must be of this class; a pointer that is no object, or one that is free
 * already, is the program's fault and ends it. */
void slab_give(unsigned class, void *const *objects, unsigned count);

/* Gives one object back, whatever its class and the state of its slab. */
void slab_free(void *p);

/* As slab_give, but what is free already is passed over: for the magazines of threads that
 * vanished in a fork. */
void slab_give_leftovers(unsigned class, void *const *objects, unsigned count);

/* First byte and class of the object that `p` points into; NULL: p lies behind the last object. */
void *slab_object_of(const void *p, unsigned *class);

struct slab_stats {
    size_t taken_objects; /* out of their slabs: held by the program or in magazines */
    size_t taken_bytes;
    size_t free_bytes; /* of the slabs' pages that hold memory, what is not taken */
    size_t slabs;
};
void slab_read_stats(unsigned class, struct slab_stats *stats);

/* How eagerly pages of free objects are purged, and sparse slabs drained. */
void slab_set_pace(enum conf_pace purge, enum conf_pace drain);

/* Does a bounded piece of both, giving back `most_bytes` or a little more. Cheap when there is
 * nothing to do; one thread at a time (scavenge.c). Bytes given back to the system. */
size_t slab_tick(uint64_t now_ns, size_t most_bytes);

/* Purges all that can be purged now; empty slabs go back to the unit heap. Bytes given back to the
 * system. */
size_t slab_purge(void);

/* In the child of a fork: frees the locks, recounts the classes that were cut in a change. */
void slab_fork_child(void);

/* Recounts everything (invariants S1..S7 of README.md). */
void slab_audit(void);

#endif
