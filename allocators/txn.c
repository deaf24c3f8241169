/* txn.c - chunks of a transaction, its children, its end. */
#include "allocators/txn.h"

#include <errno.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"

/* So much is given back one by one when it ends, more as a list. */
enum { FEW_CHUNKS = 4, FEW_BYTES = 1024 * 1024 };

static size_t most_bytes; /* set while one thread runs; 0: any number */
static void (*tell_end)(struct txn *txn, const struct txn_ended *ended); /* the same */

void txn_init(size_t most)
{
    most_bytes = most;
}

void txn_on_watched_end(void (*tell)(struct txn *txn, const struct txn_ended *ended))
{
    tell_end = tell;
}

/* -- chunks ----------------------------------------------------------------------------------- */

static void push_older(struct txn *txn, struct txn_chunk *chunk)
{
    if (txn->older == NULL)
        txn->oldest = chunk;
    chunk->older = txn->older;
    txn->older = chunk;
}

static void set_piece(struct txn *txn, uintptr_t at, uintptr_t end)
{
    txn->at = txn->base = at;
    txn->limit = end;
    txn->end = txn->watch[0] == 0 ? end : 0;
}

/* Leaves the chunk or loan that it allocates from, for good; a loan it gave is forgotten. */
static void leave_piece(struct txn *txn)
{
    txn->used = txn_used(txn);
    if (txn->current != NULL)
        push_older(txn, txn->current);
    else if (txn->loan != 0 && txn->loan_at == 0)
        txn->loan_at = txn->is_lent ? txn->loan_to : txn->at;
    txn->loans += txn->is_lent;
    txn->is_lent = false;
    txn->current = NULL;
    set_piece(txn, 0, 0);
}

static void give_chunk(struct txn *txn, struct txn_chunk *chunk)
{
    txn->reserved -= chunk->bytes;
    txn->chunks--;
    struct txn_chunk *lost = NULL;
    txn_chunk_give(txn_thread != NULL ? &txn_thread->spare : &lost, chunk);
}

/* The first chunk as expected, later ones a quarter of what is there: so little is left over, and
 * the number of chunks stays small all the same. */
static size_t next_bytes(const struct txn *txn)
{
    size_t bytes = txn->reserved / 4;
    if (txn->reserved < txn->expected)
        bytes = txn->expected + TXN_CHUNK_HEAD - txn->reserved;
    if (bytes < TXN_CHUNK_MIN)
        return TXN_CHUNK_MIN;
    return bytes < TXN_CHUNK_MAX ? bytes : TXN_CHUNK_MAX;
}

/* A chunk of `bytes`, of `least` where no more can be had. */
static int take_chunk(struct txn *txn, size_t bytes, size_t least, struct txn_chunk **chunk)
{
    for (size_t room = most_bytes - txn->reserved;; bytes = least) {
        bool is_allowed = most_bytes == 0 || txn_chunk_round(bytes) <= room;
        *chunk = is_allowed ? txn_chunk_take(&txn_thread->spare, bytes) : NULL;
        if (*chunk == NULL && bytes > least)
            continue;
        if (*chunk == NULL)
            return is_allowed ? ENOMEM : EDQUOT;
        txn->reserved += (*chunk)->bytes;
        txn->chunks++;
        return 0;
    }
}

static void *bump(uintptr_t *at, uintptr_t end, size_t bytes, size_t alignment)
{
    uintptr_t p = round_up(*at, alignment);
    if (p > end || bytes > end - p)
        return NULL;
    *at = p + bytes;
    return (void *)p;
}

/* A block of its own chunk, as it would take much of the next one; the rest of this one serves on.
 */
static void *alloc_apart(struct txn *txn, struct txn_chunk *chunk, size_t bytes, size_t alignment)
{
    uintptr_t at = txn_chunk_first(chunk);
    void *p = bump(&at, txn_chunk_end(chunk), bytes, alignment);
    txn->used += at - txn_chunk_first(chunk);
    push_older(txn, chunk);
    return p;
}

static void *alloc_from_new(struct txn *txn, struct txn_chunk *chunk, size_t bytes,
                            size_t alignment)
{
    leave_piece(txn);
    txn->current = chunk;
    set_piece(txn, txn_chunk_first(chunk), txn_chunk_end(chunk));
    return bump(&txn->at, txn->limit, bytes, alignment);
}

