/* sweep.h - `mpress-replay --fail-nth`: lets a program's allocations fail one after another, and
 * tells what became of it: each in a branch of one run (preload/branch.h), or in a run of its own.
 *
 * All runs are traced and have no address randomisation: so allocation number n is the same one in
 * all of them, and its call stack has the same addresses. */
#ifndef MPRESS_TOOLS_SWEEP_SWEEP_H
#define MPRESS_TOOLS_SWEEP_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/place.h"
#include "tools/target.h"
#include "tools/trace/trace.h"

enum { SWEEP_FRAMES_MOST = 64 };

enum sweep_mode { SWEEP_TRANSIENT, SWEEP_PERSISTENT, SWEEP_MODES };

/* What became of a run; the first three are clean. */
enum sweep_outcome {
    SWEEP_SAME,    /* ended as without failure, with the same output */
    SWEEP_GAVE_UP, /* ended by itself with another exit status */
    SWEEP_SILENT,  /* with the same exit status, and another output */
    SWEEP_ABORTED, /* by abort() */
    SWEEP_CRASHED, /* by another signal */
    SWEEP_HUNG,    /* it had to be killed */
    SWEEP_OUTCOMES
};

enum sweep_by { SWEEP_AUTO, SWEEP_RUNS, SWEEP_FORKS };

/* How an allocation was made to fail: in a branch; or in a run of its own, because */
enum sweep_way {
    SWEEP_BRANCH,
    SWEEP_ASKED,   /* --by runs */
    SWEEP_MISSED,  /* the run that branches did not come there as the first one did */
    SWEEP_ASTRAY,  /* or came to another end */
    SWEEP_FAILED,  /* no branch could be made */
    SWEEP_THREADS, /* the process had, at that point, several threads, */
    SWEEP_CHILDREN,
    SWEEP_TIMER,
    SWEEP_SHARES, /* a pipe, a socket or the like, or its output in a file, */
    SWEEP_MEMORY, /* memory that others share (which --by forks does not mind, nor the former); */
    SWEEP_EFFECT, /* or the branch was about to do what can be felt outside */
    SWEEP_WAYS
};

struct sweep_options {
    char **arguments;
    const char *state; /* results are kept there, and taken up from there; NULL */
    bool modes[SWEEP_MODES];
    enum sweep_by by;
    unsigned repeats; /* so many allocations of each call stack; UINT_MAX: all */
    bool is_json;
    bool is_quiet;
    unsigned runs_most; /* 0: any number */
    unsigned top;
    uint64_t budget_ns;  /* 0: any time */
    uint64_t timeout_ns; /* of a run; 0: by the first one's time */
};

struct sweep_stack {
    size_t frames;
    uint64_t ip[SWEEP_FRAMES_MOST]; /* innermost first */
};

struct sweep_result {
    uint64_t nth;
    enum sweep_mode mode;
    enum sweep_outcome outcome;
    enum sweep_way way;
    int code;                 /* exit status or signal */
    uint64_t bytes;           /* that were asked for */
    struct sweep_stack stack; /* of what failed; no frames: nothing did */
};

/* An allocation that is to fail. */
struct census_site {
    uint64_t nth;
    uint64_t bytes;
    uint32_t node;
    uint32_t way;  /* enum sweep_way: why not in a branch, when it is none */
    bool is_first; /* of its call stack */
    bool is_done[SWEEP_MODES];
};

/* What the program allocates when nothing fails. */
struct census {
    struct trace *trace;
    uint64_t calls;
    size_t stacks;
    size_t count;
    struct census_site *sites; /* those whose caller is new, other first ones of a call stack, the
                                * others; each group by number */
    size_t groups[3];          /* where each of them ends */
};

struct sweep {
    const struct sweep_options *options;
    char program[TARGET_PATH_BYTES];
    char library[PLACE_BYTES];
    char folder[96]; /* its path, without links */
    int input_fd;    /* what the program reads, from its beginning in every run */
    int code;        /* of the run without failure */
    uint64_t output;
    uint64_t wall_ns;
    bool is_reproducible; /* a second run without failure was the same */
    struct census census;
    size_t count;
    size_t capacity;
    struct sweep_result *results;
    size_t taken_up; /* results out of the state file */
    size_t planned;
    size_t tried; /* runs and branches */
    uint64_t begun_ns;
    uint64_t spent_ns;
};

int sweep_main(int argc, char **argv);

/* options.c: CLI_GO_ON, or the exit status. */
int sweep_parse(int argc, char **argv, struct sweep_options *options);

/* census.c: up to `repeats` sites of each call stack. 0, or a line on stderr was written. */
int census_read(const char *trace, unsigned repeats, struct census *census);
void census_fini(struct census *census);
size_t census_read_stack(const struct trace *trace, uint32_t node, struct sweep_stack *stack);

/* probe.c: one run. */
struct probe {
    bool is_hung;
    int wait_status;
    uint64_t output; /* a hash of what it printed */
    uint64_t wall_ns;
};
struct probe_start {
    uint64_t nth; /* 0: nothing fails */
    enum sweep_mode mode;
    const char *trace; /* a path */
    const char *tool;  /* the folder of branches; NULL: it fails in the run itself */
};
/* 0 or an errno value. */
int probe_run(const struct sweep *sweep, const struct probe_start *start, struct probe *probe);

/* The same by hand: *out is to be read from, without waiting. */
int probe_begin(const struct sweep *sweep, const struct probe_start *start, int *pid, int *out);
bool probe_hash(int fd, uint64_t *hash); /* false: nothing is there just now, or it is over */
uint64_t probe_hash_nothing(void);
uint64_t probe_timeout_ns(const struct sweep *sweep);
void probe_bury(int pid, int *wait_status); /* with all that it started and left */

/* Who has begun a session of his own; and branches of which we never heard: the trunk was killed,
 * or had no descriptor left to tell us. */
void probe_bury_lost(const struct sweep *sweep);

extern volatile int probe_stop; /* a signal wants us to end */
void probe_catch_signals(void);
int probe_keep_input(void); /* a descriptor, or -1 after a line */

/* trunk.c: one run without failure, and branches of it at the sites [from, to) as far as that can
 * be done; says in each why not. False: it is over, by time or a signal. */
bool trunk_run(struct sweep *sweep, size_t from, size_t to);
bool trunk_is_possible(struct sweep *sweep); /* once, before the first; its pipes */

/* examine.c: what a process that stands still shares with others. SWEEP_BRANCH, and what a branch
 * is to do with its files; or what is in the way. */
struct branch_answer;
enum sweep_way examine(const struct sweep *sweep, int pid, int out, struct branch_answer *answer);

/* state.c */
int state_load(struct sweep *sweep); /* CLI_OK, or CLI_USAGE after a line */
void state_add(const struct sweep *sweep, const struct sweep_result *result);

/* print.c, json.c: the exit status. */
bool sweep_is_bad(enum sweep_outcome outcome);
const char *sweep_outcome_name(enum sweep_outcome outcome);
const char *sweep_way_text(enum sweep_way way);
void sweep_print(const struct sweep *sweep);
int sweep_print_json(const struct sweep *sweep);

/* sweep.c: for who tries. */
struct sweep_result *sweep_add(struct sweep *sweep);
enum sweep_outcome sweep_judge(const struct sweep *sweep, const struct probe *probe);
int sweep_code_of(const struct probe *probe);
void sweep_show(const struct sweep *sweep);
bool sweep_may_go_on(const struct sweep *sweep);

#endif
