/* txn.c - the functions of mpress_txn.h: they come in by the door where the heap is needed, as a
 * signal handler must not follow there. */
#include "preload/mpress_txn.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/heap.h"
#include "allocators/txn.h"
#include "preload/caller.h"
#include "preload/control.h"
#include "preload/door.h"
#include "preload/init.h"
#include "preload/txn.h"
#include "preload/view.h"
#include "tracer/tracer.h"

_Static_assert(offsetof(struct mpress_txn, at) == offsetof(struct txn, at) &&
                   offsetof(struct mpress_txn, end) == offsetof(struct txn, end) &&
                   offsetof(struct mpress_txn, blocks) == offsetof(struct txn, blocks),
               "the program's part of a transaction");
_Static_assert(sizeof(struct mpress_txn_mark) == sizeof(struct txn_mark), "the same");

static inline struct txn *opened(const struct mpress_txn *txn)
{
    struct txn *inside = (struct txn *)(uintptr_t)txn;
    MP_CHECK(txn_is_open(inside), FAULT_TXN_ENDED, txn);
    return inside;
}

/* -- what a trace has of them ------------------------------------------------------------------ */

_Static_assert(sizeof(struct tracer_txn) == sizeof(((struct txn *)NULL)->watch) &&
                   offsetof(struct tracer_txn, number) == 0,
               "who watches a transaction is the tracer");

static inline struct tracer_txn *traced(struct txn *txn)
{
    return txn != NULL && txn->watch[0] != 0 ? (struct tracer_txn *)(void *)txn->watch : NULL;
}

static void tell_end(struct txn *txn, const struct txn_ended *ended)
{
    _Static_assert((int)TXN_COMMITTED == (int)TRACE_TXN_COMMITTED &&
                       (int)TXN_ROLLED_BACK == (int)TRACE_TXN_ROLLED_BACK &&
                       (int)TXN_ABANDONED == (int)TRACE_TXN_ABANDONED,
                   "the same ends");
    const struct tracer_txn_ended told = {.how = (enum trace_txn_end)ended->how,
                                          .blocks = ended->blocks,
                                          .used = ended->used,
                                          .reserved = ended->reserved,
                                          .malloced = ended->malloced,
                                          .escaped = ended->escaped};
    tracer_txn_end(traced(txn), traced(txn->parent), &told);
}

void txn_trace_init(void)
{
    txn_on_watched_end(tell_end);
}

static void trace_begin(struct txn *txn, struct tracer_caller caller)
{
    struct tracer_txn begun;
    tracer_txn_begin(&begun, traced(txn->parent), txn->name, txn->expected, &caller);
    if (begun.number == 0)
        return;
    memcpy(txn->watch, &begun, sizeof(begun));
    txn_watch(txn);
}

static bool is_tracing(void)
{
    return MP_UNLIKELY(view() == DOOR_SEES_ALL) && tracer_is_on();
}

/* What malloc comes out of has changed, perhaps. */
static void trace_entered(const struct arena *before)
{
    if (hand.arena != before && is_tracing())
        tracer_txn_enter(traced(txn_of_arena(hand.arena)), ARENA_BYTES_MAX);
}

/* -- beginning -------------------------------------------------------------------------------- */

static __attribute__((noinline)) bool prepare(const char *name)
{
    bool is_prepared = false;
    if (door_come_in()) {
        init_watch_blocks();
        is_prepared = txn_prepare(name);
        door_go_out();
    }
    if (!is_prepared)
        errno = ENOMEM;
    return is_prepared;
}

static inline struct txn *begin(struct mpress_txn *parent, const char *name, size_t expected_bytes)
{
    struct txn *in = parent != NULL ? opened(parent) : NULL;
    if (MP_UNLIKELY(!txn_is_prepared(name)) && !prepare(name))
        return NULL;
    return txn_begin(in, name, expected_bytes);
}

/* Its frame lies right below the program's: it is jumped to. */
static __attribute__((noinline, cold)) struct mpress_txn *
begin_traced(struct mpress_txn *parent, const char *name, size_t expected_bytes)
{
    struct txn *txn = begin(parent, name, expected_bytes);
    if (txn != NULL && tracer_is_on())
        trace_begin(txn, CALLER_HERE);
    return (struct mpress_txn *)txn;
}

struct mpress_txn *mpress_txn_begin(struct mpress_txn *parent, const char *name,
                                    size_t expected_bytes)
{
    name = name != NULL ? name : "";
    if (MP_UNLIKELY(view() == DOOR_SEES_ALL))
        return begin_traced(parent, name, expected_bytes);
    return (struct mpress_txn *)begin(parent, name, expected_bytes);
}

/* -- between ---------------------------------------------------------------------------------- */

void *(mpress_txn_alloc)(struct mpress_txn *txn, size_t bytes, size_t alignment)
{
    struct txn *inside = opened(txn);
    void *p = NULL;
    int error = ENOMEM;
    if (MP_LIKELY(door_come_in())) {
        error = txn_alloc(inside, bytes, alignment, &p);
        door_go_out();
    }
    if (MP_UNLIKELY(error != 0))
        errno = error;
    else if (MP_UNLIKELY(inside->watch[0] != 0)) {
        struct tracer_caller caller = CALLER_HERE;
        tracer_txn_alloc(traced(inside), bytes, alignment != 0 ? alignment : 16, &caller);
    }
    return p;
}

