/* run.h - runs a program once, in a child process. */
#ifndef MPRESS_TOOLS_REPLAY_RUN_H
#define MPRESS_TOOLS_REPLAY_RUN_H

#include <stdbool.h>

#include "tools/replay/allocators.h"
#include "tools/replay/compile.h"

/* What all runs have in common. */
struct run_plan {
    const struct compiled *compiled;
    struct program_orders orders;                            /* but for the mode */
    void (*show)(const struct run_plan *plan, double share); /* about ten times a second; or NULL */
    const char *what;                                        /* is run now, for `show` */
    void *user;
};

/* Fills in *result; if it is not done, its `error` says why in one line. */
void run_once(const struct run_plan *plan, const struct allocator *allocator,
              enum program_mode mode, struct result *result);

/* The program that a child is; false: it is not there. */
bool run_find_child(char *path, size_t capacity);

#endif
