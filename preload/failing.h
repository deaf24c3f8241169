/* failing.h - allocations that fail because somebody wants to see what the program does then.
 *
 * While they are asked for every allocation comes to the door and is counted there, in the order of
 * the calls: malloc, calloc, realloc to more than nothing, aligned ones, operator new. Number 1 is
 * the first behind the library's constructor. */
#ifndef MPRESS_FAILING_H
#define MPRESS_FAILING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/check.h"
#include "allocators/base/conf.h"

struct failing {
    _Atomic bool is_on;
    bool is_persistent; /* with all behind it; constant while on */
    bool has_branches;  /* branch.h: it fails in them; else here */
    uint64_t nth;       /* the number that is meant; constant while on, but for branches */
    _Atomic uint64_t calls;
};
extern struct failing failing;

/* From the constructor; the door's view is to be set anew then. */
void failing_init(const struct conf *conf);

/* The child of a fork goes on counting, unless one process only is meant. */
void failing_fork_child(const struct conf *conf);

/* This process is a branch in which the allocation just counted fails. */
void failing_begin_branch(bool is_persistent);

/* Relaxed: a thread that reads the old value made its call before. */
static inline bool failing_is_on(void)
{
    return atomic_load_explicit(&failing.is_on, memory_order_relaxed);
}

/* See below. */
bool failing_count(size_t bytes, uintptr_t ip);

/* Counts a call, which returns to `ip`; true: it is to fail. Behind come_in: what the heap itself
 * asks for while it serves is not counted; what is refused anyway is, as in a trace. */
static inline bool failing_refuses(size_t bytes, uintptr_t ip)
{
    return MP_UNLIKELY(failing_is_on()) && failing_count(bytes, ip);
}

#endif
