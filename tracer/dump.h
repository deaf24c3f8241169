/* dump.h - a copy of the trace that runs, in a file of its own. */
#ifndef MPRESS_TRACER_DUMP_H
#define MPRESS_TRACER_DUMP_H

#include <stdint.h>

/* Copies what is recorded so far. `name`: as that of a trace; NULL: that of the trace, with ".dump"
 * before its ending. Others go on recording, but in a ring who needs a block waits. 0 or an errno
 * value; then there is no file. EBUSY: another thread is at it. The calling thread is busy and
 * holds no lock; it has just drawn `epoch`. */
int dump_write(const char *name, uint64_t epoch);

/* In a forked child: who was at it vanished. */
void dump_abandon(void);

#endif
