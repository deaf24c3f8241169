/* txn_thread.c - who has which transactions: threads that come and go, forks, sums over all. */
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "allocators/heap.h"
#include "allocators/meta.h"
#include "allocators/txn.h"

enum { TXNS_AT_ONCE = 16, TXN_STRIDE = (sizeof(struct txn) + 63) / 64 * 64 };

_Thread_local struct txn_thread *txn_thread __attribute__((tls_model("initial-exec")));
struct txn_thread txn_nobody;

/* None of these is ever destroyed; new ones come first. */
static struct {
    struct lock lock;
    _Atomic(struct txn *) all; /* written under the lock, followed without */
    _Atomic(struct txn_thread *) threads;
} txns = {.lock = LOCK_INIT(LOCK_RANK_TXNS)};

static struct txn *first_txn(void)
{
    return atomic_load_explicit(&txns.all, memory_order_acquire);
}

static struct txn_thread *owner_of(const struct txn *txn)
{
    return atomic_load_explicit(&txn->owner, memory_order_relaxed);
}

/* -- birth ------------------------------------------------------------------------------------ */

static struct txn_thread *find_unused(void)
{
    struct txn_thread *thread = atomic_load_explicit(&txns.threads, memory_order_relaxed);
    while (thread != NULL && thread->is_taken)
        thread = thread->next;
    return thread;
}

static struct txn_thread *make_thread(void)
{
    struct txn_thread *thread = meta_alloc(sizeof(*thread));
    if (thread == NULL)
        return NULL;
    thread->next = atomic_load_explicit(&txns.threads, memory_order_relaxed);
    /* release: who follows the list finds it whole */
    atomic_store_explicit(&txns.threads, thread, memory_order_release);
    return thread;
}

/* The heap's cache comes first: with it comes the call at the thread's end. */
MP_RARE bool txn_attach(void)
{
    if (MP_LIKELY(txn_thread != NULL))
        return true;
    while (hand.state == CACHE_UNBORN || hand.state == CACHE_SEEN) {
        if (!heap_enter())
            return false;
        if (hand.state == CACHE_SEEN && !heap_enter())
            return false;
        break;
    }
    lock_take(&txns.lock);
    struct txn_thread *thread = find_unused();
    if (thread == NULL)
        thread = make_thread();
    if (thread != NULL)
        thread->is_taken = true;
    lock_drop(&txns.lock);
    txn_thread = thread;
    return thread != NULL;
}

static bool make_txns(struct txn_thread *thread)
{
    char *made = meta_alloc((size_t)TXNS_AT_ONCE * TXN_STRIDE);
    if (made == NULL)
        return false;
    lock_take(&txns.lock);
    for (int i = 0; i < TXNS_AT_ONCE; i++) {
        struct txn *txn = (struct txn *)(void *)(made + (size_t)i * TXN_STRIDE);
        txn->next = atomic_load_explicit(&txns.all, memory_order_relaxed);
        atomic_store_explicit(&txns.all, txn, memory_order_release);
        txn->next_free = thread->free;
        thread->free = txn;
    }
    lock_drop(&txns.lock);
    return true;
}

bool txn_prepare(const char *name)
{
    if (!txn_attach() || (txn_thread->free == NULL && !make_txns(txn_thread)))
        return false;
    if (txn_tally_at(txn_thread->tallies, name)->name != name)
        txn_tally_open(txn_thread->tallies, name);
    return true;
}

/* -- the end of a thread ---------------------------------------------------------------------- */

void txn_adopt(struct txn *txn)
{
    bool is_known = txn_attach();
    atomic_store_explicit(&txn->owner, is_known ? txn_thread : &txn_nobody, memory_order_relaxed);
}

static void abandon(struct txn *txn)
{
    struct txn *parent = txn->parent;
    while (parent != NULL && owner_of(parent) == txn_thread) {
        txn = parent;
        parent = txn->parent;
    }
    size_t bytes = txn_used(txn);
    if (parent == NULL)
        txn_end(txn, TXN_ABANDONED);
    else /* another thread may be at work there: it goes with its parent */
        atomic_store_explicit(&txn->owner, &txn_nobody, memory_order_relaxed);
    char name[OS_THREAD_NAME_BYTES];
    os_thread_name(name);
    say("thread %d (%s) ended within a transaction of %zu bytes, which is rolled back%s: \"%s\"",
        os_thread_id(), name, bytes, parent == NULL ? "" : " with its parent", txn->name);
}

MP_RARE void txn_thread_exit(void)
{
    struct txn_thread *thread = txn_thread;
    arena_leave_all();
    if (thread == NULL)
        return;
    for (struct txn *txn = first_txn(); txn != NULL; txn = txn->next) {
        if (owner_of(txn) == thread)
            abandon(txn);
    }
    arena_free_spares(&thread->spare_arenas);
    txn_thread = NULL;
    lock_take(&txns.lock);
    thread->is_taken = false;
    lock_drop(&txns.lock);
}

/* -- sums ------------------------------------------------------------------------------------- */

/* Read while their threads change them: a sum may be off by what is under way. */
#if defined(__SANITIZE_THREAD__)
__attribute__((no_sanitize("thread")))
#endif
static void
add_totals(const struct txn *txn, struct txn_totals *totals)
{
    uintptr_t at = txn->at, base = txn->base;
    totals->open++;
    totals->blocks += txn->blocks;
    totals->used += txn->used + (at > base && base != 0 ? at - base : 0);
    totals->chunks += txn->chunks;
    totals->reserved += txn->reserved;
}

void txn_read_totals(struct txn_totals *totals)
{
    memset(totals, 0, sizeof(*totals));
    for (const struct txn *txn = first_txn(); txn != NULL; txn = txn->next) {
        if (txn_is_open(txn))
            add_totals(txn, totals);
    }
    if (totals->used > totals->reserved)
        totals->used = totals->reserved;
}

