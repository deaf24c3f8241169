/* run.h - starts a program and stays with it to its end, whatever signals come meanwhile. */
#ifndef MPRESS_TOOLS_RUN_H
#define MPRESS_TOOLS_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct run {
    pid_t pid;
    int wait_status;     /* as waitpid gives it; valid after run_wait */
    uint64_t started_ns; /* CLOCK_MONOTONIC */
    uint64_t ended_ns;
};

/* What the child does between fork and exec: sets its environment. */
typedef void run_prepare(pid_t own_pid, void *context);

/* Called about four times a second while the program runs. */
typedef void run_tick(const struct run *run, void *context);

/* Starts `path` with `arguments` in this process's group. 0, or why fork or exec failed. */
int run_start(struct run *run, const char *path, char **arguments, run_prepare *prepare,
              void *context);

/* Waits for its end. SIGINT, SIGTERM, SIGHUP and their like do not end the caller: those that were
 * sent to it alone are sent on, those of the terminal have reached the program already. */
void run_wait(struct run *run, run_tick *tick, void *context);

/* After its end signals are still held back: forgets those that came, and whether one that means us
 * to stop has come since. */
void run_forget_signals(void);
bool run_is_interrupted(void);

/* The exit status a shell would show: the program's own, or 128 + the signal that killed it. */
int run_get_exit_status(const struct run *run);

#endif
