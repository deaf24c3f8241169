/* escapes.h - malloc's blocks that outlived the transaction they came out of, by its name and their
 * call stack. */
#ifndef MPRESS_TOOLS_ANALYSIS_ESCAPES_H
#define MPRESS_TOOLS_ANALYSIS_ESCAPES_H

#include <stddef.h>
#include <stdint.h>

#include "tools/store.h"
#include "tools/trace/objects.h"

struct escape {
    const char *name; /* of the transaction */
    uint32_t node;
    uint64_t blocks, bytes;
};

/* A block that is alive, in a ring of those of its transaction. */
struct escape_block {
    uint32_t seat; /* 0: the ring's beginning */
    uint64_t bytes;
    uint32_t node;
    uint32_t next, prev;
};

struct escapes {
    struct store *store;
    struct objects places; /* seat -> index of its block; used once there is one */
    struct objects groups; /* name and node -> index in `all`; the same */
    struct escape_block *block;
    size_t blocks, block_room; /* the first is nobody's */
    uint32_t unused;           /* a chain by `next`; 0: none */
    struct escape *all;
    size_t count, room;
    size_t alive;
};

/* A block is born, and has that seat. *ring: of its transaction, 0 at first. */
void escapes_born(struct escapes *escapes, struct store *store, uint32_t *ring, uint32_t seat,
                  uint64_t bytes, uint32_t node);

/* A block dies, perhaps one of a ring; 0: none does. */
void escapes_died(struct escapes *escapes, uint32_t seat);

/* A transaction ends: those that are in its ring outlive it. `name` lives on, `number` is its own.
 */
void escapes_end(struct escapes *escapes, uint32_t ring, const char *name, uint32_t number);

/* All transactions have ended, or never will: those of most bytes first. */
void escapes_finish(struct escapes *escapes);
void escapes_fini(struct escapes *escapes);

#endif
