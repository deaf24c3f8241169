/* recorded.c - see recorded.h. Nothing here calls: what needs more goes on elsewhere, by a jump. So
 * it saves no registers, and the program's frame stays the next one. */
#include "preload/recorded.h"

#include <string.h>

#include "preload/door_way.h"
#include "tracer/plain.h"

/* Most of what comes while a trace holds every event but no call stacks. NULL: not this time. */
static inline void *pass_plainly(size_t bytes, unsigned bits)
{
    if (MP_UNLIKELY(!plain_has_births() || !recorded_may_pass(bytes) || latency_is_due()))
        return NULL;
    struct plain_turn turn = plain_begin(); /* first: in a child that nobody knows of it is none */
    if (MP_UNLIKELY(turn.lane == NULL))
        return NULL;
    void *p = heap_pop(size_class_of(bytes));
    if (MP_LIKELY(p != NULL)) {
        plain_alloc(turn, p, bytes, bits);
        latency_pass();
    }
    plain_end(turn);
    return p;
}

void *recorded_alloc(size_t bytes, unsigned bits)
{
    void *p = pass_plainly(bytes, bits);
    if (MP_UNLIKELY(p == NULL))
        return way_serve_any(bytes, bits);
    if ((bits & TRACE_ZEROED) != 0)
        return memset(p, 0, size_tables.classes[size_class_of(bytes)].bytes);
    return p;
}

void recorded_free(void *p)
{
    struct plain_turn turn = {NULL, NULL};
    if (MP_LIKELY(hand.inside == 0 && space_owns(p)))
        turn = plain_begin();
    if (MP_UNLIKELY(turn.lane == NULL)) {
        way_free_any(p);
        return;
    }
    if (MP_UNLIKELY(!plain_is_own(turn, p))) {
        plain_end(turn);
        way_free_foreign(p);
        return;
    }
    plain_free(turn, p);
    plain_end(turn);
    if (MP_UNLIKELY(!heap_push(p)))
        way_free_recorded(p);
}
