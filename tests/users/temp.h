/* temp.h - the memory of one request: a transaction's, or blocks of malloc that are freed one by
 * one at its end. */
#ifndef TEMP_H
#define TEMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "preload/mpress_txn.h"

struct temp_block {
    struct temp_block *next;
    uint64_t bytes; /* so that what follows is aligned as malloc's */
};

struct temp {
    struct mpress_txn *txn; /* NULL: malloc */
    struct temp_block *blocks;
};

/* in_transaction: the library is there. */
static inline void temp_begin(struct temp *temp, bool in_transaction)
{
    temp->blocks = NULL;
    temp->txn = in_transaction ? mpress_txn_begin(NULL, "request", 0) : NULL;
}

/* Never NULL. */
static inline void *temp_alloc(struct temp *temp, size_t bytes)
{
    if (temp->txn != NULL) {
        void *p = mpress_txn_alloc(temp->txn, bytes, 8);
        return p != NULL ? p : (abort(), NULL);
    }
    struct temp_block *block = malloc(sizeof(*block) + bytes);
    if (block == NULL)
        abort();
    block->next = temp->blocks;
    block->bytes = bytes;
    temp->blocks = block;
    return block + 1;
}

static inline char *temp_copy(struct temp *temp, const void *bytes, size_t count)
{
    char *copy = temp_alloc(temp, count + 1);
    memcpy(copy, bytes, count);
    copy[count] = '\0';
    return copy;
}

static inline void temp_end(struct temp *temp)
{
    if (temp->txn != NULL)
        mpress_txn_rollback(temp->txn);
    while (temp->blocks != NULL) {
        struct temp_block *block = temp->blocks;
        temp->blocks = block->next;
        free(block);
    }
}

#endif
