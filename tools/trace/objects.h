/* objects.h - which object lives at an address now: open addressing with linear probing (Knuth,
 * TAOCP 3, 6.4), no tombstones. The hash is seeded, so that no file can be made to collide. */
#ifndef MPRESS_TOOLS_TRACE_OBJECTS_H
#define MPRESS_TOOLS_TRACE_OBJECTS_H

#include <stddef.h>
#include <stdint.h>

struct object {
    uint64_t units; /* the address; 0: the slot is empty */
    uint64_t number;
    uint64_t size;
    uint32_t seat; /* see seats.h */
    uint32_t reserved;
};

struct objects {
    struct object *slots;
    size_t mask;    /* slots - 1; a power of two minus 1 */
    unsigned shift; /* 64 - log2 of the slots */
    size_t count;   /* at most half of the slots */
    uint64_t seed;  /* odd */
};

void objects_init(struct objects *objects);
void objects_fini(struct objects *objects);

/* `units` is not 0 and not in it. The object, with seat 0, is good until the next insert or remove.
 */
struct object *objects_insert(struct objects *objects, uint64_t units, uint64_t number,
                              uint64_t size);

/* An odd number that is another one in every process. */
uint64_t objects_seed(void);

static inline size_t objects_slot(const struct objects *objects, uint64_t units)
{
    return (size_t)((units * objects->seed) >> objects->shift);
}

static inline void objects_prefetch(const struct objects *objects, uint64_t units)
{
    __builtin_prefetch(&objects->slots[objects_slot(objects, units)]);
}

/* NULL: nobody lives there. Good until the next insert or remove. */
static inline struct object *objects_find(const struct objects *objects, uint64_t units)
{
    for (size_t slot = objects_slot(objects, units);; slot = (slot + 1) & objects->mask) {
        struct object *object = &objects->slots[slot];
        if (object->units == units)
            return object;
        if (object->units == 0)
            return NULL;
    }
}

void objects_remove(struct objects *objects, struct object *object);

#endif
