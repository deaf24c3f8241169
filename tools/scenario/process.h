/* process.h - a program that this one starts: in a session of its own, its output read, its whole
 * tree ended with it. */
#ifndef MPRESS_TOOLS_SCENARIO_PROCESS_H
#define MPRESS_TOOLS_SCENARIO_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "tools/scenario/environment.h"

enum { PROCESS_LINE_BYTES = 1024, PROCESS_TAIL_BYTES = 512 };

/* Called for each line of either output, with its first PROCESS_LINE_BYTES - 1 if it is longer. */
typedef void process_line(const char *line, void *context);
/* What it is to find in its environment. */
typedef void process_adorn(void *context, struct environment *environment);
/* In the child before exec: it has this program's memory, which waits meanwhile, so that it makes
 * system calls and nothing else. */
typedef void process_prepare(void *context);

struct process_stream {
    int fd; /* -1: at its end */
    size_t used;
    char line[PROCESS_LINE_BYTES]; /* what has come of it */
    bool is_rest;                  /* of a line that was longer */
};

struct process {
    pid_t pid; /* 0: there is none */
    int pid_fd;
    struct process_stream out, error;
    char said[PROCESS_TAIL_BYTES]; /* the last line of its error output; else of its output */
    bool has_complained;           /* there is one of its error output */
    bool has_missed_memory;        /* `said` is that memory could not be had, and is kept */
    bool has_threads;              /* more than one was seen */
    double heard, pause;    /* when something was last read of it; and then for so long not */
    double started, ended;  /* seconds, CLOCK_MONOTONIC; 0: it has not */
    double late;            /* its end, if it is seen now, was so long before */
    int wait_status;        /* once it has ended */
    struct rusage usage;    /* of it and of those of its children that it waited for */
    double run_wait;        /* its first thread, ready to run, waited for a processor */
    uint64_t resident_most; /* bytes of one of them; 0: not more than this program has itself */
};

struct process_hooks {
    /* each may be NULL: */
    process_adorn *adorn;
    process_prepare *prepare;
    process_line *line;
    void *context;
};

double process_now(void);
double process_used(void); /* seconds of processor time, of this program itself */

/* The most that this program had resident, since it was told to forget that: a child that has its
 * memory until it executes another program is told to have had as much, at least. */
uint64_t process_own_peak(void);
void process_forget_peak(void);

/* `arguments[0]` is looked for as the shell does. 0, or why fork or exec failed. */
int process_start(struct process *process, char **arguments, const struct process_hooks *hooks);
int process_start_shell(struct process *process, const char *command,
                        const struct process_hooks *hooks);

/* Reads what it has said, or some of it if that is much. */
void process_read(struct process *process, const struct process_hooks *hooks);

/* Seconds until what it says is worth to be woken for: at most PROCESS_PAUSE. */
#define PROCESS_PAUSE 0.008
double process_find_pause(const struct process *process);

/* Has it ended? Fills in how, and closes what was held of it. */
bool process_has_ended(struct process *process, const struct process_hooks *hooks);

/* Asks it to end (SIGTERM), and makes it end if it does not within `patience` seconds; nothing of
 * its tree is left. Its output is read meanwhile. */
void process_stop(struct process *process, double patience, const struct process_hooks *hooks);

bool process_was_killed(const struct process *process); /* by a signal */
bool process_has_exited_with(const struct process *process, int status);

#endif
