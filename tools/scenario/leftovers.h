/* leftovers.h - whom a program leaves behind as it ends: those that it started and that began a
 * session of their own, so that no signal to its group reaches them. As their parents end they
 * become children of this program (PR_SET_CHILD_SUBREAPER), so nobody else's number can be taken
 * for one of theirs.
 *
 * Of another program that still runs, or a stranger's (who was a child when the experiment began,
 * or comes from one), they stay what they are. */
#ifndef MPRESS_TOOLS_SCENARIO_LEFTOVERS_H
#define MPRESS_TOOLS_SCENARIO_LEFTOVERS_H

#include <sys/types.h>

/* Whoever is a child now and was not made known is a stranger. */
void leftovers_begin(void);

/* A child of this program's that does its own work; and it has ended. */
void leftovers_add_own(pid_t pid);
void leftovers_remove_own(pid_t pid);

/* One that is a program of the experiment, in a session of its own and marked (origin.h). */
void leftovers_add_program(pid_t pid);

/* Such a program has ended, and nobody has waited for it yet, so that its number is its own:
 * whoever is left of it is killed, and waited for. */
void leftovers_end(pid_t program);

/* Such a program was killed and has not ended: nobody waits for it any more. When it is gone,
 * whoever it leaves is killed with the leftovers of the program that ends next. */
void leftovers_give_up(pid_t program);

/* Those that have ended by themselves are waited for, as long as nobody of the others has ended.
 * Cheap. */
void leftovers_reap(void);

#endif
