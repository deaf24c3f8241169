/* entered.c - see entered.h. */
#include "preload/entered.h"

#include <string.h>

#include "allocators/arena.h"
#include "allocators/heap.h"
#include "preload/init.h"
#include "preload/view.h"
#include "preload/watch.h"
#include "tracer/format.h"

static bool come_in(void)
{
    bool is_quiet = atomic_load_explicit(&init_mark->is_quiet, memory_order_relaxed);
    if (view() != DOOR_SEES_LITTLE || !is_quiet || watch_is_on() || hand.inside != 0)
        return false;
    hand.inside = 1;
    return true;
}

void *entered_alloc(size_t bytes, unsigned bits)
{
    if (bytes > MIXED_BYTES_MAX || !come_in())
        return NULL;
    unsigned class = size_class_of(bytes);
    size_t usable = size_tables.classes[class].bytes;
    void *p = usable <= MIXED_BYTES_MAX ? arena_alloc(class, 1) : NULL;
    door_go_out();
    return p != NULL && (bits & TRACE_ZEROED) != 0 ? memset(p, 0, usable) : p;
}

bool entered_free_own(void *p)
{
    if (!come_in())
        return false;
    bool is_freed = arena_free_own(p);
    door_go_out();
    return is_freed;
}
