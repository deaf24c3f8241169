/* txns.c - the transactions of a program, where the allocator has such: libmpress. */
#define _GNU_SOURCE
#include "preload/mpress_txn.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "tools/replay/child/child.h"

struct txn_slot {
    struct mpress_txn *txn; /* NULL: none is open there */
    struct mpress_txn_mark marks[PROGRAM_TXN_MARKS];
};

/* Names are told apart by their addresses. */
static const char names[64][2] = {{0}};

static void *map(size_t bytes)
{
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        child_fail("no memory for the transactions");
    return start;
}

void txns_init(void)
{
    size_t txns = (size_t)child.program->txn_slots * child.copies;
    if (txns == 0 || child.mode == PROGRAM_NULL || !mpress_txn_begin)
        return;
    child.txns = map(txns * sizeof(*child.txns));
    child.in_txn = map((size_t)child.program->slots * child.copies);
}

bool txns_are_there(void)
{
    return child.txns != NULL;
}

static struct txn_slot *slot_of(const struct runner *runner, uint32_t txn)
{
    return &child.txns[runner->copy * child.program->txn_slots + txn];
}

void *txns_alloc(struct runner *runner, uint32_t txn, struct slot *slot, size_t size,
                 size_t alignment)
{
    child.in_txn[slot - child.slots] = 1;
    return mpress_txn_alloc(slot_of(runner, txn)->txn, size, alignment);
}

bool txns_let_go(struct slot *slot)
{
    if (child.in_txn == NULL || child.in_txn[slot - child.slots] == 0)
        return false;
    child.in_txn[slot - child.slots] = 0;
    return true;
}

static void begin(struct runner *runner, struct txn_slot *slot, uint64_t parent, uint64_t hint)
{
    struct mpress_txn *in = parent != 0 ? slot_of(runner, (uint32_t)parent - 1)->txn : NULL;
    slot->txn = mpress_txn_begin(in, names[(hint >> 48) % 64], hint << 16 >> 16);
    if (slot->txn == NULL)
        child_fail("a transaction could not be begun");
}

/* Out of this one, and what was entered since; or out of all. */
static void leave(struct runner *runner, uint32_t kept)
{
    while (runner->entered_count > kept)
        mpress_txn_leave(slot_of(runner, runner->entered[--runner->entered_count])->txn);
}

static uint32_t find_entered(const struct runner *runner, uint32_t txn)
{
    uint32_t at = 0;
    while (at < runner->entered_count && runner->entered[at] != txn)
        at++;
    return at;
}

static void enter(struct runner *runner, uint32_t txn)
{
    uint32_t known = find_entered(runner, txn);
    if (known < runner->entered_count)
        leave(runner, known + 1);
    else if (known < RUNNER_ENTERED && mpress_txn_enter(slot_of(runner, txn)->txn) == 0)
        runner->entered[runner->entered_count++] = txn;
}

static void end(struct runner *runner, uint32_t txn, bool is_commit)
{
    struct txn_slot *slot = slot_of(runner, txn);
    uint32_t known = find_entered(runner, txn);
    if (known < runner->entered_count)
        leave(runner, known);
    (is_commit ? mpress_txn_commit : mpress_txn_rollback)(slot->txn);
    slot->txn = NULL;
}

const uint64_t *txns_run(struct runner *runner, enum program_control control, uint32_t txn,
                         const uint64_t *at)
{
    struct txn_slot *slot = child.txns != NULL ? slot_of(runner, txn) : NULL;
    uint64_t operand = *at++;
    if (control == PROGRAM_TXN_BEGIN && slot != NULL)
        begin(runner, slot, operand, *at);
    at += control == PROGRAM_TXN_BEGIN;
    if (slot == NULL)
        return at;
    if (control == PROGRAM_TXN_END)
        end(runner, txn, operand != 0);
    else if (control == PROGRAM_TXN_SAVE)
        mpress_txn_save(slot->txn, &slot->marks[operand]);
    else if (control == PROGRAM_TXN_BACK)
        mpress_txn_rollback_to(slot->txn, &slot->marks[operand]);
    else if (control == PROGRAM_TXN_ENTER && operand != 0)
        enter(runner, txn);
    else if (control == PROGRAM_TXN_ENTER)
        leave(runner, 0);
    return at;
}
