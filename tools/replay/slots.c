/* slots.c - see slots.h */
#include "tools/replay/slots.h"

#include <stdlib.h>

#include "tools/trace/memory.h"

void slots_fini(struct slots *slots)
{
    free(slots->next_free);
    free(slots->seated);
}

static uint32_t pop(struct slots *slots, struct slots_pool *pool)
{
    uint32_t slot = pool->first;
    pool->first = slots->next_free[slot];
    if (pool->first == 0)
        pool->last = 0;
    return slot;
}

static uint32_t make(struct slots *slots)
{
    size_t known = slots->count + (size_t)1; /* slot 0 has its place too */
    slots->next_free =
        memory_grow(slots->next_free, known, &slots->next_free_capacity, sizeof(*slots->next_free));
    return ++slots->count;
}

uint32_t slots_take(struct slots *slots, struct slots_pool *own)
{
    if (own != NULL && own->first != 0)
        return pop(slots, own);
    return slots->pool.first != 0 ? pop(slots, &slots->pool) : make(slots);
}

void slots_give(struct slots *slots, struct slots_pool *own, uint32_t slot)
{
    slots->next_free[slot] = own->first;
    own->first = slot;
    if (own->last == 0)
        own->last = slot;
}

void slots_pass_on(struct slots *slots, struct slots_pool *own)
{
    if (own->first == 0)
        return;
    slots->next_free[own->last] = slots->pool.first;
    if (slots->pool.first == 0)
        slots->pool.last = own->last;
    slots->pool.first = own->first;
    *own = (struct slots_pool){0, 0};
}

void slots_seat(struct slots *slots, uint32_t seat, uint32_t slot)
{
    while (seat >= slots->seats) {
        slots->seated =
            memory_grow(slots->seated, slots->seats, &slots->seat_capacity, sizeof(*slots->seated));
        slots->seated[slots->seats++] = 0;
    }
    slots->seated[seat] = slot;
}
