/* live.h - what the report needs to know of each block that is alive, in an array by its seat
 * (tools/trace/trace.h). Seats are used again at once, so the array is as long as most blocks ever
 * were alive together, and what lives shortly stays in the CPU's cache. */
#ifndef MPRESS_TOOLS_ANALYSIS_LIVE_H
#define MPRESS_TOOLS_ANALYSIS_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block {
    uint64_t object; /* L1: 0 = nobody sits there */
    uint64_t bytes;  /* asked */
    uint64_t birth_ns;
    uint32_t site; /* number of the call stack in the analysis */
    uint32_t thread;
};

struct live {
    struct block *block; /* by seat; seat 0 is nobody's */
    size_t seats;        /* that there is room for */
};

void live_init(struct live *live);
void live_fini(struct live *live);
void live_grow(struct live *live, uint32_t seat);

/* Nobody sits there. */
static inline void live_insert(struct live *live, uint32_t seat, const struct block *block)
{
    if (seat >= live->seats)
        live_grow(live, seat);
    live->block[seat] = *block;
}

/* The block itself; NULL: nobody sits there. */
static inline const struct block *live_find(const struct live *live, uint32_t seat)
{
    return seat < live->seats && live->block[seat].object != 0 ? &live->block[seat] : NULL;
}

/* Takes the block out into *block; false: nobody sits there. */
static inline bool live_remove(struct live *live, uint32_t seat, struct block *block)
{
    const struct block *found = live_find(live, seat);
    if (found == NULL)
        return false;
    *block = *found;
    live->block[seat].object = 0;
    return true;
}

/* Calls `visit` for each block, by seat. */
void live_visit(const struct live *live, void (*visit)(const struct block *block, void *context),
                void *context);

#endif
