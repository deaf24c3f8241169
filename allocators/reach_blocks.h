/* reach_blocks.h - the blocks that reach.c classifies: which there are, which one an address lies
 * in, and what is known of each. */
#ifndef MPRESS_REACH_BLOCKS_H
#define MPRESS_REACH_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/reach.h"
#include "allocators/space.h"

#if defined(__SANITIZE_THREAD__)
#define REACH_UNLOCKED __attribute__((no_sanitize("thread"))) /* the others stand still */
#else
#define REACH_UNLOCKED
#endif

struct block {
    uintptr_t start;
    size_t bytes;
};

struct reach_blocks {
    size_t units;    /* below the frontier when it began */
    uint64_t *live;  /* bit of a block's first grain */
    uint64_t *kind0; /* the kind, low bit */
    uint64_t *kind1; /* high bit */
    uint32_t *head;  /* of each unit inside a large block: its first unit */
    size_t map_bytes;

    struct huge_entry *huge; /* by address */
    size_t huge_count, huge_bytes;
    uintptr_t huge_from, huge_to; /* all lie within */

    size_t count; /* of all blocks */
};
extern struct reach_blocks reach_blocks;

/* Lists them. ENOMEM. */
int reach_blocks_init(void);
void reach_blocks_fini(void);

/* The block that p points into; false: into none, or behind what can be used of it. */
bool reach_blocks_find(uintptr_t p, struct block *block);

/* Of the block that begins there. */
enum reach_kind reach_blocks_kind(uintptr_t start);
void reach_blocks_set_kind(uintptr_t start, enum reach_kind kind);

/* Some block may lie in [from, to). */
bool reach_blocks_touch(uintptr_t from, uintptr_t to);

static inline bool reach_blocks_in_space(uintptr_t p)
{
    return p - space.base < reach_blocks.units << UNIT_SHIFT;
}

/* Cheap: a word that is no address of ours is told apart at once. */
static inline bool reach_blocks_may_hold(uintptr_t p)
{
    return reach_blocks_in_space(p) ||
           p - reach_blocks.huge_from < reach_blocks.huge_to - reach_blocks.huge_from;
}

#endif
