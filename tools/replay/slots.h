/* slots.h - which slot of the program an object gets (program.h, P1): one that its own thread made
 * free in this window, or one that was free before the window began, or a new one. Slots are
 * numbered from 1; 0 is none. */
#ifndef MPRESS_TOOLS_REPLAY_SLOTS_H
#define MPRESS_TOOLS_REPLAY_SLOTS_H

#include <stddef.h>
#include <stdint.h>

/* A stack of free slots, linked through next_free. Empty as zeros. */
struct slots_pool {
    uint32_t first;
    uint32_t last;
};

/* Begins as zeros. */
struct slots {
    uint32_t count;      /* that there are */
    uint32_t *next_free; /* by slot */
    size_t next_free_capacity;
    struct slots_pool pool; /* free since before this window */
    uint32_t *seated;       /* slot by seat of the object (tools/trace/trace.h), with its flags */
    size_t seats;
    size_t seat_capacity;
};

void slots_fini(struct slots *slots);

/* `own`: of the thread; NULL: the slot must have been empty when the window began. */
uint32_t slots_take(struct slots *slots, struct slots_pool *own);

/* The thread has made it free. */
void slots_give(struct slots *slots, struct slots_pool *own, uint32_t slot);

/* The window is over: what the thread made free is for all. */
void slots_pass_on(struct slots *slots, struct slots_pool *own);

/* An object's slot, with its flags. */
void slots_seat(struct slots *slots, uint32_t seat, uint32_t slot);

static inline uint32_t slots_of_seat(const struct slots *slots, uint32_t seat)
{
    return slots->seated[seat];
}

#endif