int txn_alloc(struct txn *txn, size_t bytes, size_t alignment, void **p)
{
    alignment = alignment != 0 ? alignment : 16;
    if (!is_power_of_two(alignment))
        return EINVAL;
    if (bytes > PTRDIFF_MAX / 2 || alignment > PTRDIFF_MAX / 2 || !txn_attach())
        return ENOMEM;
    *p = txn->at != 0 ? bump(&txn->at, txn->limit, bytes, alignment) : NULL;
    if (*p == NULL) {
        size_t least = TXN_CHUNK_HEAD + bytes + (alignment > 16 ? alignment : 0);
        size_t next = next_bytes(txn);
        bool is_apart = least > next / 2 && txn->current != NULL;
        struct txn_chunk *chunk;
        int error = take_chunk(txn, is_apart || least > next ? least : next, least, &chunk);
        if (error != 0)
            return error;
        *p = (is_apart ? alloc_apart : alloc_from_new)(txn, chunk, bytes, alignment);
    }
    txn->blocks++;
    return 0;
}

/* -- children --------------------------------------------------------------------------------- */

/* A use of the parent by the thread that has it. */
static void borrow(struct txn *txn, struct txn *parent)
{
    txn->loan = ++parent->loans;
    txn->loan_from = parent->at;
    txn->loan_to = parent->limit;
    set_piece(txn, parent->at, parent->limit);
    parent->used = txn_used(parent);
    parent->is_lent = true;
    set_piece(parent, 0, 0);
}

void txn_join(struct txn *txn, struct txn *parent)
{
    txn->parent = parent;
    txn->number = ++parent->begun;
    txn->elder = parent->children;
    if (txn->elder != NULL)
        txn->elder->younger = txn;
    parent->children = txn;
    if (parent->at < parent->limit)
        borrow(txn, parent);
}

static void part(struct txn *txn)
{
    if (txn->younger != NULL)
        txn->younger->elder = txn->elder;
    else
        txn->parent->children = txn->elder;
    if (txn->elder != NULL)
        txn->elder->younger = txn->younger;
}

/* The parent has the rest of its chunk again, when it waits for it. */
static void return_loan(struct txn *txn, bool is_used)
{
    struct txn *parent = txn->parent;
    if (txn->loan == 0 || !parent->is_lent || parent->loans != txn->loan)
        return;
    uintptr_t left = txn->loan_at != 0 ? txn->loan_at : txn->at;
    parent->is_lent = false;
    set_piece(parent, is_used ? left : txn->loan_from, txn->loan_to);
}

/* All the child's chunks become the parent's. It goes on with the larger rest. */
static void splice(struct txn *txn, struct txn *parent)
{
    parent->blocks += txn->blocks;
    parent->reserved += txn->reserved;
    parent->chunks += txn->chunks;
    size_t rest = txn->limit - txn->at;
    struct txn_chunk *current = txn->current;
    if (current != NULL && !parent->is_lent && rest > parent->limit - parent->at) {
        leave_piece(parent);
        parent->current = current;
        set_piece(parent, txn->at, txn->limit);
    } else if (current != NULL) {
        push_older(parent, current);
    }
    parent->used += txn_used(txn);
    if (txn->older == NULL)
        return;
    if (parent->older == NULL)
        parent->oldest = txn->oldest;
    txn->oldest->older = parent->older;
    parent->older = txn->older;
}

/* -- marks ------------------------------------------------------------------------------------ */

static void roll_children_back(struct txn *txn, uint64_t older_than)
{
    while (txn->children != NULL && txn->children->number > older_than)
        txn_end(txn->children, TXN_ABANDONED);
}

void txn_save(struct txn *txn, struct txn_mark *mark)
{
    if (txn->is_lent)
        leave_piece(txn);
    *mark = (struct txn_mark){.current = txn->current,
                              .older = txn->older,
                              .at = txn->at,
                              .blocks = txn->blocks,
                              .used = txn_used(txn),
                              .children = txn->begun};
}

void txn_rollback_to(struct txn *txn, const struct txn_mark *mark)
{
    roll_children_back(txn, mark->children);
    if (txn->current != NULL && txn->current != mark->current)
        give_chunk(txn, txn->current);
    while (txn->older != mark->older) {
        struct txn_chunk *chunk = txn->older;
        txn->older = chunk->older;
        if (chunk != mark->current)
            give_chunk(txn, chunk);
    }
    txn->current = mark->current;
    txn->blocks = mark->blocks;
    txn->used = mark->used;
    uintptr_t end = mark->current != NULL ? txn_chunk_end(mark->current) : txn->loan_to;
    set_piece(txn, mark->at, mark->at != 0 ? end : 0);
    if (mark->current == NULL && mark->at != 0)
        txn->loan_at = 0; /* in the loan again */
}

