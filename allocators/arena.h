/* arena.h - malloc's blocks out of a transaction: one behind the other, in zones to be.
 *
 *     memory:  | a | b | c (freed) | d |  not handed out yet ...          64 KiB, labelled
 * CTL_ARENA end:        1   1           1   1                                   grains.h; nothing
 * of ours free:     0   0   1 1 1 1 1   0   0 0 0 ...                         lies in the memory
 *
 * While a thread has an arena entered its hand is closed, and small requests come here. It alone
 * writes the end bits, and whoever frees sets free bits; but for its own blocks in the chunk that
 * is filled just now, under the lock of the mixed zones. When the transaction ends a chunk
 * without blocks is used again, and one with some is made a mixed zone under that lock
 * (zone_adopt_arena): its blocks stay where they are, all else becomes holes for everybody. */
#ifndef MPRESS_ARENA_H
#define MPRESS_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/cache.h"
#include "allocators/grains.h"
#include "allocators/mixed.h"
#include "allocators/space.h"

enum { ARENA_UNITS = 4 };

/* Of a transaction; its thread's. All 0: nothing was allocated. */
struct arena {
    uint32_t chunk;       /* first unit of the one that is filled; UNIT_NONE: none */
    struct grains grains; /* its bits, */
    char *base;           /* and its first byte */
    uint32_t at;          /* grains of it that were handed out */
    uint32_t taken;       /* A1: blocks that were cut from it */
    uint32_t given;       /* A1: of these, freed by the owner */
    uint32_t older;       /* first unit of the fullest chunk but that one; they are chained */
    uint32_t chunks;      /* both */
    uint32_t *spare;      /* of the thread that has it entered: a chunk, or UNIT_NONE */
    uint64_t blocks;      /* taken in all, but for `taken` */
    struct arena *outer;  /* that the thread had entered before */
    _Atomic(struct hand *) owner; /* whose thread has it entered; NULL: nobody's */
};

/* The calling thread allocates there from now on. EBUSY: some thread has it entered. */
int arena_enter(struct arena *arena, uint32_t *spare);

/* And from now on as before. EINVAL: it is not the one entered last. */
int arena_leave(struct arena *arena);

/* A block of a class of up to MIXED_BYTES_MAX bytes, out of the arena that this thread has entered.
 * NULL: there is no memory. */
void *arena_alloc(unsigned class, size_t alignment);

/* Frees the block at p, which lies in the chunk that this thread fills just now; false: it lies
 * elsewhere. */
bool arena_free_own(void *p);

/* Frees a block in a chunk of any arena. False: it is in a mixed zone by now. */
bool arena_free(void *p);

/* The class of the block that begins at p, in a chunk; 0: none does. */
unsigned arena_class_of(const void *p);

/* Blocks that malloc had of it. */
static inline uint64_t arena_blocks(const struct arena *arena)
{
    return arena->blocks + arena->taken;
}

/* Another thread than this one has it entered. */
static inline bool arena_is_others(const struct arena *arena)
{
    const struct hand *owner = atomic_load_explicit(&arena->owner, memory_order_relaxed);
    return owner != NULL && owner != &hand;
}

/* The transaction ends: no thread has it entered but perhaps this one, which leaves it and what it
 * entered since. Blocks that are not freed yet stay: how many. */
size_t arena_end(struct arena *arena, uint32_t *spare);

/* A chunk that a thread kept goes back. */
void arena_free_spare(uint32_t *spare);

/* The calling thread ends: it leaves all. */
void arena_leave_all(void);

struct arena_stats {
    size_t blocks, bytes; /* live */
    size_t free_bytes;    /* between them */
    size_t chunks;        /* those that threads keep too */
};
/* Over all arenas; counted while they change. */
void arena_read_stats(struct arena_stats *stats);

/* The live blocks of one. */
size_t arena_live(const struct arena *arena);

/* Recounts A1 while nothing else runs: its chunks. */
size_t arena_audit(const struct arena *arena);

#endif
