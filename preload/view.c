/* view.c - changes what the door sees: by the tracer, and for a moment by who asks for something
 * from outside (control.h). */
#include "preload/view.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/os.h"
#include "allocators/heap.h"
#include "preload/control.h"
#include "preload/control_serve.h"
#include "preload/failing.h"
#include "preload/init.h"
#include "preload/route.h"
#include "tracer/tracer.h"

struct view_state view_state = {.other_from = SIZE_MAX};

void door_shut(void)
{
    gate_shut_allocs();
    atomic_store_explicit(&view_state.passes, false, memory_order_relaxed);
    atomic_store_explicit(&view_state.records, false, memory_order_relaxed);
    /* Last, and release: whoever sees it and settles undoes all of the above. */
    atomic_store_explicit(&init_mark->is_quiet, false, memory_order_release);
}

void door_tell_shut(struct control_range *ranges)
{
    ranges[0] = (struct control_range){(uintptr_t)&gate, sizeof(gate)};
    size_t bytes = sizeof(view_state.passes) + sizeof(view_state.records);
    ranges[1] = (struct control_range){(uintptr_t)&view_state.passes, bytes};
    ranges[2] = (struct control_range){(uintptr_t)&init_mark->is_quiet, 1};
    static_assert(CONTROL_RANGES == 3, "all are told");
    static_assert(offsetof(struct view_state, records) == offsetof(struct view_state, passes) + 1,
                  "both are told at once");
}

/* Whoever asks stores the request first and shuts the door then; here it is opened first and looked
 * for a request then. Of two that do so at once, one sees the other. */
static void open_for(enum door_view new)
{
    bool fails = failing_is_on();
    atomic_store_explicit(&view_state.passes, new == DOOR_SEES_SAMPLES && !fails,
                          memory_order_relaxed);
    atomic_store_explicit(&view_state.records, new == DOOR_SEES_ALL && !fails,
                          memory_order_relaxed);
    /* The gate of frees too: realloc asks it whether it may serve. */
    static const enum gate_allocs allocs[] = {[DOOR_SEES_LITTLE] = GATE_OPEN,
                                              [DOOR_SEES_SAMPLES] = GATE_BATCHES,
                                              [DOOR_SEES_ALL] = GATE_SHUT};
    gate_set(fails ? GATE_SHUT : allocs[new], new != DOOR_SEES_ALL && !fails);
    atomic_thread_fence(memory_order_seq_cst);
    if (control_is_asked())
        door_shut();
}

bool door_is_shut(void)
{
    return (view() == DOOR_SEES_LITTLE && !gate_serves()) ||
           (view() == DOOR_SEES_SAMPLES && !view_passes());
}

static void set_view(enum door_view new)
{
    bool fails = failing_is_on();
    size_t other_from = new == DOOR_SEES_LITTLE && !fails ? route_mimalloc_from : SIZE_MAX;
    atomic_store_explicit(&view_state.other_from, other_from, memory_order_relaxed);
    atomic_store_explicit(&view_state.view, new, memory_order_relaxed);
}

void door_init(void)
{
    set_view(DOOR_SEES_LITTLE);
}

void door_settle(void)
{
    open_for(view());
}

void door_set_view(enum door_view new)
{
    bool is_ordered = new == DOOR_SEES_ALL && !route_is_mixed();
    cache_on_transfer(is_ordered ? tracer_sync : NULL);
    set_view(new);
    open_for(new);
    os_barrier();
}
