/* sqlite_memory.h - SQLite's memory out of a transaction that lasts as long as a connection.
 *
 * A block is freed into a list of its size, which serves the next of that size; the transaction's
 * end gives all of it up. A thread without a transaction, and what SQLite keeps for all threads,
 * has malloc's. */
#ifndef SQLITE_MEMORY_H
#define SQLITE_MEMORY_H

#include <stddef.h>

#include "preload/mpress_txn.h"

/* 16 bytes apart up to 1 KiB, four a doubling above, up to 2 GiB. */
enum { SQLITE_MEMORY_SIZES = 64 + 4 * 21 + 1 };

struct sqlite_memory {
    struct mpress_txn *txn;
    void *free[SQLITE_MEMORY_SIZES];
    size_t live; /* blocks */
};

/* Makes SQLite use this; before sqlite3_initialize. 0, or SQLite's error. */
int sqlite_memory_configure(void);

/* What the calling thread opens from now on has its memory there. */
void sqlite_memory_begin(struct sqlite_memory *memory);

/* All of it was closed, and is given up. Ends the program if SQLite has kept a block. */
void sqlite_memory_end(struct sqlite_memory *memory);

#endif
