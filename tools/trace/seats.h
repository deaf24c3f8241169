/* seats.h - small numbers for the objects that are alive: the one that became free last is the next
 * to be taken, so that what is kept by seats stays in few lines of the CPU's cache. */
#ifndef MPRESS_TOOLS_TRACE_SEATS_H
#define MPRESS_TOOLS_TRACE_SEATS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tools/trace/memory.h"

/* Begins as zeros. */
struct seats {
    uint32_t count; /* that there are: 1..count */
    size_t free_count;
    size_t free_room;
    uint32_t *free;
};

static inline uint32_t seats_take(struct seats *seats)
{
    return seats->free_count != 0 ? seats->free[--seats->free_count] : ++seats->count;
}

static inline void seats_give(struct seats *seats, uint32_t seat)
{
    if (seats->free_count == seats->free_room)
        seats->free =
            memory_grow(seats->free, seats->free_count, &seats->free_room, sizeof(*seats->free));
    seats->free[seats->free_count++] = seat;
}

static inline void seats_fini(struct seats *seats)
{
    free(seats->free);
}

#endif
