/* leaks.h - which of the program's blocks nothing points to any more (reach.h), in this process. */
#ifndef MPRESS_LEAKS_H
#define MPRESS_LEAKS_H

#include "preload/control.h"
#include "preload/mpress.h"

/* Stops the other threads, looks through everything the program can reach, lets them go on, and
 * then tells what it found: into the trace if one runs (TRACE_INFO_LEAKS), in *leaks, and, where
 * `sizes` is not NULL, by size. Takes about a second for each gigabyte in use. Nothing but system
 * calls: for any thread that is outside the heap. 0; EBUSY: another thread is at it; ENOMEM;
 * ENOTSUP: /proc is missing or no signal is left. */
int leaks_look(struct mpress_leaks *leaks, struct leaks_sizes *sizes);

/* The same; without a trace a line on stderr says what is lost. */
void leaks_look_at_exit(void);

/* In the child of a fork: whoever looked is not there. */
void leaks_fork_child(void);

#endif
