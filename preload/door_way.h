/* door_way.h - the way into the slow door and out of it, for the files that it is made of
 * (door.c, door_resize.c, recorded.c); others use door_come_in and door_go_out. */
#ifndef MPRESS_DOOR_WAY_H
#define MPRESS_DOOR_WAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/cache.h"
#include "preload/init.h"
#include "preload/view.h"
#include "tracer/tracer.h"

static inline bool way_is_quiet(void)
{
    return MP_LIKELY(atomic_load_explicit(&init_mark->is_quiet, memory_order_relaxed));
}

static inline void way_notice(uintptr_t caller)
{
    if (!way_is_quiet())
        init_notice(caller);
}

/* caller: from where the program called for memory; 0: it did not. False: a signal handler that
 * interrupted the heap. */
static inline bool way_come_in(uintptr_t caller)
{
    if (MP_UNLIKELY(hand.inside != 0))
        return false;
    way_notice(caller);
    hand.inside = 1;
    return true;
}

static inline bool way_is_recorded(void)
{
    /* busy: the tracer counts it as lost */
    return MP_UNLIKELY(view() != DOOR_SEES_LITTLE) && tracer_is_on();
}

/* After what a thread did behind its last destructor: its lane is free for another at once. */
static inline void way_leave_lane(void)
{
    if (MP_UNLIKELY(view() != DOOR_SEES_LITTLE) && hand.state == CACHE_DEAD)
        tracer_thread_exit();
}

/* What recorded.c cannot serve: by way of tail calls, whose frame lies right below the program's.
 */
void *way_serve_any(size_t bytes, unsigned bits);
void way_free_any(void *p);

/* A block of ours whose death needs an epoch; one whose death is recorded. */
void way_free_foreign(void *p);
void way_free_recorded(void *p);

/* In such a handler: the free is done, and recorded, on the way out; false: now, or never. */
bool way_defer_free(void *p);

/* In such a handler no lock may be asked for. 0: the answer needs one. */
size_t way_usable_without_locks(const void *p);

/* In such a handler nothing is recorded, only counted. */
void way_record_dropped(void);

#endif
