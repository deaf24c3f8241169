/* txns.c - the transactions of a program, where the allocator has such: libmpress. */
#define _GNU_SOURCE
#include "preload/mpress_txn.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "tools/replay/child/child.h"

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
    child.marks = map(txns * sizeof(*child.marks));
}

static void begin(struct runner *runner, uint32_t txn, uint64_t parent, uint64_t hint)
{
    struct mpress_txn *in = parent != 0 ? runner->txns[parent - 1] : NULL;
    runner->txns[txn] = mpress_txn_begin(in, names[(hint >> 48) % 64], hint << 16 >> 16);
    if (runner->txns[txn] == NULL)
        child_fail("a transaction could not be begun");
}

/* Out of this one, and what was entered since; or out of all. */
static void leave(struct runner *runner, uint32_t kept)
{
    while (runner->entered_count > kept)
        mpress_txn_leave(runner->txns[runner->entered[--runner->entered_count]]);
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
    else if (known < RUNNER_ENTERED && mpress_txn_enter(runner->txns[txn]) == 0)
        runner->entered[runner->entered_count++] = txn;
}

static void end(struct runner *runner, uint32_t txn, bool is_commit)
{
    uint32_t known = find_entered(runner, txn);
    if (known < runner->entered_count)
        leave(runner, known);
    (is_commit ? mpress_txn_commit : mpress_txn_rollback)(runner->txns[txn]);
    runner->txns[txn] = NULL;
}

const uint64_t *txns_run(struct runner *runner, enum program_control control, uint32_t txn,
                         const uint64_t *at)
{
    uint64_t operand = *at++, hint = control == PROGRAM_TXN_BEGIN ? *at++ : 0;
    if (control == PROGRAM_TXN_USE)
        runner->alignment = (size_t)1 << operand;
    if (runner->txns == NULL)
        return at;
    struct mpress_txn_mark *marks = child.marks[&runner->txns[txn] - child.txns];
    if (control == PROGRAM_TXN_BEGIN)
        begin(runner, txn, operand, hint);
    else if (control == PROGRAM_TXN_USE)
        runner->txn = runner->txns[txn];
    else if (control == PROGRAM_TXN_END)
        end(runner, txn, operand != 0);
    else if (control == PROGRAM_TXN_SAVE)
        mpress_txn_save(runner->txns[txn], &marks[operand]);
    else if (control == PROGRAM_TXN_BACK)
        mpress_txn_rollback_to(runner->txns[txn], &marks[operand]);
    else if (control == PROGRAM_TXN_ENTER && operand != 0)
        enter(runner, txn);
    else if (control == PROGRAM_TXN_ENTER)
        leave(runner, 0);
    return at;
}
