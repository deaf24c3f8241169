/* plain.h - an event that nothing else goes with, for the door to inline: no epoch, nothing due in
 * the lane (turn.h), neither alignment nor move; no call stack, or one that the thread knows
 * (walk.h). It is written as a NEAR record (format.h), but with a stack where other ones are
 * shorter. It touches the thread's lane and walk alone and the table of births, and calls nothing.
 *
 *     turn = plain_begin();       turn.lane == NULL: it is none, take tracer_alloc or tracer_free
 *     plain_alloc; or plain_alloc_with, if plain_find_stack; or plain_free, plain_free_near, if
 *     plain_is_own; or nothing
 *     plain_end(turn);
 */
#ifndef MPRESS_TRACER_PLAIN_H
#define MPRESS_TRACER_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "tracer/births.h"
#include "tracer/encode.h"
#include "tracer/epoch.h"
#include "tracer/recorder.h"
#include "tracer/thread.h"
#include "tracer/turn.h"
#include "tracer/walk.h"

enum {
    PLAIN_SHIFT = 4, /* address_shift of such traces */
    PLAIN_SIZE_MOST = UINT16_MAX,
};

/* Events of this trace have no stacks and are NEAR records, unless their address is far away. */
static inline bool plain_is_on(void)
{
    return recorder.is_plain;
}

/* It can be, while plain_is_on, or has to go by tracer_alloc, tracer_free. */
static inline bool plain_is_near(const void *p)
{
    return ((uintptr_t)p - recorder.near_from) >> (8 * TRACE_NEAR_PLACE_BYTES + PLAIN_SHIFT) == 0;
}

struct plain_turn {
    struct lane *lane;
    unsigned char *at; /* the lane's, read once: in a child that a handler forks off from here on
                        * the lane reads as zeros, and nothing is written to the parent's block */
};

static inline void plain_end(struct plain_turn turn)
{
    /* release: as in turn_end */
    atomic_store_explicit(&turn.lane->writing, 0, memory_order_release);
}

static inline struct plain_turn plain_begin(void)
{
    struct plain_turn turn = {thread_self.lane, NULL};
    if (MP_UNLIKELY(turn.lane == NULL) || MP_UNLIKELY(lane_is_written(turn.lane)))
        return (struct plain_turn){NULL, NULL};
    turn_mark(turn.lane);
    turn.at = lane_at(turn.lane);
    if (MP_LIKELY(turn_is_fast(turn.lane, turn.at)))
        return turn;
    plain_end(turn);
    return (struct plain_turn){NULL, NULL};
}

/* Whether the lane is still the one that the turn began at, not that of such a child. What was read
 * of it before is right then; what is stored behind it must not depend on it any more. */
static inline bool plain_is_still(struct plain_turn turn)
{
    atomic_signal_fence(memory_order_seq_cst);
    return MP_LIKELY(lane_at(turn.lane) == turn.at);
}

/* The lowest `bytes` of the number, 3 to 8, and none behind them. */
static inline void plain_store(unsigned char *at, uint64_t number, size_t bytes)
{
    if (bytes == 3) {
        const uint16_t low = (uint16_t)number;
        memcpy(at, &low, sizeof(low));
        at[2] = (unsigned char)(number >> 16);
    } else {
        const uint32_t low = (uint32_t)number, high = (uint32_t)(number >> (8 * (bytes - 4)));
        memcpy(at, &low, sizeof(low));
        memcpy(at + bytes - 4, &high, sizeof(high));
    }
}

/* Stores the record's bytes and none behind them: in a child that a handler forks off behind
 * plain_is_still they are what the parent stores there, who may be further by now. */
static inline void plain_write(struct plain_turn turn, unsigned argument, uint64_t fields,
                               size_t bytes)
{
    plain_store(turn.at + 1, fields, bytes);
    turn.lane->events++;
    lane_commit_at(turn.lane, turn.at, turn_first_byte(TRACE_NEAR, argument), turn.at + 1 + bytes);
}

static inline void plain_put(struct plain_turn turn, unsigned argument, uint64_t fields,
                             size_t bytes)
{
    if (plain_is_still(turn))
        plain_write(turn, argument, fields, bytes);
}

static inline uint64_t plain_place(const void *p)
{
    MP_ASSERT(plain_is_near(p) && ((uintptr_t)p & ((1 << PLAIN_SHIFT) - 1)) == 0);
    return ((uintptr_t)p - recorder.near_from) >> PLAIN_SHIFT;
}

/* It takes 3 bytes: those of a heap's first 256 MiB do. */
static inline bool plain_is_short(uint64_t place)
{
    return MP_LIKELY(place >> (8 * TRACE_NEAR_SHORT_BYTES) == 0);
}

