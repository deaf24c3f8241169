/* epoch.h - when a writer has to draw an epoch (format.h, ORDER). */
#ifndef MPRESS_TRACER_EPOCH_H
#define MPRESS_TRACER_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tracer/births.h"
#include "tracer/lane.h"
#include "tracer/recorder.h"

/* A lane that is the only one needs no order. Who has not seen yet that it is shared has not seen
 * anything either that came from another lane. */
static inline bool epoch_is_due(void)
{
    return atomic_load_explicit(&recorder.is_shared, memory_order_relaxed);
}

/* S1. A caller that tells draws when objects arrive: tracer_sync. */
static inline bool epoch_is_due_at_birth(void)
{
    return !recorder.ordered_by_caller && epoch_is_due();
}

/* No other lane has drawn since this one did, as far as its thread can know: what it got from
 * others was born in segments that began before this one. (A birth that it knows of happened behind
 * the draw of its own segment, so that draw is seen here: by the coherence of the counter.) */
static inline bool epoch_is_newest(const struct lane *lane)
{
    return atomic_load_explicit(&recorder.epoch, memory_order_relaxed) == lane->epoch;
}

/* S2. */
static inline bool epoch_is_due_at_death(const struct lane *lane, uint64_t units)
{
    return epoch_is_due() && !epoch_is_newest(lane) &&
           !(recorder.ordered_by_caller && births_is_own(units, lane->owner));
}

static inline void epoch_note_birth(const struct lane *lane, uint64_t units)
{
    if (epoch_is_due())
        births_note(units, lane->owner);
}

#endif