void mpress_txn_save(struct mpress_txn *txn, struct mpress_txn_mark *mark)
{
    struct txn_mark inside;
    struct txn *opened_txn = opened(txn);
    txn_save(opened_txn, &inside);
    memcpy(mark, &inside, sizeof(inside));
    if (MP_UNLIKELY(opened_txn->watch[0] != 0))
        tracer_txn_save(traced(opened_txn));
}

void mpress_txn_rollback_to(struct mpress_txn *txn, const struct mpress_txn_mark *mark)
{
    struct txn_mark inside;
    struct txn *opened_txn = opened(txn);
    memcpy(&inside, mark, sizeof(inside));
    struct arena *entered = hand.arena;
    bool is_inside = door_come_in();
    txn_rollback_to(opened_txn, &inside);
    if (MP_UNLIKELY(opened_txn->watch[0] != 0))
        tracer_txn_back(traced(opened_txn), opened_txn->blocks);
    if (is_inside)
        door_go_out();
    trace_entered(entered);
}

/* -- ending ----------------------------------------------------------------------------------- */

static __attribute__((noinline)) void end_touched(struct txn *txn, enum txn_end how)
{
    struct arena *entered = hand.arena;
    bool is_inside = door_come_in();
    txn_end(txn, how);
    if (is_inside)
        door_go_out();
    trace_entered(entered);
}

static inline void end(struct mpress_txn *txn, enum txn_end how)
{
    struct txn *inside = opened(txn);
    if (MP_LIKELY(txn_is_untouched(inside)))
        txn_end_untouched(inside, how);
    else
        end_touched(inside, how);
}

void mpress_txn_commit(struct mpress_txn *txn)
{
    end(txn, TXN_COMMITTED);
}

void mpress_txn_rollback(struct mpress_txn *txn)
{
    end(txn, TXN_ROLLED_BACK);
}

/* -- malloc's blocks -------------------------------------------------------------------------- */

int mpress_txn_enter(struct mpress_txn *txn)
{
    struct txn *inside = opened(txn);
    if (!door_come_in())
        return EBUSY;
    struct arena *entered = hand.arena;
    int error = txn_attach() ? arena_enter(&inside->arena, &txn_thread->spare_arenas) : ENOMEM;
    door_go_out();
    trace_entered(entered);
    return error;
}

int mpress_txn_leave(struct mpress_txn *txn)
{
    struct txn *inside = opened(txn);
    if (!door_come_in())
        return EINVAL;
    struct arena *entered = hand.arena;
    int error = arena_leave(&inside->arena);
    door_go_out();
    trace_entered(entered);
    return error;
}

/* -- whose, and how many ---------------------------------------------------------------------- */

void mpress_txn_adopt(struct mpress_txn *txn)
{
    bool is_inside = door_come_in();
    struct txn *inside = opened(txn);
    txn_adopt(inside);
    if (is_inside)
        door_go_out();
    if (MP_UNLIKELY(inside->watch[0] != 0))
        tracer_txn_adopt(traced(inside));
}

void mpress_txn_stats(const struct mpress_txn *txn, struct mpress_txn_stats *stats)
{
    const struct txn *inside = opened(txn);
    *stats = (struct mpress_txn_stats){.blocks = inside->blocks,
                                       .used = txn_used(inside),
                                       .reserved = inside->reserved,
                                       .chunks = inside->chunks,
                                       .malloc_blocks = arena_blocks(&inside->arena),
                                       .malloc_live = arena_live(&inside->arena)};
}

static void tell_name(const struct txn_record *record, struct control_txn *told)
{
    const struct txn_sums *sums = &record->sums;
    memcpy(told->name, record->text, sizeof(told->name));
    told->committed = txn_sum_read(&sums->ended[TXN_COMMITTED]);
    told->abandoned = txn_sum_read(&sums->ended[TXN_ABANDONED]);
    told->rolled_back = txn_sum_read(&sums->ended[TXN_ROLLED_BACK]) + told->abandoned;
    told->blocks = txn_sum_read(&sums->blocks);
    told->used = txn_sum_read(&sums->used);
    told->reserved = txn_sum_read(&sums->reserved);
    told->malloced = txn_sum_read(&sums->malloced);
    told->escaped = txn_sum_read(&sums->escaped);
    told->most_used = txn_sum_read(&sums->most_used);
    told->first_bytes = record->first_bytes;
}

int mpress_txn_name_read(size_t index, struct mpress_txn_name *name)
{
    struct txn_record record;
    struct control_txn told;
    if (!txn_read_record(index, &record))
        return ENOENT;
    tell_name(&record, &told);
    *name = (struct mpress_txn_name){.committed = told.committed,
                                     .rolled_back = told.rolled_back,
                                     .abandoned = told.abandoned,
                                     .blocks = told.blocks,
                                     .used = told.used,
                                     .reserved = told.reserved,
                                     .malloc_blocks = told.malloced,
                                     .escaped = told.escaped,
                                     .most_used = told.most_used,
                                     .first_bytes = told.first_bytes,
                                     .profile = txn_profile_of(told.first_bytes)};
    memcpy(name->name, told.name, sizeof(name->name));
    return 0;
}

MP_RARE void txn_tell(struct control_txns *told)
{
    struct txn_totals totals;
    struct txn_record record;
    txn_read_totals(&totals);
    told->open = totals.open;
    told->blocks = totals.blocks;
    told->used = totals.used;
    told->reserved = totals.reserved;
    for (told->names = 0; told->names < CONTROL_TXNS && txn_read_record(told->names, &record);
         told->names++)
        tell_name(&record, &told->name[told->names]);
}
