/* recorded.c - see recorded.h. Allocating and freeing, nothing here calls but for records of sizes
 * and distances that do not fit (encode_alloc_slowly): what needs more goes on elsewhere, by a
 * jump. So little is saved, and the program's frame stays the next one. */
#include "preload/recorded.h"

#include <string.h>

#include "preload/caller.h"
#include "preload/door_way.h"
#include "tracer/plain.h"

#define INLINE inline __attribute__((always_inline))

/* Most of what comes while a trace holds every event but no call stacks. NULL: not this time. (No
 * request goes to another heap then: that would not tell when blocks move.) */
static INLINE void *pass_plainly(size_t bytes, unsigned bits)
{
    if (MP_UNLIKELY(bytes > SIZE_SLAB_MAX || hand.inside != 0 || latency_is_due()))
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

static INLINE void *clear_if(unsigned bits, void *p, size_t bytes)
{
    if ((bits & TRACE_ZEROED) != 0)
        return memset(p, 0, size_tables.classes[size_class_of(bytes)].bytes);
    return p;
}

/* Most of what comes while it holds the call stacks too. NULL as above. */
static INLINE void *pass_with_stack(size_t bytes, unsigned bits, struct tracer_caller caller)
{
    if (MP_UNLIKELY(!recorded_may_pass(bytes) || latency_is_due()))
        return NULL;
    struct plain_turn turn = plain_begin();
    if (MP_UNLIKELY(turn.lane == NULL))
        return NULL;
    uint32_t stack;
    void *p = NULL;
    if (MP_LIKELY(plain_find_stack(turn, &caller, &stack)))
        p = heap_pop(size_class_of(bytes));
    if (MP_LIKELY(p != NULL)) {
        plain_alloc_with(turn, p, bytes, bits, stack);
        latency_pass();
    }
    plain_end(turn);
    return p;
}

/* Has a frame of its own, to read the caller's registers from. */
static __attribute__((noinline)) void *alloc_with_stack(size_t bytes, unsigned bits)
{
    void *p = pass_with_stack(bytes, bits, CALLER_HERE);
    return MP_LIKELY(p != NULL) ? clear_if(bits, p, bytes) : way_serve_any(bytes, bits);
}

static INLINE void *alloc(size_t bytes, unsigned bits)
{
    if (!plain_is_on())
        return alloc_with_stack(bytes, bits);
    void *p = pass_plainly(bytes, bits);
    return MP_LIKELY(p != NULL) ? clear_if(bits, p, bytes) : way_serve_any(bytes, bits);
}

void *recorded_malloc(size_t bytes)
{
    return alloc(bytes, 0);
}

void *recorded_calloc(size_t bytes)
{
    return alloc(bytes, TRACE_ZEROED);
}

void *recorded_new(size_t bytes)
{
    return alloc(bytes, TRACE_CPP);
}

static INLINE void free_in_turn(void *p, bool is_near)
{
    struct plain_turn turn = plain_begin();
    if (MP_UNLIKELY(turn.lane == NULL)) {
        way_free_any(p);
        return;
    }
    if (MP_UNLIKELY(!plain_is_own(turn, p))) {
        plain_end(turn);
        way_free_foreign(p);
        return;
    }
    if (is_near)
        plain_free_near(turn, p);
    else
        plain_free(turn, p);
    plain_end(turn);
    if (MP_UNLIKELY(!heap_push(p)))
        way_free_recorded(p);
}

static __attribute__((noinline)) void free_with_stacks(void *p)
{
    free_in_turn(p, false);
}

void recorded_free(void *p)
{
    if (MP_UNLIKELY(hand.inside != 0 || !space_owns(p)))
        way_free_any(p);
    else if (plain_is_on())
        free_in_turn(p, true);
    else
        free_with_stacks(p);
}

void *recorded_realloc(void *p, size_t bytes, struct tracer_caller caller)
{
    if (MP_UNLIKELY(!recorded_may_pass(bytes) || !space_owns(p) || tracer_may_watch(p)))
        return NULL;
    size_t usable = heap_usable_by_hand(p);
    if (MP_UNLIKELY(usable == 0))
        return NULL;
    bool stays = heap_keeps_place(usable, bytes);
    void *moved = stays ? p : heap_pop(size_class_of(bytes));
    if (MP_UNLIKELY(moved == NULL))
        return NULL;
    if (!stays)
        memcpy(moved, p, usable < bytes ? usable : bytes);
    tracer_realloc(p, moved, bytes, &caller);
    if (!stays && MP_UNLIKELY(!heap_push(p)))
        way_free_recorded(p);
    return moved;
}
