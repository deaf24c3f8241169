/* entered.c - see entered.h. */
#include "preload/entered.h"

#include <string.h>

#include "allocators/arena.h"
#include "allocators/heap.h"
#include "preload/door.h"
#include "preload/watch.h"
#include "tracer/format.h"

/* A gate that is open says that nobody wants to see the call, nor asks for anything. */
static inline bool come_in(bool is_open)
{
    if (MP_UNLIKELY(!is_open || watch_is_on() || hand.inside != 0))
        return false;
    hand.inside = 1;
    return true;
}

void *entered_alloc(size_t bytes, unsigned bits)
{
    unsigned class = bytes <= ARENA_BYTES_MAX && gate_serves() ? size_class_of(bytes) : 0;
    if (!come_in(class != 0))
        return NULL;
    void *p = arena_alloc(class, 1);
    door_go_out();
    if (p != NULL && (bits & TRACE_ZEROED) != 0)
        memset(p, 0, size_tables.classes[class].bytes);
    return p;
}

bool entered_free_own(void *p)
{
    if (!come_in(space_owns_open(p)))
        return false;
    bool is_freed = arena_free_own(p);
    door_go_out();
    return is_freed;
}
