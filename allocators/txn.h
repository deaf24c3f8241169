/* txn.h - transactions: blocks by moving a pointer through chunks, all of them given up at once.
 *
 *     txn --current--> | blocks ........ at ----- end |           the rest serves the next block
 *         --older----> | full | --> | full | --> ...              newest first
 *         --children-> open ones, the youngest first
 *
 * A child of the thread's own borrows the rest of its parent's chunk: the parent has none
 * meanwhile, and has back what is left of it when the child commits, or all of it. So small
 * children cost no memory. A parent that needs some meanwhile forgets the loan and takes a chunk.
 *
 * The functions of this file that may come to the heap (all but those that say otherwise) are
 * called by one thread at a time for one transaction and its relatives, and not by a signal handler
 * that interrupted the heap. */
#ifndef MPRESS_TXN_INSIDE_H
#define MPRESS_TXN_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/arena.h"
#include "allocators/txn_chunk.h"
#include "allocators/txn_tally.h"

struct txn_thread;

struct txn {
    uintptr_t at, end; /* as struct mpress_txn: written by the program's own code */
    uint64_t blocks;
    uintptr_t limit; /* T1: what `end` is, unless every block is watched: `end` is 0 then */
    uintptr_t base;  /* T1: at - base bytes are used that `used` does not have */
    size_t used;
    size_t reserved;           /* T2: of its chunks */
    uint32_t chunks;           /* T2: their number */
    bool is_lent;              /* the rest of `current` is a child's: at and end are 0 */
    struct txn_chunk *current; /* that at..end lie in; NULL: none, or it is the parent's */
    struct txn_chunk *older;   /* the others, newest first */
    struct txn_chunk *oldest;  /* the last of them; only while there are some */
    struct txn *parent;
    struct txn *children;         /* open ones, the youngest first */
    struct txn *elder, *younger;  /* of the same parent */
    uint64_t number;              /* among its parent's children, from 1 */
    uint64_t begun;               /* children so far */
    uint64_t loans;               /* given, and forgotten ones: the number of the last */
    uint64_t loan;                /* number of the loan it has of its parent; 0: none */
    uintptr_t loan_from, loan_to; /* its bounds */
    uintptr_t loan_at;            /* where it was left; 0: at and end lie in it still */
    uint64_t watch[2];            /* of who watches it (txn_watch); 0: nobody does */
    const char *name;             /* what stands above is 0 before txn_begin */
    size_t expected;
    _Atomic(struct txn_thread *) owner; /* NULL: it is not open */
    struct txn *next_free;              /* of the thread's unused ones */
    struct txn *next;                   /* of all that were ever made; constant */
    struct arena arena;                 /* malloc's blocks; last, as the end of others needs its
                                         * first fields alone */
};

/* What a thread has; made at its first transaction, used again after its end. */
struct txn_thread {
    struct txn *free;
    struct txn_chunk *spare;
    struct arena_spares spare_arenas;
    struct txn_tally tallies[TXN_TALLIES];
    bool is_taken;           /* has a thread; the lock's */
    struct txn_thread *next; /* of all; constant */
};
extern _Thread_local struct txn_thread *txn_thread __attribute__((tls_model("initial-exec")));

/* Of open transactions whose thread has gone in a fork, or is another's than their parent's. */
extern struct txn_thread txn_nobody;

/* Bytes that one transaction may hold; 0: any number. */
void txn_init(size_t most_bytes);

/* -- beginning -------------------------------------------------------------------------------- */

/* txn_begin of this name needs no memory. */
static inline bool txn_is_prepared(const char *name)
{
    struct txn_thread *thread = txn_thread;
    return MP_LIKELY(thread != NULL) && MP_LIKELY(thread->free != NULL) &&
           MP_LIKELY(txn_tally_at(thread->tallies, name)->name == name);
}

/* Makes it so; false: there is no memory. */
bool txn_prepare(const char *name);

/* Gives the calling thread its records. */
bool txn_attach(void);

