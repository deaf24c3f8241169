/* view.h - what the slow door sees just now; read by every call that comes there. What changes it
 * is declared in door.h. */
#ifndef MPRESS_VIEW_H
#define MPRESS_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "preload/door.h"

struct view_state {
    _Atomic size_t other_from; /* requests of at least so many bytes go to mimalloc, and nobody
                                * looks; SIZE_MAX: none */
    _Atomic unsigned view;     /* enum door_view */
    _Atomic bool passes;       /* a new batch between two samples (sampled.h) may be had */
    _Atomic bool records;      /* all are recorded, and none is to fail: recorded.h may serve. As
                                * the one above false while the door is shut */
};
extern struct view_state view_state;

static inline enum door_view view(void)
{
    return (enum door_view)atomic_load_explicit(&view_state.view, memory_order_relaxed);
}

static inline bool view_passes(void)
{
    return atomic_load_explicit(&view_state.passes, memory_order_relaxed);
}

static inline bool view_records(void)
{
    return atomic_load_explicit(&view_state.records, memory_order_relaxed);
}

static inline size_t view_other_from(void)
{
    return atomic_load_explicit(&view_state.other_from, memory_order_relaxed);
}

#endif