/* -- ending ----------------------------------------------------------------------------------- */

/* Hot chunks are back in magazines at once, for the next transaction. */
static bool are_few(const struct txn *txn)
{
    return txn->chunks <= FEW_CHUNKS && (txn->chunks <= 1 || txn->reserved <= FEW_BYTES);
}

static void give_all(struct txn *txn)
{
    if (!are_few(txn) && !txn_chunk_is_checked()) {
        if (txn->current != NULL)
            push_older(txn, txn->current);
        txn_chunk_leave(txn->older);
        return;
    }
    if (txn->current != NULL)
        give_chunk(txn, txn->current);
    while (txn->older != NULL) {
        struct txn_chunk *chunk = txn->older;
        txn->older = chunk->older;
        give_chunk(txn, chunk);
    }
}

/* Its memory is the parent's or nobody's. */
static void settle(struct txn *txn, enum txn_end how)
{
    bool is_kept = how == TXN_COMMITTED && txn->parent != NULL;
    if (txn->parent != NULL) {
        part(txn);
        return_loan(txn, is_kept);
    }
    if (is_kept)
        splice(txn, txn->parent);
    else
        give_all(txn);
}

/* As before txn_begin. (memset takes longer than all the rest of a small transaction's end.) */
static void reset(struct txn *txn)
{
    txn->at = txn->end = txn->limit = txn->base = 0;
    txn->blocks = txn->used = txn->reserved = txn->chunks = 0;
    txn->is_lent = false;
    txn->current = txn->older = txn->oldest = NULL;
    txn->parent = txn->children = txn->elder = txn->younger = NULL;
    txn->number = txn->begun = txn->loans = txn->loan = 0;
    txn->loan_from = txn->loan_to = txn->loan_at = 0;
    txn->watch[0] = txn->watch[1] = 0;
}

/* Blocks that outlive it. */
static size_t end_arena(struct arena *arena)
{
    if (MP_LIKELY(arena_is_idle(arena)))
        return 0;
    struct arena_spares spares = {{UNIT_NONE, 0}, {UNIT_NONE, 0}};
    size_t blocks = arena_end(arena, txn_thread != NULL ? &txn_thread->spare_arenas : &spares);
    arena_free_spares(&spares);
    return blocks;
}

/* Two lines of its code. */
static inline void prefetch_code(uintptr_t function)
{
    __builtin_prefetch((const void *)function);
    __builtin_prefetch((const void *)(function + 64));
}

/* What its end will touch: after a large one that is in no cache, and is loaded side by side so. */
static void prefetch_end(const struct txn *txn)
{
    struct txn_thread *thread = txn_thread;
    prefetch_code((uintptr_t)cache_transfer);
    prefetch_code((uintptr_t)txn_chunk_leave);
    prefetch_code((uintptr_t)txn_tally_count);
    prefetch_code((uintptr_t)txn_tally_count + 128);
    __builtin_prefetch(txn->current, 1);
    __builtin_prefetch(txn->older, 1);
    __builtin_prefetch(&txn->arena);
    __builtin_prefetch(&txn_chunk_left, 1);
    if (thread != NULL)
        txn_tally_prefetch(txn_tally_at(thread->tallies, txn->name), txn_used(txn));
}

void txn_end(struct txn *txn, enum txn_end how)
{
    if (!are_few(txn))
        prefetch_end(txn);
    MP_CHECK(!arena_is_others(&txn->arena), FAULT_TXN_ENTERED, txn);
    roll_children_back(txn, 0);
    struct txn_ended ended = {
        how, txn->blocks, txn_used(txn), txn->reserved, arena_blocks(&txn->arena), 0};
    ended.escaped = end_arena(&txn->arena);
    if (MP_UNLIKELY(txn->watch[0] != 0))
        tell_end(txn, &ended);
    const char *name = txn->name;
    settle(txn, how);
    reset(txn);
    atomic_store_explicit(&txn->owner, NULL, memory_order_relaxed);
    if (!txn_is_prepared(name) && !txn_prepare(name))
        return; /* no memory for this thread's records: it is not counted, its description lost */
    struct txn_thread *thread = txn_thread;
    txn_tally_count(txn_tally_at(thread->tallies, name), &ended);
    txn->next_free = thread->free;
    thread->free = txn;
}
