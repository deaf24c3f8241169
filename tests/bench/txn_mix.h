/* txn_mix.h - transactions beside other ways to give up many blocks at once: APR's pools, talloc,
 * GLib's slices, heaps of mimalloc, malloc and free. What is not installed is left out.
 *
 * A mix is so many blocks of 16 to 512 bytes, one byte of each written, given up together; or half
 * of them within a child that is rolled back before. */
#ifndef BENCH_TXN_MIX_H
#define BENCH_TXN_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TXN_MIX_MOST = 1000, TXN_MIXES = 4 };

struct txn_mix {
    const char *name;
    uint32_t blocks;
    bool is_rolled_back;       /* the second half, before the end */
    const char *outer, *inner; /* names of the transactions */
};
extern const struct txn_mix txn_mixes[TXN_MIXES];

struct txn_peer {
    const char *name;
    const char *library; /* NULL: none is needed */
    bool (*find)(void *library);
    void (*run)(const struct txn_mix *mix, uint32_t times);
};

/* Peer number `index` of those that are there, from 0; NULL behind the last. Transactions are the
 * first when the library is preloaded. */
const struct txn_peer *txn_peer_at(size_t index);

#endif
