/* grains.c - searches words of bits for the next set or clear one; the rest follows. */
#include "allocators/grains.h"

#include "allocators/base/bits.h"
#include "allocators/base/check.h"

/* Relaxed: an arena's owner and who frees there change bits meanwhile, but none of those that tell
 * where a block lies that is not freed. */
static inline uint64_t peek(const uint64_t *words, uint32_t word)
{
    return __atomic_load_n(&words[word], __ATOMIC_RELAXED);
}

/* First bit at or behind `from` that differs from `flip`'s bits; `count` or more when there is none
 * below. */
static uint32_t next_bit(const uint64_t *words, uint32_t from, uint32_t count, uint64_t flip)
{
    while (from < count) {
        uint64_t rest = (peek(words, from / 64) ^ flip) >> (from % 64);
        if (rest != 0)
            return from + (uint32_t)__builtin_ctzll(rest);
        from = (from / 64 + 1) * 64;
    }
    return count;
}

static uint32_t next_set(const uint64_t *words, uint32_t from, uint32_t count)
{
    return next_bit(words, from, count, 0);
}

static uint32_t next_clear(const uint64_t *words, uint32_t from, uint32_t count)
{
    return next_bit(words, from, count, ~UINT64_C(0));
}

/* One behind the last bit below `below` that is set in `free` ^ flip or in `end`; 0: none is. */
static uint32_t behind_last(const struct grains *grains, uint32_t below, uint64_t flip, bool ends)
{
    while (below > 0) {
        uint32_t word = (below - 1) / 64;
        uint64_t bits = (peek(grains->free, word) ^ flip) | (ends ? peek(grains->end, word) : 0);
        bits <<= 63 - (below - 1) % 64;
        if (bits != 0)
            return below - (uint32_t)__builtin_clzll(bits);
        below = word * 64;
    }
    return 0;
}

bool grains_next_hole(const struct grains *grains, uint32_t from, struct hole *hole)
{
    hole->first = next_set(grains->free, from, grains->count);
    if (hole->first == grains->count)
        return false;
    hole->end = next_clear(grains->free, hole->first, grains->count);
    return true;
}

struct hole grains_hole_around(const struct grains *grains, uint32_t at)
{
    MP_ASSERT(bit_is_set(grains->free, at));
    return (struct hole){.first = behind_last(grains, at, ~UINT64_C(0), false),
                         .end = next_clear(grains->free, at, grains->count)};
}

/* Stores in the order of the calls, for a fork that cuts between them and for grains_peek. */
static void set_word(uint64_t *words, uint32_t word, uint64_t bits)
{
    __atomic_store_n(&words[word], bits, __ATOMIC_RELEASE);
}

/* The end first and then upwards, so that a fork which cuts here leaves at most a piece without an
 * end, which grains_mend knows. */
void grains_take(const struct grains *grains, uint32_t first, uint32_t size)
{
    uint32_t last = first + size - 1;
    set_word(grains->end, last / 64, grains->end[last / 64] | UINT64_C(1) << (last % 64));
    for (uint32_t word = first / 64; word <= last / 64; word++)
        set_word(grains->free, word, grains->free[word] & ~bits_mask(word, first, size));
}

/* The other way round. */
void grains_give(const struct grains *grains, uint32_t first, uint32_t size)
{
    uint32_t last = first + size - 1;
    for (uint32_t word = last / 64 + 1; word-- > first / 64;)
        set_word(grains->free, word, grains->free[word] | bits_mask(word, first, size));
    set_word(grains->end, last / 64, grains->end[last / 64] & ~(UINT64_C(1) << (last % 64)));
}

uint32_t grains_first_of(const struct grains *grains, uint32_t at)
{
    return behind_last(grains, at, 0, true);
}

uint32_t grains_size_from(const struct grains *grains, uint32_t at)
{
    return next_set(grains->end, at, grains->count) + 1 - at;
}

bool grains_next_object(const struct grains *grains, uint32_t from, uint32_t *first, uint32_t *size)
{
    *first = next_clear(grains->free, from, grains->count);
    if (*first == grains->count)
        return false;
    uint32_t hole = next_set(grains->free, *first, grains->count);
    uint32_t end = next_set(grains->end, *first, hole);
    *size = end >= hole ? hole - *first : end + 1 - *first;
    return true;
}

uint32_t grains_longest_hole(const struct grains *grains)
{
    struct hole hole = {0};
    uint32_t longest = 0;
    while (grains_next_hole(grains, hole.end, &hole)) {
        if (hole.end - hole.first > longest)
            longest = hole.end - hole.first;
    }
    return longest;
}

void grains_mend(const struct grains *grains, bool (*is_whole)(uint32_t size))
{
    for (uint32_t word = 0; word < grains->count / 64; word++)
        set_word(grains->end, word, grains->end[word] & ~grains->free[word]);
    uint32_t first = 0, size = 0;
    while (grains_next_object(grains, first + size, &first, &size)) {
        if (bit_is_set(grains->end, first + size - 1) && is_whole(size))
            continue;
        grains_give(grains, first, size);
    }
}

void grains_audit(const struct grains *grains, bool (*is_whole)(uint32_t size))
{
    for (uint32_t word = 0; word < grains->count / 64; word++)
        MP_AUDIT((grains->end[word] & grains->free[word]) == 0); /* G1 */
    uint32_t first = 0, size = 0;
    while (grains_next_object(grains, first + size, &first, &size))
        MP_AUDIT(bit_is_set(grains->end, first + size - 1) && is_whole(size)); /* G2 */
}
