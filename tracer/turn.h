/* turn.h - a thread's turn at its lane: it marks itself busy and the lane as being written, does
 * what is due, adds its records, and leaves.
 *
 * lane->fast says in one word that nothing is due: no clock to be read, no epoch to be drawn, no
 * missed event to be told of, the block has room, the lane is of the trace that runs. Whoever makes
 * something due stores NULL there: the thread itself, a signal handler of it, or tracer_stop. Only
 * turn_begin_late stores anything else, and looks for all of that once more behind the store. */
#ifndef MPRESS_TRACER_TURN_H
#define MPRESS_TRACER_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "tracer/lane.h"
#include "tracer/recorder.h"
#include "tracer/thread.h"

/* Room for a record of ops 0..6; false: the disk is full. */
static inline bool turn_have_room(struct lane *lane)
{
    return MP_LIKELY(lane_has_room(lane)) || lane_renew(lane);
}

static inline unsigned turn_first_byte(unsigned op, unsigned argument)
{
    MP_ASSERT(op <= TRACE_OTHER && argument < 32);
    return op | argument << 3;
}

/* A SYNC record with the next epoch. False: the disk is full. */
bool turn_draw(struct lane *lane);

static inline bool turn_draw_if(struct lane *lane, bool is_due)
{
    return !is_due || turn_draw(lane);
}

/* Marks the lane as being written. tracer_stop passes a barrier through every thread between its
 * stores and its look at the mark: either it sees the 1 or we see what it stored, behind this. No
 * barrier is needed here. A lane of an earlier trace may be marked: nobody looks at it any more. */
static inline void turn_mark(struct lane *lane)
{
    atomic_store_explicit(&lane->writing, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void turn_end(struct lane *lane)
{
    /* release: tracer_stop reads the lane once it sees the zero */
    atomic_store_explicit(&lane->writing, 0, memory_order_release);
    thread_end_busy();
}

/* Nothing lies before a NULL; `at` is the lane's. */
static inline bool turn_is_fast(const struct lane *lane, const unsigned char *at)
{
    return at < atomic_load_explicit(&lane->fast, memory_order_relaxed);
}

/* What is rare before a turn. Busy; `lane` is marked, or NULL. */
struct lane *turn_begin_late(struct lane *lane, bool is_event);

/* A signal handler interrupted the tracer: the place that its event would have is taken. */
void turn_count_missed(void);

/* The lane to write to; NULL: nothing is recorded, an event is counted as dropped. */
static inline struct lane *turn_begin(bool is_event)
{
    if (MP_UNLIKELY(!thread_begin_busy())) {
        turn_count_missed();
        return NULL;
    }
    struct lane *lane = thread_self.lane;
    if (MP_UNLIKELY(lane == NULL))
        return turn_begin_late(NULL, is_event);
    turn_mark(lane);
    return MP_LIKELY(turn_is_fast(lane, lane_at(lane))) ? lane : turn_begin_late(lane, is_event);
}

/* Work of a kind of which `count` was done by now, and `*timed` when some was timed last: it stands
 * for all since. What took so long that it was not on the processor all the time says nothing: the
 * next stands for it too. */
void turn_note_time(struct lane *lane, uint64_t *timed, uint64_t count, uint64_t took_ns);

/* After an event that is timed, or that those follow: then the other things that are due now and
 * then. */
void turn_finish_timed(struct lane *lane);

/* The end of a turn that began by turn_begin and wrote what it should. */
static inline void turn_end_written(struct lane *lane)
{
    if (MP_UNLIKELY(lane->to_time != 0))
        turn_finish_timed(lane);
    turn_end(lane);
}

/* The event could not be written; or only its epoch. */
void turn_end_lost(struct lane *lane);
void turn_end_unsynced(struct lane *lane);

/* The clock of the calling thread's lane, if it has one. Busy. False: the disk is full. */
bool turn_write_time(uint64_t now_ns);

/* Writes what signal handlers missed, if there is room; for the end of the trace. */
void turn_write_missed(struct lane *lane);

#endif
