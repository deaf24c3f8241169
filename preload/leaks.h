/* leaks.h - which of the program's blocks nothing points to any more (reach.h), in this process. */
#ifndef MPRESS_LEAKS_H
#define MPRESS_LEAKS_H

#include <stddef.h>
#include <stdint.h>

#include "tracer/format.h"

/* Stops the other threads, looks through everything the program can reach, lets them go on, and
 * then writes what it found: into the trace if one runs (TRACE_INFO_LEAKS), else as a line on
 * stderr. Takes about a second for each gigabyte in use. Only one thread may call it, outside the
 * heap. */
void leaks_look(void);

#endif
