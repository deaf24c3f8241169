/* contents.h - what a block must hold, told by a number. */
#ifndef MPRESS_TESTS_SEMANTICS_CONTENTS_H
#define MPRESS_TESTS_SEMANTICS_CONTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Words that repeat a little, as those of programs do. */
static inline uint64_t word_of(uint64_t seed, size_t index)
{
    uint64_t x = (seed + index / 4) * UINT64_C(0x9e3779b97f4a7c15);
    return index % 4 == 0 ? x ^ x >> 29 : seed + (index & 1);
}

static inline void write_contents(void *block, size_t bytes, uint64_t seed)
{
    uint64_t *words = block;
    for (size_t i = 0; i < bytes / 8; i++)
        words[i] = word_of(seed, i);
}

static inline bool has_contents(const void *block, size_t bytes, uint64_t seed)
{
    const uint64_t *words = block;
    for (size_t i = 0; i < bytes / 8; i++) {
        if (words[i] != word_of(seed, i))
            return false;
    }
    return true;
}

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
