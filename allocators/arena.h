/* arena.h - malloc's blocks out of a transaction: one behind the other, in chunks that can be
 * zones.
 *
 *     memory:  | a | b | c (freed) | d |  not handed out yet  | x |   x: was there before   64 KiB,
 * CTL_ARENA end:        1   1           1   1                     1 labelled of ours free:     0 0
 * 1 1 1 1 1   0   0 0 0 ...           1 0       grains.h; nothing of ours from..at        ..limit
 * lies in the memory
 *
 * While a thread has an arena entered its hand is closed, and requests of up to 32 KiB come here.
 * It alone writes the end bits, and whoever frees sets free bits; but for its own blocks in a chunk
 * that is filled just now, under the lock of the mixed zones. When the transaction ends a chunk
 * without blocks is used again, and one with some is made a mixed zone under that lock
 * (zone_adopt_arena): its blocks stay where they are, all else becomes holes for everybody. A later
 * transaction has such a zone back when much of it is free (zone_lend), and fills its holes as far
 * as they are whole lines of 256 bytes: so blocks that outlive their transactions come to lie
 * beside each other. (After the mark-region collectors: Blackburn & McKinley 2008.) */
#ifndef MPRESS_ARENA_H
#define MPRESS_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/cache.h"
#include "allocators/grains.h"
#include "allocators/mixed.h"
#include "allocators/size_class.h"
#include "allocators/space.h"

enum { ARENA_UNITS = 4, ARENA_LINES = 256 /* of a chunk */, ARENA_BYTES_MAX = SIZE_SLAB_MAX };

/* A chunk that is filled just now. */
struct arena_fill {
    uint32_t chunk;       /* its first unit; UNIT_NONE: none */
    uint32_t at;          /* A3: the next grain, in a stretch whose bits are 0 from here on */
    uint32_t from, limit; /* A3: the stretch; nothing of it is handed out behind `limit` */
    uint32_t line;        /* the next stretch begins here or later */
    uint32_t taken;       /* A1: blocks that were there, or were cut from it */
    uint32_t given;       /* A1: of these, freed by the owner */
    uint32_t found;       /* of these, those that were there */
    struct grains grains; /* its bits, */
    char *base;           /* and its first byte */
};

/* Chunks that a thread keeps for the next transaction: without blocks, and with some that outlived
 * theirs. All 0: none. */
struct arena_spares {
    struct arena_list {
        uint32_t first, count; /* chained */
    } empty, sparse;
};

/* Of a transaction; its thread's. All 0: nothing was allocated. */
struct arena {
    _Atomic(struct hand *) owner; /* whose thread has it entered; NULL: nobody's */
    struct arena *outer;          /* that the thread had entered before */
    struct arena_spares *spares;  /* of the thread that has it entered */
    uint64_t blocks;              /* cut in all, but for those in `fills` */
    uint32_t older;               /* first unit of the newest chunk but these; they are chained */
    uint32_t chunks;              /* all of them */
    struct arena_fill fills[2];   /* for blocks of up to 1 KiB, and for larger ones */
};

/* The calling thread allocates there from now on. EBUSY: some thread has it entered. */
int arena_enter(struct arena *arena, struct arena_spares *spares);

/* And from now on as before. EINVAL: it is not the one entered last. */
int arena_leave(struct arena *arena);

/* A block of a class of up to ARENA_BYTES_MAX bytes, out of the arena that this thread has entered.
 * NULL: there is no memory. */
void *arena_alloc(unsigned class, size_t alignment);

/* Frees the block at p, which lies in a chunk that this thread fills just now; false: it lies
 * elsewhere. */
bool arena_free_own(void *p);

/* Frees a block in a chunk of any arena. False: it is in a mixed zone by now. */
bool arena_free(void *p);

/* Frees what was an object of a zone when it was looked at; as mixed_give, under its lock. */
bool arena_give(void *p, unsigned class, bool leftovers);

/* The class of the block that begins at p, in a chunk; 0: none does. */
unsigned arena_class_of(const void *p);

/* Blocks that malloc had of it. */
static inline uint64_t arena_blocks(const struct arena *arena)
{
    uint64_t blocks = arena->blocks;
    for (int i = 0; i < 2; i++)
        blocks += arena->fills[i].taken - arena->fills[i].found;
    return blocks;
}

/* Another thread than this one has it entered. */
static inline bool arena_is_others(const struct arena *arena)
{
    const struct hand *owner = atomic_load_explicit(&arena->owner, memory_order_relaxed);
    return owner != NULL && owner != &hand;
}

/* No thread has it entered. */
static inline bool arena_is_nobodys(const struct arena *arena)
{
    return atomic_load_explicit(&arena->owner, memory_order_relaxed) == NULL;
}

/* Nothing of it is in use. */
static inline bool arena_is_idle(const struct arena *arena)
{
    return arena->chunks == 0 && arena_is_nobodys(arena);
}

/* The transaction ends: no thread has it entered but perhaps this one, which leaves it and what it
 * entered since. Blocks that are not freed yet stay: how many. */
size_t arena_end(struct arena *arena, struct arena_spares *spares);

/* The chunks that a thread kept go back. */
void arena_free_spares(struct arena_spares *spares);

/* The calling thread ends: it leaves all. */
void arena_leave_all(void);

/* In the child of a fork, in this order. What the calling thread has is named; all else may be cut
 * in the midst of a change. Its chunks are zones then, as their bits tell, or free. */
void arena_keep_none(void);
void arena_keep(const struct arena *arena);
void arena_keep_spares(const struct arena_spares *spares);
void arena_fork_child(void);

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
