/* grains.h - the bitmaps of a mixed zone: objects of any size at 16-byte grain.
 *
 *     memory:  | object of 3  | hole  | object of 2 |o1| hole ...      o1: an object of 1 grain
 *     free:      0    0    0    1   1     0    0      0   1   1
 *     end:       0    0    1    0   0     0    1      1   0   0
 *
 * A grain is free, or it belongs to the object that ends at the next end bit. Neighbouring holes
 * join by themselves. The caller's lock protects it all but grains_peek. */
#ifndef MPRESS_GRAINS_H
#define MPRESS_GRAINS_H

#include <stdbool.h>
#include <stdint.h>

enum { GRAIN_SHIFT = 4, GRAIN_BYTES = 1 << GRAIN_SHIFT };

struct grains {
    uint64_t *free;
    uint64_t *end; /* G1: a free grain has no end bit; G2: a hole follows an end bit or a hole */
    uint32_t count;
};

struct hole {
    uint32_t first, end; /* grains [first, end) */
};

/* The first hole at or behind `from`; false: there is none. */
bool grains_next_hole(const struct grains *grains, uint32_t from, struct hole *hole);

/* The whole hole that grain `at`, a free one, lies in. */
struct hole grains_hole_around(const struct grains *grains, uint32_t at);

/* Makes [first, first + size), which is free, an object. */
void grains_take(const struct grains *grains, uint32_t first, uint32_t size);

/* Frees the object of `size` grains that begins at `first`. */
void grains_give(const struct grains *grains, uint32_t first, uint32_t size);

/* First grain of the object that `at`, which is not free, belongs to. */
uint32_t grains_first_of(const struct grains *grains, uint32_t at);

/* Grains from `at`, which is not free, to the end of its object. */
uint32_t grains_size_from(const struct grains *grains, uint32_t at);

/* From bit `at` of a word on. Acquire: pairs with the release of who sets bits, so that they are
 * seen in the order they were set. */
static inline uint64_t grains_peek_word(const uint64_t *words, uint32_t at)
{
    return __atomic_load_n(&words[at / 64], __ATOMIC_ACQUIRE) >> (at % 64);
}

/* Grains of the object that begins at `at`, without the lock. 0: none does, or it cannot be told
 * because a neighbour moves. An object that is not freed meanwhile is found as it is. */
static inline uint32_t grains_peek(const struct grains *grains, uint32_t at)
{
    if (at != 0 &&
        ((grains_peek_word(grains->end, at - 1) | grains_peek_word(grains->free, at - 1)) & 1) == 0)
        return 0;
    for (uint32_t from = at; from < grains->count; from = (from / 64 + 1) * 64) {
        uint64_t free = grains_peek_word(grains->free, from);
        uint64_t found = free | grains_peek_word(grains->end, from);
        if (found != 0) /* a free one first: what begins here was never handed out */
            return (free & found & -found) == 0 ? from - at + (uint32_t)__builtin_ctzll(found) + 1
                                                : 0;
    }
    return 0;
}

/* The first object at or behind `from`, or piece without an end; false: there is none. */
bool grains_next_object(const struct grains *grains, uint32_t from, uint32_t *first,
                        uint32_t *size);

/* Grains of the longest hole. */
uint32_t grains_longest_hole(const struct grains *grains);

/* After a fork cut a change: G1 and G2 hold again; objects for which `is_whole` says no are freed
 * too. Nobody holds those: takers hand out last, givers let go first. */
void grains_mend(const struct grains *grains, bool (*is_whole)(uint32_t size));

/* G1, G2, and is_whole for every object. */
void grains_audit(const struct grains *grains, bool (*is_whole)(uint32_t size));

#endif