/* Adds a child to an open parent. */
void txn_join(struct txn *txn, struct txn *parent);

/* Opens a transaction; the name is prepared. */
static inline struct txn *txn_begin(struct txn *parent, const char *name, size_t expected)
{
    struct txn_thread *thread = txn_thread;
    struct txn *txn = thread->free;
    thread->free = txn->next_free;
    txn->name = name;
    txn->expected = txn_tally_expect(txn_tally_at(thread->tallies, name), expected);
    atomic_store_explicit(&txn->owner, thread, memory_order_relaxed);
    if (parent != NULL)
        txn_join(txn, parent);
    return txn;
}

/* -- between ---------------------------------------------------------------------------------- */

/* 0, and *p; or ENOMEM, EDQUOT, EINVAL. */
int txn_alloc(struct txn *txn, size_t bytes, size_t alignment, void **p);

struct txn_mark {
    struct txn_chunk *current, *older;
    uintptr_t at;
    uint64_t blocks, used, children; /* as struct mpress_txn_mark */
};
void txn_save(struct txn *txn, struct txn_mark *mark);
void txn_rollback_to(struct txn *txn, const struct txn_mark *mark);

static inline bool txn_is_open(const struct txn *txn)
{
    return atomic_load_explicit(&txn->owner, memory_order_relaxed) != NULL;
}

static inline size_t txn_used(const struct txn *txn)
{
    return txn->used + (txn->at - txn->base);
}

/* The transaction whose arena that is; NULL: of none. */
static inline struct txn *txn_of_arena(struct arena *arena)
{
    char *inside = (char *)arena;
    return arena != NULL ? (struct txn *)(void *)(inside - offsetof(struct txn, arena)) : NULL;
}

/* -- ending ----------------------------------------------------------------------------------- */

void txn_end(struct txn *txn, enum txn_end how);

/* From now on each block that is wanted comes to txn_alloc; who watches has set txn->watch[0], and
 * is told when it ends, before its memory is another's. */
static inline void txn_watch(struct txn *txn)
{
    txn->end = 0;
}
void txn_on_watched_end(void (*tell)(struct txn *txn, const struct txn_ended *ended));

/* Nothing was got from it, and it has no relatives: it needs no heap to end. */
static inline bool txn_is_untouched(const struct txn *txn)
{
    return (txn->reserved | txn->watch[0]) == 0 && txn->parent == NULL && txn->children == NULL &&
           arena_is_idle(&txn->arena) && txn_is_prepared(txn->name);
}

static inline void txn_end_untouched(struct txn *txn, enum txn_end how)
{
    struct txn_thread *thread = txn_thread;
    txn_sum_add(&txn_tally_at(thread->tallies, txn->name)->sums.ended[how], 1);
    txn->begun = txn->loans = 0; /* all that may not be 0 any more */
    atomic_store_explicit(&txn->owner, NULL, memory_order_relaxed);
    txn->next_free = thread->free;
    thread->free = txn;
}

/* -- threads, numbers, forks ------------------------------------------------------------------ */

/* The calling thread is the owner from now on. */
void txn_adopt(struct txn *txn);

/* The calling thread ends: its transactions end too. */
void txn_thread_exit(void);

/* Of all open transactions. Read while they change. */
struct txn_totals {
    size_t open;
    size_t blocks, used, chunks, reserved;
};
void txn_read_totals(struct txn_totals *totals);

/* Sums over all threads; false: there are not so many names. */
struct txn_record {
    const char *text;
    size_t first_bytes;
    struct txn_sums sums;
};
bool txn_read_record(size_t index, struct txn_record *record);

/* Shows the chunks of all open transactions, while no other thread runs. */
void txn_visit_chunks(void (*visit)(const struct txn_chunk *chunk, void *context), void *context);

/* Recounts T1..T3 of one that nobody uses just now. */
void txn_audit(const struct txn *txn);

/* Of all open ones, and the chunks of all arenas (A2), while nothing else runs. */
void txn_audit_all(void);

void txn_fork_child(void);

#endif
