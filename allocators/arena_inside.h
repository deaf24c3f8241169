/* arena_inside.h - what the files of arenas share (arena.c, arena_fill.c). */
#ifndef MPRESS_ARENA_INSIDE_H
#define MPRESS_ARENA_INSIDE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "allocators/arena.h"
#include "allocators/base/bits.h"
#include "allocators/zone.h"

enum {
    ARENA_GRAINS = ARENA_UNITS * ZONE_UNIT_GRAINS,
    LINE_GRAINS = ARENA_GRAINS / ARENA_LINES,
    LINE_WORDS = ARENA_LINES / 64,
    WORD_LINES = 64 / LINE_GRAINS,
    WORD_LINES_MASK = (1 << WORD_LINES) - 1,
};

/* In the span of its first unit. */
struct arena_chunk {
    uint32_t next;             /* of the arena's older ones, or UNIT_NONE; the arena's thread's */
    uint32_t taken;            /* A1, once it is no more filled; the arena's thread's */
    _Atomic uint32_t given;    /* A1: freed by others, or since; mixed.lock */
    bool is_kept;              /* in the child of a fork, while it looks through all */
    uint64_t free[LINE_WORDS]; /* lines that are, or were when somebody looked last */
    uint64_t own[LINE_WORDS];  /* A4: lines in which blocks of this arena lie, and of no other */
};

_Static_assert((int)ARENA_UNITS <= (int)ZONE_UNITS_MAX, "a chunk can become a zone");
_Static_assert(sizeof(struct arena_chunk) <= SPAN_BYTES, "a chunk's metadata is one span");
_Static_assert(ARENA_BYTES_MAX / GRAIN_BYTES <= (int)ZONE_OBJECT_MAX, "it may have any block");

static inline struct arena_chunk *arena_chunk_at(uint32_t first)
{
    return (struct arena_chunk *)space_span(first);
}

static inline struct grains arena_grains_of(uint32_t first)
{
    return zone_grains_from(first, ARENA_UNITS);
}

static inline uint32_t arena_given_of(uint32_t first)
{
    /* acquire: what the others did with their blocks is done */
    return atomic_load_explicit(&arena_chunk_at(first)->given, memory_order_acquire);
}

/* One thread writes end bits; who looks a block up reads them. */
static inline void arena_set_end(const struct grains *grains, uint32_t at, bool value)
{
    uint64_t *word = &grains->end[at / 64], bit = UINT64_C(1) << (at % 64);
    __atomic_store_n(word, value ? *word | bit : *word & ~bit, __ATOMIC_RELEASE);
}

/* The owner and others set free bits of one word. True: none of these was set. */
static inline bool arena_set_free(const struct grains *grains, uint32_t first, uint32_t size)
{
    uint64_t found = 0;
    for (uint32_t word = first / 64; word <= (first + size - 1) / 64; word++) {
        uint64_t mask = bits_mask(word, first, size);
        found |= __atomic_fetch_or(&grains->free[word], mask, __ATOMIC_RELEASE) & mask;
    }
    return found == 0;
}

/* Blocks in a chunk that is filled no more. */
static inline size_t arena_blocks_in(uint32_t first)
{
    return arena_chunk_at(first)->taken - arena_given_of(first);
}

/* Room for a block in the chunk that is filled, in another one if need be. False: there is no
 * memory. */
bool arena_fill_make_room(struct arena *arena, struct arena_fill *fill, uint32_t size,
                          size_t alignment);

/* Where a block of so many grains may begin: from `at` on. */
static inline uint32_t arena_fill_align(const struct arena_fill *fill, uint32_t at,
                                        size_t alignment)
{
    uintptr_t base = (uintptr_t)fill->base;
    return (uint32_t)((round_up(base + at * (size_t)GRAIN_BYTES, alignment) - base) / GRAIN_BYTES);
}

/* After the last block of the chunk that is filled: it begins anew. */
void arena_fill_rewind(struct arena *arena, struct arena_fill *fill);

/* The chunk that is filled joins the older ones. */
void arena_fill_retire(struct arena *arena, struct arena_fill *fill);

/* A chunk without blocks is kept for the thread's next transaction, or goes back. */
void arena_keep_empty(uint32_t first, struct arena_spares *spares);

/* One with some is kept where it can be filled again; false: it is not. */
bool arena_keep_sparse(uint32_t first, struct arena_spares *spares);

#endif
