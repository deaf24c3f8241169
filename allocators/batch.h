/* batch.h - lets the hot path hand out objects of a class up to a number that somebody wants to be
 * asked at (the tracer, where the next sample falls), with no instruction of its own.
 *
 * The hot path leaves no count: what is freed goes back on top. So while the gate leads to batches
 * it takes allocations from magazines that nothing is freed into, by the tops SIZE_BATCH further up
 * in the hand; their tops tell how many were handed out. A loaded one holds no more rounds than its
 * class may hand out unseen. When it is empty, it gets the newest of those that were freed:
 *
 *     hand.top[class + SIZE_BATCH]  --> | NULL | p | p | . |
 *                                              malloc takes, down to the NULL
 *                                              ^ the newest rounds, 64 at most
 *     hand.top[class]               --> | NULL | q | q | . | . | FULL |
 *                                              free puts
 *
 * They are in a second cache of the thread, which it gets at its first batch. */
#ifndef MPRESS_BATCH_H
#define MPRESS_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/size_class.h"

/* What one thread may hand out unseen. */
struct batch_allowance {
    uint64_t mark;                 /* batch_mark */
    uint64_t left[SIZE_CLASS_END]; /* bytes, in objects of the class's size */
};

/* A word for who allows, of the calling thread; 0 at first, when nothing is allowed. NULL: the
 * thread has no batches (no cache, a closed hand, no memory). Otherwise: */
uint64_t *batch_mark(void);

/* How many bytes of the class are left of what was allowed, to be changed until batch_close: the
 * hot path gets nothing of the class in between. */
uint64_t *batch_open(unsigned class);
void batch_close(unsigned class);

/* An object of the class for a request of so many bytes; the hot path has more of them then. NULL:
 * the allowance has no room for it or another mark, or there is no memory. `is_kept`: only one that
 * threads keep. */
void *batch_alloc(unsigned class, size_t bytes, bool is_kept, uint64_t mark);

/* Gives all of the calling thread's back. */
void batch_flush(void);

/* So many objects were handed out. */
static inline void batch_count(struct batch_allowance *allowance, unsigned class, uint32_t objects)
{
    allowance->left[class] -= objects * (uint64_t)size_tables.classes[class].bytes;
}

#endif
