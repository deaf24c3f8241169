/* block_table.h - a table of blocks by the address of their first byte, for those whose address
 * says nothing by itself. The blocks are never touched. */
#ifndef MPRESS_BLOCK_TABLE_H
#define MPRESS_BLOCK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/lock.h"

struct block_slots; /* the entries and how many there can be */

/* All fields under the lock. */
struct block_table {
    struct lock lock;
    struct block_slots *_Atomic slots; /* B1: half of them are used at most, unless memory is out;
                                        * NULL: none yet */
    size_t used;
    size_t bytes; /* B2: sum over the blocks */
};

#define BLOCK_TABLE_INIT                                                                           \
    {                                                                                              \
        .lock = LOCK_INIT(LOCK_RANK_HUGE)                                                          \
    }

/* Enters a block of `bytes` > 0 that has room for `room` where it stands; false: there is no memory
 * for a larger table. */
bool block_table_insert(struct block_table *table, const void *p, size_t bytes, size_t room);

/* Takes the block out; its bytes (and its room, when that is asked for), or 0: there is none that
 * begins at p. */
size_t block_table_remove(struct block_table *table, const void *p, size_t *room);

/* Lets the block grow within its room; false: there is none. */
bool block_table_grow(struct block_table *table, const void *p, size_t bytes);

/* Bytes of the block that begins at p, or 0. */
size_t block_table_find(struct block_table *table, const void *p);

/* p points into a block. Slow: looks at every one. */
bool block_table_contains(struct block_table *table, const void *p);

/* A block begins in [start, end). Slow, too. */
bool block_table_any_within(struct block_table *table, uintptr_t start, uintptr_t end);

void block_table_read_totals(struct block_table *table, size_t *blocks, size_t *bytes);

/* Shows every block. Without the lock: the other threads stand still. */
void block_table_visit(struct block_table *table,
                       void (*visit)(void *p, size_t bytes, void *context), void *context);

/* Shows what lies behind each block that has more room, while no block can grow into it. */
void block_table_visit_rooms(struct block_table *table,
                             void (*visit)(char *end, size_t behind, void *context), void *context);

/* Where the table itself lies; NULL: nowhere yet. */
const void *block_table_memory(const struct block_table *table, size_t *bytes);

/* In the child of a fork. */
void block_table_fork_child(struct block_table *table);

#endif
