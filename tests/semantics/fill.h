/* fill.h - taking memory until there is no more, for the tests of limits. */
#ifndef MPRESS_TESTS_FILL_H
#define MPRESS_TESTS_FILL_H

#include "tests/semantics/check.h"

enum { KIB = 1024, MIB = 1024 * KIB, BLOCKS = 16 * KIB };

static void *blocks[BLOCKS];

/* Takes blocks, and writes to them, until there are no more. */
static inline size_t fill(size_t bytes)
{
    size_t count = 0;
    while (count < BLOCKS && (blocks[count] = malloc(bytes)) != NULL)
        memset(blocks[count++], 0x11, bytes);
    return count;
}

#endif
