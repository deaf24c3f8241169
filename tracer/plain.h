/* plain.h - an event that nothing else goes with, for the door to inline: no call stack, no epoch,
 * nothing due in the lane (turn.h), neither alignment nor move. It touches the thread's lane alone
 * and the table of births, and calls nothing.
 *
 *     turn = plain_begin();                        turn.lane == NULL: take tracer_alloc,
 * tracer_free plain_alloc, or plain_free where plain_is_own   at most one plain_end(turn);
 *
 * Blocks come from a heap whose addresses have 48 bits. */
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

struct plain_turn {
    struct lane *lane;
    unsigned char *at; /* the lane's, read once: whoever forks in a handler right behind that finds
                        * zeros there, and stores once more what the parent does */
};

/* Allocations can be plain. */
static inline bool plain_has_births(void)
{
    return recorder.has_plain_births;
}

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
    turn.at = turn.lane->at;
    if (MP_LIKELY(turn_is_fast(turn.lane, turn.at)))
        return turn;
    plain_end(turn);
    return (struct plain_turn){NULL, NULL};
}

/* For plain_has_births. */
static inline void plain_alloc(struct plain_turn turn, const void *p, size_t asked, unsigned bits)
{
    MP_ASSERT((bits & ~(unsigned)(TRACE_ZEROED | TRACE_CPP)) == 0);
    struct birth birth = {.units = encode_units(p), .size = asked, .argument = bits};
    if (epoch_is_due())
        births_note_plain(birth.units, turn.lane->owner);
    unsigned char *end = encode_birth(turn.lane, turn.at + 1, &birth);
    turn.lane->events++;
    lane_commit_at(turn.lane, turn.at, turn_first_byte(TRACE_ALLOC, birth.argument), end);
}

/* The death of the block at p needs no epoch. */
static inline bool plain_is_own(struct plain_turn turn, const void *p)
{
    return !epoch_is_due() ||
           (recorder.ordered_by_caller && births_is_own_plain(encode_units(p), turn.lane->owner));
}

static inline void plain_free(struct plain_turn turn, const void *p)
{
    encode_free(turn.lane, turn.at, encode_units(p));
}

#endif
