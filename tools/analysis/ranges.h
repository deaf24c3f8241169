/* ranges.h - a map from addresses to numbers, whole ranges at a time. */
#ifndef MPRESS_TOOLS_ANALYSIS_RANGES_H
#define MPRESS_TOOLS_ANALYSIS_RANGES_H

#include <stddef.h>
#include <stdint.h>

#include "tools/store.h"

struct range {
    uint64_t start;
    uint64_t end;
    uint32_t value;       /* not 0 */
    uint32_t order;       /* R2 */
    uint32_t left, right; /* numbers of ranges, 0: none */
};

/* A treap (Aragon & Seidel 1989). R1: in-order, the ranges are disjoint and go up. R2: the order of
 * a range, a random number, is not below that of those under it. */
struct ranges {
    struct store *store;
    struct range *range; /* [0] is not used */
    size_t used, room;
    uint32_t root;
    uint32_t free; /* list by `left` */
    uint32_t random;
};

void ranges_init(struct ranges *ranges, struct store *store);

/* [start, end) is `value` from now on; 0: nothing. */
void ranges_set(struct ranges *ranges, uint64_t start, uint64_t end, uint32_t value);

/* Shows what lies in [start, end), cut at its ends, upwards. */
void ranges_visit(const struct ranges *ranges, uint64_t start, uint64_t end,
                  void (*visit)(uint64_t bytes, uint32_t value, void *context), void *context);

#endif
