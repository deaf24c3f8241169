/* unwind.h - from where a thread stands to the id of its call stack. */
#ifndef MPRESS_TRACER_UNWIND_H
#define MPRESS_TRACER_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

#include "tracer/recorder.h"
#include "tracer/tracer.h"

struct lane;
struct walk;

/* Loads what unwinding needs. False, after one line: no stacks on this machine. Once, from a place
 * where the loader may be called; the calling thread is busy. */
bool unwind_init(void);

/* The id of the stack of the caller, cut to its innermost `depth` frames: then the outermost one
 * kept is a root of the tree. False: the stack could not be written (file_error()). The calling
 * thread is busy and holds no lock. */
bool unwind(struct lane *lane, const struct tracer_caller *caller, unsigned depth, uint32_t *id);

/* The stack of an event; *written false: the disk is full. */
static inline uint32_t unwind_event(struct lane *lane, const struct tracer_caller *caller,
                                    bool *written)
{
    uint32_t id = 0;
    *written = recorder.depth == 0 || unwind(lane, caller, recorder.depth, &id);
    return id;
}

/* The id of the thread's last stack that was new to it; 0: there was none. */
uint32_t unwind_last(const struct lane *lane);

/* The memory of a thread that has ended must not serve the next one. NULL is allowed. */
void walk_forget(struct walk *walk);

/* Nobody uses it any more: gives its pages back. */
void walk_purge(struct walk *walk);

/* See tracer_visit_memory. */
void unwind_visit_memory(void (*visit)(uintptr_t from, uintptr_t to, void *context), void *context);

/* Code was unmapped: what was learned about it is void. */
void unwind_forget_code(void);

/* Rules learned and steps by libunwind, in this process so far. */
void unwind_count(struct trace_costs *costs);

/* In a forked child, whose only thread is the caller. */
void unwind_abandon(void);

#endif
