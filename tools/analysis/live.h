/* live.h - what the report needs to know of each block that is alive, by object number.
 *
 * Most blocks die young. The newest LIVE_YOUNG objects sit in a ring that stays in the CPU's
 * cache, at the slot their number gives; whoever is still alive when its slot is needed again
 * moves to a hash table. Memory: 32 bytes a slot, at most 3 slots per old live block. */
#ifndef MPRESS_TOOLS_ANALYSIS_LIVE_H
#define MPRESS_TOOLS_ANALYSIS_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/store.h"

enum { LIVE_YOUNG = 1 << 15 }; /* 1 MiB: half of a small second-level cache */

struct block {
    uint64_t object; /* L1: 0 = the slot is free */
    uint64_t bytes;  /* asked */
    uint64_t birth_ns;
    uint32_t site; /* number of the call stack in the analysis */
    uint32_t thread;
};

struct live {
    struct store *store;
    struct block *young; /* L2: object n is in young[n % LIVE_YOUNG] or in the table */
    struct block *table; /* open addressing, linear probing */
    size_t table_slots;  /* a power of two */
    size_t table_used;   /* L3: at most 2/3 of table_slots */
};

void live_init(struct live *live, struct store *store);
void live_fini(struct live *live);
void live_insert(struct live *live, const struct block *block);

/* Takes the block out into *block; false: there is none of that number. */
bool live_remove(struct live *live, uint64_t object, struct block *block);

/* The block itself; NULL: there is none of that number. */
const struct block *live_find(const struct live *live, uint64_t object);

/* Soon live_insert or live_remove will be called for `object`: starts loading what they touch. */
void live_prefetch(const struct live *live, uint64_t object);

/* Calls `visit` for each block, in no order. */
void live_visit(const struct live *live, void (*visit)(const struct block *block, void *context),
                void *context);

#endif
