/* control_serve.h - serves what is asked of the process from outside: by a tool (control.h), by
 * signals (signals.h). */
#ifndef MPRESS_CONTROL_SERVE_H
#define MPRESS_CONTROL_SERVE_H

#include <stdbool.h>
#include <stdint.h>

/* From now on tools are served. */
void control_init(void);

/* Something is asked for and not done yet. */
bool control_is_asked(void);

/* Does it, for a thread that holds no lock of ours and whose call for memory came from that
 * address; or leaves it to a later call: when it comes from within libc or the loader and a trace
 * is to be started, interrupts the tracer, or somebody is at it. */
void control_serve(uintptr_t caller);

/* In the child of a fork: its parent was asked. */
void control_fork_child(void);

#endif
