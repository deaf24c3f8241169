/* mixed.h - mixed zones: what sparse slabs become, so that their holes serve every small size.
 *
 * A melted slab keeps its objects where they are; its units are labelled CTL_MIXED, and two bitmaps
 * at 16-byte grain (grains.h) say what is free and where each object ends. One lock for all zones:
 * they are on no fast path. Objects of a zone have the size and alignment of a size class, as all
 * others: any magazine may hold them and hand them out again. */
#ifndef MPRESS_MIXED_H
#define MPRESS_MIXED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Classes up to this size melt, and are served from zones. */
enum { MIXED_BYTES_MAX = 1024 };

/* Makes a zone of the slab of `class` that begins at unit `first`; bit i of `free_objects`: object
 * i is free; bit p of `purged`: page p holds no memory. The caller owns the slab under its class's
 * lock; any thread may hold its objects. */
void mixed_adopt(uint32_t first, unsigned class, const uint64_t *free_objects, uint64_t purged);

/* Takes up to `count` objects of the class out of holes. How many; 0: no zone has one. */
unsigned mixed_take(unsigned class, void **objects, unsigned count);

/* Gives objects back that lie in zones, as slab_give and slab_give_leftovers do. */
void mixed_give(unsigned class, void *const *objects, unsigned count, bool leftovers);

/* The same for one object of any class. */
void mixed_free(void *p);

/* The class of the object that begins at `p`, an address in a zone, without the lock. 0: none does,
 * or it could not be told: mixed_free knows. */
unsigned mixed_class_of(const void *p);

/* First byte and class of the object that `p`, an address in a zone, points into; NULL: a hole. */
void *mixed_object_of(const void *p, unsigned *class);

/* Objects of the class out of zones: held by the program or in magazines. */
size_t mixed_taken(unsigned class);

struct mixed_stats {
    size_t zones;
    size_t bytes;      /* of their units */
    size_t free_bytes; /* of holes, without the pages that were given back */
};
void mixed_read_stats(struct mixed_stats *stats);

/* Whether the next two do anything (MPRESS_PURGE). */
void mixed_set_purge(bool purge);

/* Gives whole pages of holes back to the system: at a tick about `most_bytes` of those that were
 * free for half a second, at a purge all. Bytes given back. Without locks. */
size_t mixed_tick(uint64_t now_ns, size_t most_bytes);
size_t mixed_purge(void);

/* In the child of a fork: rebuilds the zones from control bytes and bitmaps when one was cut. */
void mixed_fork_child(void);

/* Recounts everything (invariants M1..M4 of README.md). */
void mixed_audit(void);

#endif
