/* guard.h - sees to it that nobody of an experiment is left, however this program ends: a process
 * of its own that waits at a socket for the end of this one, which the kernel closes also after
 * SIGKILL.
 *
 * Who is of it: origin.h. (Which sessions there are stands in memory that it shares.) */
#ifndef MPRESS_TOOLS_SCENARIO_GUARD_H
#define MPRESS_TOOLS_SCENARIO_GUARD_H

#include <sys/types.h>

/* Without one (no process can be made) all goes on unguarded. */
void guard_open(void);

/* A folder of this program's that is empty when all are gone: the guard removes it where this
 * program cannot do so any more. Before guard_open. */
void guard_keep_folder(const char *path);

/* A session that was begun; and one whose first process has ended: its number may be another's. */
void guard_note(pid_t session);
void guard_forget(pid_t session);

/* Ends who is left of all of them, and the guard. */
void guard_close(void);

#endif
