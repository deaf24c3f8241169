/* compile_txns.c - see compile_txns.h */
#include "tools/replay/compile_txns.h"

#include <stdlib.h>

#include "tools/trace/memory.h"

enum { NUMBERS_MOST = 1 << 26 }; /* beyond, all are malloc's */

static const uint32_t MALLOCS = UINT32_MAX;

static struct compile_txn *find(const struct compile_txns *txns, uint64_t number)
{
    return number < txns->count ? &txns->txn[number] : NULL;
}

static bool is_whole(const struct compile_txn *txn)
{
    return txn != NULL && txn->thread != 0 && txn->thread != MALLOCS;
}

/* In the second visit. */
static bool is_open(const struct compile_txn *txn)
{
    return is_whole(txn) && txn->slot != 0;
}

/* -- the first visit -------------------------------------------------------------------------- */

static struct compile_txn *get(struct compile_txns *txns, uint32_t number)
{
    while (number >= txns->count && number < NUMBERS_MOST) {
        txns->txn = memory_grow(txns->txn, txns->count, &txns->capacity, sizeof(*txns->txn));
        txns->txn[txns->count++] = (struct compile_txn){0};
    }
    return find(txns, number);
}

static void note_begin(struct compile_txns *txns, const struct trace_event *event, uint32_t thread)
{
    struct compile_txn *txn = get(txns, event->txn);
    if (txn == NULL)
        return;
    const struct compile_txn *parent = find(txns, event->begun.parent);
    bool has_parent = event->begun.parent != 0;
    bool is_alone =
        txn->thread == 0 &&
        (!has_parent || (is_whole(parent) && parent != txn && parent->thread == thread + 1));
    txn->thread = is_alone ? thread + 1 : MALLOCS;
    txn->parent = (uint32_t)event->begun.parent;
}

/* A parent has a smaller number. */
void compile_txns_settle(struct compile_txns *txns)
{
    for (size_t i = 1; i < txns->count; i++) {
        struct compile_txn *txn = &txns->txn[i];
        const struct compile_txn *parent = txn->parent != 0 ? find(txns, txn->parent) : NULL;
        if (parent != NULL && parent->thread == MALLOCS)
            txn->thread = MALLOCS;
    }
}

void compile_txns_sum(const struct compile_txns *txns, uint64_t *whole, uint64_t *all)
{
    *whole = *all = 0;
    for (size_t i = 1; i < txns->count; i++) {
        *all += txns->txn[i].thread != 0;
        *whole += is_whole(&txns->txn[i]);
    }
}

void compile_txns_note(struct compile_txns *txns, const struct trace_event *event, uint32_t thread)
{
    if (event->txn == 0)
        return;
    if (event->kind == TRACE_EVENT_TXN_BEGIN) {
        note_begin(txns, event, thread);
        return;
    }
    struct compile_txn *txn = get(txns, event->txn);
    bool is_malloced = event->kind <= TRACE_EVENT_REALLOC && !(event->bits & TRACE_EVENT_IN_TXN);
    if (txn != NULL && !is_malloced && txn->thread != thread + 1)
        txn->thread = MALLOCS;
}

/* -- the second visit ------------------------------------------------------------------------- */

static void put(struct writer *writer, uint32_t thread, enum program_control control, uint32_t slot,
                uint64_t operand)
{
    writer_put(writer, thread, PROGRAM_CONTROL, slot, control);
    writer_put_word(writer, thread, operand);
}

static struct compile_user *user_at(struct compile_txns *txns, uint32_t thread)
{
    while (thread >= txns->users) {
        txns->user =
            memory_grow(txns->user, txns->users, &txns->user_capacity, sizeof(*txns->user));
        txns->user[txns->users++] = (struct compile_user){0};
    }
    return &txns->user[thread];
}

/* One that the thread had itself, or a new one: nothing orders threads within a window. + 1. */
static uint32_t take_slot(struct compile_txns *txns, uint32_t number, uint32_t thread)
{
    struct compile_user *user = user_at(txns, thread);
    uint32_t slot = user->free;
    if (slot == 0) {
        txns->life =
            memory_grow(txns->life, txns->lives, &txns->life_capacity, sizeof(*txns->life));
        slot = (uint32_t)++txns->lives;
    } else {
        user->free = txns->life[slot - 1].next_free;
    }
    struct compile_life *life = &txns->life[slot - 1];
    life->number = number;
    life->blocks = life->marks = 0;
    user->use = 0; /* what it meant by it is over */
    return slot;
}

static void put_begin(struct compile_txns *txns, struct writer *writer, uint32_t thread,
                      const struct trace_event *event)
{
    struct compile_txn *txn = find(txns, event->txn);
    const struct compile_txn *parent = txn->parent != 0 ? find(txns, txn->parent) : NULL;
    txn->slot = take_slot(txns, event->txn, thread);
    put(writer, thread, PROGRAM_TXN_BEGIN, txn->slot - 1, parent != NULL ? parent->slot : 0);
    writer_put_word(writer, thread, event->begun.name << 48 | event->begun.expected << 16 >> 16);
}