bool txn_read_record(size_t index, struct txn_record *record)
{
    const struct txn_name *name = txn_name_at(index);
    if (name == NULL)
        return false;
    memset(record, 0, sizeof(*record));
    record->text = name->text;
    record->first_bytes = atomic_load_explicit(&name->first_bytes, memory_order_relaxed);
    txn_sums_add(&record->sums, &name->sums);
    const struct txn_thread *thread = atomic_load_explicit(&txns.threads, memory_order_acquire);
    for (; thread != NULL; thread = thread->next) {
        for (int i = 0; i < TXN_TALLIES; i++)
            txn_tally_add(&thread->tallies[i], name, &record->sums);
    }
    return true;
}

void txn_visit_chunks(void (*visit)(const struct txn_chunk *chunk, void *context), void *context)
{
    for (const struct txn *txn = first_txn(); txn != NULL; txn = txn->next) {
        if (!txn_is_open(txn))
            continue;
        if (txn->current != NULL)
            visit(txn->current, context);
        for (const struct txn_chunk *chunk = txn->older; chunk != NULL; chunk = chunk->older)
            visit(chunk, context);
    }
}

/* -- audit ------------------------------------------------------------------------------------ */

static bool lies_in(uintptr_t at, uintptr_t first, uintptr_t end)
{
    return at >= first && at <= end;
}

static void audit_piece(const struct txn *txn)
{
    const struct txn_chunk *chunk = txn->current;
    uintptr_t first = chunk != NULL ? txn_chunk_first(chunk) : txn->loan_from;
    uintptr_t end = chunk != NULL ? txn_chunk_end(chunk) : txn->loan_to;
    MP_AUDIT(txn->at <= txn->limit && txn->base <= txn->at);
    MP_AUDIT(txn->end == (txn->watch[0] == 0 ? txn->limit : 0));
    if (txn->at != 0)
        MP_AUDIT(txn->limit == end && lies_in(txn->base, first, end));
    MP_AUDIT(txn->loan_at == 0 || lies_in(txn->loan_at, txn->loan_from, txn->loan_to));
}

static void audit_chunks(const struct txn *txn)
{
    size_t reserved = txn->current != NULL ? txn->current->bytes : 0;
    size_t chunks = txn->current != NULL;
    for (const struct txn_chunk *chunk = txn->older; chunk != NULL; chunk = chunk->older) {
        reserved += chunk->bytes;
        chunks++;
    }
    MP_AUDIT(reserved == txn->reserved && chunks == txn->chunks);
}

static void audit_lent(const struct txn *txn)
{
    size_t borrowers = 0;
    for (const struct txn *child = txn->children; child != NULL; child = child->elder) {
        MP_AUDIT(child->parent == txn && txn_is_open(child));
        borrowers += child->loan != 0 && child->loan == txn->loans;
    }
    MP_AUDIT(!txn->is_lent || (borrowers == 1 && txn->at == 0 && txn->limit == 0));
}

MP_RARE void txn_audit(const struct txn *txn)
{
    audit_piece(txn);  /* T1 */
    audit_chunks(txn); /* T2 */
    audit_lent(txn);   /* T3 */
}

MP_RARE void txn_audit_all(void)
{
    size_t chunks = 0;
    struct arena_stats arenas;
    for (const struct txn *txn = first_txn(); txn != NULL; txn = txn->next) {
        if (txn_is_open(txn))
            txn_audit(txn);
        chunks += arena_audit(&txn->arena);
    }
    const struct txn_thread *thread = atomic_load_explicit(&txns.threads, memory_order_acquire);
    for (; thread != NULL; thread = thread->next)
        chunks += thread->spare_arenas.empty.count + thread->spare_arenas.sparse.count;
    arena_read_stats(&arenas);
    MP_AUDIT(chunks == arenas.chunks); /* A2 */
}

/* -- fork ------------------------------------------------------------------------------------- */

/* The calling thread's, which no other had entered. */
static bool has_arena(const struct txn *txn)
{
    return txn_is_open(txn) && !arena_is_others(&txn->arena) &&
           (owner_of(txn) == txn_thread || !arena_is_nobodys(&txn->arena));
}

static void settle_arenas(void)
{
    arena_keep_none();
    for (struct txn *txn = first_txn(); txn != NULL; txn = txn->next) {
        if (has_arena(txn))
            arena_keep(&txn->arena);
        else
            memset(&txn->arena, 0, sizeof(txn->arena));
    }
    struct txn_thread *thread = atomic_load_explicit(&txns.threads, memory_order_relaxed);
    for (; thread != NULL; thread = thread->next) {
        if (thread == txn_thread)
            arena_keep_spares(&thread->spare_arenas);
        else
            memset(&thread->spare_arenas, 0, sizeof(thread->spare_arenas));
    }
    arena_fork_child();
}

/* Transactions of threads that vanished stay open: who has them in its hands may end them. */
MP_RARE void txn_fork_child(void)
{
    lock_reset(&txns.lock);
    txn_tally_fork_child();
    txn_chunk_fork_child();
    if (first_txn() != NULL)
        settle_arenas();
    for (struct txn *txn = first_txn(); txn != NULL; txn = txn->next) {
        if (txn_is_open(txn) && owner_of(txn) != txn_thread)
            atomic_store_explicit(&txn->owner, &txn_nobody, memory_order_relaxed);
    }
    struct txn_thread *thread = atomic_load_explicit(&txns.threads, memory_order_relaxed);
    for (; thread != NULL; thread = thread->next)
        thread->is_taken = thread == txn_thread;
}
