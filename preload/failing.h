/* failing.h - allocations that fail because somebody wants to see what the program does then.
 *
 * While they are asked for every allocation comes to the door and is counted there, in the order of
 * the calls: malloc, calloc, realloc to more than nothing, aligned ones, operator new. Number 1 is
 * the first behind the library's constructor. */
#ifndef MPRESS_FAILING_H
#define MPRESS_FAILING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/base/conf.h"

struct failing {
    _Atomic bool is_on;
    bool is_persistent; /* with all behind it; constant while on */
    uint64_t nth;       /* the number that fails; constant while on */
    _Atomic uint64_t calls;
};
extern struct failing failing;

/* From the constructor; the door's view is to be set anew then. */
void failing_init(const struct conf *conf);

/* The child of a fork goes on counting, unless one process only is meant. */
void failing_fork_child(const struct conf *conf);

/* Relaxed: a thread that reads the old value made its call before. */
static inline bool failing_is_on(void)
{
    return atomic_load_explicit(&failing.is_on, memory_order_relaxed);
}

/* Counts a call; true: it is to fail. Behind come_in: what the heap itself asks for while it serves
 * is not counted; what is refused anyway is, as in a trace. */
static inline bool failing_refuses(void)
{
    if (MP_LIKELY(!failing_is_on()))
        return false;
    uint64_t number = atomic_fetch_add_explicit(&failing.calls, 1, memory_order_relaxed) + 1;
    return number == failing.nth || (failing.is_persistent && number > failing.nth);
}

#endif
