/* compile_txns.h - the transactions of a program: those that one thread alone uses, with parents of
 * the same kind, are replayed as what they are where the allocator has such; the blocks of all
 * others as malloc's. The first visit finds out which; the second asks what to write. */
#ifndef MPRESS_TOOLS_REPLAY_COMPILE_TXNS_H
#define MPRESS_TOOLS_REPLAY_COMPILE_TXNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/replay/writer.h"
#include "tools/trace/trace.h"

/* More marks than PROGRAM_TXN_MARKS are not kept: to roll back to such a one frees nothing. */

struct compile_txn {
    uint32_t thread; /* + 1; 0: it has not begun; UINT32_MAX: its blocks are malloc's */
    uint32_t slot;   /* second visit: + 1; 0: it is not open */
    uint32_t parent; /* number; 0: none */
};

struct compile_user {
    uint64_t use;  /* operand of its last TXN_USE | slot + 1 << 8; 0: none */
    uint32_t free; /* slot + 1 of its transaction that ended last, chained; 0: none */
};

/* Of an open one. */
struct compile_life {
    uint32_t number;    /* 0: nobody's */
    uint32_t next_free; /* of the same thread's */
    uint64_t blocks;
    uint32_t marks;
    uint64_t mark[PROGRAM_TXN_MARKS]; /* blocks there were */
};

struct compile_txns {
    struct compile_txn *txn; /* by number */
    size_t count, capacity;
    struct compile_life *life; /* by slot */
    size_t lives, life_capacity;
    struct compile_user *user; /* by thread of the program */
    size_t users, user_capacity;
};

void compile_txns_fini(struct compile_txns *txns);

/* First visit: every event that has to do with a transaction. */
void compile_txns_note(struct compile_txns *txns, const struct trace_event *event, uint32_t thread);

/* Behind it: the children of those that are malloc's are so too. */
void compile_txns_settle(struct compile_txns *txns);

/* How many are replayed as what they are, and in all. */
void compile_txns_sum(const struct compile_txns *txns, uint64_t *whole, uint64_t *all);

/* Second visit: writes what a transaction does, but for its blocks, as operations of a thread of
 * the program. */
void compile_txns_put(struct compile_txns *txns, struct writer *writer, uint32_t thread,
                      const struct trace_event *event);

/* Writes the birth of a block in `slot`; false, and nothing: it is malloc's. */
bool compile_txns_put_birth(struct compile_txns *txns, struct writer *writer, uint32_t thread,
                            const struct trace_event *event, uint32_t slot);

/* All that this thread (of the trace) still has open ends with it. */
void compile_txns_end_all(struct compile_txns *txns, struct writer *writer, uint32_t thread,
                          uint32_t of);

#endif