static void end_life(struct compile_txns *txns, struct compile_txn *txn, uint32_t thread)
{
    struct compile_user *user = user_at(txns, thread);
    txns->life[txn->slot - 1].number = 0;
    txns->life[txn->slot - 1].next_free = user->free;
    user->free = txn->slot;
    txn->slot = 0;
}

/* The newest of a parent's. */
static void add_blocks(struct compile_txns *txns, uint32_t number, uint64_t blocks)
{
    const struct compile_txn *txn = number != 0 ? find(txns, number) : NULL;
    if (is_open(txn))
        txns->life[txn->slot - 1].blocks += blocks;
}

static void put_end(struct compile_txns *txns, struct writer *writer, uint32_t thread,
                    const struct trace_event *event)
{
    struct compile_txn *txn = find(txns, event->txn);
    bool is_commit = event->ended.how == TRACE_TXN_COMMITTED;
    put(writer, thread, PROGRAM_TXN_END, txn->slot - 1, is_commit);
    if (is_commit)
        add_blocks(txns, txn->parent, txns->life[txn->slot - 1].blocks);
    end_life(txns, txn, thread);
}

static void put_save(struct compile_life *life, struct writer *writer, uint32_t thread,
                     uint32_t slot)
{
    if (life->marks == PROGRAM_TXN_MARKS)
        return;
    life->mark[life->marks] = life->blocks;
    put(writer, thread, PROGRAM_TXN_SAVE, slot, life->marks++);
}

static void put_back(struct compile_life *life, struct writer *writer, uint32_t thread,
                     uint32_t slot, uint64_t kept)
{
    life->blocks = kept;
    while (life->marks > 0 && life->mark[life->marks - 1] > kept)
        life->marks--;
    if (life->marks > 0 && life->mark[life->marks - 1] == kept)
        put(writer, thread, PROGRAM_TXN_BACK, slot, life->marks - 1);
}

void compile_txns_put(struct compile_txns *txns, struct writer *writer, uint32_t thread,
                      const struct trace_event *event)
{
    const struct compile_txn *txn = find(txns, event->txn);
    bool opened = is_open(txn);
    if (event->kind == TRACE_EVENT_TXN_BEGIN && is_whole(txn) && !opened)
        put_begin(txns, writer, thread, event);
    else if (event->kind == TRACE_EVENT_TXN_ENTER)
        put(writer, thread, PROGRAM_TXN_ENTER, opened ? txn->slot - 1 : 0, opened);
    else if (opened && event->kind == TRACE_EVENT_TXN_SAVE)
        put_save(&txns->life[txn->slot - 1], writer, thread, txn->slot - 1);
    else if (opened && event->kind == TRACE_EVENT_TXN_BACK)
        put_back(&txns->life[txn->slot - 1], writer, thread, txn->slot - 1, event->size);
    else if (opened && event->kind == TRACE_EVENT_TXN_END)
        put_end(txns, writer, thread, event);
}

bool compile_txns_put_birth(struct compile_txns *txns, struct writer *writer, uint32_t thread,
                            const struct trace_event *event, uint32_t slot)
{
    bool is_in_txn = (event->bits & TRACE_EVENT_IN_TXN) != 0;
    const struct compile_txn *txn = is_in_txn ? find(txns, event->txn) : NULL;
    if (!is_open(txn))
        return false;
    bool is_zeroed = (event->bits & TRACE_EVENT_ZEROED) != 0;
    uint64_t use = (uint64_t)txn->slot << 8 | event->alignment_log2;
    if (user_at(txns, thread)->use != use)
        put(writer, thread, PROGRAM_TXN_USE, txn->slot - 1, event->alignment_log2);
    user_at(txns, thread)->use = use;
    writer_put(writer, thread, is_zeroed ? PROGRAM_TXN_CALLOC : PROGRAM_TXN_ALLOC, slot,
               event->size);
    txns->life[txn->slot - 1].blocks++;
    return true;
}

void compile_txns_end_all(struct compile_txns *txns, struct writer *writer, uint32_t thread,
                          uint32_t of)
{
    for (size_t slot = txns->lives; slot-- > 0;) {
        struct compile_txn *txn = find(txns, txns->life[slot].number);
        if (txns->life[slot].number == 0 || txn->thread != of + 1)
            continue;
        put(writer, thread, PROGRAM_TXN_END, (uint32_t)slot, 0);
        end_life(txns, txn, thread);
    }
}

void compile_txns_fini(struct compile_txns *txns)
{
    free(txns->txn);
    free(txns->life);
    free(txns->user);
}
