/* origin.h - which program of an experiment a process comes from: the one whose session it is in,
 * or the one named by the mark in its environment, which those that begin a session of their own
 * inherit too. */
#ifndef MPRESS_TOOLS_SCENARIO_ORIGIN_H
#define MPRESS_TOOLS_SCENARIO_ORIGIN_H

#include <sys/types.h>

#include "tools/scenario/environment.h"

/* A new experiment: none of the marks so far is one of it. */
void origin_begin(void);

/* What is to be a program's environment: all that it starts are of it. Where its number goes. */
char *origin_mark(struct environment *environment);
/* In its process, before it executes. */
void origin_number(char *at, pid_t pid);

/* The program that is named by the mark of this experiment; 0: there is none that could be read.
 * (Who writes over its own environment, as titles of processes are set, has none.) */
pid_t origin_find_marked(pid_t pid);

/* The session's number; 0: it has ended. */
pid_t origin_find_session(pid_t pid);

#endif