/* While plain_is_on. Three callers: the compiler would rather call it. */
static inline __attribute__((always_inline)) void plain_alloc(struct plain_turn turn, const void *p,
                                                              size_t asked, unsigned bits)
{
    MP_ASSERT((bits & ~(unsigned)(TRACE_ZEROED | TRACE_CPP)) == 0 && asked <= PLAIN_SIZE_MOST);
    if (epoch_is_due())
        births_note_plain((uintptr_t)p >> PLAIN_SHIFT, turn.lane->owner);
    uint64_t place = plain_place(p);
    uint64_t fields = asked | place << (8 * TRACE_NEAR_SIZE_BYTES);
    if (plain_is_short(place))
        plain_put(turn, TRACE_NEAR_ALLOC | TRACE_NEAR_SHORT | bits, fields,
                  TRACE_NEAR_SIZE_BYTES + TRACE_NEAR_SHORT_BYTES);
    else
        plain_put(turn, TRACE_NEAR_ALLOC | bits, fields,
                  TRACE_NEAR_SIZE_BYTES + TRACE_NEAR_PLACE_BYTES);
}

/* The death of the block at p needs no epoch. */
static inline bool plain_is_own(struct plain_turn turn, const void *p)
{
    return !epoch_is_due() || epoch_is_newest(turn.lane) ||
           (recorder.ordered_by_caller && births_is_own_plain(encode_units(p), turn.lane->owner));
}

/* While plain_is_on; or not. */
static inline void plain_free_near(struct plain_turn turn, const void *p)
{
    uint64_t place = plain_place(p);
    if (plain_is_short(place))
        plain_put(turn, TRACE_NEAR_FREE | TRACE_NEAR_SHORT, place, TRACE_NEAR_SHORT_BYTES);
    else
        plain_put(turn, TRACE_NEAR_FREE, place, TRACE_NEAR_PLACE_BYTES);
}

/* While neither plain_is_on nor every birth needs an epoch: whether the stack of the caller is one
 * that the thread knows. */
static inline bool plain_find_stack(struct plain_turn turn, const struct tracer_caller *caller,
                                    uint32_t *stack)
{
    struct walk *walk = turn.lane->walk;
    return MP_LIKELY(walk != NULL) && MP_LIKELY(walk->generation == stacks_generation()) &&
           MP_LIKELY(recorder.ordered_by_caller) &&
           walk_find(turn.lane, walk, caller, recorder.depth, stack);
}

/* Of this trace, which may have another shift. */
static inline uint64_t plain_place_of(const void *p)
{
    return ((uintptr_t)p - recorder.near_from) >> recorder.address_shift;
}

/* A NEAR record where an ALLOC would have to say the size. False: not this time. */
static inline bool plain_put_with(struct plain_turn turn, const void *p, const struct birth *birth)
{
    struct lane *lane = turn.lane;
    uint64_t place = plain_place_of(p);
    unsigned slot = trace_slot(birth->stack);
    if (lane->sizes[slot] == birth->size || lane->stacks[slot] != birth->stack ||
        !plain_is_short(place) || birth->size > PLAIN_SIZE_MOST || !plain_is_still(turn))
        return false;
    lane->sizes[slot] = birth->size;
    lane->recent[trace_recent_slot(birth->units)] = birth->units;
    uint64_t size_and_place = birth->size | place << (8 * TRACE_NEAR_SIZE_BYTES);
    plain_write(turn, TRACE_NEAR_ALLOC | TRACE_NEAR_SHORT | TRACE_NEAR_STACK | birth->argument,
                slot | size_and_place << 8, 1 + TRACE_NEAR_SIZE_BYTES + TRACE_NEAR_SHORT_BYTES);
    return true;
}

static inline void plain_alloc_with(struct plain_turn turn, const void *p, size_t asked,
                                    unsigned bits, uint32_t stack)
{
    MP_ASSERT((bits & ~(unsigned)(TRACE_ZEROED | TRACE_CPP)) == 0);
    struct birth birth = {
        .units = encode_units(p), .size = asked, .stack = stack, .argument = bits};
    if (epoch_is_due())
        births_note_plain(birth.units, turn.lane->owner);
    if (!plain_put_with(turn, p, &birth))
        encode_alloc(turn.lane, turn.at, birth);
}

static inline void plain_free(struct plain_turn turn, const void *p)
{
    uint64_t units = encode_units(p), place = plain_place_of(p);
    if (turn.lane->recent[trace_recent_slot(units)] != units && plain_is_short(place))
        plain_put(turn, TRACE_NEAR_FREE | TRACE_NEAR_SHORT, place, TRACE_NEAR_SHORT_BYTES);
    else
        encode_free(turn.lane, turn.at, units);
}

#endif
