/* index.h - finds numbered things by what they are: a hash table of numbers that the caller
 * compares. Open addressing with linear probing; at most half full. */
#ifndef MPRESS_TOOLS_EXPORT_INDEX_H
#define MPRESS_TOOLS_EXPORT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

struct index {
    struct store *store;
    struct index_slot *slot;
    size_t slots; /* a power of two; 0: none yet */
    size_t used;
};

/* Thing `number` is the one looked for. */
typedef bool index_matches(const void *wanted, uint32_t number);

/* The number of the thing, which is `next` when it was not there and is now. */
uint32_t index_get(struct index *index, uint64_t hash, index_matches *matches, const void *wanted,
                   uint32_t next);

#endif
