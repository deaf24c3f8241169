/* bursts.h - call stacks whose blocks are born and die together, so that a transaction could hold
 * them.
 *
 * A scope is a node of the tree of callers, in one thread: all blocks that were allocated below it.
 * Their births are cut into bursts. A birth begins a new one if, since the birth before it, half of
 * what the burst had has died: so what ends is a pile, in one go, and nothing was wanted meanwhile.
 * What is left of the burst then has escaped. Random lifetimes make no such piles.
 *
 *     births      b b b b b b b b             b b b b b b b
 *     deaths             d         d d d d d            d   d d d d d d
 *                                            ^ a burst of 8: 5 of them die together, 1 earlier,
 *                                              2 escape
 *
 * When a function was entered and left is not in a trace. But births through several callees of one
 * node have it as their innermost common caller: only bursts of such kind count for a scope, and
 * the function that makes these calls is where a transaction would be. Scopes that are seen through
 * one call alone tell nothing of that; their callers may. Where those do not either, as a program
 * allocates by one call only, that call is the scope: the function is one of those above it. */
#ifndef MPRESS_TOOLS_PROPOSE_BURSTS_H
#define MPRESS_TOOLS_PROPOSE_BURSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/trace/trace.h"

/* What makes a scope worth a proposal. */
enum {
    BURSTS_LEAST = 20,      /* bursts */
    BURSTS_BLOCKS = 8,      /* of one */
    BURSTS_ESCAPED = 5,     /* percent, at most */
    BURSTS_COVERED = 80,    /* percent of its births are in bursts */
    BURSTS_OF_ALL = 2,      /* percent of the program's allocations are in its bursts */
    BURSTS_BYTES = 1 << 26, /* of the largest one */
};

/* A burst that is over. */
struct burst {
    uint64_t first, last; /* objects */
    uint64_t blocks, bytes;
    uint64_t together; /* died in one go at its end */
    uint64_t escaped;  /* freed later, never, or by another thread */
};

struct burst_sums {
    uint64_t bursts;
    uint64_t births; /* in all */
    uint64_t blocks, bytes, together, escaped;
    uint64_t most_bytes; /* of a burst */
    uint32_t threads;
};

/* A scope over all threads. */
struct burst_scope {
    uint32_t node;
    uint32_t below; /* a callee's node: in the function that the transaction would be in */
    uint32_t depth; /* frames from the outermost one */
    bool is_single; /* all came through the one call `below` */
    struct burst_sums sums;
};

struct bursts;

/* `only`: the node of one scope, whose bursts are shown as they end; 0: all. */
struct bursts *bursts_create(const struct trace *trace, uint32_t only,
                             void (*show)(const struct burst *burst, uint32_t thread,
                                          void *context),
                             void *context);
void bursts_note(struct bursts *bursts, const struct trace_event *event);

/* Behind the last event: bursts that are complete end. */
void bursts_finish(struct bursts *bursts);
void bursts_destroy(struct bursts *bursts);

/* The scopes that are worth it, those that gain most first; none lies in another. How many; `most`:
 * room. */
size_t bursts_choose(struct bursts *bursts, struct burst_scope *scopes, size_t most);

/* Allocations of the program, without those of transactions. */
uint64_t bursts_births(const struct bursts *bursts);

#endif
