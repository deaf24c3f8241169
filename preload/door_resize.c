/* door_resize.c - realloc at the slow door. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "allocators/growth.h"
#include "preload/budget_slot.h"
#include "preload/caller.h"
#include "preload/door.h"
#include "preload/door_way.h"
#include "preload/emergency.h"
#include "preload/failing.h"
#include "preload/recorded.h"
#include "preload/route.h"
#include "preload/sampled.h"
#include "preload/view.h"
#include "preload/watch.h"
#include "tracer/tracer.h"

/* In a signal handler that interrupted this thread's allocator. */
static void *realloc_in_emergency(void *p, size_t bytes)
{
    size_t usable = way_usable_without_locks(p);
    void *moved = usable != 0 ? emergency_alloc(bytes, 0) : NULL;
    if (moved == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(moved, p, usable < bytes ? usable : bytes);
    way_record_dropped();
    (void)way_defer_free(p); /* one event was dropped, whatever becomes of the old block */
    return moved;
}

static void *resize(void *p, size_t bytes, struct tracer_caller caller)
{
    if (!route_resize(p, bytes))
        return NULL;
    tracer_realloc(p, p, bytes, &caller);
    return p;
}

/* Pages that move leave their old address to anybody at once: so its end is recorded first. */
static void *remap_recorded(void *p, size_t bytes, struct tracer_caller caller)
{
    size_t usable = route_usable(p);
    tracer_free(p);
    void *moved = route_realloc(p, bytes);
    tracer_alloc(moved != NULL ? moved : p, moved != NULL ? bytes : usable, 0, 0, &caller);
    return moved;
}

/* In steps, so that the move is recorded while both blocks exist. */
static void *realloc_recorded(void *p, size_t bytes, struct tracer_caller caller)
{
    if (resize(p, bytes, caller) != NULL)
        return p;
    if (route_remaps(p, bytes))
        return remap_recorded(p, bytes, caller);
    size_t usable = route_usable(p);
    void *moved = route_alloc_instead(p, bytes);
    if (moved == NULL && bytes <= usable)
        tracer_realloc(p, p, bytes, &caller); /* shrinking never fails */
    if (moved == NULL)
        return bytes <= usable ? p : NULL;
    memcpy(moved, p, usable < bytes ? usable : bytes);
    tracer_realloc(p, moved, bytes, &caller);
    route_free(p);
    return moved;
}

static void *resize_block(void *p, size_t bytes, bool is_sample, struct tracer_caller caller)
{
    if (MP_UNLIKELY(tracer_may_watch(p)))
        tracer_unwatch(p);
    if (!way_is_recorded())
        return route_realloc(p, bytes);
    return view() == DOOR_SEES_ALL ? realloc_recorded(p, bytes, caller)
                                   : sampled_realloc(p, bytes, is_sample, &caller);
}

static __attribute__((noinline, cold)) void *
insist_on_resizing(void *p, size_t bytes, bool is_sample, struct tracer_caller caller)
{
    void *moved = NULL;
    for (unsigned tries = 0; moved == NULL && watch_makes_room(bytes, true, tries); tries++) {
        if (door_come_in()) {
            moved = resize_block(p, bytes, is_sample, caller);
            door_go_out();
        }
        watch_done();
    }
    if (moved == NULL && growth_wanted == 0)
        budget_add(&budget_slot->denied, 1);
    return moved;
}

static void *reallocate_now(void *p, size_t bytes, struct tracer_caller caller)
{
    if (MP_UNLIKELY(!way_come_in(caller.ip)))
        return realloc_in_emergency(p, bytes);
    void *moved = NULL;
    bool is_possible = !failing_refuses(bytes, caller.ip) && bytes <= PTRDIFF_MAX;
    bool is_sample = is_possible && view() == DOOR_SEES_SAMPLES && sampled_takes(bytes, 0);
    if (is_possible)
        moved = resize_block(p, bytes, is_sample, caller);
    door_go_out();
    if (MP_UNLIKELY(moved == NULL) && is_possible)
        moved = insist_on_resizing(p, bytes, is_sample, caller);
    if (moved == NULL) {
        errno = ENOMEM;
        if (way_is_recorded())
            tracer_failed(bytes, &caller);
    }
    if (way_is_recorded())
        tracer_sample_late();
    way_leave_lane();
    return moved;
}

static void *reallocate(void *p, size_t bytes, struct tracer_caller caller)
{
    struct watch_call call;
    if (!watch_is_on() || hand.inside != 0)
        return reallocate_now(p, bytes, caller);
    watch_begin(&call);
    void *moved = reallocate_now(p, bytes, caller);
    watch_end(&call, bytes);
    return moved;
}

void *door_realloc(void *p, size_t bytes)
{
    if (p == NULL)
        return door_malloc(bytes);
    void *moved = NULL;
    if (bytes != 0 && view_records() && way_is_quiet()) /* not in a child that is not noticed yet */
        moved = recorded_realloc(p, bytes, CALLER_HERE);
    else if (bytes != 0 && view_passes())
        moved = sampled_move(p, bytes);
    if (moved != NULL)
        return moved;
    if (bytes != 0)
        return reallocate(p, bytes, CALLER_HERE);
    door_free(p); /* glibc: realloc(p, 0) frees */
    return NULL;
}
