/* own_stack.h - calls a function on a stack of ours: the program's may have a few KiB left. */
#ifndef MPRESS_TRACER_OWN_STACK_H
#define MPRESS_TRACER_OWN_STACK_H

#include <stdbool.h>
#include <stdint.h>

/* False: no memory for the stack; nothing was called. The calling thread is busy, so that a signal
 * handler that interrupts the call never comes here. */
bool own_stack_call(void (*function)(void *), void *argument);

/* Shows those that nobody uses just now: they hold what was on them last. */
void own_stack_visit(void (*visit)(uintptr_t from, uintptr_t to, void *context), void *context);

#endif
