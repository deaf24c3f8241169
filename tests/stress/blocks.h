/* blocks.h - the blocks of the model: what was asked for, and how its bytes prove it. */
#ifndef MPRESS_TESTS_BLOCKS_H
#define MPRESS_TESTS_BLOCKS_H

#include <stdint.h>

#include "tests/stress/engine.h"

struct block {
    unsigned char *at; /* NULL: no block */
    size_t bytes;      /* asked for */
    size_t alignment;  /* asked for; 16 when none */
    uint64_t id;       /* its pattern */
};

/* The first contradiction: says it with the seed and ends the process. */
_Noreturn void stress_fail(const char *what, const struct block *block);

/* A small generator (splitmix64): each thread has its own. */
uint64_t random_next(uint64_t *state);

/* A size: mostly small, sometimes large, rarely as large as allowed. */
size_t random_bytes(uint64_t *state, size_t most_bytes);

/* Allocates a block in one of the ways the heap has, checks it, fills it. NULL memory ends the
 * process: the storm never needs much. */
struct block block_create(const struct stress_heap *heap, uint64_t *state, size_t most_bytes);

/* Every byte of a small block, edges and samples of a large one, against its pattern. */
void block_verify(const struct stress_heap *heap, const struct block *block);

/* Resizes it to a random size, at most most_bytes, and verifies what must have been kept. */
void block_resize(const struct stress_heap *heap, struct block *block, uint64_t *state,
                  size_t most_bytes);

/* Verifies and frees it, in one of the ways that its kind allows. */
void block_destroy(const struct stress_heap *heap, struct block *block);

#endif
