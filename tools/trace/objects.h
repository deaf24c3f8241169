/* objects.h - which object lives at an address now.
 *
 *     address --hash--> slots: | tag | seat |     small: eight are in a line of the CPU's cache
 *                                        \
 *                                    objects: | address | number | size |     by seat (seats.h)
 *
 * Open addressing with linear probing (Knuth, TAOCP 3, 6.4), no tombstones. The tag is the upper
 * half of the hash, so that slots are told apart, and moved, without a look at the objects. The
 * hash is seeded, so that no file can be made to collide. */
#ifndef MPRESS_TOOLS_TRACE_OBJECTS_H
#define MPRESS_TOOLS_TRACE_OBJECTS_H

#include <stddef.h>
#include <stdint.h>

#include "tools/trace/seats.h"

struct object {
    uint64_t units; /* the address; 0: nobody has the seat, or it is none of these objects */
    uint64_t number;
    uint64_t size;
};

struct objects_slot {
    uint32_t tag;
    uint32_t seat; /* 0: the slot is empty */
};

struct objects {
    struct objects_slot *slots;
    size_t mask;    /* slots - 1; a power of two minus 1 */
    unsigned shift; /* 64 - log2 of the slots; at least 32 */
    size_t count;   /* at most 5/8 of the slots */
    uint64_t seed;  /* odd */
    struct seats seats;
    struct object *object; /* by seat */
    size_t room;           /* for seats below */
};

void objects_init(struct objects *objects);
void objects_fini(struct objects *objects);

/* `units` is not 0 and not in it. The seat that it takes. */
uint32_t objects_insert(struct objects *objects, uint64_t units, uint64_t number, uint64_t size);

/* The object with that seat goes, and gives the seat back. */
void objects_remove(struct objects *objects, uint32_t seat);

/* An odd number that is another one in every process. */
uint64_t objects_seed(void);

static inline uint64_t objects_hash(const struct objects *objects, uint64_t units)
{
    return units * objects->seed;
}

/* One that lives. Good until the next insert. */
static inline struct object *objects_get(const struct objects *objects, uint32_t seat)
{
    return &objects->object[seat];
}

/* The seat of who lives there; 0: nobody. */
static inline uint32_t objects_find(const struct objects *objects, uint64_t units)
{
    uint64_t hash = objects_hash(objects, units);
    for (size_t at = (size_t)(hash >> objects->shift);; at = (at + 1) & objects->mask) {
        struct objects_slot slot = objects->slots[at];
        if (slot.seat == 0)
            return 0;
        if (slot.tag == (uint32_t)(hash >> 32) && objects->object[slot.seat].units == units)
            return slot.seat;
    }
}

/* That will be asked for: first its slot is loaded, then, by the second call, the object. */
static inline void objects_prefetch_slot(const struct objects *objects, uint64_t units)
{
    __builtin_prefetch(&objects->slots[objects_hash(objects, units) >> objects->shift], 1);
}

static inline void objects_prefetch_object(const struct objects *objects, uint64_t units)
{
    uint64_t hash = objects_hash(objects, units);
    size_t at = (size_t)(hash >> objects->shift);
    while (objects->slots[at].seat != 0 && objects->slots[at].tag != (uint32_t)(hash >> 32))
        at = (at + 1) & objects->mask;
    __builtin_prefetch(&objects->object[objects->slots[at].seat], 1);
}

#endif
