/* txn_tally.h - the record of transactions by name: what became of them, and what the next one
 * will take.
 *
 * Each thread counts for itself, in a tally per name that it finds by the name's address; sums over
 * the threads are made by who reads. A tally keeps a histogram of sizes, sixteen bins a doubling.
 * Every 64 transactions it says where nine in ten end, and then all bins are halved: so what is
 * old counts less and less. */
#ifndef MPRESS_TXN_TALLY_H
#define MPRESS_TXN_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"

enum {
    TXN_TALLIES = 32, /* of a thread; names that share one drive each other out */
    TXN_TALLY_SHIFT = 7,
    TXN_BINS = 16 * (28 - TXN_TALLY_SHIFT) + 8, /* 128 bytes to 256 MiB and a bit; words of eight */
    TXN_NAMES = 256,                            /* the last is for all others */
    TXN_NAME_BYTES = 64,
};

/* How a transaction ended. */
enum txn_end { TXN_COMMITTED, TXN_ROLLED_BACK, TXN_ABANDONED };

/* One thread writes them, or whoever holds the lock of the names. */
struct txn_sums {
    _Atomic uint64_t ended[3]; /* by enum txn_end */
    _Atomic uint64_t blocks, used, reserved;
    _Atomic uint64_t malloced, escaped;
    _Atomic uint64_t most_used;
};

static inline uint64_t txn_sum_read(const _Atomic uint64_t *sum)
{
    return atomic_load_explicit(sum, memory_order_relaxed);
}

static inline void txn_sum_add(_Atomic uint64_t *sum, uint64_t more)
{
    atomic_store_explicit(sum, txn_sum_read(sum) + more, memory_order_relaxed);
}

struct txn_name {
    char text[TXN_NAME_BYTES];  /* constant once it is listed */
    _Atomic size_t first_bytes; /* where nine in ten end; 0: not known. Any thread */
    struct txn_sums sums;       /* of tallies that are no more; the lock's */
};

struct txn_tally {
    const char *name; /* its address; NULL: unused */
    struct txn_name *of;
    size_t first_bytes;  /* as of->first_bytes, but by this thread's own transactions */
    uint32_t counted;    /* in the bins, since they were halved */
    uint32_t learned_at; /* look at the bins when so many are counted */
    struct txn_sums sums;
    union {
        uint8_t bins[TXN_BINS];
        uint64_t words[TXN_BINS / 8]; /* the same, eight at a time: to halve them */
    };
};

static inline struct txn_tally *txn_tally_at(struct txn_tally *tallies, const char *name)
{
    uintptr_t address = (uintptr_t)name;
    return &tallies[(address ^ address >> 5 ^ address >> 10) % TXN_TALLIES];
}

/* Makes tallies[...] the name's. */
void txn_tally_open(struct txn_tally *tallies, const char *name);

/* What a transaction of the name will take, when that much was expected. */
static inline size_t txn_tally_expect(const struct txn_tally *tally, size_t expected)
{
    return tally->first_bytes != 0 ? tally->first_bytes : expected;
}

struct txn_ended {
    enum txn_end how;
    uint64_t blocks, used, reserved;
    uint64_t malloced, escaped; /* out of the arena, and those that stay */
};
void txn_tally_count(struct txn_tally *tally, const struct txn_ended *ended);

/* Loads what that will touch. */
void txn_tally_prefetch(const struct txn_tally *tally, size_t used);

/* Sums of name number `index`, without those of the threads' tallies; NULL: there is none. */
const struct txn_name *txn_name_at(size_t index);

/* Adds what a tally has, when it is the name's. */
void txn_tally_add(const struct txn_tally *tally, const struct txn_name *name,
                   struct txn_sums *sums);
void txn_sums_add(struct txn_sums *sums, const struct txn_sums *more);

/* What a transaction of that size is called. */
const char *txn_profile_of(size_t bytes);

void txn_tally_fork_child(void);

#endif
