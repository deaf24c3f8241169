/* magazine.h - arrays of free objects with sentinels at both ends.
 *
 *     slot:  | NULL | p | p | p | . | . | FULL |      top points at the first free slot:
 *                                ^top                  top[-1] NULL: empty;  *top FULL: full
 *
 * (Magazines and depot: Bonwick & Adams, USENIX 2001, 3; the sentinels replace their counters.) */
#ifndef MPRESS_MAGAZINE_H
#define MPRESS_MAGAZINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/size_class.h"

#define MAGAZINE_FULL ((void *)1)

/* Capacities double from 8 to 256; a class caps them at its own maximum. */
enum { MAGAZINE_STEPS = 6, MAGAZINE_FIRST_ROUNDS = 8 };

struct magazine {
    struct magazine *next; /* in the depot or the pool of empty ones; their locks */
    uint32_t rounds;       /* objects in it, while it is not loaded; owner */
    uint16_t capacity;     /* constant while a class uses it */
    uint8_t class;         /* the same */
    uint8_t step;          /* constant: memory for 8 << step rounds */
    bool is_hollow;        /* there may be NULLs among the rounds: a reclaimer took some */
    void *slot[];          /* slot[0] NULL, rounds from 1, slot[capacity + 1] FULL; above the
                            * rounds: whatever, but not FULL */
};

static inline void **magazine_top(struct magazine *magazine, uint32_t rounds)
{
    return &magazine->slot[1 + rounds];
}

static inline uint32_t magazine_rounds_below(const struct magazine *magazine, void **top)
{
    return (uint32_t)(top - magazine->slot - 1);
}

/* Bytes of objects that it has room for. (Of medium blocks: none, as their number is bounded.) */
static inline size_t magazine_room_bytes(const struct magazine *magazine)
{
    return magazine->capacity * (size_t)size_tables.classes[magazine->class].bytes;
}

/* Shows the rounds of an unloaded magazine. */
void magazine_visit(const struct magazine *magazine, void (*visit)(void *p));

/* Moves the rounds of an unloaded magazine together. */
void magazine_fill_hollow(struct magazine *magazine);

/* An empty magazine of the class, as large as the step says or the class allows. NULL: no memory.
 * magazine_put gives one back, whatever it holds is forgotten. */
struct magazine *magazine_get(unsigned class, unsigned step);
void magazine_put(struct magazine *magazine);

/* Gives rounds of a class to where they came from: slabs, or the unit heap. Leftovers: what is free
 * already is passed over, as in slab_give_leftovers. */
void magazine_give(unsigned class, void *const *rounds, unsigned count, bool leftovers);

/* Gives all rounds of a magazine that nobody refers to any more, and then itself, back. How many
 * there were. */
unsigned magazine_unload(struct magazine *magazine);

/* The class could use a larger one. */
bool magazine_can_grow(const struct magazine *magazine);

void magazine_fork_child(void);

#endif
