/* bits.h - small arithmetic on powers of two and on bitmaps of 64-bit words. */
#ifndef MPRESS_BASE_BITS_H
#define MPRESS_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* Rounds up to a multiple of a power of two. May wrap to a small number: the caller bounds n. */
static inline size_t round_up(size_t n, size_t power)
{
    return (n + power - 1) & ~(power - 1);
}

static inline size_t round_down(size_t n, size_t power)
{
    return n & ~(power - 1);
}

/* floor(log2(n)); n > 0. */
static inline unsigned log2_floor(size_t n)
{
    return 63U - (unsigned)__builtin_clzll((unsigned long long)n);
}

/* How many bits of the word are set. (The builtin is a call: no popcnt in the baseline. After
 * Warren, Hacker's Delight, 5-1.) */
static inline size_t bits_of(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (size_t)(word * UINT64_C(0x0101010101010101) >> 56);
}

static inline bool bit_is_set(const uint64_t *words, size_t bit)
{
    return (words[bit / 64] >> (bit % 64)) & 1;
}

static inline void bit_set(uint64_t *words, size_t bit)
{
    words[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static inline void bit_clear(uint64_t *words, size_t bit)
{
    words[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

/* The lowest bits of the word that are set in a row: adding the lowest carries up to the gap above
 * them. 0 of 0. */
static inline uint64_t bits_lowest_run(uint64_t word)
{
    return word & ~(word + (word & -word));
}

/* The word that holds bits first..first+count-1 of those that fall into word number `word`. */
static inline uint64_t bits_mask(size_t word, size_t first, size_t count)
{
    size_t low = word * 64;
    size_t from = first > low ? first - low : 0;
    size_t end = first + count - low < 64 ? first + count - low : 64;
    uint64_t below_end = end == 64 ? ~UINT64_C(0) : (UINT64_C(1) << end) - 1;
    return below_end & ~((UINT64_C(1) << from) - 1);
}

static inline void bits_set(uint64_t *words, size_t first, size_t count)
{
    for (size_t word = first / 64; count != 0 && word <= (first + count - 1) / 64; word++)
        words[word] |= bits_mask(word, first, count);
}

static inline void bits_clear(uint64_t *words, size_t first, size_t count)
{
    for (size_t word = first / 64; count != 0 && word <= (first + count - 1) / 64; word++)
        words[word] &= ~bits_mask(word, first, count);
}

/* How many of the bits first..first+count-1 are set. */
static inline size_t bits_count(const uint64_t *words, size_t first, size_t count)
{
    size_t set = 0;
    for (size_t word = first / 64; count != 0 && word <= (first + count - 1) / 64; word++)
        set += bits_of(words[word] & bits_mask(word, first, count));
    return set;
}

#endif
