/* flows.h - blocks that one thread allocates and another one frees: from whom to whom. */
#ifndef MPRESS_TOOLS_ANALYSIS_FLOWS_H
#define MPRESS_TOOLS_ANALYSIS_FLOWS_H

#include <stddef.h>
#include <stdint.h>

#include "tools/analysis/held.h"
#include "tools/store.h"

struct flow {
    uint32_t from, to; /* numbers of threads */
    struct amount amount;
};

/* Open addressing, linear probing; a slot without blocks is free. */
struct flows {
    struct flow *flow;
    size_t slots; /* a power of two, or 0 */
    size_t used;  /* at most half of them */
};

void flows_add(struct flows *flows, struct store *store, uint32_t from, uint32_t to,
               const struct amount *amount);

/* Packs them, largest first (bytes, then threads); none may be added any more. How many there are.
 */
size_t flows_sort(struct flows *flows);

#endif
