/* txn_chunk.h - the memory of transactions: blocks of the heap, described out of band.
 *
 *     | 16 B unused | blocks of the transaction ... | rest |
 *
 * Chunks come hot, the newest first, from the thread's magazines, the depot, parked runs: a chunk
 * is an object or a large block like any other. Its first bytes stay unused, so that no address in
 * it is one that free() takes. Checked, each is a mapping of its own instead, and keeps its
 * addresses without access for a while when it is given back.
 *
 * Many of them are left as a list, which takes as long as one; whoever takes a chunk or passes a
 * slow path of the heap next puts them back. */
#ifndef MPRESS_TXN_CHUNK_H
#define MPRESS_TXN_CHUNK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TXN_CHUNK_MIN = 4096,
    TXN_CHUNK_MAX = 32 * 1024 * 1024, /* of one that is not for a larger block */
    TXN_CHUNK_HEAD = 16,
};

struct txn_chunk {
    struct txn_chunk *older; /* of the same transaction, or of the spare ones */
    struct txn_chunk *next;  /* the list that was left before; the newest of a list has it */
    uintptr_t start;
    size_t bytes;
};

/* The first byte for blocks, and the end. */
static inline uintptr_t txn_chunk_first(const struct txn_chunk *chunk)
{
    return chunk->start + TXN_CHUNK_HEAD;
}

static inline uintptr_t txn_chunk_end(const struct txn_chunk *chunk)
{
    return chunk->start + chunk->bytes;
}

/* Bytes of the chunk that a request for at least so many gets. */
size_t txn_chunk_round(size_t bytes);

/* A chunk of `bytes`, rounded. *spare: the thread's unused descriptions. NULL: there is no memory.
 */
struct txn_chunk *txn_chunk_take(struct txn_chunk **spare, size_t bytes);

/* Gives it back without a system call. */
void txn_chunk_give(struct txn_chunk **spare, struct txn_chunk *chunk);

/* Leaves a chunk and all that are older. */
void txn_chunk_leave(struct txn_chunk *newest);

/* Lists that wait; newest of the last. Any thread */
extern _Atomic(struct txn_chunk *) txn_chunk_left;

static inline bool txn_chunk_waits(void)
{
    return atomic_load_explicit(&txn_chunk_left, memory_order_relaxed) != NULL;
}

/* Puts them back. Without locks. */
void txn_chunk_put_back(void);

/* Shows the first byte of every chunk that waits, while no other thread runs. */
void txn_chunk_visit_left(void (*visit)(void *p));

/* From now on chunks are mappings of their own. While one thread runs. */
void txn_chunk_set_checked(void);
bool txn_chunk_is_checked(void);

/* The address lies in a checked chunk that was given back. In signal handlers too. */
bool txn_chunk_was_given(const void *p);

void txn_chunk_fork_child(void);

#endif
