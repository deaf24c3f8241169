/* told.h - what a traced program notes about its own events, in memory that outlives it.
 *
 * Each thread chains its events to one hash: kind, addresses, sizes, and which block died, by the
 * thread that allocated it and its number there. Two hashes after as many events are equal only if
 * all these events are, in their order. Blocks that take part ask for a size of 16 n + 7 bytes, by
 * which the trace tells them from those of libc. */
#ifndef MPRESS_TESTS_SHADOW_TOLD_H
#define MPRESS_TESTS_SHADOW_TOLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { TOLD_THREADS = 8, TOLD_GENERATIONS = 4, TOLD_HASHES = 1 << 16 };

enum told_kind { TOLD_ALLOC, TOLD_FREE, TOLD_REALLOC, TOLD_KINDS };

/* One thread of one generation. */
struct told {
    _Atomic uint64_t tid;
    _Atomic uint64_t events; /* whose call has returned */
    uint64_t kinds[TOLD_KINDS];
    uint64_t foreign;           /* deaths of blocks that another thread allocated */
    uint64_t hash[TOLD_HASHES]; /* after n events: [n % TOLD_HASHES] */
};

struct told_all {
    struct told told[TOLD_GENERATIONS * TOLD_THREADS];
};

static inline bool told_size(uint64_t bytes)
{
    return bytes % 16 == 7;
}

static inline uint64_t told_chain(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static inline uint64_t told_birth(uint64_t hash, uint64_t address, uint64_t bytes)
{
    return told_chain(told_chain(told_chain(hash, TOLD_ALLOC), address), bytes);
}

static inline uint64_t told_death(uint64_t hash, uint64_t address, uint64_t owner, uint64_t number)
{
    return told_chain(told_chain(told_chain(hash, address), owner << 48 | number), TOLD_FREE);
}

#endif
