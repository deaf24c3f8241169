/* mpress_txn.h - memory for work that ends as a whole: a statement, a request, a compiler pass.
 *
 * Blocks are had by moving a pointer, and all of them are given up in one call:
 *
 *     struct mpress_txn *txn = mpress_txn_begin(NULL, "request", 0);
 *     char *line = mpress_txn_alloc(txn, 100, 1);
 *     ...
 *     mpress_txn_commit(txn);                                 `line` is gone, with all others
 *
 * As in mpress.h the functions are in libmpress.so and weak, so test one (mpress_txn_begin) where
 * the program may run without. mpress.hpp has them for C++.
 *
 * Pointers: a block stays where it is, and valid, until its transaction is rolled back, or rolled
 * back to a mark that is older than the block. To commit hands the blocks of a child to its parent;
 * those of a transaction without a parent end. A block is never passed to free or realloc.
 *
 * Threads: one thread at a time uses a transaction; to begin or to end a child is a use of its
 * parent. A transaction is the thread's that began it: when that one ends, those of its
 * transactions that are open are rolled back, and named in a line on stderr. Another thread takes
 * one over with mpress_txn_adopt. Parent and children may be different threads'.
 *
 * Faults: a function that is given a transaction that has ended ends the process. That nobody uses
 * a block after its end is the program's promise; under MPRESS_CHECK=1 who breaks it is stopped. No
 * function may be called from a signal handler.
 *
 * After a fork the child has the transactions of the thread that forked; others may be ended or
 * adopted there, if their thread was in no function of this file. */
#ifndef MPRESS_TXN_H
#define MPRESS_TXN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef MPRESS_API
#ifdef MPRESS_LINKED
#define MPRESS_API __attribute__((visibility("default")))
#else
#define MPRESS_API __attribute__((visibility("default"), weak))
#endif
#endif

/* The head of a transaction, which is for mpress_txn_alloc alone. */
struct mpress_txn {
    uintptr_t at, end;
    uint64_t blocks;
};

/* Opens a transaction, in `parent` (NULL: in none). `name`: what it is for, a string that never
 * changes, as it is told by its address; NULL: "". `expected_bytes`: what it will take, 0: not
 * known. The first chunk of memory is as large as that, and once some transactions of the name have
 * ended, as nine in ten of the last 64 needed. No memory is taken before the first block. NULL:
 * there is none, or the thread has ended but for a destructor (errno ENOMEM). */
MPRESS_API struct mpress_txn *mpress_txn_begin(struct mpress_txn *parent, const char *name,
                                               size_t expected_bytes);

/* A block, not initialised. `alignment`: a power of two; 0: 16, malloc's. 1 wastes nothing between
 * strings. 0 bytes: an address that may be another block's. NULL, and the transaction goes on:
 * there is no memory (errno ENOMEM), it would hold more than MPRESS_TXN_MAX (EDQUOT), or there is
 * no such alignment (EINVAL). The macro below does most of it without a call. */
MPRESS_API void *mpress_txn_alloc(struct mpress_txn *txn, size_t bytes, size_t alignment);

/* A mark in a transaction, in the caller's memory. To roll back to it gives up what was allocated
 * since, with the children begun since; it holds until the transaction ends or is rolled back to an
 * older one. */
struct mpress_txn_mark {
    void *current, *older;
    uintptr_t at;
    uint64_t blocks, used, children;
};
MPRESS_API void mpress_txn_save(struct mpress_txn *txn, struct mpress_txn_mark *mark);
MPRESS_API void mpress_txn_rollback_to(struct mpress_txn *txn, const struct mpress_txn_mark *mark);

/* Ends a transaction; its children that are still open are rolled back. Takes no longer for many
 * blocks than for few: memory goes back to the system later, by time. */
MPRESS_API void mpress_txn_commit(struct mpress_txn *txn);
MPRESS_API void mpress_txn_rollback(struct mpress_txn *txn);

/* The calling thread takes the transaction over from whose it was. */
MPRESS_API void mpress_txn_adopt(struct mpress_txn *txn);

/* Between these two malloc and its family serve the calling thread, its libraries included, out of
 * the transaction: blocks of up to 32 KiB one behind the other, larger ones as ever. Each is
 * malloc's in every respect: any thread may free or realloc it, now or after the transaction has
 * ended, which leaves it alone, be it by commit or by rollback. They nest, in the reverse order;
 * the transaction's end leaves it, and what was entered since, but only for the thread that
 * entered. EBUSY: some thread has entered it; EINVAL: this thread has not, or something else since;
 * ENOMEM. */
MPRESS_API int mpress_txn_enter(struct mpress_txn *txn);
MPRESS_API int mpress_txn_leave(struct mpress_txn *txn);

struct mpress_txn_stats {
    uint64_t blocks;   /* got and not rolled back, by committed children too */
    uint64_t used;     /* their bytes, gaps between them included */
    uint64_t reserved; /* bytes of its chunks; what it has of its parent's is counted there */
    uint64_t chunks;
    uint64_t malloc_blocks; /* that malloc took out of it; */
    uint64_t malloc_live;   /* of these, not freed yet */
};

/* Fills in *stats. */
MPRESS_API void mpress_txn_stats(const struct mpress_txn *txn, struct mpress_txn_stats *stats);

/* What became of the transactions of a name, in all threads: sums, but for the last three. */
struct mpress_txn_name {
    char name[64]; /* cut to fit */
    uint64_t committed;
    uint64_t rolled_back;
    uint64_t abandoned; /* of these, because their parent or their thread had ended */
    uint64_t blocks;    /* as above, when they ended */
    uint64_t used;
    uint64_t reserved;
    uint64_t malloc_blocks;
    uint64_t escaped;     /* of these, not freed when it ended */
    uint64_t most_used;   /* by one of them */
    uint64_t first_bytes; /* expected of the next one by this record; 0: not known yet */
    const char *profile;  /* "tiny" up to 64 KiB, "small" 512 KiB, "medium" 4 MiB, "large" 32 MiB,
                           * "huge": what that is called */
};

/* Name number `index`, from 0; returns 0, or ENOENT behind the last one. The record of 255 names is
 * kept; others share one, "(others)". */
MPRESS_API int mpress_txn_name_read(size_t index, struct mpress_txn_name *name);

static inline void *mpress_txn_bump(struct mpress_txn *txn, size_t bytes, size_t alignment)
{
    uintptr_t mask = alignment != 0 ? alignment - 1 : 15;
    uintptr_t at = (txn->at + mask) & ~mask;
    /* `at` may be above `end`, and both are 0 where there is no memory: a size that is known, and
     * neither 0 nor that large, is less than what is left as a number with a sign. */
    int fits = (mask & (mask + 1)) == 0 && (__builtin_constant_p(bytes) && bytes - 1 < PTRDIFF_MAX
                                                ? (ptrdiff_t)bytes <= (ptrdiff_t)(txn->end - at)
                                                : at - 1 < txn->end && bytes <= txn->end - at);
    if (__builtin_expect(!fits, 0))
        return (mpress_txn_alloc)(txn, bytes, alignment);
    txn->at = at + bytes;
    txn->blocks++;
    return (void *)at;
}
#define mpress_txn_alloc(txn, bytes, alignment) mpress_txn_bump(txn, bytes, alignment)

#ifdef __cplusplus
}
#endif
#endif
